#!/usr/bin/env bash
# Measures the benchmarks of the runtime's own pallets and writes pallets/*/src/weights.rs.
# Arguments go to the runner, for instance:
#   scripts/weights.sh --pallet scoring
#   scripts/weights.sh --check
#   scripts/weights.sh --help
# The runtime is built with its benchmarks into a target directory of its own, so that no other
# build takes turns with it. Measure on an idle machine: what else runs is measured too.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh

say() { printf 'weights: %s\n' "$*"; }

export CARGO_TARGET_DIR="${ARENA_WEIGHTS_TARGET_DIR:-$CARGO_TARGET_DIR/weights}"
# Without it there is no wasm to measure.
unset SKIP_WASM_BUILD

say "building the runtime with its benchmarks in $CARGO_TARGET_DIR"
cargo build --release --locked -p arena-weights --features runtime-benchmarks

say "measuring"
"$CARGO_TARGET_DIR/release/arena-weights" --root . "$@"
cargo fmt --all
say "ok"
