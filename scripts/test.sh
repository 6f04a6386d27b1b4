#!/usr/bin/env bash
# All tests of the workspace. Arguments go to cargo-nextest, for instance:
#   scripts/test.sh -p arena-math
# A passing run ends with the test runner's own closing lines.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh

say() { printf 'test: %s\n' "$*"; }
fail() {
    printf 'test: FAILED: %s\n' "$*" >&2
    exit 1
}

# step WHAT COMMAND...
step() {
    local what="$1"
    shift
    say "$what"
    "$@" || fail "$what"
}

step "set-up" bash scripts/setup.sh
# Set-up may have brought the toolchain of the wasm build.
# shellcheck source=scripts/env.sh
source scripts/env.sh

step "formatting" cargo fmt --all --check
step "arrows between crates" python3 scripts/check-arrows.py
step "the check of arrows itself" python3 scripts/check-arrows.py --self-test
step "build" cargo build --release --workspace --locked
step "chain specifications" bash scripts/chain-specs.sh --check
step "metrics of alerts and dashboard" bash scripts/metrics.sh
step "tests" cargo nextest run --release --workspace --locked --no-fail-fast "$@"
