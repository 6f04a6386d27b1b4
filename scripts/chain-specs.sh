#!/usr/bin/env bash
# Writes chain specifications from the runtime's presets (chain-specs/README.md):
#   scripts/chain-specs.sh                    local and testnet: the committed files without code,
#                                             complete ones in chain-specs/out
#   scripts/chain-specs.sh --check            whether the committed files are current
#   scripts/chain-specs.sh OVERLAY.json NAME  NAME.json and NAME.raw.json of another network
# The node that writes them is the one of the last build, or ARENA_NODE.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/env.sh
source "$root/scripts/env.sh"

specs="$root/chain-specs"
node="${ARENA_NODE:-$CARGO_TARGET_DIR/release/arena-node}"
scratch=''

say() { printf 'chain-specs: %s\n' "$*"; }
fail() {
    printf 'chain-specs: FAILED: %s\n' "$*" >&2
    exit 1
}
compose() { python3 "$root/scripts/chain-specs/compose.py" "$@"; }

# complete OVERLAY NAME: writes NAME.json and NAME.raw.json.
complete() {
    local overlay="$1" name="$2" preset
    preset="$(compose preset "$overlay")" || fail "$overlay names no preset"
    mkdir -p "$(dirname "$name")"
    "$node" export-chain-spec --chain "$preset" --output "$scratch/preset.json" >"$scratch/log" 2>&1 ||
        fail "the preset $preset: $(cat "$scratch/log")"
    compose merge "$scratch/preset.json" "$overlay" >"$name.json"
    "$node" export-chain-spec --chain "$name.json" --raw --output "$name.raw.json" \
        >"$scratch/log" 2>&1 || fail "$name.json: $(cat "$scratch/log")"
}

# committed OUT: completes both networks, in OUT, and writes what is committed of them to OUT/bare.
committed() {
    local out="$1" network
    mkdir -p "$out/bare"
    for network in local testnet; do
        complete "$specs/$network.overlay.json" "$out/$network"
        compose bare "$out/$network.json" >"$out/bare/$network.json"
        compose bare "$out/$network.raw.json" >"$out/bare/$network.raw.json"
    done
}

check() {
    local file stale=()
    committed "$scratch/out"
    for file in local.json local.raw.json testnet.json testnet.raw.json; do
        cmp -s "$scratch/out/bare/$file" "$specs/$file" || stale+=("$file")
    done
    [ "${#stale[@]}" -eq 0 ] ||
        fail "not what this node writes: ${stale[*]}; run scripts/chain-specs.sh, and commit"
    say "the committed files are current"
}

[ -x "$node" ] || fail "there is no $node; build it: cargo build --release --workspace --locked"
scratch="$(mktemp -d)"
trap 'rm -rf "$scratch"' EXIT
case "${1:-}" in
    --check) check ;;
    '')
        committed "$scratch/out"
        mkdir -p "$specs/out"
        mv "$scratch"/out/bare/*.json "$specs/"
        mv "$scratch"/out/*.json "$specs/out/"
        say "written: chain-specs/*.json, without code; complete ones: chain-specs/out"
        ;;
    -*)
        sed -n '2,7s/^# \?//p' "${BASH_SOURCE[0]}"
        [ "$1" = --help ] || [ "$1" = -h ] || exit 2
        ;;
    *)
        [ "$#" -eq 2 ] || fail "two arguments: an overlay, and the name of what to write"
        complete "$1" "$2"
        say "written: $2.json and $2.raw.json"
        ;;
esac
