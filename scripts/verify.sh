#!/usr/bin/env bash
# Checks a chain that `scripts/run.sh --keep` left running, from outside: scores every model
# of every settled round again and compares, then lets `arena verify` compute every payout
# again. The argument is the state file that the demo named; without one the newest is taken.
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
# shellcheck source=scripts/env.sh
source "$root/scripts/env.sh"

fail() {
    printf 'verify: FAILED: %s\n' "$*" >&2
    exit 1
}

newest() {
    local newest='' file
    for file in "${TMPDIR:-/tmp}"/arena-demo-*/state.json; do
        if [ -f "$file" ] && { [ -z "$newest" ] || [ "$file" -nt "$newest" ]; }; then
            newest="$file"
        fi
    done
    printf '%s\n' "$newest"
}

case "${1:-}" in
    -h | --help)
        sed -n '2,4s/^# //p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
esac
[ "$#" -le 1 ] || fail "one argument at most: the state file"
state="${1:-$(newest)}"
[ -n "$state" ] || fail "no chain was kept; start one: scripts/run.sh --keep"
[ -f "$state" ] || fail "there is no file $state"
command -v python3 >/dev/null || fail "there is no python3; run scripts/setup.sh"

exec python3 - "$state" <<'PYTHON'
import json
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

STATE = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
URL = STATE["url"]
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))
problems = []


def stop(reason):
    sys.exit(f"verify: FAILED: {reason}")


def rpc(method, *params):
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    request = urllib.request.Request(
        URL.replace("ws", "http", 1), json.dumps(body).encode(),
        {"Content-Type": "application/json"},
    )
    try:
        with NO_PROXY.open(request, timeout=30) as response:
            answer = json.load(response)
    except (urllib.error.URLError, OSError) as error:
        stop(f"no node answers at {URL}: {error}")
    if "error" in answer:
        stop(f"{method}: {answer['error']}")
    return answer["result"]


def run(*command):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True)


def arena(*args):
    done = run(STATE["arena"], "--url", URL, "--json", *args)
    if done.returncode != 0:
        stop(f"arena {' '.join(map(str, args))}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def root_of(model):
    done = run(STATE["executor"], "manifest", model, "--json")
    if done.returncode != 0:
        stop(f"{model}: {done.stderr.strip()}")
    return json.loads(done.stdout)["root"]


def score_again(task, model, samples, seed):
    """The raw value, or the refusal."""
    command = [STATE["executor"], "evaluate", "--json", "--model", model, "--data", task["data"],
               "--samples", samples, "--seed", seed]
    if task["context"]:
        command += ["--context", task["context"]]
    done = run(*command)
    if done.returncode == 0:
        found = json.loads(done.stdout)
        score = found["accuracy"] if "accuracy" in found else found["bits_per_byte"]
        return round(score * 10**9), None
    return None, done.stderr.strip()


def compare(where, on_chain, raw, refusal):
    status = on_chain["status"]
    if status == "Scored":
        if raw != on_chain["raw"]:
            problems.append(f"{where}: the chain says {on_chain['raw']}, here it is {raw}"
                            + (f" ({refusal})" if refusal else ""))
        return
    reason = status.get("Invalid") if isinstance(status, dict) else None
    if reason is None:
        problems.append(f"{where}: was not scored: {status}")
    elif refusal is None or reason.lower() not in refusal.lower().replace(" ", ""):
        problems.append(f"{where}: the chain says {reason}, here: {refusal or raw}")


def check_round(task, roots, number):
    result = rpc("arena_result", task["id"], number)
    if result is None:
        problems.append(f"{task['name']}: round {number} has no result")
        return 0
    drawn = arena("round-seed", "--task", task["id"], "--round", number)
    seed = drawn["sample_seed"].removeprefix("0x")
    for model in result["models"]:
        where = f"{task['name']}, round {number}, {model['trainer']}"
        folder = roots.get(model["manifestRoot"])
        if folder is None:
            problems.append(f"{where}: no model here has the root {model['manifestRoot']}")
            continue
        raw, refusal = score_again(task, folder, drawn["samples"], seed)
        compare(where, model, raw, refusal)
    return len(result["models"])


compared = 0
for task in STATE["tasks"]:
    roots = {root_of(model): model for model in task["models"]}
    for number in range(1, task["rounds"] + 2):
        compared += check_round(task, roots, number)
print(f"verify: {compared} scores computed again, {len(problems)} differ")

ids = [word for task in STATE["tasks"] for word in ("--task", str(task["id"]))]
done = subprocess.run([STATE["arena"], "--url", URL, "verify", *ids])
if done.returncode != 0:
    problems.append("arena verify: a payout differs, see above")
if problems:
    stop("\n  " + "\n  ".join(problems))
print("verify: ok")
PYTHON
