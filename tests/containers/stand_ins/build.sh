#!/bin/sh
# Makes images under the names that Dockerfile and docker-compose.yml ask for, of Debian's packages:
# for machines that reach no registry of images. Needs root, Docker, debootstrap.
#   CA_BUNDLE=/path  certificates that pip is to believe besides
#   PIP_CONF=/path   its configuration, where it needs one
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp --directory)
trap 'rm --recursive --force "$work"' EXIT
if ! docker image inspect contextvision-test/bookworm >/dev/null 2>&1; then
    debootstrap --variant=minbase --include=python3,python3-venv,ca-certificates,libgomp1 \
        bookworm "$work/root" >"$work/log" || { cat "$work/log"; exit 1; }
    tar --directory "$work/root" --create . | docker import - contextvision-test/bookworm >/dev/null
    rm --recursive --force "$work/root"
fi
cp "$here"/* "$work"
cat "${CA_BUNDLE:-/dev/null}" >"$work/ca.crt"
cat "${PIP_CONF:-/dev/null}" >"$work/pip.conf"
for each in python:3.11-slim-bookworm postgres:15 redis:7; do
    docker build --quiet --tag "$each" --file "$work/${each%%:*}.Dockerfile" "$work"
done
