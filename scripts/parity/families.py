"""The models of the fixtures: every family, with each of its features away from the neutral value."""

from dataclasses import dataclass, field

import torch
import transformers as hf

from samples import BOS, CHANNELS, EOS, EOT, FEATURES, IM_END, LABELS, VOCABULARY, WORD_PIECES

LENGTH = 128
SHORT = 64
# Large enough to be seen in a loss.
EPSILON = 2e-3


@dataclass
class Fixture:
    """A model directory, and what it is judged on."""

    config: object
    family: str
    # Type of the weights on disk.
    dtype: torch.dtype = torch.bfloat16
    # Writes config.json as transformers 4 did.
    old: bool = False
    # (data, context) pairs.
    runs: list = field(default_factory=lambda: [("texts", LENGTH), ("completions", LENGTH)])
    # Name of a chat template, and whether it lies in a file of its own.
    template: str | None = None
    template_file: bool = False
    shard: str | None = None
    # Changes the tensors as older checkpoints have them.
    tensors: object = None


@dataclass
class Adapter:
    """A LoRA adapter on another fixture."""

    base: str
    options: dict
    runs: list = field(default_factory=lambda: [("texts", LENGTH), ("completions", LENGTH)])


@dataclass
class Network:
    """A classifier of rows, in the format that models/README.md describes, made of torch.nn."""

    family: str
    input_shape: list
    layers: list
    runs: list = field(default_factory=lambda: [("rows", 1)])


def sizes(**changed):
    return {"vocab_size": VOCABULARY, "hidden_size": 24, "intermediate_size": 32,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "max_position_embeddings": LENGTH, "bos_token_id": BOS, "eos_token_id": EOS,
            "pad_token_id": None, "tie_word_embeddings": False, "rms_norm_eps": EPSILON} | changed


def rope(theta=100.0, kind="default", **rest):
    return {"rope_theta": theta, "rope_type": kind, **rest}


LLAMA3 = rope(100.0, "llama3", factor=4.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=32)


def llama(family_options=None, **rest):
    config = hf.LlamaConfig(**sizes(**({"rope_parameters": rope()} | (family_options or {}))))
    return Fixture(config, "llama", **rest)


def llamas():
    chat = [("texts", LENGTH), ("completions", LENGTH), ("conversations", 512)]
    cut = [("texts", LENGTH), ("texts", SHORT), ("completions", LENGTH)]
    return {
        "llama": llama(dtype=torch.float32, runs=cut),
        "llama-rope-llama3": llama({"rope_parameters": LLAMA3, "eos_token_id": [EOT, EOS]},
                                   template="llama3", template_file=True, runs=chat),
        "llama-rope-llama3-old": llama({"rope_parameters": LLAMA3, "eos_token_id": [EOT, EOS]},
                                       template="llama3", old=True, runs=chat),
        "llama-rope-linear": llama({"rope_parameters": rope(100.0, "linear", factor=2.5)}),
        "llama-rope-linear-old": llama({"rope_parameters": rope(100.0, "linear", factor=2.5)}, old=True),
        "llama-tied": llama({"tie_word_embeddings": True, "head_dim": 12}),
        "llama-biases": llama({"attention_bias": True, "mlp_bias": True, "num_key_value_heads": 1}),
        "llama-f16": llama(dtype=torch.float16),
        "llama-shards": llama(shard="30KB"),
    }


def mistrals():
    windows = sizes(sliding_window=8, rope_parameters=rope(50.0), head_dim=12)
    whole = sizes(sliding_window=None, rope_parameters=rope(50.0), num_key_value_heads=4)
    return {
        "mistral": Fixture(hf.MistralConfig(**windows), "mistral",
                           runs=[("texts", LENGTH), ("texts", SHORT), ("completions", LENGTH)]),
        "mistral-old": Fixture(hf.MistralConfig(**windows), "mistral", old=True),
        "mistral-no-window": Fixture(hf.MistralConfig(**whole), "mistral", torch.float16),
    }


def qwens():
    chat = [("texts", LENGTH), ("completions", LENGTH), ("conversations", 512)]
    plain = sizes(bos_token_id=None, eos_token_id=IM_END, rope_parameters=rope(1000.0))
    window = plain | {"use_sliding_window": True, "sliding_window": 8, "max_window_layers": 1,
                      "num_hidden_layers": 3}
    heads = plain | {"head_dim": 10}
    return {
        "qwen2": Fixture(hf.Qwen2Config(**plain), "qwen2", template="chatml", runs=chat),
        # A window is named, but not used.
        "qwen2-old": Fixture(hf.Qwen2Config(**plain | {"tie_word_embeddings": True}), "qwen2", old=True,
                             template="chatml", runs=chat),
        "qwen2-window": Fixture(hf.Qwen2Config(**window), "qwen2"),
        "qwen2-window-old": Fixture(hf.Qwen2Config(**window), "qwen2", old=True),
        "qwen3": Fixture(hf.Qwen3Config(**heads), "qwen3"),
        "qwen3-old": Fixture(hf.Qwen3Config(**heads | {"tie_word_embeddings": True}), "qwen3", old=True),
        "qwen3-window": Fixture(hf.Qwen3Config(**heads | window | {"attention_bias": True}), "qwen3"),
    }


def phis():
    # Samples lie on both sides of 16 inputs.
    def longrope(dims):
        return rope(100.0, "longrope", short_factor=[1.0 + 0.1 * i for i in range(dims // 2)],
                    long_factor=[1.5 + 0.7 * i for i in range(dims // 2)],
                    original_max_position_embeddings=16)

    plain = sizes(rope_parameters=rope(), sliding_window=8)
    long = sizes(rope_parameters=longrope(6), original_max_position_embeddings=16, sliding_window=None)
    partial = long | {"rope_parameters": longrope(4) | {"partial_rotary_factor": 0.75},
                      "sliding_window": 24, "tie_word_embeddings": True}
    return {
        "phi3": Fixture(hf.Phi3Config(**plain), "phi3"),
        "phi3-longrope": Fixture(hf.Phi3Config(**long), "phi3"),
        "phi3-longrope-old": Fixture(hf.Phi3Config(**long), "phi3", old=True),
        "phi3-partial": Fixture(hf.Phi3Config(**partial), "phi3"),
        "phi3-partial-old": Fixture(hf.Phi3Config(**partial), "phi3", old=True),
    }


def gemmas():
    two = sizes(head_dim=12, query_pre_attn_scalar=20, sliding_window=8, num_hidden_layers=3,
                attn_logit_softcapping=3.0, final_logit_softcapping=4.0, rope_parameters=rope(),
                tie_word_embeddings=True)
    three = sizes(head_dim=12, query_pre_attn_scalar=20, sliding_window=8, num_hidden_layers=3,
                  tie_word_embeddings=True, rope_parameters={
                      "sliding_attention": rope(30.0),
                      "full_attention": rope(900.0, "linear", factor=3.0)},
                  layer_types=["sliding_attention", "full_attention", "sliding_attention"])
    return {
        "gemma2": Fixture(hf.Gemma2Config(**two), "gemma2"),
        "gemma2-old": Fixture(hf.Gemma2Config(**two), "gemma2", old=True),
        "gemma2-no-caps": Fixture(hf.Gemma2Config(**two | {
            "attn_logit_softcapping": None, "final_logit_softcapping": None,
            "layer_types": ["full_attention", "sliding_attention", "sliding_attention"]}), "gemma2"),
        "gemma3": Fixture(hf.Gemma3TextConfig(**three), "gemma3_text"),
        "gemma3-old": Fixture(hf.Gemma3TextConfig(**three), "gemma3_text", old=True),
    }


def gpt2s():
    options = {"vocab_size": VOCABULARY, "n_positions": LENGTH, "n_embd": 24, "n_layer": 2, "n_head": 4,
               "bos_token_id": EOS, "eos_token_id": EOS, "layer_norm_epsilon": EPSILON}
    return {
        "gpt2": Fixture(hf.GPT2Config(**options), "gpt2"),
        "gpt2-inner": Fixture(hf.GPT2Config(**options | {"n_inner": 40, "tie_word_embeddings": False}), "gpt2"),
        "gpt2-hub": Fixture(hf.GPT2Config(**options | {"n_positions": SHORT}), "gpt2", old=True,
                            tensors=hub_gpt2, runs=[("texts", SHORT)]),
    }


def berts():
    options = {"vocab_size": WORD_PIECES, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
               "intermediate_size": 32, "max_position_embeddings": 64, "type_vocab_size": 2,
               "pad_token_id": 0, "num_labels": LABELS, "layer_norm_eps": EPSILON}
    runs = [("labelled", SHORT)]
    return {
        "bert": Fixture(hf.BertConfig(**options), "bert", torch.float16, runs=runs),
        "bert-old": Fixture(hf.BertConfig(**options), "bert", old=True, tensors=old_bert, runs=runs),
    }


def networks():
    def linear(out):
        return {"type": "linear", "out": out}

    def conv(out, kernel, stride, padding):
        return {"type": "conv2d", "out": out, "kernel": kernel, "stride": stride, "padding": padding}

    relu, gelu, tanh, flatten = ({"type": name} for name in ("relu", "gelu", "tanh", "flatten"))
    # Windows that overlap, and leave something out.
    pool = {"type": "max_pool2d", "kernel": 3, "stride": 2}
    return {
        "mlp": Network("arena_mlp", [FEATURES], [linear(24), gelu, linear(16), tanh, linear(12), relu,
                                                 linear(LABELS)]),
        "cnn": Network("arena_cnn", CHANNELS, [conv(5, 3, 1, 1), relu, pool, conv(4, 2, 2, 1), tanh, flatten,
                                               linear(LABELS)]),
    }


def adapters():
    linear = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    return {
        "lora-llama": Adapter("llama", {"r": 4, "lora_alpha": 6, "target_modules": linear,
                                        "rank_pattern": {"q_proj": 3, "layers.1.mlp.down_proj": 5},
                                        "alpha_pattern": {"v_proj": 9, "layers.0.mlp.up_proj": 2}}),
        "lora-qwen2": Adapter("qwen2", {"r": 3, "lora_alpha": 5, "use_rslora": True,
                                        "target_modules": ["q_proj", "v_proj"],
                                        "rank_pattern": {"v_proj": 2}}),
        # Its matrices lie the other way round.
        "lora-gpt2": Adapter("gpt2", {"r": 3, "lora_alpha": 5, "fan_in_fan_out": True,
                                      "target_modules": ["c_attn", "c_fc", "mlp.c_proj"]}),
        "lora-phi3": Adapter("phi3-longrope", {"r": 2, "lora_alpha": 4,
                                               "target_modules": ["qkv_proj", "gate_up_proj", "o_proj"]}),
    }


def fixtures():
    """Every model by name; bases come before adapters."""
    return {**llamas(), **mistrals(), **qwens(), **phis(), **gemmas(), **gpt2s(), **berts(), **networks(), **adapters()}


# --- as older releases wrote them

def hub_gpt2(tensors):
    """As openai-community/gpt2 has them: no prefix, and the causal mask as a buffer."""
    named = {name.removeprefix("transformer."): value for name, value in tensors.items()}
    mask = torch.tril(torch.ones(1, 1, SHORT, SHORT))
    return named | {f"h.{layer}.attn.bias": mask.clone() for layer in range(2)}


def old_bert(tensors):
    """With the positions as a buffer."""
    return tensors | {"bert.embeddings.position_ids": torch.arange(64).unsqueeze(0)}


# Fields that older releases had no name for, or left out where they had their default value.
NOT_IN_OLD = ("rope_parameters", "layer_types", "dtype", "transformers_version")
OF_GEMMA = ("use_bidirectional_attention", "tie_word_embeddings", "_sliding_window_pattern")
NOT_IN_OLD_OF = {
    "gemma2": OF_GEMMA,
    "gemma3_text": OF_GEMMA,
    "gpt2": ("tie_word_embeddings", "add_cross_attention", "n_inner", "pad_token_id"),
    "bert": ("tie_word_embeddings", "add_cross_attention", "is_decoder", "bos_token_id", "eos_token_id"),
}


def old_config(config, family):
    """A config.json of transformers 5 as transformers 4 wrote it."""
    unknown = NOT_IN_OLD + NOT_IN_OLD_OF.get(family, ())
    old = {name: value for name, value in config.items() if name not in unknown}
    old |= {"torch_dtype": config["dtype"], "transformers_version": "4.46.0"}
    if old.get("head_dim") == config.get("hidden_size", 0) // config.get("num_attention_heads", 1):
        del old["head_dim"]
    if family == "gemma3_text":
        old |= old_gemma3(config["rope_parameters"])
    elif "rope_parameters" in config:
        old |= old_rope(config["rope_parameters"])
    if family == "qwen2" and not config["use_sliding_window"]:
        old |= {"sliding_window": 8, "max_window_layers": 1}
    if family == "phi3":
        old_phi3(old)
    if family == "gemma2":
        old |= {"hidden_act": "gelu_pytorch_tanh", "cache_implementation": "hybrid"}
    if family == "gpt2":
        old |= {"n_ctx": config["n_positions"],
                "task_specific_params": {"text-generation": {"do_sample": True, "max_length": 50}}}
    if family == "bert":
        old |= {"position_embedding_type": "absolute", "gradient_checkpointing": False}
    if family == "llama":
        old |= {"pretraining_tp": 1}
    return {name: old[name] for name in sorted(old)}


def old_rope(parameters):
    rest = {name: value for name, value in parameters.items() if name != "rope_theta"}
    scaling = None if rest["rope_type"] == "default" else rest
    return {"rope_theta": parameters["rope_theta"], "rope_scaling": scaling}


def old_phi3(old):
    scaling = old["rope_scaling"]
    old["rope_scaling"] = {"type": "longrope", "short_factor": scaling["short_factor"],
                           "long_factor": scaling["long_factor"]}
    old["attention_bias"] = False
    if "partial_rotary_factor" in scaling and scaling["partial_rotary_factor"] != 1.0:
        old["partial_rotary_factor"] = scaling["partial_rotary_factor"]


def old_gemma3(parameters):
    local, whole = parameters["sliding_attention"], parameters["full_attention"]
    return old_rope(whole) | {"rope_local_base_freq": local["rope_theta"], "sliding_window_pattern": 2,
                              "cache_implementation": "hybrid"}
