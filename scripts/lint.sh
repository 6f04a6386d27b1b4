#!/usr/bin/env bash
# Formatting, arrows between crates, clippy, licences and sources of dependencies.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh

say() { printf 'lint: %s\n' "$*"; }
fail() {
    printf 'lint: FAILED: %s\n' "$*" >&2
    exit 1
}

# step WHAT COMMAND...
step() {
    local what="$1"
    shift
    say "$what"
    "$@" || fail "$what"
}

step "formatting" cargo fmt --all --check
step "arrows between crates: the check itself" python3 scripts/check-arrows.py --self-test
step "arrows between crates" python3 scripts/check-arrows.py
step "clippy" env SKIP_WASM_BUILD=1 \
    cargo clippy --release --workspace --all-targets --locked -- -D warnings

if cargo deny --version >/dev/null 2>&1; then
    step "licences, bans, sources" cargo deny check licenses bans sources
else
    say "licences, bans, sources: skipped, no cargo-deny (cargo install cargo-deny --locked)"
fi
say "ok"
