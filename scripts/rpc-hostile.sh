#!/usr/bin/env bash
# Sends hostile requests to a development node on loopback: malformed, oversized, extreme, and
# floods of subscriptions. Says where they ended, whether the node authored on time, and how its
# memory grew. Arguments go to arena-hostile:
#   scripts/rpc-hostile.sh --requests 30000 --json out.json
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/env.sh
source "$root/scripts/env.sh"

(cd "$root" && cargo build --release --workspace --locked)
exec "$CARGO_TARGET_DIR/release/arena-hostile" --bin-dir "$CARGO_TARGET_DIR/release" "$@"
