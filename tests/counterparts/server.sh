# Sourced by the scripts beside it: a server of the tests' own, on loopback, known by its pid in DIR/pid.

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# True if something listens on that port.
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# await_server DIR LOG... -- COMMAND...: until the command says that the server answers; 1, after its logs, if it ended
# or took longer than 30 s.
await_server() {
  local dir=$1 logs=()
  shift
  while [ "$1" != -- ]; do logs+=("$1"); shift; done
  shift
  for _ in $(seq 300); do
    if "$@"; then return 0; fi
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || break
    sleep 0.1
  done
  cat "${logs[@]}" >&2
  return 1
}

# stop_server DIR: ends it, after 10 s by force.
stop_server() {
  local pid
  [ -f "$1/pid" ] || return 0
  pid=$(cat "$1/pid")
  kill -TERM "$pid" 2>/dev/null || return 0
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
  kill -KILL "$pid"
}
