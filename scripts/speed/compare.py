#!/usr/bin/env python3
"""Times arena-executor beside PyTorch on the same weights, samples and cores, and prints a table.

Before the clock counts, every side evaluates once: the losses must agree, and PyTorch's tuned
side takes the budget that was fastest. Then the sides take turns. Seconds of an evaluation: ours
with reading the weights, PyTorch's without, and after a warm-up. Cold: for PyTorch a fresh process
to its result; for ours a job posted to a running executor, which starts a worker, to its outcome.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOLERANCE = 1e-5
TORCH = Path(__file__).with_name("torch_bench.py")


def fail(why):
    sys.exit(f"speed: FAILED: {why}")


def run(command, threads, cores):
    """A process on these cores alone: its JSON, with seconds and peak memory as seen from here."""
    names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"]
    env = os.environ | {name: str(threads) for name in names} | {"HF_HUB_OFFLINE": "1"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        before = time.perf_counter()
        child = subprocess.Popen([str(part) for part in command], stdout=out, stderr=err, env=env,
                                 preexec_fn=lambda: os.sched_setaffinity(0, cores))
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - before
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if child.returncode:
            fail(f"{' '.join(map(str, command))}:\n{err.read().decode()}")
        found = json.loads(out.read().splitlines()[-1])
    return found | {"wall_seconds": wall, "peak_bytes": usage.ru_maxrss * 1024}


class Sides:
    """The three ways to evaluate one model."""

    def __init__(self, args, name, cores):
        self.args, self.cores = args, cores
        self.model, self.data = args.models / name / "model", args.models / "samples.jsonl"
        self.budget = None

    def ours(self):
        command = [self.args.executor, "evaluate", "--json", "--model", self.model, "--data", self.data,
                   "--context", 1024]
        if self.args.batch_tokens:
            command += ["--batch-tokens", self.args.batch_tokens]
        return run(command, self.args.threads, self.cores)

    def torch(self, mode, budget=None, warm=True):
        command = [sys.executable, TORCH, mode, "--model", self.model, "--data", self.data,
                   "--threads", self.args.threads]
        command += ["--budget", budget] if budget else []
        command += ["--warm-up"] if warm else []
        return run(command, self.args.threads, self.cores)

    def check(self):
        """Losses must agree before anything is timed; chooses the budget on the way."""
        ours, one = self.ours(), self.torch("one")
        tuned = {budget: self.torch("tuned", budget) for budget in self.args.budgets}
        for side, found in [("one by one", one), *tuned.items()]:
            apart = abs(ours["nll_nats"] - found["nll_nats"]) / found["nll_nats"]
            if ours["tokens"] != found["tokens"] or not apart <= TOLERANCE:
                fail(f"{self.model}: ours {ours['nll_nats']} nats of {ours['tokens']} tokens, PyTorch "
                     f"({side}) {found['nll_nats']} of {found['tokens']}")
        self.budget = min(tuned, key=lambda budget: tuned[budget]["seconds"])
        return {"nll_nats": ours["nll_nats"], "pytorch_nll_nats": one["nll_nats"], "tokens": ours["tokens"],
                "seconds_by_budget": {budget: found["seconds"] for budget, found in tuned.items()},
                "budget": self.budget, "versions": one["versions"]}

    def turn(self):
        return {"ours": self.ours(), "one": self.torch("one"), "tuned": self.torch("tuned", self.budget)}

    def cold(self):
        """One cold start of each; PyTorch's faster way counts."""
        found = {"one": self.torch("one", warm=False)["wall_seconds"],
                 "tuned": self.torch("tuned", self.budget, warm=False)["wall_seconds"]}
        if self.args.post:
            jobs = self.jobs()
            found |= {"ours": jobs["warm"]["seconds"], "jobs": jobs}
        return found

    def jobs(self):
        """The same job posted to a running executor twice: with nothing in its cache, and with all."""
        with tempfile.TemporaryDirectory() as base:
            base = Path(base)
            serve = [self.args.executor, "serve", "--listen", "127.0.0.1:0", "--base", base / "base",
                     "--token-file", base / "token", "--ready-file", base / "ready", "--allow-file",
                     *self.args.serve_flags]
            env = os.environ | {"RAYON_NUM_THREADS": str(self.args.threads)}
            server = subprocess.Popen(list(map(str, serve)), env=env, stderr=subprocess.DEVNULL,
                                      preexec_fn=lambda: os.sched_setaffinity(0, self.cores))
            try:
                while not (base / "ready").is_file() and server.poll() is None:
                    time.sleep(0.01)
                if server.poll() is not None:
                    fail("arena-executor serve ended; run it by hand to see why")
                address = (base / "ready").read_text().strip()
                post = [self.args.post, address, base / "token", self.model, self.data]
                # Another deadline makes it another job.
                return {name: run([*post, deadline], self.args.threads, self.cores)
                        for name, deadline in (("cold", 3600), ("warm", 3601))}
            finally:
                server.terminate()
                server.wait()


def work(shape):
    """Floating-point operations of all samples: matrices, and attention to what is visible."""
    lengths, width = shape["lengths"], shape["hidden_size"]
    attention = sum(2 * width * n * (n + 1) for n in lengths) * shape["num_hidden_layers"]
    return 2 * shape["parameters_without_embeddings"] * sum(lengths) + attention


def summary(name, shape, check, turns, cold, rates):
    flops = work(shape)
    sides = {}
    for side in ("ours", "one", "tuned"):
        seconds = statistics.median(turn[side]["seconds"] for turn in turns)
        sides[side] = {
            "seconds": seconds, "all_seconds": [turn[side]["seconds"] for turn in turns],
            "tokens_per_second": check["tokens"] / seconds, "gflops": flops / seconds / 1e9,
            "peak_bytes": max(turn[side]["peak_bytes"] for turn in turns),
            "cold_seconds": cold.get(side),
        }
    ours, one, tuned = (sides[side] for side in ("ours", "one", "tuned"))
    best = max(rate for rate in rates.values() if rate)
    ratios = {
        "faster_than_one_by_one": one["seconds"] / ours["seconds"],
        "faster_than_tuned": tuned["seconds"] / ours["seconds"],
        "of_the_better_matmul": ours["gflops"] / best,
        "memory_of_pytorch": ours["peak_bytes"] / min(one["peak_bytes"], tuned["peak_bytes"]),
    }
    return {"model": name, "shape": {k: v for k, v in shape.items() if k != "lengths"},
            "samples": len(shape["lengths"]), "flops": flops, "check": check, "sides": sides, "ratios": ratios,
            "jobs": cold.get("jobs")}


def table(result):
    names = {"ours": "arena-executor", "one": "PyTorch, one by one", "tuned": "PyTorch, tuned"}
    check = result["check"]
    print(f"\n{result['model']}: {result['shape']['parameters_without_embeddings'] / 1e6:.1f} million parameters "
          f"without embeddings, {result['samples']} samples, {check['tokens']} tokens")
    apart = abs(check["nll_nats"] / check["pytorch_nll_nats"] - 1)
    print(f"losses agree to {apart:.1e}; PyTorch's budget is {check['budget']} tokens")
    print(f"{'':<22}{'seconds':>9}{'tokens/s':>10}{'GFLOP/s':>9}{'peak MiB':>10}{'cold s':>8}")
    for side, name in names.items():
        found = result["sides"][side]
        cold = "-" if found["cold_seconds"] is None else f"{found['cold_seconds']:.2f}"
        print(f"{name:<22}{found['seconds']:>9.2f}{found['tokens_per_second']:>10.0f}{found['gflops']:>9.1f}"
              f"{found['peak_bytes'] / 2**20:>10.0f}{cold:>8}")
    for name, job in (result["jobs"] or {}).items():
        print(f"  posted with a {name} cache: first samples scored after {job['first_seconds']:.2f} s, "
              f"outcome after {job['seconds']:.2f} s")
    for name, value in result["ratios"].items():
        print(f"  {name.replace('_', ' '):<26}{value:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--executor", type=Path, required=True)
    parser.add_argument("--models", type=Path, required=True, help="what make_models.py wrote")
    parser.add_argument("--only", nargs="+", default=["large", "small"])
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--budgets", type=int, nargs="+", default=[1024, 2048, 4096])
    parser.add_argument("--batch-tokens", type=int, help="of ours; its default if absent")
    parser.add_argument("--matmul", type=Path, help="program that prints our matmul rate")
    parser.add_argument("--post", type=Path, help="program that posts a job and waits for it")
    parser.add_argument("--serve-flags", nargs="*", default=[])
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:args.threads]

    def rates():
        theirs = run([sys.executable, TORCH, "matmul", "--threads", args.threads], args.threads, cores)
        ours = run([args.matmul], args.threads, cores) if args.matmul else {"gflops": None}
        return {"pytorch": theirs["gflops"], "ours": ours["gflops"]}

    results, measured = [], [rates()]
    for name in args.only:
        shape = json.loads((args.models / name / "shape.json").read_text())
        sides = Sides(args, name, cores)
        check = sides.check()
        turns = [sides.turn() for _ in range(args.repetitions)]
        cold = sides.cold()
        measured.append(rates())
        better = {side: max(rate[side] or 0 for rate in measured) for side in measured[0]}
        results.append(summary(name, shape, check, turns, cold, better))
        table(results[-1])
    print(f"\n2048 x 2048 x 2048 in f32 on {args.threads} threads, GFLOP/s: "
          + ", ".join(f"{side} {rate:.0f}" for side, rate in better.items() if rate))
    if args.json:
        found = {"threads": args.threads, "repetitions": args.repetitions, "matmul_gflops": better, "models": results}
        args.json.write_text(json.dumps(found, indent=1) + "\n")
        print(f"written: {args.json}")


if __name__ == "__main__":
    main()
