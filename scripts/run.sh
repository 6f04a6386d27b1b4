#!/usr/bin/env bash
# From a bare machine to a paid task: sets up, builds, and runs the demo. Arguments go to it:
#   scripts/run.sh --json out.json     write the result as JSON
#   scripts/run.sh --keep              leave the chain running, for scripts/verify.sh
#   scripts/run.sh --help              all of them
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
here="$PWD"
# shellcheck source=scripts/env.sh
source "$root/scripts/env.sh"

say() { printf 'run: %s\n' "$*"; }
fail() {
    printf 'run: FAILED: %s\n' "$*" >&2
    exit 1
}

cd "$root"
start=$SECONDS
bash scripts/setup.sh || fail "set-up"
# Set-up may have brought cargo, or the toolchain of the wasm build.
# shellcheck source=scripts/env.sh
source scripts/env.sh
export ARENA_SETUP_SECONDS=$((SECONDS - start))

say "build (the first one takes long)"
start=$SECONDS
cargo build --release --workspace --locked || fail "build"
export ARENA_BUILD_SECONDS=$((SECONDS - start))

say "demo"
# Paths in the arguments are relative to where this was called.
cd "$here"
exec "$CARGO_TARGET_DIR/release/arena-demo" --bin-dir "$CARGO_TARGET_DIR/release" \
    --data "$root/data" "$@"
