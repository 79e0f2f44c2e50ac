#!/usr/bin/env bash
# Each service's role, which owns its schema and sees no other. The postgres image runs this once,
# on an empty data folder; run by hand (PGHOST, PGUSER, POSTGRES_DB and the six passwords set) it
# also sets new passwords.
set -euo pipefail

database=${POSTGRES_DB:-backbeat}

psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set database="$database" \
    --username "${POSTGRES_USER:-postgres}" --dbname "$database" <<'SQL'
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL

for service in auth media audio notation ai vision; do
    password_name=${service^^}_DATABASE_PASSWORD
    : "${!password_name:?is missing; deploy/make-env makes one}"
    # \getenv keeps the password out of the process list.
    psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --set database="$database" \
        --set service="$service" --set password_name="$password_name" \
        --username "${POSTGRES_USER:-postgres}" --dbname "$database" <<'SQL'
\getenv password :password_name
SELECT format('CREATE ROLE %I LOGIN', :'service')
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'service') \gexec
ALTER ROLE :"service" LOGIN PASSWORD :'password';
GRANT CONNECT ON DATABASE :"database" TO :"service";
CREATE SCHEMA IF NOT EXISTS :"service" AUTHORIZATION :"service";
SQL
done
