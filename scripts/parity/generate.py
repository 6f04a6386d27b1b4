#!/usr/bin/env python3
"""Makes tiny random models of every family, data, and what transformers and PyTorch say of them.

Everything follows from the seed. Layout of OUT:

    data/*.jsonl              samples
    NAME/model/               a model directory as transformers writes it (or NAME/adapter/, as
                              peft does)
    NAME/expected.json        per run: data, context, and of each sample nats, targets and bytes

See families.py for the models, samples.py for the data, reference.py for the rules.
"""

import argparse
import json
import re
import shutil
import sys
import warnings
import zlib
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file

import families
import reference
import samples

# Float32 itself, as PyTorch rounds it, must not come near to what is judged: 1e-5.
MOST_ROUNDING = 1e-6
TEMPLATES = {
    "chatml": "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
              "{{ '<|im_start|>system\\nBe kind.<|im_end|>\\n' }}{% endif %}"
              "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
              "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    "llama3": "{%- if messages[0]['role'] == 'system' %}\n"
              "    {%- set system_message = messages[0]['content'] | trim %}\n"
              "    {%- set messages = messages[1:] %}\n"
              "{%- else %}\n    {%- set system_message = '' %}\n{%- endif %}\n"
              "{{- bos_token }}\n{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}\n"
              "{{- system_message }}\n{{- '<|eot_id|>' }}\n"
              "{%- for message in messages %}\n"
              "    {%- if message['role'] not in ['user', 'assistant'] %}\n"
              "        {{- raise_exception('Unknown role ' + message['role']) }}\n    {%- endif %}\n"
              "    {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'"
              " + message['content'] | trim + '<|eot_id|>' }}\n{%- endfor %}\n"
              "{%- if add_generation_prompt %}\n"
              "    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}\n{%- endif %}\n",
}


def write_json(path, value):
    text = json.dumps(value, indent=1, ensure_ascii=False)
    # A sample of expected.json takes one line.
    text = re.sub(r'\{\s+("nll": [^{}]*?)\s+\}', lambda m: "{" + re.sub(r"\s+", " ", m[1]) + "}", text)
    path.write_text(text + "\n", encoding="utf-8")


def generator(seed, name, attempt):
    # PyTorch takes but 32 bits of a seed.
    return torch.Generator().manual_seed(zlib.crc32(f"{seed}/{name}/{attempt}".encode()))


@torch.no_grad()
def randomize(model, random):
    """Weights of enough spread that every one of them is seen in the loss."""
    offset = model.config.model_type.startswith("gemma")
    for name, weight in model.named_parameters():
        noise = torch.randn(weight.shape, generator=random)
        is_norm = weight.dim() == 1 and "norm" in name.lower() or ".ln_" in name
        if name.endswith("bias"):
            weight.copy_(0.3 * noise)
        elif is_norm:
            weight.copy_(0.3 * noise + (0.0 if offset else 1.0))
        elif "classifier" in name:
            # A loss near to zero would be all rounding.
            weight.copy_(0.15 * noise)
        elif "embed" in name or "wte" in name or "wpe" in name or "lm_head" in name:
            weight.copy_(0.3 * noise)
        else:
            weight.copy_(0.35 * noise)


def write_tokenizer(directory, fixture):
    is_bert = fixture.family == "bert"
    tokenizer = samples.word_piece() if is_bert else samples.byte_level()
    (directory / "tokenizer.json").write_text(tokenizer.to_str(), encoding="utf-8")
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": families.LENGTH}
    if not is_bert:
        start = fixture.config.bos_token_id
        bos = None if start is None else samples.SPECIAL[start]
        if fixture.old and bos:
            bos = {"__type": "AddedToken", "content": bos, "lstrip": False, "normalized": False,
                   "rstrip": False, "single_word": False, "special": True}
        config |= {"bos_token": bos, "eos_token": "</s>", "clean_up_tokenization_spaces": False}
    if fixture.template and fixture.template_file:
        (directory / "chat_template.jinja").write_text(TEMPLATES[fixture.template], encoding="utf-8")
    elif fixture.template:
        config["chat_template"] = TEMPLATES[fixture.template]
    write_json(directory / "tokenizer_config.json", config)


def write_model(directory, fixture, random):
    kind = (transformers.AutoModelForSequenceClassification if fixture.family == "bert"
            else transformers.AutoModelForCausalLM)
    model = kind.from_config(fixture.config, attn_implementation="eager")
    randomize(model, random)
    options = {"max_shard_size": fixture.shard} if fixture.shard else {}
    model.to(fixture.dtype).save_pretrained(directory, **options)
    write_tokenizer(directory, fixture)
    if fixture.old:
        rewrite(directory, fixture)


def rewrite(directory, fixture):
    """Makes the directory as an older release would have, and checks that it is the same model."""
    before = logits(directory, fixture)
    path = directory / "config.json"
    write_json(path, families.old_config(json.loads(path.read_text()), fixture.family))
    if fixture.tensors:
        weights = directory / "model.safetensors"
        save_file(fixture.tensors(load_file(weights)), weights, metadata={"format": "pt"})
    if not torch.equal(before, logits(directory, fixture)):
        sys.exit(f"generate: {directory}: the older config is another model")


def logits(directory, fixture):
    kind = (transformers.AutoModelForSequenceClassification if fixture.family == "bert"
            else transformers.AutoModelForCausalLM)
    model = kind.from_pretrained(directory, dtype=torch.float32, attn_implementation="eager",
                                 local_files_only=True).eval()
    with torch.inference_mode():
        return model(torch.arange(60).unsqueeze(0)).logits


def write_network(directory, fixture, random):
    config = {"model_type": fixture.family, "version": 1, "input_shape": fixture.input_shape,
              "layers": fixture.layers, "labels": samples.LABELS}
    write_json(directory / "config.json", config)
    shapes = reference.network(config).named_parameters()
    tensors = {name: torch.randn(weight.shape, generator=random) * (0.3 if weight.dim() > 1 else 0.2)
               for name, weight in shapes}
    save_file({f"layers.{name}": weight for name, weight in tensors.items()}, directory / "model.safetensors")


@torch.no_grad()
def write_adapter(directory, adapter, out, random):
    base = out / adapter.base / "model"
    model = peft.get_peft_model(reference.load(base),
                                peft.LoraConfig(task_type="CAUSAL_LM", **adapter.options))
    for name, weight in model.named_parameters():
        if "lora_" in name:
            weight.copy_(0.25 * torch.randn(weight.shape, generator=random))
    model.peft_config["default"].base_model_name_or_path = f"../{adapter.base}/model"
    model.save_pretrained(directory)
    (directory / "README.md").unlink(missing_ok=True)
    config = json.loads((directory / "adapter_config.json").read_text())
    # A set, whose order differs from run to run.
    config["target_modules"] = sorted(config["target_modules"])
    write_json(directory / "adapter_config.json", config)


def run(fixture, directory, base, data, dtype=torch.float32):
    """One list of samples per run of a fixture."""
    found = []
    for name, context in fixture.runs:
        rows = data[f"{name}.jsonl"]
        if name == "labelled":
            found.append(reference.classifier(directory, rows, dtype))
        elif name == "rows":
            found.append(reference.rows(directory, rows, dtype))
        else:
            found.append(reference.language(directory, rows, name.removesuffix("s"), context, base, dtype))
    return found


def rounding(narrow, wide):
    """Largest relative difference of a sample's loss between float32 and float64."""
    pairs = ((a["nll"], b["nll"]) for one, other in zip(narrow, wide) for a, b in zip(one, other))
    return max(abs(a - b) / b for a, b in pairs if b)


def attempt(name, fixture, out, data, seed, number):
    folder = out / name
    shutil.rmtree(folder, ignore_errors=True)
    is_adapter = isinstance(fixture, families.Adapter)
    directory = folder / ("adapter" if is_adapter else "model")
    base = out / fixture.base / "model" if is_adapter else None
    directory.mkdir(parents=True)
    random = generator(seed, name, number)
    if is_adapter:
        write_adapter(directory, fixture, out, random)
    elif isinstance(fixture, families.Network):
        write_network(directory, fixture, random)
    else:
        write_model(directory, fixture, random)
    narrow = run(fixture, directory, base, data)
    found = rounding(narrow, run(fixture, directory, base, data, torch.float64))
    runs = [{"data": f"{data_name}.jsonl", "context": context,
             "nll": sum(sample["nll"] for sample in losses), "samples": losses}
            for (data_name, context), losses in zip(fixture.runs, narrow)]
    expected = {
        "seed": seed, "attempt": number,
        "family": "lora" if is_adapter else fixture.family,
        "model": directory.name, "base": f"../{fixture.base}/model" if is_adapter else None,
        "metric": "accuracy" if fixture.runs[0][0] in ("labelled", "rows") else "bits-per-byte",
        "versions": {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__,
                     "peft": peft.__version__},
        "float64_error": found, "runs": runs,
    }
    write_json(folder / "expected.json", expected)
    return found


warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
# The base is named as adapters name it, which is no path from here.
warnings.filterwarnings("ignore", message="Could not find a config file")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*", help="names of fixtures; bases of adapters must be there")
    args = parser.parse_args()
    # One thread adds in one order.
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    data = samples.make(args.seed, samples.byte_level())
    samples.write(args.out / "data", data)
    for name, fixture in families.fixtures().items():
        if args.only and name not in args.only:
            continue
        # A model on which float32 can't hold the tolerance says nothing of who computes it.
        for number in range(8):
            found = attempt(name, fixture, args.out, data, args.seed, number)
            if found <= MOST_ROUNDING:
                break
        else:
            sys.exit(f"generate: {name}: float32 and float64 differ by {found:.1e} in each attempt")
        print(f"generate: {name}: attempt {number}, float32 within {found:.1e} of float64", flush=True)


if __name__ == "__main__":
    main()
