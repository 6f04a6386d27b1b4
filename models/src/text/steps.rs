//! The steps of a tokenizer, and a bound on what they make of a text.
//!
//! A `tokenizer.json` of a few lines can make gigabytes of one word: a replacement of each letter
//! by ten, forty times. So before each step it is known by how much the step can lengthen a text
//! at most, and all steps together may write no more than a multiple of the text.

use super::pattern;
use serde_json::Value;
use std::cell::Cell;

/// Most steps of a kind.
const MAX_STEPS: usize = 64;
/// Most sequences within sequences.
const MAX_DEPTH: usize = 8;
/// Most text of a step's settings, in bytes.
const MAX_SETTINGS: usize = 1 << 16;
/// Most text of a step with a table of characters, in bytes.
const MAX_TABLE: usize = 1 << 22;
/// Bytes that all steps may write per byte of the text, and beside them.
const PER_BYTE: usize = 256;
const BESIDE: usize = 1 << 16;

/// A step and how much longer it can make a text.
pub(super) struct Step<T> {
    pub(super) work: T,
    /// Most bytes for each byte.
    factor: usize,
    /// Most bytes for each piece of the text.
    extra: usize,
}

/// What may still be written for a text.
pub(super) struct Budget {
    left: Cell<usize>,
    spent: Cell<bool>,
}

impl Budget {
    /// For a text of so many bytes.
    pub(super) fn new(bytes: usize) -> Self {
        let left = bytes.saturating_mul(PER_BYTE).saturating_add(BESIDE);
        Self {
            left: Cell::new(left),
            spent: Cell::new(false),
        }
    }

    /// Takes what the step may write for so many bytes in so many pieces; false if it is too much.
    pub(super) fn take<T>(&self, step: &Step<T>, bytes: usize, pieces: usize) -> bool {
        let most = bytes
            .saturating_mul(step.factor)
            .saturating_add(pieces.saturating_mul(step.extra));
        match self.left.get().checked_sub(most) {
            Some(left) if !self.spent.get() => self.left.set(left),
            _ => self.spent.set(true),
        }
        !self.spent.get()
    }

    /// Leaves nothing.
    pub(super) fn exceed(&self) {
        self.spent.set(true);
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match self.spent.get() {
            false => Ok(()),
            true => Err(format!(
                "makes more than {PER_BYTE} times its length of a text; remove steps"
            )),
        }
    }
}

/// The steps of a section, those of sequences in their place.
pub(super) fn steps<T>(
    section: Option<Value>,
    list: &str,
    make: impl Fn(Value) -> Result<T, String>,
) -> Result<Vec<Step<T>>, String> {
    let mut leaves = Vec::new();
    flatten(section.unwrap_or(Value::Null), list, 0, &mut leaves)?;
    leaves
        .into_iter()
        .map(|leaf| {
            let (factor, extra) = growth(&leaf)?;
            let work = make(leaf)?;
            Ok(Step {
                work,
                factor,
                extra,
            })
        })
        .collect()
}

fn flatten(value: Value, list: &str, depth: usize, out: &mut Vec<Value>) -> Result<(), String> {
    let mut fields = match value {
        Value::Null => return Ok(()),
        Value::Object(fields) => fields,
        _ => return Err("a step is no object".into()),
    };
    if fields.get("type").and_then(Value::as_str) == Some("Sequence") {
        let Some(Value::Array(inner)) = fields.remove(list) else {
            return Err(format!("a Sequence has no {list}"));
        };
        if depth == MAX_DEPTH {
            return Err(format!("nests sequences deeper than {MAX_DEPTH}"));
        }
        for step in inner {
            flatten(step, list, depth + 1, out)?;
        }
        return Ok(());
    }
    if out.len() == MAX_STEPS {
        return Err(format!("has more than {MAX_STEPS} steps of a kind"));
    }
    out.push(Value::Object(fields));
    Ok(())
}

/// Most bytes that a step makes of one, and most that it adds to a piece.
fn growth(step: &Value) -> Result<(usize, usize), String> {
    let Some(kind) = step.get("type").and_then(Value::as_str) else {
        return Err("a step has no type".into());
    };
    let most = match kind {
        "Precompiled" => MAX_TABLE,
        _ => MAX_SETTINGS,
    };
    if text_length(step) > most {
        return Err(format!("{kind} has more than {most} bytes"));
    }
    let length = |name: &str| step.get(name).and_then(Value::as_str).map_or(0, str::len);
    Ok(match kind {
        "Replace" => replacement(step, length("content"))?,
        "Split" => {
            replacement(step, 0)?;
            (1, 0)
        }
        "Prepend" => (1, length("prepend")),
        "Precompiled" => (longest_entry(step)?, 0),
        // A character of two bytes at most for each byte, after a space that may be put before.
        "ByteLevel" => (3, 2),
        "Metaspace" => (4, 4),
        "BertNormalizer" => (24, 0),
        "NFKC" | "NFKD" => (12, 0),
        "NFC" | "NFD" => (4, 0),
        "Lowercase" | "Nmt" => (2, 0),
        // An empty suffix or delimiter is found between all characters.
        "BPEDecoder" | "CTC" => (2, 1),
        "WordPiece" => (1, 1),
        _ => (1, 0),
    })
}

/// Growth by a replacement of a pattern by `content` bytes; refuses a pattern that takes long.
fn replacement(step: &Value, content: usize) -> Result<(usize, usize), String> {
    let pattern = step.get("pattern").unwrap_or(&Value::Null);
    if let Some(text) = pattern.get("String").and_then(Value::as_str)
        && !text.is_empty()
    {
        return Ok((content.div_ceil(text.len()).max(1), 0));
    }
    if let Some(regex) = pattern.get("Regex").and_then(Value::as_str) {
        pattern::check(regex).map_err(|e| format!("pattern {}: {e}", shown(regex)))?;
    }
    // It may match nothing, before and after each character.
    Ok((content.saturating_add(1), content))
}

/// The start of a pattern that may be long.
fn shown(pattern: &str) -> String {
    let start: String = pattern.chars().take(40).collect();
    match start.len() < pattern.len() {
        true => format!("{start:?}…"),
        false => format!("{start:?}"),
    }
}

/// Bytes of all strings.
fn text_length(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(|v| text_length(v) + 1).sum(),
        Value::Object(fields) => fields.iter().map(|(k, v)| k.len() + text_length(v)).sum(),
        _ => 1,
    }
}

/// The longest text that a table of SentencePiece puts for a character: after the length of a
/// trie in 32 bits and the trie, texts that each end with a zero.
fn longest_entry(step: &Value) -> Result<usize, String> {
    let table = step.get("precompiled_charsmap").and_then(Value::as_str);
    let bytes = table
        .and_then(from_base64)
        .ok_or("Precompiled: precompiled_charsmap is not base64")?;
    let texts = bytes
        .split_first_chunk::<4>()
        .and_then(|(length, rest)| rest.get(u32::from_le_bytes(*length) as usize / 4 * 4..));
    let texts = texts.ok_or("Precompiled: precompiled_charsmap is cut off")?;
    let longest = texts.split(|b| *b == 0).map(<[u8]>::len).max();
    Ok(longest.unwrap_or(0).max(1))
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for c in text.trim_end_matches('=').bytes() {
        let digit = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(digit);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use tokenizers::{Decoder, DecoderWrapper, NormalizedString, Normalizer, NormalizerWrapper};

    fn normalizer(step: &Value) -> NormalizerWrapper {
        serde_json::from_value(step.clone()).unwrap()
    }

    fn charsmap(entry: &str) -> String {
        // One unit that has no children, and one text.
        let mut bytes = 4u32.to_le_bytes().to_vec();
        bytes.extend(0u32.to_le_bytes());
        bytes.extend(entry.as_bytes());
        bytes.push(0);
        let digits = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut out = String::new();
        for chunk in bytes.chunks(3) {
            let mut group = [0; 3];
            group[..chunk.len()].copy_from_slice(chunk);
            let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
            for i in 0..4 {
                out.push(match i <= chunk.len() {
                    true => digits[(bits >> (18 - 6 * i)) as usize & 63] as char,
                    false => '=',
                });
            }
        }
        out
    }

    #[test]
    fn table_should_grow_by_its_longest_entry() {
        for entry in ["", "a", "abcdef"] {
            let step = json!({"type": "Precompiled", "precompiled_charsmap": charsmap(entry)});
            normalizer(&step);
            assert_eq!(growth(&step), Ok((entry.len().max(1), 0)));
        }
        for table in ["?", "AA==", "/////w=="] {
            let step = json!({"type": "Precompiled", "precompiled_charsmap": table});
            assert!(growth(&step).is_err(), "{table}");
        }
    }

    proptest! {
        #[test]
        fn no_normalizer_should_write_more_than_it_is_held_to(
            text in "[a-zA-Zİß\u{fdfa}\u{1d160}ΐ中文 \u{3000}\u{0}é]{1,30}",
            which in 0usize..12,
        ) {
            let step = [
                json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"}),
                json!({"type": "Replace", "pattern": {"String": ""}, "content": "▁"}),
                json!({"type": "Replace", "pattern": {"Regex": "x*"}, "content": "abc"}),
                json!({"type": "Prepend", "prepend": "▁"}),
                json!({"type": "ByteLevel"}),
                json!({"type": "BertNormalizer", "clean_text": true,
                    "handle_chinese_chars": true, "strip_accents": true, "lowercase": true}),
                json!({"type": "NFC"}),
                json!({"type": "NFD"}),
                json!({"type": "NFKC"}),
                json!({"type": "NFKD"}),
                json!({"type": "Lowercase"}),
                json!({"type": "Nmt"}),
            ][which].clone();
            let mut normalized = NormalizedString::from(text.as_str());
            normalizer(&step).normalize(&mut normalized).unwrap();
            let (factor, extra) = growth(&step).unwrap();
            prop_assert!(normalized.get().len() <= text.len() * factor + extra, "{step}");
        }

        #[test]
        fn no_decoder_should_write_more_than_it_is_held_to(
            tokens in proptest::collection::vec("[a-z▁Ġ.<>0xA ]{0,8}", 1..8),
            which in 0usize..8,
        ) {
            let step = [
                json!({"type": "BPEDecoder", "suffix": ""}),
                json!({"type": "CTC", "pad_token": "", "word_delimiter_token": "", "cleanup": true}),
                json!({"type": "WordPiece", "prefix": "##", "cleanup": true}),
                json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always"}),
                json!({"type": "ByteFallback"}),
                json!({"type": "Fuse"}),
                json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "}),
                json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true,
                    "use_regex": true}),
            ][which].clone();
            let decoder: DecoderWrapper = serde_json::from_value(step.clone()).unwrap();
            let bytes: usize = tokens.iter().map(String::len).sum();
            let pieces = tokens.len();
            let written: usize = decoder.decode_chain(tokens).unwrap().iter().map(String::len).sum();
            let (factor, extra) = growth(&step).unwrap();
            prop_assert!(written <= bytes * factor + pieces * extra, "{step}");
        }
    }
}
