"""A database with as many transactions as one asks for."""
