#!/usr/bin/env bash
# Runs the TypeScript clients of clients/ on a development chain of their own: one task from its
# proposal to the last claim and every kind of user's call by polkadot-api, and every block decoded
# by @polkadot/api. Needs Node.js 20, npm, and a build; ARENA_BIN names another place of the
# programs.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/env.sh
source "$root/scripts/env.sh"

bin="${ARENA_BIN:-$CARGO_TARGET_DIR/release}"
base=''
pid=''

say() { printf 'clients: %s\n' "$*"; }
fail() {
    printf 'clients: FAILED: %s\n' "$*" >&2
    exit 1
}
# shellcheck disable=SC2329 # called by the trap
finish() {
    if [ -n "$pid" ] && kill "$pid" 2>/dev/null; then wait "$pid" || true; fi
    [ -z "$base" ] || rm -rf "$base"
}
# step WHAT COMMAND...: what it prints is shown only if it fails.
step() {
    say "$1"
    shift
    "$@" >"$base/step.log" 2>&1 || fail "$(tail -n 30 "$base/step.log")"
}
free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}
rpc() {
    curl -s --noproxy '*' -H 'Content-Type: application/json' "http://127.0.0.1:$port" \
        -d "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"$1\", \"params\": []}"
}

start_node() {
    port="$(free_port)"
    "$bin/arena-node" --chain dev --alice --force-authoring --base-path "$base/node" \
        --rpc-port "$port" --listen-addr "/ip4/127.0.0.1/tcp/$(free_port)" --no-mdns \
        --no-prometheus --no-telemetry --state-pruning archive --blocks-pruning archive \
        --node-key "$(printf '%064x' 1)" --offchain-worker always \
        --executor "$bin/arena-executor" --executor-args=--allow-file \
        >"$base/node.log" 2>&1 &
    pid=$!
    for _ in $(seq 120); do
        kill -0 "$pid" 2>/dev/null || fail "the node ended: $(tail -n 20 "$base/node.log")"
        if rpc chain_getHeader | grep -q '"result":{'; then return; fi
        sleep 1
    done
    fail "the node doesn't answer: $(tail -n 20 "$base/node.log")"
}

command -v npm >/dev/null || fail "there is no npm; install Node.js 20 or later, with npm"
[ -x "$bin/arena-node" ] || fail "there is no $bin/arena-node; build: cargo build --release --workspace --locked"
base="$(mktemp -d)"
trap finish EXIT
cd "$root/clients"
step "packages, as package-lock.json names them" npm ci --no-audit --no-fund
step "descriptors from cli/metadata.scale" npm run descriptors
step "types" npm run check
cd "$root"
models=()
for config in mlp-short linear-few; do
    step "training of $config" "$bin/arena" train --config "data/digits/$config.json" --out "$base/$config"
    models+=("$base/$config/model")
done
cd clients
say "a development chain"
start_node
url="ws://127.0.0.1:$port"
timeout 900 npm run --silent example -- --url "$url" --data "$root/data/digits/eval.jsonl" \
    --cli "$bin/arena" --models "${models[0]},${models[1]}" ||
    fail "the example; the node's last lines: $(tail -n 10 "$base/node.log")"
say "duties, as deploy/arena-duties counts them"
"$root/deploy/arena-duties" --arena "$bin/arena" --url "$url" --state "$base/duties.json" \
    --out "$base/duties.prom" --from-block 1 || fail "arena-duties"
[ "$(grep -c '^arena_scores_\(committed\|revealed\)_total{.* 2$' "$base/duties.prom")" = 4 ] ||
    fail "two validators committed and revealed twice, but: $(cat "$base/duties.prom")"
timeout 300 npm run --silent calls -- --url "$url" --data "$root/data/digits/eval.jsonl" || fail "the calls"
timeout 600 npm run --silent decode -- --url "$url" || fail "decoding"
say "ok"
