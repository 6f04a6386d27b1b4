use super::*;
use crate::data::Turn;
use proptest::prelude::*;
use serde_json::{Value, json};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

const ENDS: Ends = Ends { start: 0, end: 1 };
const VOCABULARY: usize = 300;
const FULL_STOP: u32 = 298;

/// One token per byte, and `<|im_end|>`.
fn bytes() -> Value {
    let mut alphabet: Vec<char> = ByteLevel::alphabet().into_iter().collect();
    alphabet.sort_unstable();
    let mut vocabulary: serde_json::Map<String, Value> = alphabet
        .iter()
        .zip(2..)
        .map(|(c, id)| (c.to_string(), json!(id)))
        .collect();
    vocabulary.insert("<|im_end|>".into(), FULL_STOP.into());
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
        "use_regex": false});
    json!({
        "version": "1.0",
        "added_tokens": [{"id": FULL_STOP, "content": "<|im_end|>", "single_word": false,
            "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
        "pre_tokenizer": level, "decoder": level,
        "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
    })
}

/// As Llama 2's: spaces are `▁`, and one is put before a text.
fn sentence_piece() -> Value {
    let tokens = [
        "<s>", "</s>", "▁", "P", "a", "r", "i", "s", "▁P", "ar", "is", "▁is", "▁Par", "▁Paris", ".",
    ];
    let vocabulary: serde_json::Map<String, Value> = tokens
        .iter()
        .enumerate()
        .map(|(id, token)| ((*token).into(), json!(id)))
        .collect();
    json!({
        "normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
            {"type": "ByteFallback"}, {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "vocab": vocabulary, "merges":
            ["▁ P", "a r", "i s", "▁ is", "▁P ar", "▁Par is"]},
    })
}

fn encoder(tokenizer: &Value) -> Encoder {
    Encoder::new(tokenizer.to_string().as_bytes(), VOCABULARY, ENDS).unwrap()
}

fn completion(prompt: &str, completion: &str) -> Sample {
    Sample::Completion {
        prompt: prompt.into(),
        completion: completion.into(),
    }
}

fn tokens(encoded: Encoded) -> Sequence {
    match encoded {
        Encoded::Tokens(sequence) => sequence,
        other => panic!("{other:?}"),
    }
}

#[test]
fn text_should_be_predicted_from_its_first_token() {
    let encoder = encoder(&bytes());
    let found = tokens(encoder.encode(&Sample::Text("abc".into()), 8).unwrap());
    let ids = encoder.tokenizer.encode("abc").unwrap();
    assert_eq!(
        found,
        Sequence {
            bytes: 3,
            ..Sequence::of_text(0, &ids)
        }
    );
    assert_eq!(found.ids, [0, ids[0], ids[1]]);
    assert_eq!(found.targets, [(0, ids[0]), (1, ids[1]), (2, ids[2])]);
    let cut = tokens(encoder.encode(&Sample::Text("aé".into()), 2).unwrap());
    assert_eq!(
        (cut.targets.len(), cut.bytes),
        (2, 1),
        "half a character is no byte"
    );
    assert_eq!(
        encoder.encode(&Sample::Text(String::new()), 8).unwrap(),
        Encoded::Empty
    );
}

#[test]
fn special_token_beyond_the_vocabulary_should_cost_only_who_spells_it() {
    let mut tokenizer = bytes();
    // The library numbers an added token that isn't among the model's after all of them.
    let full = 259;
    let vocabulary = &mut tokenizer["model"]["vocab"];
    for (token, id) in [("<s>", 0), ("</s>", 1), ("<|im_end|>", full - 1)] {
        vocabulary[token] = id.into();
    }
    tokenizer["added_tokens"][0]["id"] = (full - 1).into();
    let mut image = tokenizer["added_tokens"][0].clone();
    image["id"] = full.into();
    image["content"] = "<image>".into();
    let added = tokenizer["added_tokens"].as_array_mut().unwrap();
    added.push(image);
    let made = |tokenizer: &Value| Encoder::new(tokenizer.to_string().as_bytes(), full, ENDS);
    let found = made(&tokenizer).unwrap();
    let text = |text: &str| found.encode(&Sample::Text(text.into()), 20).unwrap();
    assert_eq!(tokens(text("abc")).targets.len(), 3);
    assert_eq!(text("a<image>c"), Encoded::Lossy { bytes: 9 });
    assert_eq!(text("<image>"), Encoded::Lossy { bytes: 7 });
    let given = found.encode(&completion("a<image>", "cd"), 20).unwrap();
    assert_eq!(tokens(given).targets.len(), 3);
    tokenizer["added_tokens"][1]["special"] = false.into();
    assert!(
        made(&tokenizer)
            .err()
            .unwrap()
            .detail
            .contains("vocab_size")
    );
}

#[test]
fn completion_should_be_predicted_with_its_end() {
    let encoder = encoder(&bytes());
    let found = tokens(encoder.encode(&completion("ab", "cd"), 8).unwrap());
    let ids = encoder.tokenizer.encode("abcd").unwrap();
    assert_eq!(found.ids, [0, ids[0], ids[1], ids[2], ids[3]]);
    assert_eq!(found.targets, [(2, ids[2]), (3, ids[3]), (4, ENDS.end)]);
    assert_eq!(found.bytes, 2);
    let short = tokens(encoder.encode(&completion("ab", "cd"), 4).unwrap());
    assert_eq!(
        short.ids,
        [0, ids[1], ids[2], ids[3]],
        "the prompt is cut, not what counts"
    );
    assert_eq!((short.targets.len(), short.bytes), (3, 2));
    let long = "p".repeat(10_000);
    let none = tokens(encoder.encode(&completion(&long, "cd"), 3).unwrap());
    assert_eq!((none.ids.len(), none.targets.len(), none.bytes), (3, 3, 2));
    let cut = tokens(encoder.encode(&completion("ab", "cdef"), 3).unwrap());
    assert_eq!((cut.targets.len(), cut.bytes), (3, 3));
    assert_eq!(
        encoder.encode(&completion("ab", ""), 8).unwrap(),
        Encoded::Empty
    );
    let alone = tokens(encoder.encode(&completion("", "a"), 8).unwrap());
    assert_eq!(alone.ids.len(), 2);
}

#[test]
fn completion_should_go_on_where_its_prompt_ends() {
    let encoder = encoder(&sentence_piece());
    for sample in [
        completion("Paris is", " Paris"),
        completion("Paris is ", "Paris"),
    ] {
        let found = tokens(encoder.encode(&sample, 16).unwrap());
        let words: Vec<u32> = found.targets.iter().map(|t| t.1).collect();
        assert_eq!(
            (found.ids.as_slice(), words.as_slice()),
            (&[0, 13, 11, 13][..], &[13, 1][..])
        );
    }
    // Together they would be one token, which the prompt isn't the beginning of.
    let found = tokens(encoder.encode(&completion("Par", "is"), 16).unwrap());
    let words: Vec<u32> = found.targets.iter().map(|t| t.1).collect();
    assert_eq!(
        (found.ids.as_slice(), words.as_slice()),
        (&[0, 12, 11][..], &[11, 1][..])
    );
    assert_eq!(found.bytes, 2);
}

#[test]
fn conversation_should_be_predicted_turn_by_turn() {
    let dir = tempfile::tempdir().unwrap();
    let template = "{% for m in messages %}{{ m.role[0] + m.content + '<|im_end|>' }}{% endfor %}";
    std::fs::write(dir.path().join("chat_template.jinja"), template).unwrap();
    let turn = |role: &str, content: &str| Turn {
        role: role.into(),
        content: content.into(),
    };
    let talk = vec![
        turn("user", "q"),
        turn("assistant", "xy "),
        turn("user", "r"),
        turn("assistant", "z"),
    ];
    let samples = [
        Sample::Conversation(talk),
        Sample::Conversation(vec![turn("user", "q")]),
    ];
    let plain = encoder(&bytes());
    assert_eq!(
        plain.encode(&samples[0], 32).unwrap_err().fault,
        Fault::Tokenizer
    );
    let encoder = plain.with_template(dir.path(), &samples).unwrap();
    let all = encoder
        .tokenizer
        .encode("uq<|im_end|>axy<|im_end|>ur<|im_end|>az<|im_end|>")
        .unwrap();
    let found = tokens(encoder.encode(&samples[0], 32).unwrap());
    assert_eq!(found.ids[1..], all[..all.len() - 1]);
    let expected = [
        (4, all[4]),
        (5, all[5]),
        (6, FULL_STOP),
        (11, all[11]),
        (12, FULL_STOP),
    ];
    assert_eq!((found.targets.as_slice(), found.bytes), (&expected[..], 3));
    let short = tokens(encoder.encode(&samples[0], 5).unwrap());
    assert_eq!(
        (short.targets.len(), short.ids.len(), short.bytes),
        (5, 5, 3)
    );
    assert_eq!(encoder.encode(&samples[1], 32).unwrap(), Encoded::Empty);
}

#[test]
fn tokens_that_fill_the_context_should_be_lossy() {
    let mut tokenizer = bytes();
    let replace = |from: &str, to: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": to});
    tokenizer["normalizer"] = replace("a", "a\u{0}\u{0}\u{0}\u{0}");
    let level = tokenizer["decoder"].clone();
    tokenizer["decoder"] = json!({"type": "Sequence", "decoders": [level, replace("\u{0}", "")]});
    let encoder = encoder(&tokenizer);
    let text = Sample::Text("aab".into());
    assert_eq!(
        encoder.encode(&text, 4).unwrap(),
        Encoded::Lossy { bytes: 3 }
    );
    assert!(matches!(
        encoder.encode(&Sample::Text("b".into()), 4).unwrap(),
        Encoded::Tokens(_)
    ));
}

#[test]
fn classification_should_keep_the_special_tokens() {
    let mut tokenizer = bytes();
    let special = |id: u32| json!({"id": "x", "ids": [id], "tokens": ["x"]});
    let piece = |name: &str| json!({"SpecialToken": {"id": name, "type_id": 0}});
    let text = json!({"Sequence": {"id": "A", "type_id": 0}});
    let mut processor = json!({"type": "TemplateProcessing",
        "single": [piece("[CLS]"), text, piece("[SEP]")], "pair": [],
        "special_tokens": {"[CLS]": special(0), "[SEP]": special(1)}});
    tokenizer["post_processor"] = processor.clone();
    let classifier = encoder(&tokenizer);
    let ids = classifier.tokenizer.encode("abc").unwrap();
    let encoded = |context| classifier.encode_for_classification("abc", context);
    assert_eq!(encoded(9).unwrap(), [0, ids[0], ids[1], ids[2], 1]);
    assert_eq!(encoded(4).unwrap(), [0, ids[0], ids[1], 1]);
    assert_eq!(encoded(2).unwrap_err().fault, Fault::Tokenizer);
    assert_eq!(classifier.encode_for_classification("", 9).unwrap(), [0, 1]);
    for single in [vec![text.clone(); 900], vec![], vec![piece("[CLS]"); 900]] {
        processor["single"] = single.into();
        tokenizer["post_processor"] = processor.clone();
        let error = encoder(&tokenizer)
            .encode_for_classification("abc", 2000)
            .unwrap_err();
        assert_eq!(error.fault, Fault::Tokenizer);
    }
    processor["single"] = json!([piece("[CLS]"), text]);
    processor["special_tokens"]["[CLS]"] = special(VOCABULARY as u32);
    tokenizer["post_processor"] = processor;
    assert!(
        encoder(&tokenizer)
            .encode_for_classification("abc", 9)
            .is_err()
    );
}

#[test]
fn what_lies_behind_the_context_should_not_be_looked_at() {
    let encoder = encoder(&bytes());
    let text = "é".repeat(10_000);
    assert_eq!(first(&text, looked_at(1)).len(), 32);
    assert_eq!((first("é", 1), last("aé", 1), last("aé", 2)), ("", "", "é"));
    let found = tokens(encoder.encode(&Sample::Text(text), 4).unwrap());
    assert_eq!((found.targets.len(), found.bytes), (4, 4));
}

proptest! {
    #[test]
    fn targets_should_be_the_tokens_of_the_completion(
        prompt in "[a-z é\n]{0,20}", text in "[a-z é\n]{1,20}", context in 1usize..40,
    ) {
        let encoder = encoder(&bytes());
        let found = tokens(encoder.encode(&completion(&prompt, &text), context).unwrap());
        prop_assert!(found.ids.len() <= context);
        prop_assert_eq!(found.targets.last().unwrap().0 as usize + 1, found.ids.len());
        let mut expected = encoder.tokenizer.encode(&text).unwrap();
        expected.push(ENDS.end);
        // A space at the prompt's end is predicted too.
        let space = usize::from(prompt.ends_with(' '));
        let kept: Vec<u32> = found.targets.iter().skip(space).map(|t| t.1).collect();
        prop_assert_eq!(&kept[..], &expected[..expected.len().min(context - space)]);
        let whole = kept.len() >= text.len();
        prop_assert!(found.bytes as usize <= text.len().min(kept.len()));
        prop_assert_eq!(whole, found.bytes as usize == text.len());
    }

    #[test]
    fn encoder_should_never_panic_on_a_tokenizer(
        kind in prop_oneof![Just("ByteLevel"), Just("Metaspace"), Just("Replace"), Just("Strip"),
            Just("Sequence"), Just("Fuse"), Just("BPEDecoder"), Just("CTC"), Just("FixedLength"),
            Just("Split"), Just("Prepend"), Just("Precompiled"), Just("NFKC"), Just("")],
        section in prop_oneof![Just("normalizer"), Just("pre_tokenizer"), Just("decoder"),
            Just("post_processor")],
        number in 0u64..3, text in "[a-c ]{0,3}",
    ) {
        let mut tokenizer = bytes();
        tokenizer[section] = json!({"type": kind, "length": number, "start": number,
            "stop": number, "content": text, "pattern": {"String": text}, "suffix": text,
            "prepend": text, "pad_token": text, "word_delimiter_token": text, "cleanup": true,
            "replacement": "▁", "behavior": "Isolated", "invert": false, "use_regex": true,
            "add_prefix_space": number == 1, "trim_offsets": true});
        if let Ok(encoder) = Encoder::new(tokenizer.to_string().as_bytes(), VOCABULARY, ENDS) {
            let _ = encoder.encode(&Sample::Text("abc a".into()), 8);
            let _ = encoder.encode_for_classification("abc", 8);
        }
    }
}
