#!/usr/bin/env bash
# Checks that every metric that the alerts and the dashboard of deploy/ ask for is one that the
# programs expose: starts a node and an executor on loopback, as deploy/systemd does, and ends them.
# ARENA_BIN names another place of the programs.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/env.sh
source "$root/scripts/env.sh"

bin="${ARENA_BIN:-$CARGO_TARGET_DIR/release}"
base=''
pids=()

fail() {
    printf 'metrics: FAILED: %s\n' "$*" >&2
    exit 1
}
# shellcheck disable=SC2329 # called by the trap
finish() {
    local pid
    for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${pids[@]}"; do wait "$pid" 2>/dev/null || true; done
    [ -z "$base" ] || rm -rf "$base"
}
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
# fetch URL FILE WANTED: waits until the exposition names a metric.
fetch() {
    for _ in $(seq 60); do
        if curl -sf --noproxy '*' "$1" >"$2" && grep -q "^$3" "$2"; then return; fi
        sleep 1
    done
    fail "$1 doesn't show $3: $(tail -n 5 "$base"/*.log)"
}

[ -x "$bin/arena-node" ] || fail "there is no $bin/arena-node; build: cargo build --release --workspace --locked"
base="$(mktemp -d)"
trap finish EXIT
jobs="$(free_port)"
prometheus="$(free_port)"
"$bin/arena-executor" serve --listen "127.0.0.1:$jobs" --base "$base/executor" \
    --token-file "$base/token" --ready-file "$base/address" >"$base/executor.log" 2>&1 &
pids+=($!)
for _ in $(seq 30); do
    [ ! -f "$base/address" ] || break
    sleep 1
done
[ -f "$base/address" ] || fail "no executor: $(cat "$base/executor.log")"
"$bin/arena-node" --chain dev --alice --force-authoring --base-path "$base/node" \
    --node-key "$(printf '%064x' 1)" --no-mdns --no-telemetry --rpc-port "$(free_port)" \
    --listen-addr "/ip4/127.0.0.1/tcp/$(free_port)" --prometheus-port "$prometheus" \
    --executor-url "http://127.0.0.1:$jobs" --executor-token-file "$base/token" \
    >"$base/node.log" 2>&1 &
pids+=($!)
fetch "http://127.0.0.1:$prometheus/metrics" "$base/node.prom" 'substrate_proposer_block_constructed_count'
fetch "http://127.0.0.1:$jobs/metrics" "$base/executor.prom" 'arena_executor_queue_length'
python3 "$root/scripts/metrics/check.py" "$root" "$base/node.prom" "$base/executor.prom" || exit 1
