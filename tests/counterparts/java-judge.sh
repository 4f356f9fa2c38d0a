#!/usr/bin/env bash
# Prepares a Java judge (verapdf or dss) and prints the command that runs it, one word a line.
# usage: java-judge.sh verapdf|dss
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/cache.sh"

build() {
  local source=$1 folder=$2
  mvn -q -B -f "$source/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$folder/lib"
  javac -cp "$folder/lib/*" -d "$folder/classes" "$source/Judge.java"
}

source=$here/$1
version=$(cat "$source/pom.xml" "$source/Judge.java" | sha256sum | cut -c1-16)
folder=$(cached "judge-$1" "$version" build "$source")
printf '%s\n' java -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$folder/classes:$folder/lib/*" Judge
