#!/usr/bin/env bash
# Fuzzes the parsers of strangers' bytes, each for so many seconds (60), one after the other:
#   scripts/fuzz.sh 300
#   scripts/fuzz.sh 300 config header
# Needs no nightly compiler: libFuzzer counts the edges that the compiler's own coverage pass
# marks, with no sanitizer, since these crates have no unsafe code. What is found lies in
# fuzz/artifacts; fuzz/corpus grows from run to run.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/env.sh
source "$root/scripts/env.sh"
cd "$root"

say() { printf 'fuzz: %s\n' "$*"; }
fail() {
    printf 'fuzz: FAILED: %s\n' "$*" >&2
    exit 1
}

seconds="${1:-60}"
case "$seconds" in
    -h | --help)
        sed -n '2,7s/^# //p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    '' | *[!0-9]*) fail "the first argument is a number of seconds" ;;
esac
[ "$#" -eq 0 ] || shift
targets=(manifest header config job template tokenizer)
[ "$#" -eq 0 ] || targets=("$@")

say "seeds"
ARENA_FUZZ_CORPUS="$root/fuzz/corpus" cargo test --release --locked -p arena-models \
    -p arena-executor --test fuzz -- --ignored --exact seeds_should_be_written ||
    fail "making the seeds"

# With a target of its own, build scripts and macros are built without these flags.
host="$(rustc -vV | sed -n 's/^host: //p')"
coverage=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    --cfg=fuzzing
    -Ccodegen-units=16
)
say "build"
CARGO_TARGET_DIR="$CARGO_TARGET_DIR/fuzz" RUSTFLAGS="${coverage[*]}" \
    cargo build --release --locked --manifest-path fuzz/Cargo.toml --target "$host" ||
    fail "the build"

for target in "${targets[@]}"; do
    say "$target, $seconds seconds"
    mkdir -p "fuzz/artifacts/$target" "fuzz/corpus/$target"
    "$CARGO_TARGET_DIR/fuzz/$host/release/$target" "fuzz/corpus/$target" \
        -artifact_prefix="fuzz/artifacts/$target/" -max_total_time="$seconds" \
        -timeout=10 -rss_limit_mb=4096 -max_len=16384 -print_final_stats=1 -verbosity=0 ||
        fail "$target: the input is in fuzz/artifacts/$target"
done
say "ok"
