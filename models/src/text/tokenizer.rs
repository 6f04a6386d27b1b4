//! A `tokenizer.json` whose work is bounded.

use super::steps::{Budget, Step, steps};
use crate::{Fault, ModelError};
use serde::{Deserialize, de::IgnoredAny};
use serde_json::Value;
use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
};
use tokenizers::{
    AddedToken, AddedVocabulary, Decoder, DecoderWrapper, Encoding, Model, ModelWrapper,
    NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential, OffsetType, PostProcessor,
    PostProcessorWrapper, PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
};

/// Longest token, in bytes.
const MAX_TOKEN: usize = 1024;
/// Longest prefix or suffix that a model puts to a part of a word, in bytes.
const MAX_AFFIX: usize = 64;
/// Most bytes of all tokens; those of Unigram are kept in a tree of a map for each byte.
const MAX_VOCABULARY: usize = 1 << 25;
const MAX_UNIGRAM: usize = 1 << 22;
/// Most added tokens, bytes of them, and of one before and after the normalizer: to find them,
/// an automaton is built in time that grows with the square of one.
const MAX_ADDED: usize = 1 << 16;
const MAX_ADDED_BYTES: usize = 1 << 20;
const MAX_ADDED_TOKEN: usize = 128;
const MAX_NORMALIZED_TOKEN: usize = 256;
/// Longest word that WordPiece looks at, in characters; its work grows with the cube.
const MAX_WORD: u64 = 256;
/// Most special tokens around a text.
const MAX_SPECIAL: usize = 64;

pub(super) fn refuse(detail: impl std::fmt::Display) -> ModelError {
    ModelError::new(Fault::Tokenizer, format!("tokenizer.json: {detail}"))
}

/// A hostile `tokenizer.json` can make the library panic; that is the model's fault too.
fn guarded<T>(work: impl FnOnce() -> tokenizers::Result<T>) -> Result<T, ModelError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(refuse),
        Err(_) => Err(refuse("makes the tokenizer panic")),
    }
}

/// The file. Truncation and padding belong to a caller, not to a text.
#[derive(Deserialize)]
struct File {
    version: Option<String>,
    #[serde(rename = "truncation")]
    _truncation: Option<IgnoredAny>,
    #[serde(rename = "padding")]
    _padding: Option<IgnoredAny>,
    added_tokens: Option<Vec<AddedToken>>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    post_processor: Option<Value>,
    decoder: Option<Value>,
    model: Value,
}

/// The tokenizer of a model.
pub(super) struct Tokenizer {
    added: AddedVocabulary,
    normalizers: Vec<Step<NormalizerWrapper>>,
    pre_tokenizers: Vec<Step<PreTokenizerWrapper>>,
    model: ModelWrapper,
    post_processors: Vec<Step<PostProcessorWrapper>>,
    decoders: Vec<Step<DecoderWrapper>>,
    vocabulary: usize,
}

/// Normalizers within a budget. What goes beyond is left as it is, and found by
/// [`Budget::check`].
struct Bounded<'a> {
    steps: &'a [Step<NormalizerWrapper>],
    budget: &'a Budget,
    /// Longest text after a step, in bytes.
    longest: usize,
}

impl Normalizer for Bounded<'_> {
    fn normalize(&self, normalized: &mut NormalizedString) -> tokenizers::Result<()> {
        for step in self.steps {
            if !self.budget.take(step, normalized.len(), 1) {
                break;
            }
            step.work.normalize(normalized)?;
            if normalized.len() > self.longest {
                self.budget.exceed();
                // An automaton is built of what is left here.
                normalized.clear();
            }
        }
        Ok(())
    }
}

fn step<T: for<'a> Deserialize<'a>>(value: Value) -> Result<T, String> {
    let made = catch_unwind(AssertUnwindSafe(|| serde_json::from_value(value)));
    match made {
        Ok(made) => made.map_err(|e| e.to_string()),
        Err(_) => Err("a step is malformed".into()),
    }
}

impl Tokenizer {
    /// From the bytes of a `tokenizer.json`; every id but those of special added
    /// tokens must be below `vocabulary`.
    pub(super) fn new(json: &[u8], vocabulary: usize) -> Result<Self, ModelError> {
        let file: File = serde_json::from_slice(json).map_err(refuse)?;
        if file.version.is_some_and(|version| version != "1.0") {
            return Err(refuse("has a version other than 1.0"));
        }
        check_model(&file.model).map_err(refuse)?;
        let normalizers = steps(file.normalizer, "normalizers", step).map_err(refuse)?;
        let pre_tokenizers = steps(file.pre_tokenizer, "pretokenizers", step).map_err(refuse)?;
        let post_processors = steps(file.post_processor, "processors", step).map_err(refuse)?;
        let decoders = steps(file.decoder, "decoders", step).map_err(refuse)?;
        let model: ModelWrapper = guarded(|| Ok(serde_json::from_value(file.model)?))?;
        let mut tokenizer = Self {
            added: AddedVocabulary::new(),
            normalizers,
            pre_tokenizers,
            model,
            post_processors,
            decoders,
            vocabulary,
        };
        tokenizer.add(&file.added_tokens.unwrap_or_default())?;
        tokenizer.check_ids()?;
        Ok(tokenizer)
    }

    fn add(&mut self, tokens: &[AddedToken]) -> Result<(), ModelError> {
        let bytes: usize = tokens.iter().map(|t| t.content.len()).sum();
        let longest = tokens.iter().map(|t| t.content.len()).max().unwrap_or(0);
        if tokens.len() > MAX_ADDED || bytes > MAX_ADDED_BYTES || longest > MAX_ADDED_TOKEN {
            return Err(refuse(format!(
                "{} added tokens of {bytes} bytes, the longest of {longest}; at most \
                 {MAX_ADDED} of {MAX_ADDED_BYTES} bytes, each of {MAX_ADDED_TOKEN}, are read",
                tokens.len()
            )));
        }
        let budget = Budget::new(bytes);
        let normalizer = Bounded {
            steps: &self.normalizers,
            budget: &budget,
            longest: MAX_NORMALIZED_TOKEN,
        };
        let (added, model) = (&mut self.added, &self.model);
        guarded(|| Ok(added.add_tokens(tokens, model, Some(&normalizer))))?;
        budget.check().map_err(refuse)
    }

    /// Ids must fit the vocabulary, and no two tokens may share one: which of them decodes it
    /// would be drawn at random. Special tokens may lie beyond, as those for images do in
    /// Gemma 3's text models: [`encode`](Self::encode) never gives them.
    fn check_ids(&self) -> Result<(), ModelError> {
        let vocabulary = self.model.get_vocab();
        let mut seen = HashSet::with_capacity(vocabulary.len());
        if let Some(id) = vocabulary.values().find(|id| !seen.insert(**id)) {
            return Err(refuse(format!("two tokens have id {id}")));
        }
        let added = self.added.get_added_tokens_decoder();
        let plain = added.iter().filter(|(_, token)| !token.special);
        match vocabulary.values().chain(plain.map(|(id, _)| id)).max() {
            Some(id) if *id as usize >= self.vocabulary => Err(self.beyond(*id)),
            _ => Ok(()),
        }
    }

    fn beyond(&self, id: u32) -> ModelError {
        refuse(format!(
            "token {id}, but config.json has vocab_size {}",
            self.vocabulary
        ))
    }

    /// Tokens of a text with no special tokens around it. A text that spells an added token has
    /// that token; one beyond the vocabulary is left out, so that what it stood for is lost.
    pub(super) fn encode(&self, text: &str) -> Result<Vec<u32>, ModelError> {
        let encoding = self.encoding(text)?;
        let ids = encoding.get_ids().iter().copied();
        Ok(ids.filter(|id| (*id as usize) < self.vocabulary).collect())
    }

    fn encoding(&self, text: &str) -> Result<Encoding, ModelError> {
        let budget = Budget::new(text.len());
        let normalizer = Bounded {
            steps: &self.normalizers,
            budget: &budget,
            longest: usize::MAX,
        };
        let mut pieces: PreTokenizedString =
            guarded(|| Ok(self.added.extract_and_normalize(Some(&normalizer), text)))?;
        budget.check().map_err(refuse)?;
        for step in &self.pre_tokenizers {
            let (bytes, count) = guarded(|| Ok(size(&pieces)))?;
            budget.take(step, bytes, count);
            budget.check().map_err(refuse)?;
            guarded(|| step.work.pre_tokenize(&mut pieces))?;
        }
        guarded(|| {
            pieces.tokenize(|piece| self.model.tokenize(piece.get()))?;
            pieces.into_encoding(None, 0, OffsetType::None)
        })
    }

    /// The text of tokens, added ones too.
    pub(super) fn decode(&self, ids: &[u32]) -> Result<String, ModelError> {
        let mut tokens: Vec<String> = guarded(|| {
            let token = |id: &u32| {
                let added = self.added.simple_id_to_token(*id);
                added.or_else(|| self.model.id_to_token(*id))
            };
            Ok(ids.iter().filter_map(token).collect())
        })?;
        let budget = Budget::new(tokens.iter().map(String::len).sum());
        for step in &self.decoders {
            let bytes = tokens.iter().map(String::len).sum();
            budget.take(step, bytes, tokens.len());
            budget.check().map_err(refuse)?;
            tokens = guarded(|| step.work.decode_chain(tokens))?;
        }
        // So the library does where there is no decoder.
        Ok(tokens.join(if self.decoders.is_empty() { " " } else { "" }))
    }

    /// Tokens with the special ones that the post-processor puts around them, at most `context`
    /// of them: of the text the first that fit.
    pub(super) fn surround(&self, ids: &[u32], context: usize) -> Result<Vec<u32>, ModelError> {
        let special = self.process(&[])?.len();
        if special > MAX_SPECIAL || special >= context {
            return Err(refuse(format!(
                "puts {special} special tokens around a text; the context is {context}"
            )));
        }
        // Of one token, before a post-processor that repeats a text gets a long one.
        if self.process(&[0])?.len() != special + 1 {
            return Err(refuse("its post-processor repeats or drops the text"));
        }
        let kept = ids.get(..context - special).unwrap_or(ids);
        let processed = self.process(kept)?;
        if processed.len() != kept.len() + special {
            return Err(refuse("its post-processor repeats or drops the text"));
        }
        match processed.iter().find(|id| **id as usize >= self.vocabulary) {
            Some(id) => Err(self.beyond(*id)),
            None => Ok(processed),
        }
    }

    fn process(&self, ids: &[u32]) -> Result<Vec<u32>, ModelError> {
        let count = ids.len();
        let most = count.saturating_mul(2).saturating_add(1 << 12);
        let mut encoding = Encoding::new(
            ids.to_vec(),
            vec![0; count],
            vec![String::new(); count],
            vec![None; count],
            vec![(0, 0); count],
            vec![0; count],
            vec![1; count],
            Vec::new(),
            Default::default(),
        );
        for step in &self.post_processors {
            encoding = guarded(|| step.work.process(encoding, None, true))?;
            if encoding.len() > most {
                return Err(refuse("its post-processor repeats the text"));
            }
        }
        Ok(encoding.get_ids().to_vec())
    }

    /// The longest added token that the text begins with, in bytes.
    pub(super) fn added_at_start(&self, text: &str) -> Option<usize> {
        let longest = text.len().min(MAX_ADDED_TOKEN);
        let ends = (1..=longest)
            .rev()
            .filter(|end| text.is_char_boundary(*end));
        let known = self.added.get_vocab();
        ends.into_iter()
            .find(|end| known.contains_key(&text[..*end]))
    }
}

/// Bytes and number of pieces.
fn size(pieces: &PreTokenizedString) -> (usize, usize) {
    let splits = pieces.get_splits(OffsetReferential::Normalized, OffsetType::None);
    (
        splits.iter().map(|(text, ..)| text.len()).sum(),
        splits.len(),
    )
}

/// Refuses what could take long or memory, or be drawn at random, before the model is made.
fn check_model(model: &Value) -> Result<(), String> {
    let Some(kind) = model.get("type").and_then(Value::as_str) else {
        return Err("the model has no type".into());
    };
    if model
        .get("dropout")
        .and_then(Value::as_f64)
        .is_some_and(|d| d != 0.0)
    {
        return Err("has dropout, so that its tokens are drawn at random; remove it".into());
    }
    for name in ["continuing_subword_prefix", "end_of_word_suffix"] {
        let length = model.get(name).and_then(Value::as_str).map_or(0, str::len);
        if length > MAX_AFFIX {
            return Err(format!(
                "{name} has {length} bytes; at most {MAX_AFFIX} are read"
            ));
        }
    }
    let word = model
        .get("max_input_chars_per_word")
        .and_then(Value::as_u64);
    if word.is_some_and(|word| word > MAX_WORD) {
        return Err(format!("max_input_chars_per_word is over {MAX_WORD}"));
    }
    let lengths: Vec<usize> = match model.get("vocab") {
        Some(Value::Object(vocabulary)) => vocabulary.keys().map(String::len).collect(),
        Some(Value::Array(entries)) => {
            let token = |entry: &Value| entry.get(0).and_then(Value::as_str).map_or(0, str::len);
            entries.iter().map(token).collect()
        }
        _ => return Err("the model has no vocab".into()),
    };
    let bytes: usize = lengths.iter().sum();
    let longest = lengths.iter().max().copied();
    let most = match kind {
        "Unigram" => MAX_UNIGRAM,
        _ => MAX_VOCABULARY,
    };
    match longest {
        Some(longest) if longest > MAX_TOKEN => Err(format!(
            "a token has {longest} bytes; at most {MAX_TOKEN} are read"
        )),
        _ if bytes > most => Err(format!("tokens of {bytes} bytes; at most {most} are read")),
        _ => Ok(()),
    }
}
