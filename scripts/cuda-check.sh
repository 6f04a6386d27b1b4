#!/usr/bin/env bash
# Builds arena-executor-cuda, on machines without a card too, and checks it as far as the machine
# allows: that it links the driver and CUDA's libraries; without a card that it refuses, and never
# computes on another device in silence; with one, every fixture's losses on it in f32 and bf16.
#   scripts/cuda-check.sh
# Takes CUDA_COMPUTE_CAP (80 where there is no card) and ARENA_DEVICE (cuda:0). The toolkit comes
# from PATH, or from Python packages in the user's cache. Safe to run twice; needs no root.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
cache="${XDG_CACHE_HOME:-$HOME/.cache}/aiarena"
# Of its own: the other builds have no CUDA.
export CARGO_TARGET_DIR="${ARENA_CUDA_TARGET_DIR:-$cache/target-cuda}"
# shellcheck source=scripts/env.sh
source scripts/env.sh
# shellcheck source=scripts/cuda-toolkit.sh
source scripts/cuda-toolkit.sh

say() { printf 'cuda: %s\n' "$*"; }
fail() {
    printf 'cuda: FAILED: %s\n' "$*" >&2
    exit 1
}

features=(--release --locked -p arena-models -p arena-executor --features arena-executor/cuda)
binary="$CARGO_TARGET_DIR/release/arena-executor-cuda"

say "$("$NVCC" --version | grep release), for compute capability $CUDA_COMPUTE_CAP"
# Both at once: features of what tests need would have candle built a second time.
cargo build "${features[@]}" --bin arena-executor-cuda --test cuda

needed="$(readelf -d "$binary" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')"
for library in libcuda.so.1 libcublas.so libcurand.so libcudart.so; do
    grep -q "^$library" <<<"$needed" || fail "$binary does not need $library"
done
say "$(basename "$binary"): $(stat -c %s "$binary") bytes, needs $(grep -E '^libcu|^libnv' <<<"$needed" | tr '\n' ' ')"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
fixture=models/tests/fixtures/llama
evaluate() {
    "$binary" evaluate --model "$fixture/model" --data models/tests/fixtures/data/texts.jsonl \
        --context 64 --device "$1"
}

without_a_card() {
    if ldconfig -p 2>/dev/null | grep -q 'libcuda\.so\.1'; then
        say "a driver is installed, and no card answers"
    else
        # The binary can't start without a driver; the stub lets it, and answers nothing.
        export LD_LIBRARY_PATH="$CUDA_LIBRARIES:$CUDA_STUBS"
    fi
    "$binary" doctor >"$work/doctor"
    grep -q 'the NVIDIA driver does not answer' "$work/doctor" ||
        fail "doctor does not say that the driver doesn't answer: $(cat "$work/doctor")"
    if evaluate cuda >"$work/out" 2>"$work/error"; then
        fail "evaluated on a card that is not there: $(cat "$work/out")"
    fi
    grep -q "this machine's fault, Device: cuda:0 can't be used" "$work/error" ||
        fail "an unclear refusal: $(cat "$work/error")"
    evaluate cpu | grep -q 'on cpu' || fail "the same binary does not compute on the CPU"
    say "built, linked, and refuses what it can't do; NOT RUN ON A GPU: there is none here"
}

on_a_card() {
    export LD_LIBRARY_PATH="$CUDA_LIBRARIES${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
    say "commit $(git rev-parse --short HEAD 2>/dev/null || echo unknown)"
    "$binary" doctor
    cargo test "${features[@]}" --test cuda -- --ignored --nocapture --test-threads 1
    evaluate "${ARENA_DEVICE:-cuda:0}"
    say "ok on ${ARENA_DEVICE:-cuda:0}"
}

if nvidia-smi >/dev/null 2>&1; then
    on_a_card
else
    without_a_card
fi
