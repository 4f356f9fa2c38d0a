#!/usr/bin/env bash
# A private MinIO for the tests: its own folder and one loopback port. It is built once and kept outside the clone.
#
#   tests/counterparts/minio.sh start DIR [PORT]   prints "ENDPOINT KEY SECRET"; PORT 0 or none: a free one
#   tests/counterparts/minio.sh stop DIR           ends it; its pid is in DIR/pid
#
# STAMMBUCH_MINIO_CERTS names a folder with public.crt and private.key: then it speaks TLS only.
#
# The tests take part with STAMMBUCH_TEST_S3 set to that line. Each test makes buckets of its own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/server.sh"
version=v0.0.0-20260212201848-7aac2a2c5b7c

start() {
  local dir port minio key=stammbuch-test secret scheme=http certs=()
  minio=$("$here/go-tool.sh" minio "github.com/minio/minio@$version")
  dir=$(realpath -m "$1")
  port=${2:-0}
  [ "$port" != 0 ] || port=$(free_port)
  mkdir -p "$dir/data"
  if [ -n "${STAMMBUCH_MINIO_CERTS:-}" ]; then
    scheme=https
    certs=(--certs-dir "$STAMMBUCH_MINIO_CERTS")
  fi
  secret=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  # CI and MINIO_CI_CD: it may keep its data on the system's disk.
  MINIO_ROOT_USER=$key MINIO_ROOT_PASSWORD=$secret MINIO_BROWSER=off MINIO_UPDATE=off CI=true MINIO_CI_CD=1 \
    setsid "$minio" server --quiet "${certs[@]}" --address "127.0.0.1:$port" "$dir/data" >"$dir/server.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  await_server "$dir" "$dir/server.log" -- listens "$port"
  echo "$scheme://127.0.0.1:$port $key $secret"
}

case "${1:-}" in
  start) start "${2:?folder}" "${3:-0}" ;;
  stop) stop_server "${2:?folder}" ;;
  *) sed -n '2,9p' "$0" >&2; exit 2 ;;
esac
