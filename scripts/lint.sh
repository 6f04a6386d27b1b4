#!/usr/bin/env bash
# Formatting, arrows between crates, scripts, licences and sources of dependencies, clippy.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh

skipped=0

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

# step_by PROGRAM HOW-TO-GET-IT WHAT COMMAND...: skipped where there is no such program.
step_by() {
    local program="$1" get="$2"
    shift 2
    if command -v "$program" >/dev/null 2>&1; then
        step "$@"
    else
        say "$1: SKIPPED, there is no $program; get it with: $get"
        skipped=$((skipped + 1))
    fi
}

step "formatting" cargo fmt --all --check
step "arrows between crates: the check itself" python3 scripts/check-arrows.py --self-test
step "arrows between crates" python3 scripts/check-arrows.py
step_by shellcheck "apt-get install shellcheck" \
    "scripts" shellcheck -x scripts/*.sh
# Some crates of two licences spell the one that isn't taken in an outdated way: no news.
step_by cargo-deny "cargo install cargo-deny --locked" \
    "licences, bans, sources" cargo deny --locked check --hide-inclusion-graph \
    --allow parse-error licenses bans sources
step "clippy" env SKIP_WASM_BUILD=1 \
    cargo clippy --release --workspace --all-targets --locked -- -D warnings

if [ "$skipped" -eq 0 ]; then
    say "ok"
else
    say "ok, but for $skipped skipped above"
fi
