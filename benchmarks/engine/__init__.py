"""Durable steps per second of the engine, beside DBOS Transact and a plain Celery chain."""
