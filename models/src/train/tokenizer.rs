//! The tokenizer of a language model in training.

use super::{TokenizerSource, TrainConfig, config::TokenizerTraining, output};
use crate::{Fault, ModelError, inspect::TOKENIZER};
use std::{fs, path::Path};
use tokenizers::{
    AddedToken, Tokenizer,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainerBuilder},
    },
    pre_tokenizers::byte_level::ByteLevel,
};

const START: &str = "<|start|>";
/// Start tokens of known tokenizers, in order of preference.
const KNOWN_STARTS: [&str; 4] = [START, "<s>", "<|begin_of_text|>", "<|endoftext|>"];

/// The tokenizer's bytes, its number of tokens, and the token that starts a text.
pub(super) fn obtain(
    config: &TrainConfig,
    out: &Path,
    texts: &[&str],
) -> Result<(Vec<u8>, usize, u32), ModelError> {
    let kept = out.join(TOKENIZER);
    let bytes = match &config.tokenizer {
        // An earlier run left it; `output::prepare` removes it when training starts over.
        _ if kept.exists() => fs::read(&kept).map_err(|e| ModelError::io(&kept, &e))?,
        Some(TokenizerSource::Path(path)) => {
            fs::read(path).map_err(|e| ModelError::io(path, &e))?
        }
        Some(TokenizerSource::Train { train: settings }) => train(*settings, texts)?,
        None => return Err(refuse("a language model needs a tokenizer")),
    };
    output::write_whole(&kept, &bytes)?;
    let tokenizer = Tokenizer::from_bytes(&bytes).map_err(refuse)?;
    let ids = tokenizer.get_vocab(true);
    let highest = ids.values().max().copied().unwrap_or(0);
    let start = KNOWN_STARTS
        .iter()
        .find_map(|token| ids.get(*token))
        .copied()
        .unwrap_or(0);
    Ok((bytes, highest as usize + 1, start))
}

/// Byte-level BPE: every byte is a token, so that no text is lost.
fn train(settings: TokenizerTraining, texts: &[&str]) -> Result<Vec<u8>, ModelError> {
    if settings.vocab_size < 257 {
        return Err(refuse(
            "vocab_size is below 257: 256 bytes and the start token",
        ));
    }
    let mut trainer: TrainerWrapper = BpeTrainerBuilder::new()
        .show_progress(false)
        .vocab_size(settings.vocab_size)
        .special_tokens(vec![AddedToken::from(START, true)])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build()
        .into();
    let mut tokenizer = Tokenizer::new(BPE::default());
    tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    tokenizer.with_decoder(Some(ByteLevel::new(false, true, true)));
    tokenizer
        .train(&mut trainer, texts.iter().copied())
        .map_err(refuse)?;
    tokenizer
        .to_string(false)
        .map(String::into_bytes)
        .map_err(refuse)
}

fn refuse(detail: impl std::fmt::Display) -> ModelError {
    ModelError::new(Fault::Tokenizer, format!("tokenizer: {detail}"))
}
