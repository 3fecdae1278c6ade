#!/bin/sh
# What the official image's script does, as far as docker-compose.yml asks for it.
set -eu
if [ "$(id --user)" = 0 ]; then
    chown postgres "$PGDATA"
    mkdir --parents /var/run/postgresql
    chown postgres /var/run/postgresql
    exec setpriv --reuid postgres --regid postgres --init-groups sh "$0" "$@"
fi
if [ ! -s "$PGDATA/PG_VERSION" ]; then
    echo "$POSTGRES_PASSWORD" >/tmp/password
    initdb --username "$POSTGRES_USER" --pwfile /tmp/password --encoding UTF8 --locale C.UTF-8 \
        --auth-host scram-sha-256
    rm /tmp/password
    echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
    pg_ctl --wait start --options "-c listen_addresses=''"
    createdb --username "$POSTGRES_USER" "$POSTGRES_DB"
    pg_ctl --wait stop
fi
exec "$@" -c "listen_addresses=*"
