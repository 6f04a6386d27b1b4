#!/usr/bin/env python3
"""What scripts/chain-specs.sh does with JSON: reads overlays, merges them, takes the code out.

An overlay is `{"from": PRESET, "spec": PATCH}`; the patch is a JSON merge patch (RFC 7386) to the
plain specification of that preset.
"""

import json
import sys

# Key of the runtime's code in a raw specification.
CODE = "0x3a636f6465"


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def merged(target, patch):
    """The target after a JSON merge patch."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merged(result.get(key), value)
    return result


def bare(spec):
    """A specification without the runtime's code."""
    genesis = spec["genesis"]
    holder, key = (genesis["raw"]["top"], CODE) if "raw" in genesis else (
        genesis["runtimeGenesis"], "code")
    del holder[key]
    return spec


def write(spec):
    json.dump(spec, sys.stdout, indent=2, sort_keys=True)
    print()


def main():
    match sys.argv[1:]:
        case ["preset", overlay]:
            print(read(overlay)["from"])
        case ["merge", spec, overlay]:
            write(merged(read(spec), read(overlay)["spec"]))
        case ["bare", spec]:
            write(bare(read(spec)))
        case _:
            sys.exit(f"{sys.argv[0]}: preset OVERLAY, merge SPEC OVERLAY, or bare SPEC")


if __name__ == "__main__":
    main()
