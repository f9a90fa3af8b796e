-- Roles of the embedded PostgreSQL. The braces take literals and names that the driver quotes (psycopg.sql), because
-- CREATE ROLE and CREATE DATABASE take no parameters.

-- name: has_role
SELECT 1 AS found FROM pg_roles WHERE rolname = %(role)s;

-- name: has_database
SELECT 1 AS found FROM pg_database WHERE datname = %(database)s;

-- name: create_role
CREATE ROLE {role} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD {password};

-- name: create_database
CREATE DATABASE {database} OWNER {owner} TEMPLATE template0 ENCODING 'UTF8';

-- name: close_database
-- Nobody but the three roles connects, and nobody but the owner makes anything.
REVOKE ALL ON DATABASE {database} FROM PUBLIC;

-- name: open_database
GRANT CONNECT ON DATABASE {database} TO {role};

-- name: own_schema
-- Others keep USAGE, which every role has on a fresh schema, and have no CREATE (PostgreSQL 15 and later).
ALTER SCHEMA public OWNER TO {owner};
