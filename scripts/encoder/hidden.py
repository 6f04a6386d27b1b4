#!/usr/bin/env python3
"""Writes what PyTorch and transformers compute of texts with a BERT encoder.

OUT/texts.jsonl is the texts, `{"text"}` a line. OUT/hidden.safetensors has of the i-th text, from 0:

    hidden.{i}  F32 [tokens, width]   states after the last layer, in f32, of this text alone
    ids.{i}     I64 [tokens]          its tokens: [CLS], the text's, [SEP]; neither cut nor padded
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import AutoModel, logging

TEXTS = [
    "a",
    "The harbour was quiet before the first boats came in.",
    "How much rain fell in 1987? 4.5 mm, said the keeper; nobody believed him!",
    "Grüße aus Zürich, çà et là: naïve café.",
    "灯台は三十秒ごとに回る。 🦀",
    "antidisestablishmentarianism, pneumonoultramicroscopicsilicovolcanoconiosis",
    "  spaces,\ttabs\nand lines  ",
    "light is patient but glass is not " * 40,
    "",
]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    tokenizer = Tokenizer.from_file(str(args.model / "tokenizer.json"))
    # The package's tokenizer cuts and pads to 128, which is its caller's business.
    tokenizer.no_truncation()
    tokenizer.no_padding()
    model = AutoModel.from_pretrained(args.model, dtype=torch.float32, attn_implementation="eager",
                                      local_files_only=True).eval()
    tensors = {}
    for i, text in enumerate(TEXTS):
        ids = torch.tensor([tokenizer.encode(text).ids])
        with torch.inference_mode():
            hidden = model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]
        tensors |= {f"hidden.{i}": hidden.clone(), f"ids.{i}": ids[0].clone()}
    args.out.mkdir(parents=True, exist_ok=True)
    lines = (json.dumps({"text": text}, ensure_ascii=False) + "\n" for text in TEXTS)
    (args.out / "texts.jsonl").write_text("".join(lines), encoding="utf-8")
    save_file(tensors, args.out / "hidden.safetensors")
    print(f"encoder: {len(TEXTS)} texts of {min(map(len, tensors.values()))} to "
          f"{max(map(len, tensors.values()))} tokens")


if __name__ == "__main__":
    main()
