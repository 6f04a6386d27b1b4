#!/usr/bin/env bash
# Plays attacks against honest play on the runtime, natively, and makes the table in
# docs/security.md. Arguments go to arena-sim, for instance:
#   scripts/attacks.sh --only copier grind --json attacks.json
#   scripts/attacks.sh --help
# With any argument the document is left alone.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh

cargo build --release --workspace --locked
if [ "$#" -eq 0 ]; then
    set -- --markdown docs/security.md
fi
exec "$CARGO_TARGET_DIR/release/arena-sim" "$@"
