#!/usr/bin/env python3
"""Makes data/digits/*.jsonl and data/text/*.jsonl again, byte for byte as they are committed.

It takes the digits out of the package scikit-learn (pip) and the text out of the Debian
packages bible-kjv and bible-kjv-text (apt-get; nothing is installed). With --check it writes
nothing and compares.
"""

import argparse
import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DIGITS_EVAL = 500
TEXT_EVAL = 60
TEXT_TRAIN_BYTES = 400_000
# A sample is closed once it is this long.
TEXT_SAMPLE_BYTES = 260
TEXT_LONGEST_BYTES = 600
SOURCES = {
    "digits.csv.gz": "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
    "bible.data": "6c746c2acc8a34bfded980883ff1701a5d68934a1c853ebf88a07b978fe0ae0e",
}


def shuffled(seed, items):
    """The items in the order of a hash, which is the same for every release of Python."""

    def key(item):
        return hashlib.sha256(f"{seed}:{item[0]}".encode()).digest()

    return [item for _, item in sorted(enumerate(items), key=key)]


def jsonl(rows):
    lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    return "".join(f"{line}\n" for line in lines).encode()


def checked(name, content):
    digest = hashlib.sha256(content).hexdigest()
    if digest != SOURCES[name]:
        sys.exit(f"make-data: {name} has changed at its source: SHA-256 {digest}")
    return content


def run(what, command, folder):
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, check=True)
    except FileNotFoundError:
        sys.exit(f"make-data: {what}: there is no {command[0]} in PATH")
    except subprocess.CalledProcessError as error:
        sys.exit(f"make-data: {what}: {error.stderr.decode(errors='replace').strip()}")
    return done.stdout


def digits_source(folder):
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet",
               "--only-binary=:all:", "scikit-learn"]
    run("downloading scikit-learn", command, folder)
    wheel = next(folder.glob("scikit_learn-*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        packed = archive.read("sklearn/datasets/data/digits.csv.gz")
    return gzip.decompress(checked("digits.csv.gz", packed)).decode()


def digits(folder):
    rows = []
    for line in digits_source(folder).splitlines():
        *pixels, label = (int(value) for value in line.split(","))
        features = [value / 16 if value % 16 else value // 16 for value in pixels]
        rows.append({"features": features, "label": label})
    rows = shuffled("digits", rows)
    yield "data/digits/eval.jsonl", jsonl(rows[:DIGITS_EVAL])
    yield "data/digits/train.jsonl", jsonl(rows[DIGITS_EVAL:])


def text_source(folder):
    run("downloading the text", ["apt-get", "download", "bible-kjv", "bible-kjv-text"], folder)
    for package in sorted(folder.glob("bible-kjv*.deb")):
        run("unpacking", ["dpkg-deb", "-x", str(package), "."], folder)
    checked("bible.data", (folder / "usr/lib/bible.data").read_bytes())
    command = ["usr/bin/bible", "-p", "usr/lib", "-l", "100000", "-f", "gen1:1-rev99:99"]
    return run("reading the text", command, folder).decode("ascii")


def text_samples(lines):
    """Whole verses, joined until they are long enough; a longer one is left out."""
    sample = ""
    for line in lines:
        # "Ge1:1 In the beginning ...": the reference goes.
        verse = line.split(" ", 1)[1].strip() if " " in line else ""
        sample = f"{sample} {verse}".strip()
        if len(sample) >= TEXT_SAMPLE_BYTES:
            if len(sample) <= TEXT_LONGEST_BYTES:
                yield {"text": sample}
            sample = ""


def text(folder):
    samples = shuffled("text", list(text_samples(text_source(folder).splitlines())))
    train, size = [], 0
    for sample in samples[TEXT_EVAL:]:
        if size >= TEXT_TRAIN_BYTES:
            break
        train.append(sample)
        size += len(sample["text"])
    yield "data/text/eval.jsonl", jsonl(samples[:TEXT_EVAL])
    yield "data/text/train.jsonl", jsonl(train)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    differ = False
    with tempfile.TemporaryDirectory() as folder:
        made = [*digits(Path(folder)), *text(Path(folder))]
    for name, content in made:
        path = ROOT / name
        same = path.is_file() and path.read_bytes() == content
        differ |= check and not same
        if not check and not same:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        print(f"make-data: {name}: {len(content)} bytes, {'as it was' if same else 'differs'}")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
