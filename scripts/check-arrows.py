#!/usr/bin/env python3
"""Checks which crate of the workspace may depend on which, and that versions are written once.

Only direct normal and build dependencies count: tests may use whatever they need.
With --self-test it checks itself on a made-up workspace instead.
"""

import json
import subprocess
import sys
from pathlib import Path

try:
    import tomllib
except ImportError:
    sys.exit("check-arrows: needs Python 3.11 or newer (tomllib)")

ROOT = Path(__file__).resolve().parent.parent
WASM_BUILDER = "substrate-wasm-builder"
BENCH = "arena-bench"
WEIGHTS = "arena-weights"
SIM = "arena-sim"
CHAIN = ("frame-", "pallet-", "sc-")


def is_pallet(name):
    return name.startswith("pallet-arena-")


def is_ours(name):
    return name.startswith("arena-") or is_pallet(name)


def only_ours(*allowed):
    """Of this workspace's crates, only the named ones; a trailing * stands for anything."""

    def check(dep):
        if not is_ours(dep):
            return True
        return any(
            dep.startswith(name[:-1]) if name.endswith("*") else dep == name for name in allowed
        )

    return f"of our crates only: {', '.join(allowed) or 'none'}", check


def none_of(*forbidden):
    """Nothing by these names; a trailing - or * stands for anything that begins so."""

    def hit(name, dep):
        return dep.startswith(name.rstrip("*")) if name[-1] in "-*" else dep == name

    return f"never: {', '.join(forbidden)}", lambda dep: not any(hit(n, dep) for n in forbidden)


def primitives_allow(dep):
    return dep.startswith(("sp-", "serde")) or dep in (
        "binary-merkle-tree", "parity-scale-codec", "scale-info",
    )


PALLET_RULES = [
    ("a pallet never depends on another pallet of ours", lambda dep: not is_pallet(dep)),
    only_ours("arena-primitives", "arena-math", "arena-offchain", "pallet-arena-*"),
]

RULES = {
    "arena-math": [("no dependencies", lambda dep: False)],
    "arena-primitives": [
        ("only sp-*, parity-scale-codec, scale-info and serde*", primitives_allow),
    ],
    "arena-offchain": [only_ours("arena-primitives")],
    "arena-models": [
        ("no network and no chain", none_of("sp-", *CHAIN, "subxt*", "ureq", "axum*", "tokio")[1]),
        only_ours(),
    ],
    "arena-executor": [only_ours("arena-primitives", "arena-models"), none_of(*CHAIN)],
    "arena-runtime-api": [only_ours("arena-primitives")],
    "arena-runtime": [
        only_ours("pallet-arena-*", "arena-primitives", "arena-math", "arena-runtime-api"),
    ],
    "arena-node": [none_of("pallet-arena-")],
    WEIGHTS: [only_ours("arena-runtime")],
    "arena-cli": [only_ours("arena-primitives", "arena-math", "arena-models")],
    BENCH: [only_ours("arena-runtime", "pallet-arena-*", "arena-primitives", "arena-math")],
    # No reward formula of its own: what is earned is the runtime's to say.
    SIM: [only_ours("arena-runtime", "pallet-arena-*", "arena-primitives")],
}


def rules_of(crate):
    return PALLET_RULES if is_pallet(crate) else RULES.get(crate, [])


def violations_of(crate, dep, kind):
    """The rules that one dependency breaks. `kind` is cargo's: None is a normal dependency."""
    if dep == WASM_BUILDER:
        # Compiled once: it brings Binaryen, and two uses are two builds of it.
        if (crate, kind) != ("arena-runtime", "build"):
            yield "only as a build dependency of arena-runtime"
        return
    if dep in (BENCH, WEIGHTS, SIM):
        yield "nothing depends on it: it measures"
    for rule, holds in rules_of(crate):
        if not holds(dep):
            yield rule


def arrow_violations(metadata):
    found = []
    for package in metadata["packages"]:
        crate = package["name"]
        for dependency in package["dependencies"]:
            if dependency["kind"] == "dev":
                continue
            dep = dependency["name"]
            for rule in violations_of(crate, dep, dependency["kind"]):
                found.append((crate, dep, rule))
    return found


def tables_of(manifest):
    for holder in (manifest, *manifest.get("target", {}).values()):
        for table in ("dependencies", "dev-dependencies", "build-dependencies"):
            yield from holder.get(table, {}).items()


def is_inherited(spec):
    """Inherited from the workspace, or a bare path to a neighbour."""
    if not isinstance(spec, dict) or "version" in spec or "git" in spec:
        return False
    return spec.get("workspace") is True or "path" in spec


def version_violations(crate, manifest):
    rule = "its version belongs into [workspace.dependencies]: write `workspace = true` here"
    return [(crate, dep, rule) for dep, spec in tables_of(manifest) if not is_inherited(spec)]


def cargo_metadata():
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps"]
    try:
        answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except FileNotFoundError:
        sys.exit("check-arrows: there is no cargo in PATH")
    except subprocess.CalledProcessError as error:
        sys.exit(f"check-arrows: cargo metadata failed:\n{error.stderr}")
    return json.loads(answer.stdout)


def check_workspace():
    metadata = cargo_metadata()
    found = arrow_violations(metadata)
    for package in metadata["packages"]:
        manifest = tomllib.loads(Path(package["manifest_path"]).read_text(encoding="utf-8"))
        found += version_violations(package["name"], manifest)
    for crate, dep, rule in found:
        print(f"check-arrows: {crate} -> {dep}: {rule}")
    if found:
        sys.exit(1)
    print(f"check-arrows: ok, {len(metadata['packages'])} crates keep to the rules")


def made_up(crate, dep, kind=None):
    return {"packages": [{"name": crate, "dependencies": [{"name": dep, "kind": kind}]}]}


def self_test():
    forbidden = [
        ("pallet-arena-tasks", "pallet-arena-staking"),
        ("pallet-arena-tasks", "arena-runtime"),
        ("pallet-arena-tasks", "pallet-arena-staking", "build"),
        ("arena-primitives", "frame-support"),
        ("arena-primitives", "pallet-balances"),
        ("arena-primitives", "sc-client-api"),
        ("arena-primitives", "arena-math"),
        ("arena-math", "sp-arithmetic"),
        ("arena-models", "sp-core"),
        ("arena-models", "subxt-signer"),
        ("arena-models", "ureq"),
        ("arena-models", "axum"),
        ("arena-models", "tokio"),
        ("arena-models", "arena-primitives"),
        ("arena-executor", "arena-runtime"),
        ("arena-executor", "arena-math"),
        ("arena-executor", "pallet-arena-tasks"),
        ("arena-executor", "sc-service"),
        ("arena-node", "pallet-arena-tasks"),
        ("arena-cli", "arena-executor"),
        ("arena-runtime-api", "arena-math"),
        ("arena-runtime", "arena-models"),
        ("arena-runtime", WASM_BUILDER),
        ("arena-node", WASM_BUILDER, "build"),
        ("arena-weights", "pallet-arena-tasks"),
        ("arena-weights", "arena-primitives"),
        ("arena-node", "arena-weights"),
        ("arena-e2e", "arena-weights"),
        ("arena-bench", "arena-node"),
        ("arena-e2e", "arena-bench"),
        ("arena-sim", "arena-math"),
        ("arena-bench", "arena-sim"),
    ]
    allowed = [
        ("pallet-arena-tasks", "arena-math"),
        ("pallet-arena-tasks", "pallet-balances"),
        ("pallet-arena-tasks", "pallet-arena-staking", "dev"),
        ("arena-primitives", "sp-core"),
        ("arena-primitives", "serde"),
        ("arena-math", "proptest", "dev"),
        ("arena-models", "tokenizers"),
        ("arena-executor", "arena-models"),
        ("arena-node", "arena-runtime"),
        ("arena-node", "pallet-transaction-payment-rpc"),
        ("arena-cli", "arena-math"),
        ("arena-runtime", "pallet-arena-tasks"),
        ("arena-runtime", WASM_BUILDER, "build"),
        ("arena-weights", "arena-runtime"),
        ("arena-weights", "sc-executor"),
        ("arena-bench", "arena-runtime"),
        ("arena-bench", "pallet-arena-scoring"),
        ("arena-sim", "arena-runtime"),
        ("arena-sim", "pallet-arena-staking"),
    ]
    for case in forbidden:
        found = arrow_violations(made_up(*case))
        assert [f[:2] for f in found][:1] == [case[:2]], f"not reported: {case}"
    for case in allowed:
        assert not arrow_violations(made_up(*case)), f"wrongly reported: {case}"

    manifest = """
        [dependencies]
        inherited = { workspace = true, features = ["std"] }
        neighbour = { path = "../neighbour" }
        plain = "1"
        [dev-dependencies]
        table = { version = "2" }
        [target.'cfg(unix)'.build-dependencies]
        forge = { git = "x" }
    """
    found = [dep for _, dep, _ in version_violations("c", tomllib.loads(manifest))]
    assert found == ["plain", "table", "forge"], f"versions: {found}"
    print("check-arrows: self-test ok")


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    elif sys.argv[1:]:
        sys.exit("usage: check-arrows.py [--self-test]")
    else:
        check_workspace()
