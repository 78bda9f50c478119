#!/usr/bin/env bash
# Runs a command with CARDOPS_DATABASE_URL at a throw-away PostgreSQL 15, gone when it ends:
#     tests/postgresql15.sh .venv/bin/python -m pytest -m database
# It is unlike the embedded server where given servers are: TCP and a password, a role that may
# only create databases, another time zone, and text that sorts as people do.
set -euo pipefail

BIN=${POSTGRESQL15_BIN:-/usr/lib/postgresql/15/bin}
UNPRIVILEGED=65534 # PostgreSQL refuses to run as root

[ $# -gt 0 ] || { echo "usage: $0 COMMAND [ARGUMENT...]" >&2; exit 2; }
[ -x "$BIN/initdb" ] || { echo "PostgreSQL 15 is not in $BIN; install it or set POSTGRESQL15_BIN" >&2; exit 2; }

as_server() {
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=$UNPRIVILEGED --regid=$UNPRIVILEGED --clear-groups "$@"
    else
        "$@"
    fi
}

secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# What PostgreSQL stores of a password, hashed once instead of 4,096 times, which costs each of a run's many
# thousand connections 5 ms. PostgreSQL 16 and later have a setting for it, as the embedded server has.
verifier() {
    python3 - "$1" <<'END'
import base64, hashlib, hmac, os, sys

def code(data: bytes) -> str:
    return base64.b64encode(data).decode()

salt = os.urandom(16)
salted = hashlib.pbkdf2_hmac("sha256", sys.argv[1].encode(), salt, 1)
client, server = (hmac.digest(salted, name, "sha256") for name in (b"Client Key", b"Server Key"))
print(f"SCRAM-SHA-256$1:{code(salt)}${code(hashlib.sha256(client).digest())}:{code(server)}")
END
}

# In memory where there is plenty, as in tests/conftest.py.
room=$(df --output=avail -k /dev/shm 2>/dev/null | tail -1) || room=0
parent=/tmp
[ "${room:-0}" -gt 8388608 ] && parent=/dev/shm
folder=$(mktemp -d "$parent/cardops-postgresql15-XXXXXX")
stop() {
    (cd / && as_server "$BIN/pg_ctl" stop -s -m immediate -D "$folder/data") || true
    rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

owner=$(secret)
password=$(secret)
port=$(free_port)
(umask 077 && printf '%s' "$owner" >"$folder/password")
[ "$(id -u)" -eq 0 ] && chown -R $UNPRIVILEGED:$UNPRIVILEGED "$folder"
(
    cd /
    as_server "$BIN/initdb" -D "$folder/data" -U owner --pwfile="$folder/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 \
        --locale-provider=icu --icu-locale=en-US --no-sync >"$folder/initdb.log"
    as_server "$BIN/pg_ctl" start -s -w -D "$folder/data" -l "$folder/log" -o "-c port=$port \
        -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c timezone=Asia/Tokyo -c fsync=off -c full_page_writes=off"
)
PGPASSWORD=$owner "$BIN/psql" -q -h 127.0.0.1 -p "$port" -U owner -d postgres -v ON_ERROR_STOP=1 \
    -c "create role cardops login createdb password '$(verifier "$password")'" \
    -c "create database cardops owner cardops"

export CARDOPS_DATABASE_URL="postgresql://cardops:$password@127.0.0.1:$port/cardops"
"$@"
