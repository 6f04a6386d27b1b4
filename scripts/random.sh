#!/usr/bin/env bash
# Random calls to the whole runtime, all invariants checked: as many as the argument says (one
# million without one), in runs of at most a million with a seed each. ARENA_SEED sets the first
# seed; without it the clock does. A failure names the seed that finds it again.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh

fail() {
    printf 'random: FAILED: %s\n' "$*" >&2
    exit 1
}

case "${1:-}" in
    -h | --help)
        sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
esac
calls="${1:-1000000}"
seed="${ARENA_SEED:-$(date +%s)}"
[ "$#" -le 1 ] || fail "one argument at most: the number of calls"
[[ "$calls" =~ ^[1-9][0-9]*$ ]] || fail "no number of calls: $calls"
[[ "$seed" =~ ^[0-9]+$ ]] || fail "ARENA_SEED is no number: $seed"

readonly RUN=1000000
readonly TEST=tests::random::random_calls_should_leave_everything_true
log="$(mktemp)"
trap 'rm -f "$log"' EXIT

total=0
succeeded=0
first="$seed"
while [ "$total" -lt "$calls" ]; do
    left=$((calls - total))
    run=$((left < RUN ? left : RUN))
    ARENA_SEED="$seed" ARENA_CALLS="$run" \
        cargo test --release --workspace --locked --lib -- --exact "$TEST" --nocapture |
        tee "$log" || fail "seed $seed, $total calls before it were sound"
    line="$(grep -E '^random: [0-9]+ calls, [0-9]+ succeeded' "$log")" || fail "seed $seed: no total"
    read -r _ done_calls _ done_well _ <<<"$line"
    [ "$done_calls" -gt 0 ] || fail "seed $seed: no calls"
    total=$((total + done_calls))
    succeeded=$((succeeded + done_well))
    seed=$((seed + 1))
done
printf 'random: ok: %d calls, %d succeeded, seeds %d to %d\n' \
    "$total" "$succeeded" "$first" "$((seed - 1))"
