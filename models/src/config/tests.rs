use crate::{Architecture, DecoderConfig, Fault, ModelConfig, RopeScaling};

/// A decoder of 2 layers of `family`; `extra` are more fields.
fn json(family: &str, extra: &str) -> String {
    format!(
        r#"{{"model_type":"{family}","hidden_size":16,"intermediate_size":32,
        "num_hidden_layers":4,"num_attention_heads":4,"num_key_value_heads":2,
        "vocab_size":64,"max_position_embeddings":32{extra}}}"#
    )
}

fn decoder(family: &str, extra: &str) -> DecoderConfig {
    let extra = format!(r#","eos_token_id":[3,4]{extra}"#);
    match ModelConfig::parse(json(family, &extra).as_bytes()) {
        Ok(ModelConfig::Decoder(config)) => *config,
        other => panic!("{extra}: {other:?}"),
    }
}

fn fault(family: &str, extra: &str) -> Fault {
    match ModelConfig::parse(json(family, extra).as_bytes()) {
        Ok(config) => panic!("{extra}: {config:?}"),
        Err(error) => error.fault,
    }
}

#[test]
fn llama_should_have_its_tensors() {
    let config = decoder("llama", "");
    assert_eq!((config.head_dim, config.eos_token_id), (4, Some(3)));
    assert_eq!(config.windows, [None; 4]);
    let count = |extra: &str| {
        let config = ModelConfig::Decoder(Box::new(decoder("llama", extra)));
        assert_eq!(config.start_token(), Some(3));
        config.tensors().unwrap().len()
    };
    assert_eq!(count(""), 1 + 4 * 9 + 2);
    assert_eq!(count(r#","tie_word_embeddings":true"#), 1 + 4 * 9 + 1);
    assert_eq!(
        count(r#","attention_bias":true,"mlp_bias":true"#),
        1 + 4 * (9 + 7) + 2
    );
}

#[test]
fn families_should_have_their_own_windows() {
    let windows = |family: &str, extra: &str| decoder(family, extra).windows;
    let (seven, none) = (Some(7), None);
    assert_eq!(windows("mistral", r#","sliding_window":7"#), [seven; 4]);
    assert_eq!(windows("mistral", r#","sliding_window":null"#), [none; 4]);
    assert_eq!(windows("mistral", ""), [Some(4_096); 4]);
    assert_eq!(windows("qwen2", r#","sliding_window":7"#), [none; 4]);
    let slides = r#","sliding_window":7,"use_sliding_window":true,"max_window_layers":3"#;
    assert_eq!(windows("qwen3", slides), [none, none, none, seven]);
    assert_eq!(
        windows("gemma2", r#","sliding_window":7"#),
        [seven, none, seven, none]
    );
    let pattern = r#","sliding_window":7,"sliding_window_pattern":2"#;
    assert_eq!(windows("gemma3_text", pattern), [seven, none, seven, none]);
    let types = r#","sliding_window":7,"layer_types":["full_attention","full_attention",
        "sliding_attention","full_attention"]"#;
    assert_eq!(windows("gemma2", types), [none, none, seven, none]);
    assert_eq!(windows("phi3", ""), [none; 4]);
}

#[test]
fn families_should_differ_as_their_references_do() {
    let gemma = decoder("gemma2", r#","query_pre_attn_scalar":16"#);
    assert_eq!((gemma.score_factor, gemma.head_dim), (0.25, 256));
    assert!(gemma.norms_after && gemma.norm_plus_one && gemma.tie_word_embeddings);
    assert_eq!(gemma.embedding_factor, 4.0);
    let gemma = decoder("gemma3_text", r#","rope_local_base_freq":5000"#);
    assert_eq!((gemma.rope.theta, gemma.local_rope.theta), (1e6, 5e3));
    let nested = r#","rope_parameters":{"full_attention":{"rope_type":"linear","factor":8.0,
        "rope_theta":1000.0},"sliding_attention":{"rope_type":"default","rope_theta":100.0}}"#;
    let gemma = decoder("gemma3_text", nested);
    assert_eq!(
        gemma.rope.scaling,
        Some(RopeScaling::Linear { factor: 8.0 })
    );
    assert_eq!((gemma.rope.theta, gemma.local_rope.theta), (1e3, 1e2));
    assert_eq!(gemma.local_rope.scaling, None);
    assert!(decoder("qwen2", "").qkv_bias && !decoder("qwen2", "").output_bias);
    assert!(decoder("qwen3", "").qk_norm);
    assert_eq!(decoder("qwen3", "").head_dim, 128);
    assert!(decoder("phi3", "").is_fused);
}

#[test]
fn rope_should_be_read_from_both_places_it_is_written_in() {
    let scaling = |extra: &str| decoder("llama", extra).rope.scaling;
    let linear = Some(RopeScaling::Linear { factor: 2.0 });
    let two = r#"{"rope_type":"linear","factor":2.0}"#;
    for extra in [
        r#","rope_scaling":{"type":"linear","factor":2.0}"#.to_string(),
        r#","rope_scaling":{"type":"linear","rope_type":"linear","factor":2.0}"#.to_string(),
        format!(r#","rope_parameters":{two}"#),
        format!(r#","rope_parameters":{two},"rope_scaling":{two}"#),
    ] {
        assert_eq!(scaling(&extra), linear, "{extra}");
    }
    for extra in [
        r#","rope_scaling":null"#,
        r#","rope_scaling":{"type":"default"}"#,
    ] {
        assert_eq!(scaling(extra), None, "{extra}");
    }
    let four = two.replace("2.0", "4.0");
    let both = format!(r#","eos_token_id":3,"rope_parameters":{two},"rope_scaling":{four}"#);
    assert_eq!(fault("llama", &both), Fault::Config);
}

#[test]
fn what_is_not_computed_should_be_refused() {
    for (family, extra) in [
        ("llama", r#","bos_token_id":64"#),
        ("llama", ""),
        ("llama", r#","bos_token_id":0,"hidden_act":"mish""#),
        ("llama", r#","bos_token_id":0,"sliding_window":7"#),
        ("llama", r#","bos_token_id":0,"head_dim":3"#),
        ("llama", r#","bos_token_id":0,"vocab_size":64"#),
        (
            "llama",
            r#","bos_token_id":0,"final_logit_softcapping":30.0"#,
        ),
        ("llama", r#","bos_token_id":0,"quantization_config":{}"#),
        ("llama", r#","bos_token_id":0,"rms_norm_eps":0.0"#),
        ("mistral", r#","bos_token_id":0,"attention_bias":true"#),
        ("mistral", r#","bos_token_id":0,"sliding_window":0"#),
        (
            "mistral",
            r#","bos_token_id":0,"layer_types":["sliding_attention"]"#,
        ),
        ("qwen3", r#","bos_token_id":0,"mlp_bias":true"#),
        (
            "qwen3",
            r#","bos_token_id":0,"layer_types":["a","a","a","a"]"#,
        ),
        (
            "gemma2",
            r#","bos_token_id":0,"final_logit_softcapping":-1.0"#,
        ),
        (
            "gemma2",
            r#","bos_token_id":0,"use_bidirectional_attention":true"#,
        ),
        (
            "gemma3_text",
            r#","bos_token_id":0,"attn_logit_softcapping":30.0"#,
        ),
        (
            "gemma3_text",
            r#","bos_token_id":0,"rope_parameters":{"rope_theta":5.0}"#,
        ),
    ] {
        assert_eq!(fault(family, extra), Fault::Config, "{family} {extra}");
    }
    assert_eq!(fault("opt", ""), Fault::Architecture);
    let absurd = json("llama", r#","bos_token_id":0"#).replace(":16,", ":18446744073709551615,");
    let error = ModelConfig::parse(absurd.as_bytes()).unwrap_err();
    assert_eq!(error.fault, Fault::Config);
}

#[test]
fn gpt2_and_bert_should_have_their_tensors() {
    let gpt2 = r#"{"model_type":"gpt2","n_embd":8,"n_layer":2,"n_head":2,"n_positions":16,
        "vocab_size":32,"eos_token_id":0,"activation_function":"gelu_new"}"#;
    let gpt2 = ModelConfig::parse(gpt2.as_bytes()).unwrap();
    assert_eq!(gpt2.architecture(), Architecture::Gpt2);
    assert_eq!(gpt2.tensors().unwrap().len(), 2 + 2 * 12 + 2);
    assert_eq!((gpt2.positions(), gpt2.start_token()), (Some(16), Some(0)));
    assert_eq!(
        gpt2.listed_as("transformer.wte.weight").unwrap(),
        "wte.weight"
    );
    assert_eq!(gpt2.listed_as("h.0.attn.bias"), None);
    assert_eq!(gpt2.listed_as("lm_head.weight"), None);
    let bert = r#"{"model_type":"bert","hidden_size":8,"intermediate_size":16,
        "num_hidden_layers":2,"num_attention_heads":2,"max_position_embeddings":16,
        "vocab_size":32,"id2label":{"0":"a","1":"b","2":"c"}}"#;
    let config = ModelConfig::parse(bert.as_bytes()).unwrap();
    assert_eq!(config.architecture(), Architecture::Bert);
    assert_eq!(config.tensors().unwrap().len(), 5 + 2 * 16 + 4);
    let last = config.tensors().unwrap().pop().unwrap();
    assert_eq!(last, ("classifier.weight".to_string(), vec![3, 8]));
    for (from, to) in [
        ("\"vocab_size\":32", "\"vocab_size\":32,\"is_decoder\":true"),
        (
            "\"vocab_size\":32",
            "\"vocab_size\":32,\"position_embedding_type\":\"relative_key\"",
        ),
        ("\"num_attention_heads\":2", "\"num_attention_heads\":3"),
    ] {
        let error = ModelConfig::parse(bert.replace(from, to).as_bytes()).unwrap_err();
        assert_eq!(error.fault, Fault::Config, "{to}");
    }
}
