//! Samples to tokens, and whether the tokens give the sample back.

mod cut;
mod pattern;
mod steps;
mod tokenizer;

use crate::{
    Fault, ModelError,
    chat::{ChatTemplate, counted_bytes},
    data::Sample,
};
use cut::{Part, fit};
use std::path::Path;
use tokenizer::Tokenizer;

/// Bytes of a text that are looked at for each token of the context. What lies behind is cut for
/// every model alike, so that the work on a text is bounded by the task.
const BYTES_PER_TOKEN: usize = 32;

/// What a sample is to a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Encoded {
    /// Nothing to predict, and no bytes.
    Empty,
    /// The tokens don't give the targets back: so many bytes count at the worst value.
    Lossy { bytes: u32 },
    /// Inputs and targets.
    Tokens(Sequence),
}

/// A sample in tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sequence {
    /// Inputs in order, the start token first. At most the context; the last target is no input.
    pub(crate) ids: Vec<u32>,
    /// Rows of `ids` whose output predicts, ascending, and the token predicted.
    pub(crate) targets: Vec<(u32, u32)>,
    /// UTF-8 bytes of the sample that the targets stand for.
    pub(crate) bytes: u32,
}

impl Sequence {
    /// Tokens that are all predicted, after `start`; their bytes are not known.
    pub(crate) fn of_text(start: u32, tokens: &[u32]) -> Self {
        let given = [start].into_iter().chain(tokens.iter().copied());
        Self {
            ids: given.take(tokens.len()).collect(),
            targets: (0..).zip(tokens.iter().copied()).collect(),
            bytes: 0,
        }
    }
}

/// Text of a sample before it is tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Only given to the model.
    Given(String),
    /// Predicted. The first so many bytes count; the others are what ends a turn.
    Target { text: String, counted: usize },
}

/// The tokens that a model puts around a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ends {
    /// Fed first.
    pub(crate) start: u32,
    /// Predicted after a completion.
    pub(crate) end: u32,
}

/// Makes tokens of samples for one model.
pub(crate) struct Encoder {
    tokenizer: Tokenizer,
    ends: Ends,
    template: Option<ChatTemplate>,
}

/// Text to predict, and the tokens that it came after when its own were found.
struct Target {
    head: Vec<u32>,
    text: String,
    /// Bytes of the text that are a space moved from what is given.
    space: usize,
    /// Bytes after the space that count.
    counted: usize,
    /// Tokens of the text, without an end token.
    tokens: usize,
}

impl Encoder {
    /// From the bytes of a `tokenizer.json`; every id but those of special added
    /// tokens must be below `vocabulary`.
    pub(crate) fn new(json: &[u8], vocabulary: usize, ends: Ends) -> Result<Self, ModelError> {
        Ok(Self {
            tokenizer: Tokenizer::new(json, vocabulary)?,
            ends,
            template: None,
        })
    }

    /// Reads the chat template of the model in `dir`, if the samples have a conversation.
    pub(crate) fn with_template(
        mut self,
        dir: &Path,
        samples: &[Sample],
    ) -> Result<Self, ModelError> {
        if samples.iter().any(|s| matches!(s, Sample::Conversation(_))) {
            self.template = Some(ChatTemplate::read(dir)?);
        }
        Ok(self)
    }

    /// Inputs and targets of a sample, at most `context` of either.
    ///
    /// What doesn't fit is taken from what is only given, oldest first; where the targets alone
    /// don't fit, from their end. So a tokenizer or a template that makes much of what is given
    /// can't rid itself of a target.
    pub(crate) fn encode(&self, sample: &Sample, context: usize) -> Result<Encoded, ModelError> {
        match sample {
            Sample::Text(text) => self.sequence(vec![target(text)], None, context),
            Sample::Completion { prompt, completion } => {
                let segments = vec![Segment::Given(prompt.clone()), target(completion)];
                self.sequence(segments, Some(self.ends.end), context)
            }
            Sample::Conversation(turns) => {
                let Some(template) = &self.template else {
                    let detail = "the data have conversations, but no chat template was read";
                    return Err(ModelError::new(Fault::Tokenizer, detail));
                };
                let bytes = counted_bytes(turns);
                if bytes == 0 {
                    return Ok(Encoded::Empty);
                }
                match template.segments(turns, &|text| self.tokenizer.added_at_start(text))? {
                    Some(segments) => self.sequence(segments, None, context),
                    None => Ok(Encoded::Lossy { bytes }),
                }
            }
        }
    }

    /// Tokens of a text for a classifier, with the special ones of the tokenizer's
    /// post-processor, at most `context`. Text is dropped at its end, special tokens never.
    pub(crate) fn encode_for_classification(
        &self,
        text: &str,
        context: usize,
    ) -> Result<Vec<u32>, ModelError> {
        let ids = self.tokenizer.encode(first(text, looked_at(context)))?;
        self.tokenizer.surround(&ids, context)
    }

    /// Tokens of segments, with `end` after each target.
    fn sequence(
        &self,
        segments: Vec<Segment>,
        end: Option<u32>,
        context: usize,
    ) -> Result<Encoded, ModelError> {
        let counted = segments.iter().map(|segment| match segment {
            Segment::Given(_) => 0,
            Segment::Target { counted, .. } => *counted,
        });
        let bytes = counted.sum::<usize>() as u32;
        if bytes == 0 || context == 0 {
            return Ok(Encoded::Empty);
        }
        let (mut parts, mut targets) = (Vec::new(), Vec::new());
        // What was given last, and a space at its end: it belongs to the word after it, as in the
        // tokens of a whole text.
        let (mut given, mut space) = (String::new(), "");
        for segment in segments {
            match segment {
                Segment::Given(text) => {
                    let text = last(&text, looked_at(context));
                    (given, space) = match text.strip_suffix(' ') {
                        Some(text) => (text.to_owned(), " "),
                        None => (text.to_owned(), ""),
                    };
                    parts.push(Part {
                        ids: self.tokenizer.encode(&given)?,
                        target: false,
                    });
                }
                Segment::Target { text, counted } => {
                    let text = first(&text, looked_at(context));
                    let text = format!("{space}{text}");
                    let counted = counted.min(text.len() - space.len());
                    let found = self.target(&given, text, space.len(), counted)?;
                    let Some((mut ids, target)) = found else {
                        return Ok(Encoded::Lossy { bytes });
                    };
                    ids.extend(end);
                    targets.push((parts.len(), target));
                    parts.push(Part { ids, target: true });
                    (given, space) = (String::new(), "");
                }
            }
        }
        self.fitted(parts, &targets, context)
    }

    /// The tokens that fit, and the bytes that they stand for.
    fn fitted(
        &self,
        parts: Vec<Part>,
        targets: &[(usize, Target)],
        context: usize,
    ) -> Result<Encoded, ModelError> {
        let ids: Vec<Vec<u32>> = targets
            .iter()
            .map(|(at, _)| parts[*at].ids.clone())
            .collect();
        let (mut sequence, kept) = fit(parts, self.ends.start, context);
        let mut bytes = 0;
        for ((at, target), ids) in targets.iter().zip(&ids) {
            bytes += match kept[*at] {
                kept if kept >= target.tokens => target.counted,
                kept => {
                    let shared = self.shared(target, &ids[..kept])?;
                    shared.saturating_sub(target.space).min(target.counted)
                }
            };
        }
        if sequence.targets.is_empty() {
            return Ok(Encoded::Empty);
        }
        sequence.bytes = bytes as u32;
        Ok(Encoded::Tokens(sequence))
    }

    /// Tokens of a text after what is given, or nothing if bytes that count are lost.
    ///
    /// They are those by which the tokens of both together go on after the tokens of what is
    /// given; where these aren't their beginning, those of the text alone. Either way the tokens
    /// of what is given don't depend on the text.
    fn target(
        &self,
        given: &str,
        text: String,
        space: usize,
        counted: usize,
    ) -> Result<Option<(Vec<u32>, Target)>, ModelError> {
        let mut target = Target {
            head: Vec::new(),
            text,
            space,
            counted,
            tokens: 0,
        };
        if !given.is_empty() {
            let head = self.tokenizer.encode(given)?;
            let both = self.tokenizer.encode(&format!("{given}{}", target.text))?;
            if let Some(ids) = both.strip_prefix(head.as_slice()) {
                target.head = head;
                if self.is_lossless(&target, ids)? {
                    target.tokens = ids.len();
                    return Ok(Some((ids.to_vec(), target)));
                }
                target.head.clear();
            }
        }
        let ids = self.tokenizer.encode(&target.text)?;
        target.tokens = ids.len();
        Ok(match self.is_lossless(&target, &ids)? {
            true => Some((ids, target)),
            false => None,
        })
    }

    /// Whether the tokens decode to all that counts.
    fn is_lossless(&self, target: &Target, ids: &[u32]) -> Result<bool, ModelError> {
        // One more than bytes for a space that is put before. Tokens that stand for no text would
        // fill the context, so that the rest of the text needn't be predicted.
        if ids.is_empty() || ids.len() > target.text.len() + 1 {
            return Ok(false);
        }
        Ok(self.shared(target, ids)? >= target.space + target.counted)
    }

    /// Bytes of a target's text that its tokens decode to; all of them only if nothing follows.
    ///
    /// Alone, the tokens may decode to one space more before the text, as tokenizers of the
    /// SentencePiece kind put it.
    fn shared(&self, target: &Target, ids: &[u32]) -> Result<usize, ModelError> {
        let text = target.text.as_str();
        let all = [target.head.as_slice(), ids].concat();
        let decoded = self.tokenizer.decode(&all)?;
        if target.head.is_empty() {
            let with_space = decoded
                .strip_prefix(' ')
                .map_or(0, |rest| common(rest, text));
            return Ok(common(&decoded, text).max(with_space));
        }
        let head = self.tokenizer.decode(&target.head)?;
        Ok(decoded
            .strip_prefix(&head)
            .map_or(0, |rest| common(rest, text)))
    }
}

/// A segment that counts as a whole.
fn target(text: &str) -> Segment {
    Segment::Target {
        text: text.to_owned(),
        counted: text.len(),
    }
}

/// Bytes that two texts begin with alike, up to a whole character.
fn common(decoded: &str, text: &str) -> usize {
    let pairs = decoded.char_indices().zip(text.chars());
    let end = pairs.take_while(|((_, a), b)| a == b).last();
    let common = end.map_or(0, |((at, c), _)| at + c.len_utf8());
    // Longer than the text: something was added, and all but a byte is right.
    match common == text.len() && decoded.len() > common {
        true => common.saturating_sub(1),
        false => common,
    }
}

fn looked_at(context: usize) -> usize {
    context.saturating_mul(BYTES_PER_TOKEN)
}

/// The first bytes of a text, up to a whole character.
fn first(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// The last bytes of a text, from a whole character.
fn last(text: &str, most: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(most))..]
}

#[cfg(test)]
mod tests;
