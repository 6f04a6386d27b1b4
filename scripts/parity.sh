#!/usr/bin/env bash
# Compares the losses of every model family with the reference implementation's, on models of
# seeds that nobody chose:
#   scripts/parity.sh [--seeds N] [--first SEED] [--keep DIR]
# Each seed makes models and data anew; --first says where to begin, for a failure that is to be
# seen again. The table has the largest relative error of a sample's loss by family and profile.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

seeds=3
first=
keep=

usage() {
    sed -n '2,/^set/{s/^# \{0,1\}//p}' "$0" >&2
    exit 2
}

while [ $# -gt 0 ]; do
    [ $# -ge 2 ] || usage
    case "$1" in
        --seeds) seeds="$2" ;;
        --first) first="$2" ;;
        --keep) keep="$2" ;;
        *) usage ;;
    esac
    shift 2
done

# shellcheck source=scripts/env.sh
source scripts/env.sh
# shellcheck source=scripts/reference-env.sh
source scripts/reference-env.sh

[ -n "$first" ] || first="$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')"
if [ -n "$keep" ]; then
    mkdir -p "$keep"
    out="$(cd "$keep" && pwd)"
else
    out="$(mktemp -d)"
    trap 'rm -rf "$out"' EXIT
fi

failed=0
for ((i = 0; i < seeds; i++)); do
    seed=$((first + i))
    printf 'parity: seed %s: models\n' "$seed"
    "$REFERENCE_PYTHON" scripts/parity/generate.py --seed "$seed" --out "$out/$seed" >"$out/$seed.log" ||
        { cat "$out/$seed.log" >&2 && exit 1; }
    printf 'parity: seed %s: losses\n' "$seed"
    if ! ARENA_PARITY_DIR="$out/$seed" cargo test --quiet --release --locked -p arena-models -p arena-executor \
        --test parity >"$out/$seed.log" 2>&1; then
        grep -vE '^ +[0-9]+: |^stack backtrace' "$out/$seed.log" >&2 || true
        printf 'parity: FAILED with seed %s\n' "$seed" >&2
        failed=1
    fi
done
"$REFERENCE_PYTHON" scripts/parity/table.py "$out"/*/parity.json
exit "$failed"
