#!/usr/bin/env bash
# Drives the runtime's wasm through the tasks of the paper's Table 1: seven months in minutes.
# Arguments go to arena-replay, for instance:
#   scripts/replay.sh --json replay.json
#   scripts/replay.sh --help
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh

cargo build --release --workspace --locked
exec "$CARGO_TARGET_DIR/release/arena-replay" "$@"
