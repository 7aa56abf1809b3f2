#!/usr/bin/env bash
# Run once by the postgres image on an empty data directory: the same two roles as q2c/stack/roles.py, with passwords.
set -euo pipefail

psql -v ON_ERROR_STOP=1 -v owner_password="$OWNER_PASSWORD" -v app_password="$APP_PASSWORD" -U postgres <<'SQL'
CREATE ROLE q2c_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE q2c_app LOGIN PASSWORD :'app_password';
ALTER ROLE q2c_app SET idle_in_transaction_session_timeout = '30s';
GRANT q2c_app TO q2c_owner;
CREATE DATABASE q2c OWNER q2c_owner;
\connect q2c
CREATE EXTENSION pg_stat_statements;
GRANT CREATE, USAGE ON SCHEMA public TO q2c_owner;
GRANT USAGE ON SCHEMA public TO q2c_app;
ALTER DEFAULT PRIVILEGES FOR ROLE q2c_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO q2c_app;
ALTER DEFAULT PRIVILEGES FOR ROLE q2c_owner GRANT USAGE, SELECT ON SEQUENCES TO q2c_app;
SQL
