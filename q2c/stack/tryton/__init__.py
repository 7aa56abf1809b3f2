"""A real Tryton server for the ERP connector's tests: own environment, embedded PostgreSQL, no
root rights.

``python -m q2c.stack.tryton`` runs it in the foreground. The first start installs packages,
creates a database and dumps
it; later ones restore the dump. What runs inside Tryton lies in erp-modules/tryton/ under its own
licence.
"""
