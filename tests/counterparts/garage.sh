#!/usr/bin/env bash
# A private Garage for the long tests: a store that answers 200 to conditions and locks which it does not know. It is built
# once (ten minutes of processor time) and kept outside the clone.
#
#   tests/counterparts/garage.sh start DIR   prints "ENDPOINT KEY SECRET"
#   tests/counterparts/garage.sh stop DIR    ends it; its pid is in DIR/pid
#
# The tests take part with STAMMBUCH_TEST_GARAGE set to that line. Each test makes buckets of its own.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/cache.sh"
. "$here/server.sh"
version=2.5.0

build() {
  env -u CARGO_TARGET_DIR cargo install -q --locked --version "$version" --no-default-features \
    --features bundled-libs,lmdb,sqlite --root "$1" garage
}

# ports N: that many free ports.
ports() {
  python3 -c 'import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(one.getsockname()[1] for one in held))' "$1"
}

hex() { od -An "-N$1" -tx1 /dev/urandom | tr -d ' \n'; }
# Its port is open before the key is there.
answers() { listens "$1" && "$2" -c "$3/garage.toml" key allow --create-bucket "$4" >/dev/null 2>&1; }

start() {
  local dir garage s3 rpc key secret
  garage=$(cached garage "$version" build)/bin/garage
  dir=$(realpath -m "$1")
  mkdir -p "$dir"
  read -r s3 rpc <<<"$(ports 2)"
  key=GK$(hex 12)
  secret=$(hex 32)
  cat >"$dir/garage.toml" <<TOML
metadata_dir = "$dir/meta"
data_dir = "$dir/data"
db_engine = "sqlite"
replication_factor = 1
rpc_bind_addr = "127.0.0.1:$rpc"
rpc_public_addr = "127.0.0.1:$rpc"
rpc_secret = "$(hex 32)"
[s3_api]
s3_region = "us-east-1"
api_bind_addr = "127.0.0.1:$s3"
TOML
  GARAGE_DEFAULT_ACCESS_KEY=$key GARAGE_DEFAULT_SECRET_KEY=$secret GARAGE_DEFAULT_BUCKET=first \
    setsid "$garage" -c "$dir/garage.toml" server --single-node --default-bucket >"$dir/server.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  await_server "$dir" "$dir/server.log" -- answers "$s3" "$garage" "$dir" "$key"
  echo "http://127.0.0.1:$s3 $key $secret"
}

case "${1:-}" in
  start) start "${2:?folder}" ;;
  stop) stop_server "${2:?folder}" ;;
  *) sed -n '2,9p' "$0" >&2; exit 2 ;;
esac
