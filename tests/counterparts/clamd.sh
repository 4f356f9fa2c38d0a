#!/usr/bin/env bash
# A private clamd for the tests: own folder, own signatures, a unix socket and one loopback port; no system service.
#
#   tests/counterparts/clamd.sh start DIR [PORT]   prints "SOCKET PORT"; PORT 0 or none: a free one; pid in DIR/pid
#   tests/counterparts/clamd.sh stop DIR           ends it
#
# The tests take part with STAMMBUCH_TEST_CLAMD set to that line. Needs Debian's clamav-daemon. It knows two signatures,
# both of the EICAR test file, which is put together here: as one piece it would be found by whoever scans this folder.
# CLAMD_STREAM_MAX is its StreamMaxLength (20M).
set -euo pipefail
. "$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/server.sh"

# Answers PING.
answers() {
  python3 - "$1" <<'PY' 2>/dev/null
import socket, sys
s = socket.socket(socket.AF_UNIX)
s.connect(sys.argv[1])
s.sendall(b"zPING\0")
sys.exit(s.recv(9) != b"PONG\0")
PY
}

signatures() {
  local head='X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-' word='EICAR-' tail='STANDARD-ANTIVIRUS-TEST-FILE!'
  mkdir -p "$1"
  printf '%s:68:Test.Eicar\n' "$(printf '%s%s$H+H*' "$head" "$tail" | md5sum | cut -d' ' -f1)" >"$1/own.hdb"
  printf 'Test.Eicar.Body:0:*:%s\n' "$(printf '%s%s' "$word" "$tail" | od -An -v -tx1 | tr -d ' \n')" >"$1/own.ndb"
}

start() {
  local dir port socket
  command -v clamd >/dev/null || [ -x /usr/sbin/clamd ] || { echo "clamd.sh: no clamd: install clamav-daemon" >&2; exit 2; }
  dir=$(realpath -m "$1")
  port=${2:-0}
  [ "$port" != 0 ] || port=$(free_port)
  socket="$dir/clamd.sock"
  mkdir -p "$dir/temporary"
  signatures "$dir/signatures"
  cat >"$dir/clamd.conf" <<CONF
DatabaseDirectory $dir/signatures
TemporaryDirectory $dir/temporary
LocalSocket $socket
FixStaleSocket yes
TCPSocket $port
TCPAddr 127.0.0.1
Foreground yes
LogFile $dir/clamd.log
StreamMaxLength ${CLAMD_STREAM_MAX:-20M}
MaxFileSize 100M
MaxScanSize 100M
AlertExceedsMax yes
MaxThreads 4
MaxQueue 400
MaxConnectionQueueLength 400
SelfCheck 0
CONF
  # As root it would change to another user, who may not read this folder.
  [ "$(id -u)" != 0 ] || echo "User root" >>"$dir/clamd.conf"
  PATH=$PATH:/usr/sbin setsid clamd -c "$dir/clamd.conf" >"$dir/server.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  await_server "$dir" "$dir/server.log" "$dir/clamd.log" -- answers "$socket"
  echo "$socket $port"
}

case "${1:-}" in
  start) start "${2:?folder}" "${3:-0}" ;;
  stop) stop_server "${2:?folder}" ;;
  *) sed -n '2,9p' "$0" >&2; exit 2 ;;
esac
