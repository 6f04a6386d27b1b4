#!/usr/bin/env bash
# Measures a round of the paper's size in the runtime's wasm: settlement, its pages, claims.
# Arguments go to arena-bench, for instance:
#   scripts/bench.sh --json bench.json
# It fails when a target is missed; --no-targets only reports.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh

cargo build --release --workspace --locked
exec "$CARGO_TARGET_DIR/release/arena-bench" "$@"
