#!/usr/bin/env bash
# A network of four validators, each with its own executor, by the real zombienet, on loopback:
#   scripts/zombienet.sh               starts it, and runs until it authors and finalizes
#   scripts/zombienet.sh TEST...       runs tests of zombienet/tests by their names, such as 2-restart
#   scripts/zombienet.sh --all         runs all of them, but for x-*, which are known to fail
#   scripts/zombienet.sh --spawn       leaves the network running until ctrl-c
# Builds first, unless ARENA_BIN names a directory with the programs. Needs Node.js 20 and npm.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/env.sh
source "$root/scripts/env.sh"

# Longest run of one test, its network's start and end included.
WITHIN=1500
ZOMBIENET=("$root/zombienet/node_modules/.bin/zombienet" --provider native --logType text
    --spawn-concurrency 2 --force)
base=''

say() { printf 'zombienet: %s\n' "$*"; }
fail() {
    printf 'zombienet: FAILED: %s\n' "$*" >&2
    exit 1
}

# Processes that were started on this run's directory and run on.
left() {
    local process
    for process in /proc/[0-9]*; do
        if [ "${process#/proc/}" != "$$" ] && [ "${process#/proc/}" != "$BASHPID" ] &&
            tr '\0' ' ' 2>/dev/null <"$process/cmdline" | grep -q -- "$base/"; then
            printf '%s\n' "${process#/proc/}"
        fi
    done
}
# shellcheck disable=SC2329 # called by the trap
finish() {
    local pid
    [ -n "$base" ] || return 0
    for pid in $(left); do kill -TERM "$pid" 2>/dev/null || true; done
    for _ in $(seq 10); do
        [ -n "$(left)" ] || break
        sleep 1
    done
    for pid in $(left); do kill -KILL "$pid" 2>/dev/null || true; done
    if [ -z "${ARENA_KEEP:-}" ]; then rm -rf "$base"; else say "logs are kept in $base"; fi
}

prepare() {
    local bin="${ARENA_BIN:-}"
    command -v npm >/dev/null || fail "there is no npm; install Node.js 20 or later, with npm"
    if [ -z "$bin" ]; then
        say "build (the first one takes long)"
        (cd "$root" && cargo build --release --workspace --locked) || fail "build"
        bin="$CARGO_TARGET_DIR/release"
    fi
    export ARENA_NODE="$bin/arena-node" ARENA_EXECUTOR="$bin/arena-executor"
    base="$(mktemp -d)"
    trap finish EXIT
    say "packages, as zombienet/package-lock.json names them"
    (cd "$root/zombienet" && npm ci --no-audit --no-fund) >"$base/npm.log" 2>&1 ||
        fail "$(tail -n 20 "$base/npm.log")"
    say "specification"
    bash "$root/scripts/chain-specs.sh" "$root/zombienet/network.overlay.json" "$base/network" \
        >"$base/spec.log" 2>&1 || fail "$(cat "$base/spec.log")"
    export ARENA_SPEC="$base/network.raw.json"
}

# run NAME: one test, in a network of its own. An interrupted zombienet says that all went well, so
# that its assertions are counted.
run() {
    local file="$root/zombienet/tests/$1.zndsl" log="$base/$1.log" start=$SECONDS wanted
    [ -f "$file" ] || fail "there is no test $1; there are: $(names | tr '\n' ' ')"
    say "$1"
    wanted="$(grep -c '^[a-z]*: ' "$file")"
    if timeout --kill-after 60 "$WITHIN" "${ZOMBIENET[@]}" --dir "$base/$1" test "$file" \
        >"$log" 2>&1 && [ "$(grep -c ' : ✅ ' "$log")" = "$wanted" ]; then
        sed -n 's/.* : ✅ /    /p' "$log" | sed 's/\x1b\[[0-9]*m//g'
        say "$1: ok, $((SECONDS - start)) s"
    else
        tail -n 60 "$log"
        fail "$1, after $((SECONDS - start)) s"
    fi
}

names() { find "$root/zombienet/tests" -name '*.zndsl' -printf '%f\n' | sed 's/\.zndsl$//' | sort; }

case "${1:-}" in
    -h | --help)
        sed -n '2,7s/^# \?//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
    --spawn)
        prepare
        "${ZOMBIENET[@]}" --dir "$base/network" spawn "$root/zombienet/network.toml"
        ;;
    --all)
        prepare
        for name in $(names | grep -v '^x-'); do run "$name"; done
        say "ok"
        ;;
    -*) fail "unknown option $1; see --help" ;;
    *)
        prepare
        [ "$#" -gt 0 ] || set -- 1-finality
        for name in "$@"; do run "$name"; done
        say "ok"
        ;;
esac
