# Debian's PostgreSQL 15, which starts as the official image does.
FROM contextvision-test/bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends postgresql-15 && rm -r /var/lib/apt/lists/*
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
RUN install --directory --owner postgres --mode 0700 "$PGDATA"
COPY postgres-entrypoint.sh /usr/local/bin/
VOLUME /var/lib/postgresql/data
# As the official one: PostgreSQL ends its clients' sessions at once.
STOPSIGNAL SIGINT
ENTRYPOINT ["sh", "/usr/local/bin/postgres-entrypoint.sh"]
CMD ["postgres"]
