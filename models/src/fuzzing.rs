//! Parsers of strangers' bytes that are not public otherwise, for fuzzing: each takes any bytes,
//! and panics only where a promise of this crate is broken.

use crate::{
    Fault, ModelError,
    chat::ChatTemplate,
    data::{ASSISTANT, Sample, Turn},
    header,
    lora::AdapterConfig,
    text::{Encoded, Encoder, Ends, Segment},
};
use std::collections::BTreeMap;

/// Tokens of a sample.
const CONTEXT: usize = 16;
/// Ids of the tokenizer.
const VOCABULARY: usize = 512;

/// Reads the bytes as the beginning of a weights file, once as all of it and once as that of a
/// file of `size` bytes. A header that is taken has tensors that cover the file without overlap.
pub fn header(bytes: &[u8], size: u64) {
    for size in [bytes.len() as u64, size] {
        let Ok(header) = header::read_from(bytes, size) else {
            continue;
        };
        let mut places: Vec<_> = header.tensors.values().map(|t| t.data_offsets).collect();
        places.sort_unstable();
        let mut end = 0;
        for (from, to) in places {
            assert!(from == end && from <= to, "a gap or an overlap at {from}");
            end = to;
        }
        assert_eq!(header.data_start + end as u64, size);
    }
}

/// Reads the bytes as an `adapter_config.json`; every scale that it gives is a finite number.
pub fn adapter(bytes: &[u8]) {
    let Ok(config) = AdapterConfig::parse(bytes) else {
        return;
    };
    for module in ["layers.1.mlp.down_proj", "q_proj", ""] {
        if let Ok((rank, scale)) = config.scale(module) {
            assert!(rank > 0 && scale.is_finite());
        }
    }
}

/// Reads the bytes as a chat template, and runs it. What it gives has every content of the
/// assistant, as it is and in order.
pub fn template(bytes: &[u8]) {
    let Ok(source) = std::str::from_utf8(bytes) else {
        return;
    };
    let tokens = [("bos_token", "<s>"), ("eos_token", "</s>")];
    let tokens: BTreeMap<String, String> = tokens.map(|(k, v)| (k.into(), v.into())).into();
    let template = match ChatTemplate::new(source, tokens) {
        Ok(template) => template,
        Err(error) => return assert_is_models(&error),
    };
    let turn = |(role, content): (&str, &str)| Turn {
        role: role.into(),
        content: content.into(),
    };
    let talk = [
        ("system", "Be brief."),
        ("user", "Hi"),
        (ASSISTANT, "Hello!"),
        ("user", "Bye"),
        (ASSISTANT, "So long"),
    ];
    let end = |text: &str| text.starts_with("</s>").then_some(4);
    match template.segments(&talk.map(turn), &end) {
        Ok(None) => {}
        Ok(Some(segments)) => {
            let said: Vec<&str> = segments
                .iter()
                .filter_map(|segment| match segment {
                    Segment::Given(_) => None,
                    Segment::Target { text, counted } => Some(&text[..*counted]),
                })
                .collect();
            assert_eq!(said, ["Hello!", "So long"]);
        }
        Err(error) => assert_is_models(&error),
    }
}

/// Reads the bytes as a `tokenizer.json`, and makes tokens of samples.
pub fn tokenizer(bytes: &[u8]) {
    let ends = Ends { start: 0, end: 1 };
    let encoder = match Encoder::new(bytes, VOCABULARY, ends) {
        Ok(encoder) => encoder,
        Err(error) => return assert_is_models(&error),
    };
    let samples = [
        Sample::Text("The quick brown fox, 12 ünïcödé\n\n  words".into()),
        Sample::Completion {
            prompt: "a b ".into(),
            completion: "c d e".into(),
        },
    ];
    for sample in &samples {
        match encoder.encode(sample, CONTEXT) {
            Ok(Encoded::Tokens(sequence)) => {
                let fits = sequence.ids.len() <= CONTEXT && sequence.targets.len() <= CONTEXT;
                assert!(fits, "{sequence:?}");
                let known = |id: &u32| (*id as usize) < VOCABULARY;
                let targets = sequence.targets.iter().map(|(_, id)| id);
                assert!(sequence.ids.iter().chain(targets).all(known));
            }
            Ok(Encoded::Empty | Encoded::Lossy { .. }) => {}
            Err(error) => assert_is_models(&error),
        }
    }
    match encoder.encode_for_classification("some text", CONTEXT) {
        Ok(ids) => {
            assert!(ids.len() <= CONTEXT && ids.iter().all(|id| (*id as usize) < VOCABULARY))
        }
        Err(error) => assert_is_models(&error),
    }
}

fn assert_is_models(error: &ModelError) {
    assert_eq!(error.fault, Fault::Tokenizer, "{error}");
}
