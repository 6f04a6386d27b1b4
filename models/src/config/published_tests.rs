//! Configs as they are published, long lists shortened.

use crate::{Architecture, DecoderConfig, Fault, ModelConfig};

const LLAMA_2_7B: &str = r#"{"_name_or_path":"meta-llama/Llama-2-7b-hf",
    "architectures":["LlamaForCausalLM"],"bos_token_id":1,"eos_token_id":2,"hidden_act":"silu",
    "hidden_size":4096,"initializer_range":0.02,"intermediate_size":11008,
    "max_position_embeddings":4096,"model_type":"llama","num_attention_heads":32,
    "num_hidden_layers":32,"num_key_value_heads":32,"pretraining_tp":1,"rms_norm_eps":1e-05,
    "rope_scaling":null,"tie_word_embeddings":false,"torch_dtype":"float16",
    "transformers_version":"4.31.0.dev0","use_cache":true,"vocab_size":32000}"#;

const LLAMA_3_2_1B: &str = r#"{"architectures":["LlamaForCausalLM"],"attention_bias":false,
    "attention_dropout":0.0,"bos_token_id":128000,"eos_token_id":128001,"head_dim":64,
    "hidden_act":"silu","hidden_size":2048,"initializer_range":0.02,"intermediate_size":8192,
    "max_position_embeddings":131072,"mlp_bias":false,"model_type":"llama",
    "num_attention_heads":32,"num_hidden_layers":16,"num_key_value_heads":8,"pretraining_tp":1,
    "rms_norm_eps":1e-05,"rope_scaling":{"factor":32.0,"high_freq_factor":4.0,
    "low_freq_factor":1.0,"original_max_position_embeddings":8192,"rope_type":"llama3"},
    "rope_theta":500000.0,"tie_word_embeddings":true,"torch_dtype":"bfloat16",
    "transformers_version":"4.45.0.dev0","use_cache":true,"vocab_size":128256}"#;

const UNSLOTH_LLAMA: &str = r#"{"_attn_implementation_autoset":true,
    "_name_or_path":"unsloth/Llama-3.2-1B-Instruct","architectures":["LlamaForCausalLM"],
    "attention_bias":false,"attention_dropout":0.0,"bos_token_id":128000,"eos_token_id":128009,
    "head_dim":64,"hidden_act":"silu","hidden_size":2048,"initializer_range":0.02,
    "intermediate_size":8192,"max_position_embeddings":131072,"mlp_bias":false,
    "model_type":"llama","num_attention_heads":32,"num_hidden_layers":16,
    "num_key_value_heads":8,"pad_token_id":128004,"pretraining_tp":1,"rms_norm_eps":1e-05,
    "rope_scaling":{"factor":32.0,"high_freq_factor":4.0,"low_freq_factor":1.0,
    "original_max_position_embeddings":8192,"rope_type":"llama3"},"rope_theta":500000.0,
    "tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers_version":"4.47.1",
    "unsloth_fixed":true,"unsloth_version":"2025.1.5","use_cache":true,"vocab_size":128256}"#;

const TINY_LLAMA: &str = r#"{"architectures":["LlamaForCausalLM"],"attention_bias":false,
    "bos_token_id":1,"eos_token_id":2,"hidden_act":"silu","hidden_size":2048,
    "initializer_range":0.02,"intermediate_size":5632,"max_position_embeddings":2048,
    "model_type":"llama","num_attention_heads":32,"num_hidden_layers":22,
    "num_key_value_heads":4,"pretraining_tp":1,"rms_norm_eps":1e-05,"rope_scaling":null,
    "rope_theta":10000.0,"tie_word_embeddings":false,"torch_dtype":"bfloat16",
    "transformers_version":"4.35.0","use_cache":true,"vocab_size":32000}"#;

const SMOLLM2_135M: &str = r#"{"architectures":["LlamaForCausalLM"],"attention_bias":false,
    "attention_dropout":0.0,"bos_token_id":1,"eos_token_id":2,"head_dim":null,
    "hidden_act":"silu","hidden_size":576,"initializer_range":0.041666666666666664,
    "intermediate_size":1536,"is_llama_config":true,"max_position_embeddings":8192,
    "mlp_bias":false,"model_type":"llama","num_attention_heads":9,"num_hidden_layers":30,
    "num_key_value_heads":3,"pad_token_id":2,"pretraining_tp":1,"rms_norm_eps":1e-05,
    "rope_interleaved":false,"rope_scaling":null,"rope_theta":100000,
    "tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers_version":"4.42.3",
    "transformers.js_config":{"kv_cache_dtype":{"q4f16":"float16","fp16":"float16"}},
    "use_cache":true,"vocab_size":49152}"#;

const MISTRAL_7B_V0_1: &str = r#"{"architectures":["MistralForCausalLM"],"bos_token_id":1,
    "eos_token_id":2,"hidden_act":"silu","hidden_size":4096,"initializer_range":0.02,
    "intermediate_size":14336,"max_position_embeddings":32768,"model_type":"mistral",
    "num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,
    "rms_norm_eps":1e-05,"rope_theta":10000.0,"sliding_window":4096,
    "tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.34.0.dev0",
    "use_cache":true,"vocab_size":32000}"#;

const MISTRAL_7B_V0_3: &str = r#"{"architectures":["MistralForCausalLM"],
    "attention_dropout":0.0,"bos_token_id":1,"eos_token_id":2,"hidden_act":"silu",
    "hidden_size":4096,"initializer_range":0.02,"intermediate_size":14336,
    "max_position_embeddings":32768,"model_type":"mistral","num_attention_heads":32,
    "num_hidden_layers":32,"num_key_value_heads":8,"rms_norm_eps":1e-05,
    "rope_theta":1000000.0,"sliding_window":null,"tie_word_embeddings":false,
    "torch_dtype":"bfloat16","transformers_version":"4.42.0.dev0","use_cache":true,
    "vocab_size":32768}"#;

const QWEN2_5_0_5B: &str = r#"{"architectures":["Qwen2ForCausalLM"],"attention_dropout":0.0,
    "bos_token_id":151643,"eos_token_id":151643,"hidden_act":"silu","hidden_size":896,
    "initializer_range":0.02,"intermediate_size":4864,"max_position_embeddings":32768,
    "max_window_layers":24,"model_type":"qwen2","num_attention_heads":14,
    "num_hidden_layers":24,"num_key_value_heads":2,"rms_norm_eps":1e-06,
    "rope_theta":1000000.0,"sliding_window":32768,"tie_word_embeddings":true,
    "torch_dtype":"bfloat16","transformers_version":"4.40.1","use_cache":true,
    "use_mrope":false,"use_sliding_window":false,"vocab_size":151936}"#;

const QWEN3_0_6B: &str = r#"{"architectures":["Qwen3ForCausalLM"],"attention_bias":false,
    "attention_dropout":0.0,"bos_token_id":151643,"eos_token_id":151645,"head_dim":128,
    "hidden_act":"silu","hidden_size":1024,"initializer_range":0.02,"intermediate_size":3072,
    "max_position_embeddings":40960,"max_window_layers":28,"model_type":"qwen3",
    "num_attention_heads":16,"num_hidden_layers":28,"num_key_value_heads":8,
    "rms_norm_eps":1e-06,"rope_scaling":null,"rope_theta":1000000,"sliding_window":null,
    "tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers_version":"4.51.0",
    "use_cache":true,"use_sliding_window":false,"vocab_size":151936}"#;

const PHI_3_MINI_4K: &str = r#"{"_name_or_path":"Phi-3-mini-4k-instruct",
    "architectures":["Phi3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,
    "auto_map":{"AutoConfig":"configuration_phi3.Phi3Config",
    "AutoModelForCausalLM":"modeling_phi3.Phi3ForCausalLM"},"bos_token_id":1,"embd_pdrop":0.0,
    "eos_token_id":32000,"hidden_act":"silu","hidden_size":3072,"initializer_range":0.02,
    "intermediate_size":8192,"max_position_embeddings":4096,"model_type":"phi3",
    "num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":32,
    "original_max_position_embeddings":4096,"pad_token_id":32000,"resid_pdrop":0.0,
    "rms_norm_eps":1e-05,"rope_scaling":null,"rope_theta":10000.0,"sliding_window":2047,
    "tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.40.2",
    "use_cache":true,"vocab_size":32064}"#;

/// `SHORT` and `LONG` stand for 48 numbers each.
const PHI_3_5_MINI: &str = r#"{"_name_or_path":"Phi-3.5-mini-instruct",
    "architectures":["Phi3ForCausalLM"],"attention_bias":false,"attention_dropout":0.0,
    "auto_map":{"AutoConfig":"configuration_phi3.Phi3Config",
    "AutoModelForCausalLM":"modeling_phi3.Phi3ForCausalLM"},"bos_token_id":1,"embd_pdrop":0.0,
    "eos_token_id":32000,"hidden_act":"silu","hidden_size":3072,"initializer_range":0.02,
    "intermediate_size":8192,"max_position_embeddings":131072,"model_type":"phi3",
    "num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":32,
    "original_max_position_embeddings":4096,"pad_token_id":32000,"resid_pdrop":0.0,
    "rms_norm_eps":1e-05,"rope_scaling":{"long_factor":[LONG],"short_factor":[SHORT],
    "type":"longrope"},"rope_theta":10000.0,"sliding_window":262144,
    "tie_word_embeddings":false,"torch_dtype":"bfloat16","transformers_version":"4.43.3",
    "use_cache":true,"vocab_size":32064}"#;

const GEMMA_2_2B: &str = r#"{"architectures":["Gemma2ForCausalLM"],"attention_bias":false,
    "attention_dropout":0.0,"attn_logit_softcapping":50.0,"bos_token_id":2,
    "cache_implementation":"hybrid","eos_token_id":1,"final_logit_softcapping":30.0,
    "head_dim":256,"hidden_act":"gelu_pytorch_tanh","hidden_activation":"gelu_pytorch_tanh",
    "hidden_size":2304,"initializer_range":0.02,"intermediate_size":9216,
    "max_position_embeddings":8192,"model_type":"gemma2","num_attention_heads":8,
    "num_hidden_layers":26,"num_key_value_heads":4,"pad_token_id":0,
    "query_pre_attn_scalar":256,"rms_norm_eps":1e-06,"rope_theta":10000.0,
    "sliding_window":4096,"sliding_window_size":4096,"torch_dtype":"float32",
    "transformers_version":"4.42.4","use_cache":true,"vocab_size":256000}"#;

const GEMMA_3_1B: &str = r#"{"architectures":["Gemma3ForCausalLM"],"attention_bias":false,
    "attention_dropout":0.0,"attn_logit_softcapping":null,"bos_token_id":2,
    "cache_implementation":"hybrid","eos_token_id":[1,106],"final_logit_softcapping":null,
    "head_dim":256,"hidden_activation":"gelu_pytorch_tanh","hidden_size":1152,
    "initializer_range":0.02,"intermediate_size":6912,"max_position_embeddings":32768,
    "model_type":"gemma3_text","num_attention_heads":4,"num_hidden_layers":26,
    "num_key_value_heads":1,"pad_token_id":0,"query_pre_attn_scalar":256,
    "rms_norm_eps":1e-06,"rope_local_base_freq":10000,"rope_scaling":null,
    "rope_theta":1000000,"sliding_window":512,"sliding_window_pattern":6,
    "torch_dtype":"bfloat16","transformers_version":"4.50.0.dev0","use_cache":true,
    "vocab_size":262144}"#;

const GPT2: &str = r#"{"activation_function":"gelu_new","architectures":["GPT2LMHeadModel"],
    "attn_pdrop":0.1,"bos_token_id":50256,"embd_pdrop":0.1,"eos_token_id":50256,
    "initializer_range":0.02,"layer_norm_epsilon":1e-05,"model_type":"gpt2","n_ctx":1024,
    "n_embd":768,"n_head":12,"n_layer":12,"n_positions":1024,"resid_pdrop":0.1,
    "summary_activation":null,"summary_first_dropout":0.1,"summary_proj_to_labels":true,
    "summary_type":"cls_index","summary_use_proj":true,
    "task_specific_params":{"text-generation":{"do_sample":true,"max_length":50}},
    "vocab_size":50257}"#;

const GPT2_MEDIUM: &str = r#"{"activation_function":"gelu_new",
    "architectures":["GPT2LMHeadModel"],"attn_pdrop":0.1,"bos_token_id":50256,
    "embd_pdrop":0.1,"eos_token_id":50256,"gradient_checkpointing":false,
    "initializer_range":0.02,"layer_norm_epsilon":1e-05,"model_type":"gpt2","n_ctx":1024,
    "n_embd":1024,"n_head":16,"n_inner":null,"n_layer":24,"n_positions":1024,"n_special":0,
    "output_past":true,"predict_special_tokens":true,"reorder_and_upcast_attn":false,
    "resid_pdrop":0.1,"scale_attn_by_inverse_layer_idx":false,"scale_attn_weights":true,
    "summary_activation":null,"summary_first_dropout":0.1,"summary_proj_to_labels":true,
    "summary_type":"cls_index","summary_use_proj":true,
    "task_specific_params":{"text-generation":{"do_sample":true,"max_length":50}},
    "use_cache":true,"vocab_size":50257}"#;

const BERT_BASE_UNCASED: &str = r#"{"_name_or_path":"bert-base-uncased",
    "architectures":["BertForSequenceClassification"],"attention_probs_dropout_prob":0.1,
    "classifier_dropout":null,"finetuning_task":"sst2","gradient_checkpointing":false,
    "hidden_act":"gelu","hidden_dropout_prob":0.1,"hidden_size":768,
    "id2label":{"0":"negative","1":"neutral","2":"positive"},"initializer_range":0.02,
    "intermediate_size":3072,"label2id":{"negative":0,"neutral":1,"positive":2},
    "layer_norm_eps":1e-12,"max_position_embeddings":512,"model_type":"bert",
    "num_attention_heads":12,"num_hidden_layers":12,"pad_token_id":0,
    "position_embedding_type":"absolute","problem_type":"single_label_classification",
    "torch_dtype":"float32","transformers_version":"4.26.1","type_vocab_size":2,
    "use_cache":true,"vocab_size":30522}"#;

const BERT_BASE_CHINESE: &str = r#"{"_num_labels":2,
    "architectures":["BertForSequenceClassification"],"attention_probs_dropout_prob":0.1,
    "directionality":"bidi","hidden_act":"gelu","hidden_dropout_prob":0.1,"hidden_size":768,
    "id2label":{"0":"negative","1":"positive"},"initializer_range":0.02,
    "intermediate_size":3072,"label2id":{"negative":0,"positive":1},"layer_norm_eps":1e-12,
    "max_position_embeddings":512,"model_type":"bert","num_attention_heads":12,
    "num_hidden_layers":12,"output_past":true,"pad_token_id":0,"pooler_fc_size":768,
    "pooler_num_attention_heads":12,"pooler_num_fc_layers":3,"pooler_size_per_head":128,
    "pooler_type":"first_token_transform","type_vocab_size":2,"vocab_size":21128}"#;

fn parse(json: &str) -> ModelConfig {
    match ModelConfig::parse(json.as_bytes()) {
        Ok(config) => config,
        Err(error) => panic!("{}: {json}", error.detail),
    }
}

fn decoder(json: &str) -> DecoderConfig {
    match parse(json) {
        ModelConfig::Decoder(config) => *config,
        other => panic!("{other:?}"),
    }
}

/// The config with more fields.
fn with(json: &str, extra: &str) -> String {
    json.replacen('{', &format!("{{{extra},"), 1)
}

fn phi_3_5_mini() -> String {
    let factors = |factor: &str| vec![factor; 48].join(",");
    PHI_3_5_MINI
        .replace("SHORT", &factors("1.05"))
        .replace("LONG", &factors("32.5"))
}

/// Refused because of the config, in words that name the field.
fn assert_refused(json: &str, name: &str) {
    match ModelConfig::parse(json.as_bytes()) {
        Ok(config) => panic!("{name}: {config:?}"),
        Err(error) => {
            assert_eq!(error.fault, Fault::Config, "{name}");
            assert!(error.detail.contains(name), "{name}: {}", error.detail);
        }
    }
}

#[test]
fn published_decoders_should_be_read() {
    let phi_3_5 = phi_3_5_mini();
    for (json, family, width, layers) in [
        (LLAMA_2_7B, Architecture::Llama, 4_096, 32),
        (LLAMA_3_2_1B, Architecture::Llama, 2_048, 16),
        (UNSLOTH_LLAMA, Architecture::Llama, 2_048, 16),
        (TINY_LLAMA, Architecture::Llama, 2_048, 22),
        (SMOLLM2_135M, Architecture::Llama, 576, 30),
        (MISTRAL_7B_V0_1, Architecture::Mistral, 4_096, 32),
        (MISTRAL_7B_V0_3, Architecture::Mistral, 4_096, 32),
        (QWEN2_5_0_5B, Architecture::Qwen2, 896, 24),
        (QWEN3_0_6B, Architecture::Qwen3, 1_024, 28),
        (PHI_3_MINI_4K, Architecture::Phi3, 3_072, 32),
        (phi_3_5.as_str(), Architecture::Phi3, 3_072, 32),
        (GEMMA_2_2B, Architecture::Gemma2, 2_304, 26),
        (GEMMA_3_1B, Architecture::Gemma3, 1_152, 26),
    ] {
        let config = decoder(json);
        assert_eq!(config.family, family, "{json}");
        assert_eq!(config.hidden_size, width, "{json}");
        assert_eq!(config.num_hidden_layers, layers, "{json}");
    }
}

#[test]
fn published_gpt2s_and_berts_should_be_read() {
    for (json, width, layers) in [(GPT2, 768, 12), (GPT2_MEDIUM, 1_024, 24)] {
        match parse(json) {
            ModelConfig::Gpt2(config) => {
                assert_eq!((config.n_embd, config.n_layer), (width, layers), "{json}");
            }
            other => panic!("{other:?}"),
        }
    }
    for (json, labels) in [(BERT_BASE_UNCASED, 3), (BERT_BASE_CHINESE, 2)] {
        match parse(json) {
            ModelConfig::Bert(config) => {
                assert_eq!(config.hidden_size, 768, "{json}");
                assert_eq!(config.num_hidden_layers, 12, "{json}");
                assert_eq!(config.labels, labels, "{json}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn idle_fields_should_change_nothing() {
    for (json, extra) in [
        (LLAMA_2_7B, r#""pretraining_tp":2"#),
        (LLAMA_2_7B, r#""quantization_config":null"#),
        (LLAMA_2_7B, r#""use_mrope":null,"pruned_heads":{}"#),
        (LLAMA_2_7B, r#""id2label":{"0":"a"},"num_labels":1"#),
        (QWEN2_5_0_5B, r#""rope_interleaved":false"#),
        (GPT2, r#""add_cross_attention":false,"is_decoder":false"#),
        (BERT_BASE_CHINESE, r#""eos_token_id":null,"top_k":50"#),
    ] {
        let plain = json.replace(r#""pretraining_tp":1,"#, "");
        assert_eq!(parse(&with(&plain, extra)), parse(json), "{extra}");
    }
}

#[test]
fn second_name_of_the_window_should_say_the_same() {
    let window = |json: &str| decoder(json).windows[0];
    assert_eq!(window(GEMMA_2_2B), Some(4_096));
    let older = GEMMA_2_2B.replace(r#""sliding_window":4096,"#, "");
    assert_refused(&older, "sliding_window_size");
    for other in ["512", "null"] {
        let from = r#""sliding_window":4096"#;
        let json = GEMMA_2_2B.replace(from, &format!(r#""sliding_window":{other}"#));
        assert_refused(&json, "sliding_window_size");
    }
    let llama = with(LLAMA_2_7B, r#""sliding_window_size":4096"#);
    assert_refused(&llama, "sliding_window");
}

#[test]
fn what_would_change_the_computation_should_be_refused() {
    for json in [LLAMA_2_7B, GPT2, BERT_BASE_CHINESE] {
        for (name, value) in [
            ("add_cross_attention", "true"),
            ("mystery", "1"),
            ("pruned_heads", r#"{"0":[1]}"#),
            ("quantization_config", r#"{"bits":4}"#),
            ("rope_interleaved", "true"),
            ("use_bidirectional_attention", "true"),
            ("use_mrope", "true"),
        ] {
            assert_refused(&with(json, &format!(r#""{name}":{value}"#)), name);
        }
    }
    let relative = r#""position_embedding_type":"relative_key""#;
    assert_refused(
        &with(BERT_BASE_CHINESE, relative),
        "position_embedding_type",
    );
}

#[test]
fn a_field_twice_should_be_refused() {
    for (json, extra, name) in [
        (LLAMA_2_7B, r#""hidden_size":4096"#, "hidden_size"),
        (LLAMA_2_7B, r#""torch_dtype":"float32""#, "torch_dtype"),
        (GPT2, r#""hidden_size":768"#, "n_embd"),
    ] {
        assert_refused(&with(json, extra), name);
    }
    assert_refused(r#"["llama"]"#, "config.json");
}
