#!/usr/bin/env bash
# A private PostgreSQL for the tests: own cluster in a folder, unix socket and one loopback port, no system service.
#
#   tests/counterparts/postgres.sh start DIR [PORT]   prints its url; PORT 0 or none: a free one; pid in DIR/pid
#   tests/counterparts/postgres.sh stop DIR           ends it
#
# STAMMBUCH_POSTGRES_OPTIONS are more options for the server, such as `-c fsync=off`.
# The tests take part with STAMMBUCH_TEST_POSTGRES set to the url. Needs Debian's postgresql-15 (or newer);
# PostgreSQL refuses to run as root, so it is then run as the user postgres.
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/server.sh"

bin() {
  local found
  found=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
  [ -n "$found" ] || { echo "postgres.sh: no /usr/lib/postgresql/*/bin: install postgresql" >&2; exit 2; }
  echo "$found"
}

as_postgres() {
  if [ "$(id -u)" = 0 ]; then
    setpriv --reuid=postgres --regid=postgres --init-groups -- "$@"
  else
    "$@"
  fi
}

start() {
  local dir port bin
  dir=$(realpath -m "$1")
  port=${2:-0}
  bin=$(bin)
  [ "$port" != 0 ] || port=$(free_port)
  mkdir -p "$dir"
  [ "$(id -u)" != 0 ] || chown postgres "$dir"
  cd "$dir"
  if [ ! -f "$dir/data/PG_VERSION" ]; then
    as_postgres "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync >"$dir/initdb.log" 2>&1 ||
      { cat "$dir/initdb.log" >&2; exit 1; }
  fi
  as_postgres "$bin/pg_ctl" -D "$dir/data" -l "$dir/server.log" -w -t 60 \
    -o "-k '$dir' -c listen_addresses=127.0.0.1 -p $port -c max_connections=400 ${STAMMBUCH_POSTGRES_OPTIONS:-}" start >"$dir/start.log" 2>&1 ||
    { cat "$dir/start.log" "$dir/server.log" >&2; exit 1; }
  head -1 "$dir/data/postmaster.pid" >"$dir/pid"
  echo "postgres://postgres@127.0.0.1:$port/postgres"
}

stop() {
  local pid
  [ -f "$1/pid" ] || return 0
  pid=$(cat "$1/pid")
  kill -INT "$pid" 2>/dev/null || return 0
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  echo "postgres.sh: $pid does not end" >&2
  exit 1
}

case "${1:-}" in
  start) start "${2:?folder}" "${3:-0}" ;;
  stop) stop "${2:?folder}" ;;
  *) sed -n '2,9p' "$0" >&2; exit 2 ;;
esac
