//! The tokenizer of a language model in training.

use super::{TokenizerSource, TrainConfig, config::TokenizerTraining, output};
use crate::{Fault, ModelError, inspect::TOKENIZER};
use std::{fs, panic::catch_unwind, path::Path};
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

/// The tokenizer's bytes, its number of tokens, and the token that starts a text. It is kept in
/// `out` for a run that goes on from there.
pub(super) fn obtain(
    config: &TrainConfig,
    out: Option<&Path>,
    texts: &[&str],
) -> Result<(Vec<u8>, usize, u32), ModelError> {
    let kept = out.map(|out| out.join(TOKENIZER));
    let bytes = match (&kept, &config.tokenizer) {
        // An earlier run left it; `output::prepare` removes it when training starts over.
        (Some(path), _) if path.exists() => fs::read(path).map_err(|e| ModelError::io(path, &e))?,
        (_, Some(TokenizerSource::Path(path))) => {
            fs::read(path).map_err(|e| ModelError::io(path, &e))?
        }
        (_, Some(TokenizerSource::Train { train: settings })) => train(*settings, texts)?,
        (_, None) => return Err(refuse("a language model needs a tokenizer")),
    };
    if let Some(kept) = kept {
        output::write_whole(&kept, &bytes)?;
    }
    // A stranger's file can make the library panic.
    let tokenizer = catch_unwind(|| Tokenizer::from_bytes(&bytes))
        .map_err(|_| refuse("makes the library panic; take another"))?
        .map_err(refuse)?;
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
