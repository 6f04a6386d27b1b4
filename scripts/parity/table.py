#!/usr/bin/env python3
"""Prints the largest errors of several reports of the test `parity`."""

import json
import sys
from collections import defaultdict


def main():
    if len(sys.argv) < 2:
        sys.exit("usage: table.py REPORT...")
    largest = defaultdict(lambda: {"sample": 0.0, "batch": 0.0, "fixture": ""})
    wrong = []
    for path in sys.argv[1:]:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        wrong += report["wrong"]
        for family, profiles in report["families"].items():
            for profile, errors in profiles.items():
                found = largest[family, profile]
                if errors["sample"] >= found["sample"]:
                    found.update(sample=errors["sample"], fixture=errors["fixture"])
                found["batch"] = max(found["batch"], errors["batch"])
    print(f"{'family':<14}{'profile':<16}{'sample':>9}{'batch':>9}  worst in")
    for (family, profile), errors in sorted(largest.items()):
        print(f"{family:<14}{profile:<16}{errors['sample']:>9.1e}{errors['batch']:>9.1e}  {errors['fixture']}")
    print(f"{len(sys.argv) - 1} seeds, {len(wrong)} runs beyond the tolerance of {report['tolerance']:.0e}")


if __name__ == "__main__":
    main()
