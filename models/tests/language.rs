//! Losses of language models.

mod common;

use arena_models::{
    EvalOptions, Evaluation, Fault, Metric, Profile, SampleLoss, Sink, WORST_BITS_PER_BYTE,
    evaluate, samples_root,
};
use common::{
    HEAD, HEADS, KV_HEADS, LAYERS, Model, Noise, VOCABULARY, WIDTH, byte_tokenizer, llama, options,
    texts,
};
use std::f64::consts::LN_2;

const TEXTS: [&str; 6] = [
    "a",
    "the quick brown fox",
    "jumps over the lazy dog, and then over another one",
    "ünïcödé",
    "short",
    "a text that is somewhat longer than the others are in this list",
];

fn score(model: &Model, lines: &[&str]) -> Evaluation {
    let dir = model.in_dir();
    let data = texts(dir.path(), lines);
    evaluate(dir.path(), &data, &options(Metric::BitsPerByte), &mut ()).unwrap()
}

fn fault(model: &Model, lines: &[&str]) -> Fault {
    let dir = model.in_dir();
    let data = texts(dir.path(), lines);
    evaluate(dir.path(), &data, &options(Metric::BitsPerByte), &mut ())
        .unwrap_err()
        .fault
}

#[test]
fn uniform_model_should_cost_ln_of_the_vocabulary_per_token() {
    let found = score(&llama(0.0, true), &TEXTS);
    let bytes: usize = TEXTS.iter().map(|text| text.len()).sum();
    let nats = bytes as f64 * (VOCABULARY as f64).ln();
    assert_eq!(
        (found.tokens, found.bytes, found.samples),
        (bytes as u64, bytes as u64, 6)
    );
    assert!(
        (found.nll_nats / nats - 1.0).abs() < 1e-6,
        "{} {nats}",
        found.nll_nats
    );
    let raw = ((VOCABULARY as f64).log2() * 1e9).round() as u64;
    assert!(found.raw.abs_diff(raw) < 1_000, "{} {raw}", found.raw);
}

/// The rotary frequency of a pair of dimensions, by the wave lengths that Llama 3.1's code compares.
fn frequency(config: &serde_json::Value, pair: usize) -> f64 {
    let plain = 1.0 / 100f64.powf(2.0 * pair as f64 / HEAD as f64);
    let scaling = &config["rope_scaling"];
    let number = |name: &str| scaling[name].as_f64().unwrap();
    match scaling["rope_type"].as_str() {
        None => plain,
        Some("linear") => plain / number("factor"),
        Some(_) => {
            let (low, high) = (number("low_freq_factor"), number("high_freq_factor"));
            let trained = number("original_max_position_embeddings");
            let length = std::f64::consts::TAU / plain;
            if length > trained / low {
                plain / number("factor")
            } else if length < trained / high {
                plain
            } else {
                let smooth = (trained / length - low) / (high - low);
                (1.0 - smooth) * plain / number("factor") + smooth * plain
            }
        }
    }
}

/// Decoder over plain loops in f64: the loss of `tokens` after token 0.
fn reference(model: &Model, tokens: &[usize]) -> f64 {
    type Rows = Vec<Vec<f64>>;
    let weight = |name: &str| -> Rows {
        let (shape, values) = &model.tensors[name];
        let width = *shape.last().unwrap();
        values
            .chunks(width)
            .map(|row| row.iter().map(|v| f64::from(*v)).collect())
            .collect()
    };
    let apply = |matrix: &Rows, x: &[f64]| -> Vec<f64> {
        matrix
            .iter()
            .map(|row| row.iter().zip(x).map(|(a, b)| a * b).sum())
            .collect()
    };
    let norm = |x: &[f64], weight: &[f64]| -> Vec<f64> {
        let mean = x.iter().map(|v| v * v).sum::<f64>() / x.len() as f64;
        x.iter()
            .zip(weight)
            .map(|(v, w)| v / (mean + 1e-5).sqrt() * w)
            .collect()
    };
    let rotate = |x: &mut [f64], position: usize| {
        for head in x.chunks_mut(HEAD) {
            for i in 0..HEAD / 2 {
                let angle = position as f64 * frequency(&model.config, i);
                let (a, b) = (head[i], head[i + HEAD / 2]);
                head[i] = a * angle.cos() - b * angle.sin();
                head[i + HEAD / 2] = b * angle.cos() + a * angle.sin();
            }
        }
    };
    let embedding = weight("model.embed_tokens.weight");
    let mut inputs = vec![0];
    inputs.extend(&tokens[..tokens.len() - 1]);
    let mut xs: Rows = inputs.iter().map(|id| embedding[*id].clone()).collect();
    for layer in 0..LAYERS {
        let part = |name: &str| weight(&format!("model.layers.{layer}.{name}.weight"));
        // A matrix, with its bias if the model has one.
        let linear = |name: &str, x: &[f64]| -> Vec<f64> {
            let bias = format!("model.layers.{layer}.{name}.bias");
            let product = apply(&part(name), x);
            match model.tensors.get(&bias) {
                Some((_, bias)) => product
                    .iter()
                    .zip(bias)
                    .map(|(p, b)| p + f64::from(*b))
                    .collect(),
                None => product,
            }
        };
        let (mut queries, mut keys, mut values) = (vec![], vec![], vec![]);
        for (position, x) in xs.iter().enumerate() {
            let x = norm(x, &part("input_layernorm")[0]);
            let (mut q, mut k) = (
                linear("self_attn.q_proj", &x),
                linear("self_attn.k_proj", &x),
            );
            rotate(&mut q, position);
            rotate(&mut k, position);
            queries.push(q);
            keys.push(k);
            values.push(linear("self_attn.v_proj", &x));
        }
        for position in 0..xs.len() {
            let mut mixed = vec![0.0; HEADS * HEAD];
            for head in 0..HEADS {
                let kv = head / (HEADS / KV_HEADS);
                let query = &queries[position][head * HEAD..(head + 1) * HEAD];
                let scores: Vec<f64> = (0..=position)
                    .map(|other| {
                        let key = &keys[other][kv * HEAD..(kv + 1) * HEAD];
                        let dot: f64 = query.iter().zip(key).map(|(a, b)| a * b).sum();
                        (dot / (HEAD as f64).sqrt()).exp()
                    })
                    .collect();
                let total: f64 = scores.iter().sum();
                for (other, score) in scores.iter().enumerate() {
                    for i in 0..HEAD {
                        mixed[head * HEAD + i] += score / total * values[other][kv * HEAD + i];
                    }
                }
            }
            let out = linear("self_attn.o_proj", &mixed);
            xs[position].iter_mut().zip(out).for_each(|(x, o)| *x += o);
            let x = norm(&xs[position], &part("post_attention_layernorm")[0]);
            let inner: Vec<f64> = linear("mlp.gate_proj", &x)
                .iter()
                .zip(linear("mlp.up_proj", &x))
                .map(|(gate, up)| gate / (1.0 + (-gate).exp()) * up)
                .collect();
            let out = linear("mlp.down_proj", &inner);
            xs[position].iter_mut().zip(out).for_each(|(x, o)| *x += o);
        }
    }
    let head = match model.tensors.contains_key("lm_head.weight") {
        true => weight("lm_head.weight"),
        false => embedding,
    };
    xs.iter()
        .zip(tokens)
        .map(|(x, target)| {
            let logits = apply(&head, &norm(x, &weight("model.norm.weight")[0]));
            logits.iter().map(|l| l.exp()).sum::<f64>().ln() - logits[*target]
        })
        .sum()
}

/// All matrices of its blocks get biases.
fn with_biases(mut model: Model) -> Model {
    let mut noise = Noise(11);
    let matrices: Vec<(String, usize)> = model
        .tensors
        .iter()
        .filter(|(name, _)| name.contains("_proj"))
        .map(|(name, (shape, _))| (name.replace(".weight", ".bias"), shape[0]))
        .collect();
    for (name, width) in matrices {
        model
            .tensors
            .insert(name, (vec![width], noise.values(width, 0.5)));
    }
    model.config["attention_bias"] = true.into();
    model.config["mlp_bias"] = true.into();
    model
}

#[test]
fn forward_should_equal_a_plain_reimplementation() {
    let mut models = vec![
        llama(0.8, true),
        llama(0.8, false),
        with_biases(llama(0.8, false)),
    ];
    // Heads have two frequencies, 1 and 0.1: both scaled, one of them, or both a little.
    for (rope_type, trained) in [
        ("linear", 0),
        ("llama3", 6),
        ("llama3", 40),
        ("llama3", 160),
    ] {
        let mut model = llama(0.8, true);
        model.config["rope_scaling"] = serde_json::json!({
            "rope_type": rope_type, "factor": 4.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": trained,
        });
        models.push(model);
    }
    let plain = score(&models[0], &TEXTS).nll_nats;
    for (index, model) in models.iter().enumerate() {
        assert_eq!(model.tensors["model.norm.weight"].0, [WIDTH]);
        let tokenizer: tokenizers::Tokenizer = model.tokenizer.clone().unwrap().parse().unwrap();
        let expected: f64 = TEXTS
            .iter()
            .map(|text| {
                let encoded = tokenizer.encode(*text, false).unwrap();
                let ids: Vec<usize> = encoded.get_ids().iter().map(|id| *id as usize).collect();
                reference(model, &ids)
            })
            .sum();
        let found = score(model, &TEXTS).nll_nats;
        assert!((found / expected - 1.0).abs() < 1e-5, "{found} {expected}");
        assert!(index == 0 || (found / plain - 1.0).abs() > 1e-4, "{index}");
    }
}

#[test]
fn score_should_not_depend_on_the_batch() {
    let dir = llama(0.8, false).in_dir();
    let data = texts(dir.path(), &TEXTS);
    let with = |batch_tokens| {
        let options = arena_models::EvalOptions {
            batch_tokens,
            ..options(Metric::BitsPerByte)
        };
        evaluate(dir.path(), &data, &options, &mut ())
            .unwrap()
            .nll_nats
    };
    let one = with(1);
    for batch in [0, 64, 100, 16 * 64, 1 << 20] {
        assert!((with(batch) / one - 1.0).abs() < 1e-6, "{batch}");
    }
}

#[test]
fn long_text_should_be_cut_at_the_context_with_its_bytes() {
    let dir = llama(0.0, true).in_dir();
    let data = texts(dir.path(), &["abcdefgh", "abcé", "ab"]);
    let mut options = options(Metric::BitsPerByte);
    options.context = 4;
    let found = evaluate(dir.path(), &data, &options, &mut ()).unwrap();
    // The cut divides the é: its first byte is predicted, but counts as no byte.
    assert_eq!((found.tokens, found.bytes), (4 + 4 + 2, 4 + 3 + 2));
    options.limits.context = 2;
    let found = evaluate(dir.path(), &data, &options, &mut ()).unwrap();
    assert_eq!((found.tokens, found.bytes), (6, 6));
    (options.context, options.limits.context) = (0, 0);
    assert!(evaluate(dir.path(), &data, &options, &mut ()).is_err());
}

#[test]
fn tokenizer_that_loses_something_should_cost_the_worst() {
    let mut model = llama(0.0, true);
    let mut tokenizer = byte_tokenizer();
    tokenizer["normalizer"] = serde_json::json!({"type": "Lowercase"});
    model.tokenizer = Some(tokenizer.to_string());
    let found = score(&model, &["abc", "ABC", ""]);
    assert_eq!(
        (found.samples, found.skipped, found.tokens, found.bytes),
        (2, 2, 3, 6)
    );
    let worst = 3.0 * f64::from(WORST_BITS_PER_BYTE) * LN_2;
    let honest = 3.0 * (VOCABULARY as f64).ln();
    assert!((found.nll_nats / (worst + honest) - 1.0).abs() < 1e-6);
    tokenizer["normalizer"] = serde_json::json!({"type": "Prepend", "prepend": " "});
    model.tokenizer = Some(tokenizer.to_string());
    assert_eq!(
        score(&model, &["abc"]).skipped,
        0,
        "the documented prefix space loses nothing"
    );
    tokenizer["normalizer"] = serde_json::json!({"type": "Prepend", "prepend": "  "});
    model.tokenizer = Some(tokenizer.to_string());
    assert_eq!(score(&model, &["abc"]).skipped, 1);
}

#[test]
fn tokenizer_should_fit_the_vocabulary_and_draw_nothing() {
    let mut model = llama(0.1, true);
    let mut tokenizer = byte_tokenizer();
    tokenizer["model"]["vocab"]["zz"] = VOCABULARY.into();
    model.tokenizer = Some(tokenizer.to_string());
    assert_eq!(fault(&model, &["a"]), Fault::Tokenizer);
    let mut tokenizer = byte_tokenizer();
    tokenizer["model"]["dropout"] = 0.5.into();
    model.tokenizer = Some(tokenizer.to_string());
    assert_eq!(fault(&model, &["a"]), Fault::Tokenizer);
    model.tokenizer = Some("{}".into());
    assert_eq!(fault(&model, &["a"]), Fault::Tokenizer);
    let mut tokenizer = byte_tokenizer();
    tokenizer["truncation"] = serde_json::json!(
        {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 0});
    model.tokenizer = Some(tokenizer.to_string());
    assert_eq!(
        score(&model, &["abc"]).tokens,
        3,
        "a tokenizer must not cut the text"
    );
}

#[test]
fn values_that_are_not_finite_should_be_the_models_fault() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut model = llama(0.1, true);
        model.tensors.get_mut("model.norm.weight").unwrap().1[3] = value;
        assert_eq!(fault(&model, &["a"]), Fault::NonFinite);
    }
}

#[test]
fn losses_that_are_not_finite_should_be_the_models_fault_where_all_machines_round_alike() {
    let mut model = llama(0.1, false);
    for (name, scale) in [("lm_head.weight", 1e38), ("model.norm.weight", 1e4)] {
        let values = &mut model.tensors.get_mut(name).unwrap().1;
        values.iter_mut().for_each(|v| *v *= scale);
    }
    let dir = model.in_dir();
    let data = texts(dir.path(), &["a"]);
    let fault = |profile| {
        let options = EvalOptions {
            profile,
            ..options(Metric::BitsPerByte)
        };
        let error = evaluate(dir.path(), &data, &options, &mut ()).unwrap_err();
        (error.fault, error.fault.is_models())
    };
    assert_eq!(fault(Profile::ExactCpuF32), (Fault::NonFinite, true));
    assert_eq!(fault(Profile::F32), (Fault::Unstable, false));
}

#[test]
fn data_without_a_target_should_not_be_the_models_fault() {
    assert_eq!(fault(&llama(0.1, true), &[""]), Fault::Data);
}

#[derive(Default)]
struct Memory {
    known: Vec<SampleLoss>,
    fresh: Vec<SampleLoss>,
    total: usize,
}

impl Sink for Memory {
    fn start(&mut self, total: usize) -> Vec<SampleLoss> {
        self.total = total;
        self.known.clone()
    }
    fn sample(&mut self, loss: &SampleLoss) {
        self.fresh.push(*loss);
    }
}

#[test]
fn resumed_evaluation_should_equal_an_uninterrupted_one() {
    let dir = llama(0.8, true).in_dir();
    let data = texts(dir.path(), &TEXTS);
    let mut options = options(Metric::BitsPerByte);
    options.samples = 5;
    options.batch_tokens = 70;
    let mut whole = Memory::default();
    let expected = evaluate(dir.path(), &data, &options, &mut whole).unwrap();
    assert_eq!(
        (whole.total, whole.fresh.len(), expected.samples),
        (5, 5, 5)
    );
    for known in 0..=5 {
        let mut resumed = Memory {
            known: whole.fresh[..known].to_vec(),
            ..Memory::default()
        };
        // Losses of samples that weren't drawn are of no use, and do no harm.
        resumed.known.push(SampleLoss {
            index: 77,
            ..whole.fresh[0]
        });
        assert_eq!(
            evaluate(dir.path(), &data, &options, &mut resumed).unwrap(),
            expected
        );
        assert_eq!(resumed.fresh, whole.fresh[known..]);
    }
    whole.fresh.sort_by_key(|loss| loss.index);
    assert_eq!(samples_root(&whole.fresh), expected.samples_root);
}
