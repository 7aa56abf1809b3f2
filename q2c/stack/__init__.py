"""The launcher: PostgreSQL, Valkey and every process of the product from one command, with nothing
left behind.

Commands are described by ``python -m q2c.stack --help``. The servers' binaries come from the
Python packages of requirements/base.in; a ``DATABASE_URL`` or ``REDIS_URL`` in the environment
replaces the embedded server.
"""
