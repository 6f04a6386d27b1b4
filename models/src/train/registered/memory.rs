//! What a training needs in memory at the most, known before any of it is allocated.
//!
//! Recipes come from strangers, and a juror that ran out of memory could say nothing of a log. So
//! a recipe that could need more than [`MAX_MEMORY`] is refused as a malformed one is. What is
//! counted depends on the recipe alone, so that every machine refuses the same.

use crate::{
    Fault, ModelConfig, ModelError,
    data::Rows,
    train::{Family, Prepared, TokenizerSource, TrainConfig},
};
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// Most bytes that training a recipe may need, as they are counted here: half of what an
/// executor's worker has by default.
pub const MAX_MEMORY: u64 = 4 << 30;

/// Of each parameter: the weights twice, two moments, two gradients, and two checkpoints.
const OF_PARAMETER: u64 = 48;
/// Of each number that a step computes: itself, its gradient, and what lies between kernels.
const OF_VALUE: u64 = 16;
/// Of each sample: its place in the data and in the order of an epoch, twice.
const OF_SAMPLE: u64 = 32;
/// Of each byte of rows as JSON: two can be a number.
const OF_ROWS: u64 = 24;
/// Of each byte of rows as tensors.
const OF_TENSORS: u64 = 4;
/// Of each byte of texts and of their tokens.
const OF_TEXTS: u64 = 48;
/// Of a window besides its tokens.
const OF_WINDOW: u64 = 160;
/// Of each byte of the longest text, while it is made into tokens.
const OF_LONGEST: u64 = 512;
/// Of each byte of a tokenizer.
const OF_TOKENIZER: u64 = 48;
/// Scores of attention that each head of a sequence has at a time, for each position; so many
/// heads at a time at the most.
const SCORES: u64 = 128;
const HEADS: u64 = 64;

/// Refuses what needs more.
pub(super) fn check(needed: u64) -> Result<(), ModelError> {
    if needed <= MAX_MEMORY {
        return Ok(());
    }
    let detail = format!(
        "training the recipe could need {needed} bytes of memory, more than the {MAX_MEMORY} that \
         every juror has; take a smaller batch, context or model, or less data"
    );
    Err(ModelError::new(Fault::TooLarge, detail))
}

/// Bytes that reading the recipe's files needs.
pub(super) fn of_files(config: &TrainConfig) -> Result<u64, ModelError> {
    let mut sum = match &config.tokenizer {
        Some(TokenizerSource::Path(path)) => size(path)?.saturating_mul(OF_TOKENIZER),
        _ => 0,
    };
    let mut longest = 0;
    for path in &config.data {
        let bytes = size(path)?;
        let of_byte = match config.model {
            Family::Llama { context, .. } => {
                longest = longest_line(path)?.max(longest);
                OF_TEXTS + OF_WINDOW / (context as u64).clamp(1, OF_WINDOW)
            }
            Family::Mlp { .. } | Family::Cnn { .. } if is_framed(path, bytes)? => OF_TENSORS,
            Family::Mlp { .. } | Family::Cnn { .. } => OF_ROWS,
        };
        sum = sum.saturating_add(bytes.saturating_mul(of_byte));
    }
    Ok(sum.saturating_add(u64::saturating_mul(longest, OF_LONGEST)))
}

/// Bytes that the model, its optimizer and a step of the training need.
pub(super) fn of_steps(config: &TrainConfig, prepared: &Prepared) -> Result<u64, ModelError> {
    let batch = config.batch as u64;
    let values = match (&config.model, &prepared.model) {
        (_, ModelConfig::Classifier(model)) => batch.saturating_mul(model.values()?),
        (family, model) => of_texts(family, batch, model.vocabulary().unwrap_or(0) as u64),
    };
    let parts = [
        prepared.model.parameters()?.saturating_mul(OF_PARAMETER),
        (prepared.samples() as u64).saturating_mul(OF_SAMPLE),
        values.saturating_mul(OF_VALUE),
    ];
    Ok(parts.into_iter().fold(0, u64::saturating_add))
}

/// Numbers that a step of a language model computes.
fn of_texts(family: &Family, batch: u64, vocabulary: u64) -> u64 {
    let Family::Llama {
        hidden_size,
        intermediate_size,
        num_hidden_layers,
        num_attention_heads,
        context,
        ..
    } = *family
    else {
        return 0;
    };
    let [width, inner, blocks, heads, context] = [
        hidden_size,
        intermediate_size,
        num_hidden_layers,
        num_attention_heads,
        context,
    ]
    .map(|number| number as u64);
    let times = u64::saturating_mul;
    // Norms, queries, keys, values, both rotated, what is mixed and fed, and their sums; the gate,
    // what it lets through, and both together.
    let of_block = times(width, 12).saturating_add(times(inner, 3));
    let of_token = times(of_block, blocks)
        .saturating_add(times(width, 4))
        .saturating_add(vocabulary);
    let scores = times(times(batch, heads).min(HEADS), times(SCORES, context));
    times(times(batch, context), of_token).saturating_add(scores)
}

fn open(path: &Path) -> Result<File, ModelError> {
    File::open(path).map_err(|e| ModelError::io(path, &e))
}

fn size(path: &Path) -> Result<u64, ModelError> {
    let meta = open(path)?.metadata();
    Ok(meta.map_err(|e| ModelError::io(path, &e))?.len())
}

fn is_framed(path: &Path, bytes: u64) -> Result<bool, ModelError> {
    let mut start = Vec::new();
    let read = open(path)?.take(9).read_to_end(&mut start);
    read.map_err(|e| ModelError::io(path, &e))?;
    Ok(Rows::are_framed(&start, bytes))
}

fn longest_line(path: &Path) -> Result<u64, ModelError> {
    let mut reader = BufReader::new(open(path)?);
    let (mut longest, mut current) = (0u64, 0u64);
    loop {
        let bytes = reader.fill_buf().map_err(|e| ModelError::io(path, &e))?;
        if bytes.is_empty() {
            return Ok(longest.max(current));
        }
        let mut parts = bytes.split(|byte| *byte == b'\n');
        current += parts.next().map_or(0, <[u8]>::len) as u64;
        for part in parts {
            longest = longest.max(current);
            current = part.len() as u64;
        }
        let read = bytes.len();
        reader.consume(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn check_should_refuse_what_is_above_the_bound_alone() {
        assert_eq!(check(MAX_MEMORY - 1), Ok(()));
        assert_eq!(check(MAX_MEMORY), Ok(()));
        let error = check(MAX_MEMORY + 1).unwrap_err();
        assert_eq!(error.fault, Fault::TooLarge);
    }

    #[test]
    fn longest_line_should_be_found_across_buffers() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("texts");
        for (text, longest) in [
            (String::new(), 0),
            ("a\nbcd\n\nef".into(), 3),
            (format!("a\n{}\nb", "x".repeat(20_000)), 20_000),
            (format!("a\n{}", "x".repeat(9_000)), 9_000),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(longest_line(&path).unwrap(), longest);
        }
    }
}
