#!/usr/bin/env bash
# Runs the exact profile on processors of other kinds, emulated: all must give the same bits, those
# of models/tests/vectors/exact.json and of the logs in models/tests/registered.rs, whose segments
# are trained again there too.
#   scripts/determinism.sh [CPU ...]      names as qemu-x86_64 -cpu help has them
#   TESTS="registered registered_disk" scripts/determinism.sh      of the tests, only these
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh

sudo=()
[ "$(id -u)" = 0 ] || sudo=(sudo)
command -v qemu-x86_64 >/dev/null || "${sudo[@]}" apt-get install -y -q qemu-user
command -v valgrind >/dev/null || "${sudo[@]}" apt-get install -y -q valgrind
cpus=("$@")
# No vectors beyond SSE2 (some 20 minutes); SSE4.
[ ${#cpus[@]} -gt 0 ] || cpus=(qemu64 Nehalem)

read -ra tests <<<"${TESTS:-exact registered registered_disk}"

# The whole workspace's features, so that nothing is built twice.
built=$(cargo test --release --locked --workspace "${tests[@]/#/--test=}" --no-run \
    --message-format=json |
    python3 -c '
import json, sys
found = {m["target"]["name"]: m["executable"] for m in map(json.loads, sys.stdin)
         if m.get("executable") and m.get("target")}
print(*(found[name] for name in sys.argv[1:]))' "${tests[@]}")
read -ra built <<<"$built"

each() { # RUNNER ...
    for test in "${built[@]}"; do
        "$@" "$test" --quiet
    done
}

cd models
echo "determinism: this processor"
each env
# Its processor has AVX2 and fused multiplication, and no AVX-512; four minutes.
echo "determinism: AVX2, by valgrind"
each valgrind --tool=none --quiet
for cpu in "${cpus[@]}"; do
    echo "determinism: $cpu, emulated"
    each qemu-x86_64 -cpu "$cpu"
done
echo "determinism: all the same"
