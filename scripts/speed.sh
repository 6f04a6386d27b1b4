#!/usr/bin/env bash
# Times arena-executor beside PyTorch and transformers on the same models, samples and cores:
#   scripts/speed.sh [--only large|small] [--repetitions N] [--threads N] [--json FILE] ...
# Arguments go to scripts/speed/compare.py. Models are kept in the user's cache (0.6 GB). The
# losses must agree before anything is timed. Measure on an idle machine.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh
# shellcheck source=scripts/reference-env.sh
source scripts/reference-env.sh

models="${XDG_CACHE_HOME:-$HOME/.cache}/aiarena/speed"

# The whole workspace's features, so that nothing is built twice.
cargo build --release --locked --workspace --bins
cargo build --release --locked --workspace --example matmul --example post
"$REFERENCE_PYTHON" scripts/speed/make_models.py --out "$models"
exec "$REFERENCE_PYTHON" scripts/speed/compare.py --models "$models" \
    --executor "$CARGO_TARGET_DIR/release/arena-executor" \
    --matmul "$CARGO_TARGET_DIR/release/examples/matmul" \
    --post "$CARGO_TARGET_DIR/release/examples/post" "$@"
