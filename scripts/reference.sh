#!/usr/bin/env bash
# Writes the reference of the JSON-RPC methods: docs/openrpc.json and the second half of
# docs/rpc.md. A test fails while they are old.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
source scripts/env.sh
ARENA_WRITE_REFERENCE=1 cargo nextest run --release --workspace --locked \
    -E 'package(arena-runtime) & test(reference_should_be_what_the_table_and_the_runtime_say)'
echo "reference: docs/openrpc.json is $(wc -c <docs/openrpc.json) bytes"
