"""What the reference implementation makes of a model directory: losses sample by sample.

The model is loaded from the directory that is judged, in float32 and with eager attention, and
sees one sample at a time, so that nothing is padded. Logits and log-softmax are float32; the
losses of a sample's targets are added in float64.
"""

import json
import os

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerFast


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def load(directory, base=None, dtype=torch.float32):
    """A decoder, with an adapter on it where there is a base."""
    model = AutoModelForCausalLM.from_pretrained(base or directory, dtype=dtype,
                                                 attn_implementation="eager", local_files_only=True)
    if base:
        from peft import PeftModel
        # Adapters are cast to the base's type.
        model = PeftModel.from_pretrained(model, directory).to(dtype)
    return model.eval()


class Coder:
    """Texts to tokens, and tokens to the bytes that count."""

    def __init__(self, directory, config):
        self.directory = directory
        self.tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
        eos = config.eos_token_id
        self.eos = eos[0] if isinstance(eos, list) else eos
        self.start = self.eos if config.bos_token_id is None else config.bos_token_id

    def ids(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def bytes_of(self, ids, text):
        """Bytes at the text's start that the tokens decode to."""
        decoded = self.tokenizer.decode(ids, skip_special_tokens=False)
        kept = 0
        for ours, theirs in zip(decoded, text):
            if ours != theirs:
                break
            kept += len(ours.encode())
        return kept

    def text(self, row, context):
        text = row["text"]
        ids = self.ids(text)[:context]
        return [([], ids)], self.bytes_of(ids, text)

    def after(self, given, text):
        """Tokens of what is given, and of the text after it: those by which both together go on.

        A space at the end of what is given is predicted with the word after it.
        """
        if given.endswith(" "):
            given, text = given[:-1], " " + text
        head, both = self.ids(given), self.ids(given + text)
        if given and both[:len(head)] == head:
            return head, both[len(head):]
        return head, self.ids(text)

    def completion(self, row, _context):
        head, target = self.after(row["prompt"], row["completion"])
        return [(head, [*target, self.eos])], len(row["completion"].encode())

    def conversation(self, row, _context):
        """Each content of the assistant's, with the added token that ends its turn."""
        chat = PreTrainedTokenizerFast.from_pretrained(self.directory, local_files_only=True)
        turns = [{**turn, "content": turn["content"].strip()} for turn in row["conversations"]]
        whole = chat.apply_chat_template(turns, tokenize=False)
        added = [token.content for token in self.tokenizer.get_added_tokens_decoder().values()]
        segments, at, given, size = [], 0, "", 0
        for turn in turns:
            place = whole.index(turn["content"], at)
            given += whole[at:place]
            at = place + len(turn["content"])
            if turn["role"] != "assistant":
                given += turn["content"]
                continue
            end = next((token for token in added if whole.startswith(token, at)), "")
            segments.append(self.after(given, turn["content"] + end))
            at += len(end)
            # The data's bytes: those of the template are the model's to choose.
            size += len(turn["content"].encode())
            given = ""
        return segments, size


def nll(model, start, segments):
    """Nats of all targets of one sample, and their number."""
    ids = [token for context, target in segments for token in [*context, *target]]
    wanted = [kind for context, target in segments
              for kind in [False] * len(context) + [True] * len(target)]
    if not any(wanted):
        return 0.0, 0
    # A rendering that begins with the start token has it already.
    first_is_start = not wanted[0] and ids[0] == start
    if not first_is_start:
        ids, wanted = [start, *ids], [False, *wanted]
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids[:-1]]), use_cache=False).logits[0]
        losses = -torch.log_softmax(logits, -1).gather(1, torch.tensor(ids[1:]).unsqueeze(1))[:, 0]
    losses = losses[torch.tensor(wanted[1:])].double()
    return losses.sum().item(), len(losses)


def language(directory, rows, kind, context, base=None, dtype=torch.float32):
    """Losses of a decoder on the rows of a data file."""
    model = load(directory, base, dtype)
    coder = Coder(base or directory, model.config)
    found = []
    for row in rows:
        segments, size = getattr(coder, kind)(row, context)
        nats, tokens = nll(model, coder.start, segments)
        found.append({"nll": nats, "tokens": tokens, "bytes": size})
    return found


def classifier(directory, rows, dtype=torch.float32):
    """Losses and logits of a text classifier, whose tokenizer adds its own special tokens."""
    model = AutoModelForSequenceClassification.from_pretrained(
        directory, dtype=dtype, attn_implementation="eager", local_files_only=True).eval()
    tokenizer = Tokenizer.from_file(os.path.join(directory, "tokenizer.json"))
    found = []
    for row in rows:
        encoded = tokenizer.encode(row["text"])
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([encoded.ids]),
                           token_type_ids=torch.tensor([encoded.type_ids])).logits[0]
        loss = -torch.log_softmax(logits, -1)[row["label"]].double().item()
        found.append({"nll": loss, "tokens": 1, "bytes": 0, "logits": logits.tolist(),
                      "correct": int(logits.argmax()) == row["label"]})
    return found


def network(config, dtype=torch.float32):
    """A classifier of rows, whose parameters are named by the place of their layer."""
    nn = torch.nn
    shape = tuple(config["input_shape"])
    layers = []
    for layer in config["layers"]:
        sides = {name: layer[name] for name in ("stride", "padding") if name in layer}
        kinds = {
            "linear": lambda: nn.Linear(shape[0], layer["out"]),
            "relu": nn.ReLU, "tanh": nn.Tanh, "gelu": lambda: nn.GELU(approximate="tanh"),
            "conv2d": lambda: nn.Conv2d(shape[0], layer["out"], layer["kernel"], **sides),
            "max_pool2d": lambda: nn.MaxPool2d(layer["kernel"], **sides),
            "flatten": nn.Flatten,
        }
        layers.append(kinds[layer["type"]]())
        with torch.no_grad():
            shape = layers[-1](torch.zeros(1, *shape)).shape[1:]
    return nn.Sequential(*layers).to(dtype)


def rows(directory, data, dtype=torch.float32):
    """Losses and logits of a classifier of rows."""
    config = json.loads((directory / "config.json").read_text())
    model = network(config, dtype)
    tensors = load_file(directory / "model.safetensors")
    model.load_state_dict({name.removeprefix("layers."): weight.to(dtype) for name, weight in tensors.items()})
    found = []
    for row in data:
        features = torch.tensor(row["features"], dtype=torch.float32).to(dtype)
        with torch.inference_mode():
            logits = model(features.reshape(1, *config["input_shape"]))[0]
        loss = -torch.log_softmax(logits, -1)[row["label"]].double().item()
        found.append({"nll": loss, "tokens": 1, "bytes": 0, "logits": logits.tolist(),
                      "correct": int(logits.argmax()) == row["label"]})
    return found
