#!/usr/bin/env bash
# Counts the instructions of a registered training and of a juror's work on its log, with valgrind,
# and measures both by CPU time; prints the table of docs/registered-training.md. Some minutes.
#   scripts/juror-cost.sh [MODEL[:SEGMENTS] ...]      perceptron, llama; 128 segments by default
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh

sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)
command -v valgrind >/dev/null || "${sudo[@]}" apt-get install -y -q valgrind
models=("$@")
[ ${#models[@]} -gt 0 ] || models=(perceptron perceptron:256 perceptron:512)
times=${JUROR_COST_TIMES:-20}

cargo build --release --locked -p arena-models -p arena-executor --example juror_cost
run=$CARGO_TARGET_DIR/release/examples/juror_cost
# One thread, and files in memory: what is counted is computing.
export RAYON_NUM_THREADS=1
work=$(mktemp -d --tmpdir=/dev/shm)
trap 'rm -rf "$work"' EXIT

count() { # MODEL STEP
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$run" "$work/$1" "$1" "$2" 2>&1 |
        awk '/Collected/ { print $NF }'
}

echo "| training | instructions, training | a juror | share | jury of 11 | jury of 31 | CPU time |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
for model in "${models[@]}"; do
    "$run" "$work/$model" "$model" recipe
    trained=$(count "$model" train)
    judged=$(count "$model" judge)
    cpu=$("$run" "$work/$model" "$model" time "$times")
    awk -v m="$model" -v t="$trained" -v j="$judged" -v cpu="$cpu" 'BEGIN {
        printf "| %s | %.1f M | %.1f M | %.2f %% | %.2f | %.2f | %s |\n",
            m, t / 1e6, j / 1e6, 100 * j / t, 11 * j / t, 31 * j / t, cpu }'
done
