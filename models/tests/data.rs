//! Kinds of data, and tokenizers that would rather not be measured.

mod common;

use arena_models::{Evaluation, Fault, Metric, ModelError, WORST_BITS_PER_BYTE, evaluate};
use common::{Model, VOCABULARY, byte_tokenizer, llama, options, texts};
use serde_json::{Value, json};
use std::{f64::consts::LN_2, fs, path::PathBuf};

/// A uniform model with a tokenizer, a chat template and data.
struct Case {
    dir: tempfile::TempDir,
    data: PathBuf,
}

impl Case {
    fn new(tokenizer: &Value, lines: &[Value]) -> Self {
        let model = Model {
            tokenizer: Some(tokenizer.to_string()),
            ..llama(0.0, true)
        };
        let dir = model.in_dir();
        let data = dir.path().join("data.jsonl");
        let lines: Vec<String> = lines.iter().map(Value::to_string).collect();
        fs::write(&data, lines.join("\n")).unwrap();
        Self { dir, data }
    }

    fn with_template(self, template: &str) -> Self {
        fs::write(self.dir.path().join("chat_template.jinja"), template).unwrap();
        self
    }

    fn score(&self) -> Result<Evaluation, ModelError> {
        let options = options(Metric::BitsPerByte);
        evaluate(self.dir.path(), &self.data, &options, &mut ())
    }
}

/// One token per byte, and `<|end|>`.
fn chat_tokenizer() -> Value {
    let mut tokenizer = byte_tokenizer();
    tokenizer["model"]["vocab"]["<|end|>"] = (VOCABULARY - 1).into();
    tokenizer["added_tokens"] = json!([{"id": VOCABULARY - 1, "content": "<|end|>",
        "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": true}]);
    tokenizer
}

fn mixed() -> [Value; 5] {
    let turn = |role: &str, content: &str| json!({"role": role, "content": content});
    [
        json!({"text": "abc"}),
        json!({"prompt": "question: ", "completion": "answer", "source": 7}),
        json!({"conversations": [turn("user", "hi"), turn("assistant", "hello "),
            turn("user", "bye"), turn("assistant", "so long")]}),
        json!({"conversations": [turn("system", "only")]}),
        json!({"prompt": "nothing", "completion": ""}),
    ]
}

const TEMPLATE: &str =
    "{% for m in messages %}{{ m.role + ':' + m.content + '<|end|>' }}{% endfor %}";

#[test]
fn samples_of_each_kind_should_count_what_is_to_be_predicted() {
    let found = Case::new(&chat_tokenizer(), &mixed())
        .with_template(TEMPLATE)
        .score()
        .unwrap();
    // The space before a completion is predicted with it; each end token is one more.
    let targets = 3 + (1 + 6 + 1) + (5 + 1) + (7 + 1);
    assert_eq!((found.tokens, found.bytes), (targets, 3 + 6 + 5 + 7));
    assert_eq!((found.samples, found.skipped), (3, 2));
    let nats = targets as f64 * (VOCABULARY as f64).ln();
    assert!(
        (found.nll_nats / nats - 1.0).abs() < 1e-6,
        "{}",
        found.nll_nats
    );
}

#[test]
fn template_that_hides_an_answer_should_cost_the_worst() {
    let template = "{% for m in messages %}{{ m.role }}{% endfor %}<|end|>";
    let found = Case::new(&chat_tokenizer(), &mixed()[2..3])
        .with_template(template)
        .score();
    let found = found.unwrap();
    assert_eq!(
        (found.tokens, found.bytes, found.samples, found.skipped),
        (0, 12, 1, 1)
    );
    let worst = 12.0 * f64::from(WORST_BITS_PER_BYTE) * LN_2;
    assert!((found.nll_nats / worst - 1.0).abs() < 1e-12);
}

#[test]
fn conversations_should_need_a_template_that_ends() {
    let looping = "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}";
    let case = Case::new(&chat_tokenizer(), &mixed());
    assert_eq!(case.score().unwrap_err().fault, Fault::Tokenizer);
    for template in [looping, "{% for %}"] {
        let case = Case::new(&chat_tokenizer(), &mixed()).with_template(template);
        assert_eq!(
            case.score().unwrap_err().fault,
            Fault::Tokenizer,
            "{template}"
        );
        let texts = Case::new(&chat_tokenizer(), &mixed()[..2]).with_template(template);
        assert!(texts.score().is_ok(), "texts need no template");
    }
}

#[test]
fn prompts_should_not_rid_a_model_of_a_target() {
    let long = json!({"prompt": "p".repeat(5000), "completion": "answer"});
    let found = Case::new(&byte_tokenizer(), &[long]).score().unwrap();
    assert_eq!((found.tokens, found.bytes, found.skipped), (7, 6, 0));
    let flood = "{% for m in messages %}{{ 'x' * 5000 + m.content + '<|end|>' }}{% endfor %}";
    let found = Case::new(&chat_tokenizer(), &mixed()[2..3])
        .with_template(flood)
        .score()
        .unwrap();
    assert_eq!((found.tokens, found.bytes, found.skipped), (14, 12, 0));
}

#[test]
fn data_without_a_target_should_not_be_the_models_fault() {
    let case = Case::new(&chat_tokenizer(), &mixed()[3..]).with_template(TEMPLATE);
    assert_eq!(case.score().unwrap_err().fault, Fault::Data);
}

fn replace(pattern: Value, content: &str) -> Value {
    json!({"type": "Replace", "pattern": pattern, "content": content})
}

fn repeated(list: &str, step: Value, times: usize) -> Value {
    json!({"type": "Sequence", list: vec![step; times]})
}

fn fault(section: &str, value: Value) -> Option<(Fault, String)> {
    let mut tokenizer = byte_tokenizer();
    tokenizer[section] = value;
    let lines = [json!({"text": "aé the quick brown fox"})];
    let error = Case::new(&tokenizer, &lines).score().err();
    error.map(|e| (e.fault, e.detail))
}

#[test]
fn tokenizers_that_explode_should_be_the_models_fault() {
    let level = byte_tokenizer()["decoder"].clone();
    let tenfold = replace(json!({"String": "a"}), "aaaaaaaaaa");
    let suffix = json!({"type": "BPEDecoder", "suffix": ""});
    let mut nested = json!({"type": "Lowercase"});
    for _ in 0..20 {
        nested = repeated("normalizers", nested, 1);
    }
    let bombs = [
        (
            "normalizer",
            repeated("normalizers", tenfold.clone(), 40),
            "256 times",
        ),
        (
            "normalizer",
            repeated("normalizers", json!({"type": "ByteLevel"}), 60),
            "256 times",
        ),
        (
            "normalizer",
            repeated("normalizers", replace(json!({"String": ""}), "bb"), 40),
            "256",
        ),
        (
            "normalizer",
            repeated("normalizers", replace(json!({"Regex": ""}), "bb"), 40),
            "256",
        ),
        (
            "normalizer",
            json!({"type": "Prepend", "prepend": "x".repeat(70_000)}),
            "more than 65536",
        ),
        (
            "normalizer",
            repeated(
                "normalizers",
                json!({"type": "Prepend", "prepend": "x".repeat(60_000)}),
                9,
            ),
            "256",
        ),
        (
            "normalizer",
            repeated("normalizers", json!({"type": "NFC"}), 1000),
            "64 steps",
        ),
        ("normalizer", nested, "deeper"),
        (
            "normalizer",
            replace(json!({"Regex": ".*.*.*x"}), ""),
            "has the space",
        ),
        (
            "pre_tokenizer",
            repeated("pretokenizers", level.clone(), 60),
            "256 times",
        ),
        (
            "pre_tokenizer",
            json!({"type": "FixedLength", "length": 0}),
            "panic",
        ),
        ("decoder", repeated("decoders", suffix, 60), "256 times"),
        ("decoder", repeated("decoders", tenfold, 40), "256 times"),
    ];
    for (section, value, expected) in bombs {
        let (fault, detail) = fault(section, value).unwrap();
        assert_eq!(fault, Fault::Tokenizer);
        assert!(detail.contains(expected), "{detail}, not {expected}");
    }
}

#[test]
fn patterns_that_take_exponential_time_should_be_the_models_fault() {
    for pattern in [
        "(a+)+$",
        "(\\w|\\s)*x",
        "([a-z]+)*\\1",
        "[\\s\\S]*x|[\\s\\S]",
    ] {
        let split = json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated",
            "invert": false});
        let steps = [
            ("pre_tokenizer", repeated("pretokenizers", split, 1)),
            ("normalizer", replace(json!({"Regex": pattern}), "")),
            ("decoder", replace(json!({"Regex": pattern}), "")),
        ];
        for (section, value) in steps {
            let (fault, detail) = fault(section, value).unwrap();
            assert_eq!(fault, Fault::Tokenizer);
            assert!(detail.contains("pattern"), "{detail}");
        }
    }
}

#[test]
fn models_and_tokens_out_of_proportion_should_be_refused() {
    let token = |i: usize| {
        json!({"id": 0, "content": format!("<{i}>"), "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": true, "special": false})
    };
    let mut long = token(1);
    long["content"] = "x".repeat(2000).into();
    let with = |name: &str, value: Value| {
        let mut model = byte_tokenizer()["model"].clone();
        model[name] = value;
        model
    };
    let mut twice = byte_tokenizer()["model"]["vocab"].clone();
    twice["zz"] = 5.into();
    let mut huge = byte_tokenizer()["model"]["vocab"].clone();
    huge["z".repeat(2000)] = 259.into();
    let word_piece = json!({"type": "WordPiece", "unk_token": "a", "vocab": {"a": 1},
        "continuing_subword_prefix": "##", "max_input_chars_per_word": 1_000_000_000u64});
    let unigram = json!({"type": "Unigram", "unk_id": 0,
        "vocab": (0..5000).map(|i| json!([format!("{i:01000}"), 0.0])).collect::<Vec<_>>()});
    for (section, value, expected) in [
        (
            "model",
            with("continuing_subword_prefix", "x".repeat(1_000_000).into()),
            "at most 64",
        ),
        (
            "model",
            with("end_of_word_suffix", "x".repeat(1_000_000).into()),
            "at most 64",
        ),
        ("model", with("dropout", 0.1.into()), "dropout"),
        ("model", with("vocab", twice), "two tokens"),
        ("model", with("vocab", huge), "at most 1024"),
        ("model", with("vocab", 7.into()), "no vocab"),
        ("model", with("type", Value::Null), "no type"),
        ("model", word_piece, "256"),
        ("model", unigram, "at most 4194304"),
        ("added_tokens", vec![long].into(), "at most"),
        (
            "added_tokens",
            (0..70_000).map(token).collect::<Vec<_>>().into(),
            "70000 added",
        ),
        (
            "normalizer",
            json!({"type": "Precompiled", "precompiled_charsmap": "////"}),
            "cut off",
        ),
        ("normalizer", json!({"type": "Unknown"}), ""),
        ("normalizer", json!(["NFC"]), "no object"),
        ("version", json!("2.0"), "version"),
    ] {
        let (fault, detail) = fault(section, value).unwrap();
        assert_eq!(fault, Fault::Tokenizer);
        assert!(detail.contains(expected), "{detail}, not {expected}");
    }
    let mut tokenizer = byte_tokenizer();
    tokenizer["added_tokens"] = json!([token(1)]);
    tokenizer["added_tokens"][0]["content"] = "aaaa".into();
    let tenfold = replace(json!({"String": "a"}), "aaaaaaaaaa");
    tokenizer["normalizer"] = repeated("normalizers", tenfold, 60);
    let error = Case::new(&tokenizer, &[json!({"text": "b"})])
        .score()
        .unwrap_err();
    assert!(
        error.fault == Fault::Tokenizer && error.detail.contains("256"),
        "{error}"
    );
}

#[test]
fn tokenizer_json_that_is_malformed_should_be_refused() {
    let whole = byte_tokenizer().to_string();
    let twice = whole.replacen('{', "{\"normalizer\":null,", 1);
    let deep = format!("{{\"model\":{}", "[".repeat(200_000));
    for json in [
        &twice,
        &deep,
        "",
        "[]",
        "{}",
        &whole[..whole.len() / 2],
        "\u{feff}{}",
    ] {
        let mut model = llama(0.0, true);
        model.tokenizer = Some(json.to_owned());
        let dir = model.in_dir();
        let data = texts(dir.path(), &["a"]);
        let error = evaluate(dir.path(), &data, &options(Metric::BitsPerByte), &mut ());
        assert_eq!(error.unwrap_err().fault, Fault::Tokenizer);
    }
}
