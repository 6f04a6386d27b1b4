#!/usr/bin/env bash
# The reference implementation for scripts that compare with it. Source it from bash: it sets
# REFERENCE_PYTHON to an interpreter that has exactly scripts/parity/requirements.txt, and makes
# one in the user's cache where there is none (some GB). ARENA_REFERENCE_PYTHON names another.

_reference_root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
_reference_needs="$_reference_root/scripts/parity/requirements.txt"

_reference_fits() {
    "$1" - "$_reference_needs" <<'PY'
import sys
from importlib.metadata import PackageNotFoundError, version
for line in open(sys.argv[1]):
    name, _, wanted = line.split("#")[0].strip().partition("==")
    if not name:
        continue
    try:
        found = version(name).split("+")[0]
    except PackageNotFoundError:
        found = "absent"
    if found != wanted:
        sys.exit(f"reference: {name} is {found}, {wanted} is wanted")
PY
}

_reference_make() {
    local venv
    venv="${XDG_CACHE_HOME:-$HOME/.cache}/aiarena/reference-$(sha256sum "$_reference_needs" | cut -c 1-12)"
    REFERENCE_PYTHON="$venv/bin/python"
    [ -x "$REFERENCE_PYTHON" ] && _reference_fits "$REFERENCE_PYTHON" 2>/dev/null && return 0
    printf 'reference: installing PyTorch and transformers in %s (some GB)\n' "$venv" >&2
    python3 -m venv --clear "$venv" &&
        "$REFERENCE_PYTHON" -m pip install --quiet --requirement "$_reference_needs" &&
        _reference_fits "$REFERENCE_PYTHON"
}

if [ -n "${ARENA_REFERENCE_PYTHON:-}" ]; then
    REFERENCE_PYTHON="$ARENA_REFERENCE_PYTHON"
    _reference_fits "$REFERENCE_PYTHON" || exit 1
else
    _reference_make || exit 1
fi
export REFERENCE_PYTHON
# What it reads lies on this disk.
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false PYTHONDONTWRITEBYTECODE=1

unset _reference_root _reference_needs
unset -f _reference_fits _reference_make
