#!/usr/bin/env bash
# Writes the metadata that the command line is generated from: cli/metadata.scale.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/env.sh
. scripts/env.sh
out=$(mktemp cli/metadata.scale.XXXXXX)
trap 'rm -f "$out"' EXIT
# The whole workspace's features, so that nothing is built twice.
cargo build --release --locked --workspace --example metadata
"$CARGO_TARGET_DIR/release/examples/metadata" >"$out"
[ -s "$out" ] || { echo "metadata: nothing was written" >&2; exit 1; }
mv "$out" cli/metadata.scale
chmod 644 cli/metadata.scale
echo "metadata: cli/metadata.scale is $(wc -c <cli/metadata.scale) bytes"
