//! Text to tokens, and whether the tokens give the text back.

use crate::{Fault, ModelError};
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokenizers::{ModelWrapper, Tokenizer};

/// A tokenizer that fits a model's vocabulary.
pub(crate) struct Encoder {
    tokenizer: Tokenizer,
    vocabulary: usize,
    start: u32,
}

/// What a text is to a tokenizer.
#[derive(Debug, PartialEq)]
pub(crate) enum Encoded {
    /// No text.
    Empty,
    /// The tokens don't decode to the text.
    Lossy {
        /// UTF-8 bytes of the text.
        bytes: u32,
    },
    /// Targets.
    Tokens(Sequence),
}

/// What a model is fed, and what it is to predict.
#[derive(Debug, PartialEq)]
pub(crate) struct Sequence {
    /// Inputs in order; the last target is none.
    pub(crate) ids: Vec<u32>,
    /// Rows of `ids` whose outputs predict, and the tokens that they predict.
    pub(crate) targets: Vec<(u32, u32)>,
    /// UTF-8 bytes of what the targets stand for.
    pub(crate) bytes: u32,
}

impl Sequence {
    /// A text's tokens after a start token, all of them targets.
    pub(crate) fn whole(start: u32, tokens: &[u32], bytes: u32) -> Self {
        let mut ids = vec![start];
        ids.extend(tokens.iter().take(tokens.len().saturating_sub(1)));
        Self {
            ids,
            targets: (0..).zip(tokens.iter().copied()).collect(),
            bytes,
        }
    }
}

fn refuse(detail: impl std::fmt::Display) -> ModelError {
    ModelError::new(Fault::Tokenizer, format!("tokenizer.json: {detail}"))
}

/// A hostile `tokenizer.json` can make the library panic; that is the model's fault too.
fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, ModelError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(refuse),
        Err(_) => Err(refuse("makes the tokenizer panic")),
    }
}

impl Encoder {
    /// From the bytes of a `tokenizer.json`; every id must be below `vocabulary`.
    pub(crate) fn new(json: &[u8], vocabulary: usize, start: u32) -> Result<Self, ModelError> {
        let mut tokenizer = guarded(|| Tokenizer::from_bytes(json))?;
        if let ModelWrapper::BPE(bpe) = tokenizer.get_model()
            && bpe.dropout.is_some_and(|dropout| dropout != 0.0)
        {
            return Err(refuse(
                "has dropout, so that its tokens are drawn at random; remove it",
            ));
        }
        // Both belong to a caller, not to the text.
        guarded(|| tokenizer.with_truncation(None).map(|_| ()))?;
        tokenizer.with_padding(None);
        let highest = tokenizer.get_vocab(true).into_values().max();
        match highest {
            Some(id) if id as usize >= vocabulary => Err(refuse(format!(
                "token {id}, but config.json has vocab_size {vocabulary}"
            ))),
            _ => Ok(Self {
                tokenizer,
                vocabulary,
                start,
            }),
        }
    }

    /// Tokens of a text with no special tokens, at most `context` of them.
    ///
    /// The text is lost unless its tokens decode to it, or to it after the one space that
    /// tokenizers of the SentencePiece kind put before. Of a text that is cut, those bytes
    /// count that the kept tokens decode to; a character that the cut divides doesn't.
    pub(crate) fn encode(&self, text: &str, context: usize) -> Result<Encoded, ModelError> {
        if text.is_empty() {
            return Ok(Encoded::Empty);
        }
        let mut ids = guarded(|| self.tokenizer.encode_fast(text, false))?
            .get_ids()
            .to_vec();
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.vocabulary) {
            return Err(refuse(format!(
                "gives token {id}, but config.json has vocab_size {}",
                self.vocabulary
            )));
        }
        if self.shared(&ids, text)? != text.len() {
            return Ok(Encoded::Lossy {
                bytes: text.len() as u32,
            });
        }
        let mut bytes = text.len();
        if ids.len() > context {
            ids.truncate(context);
            bytes = self.shared(&ids, text)?;
        }
        Ok(Encoded::Tokens(Sequence::whole(
            self.start,
            &ids,
            bytes as u32,
        )))
    }

    /// Bytes of the text that the decoded ids begin with; all of them only if they are equal.
    fn shared(&self, ids: &[u32], text: &str) -> Result<usize, ModelError> {
        let decoded = guarded(|| self.tokenizer.decode(ids, false))?;
        let common = |decoded: &str| {
            let pairs = decoded.char_indices().zip(text.chars());
            let end = pairs.take_while(|((_, a), b)| a == b).last();
            let common = end.map_or(0, |((at, c), _)| at + c.len_utf8());
            // Longer than the text: something was added, and all but a byte is right.
            if common == text.len() && decoded.len() > common {
                common - 1
            } else {
                common
            }
        };
        let with_space = decoded.strip_prefix(' ').map_or(0, common);
        Ok(common(&decoded).max(with_space))
    }
}
