#!/usr/bin/env bash
# ci.sh RESULTS.json: short load tests with real k6 (K6, or as get-k6.sh finds it), and proofs that their thresholds can fail.
# The build must be there.
set -euo pipefail
cd "$(dirname "$0")/.."
K6=${K6:-$(k6/get-k6.sh)}
export K6
exec node dist/k6/runner/ci.js "$1"
