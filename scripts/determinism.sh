#!/usr/bin/env bash
# Runs the exact profile on processors of other kinds, emulated: all must give the same bits, those
# of models/tests/vectors/exact.json.
#   scripts/determinism.sh [CPU ...]      names as qemu-x86_64 -cpu help has them
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

# The whole workspace's features, so that nothing is built twice.
test=$(cargo test --release --locked --workspace --test exact --no-run --message-format=json |
    python3 -c '
import json, sys
found = [m["executable"] for m in map(json.loads, sys.stdin)
         if m.get("executable") and m.get("target", {}).get("name") == "exact"]
print(found[-1])')

cd models
echo "determinism: this processor"
"$test" --quiet
# Its processor has AVX2 and fused multiplication, and no AVX-512; four minutes.
echo "determinism: AVX2, by valgrind"
valgrind --tool=none --quiet "$test" --quiet
for cpu in "${cpus[@]}"; do
    echo "determinism: $cpu, emulated"
    qemu-x86_64 -cpu "$cpu" "$test" --quiet
done
echo "determinism: all the same"
