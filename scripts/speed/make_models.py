#!/usr/bin/env python3
"""Makes the models and samples that scripts/speed.sh measures.

Layout of OUT: NAME/model/ (random weights in f32, a byte-level BPE tokenizer of 32,000 tokens),
NAME/shape.json, and samples.jsonl: 128 texts of 8 to 700 tokens. Kept where they are there.
"""

import argparse
import json
import random
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, logging

VOCABULARY = 32_000
SAMPLES, SHORTEST, LONGEST = 128, 8, 700
SEED = 1
# Parameters without the embeddings, but with the output matrix: 109.5 and 4.9 million.
SHAPES = {
    "large": {"hidden_size": 768, "intermediate_size": 2048, "num_hidden_layers": 12,
              "num_attention_heads": 12, "num_key_value_heads": 12},
    "small": {"hidden_size": 128, "intermediate_size": 344, "num_hidden_layers": 4,
              "num_attention_heads": 4, "num_key_value_heads": 4},
}


def words(rng, count):
    """Words that don't exist, of one to four syllables."""
    onsets = ["b", "br", "d", "f", "g", "gl", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "v", "z"]
    vowels = ["a", "e", "i", "o", "u", "ai", "ou"]
    codas = ["", "", "n", "r", "s", "l", "nd", "k"]
    made = set()
    while len(made) < count:
        made.add("".join(rng.choice(onsets) + rng.choice(vowels) + rng.choice(codas)
                         for _ in range(rng.randint(1, 4))))
    return sorted(made)


def make_tokenizer(pool):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=["<s>", "</s>"], show_progress=False,
                                  min_frequency=1, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator([f" {word}" for word in pool], trainer)
    assert tokenizer.get_vocab_size() == VOCABULARY, tokenizer.get_vocab_size()
    return tokenizer


def make_samples(rng, tokenizer, pool):
    """Texts of given lengths; a word's tokens don't depend on its neighbours."""
    def count(text):
        return len(tokenizer.encode(text, add_special_tokens=False).ids)

    single = [word for word in rng.sample(pool, 4000) if count(f" {word}") == 1]
    lengths = [SHORTEST, LONGEST, *(rng.randint(SHORTEST, LONGEST) for _ in range(SAMPLES - 2))]
    rng.shuffle(lengths)
    samples = []
    for length in lengths:
        text, used = "", 0
        while used < length:
            word = f" {rng.choice(pool if length - used > 8 else single)}"
            text, used = text + word, used + count(word)
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        assert len(ids) == length and tokenizer.decode(ids, skip_special_tokens=False) == text
        samples.append(text)
    return samples


def make_data(out):
    """The tokenizer and the samples' lengths; once made they stay, as models are made for them."""
    kept, data = out / "tokenizer.json", out / "samples.jsonl"
    if not (kept.is_file() and data.is_file()):
        rng = random.Random(SEED)
        pool = words(rng, 60_000)
        tokenizer = make_tokenizer(pool)
        lines = (json.dumps({"text": text}) + "\n" for text in make_samples(rng, tokenizer, pool))
        data.write_text("".join(lines))
        tokenizer.save(str(kept))
    tokenizer = Tokenizer.from_file(str(kept))
    texts = [json.loads(line)["text"] for line in data.read_text().splitlines()]
    return tokenizer, [len(tokenizer.encode(text, add_special_tokens=False).ids) for text in texts]


def make_model(directory, shape, tokenizer):
    config = LlamaConfig(vocab_size=VOCABULARY, max_position_embeddings=1024, bos_token_id=0, eos_token_id=1,
                         pad_token_id=None, rms_norm_eps=1e-5, tie_word_embeddings=False, **shape)
    torch.manual_seed(SEED)
    model = LlamaForCausalLM(config)
    model.save_pretrained(directory)
    tokenizer.save(str(directory / "tokenizer.json"))
    total = sum(weight.numel() for weight in model.parameters())
    return total - model.model.embed_tokens.weight.numel()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--models", nargs="+", choices=SHAPES, default=list(SHAPES))
    args = parser.parse_args()
    missing = [name for name in args.models if not (args.out / name / "shape.json").is_file()]
    if not missing:
        return
    logging.disable_progress_bar()
    args.out.mkdir(parents=True, exist_ok=True)
    tokenizer, lengths = make_data(args.out)
    for name in missing:
        shape = SHAPES[name]
        parameters = make_model(args.out / name / "model", shape, tokenizer)
        (args.out / name / "shape.json").write_text(json.dumps(shape | {
            "vocab_size": VOCABULARY, "parameters_without_embeddings": parameters,
            "lengths": lengths}, indent=1) + "\n")
        print(f"make_models: {name}: {parameters / 1e6:.1f} million parameters without embeddings")


if __name__ == "__main__":
    main()
