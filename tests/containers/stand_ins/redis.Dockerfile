# Debian's Redis 7.
FROM contextvision-test/bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends redis-server && rm -r /var/lib/apt/lists/*
# As in the official image, where nobody from outside the container's network comes in.
ENTRYPOINT ["setpriv", "--reuid", "redis", "--regid", "redis", "--init-groups"]
CMD ["redis-server"]
