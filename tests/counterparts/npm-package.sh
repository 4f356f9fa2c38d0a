#!/usr/bin/env bash
# usage: npm-package.sh NAME VERSION
# Installs a package from npm in the cache and prints the folder that has its node_modules.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cache.sh"

install() {
  printf '{"private": true}\n' >"$1/package.json"
  npm install --prefix "$1" --no-audit --no-fund --ignore-scripts --silent --save-exact "$name@$version"
}

[ $# = 2 ] || { sed -n '2p' "$0" >&2; exit 2; }
name=$1 version=$2
cached "$name" "$version" install
