#!/usr/bin/env python3
"""Evaluates a model with PyTorch and transformers in f32, and prints JSON with losses and times.

one     one sample after the other in the data's order, loss by the model's own code: what the
        public validator does, without its trainer
tuned   batches of samples of like length up to a budget of padded tokens, in inference mode
matmul  only the rate of a product of two 2048 x 2048 matrices
"""

import argparse
import json
import os
import resource
import statistics
import time

STARTED = time.perf_counter()


def read(args):
    from tokenizers import Tokenizer
    tokenizer = Tokenizer.from_file(os.path.join(args.model, "tokenizer.json"))
    with open(args.data, encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    return [tokenizer.encode(text, add_special_tokens=False).ids[:args.context] for text in texts]


def one(torch, model, samples):
    start, nats = model.config.bos_token_id, []
    with torch.no_grad():
        for ids in samples:
            inputs = torch.tensor([[start, *ids]])
            labels = torch.tensor([[-100, *ids]])
            loss = model(input_ids=inputs, attention_mask=torch.ones_like(inputs), labels=labels).loss
            nats.append(loss.item() * len(ids))
    return sum(nats)


def batches(samples, budget):
    """Longest first, so that a machine that lacks the memory finds out at once."""
    rest = sorted(samples, key=len, reverse=True)
    while rest:
        count = max(1, budget // len(rest[0]))
        yield rest[:count]
        rest = rest[count:]


def tuned(torch, model, samples, budget):
    """Padding lies on the right, where a causal model doesn't see it: no mask is needed."""
    start, nats = model.config.bos_token_id, 0.0
    with torch.inference_mode():
        for batch in batches(samples, budget):
            length = len(batch[0])
            inputs = torch.tensor([[start, *ids[:-1], *[start] * (length - len(ids))] for ids in batch])
            labels = torch.tensor([[*ids, *[-100] * (length - len(ids))] for ids in batch])
            logits = model(input_ids=inputs, use_cache=False).logits
            losses = torch.nn.functional.cross_entropy(logits.flatten(0, 1), labels.flatten(),
                                                       ignore_index=-100, reduction="none")
            nats += losses.double().sum().item()
    return nats


def matmul(torch, size=2048):
    a, b = torch.randn(size, size), torch.randn(size, size)
    times = []
    for _ in range(30):
        before = time.perf_counter()
        torch.mm(a, b)
        times.append(time.perf_counter() - before)
    return {"gflops": 2 * size**3 / statistics.median(times[5:]) / 1e9}


def evaluate(torch, args):
    from transformers import AutoModelForCausalLM, logging
    logging.disable_progress_bar()
    before = time.perf_counter()
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype=torch.float32, local_files_only=True).eval()
    loaded = time.perf_counter()

    def run(samples):
        if args.mode == "one":
            return one(torch, model, samples)
        return tuned(torch, model, samples, args.budget)

    if args.warm_up:
        run([[2] * 64])
    ready = time.perf_counter()
    samples = read(args)
    nats = run(samples)
    done = time.perf_counter()
    return {"nll_nats": nats, "tokens": sum(map(len, samples)), "seconds": done - ready,
            "load_seconds": loaded - before, "process_seconds": done - STARTED}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mode", choices=["one", "tuned", "matmul"])
    parser.add_argument("--model")
    parser.add_argument("--data")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--context", type=int, default=1024)
    parser.add_argument("--budget", type=int, default=2048, help="padded tokens of one batch")
    parser.add_argument("--warm-up", action="store_true", help="run a short sample before the clock")
    args = parser.parse_args()
    import torch
    torch.set_num_threads(args.threads)
    found = matmul(torch) if args.mode == "matmul" else evaluate(torch, args)
    if args.mode != "matmul":
        import transformers
        found["versions"] = {"torch": torch.__version__, "transformers": transformers.__version__}
    # Linux counts it in KiB.
    found["peak_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps(found))


if __name__ == "__main__":
    main()
