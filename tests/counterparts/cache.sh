# Where what is built once is kept, by name and version, outside the clone. Sourced by the other scripts here.
# Nothing in it is needed: an empty cache only makes a run longer.

: "${STAMMBUCH_CACHE:=${XDG_CACHE_HOME:-${HOME:-/var}/.cache}/stammbuch}"
export STAMMBUCH_CACHE

# cached NAME VERSION COMMAND...: runs COMMAND with a fresh folder as last argument, unless NAME-VERSION is there;
# prints the folder. A command that fails leaves nothing behind.
cached() {
  local kept="$STAMMBUCH_CACHE/$1-$2" fresh
  shift 2
  if [ ! -d "$kept" ]; then
    mkdir -p "$STAMMBUCH_CACHE"
    fresh=$(mktemp -d "$kept.XXXXXX")
    if ! "$@" "$fresh" >&2; then
      rm -rf "$fresh"
      return 1
    fi
    mv -T "$fresh" "$kept" 2>/dev/null || rm -rf "$fresh"
  fi
  printf '%s\n' "$kept"
}
