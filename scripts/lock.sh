#!/bin/sh
# Makes the lock files anew. They name no index: whoever installs uses their own.
set -eu
cd "$(dirname "$0")/.."
uv=$1

lock() {
    out=requirements/$1.lock
    shift
    "$uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
        --no-annotate --upgrade -o "$out" "$@"
    if grep -E '^(--|-i |-f )' "$out"; then
        echo "$out names an index" >&2
        exit 1
    fi
}

# the widest first; the others take its versions
lock check pyproject.toml requirements/build.in --extra test --extra check --extra bench --extra screens
lock test pyproject.toml requirements/build.in --extra test -c requirements/check.lock
lock run pyproject.toml requirements/build.in -c requirements/check.lock
lock screens requirements/screens.in -c requirements/check.lock
lock tox requirements/tox.in
