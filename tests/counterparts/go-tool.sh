#!/usr/bin/env bash
# Builds a Go program of a fixed version and prints its path. NAME is what it is kept under.
# usage: go-tool.sh NAME PACKAGE@VERSION
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/cache.sh"

build() {
  GOBIN=$2 GOFLAGS=-mod=mod CGO_ENABLED=0 go install -ldflags='-s -w' "$1"
}

folder=$(cached "go-$1" "${2##*@}" build "$2")
printf '%s\n' "$folder/$(basename "${2%@*}")"
