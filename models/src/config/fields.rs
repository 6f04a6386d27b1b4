//! The fields of a `config.json` of `transformers`, less those that mean nothing to the
//! computation.
//!
//! What could change the computation and isn't computed is refused; what can't is ignored by
//! name; any other field is refused, because its meaning is unknown.

use super::refuse;
use crate::ModelError;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, Error as _, MapAccess, Visitor},
};
use serde_json::{Map, Value};
use std::fmt;

/// Names of which only one value is computed, besides null.
const FIXED: [(&str, &str); 7] = [
    ("add_cross_attention", "false"),
    ("cross_attention_hidden_size", "null"),
    ("pruned_heads", "{}"),
    ("quantization_config", "null"),
    ("rope_interleaved", "false"),
    ("use_bidirectional_attention", "false"),
    ("use_mrope", "false"),
];

/// Names that mean nothing to the computation, whatever the family.
#[rustfmt::skip]
const IDLE: &[&str] = &[
    // Who wrote the file, from what and for which tools; the family is known by then.
    "_attn_implementation", "_attn_implementation_autoset", "_commit_hash", "_name_or_path",
    "architectures", "attn_implementation", "auto_map", "is_llama_config", "model_type",
    "tokenizer_class", "transformers.js_config", "transformers_version", "unsloth_fixed",
    "unsloth_version",
    // Numbers' types, and how the reference splits its work.
    "chunk_size_feed_forward", "dtype", "pretraining_tp", "reorder_and_upcast_attn",
    "tf_legacy_loss", "torch_dtype", "torchscript", "use_bfloat16",
    // Training: dropout, first weights, memory.
    "attention_dropout", "attention_probs_dropout_prob", "attn_pdrop", "classifier_dropout",
    "embd_pdrop", "gradient_checkpointing", "hidden_dropout_prob", "initializer_range",
    "resid_pdrop",
    // What the reference hands back, and what it keeps meanwhile.
    "cache_implementation", "num_logits_to_keep", "output_attentions", "output_hidden_states",
    "output_past", "return_dict", "use_cache",
    // Lengths and tokens that the tokenizer has, too.
    "cls_token_id", "mask_token_id", "max_sequence_length", "model_max_length", "n_ctx",
    "n_special", "pad_token_id", "predict_special_tokens", "sep_token_id", "unk_token_id",
    // Tasks and labels' names.
    "_num_labels", "finetuning_task", "label2id", "task_specific_params",
    // Heads that no family here has.
    "directionality", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
    "pooler_size_per_head", "pooler_type", "summary_activation", "summary_first_dropout",
    "summary_proj_to_labels", "summary_type", "summary_use_proj",
    // How `generate` picks tokens, and pairs of encoder and decoder.
    "bad_words_ids", "begin_suppress_tokens", "decoder_start_token_id", "diversity_penalty",
    "do_sample", "early_stopping", "encoder_no_repeat_ngram_size",
    "exponential_decay_length_penalty", "forced_bos_token_id", "forced_eos_token_id",
    "is_encoder_decoder", "length_penalty", "max_length", "min_length", "no_repeat_ngram_size",
    "num_beam_groups", "num_beams", "num_return_sequences", "output_scores", "prefix",
    "remove_invalid_values", "repetition_penalty", "return_dict_in_generate", "suppress_tokens",
    "temperature", "tie_encoder_decoder", "top_k", "top_p", "typical_p",
];

/// Names that mean nothing to a language model, though a classifier reads them.
pub(super) const OF_CLASSIFIERS: &[&str] =
    &["id2label", "is_decoder", "num_labels", "problem_type"];

/// Names that mean nothing to a classifier, though a language model reads them.
pub(super) const OF_LANGUAGE_MODELS: &[&str] =
    &["bos_token_id", "eos_token_id", "tie_word_embeddings"];

/// A JSON object that has each name once.
struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Once;
        impl<'de> Visitor<'de> for Once {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of fields")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Map::new();
                while let Some(name) = map.next_key::<String>()? {
                    if fields.contains_key(&name) {
                        return Err(A::Error::custom(format!("duplicate field {name:?}")));
                    }
                    let value: Value = map.next_value()?;
                    fields.insert(name, value);
                }
                Ok(Fields(fields))
            }
        }
        deserializer.deserialize_map(Once)
    }
}

/// Reads the fields of a family to which the names `idle` mean nothing, either.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8], idle: &[&str]) -> Result<T, ModelError> {
    let malformed = |e: serde_json::Error| refuse(format!("config.json: {e}"));
    let Fields(mut fields) = serde_json::from_slice(bytes).map_err(malformed)?;
    for name in IDLE.iter().chain(idle) {
        fields.remove(*name);
    }
    for (name, only) in FIXED {
        let value = fields.remove(name).unwrap_or_default().to_string();
        if value != only && value != "null" {
            return Err(refuse(format!(
                "config.json: {name} must be {only} or left out, nothing else is computed by \
                 this release"
            )));
        }
    }
    serde_json::from_value(Value::Object(fields)).map_err(malformed)
}
