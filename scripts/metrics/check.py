#!/usr/bin/env python3
"""Checks that every metric in deploy/ exists: `check.py ROOT EXPOSITION...`.

A metric exists if a program's exposition names it. Of counters with labels nothing is shown before
they count something, so that those of the executor are also looked for in its source.
"""

import json
import re
import sys
from pathlib import Path

# What other programs expose: Prometheus itself, and node_exporter.
OTHERS = {"up", "node_filesystem_avail_bytes", "node_filesystem_size_bytes"}
NAME = re.compile(r"\b(?:substrate|arena|node_filesystem)_[a-z0-9_]+\b|\bup\b")
EXPRESSION = re.compile(r"^\s*expr: (?:>-\n)?((?:.*\n)(?:\s{10}.*\n)*)", re.MULTILINE)


def exposed(paths):
    """Names in expositions, with those of the series of histograms."""
    names = set()
    for path in paths:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                names.add(name)
                if kind == "histogram":
                    names |= {f"{name}_{part}" for part in ("bucket", "sum", "count")}
    return names


def in_source(root):
    """Names that the executor's source registers, and those that arena-duties writes."""
    source = (root / "executor/src/metrics.rs").read_text(encoding="utf-8")
    duties = (root / "deploy/arena-duties").read_text(encoding="utf-8")
    names = {f"arena_executor_{name}" for name in re.findall(r'"([a-z_]+)"', source)}
    return names | set(re.findall(r"arena_(?:scores|duties)_[a-z_]+", duties))


def expressions(root):
    """Pairs of where and what: all queries of alerts and dashboards."""
    rules = root / "deploy/prometheus/arena.rules.yml"
    for text in EXPRESSION.findall(rules.read_text(encoding="utf-8")):
        yield rules.name, text.strip()
    for path in (root / "deploy/grafana").glob("*.json"):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel.get("targets", []):
                yield f"{path.name}, {panel['title']}", target["expr"]


def main():
    root, found = Path(sys.argv[1]), sys.argv[2:]
    known = exposed(found) | in_source(root) | OTHERS
    asked = [(where, text, set(NAME.findall(text))) for where, text in expressions(root)]
    for where, text, names in asked:
        if not names:
            sys.exit(f"metrics: {where}: no metric in {text!r}")
        for name in sorted(names - known):
            sys.exit(f"metrics: {where}: nothing exposes {name}; see the programs' /metrics")
    count = len(set().union(*(names for _, _, names in asked)))
    print(f"metrics: {len(asked)} queries ask for {count} metrics, and all exist")


if __name__ == "__main__":
    main()
