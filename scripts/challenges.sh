#!/usr/bin/env bash
# Puts honest people and cheats before juries, on real nodes with real executors, and ends with a
# table of what came of it, read from the chain's events. Arguments go to arena-trials:
#   scripts/challenges.sh --json out.json     write the result as JSON
#   scripts/challenges.sh --nodes 12          a node for each juror (8 processors or more)
#   scripts/challenges.sh --help              all of them
# Exits with 1 if any outcome is not as expected.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/env.sh
source "$root/scripts/env.sh"

# Paths in the arguments are relative to where this was called.
(cd "$root" && cargo build --release --workspace --locked)
exec "$CARGO_TARGET_DIR/release/arena-trials" --bin-dir "$CARGO_TARGET_DIR/release" \
    --data "$root/data" "$@"
