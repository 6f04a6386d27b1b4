#!/usr/bin/env bash
# Measures how long a node takes to answer the methods of `arena` on a chain with 16 tasks, 600
# trainers, 1,050 validators and 63,000 delegators. Arguments go to arena-rpc-bench:
#   scripts/rpc-bench.sh --calls 1000 --json out.json
# It fails when a p99 is 50 ms or more.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh

cargo build --release --workspace --locked
exec "$CARGO_TARGET_DIR/release/arena-rpc-bench" --node "$CARGO_TARGET_DIR/release/arena-node" "$@"
