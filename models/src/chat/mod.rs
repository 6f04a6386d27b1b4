//! Conversations in the words of a model's own chat template.
//!
//! A template is the trainer's, so a score must not be buyable with it. Of each conversation two
//! renderings are made: one of the contents, and one with a mark in the place of each content.
//! The second is a frame that can't depend on what is said. The first must be that frame with the
//! contents in the places of their marks, each assistant's content exactly once and after
//! everything that was said before it, and nothing of what was said after it. Then all that is
//! given before a turn is known without it, and the turn is predicted as it is.

mod json;
mod render;

use crate::{
    Fault, ModelError,
    data::{ASSISTANT, Turn},
    text::Segment,
};
use render::Renderer;
use serde::Deserialize;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    path::Path,
    thread::{self, Builder},
};

const CONFIG: &str = "tokenizer_config.json";
const TEMPLATE: &str = "chat_template.jinja";
/// Longest `tokenizer_config.json`, in bytes.
const MAX_CONFIG: u64 = 1 << 24;
/// Longest template, in bytes.
const MAX_TEMPLATE: u64 = 1 << 17;
/// Stack of a rendering, in bytes.
const STACK: usize = 1 << 27;

fn refuse(detail: impl std::fmt::Display) -> ModelError {
    ModelError::new(Fault::Tokenizer, detail.to_string())
}

/// Bytes of a conversation that count: of the assistant's contents, with no white space around.
pub(crate) fn counted_bytes(turns: &[Turn]) -> u32 {
    let assistant = turns.iter().filter(|t| t.role == ASSISTANT);
    assistant.map(|t| t.content.trim().len()).sum::<usize>() as u32
}

/// The chat template of a model.
pub(crate) struct ChatTemplate {
    renderer: Renderer,
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    chat_template: Option<Templates>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Templates {
    One(String),
    Named(Vec<Named>),
}

#[derive(Deserialize)]
struct Named {
    name: String,
    template: String,
}

/// The file, or nothing if there is none.
fn read(dir: &Path, name: &str, most: u64) -> Result<Option<String>, ModelError> {
    let path = dir.join(name);
    let length = match fs::metadata(&path) {
        Ok(meta) if meta.is_file() => meta.len(),
        Ok(_) => return Err(refuse(format!("{name} is no file"))),
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(ModelError::io(&path, &e)),
    };
    if length > most {
        return Err(refuse(format!(
            "{name} has {length} bytes, at most {most} are read"
        )));
    }
    let bytes = fs::read(&path).map_err(|e| ModelError::io(&path, &e))?;
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| refuse(format!("{name} is not UTF-8")))
}

impl TokenizerConfig {
    fn template(&mut self) -> Result<String, ModelError> {
        match self.chat_template.take() {
            Some(Templates::One(template)) => Ok(template),
            Some(Templates::Named(templates)) => templates
                .into_iter()
                .find(|t| t.name == "default")
                .map(|t| t.template)
                .ok_or_else(|| refuse(format!("{CONFIG}: no chat_template is named default"))),
            None => Err(refuse(format!(
                "the data have conversations; add a {TEMPLATE}, or a chat_template in {CONFIG}"
            ))),
        }
    }

    /// `bos_token` and the like: strings, or objects with a `content`.
    fn special_tokens(self) -> BTreeMap<String, String> {
        let named = self
            .others
            .into_iter()
            .filter(|(name, _)| name.ends_with("_token"));
        let text = |value: Value| match value {
            Value::String(text) => Some(text),
            Value::Object(mut fields) => match fields.remove("content") {
                Some(Value::String(text)) => Some(text),
                _ => None,
            },
            _ => None,
        };
        named
            .filter_map(|(name, value)| Some((name, text(value)?)))
            .collect()
    }
}

/// A piece of a frame.
enum Piece<'a> {
    /// Text of the template.
    Literal(&'a str),
    /// The content of a turn.
    Content(usize),
}

impl ChatTemplate {
    /// From `chat_template.jinja`, else from `tokenizer_config.json`, of the model in `dir`.
    pub(crate) fn read(dir: &Path) -> Result<Self, ModelError> {
        let mut config = match read(dir, CONFIG, MAX_CONFIG)? {
            Some(json) => {
                serde_json::from_str(&json).map_err(|e| refuse(format!("{CONFIG}: {e}")))?
            }
            None => TokenizerConfig::default(),
        };
        let template = match read(dir, TEMPLATE, MAX_TEMPLATE)? {
            Some(template) => template,
            None => config.template()?,
        };
        if template.len() as u64 > MAX_TEMPLATE {
            return Err(refuse(format!(
                "{CONFIG}: chat_template has {} bytes, at most {MAX_TEMPLATE} are read",
                template.len()
            )));
        }
        Self::new(&template, config.special_tokens())
    }

    /// From the template's own text and the special tokens by their names.
    pub(crate) fn new(
        template: &str,
        special_tokens: BTreeMap<String, String>,
    ) -> Result<Self, ModelError> {
        let renderer = Renderer::new(template, special_tokens)?;
        Ok(Self { renderer })
    }

    /// Renderings of two conversations, on a stack that a value nested as deep as the fuel allows
    /// can be dropped on.
    fn both(
        &self,
        marked: &[Turn],
        turns: &[Turn],
    ) -> Result<(Option<String>, Option<String>), ModelError> {
        let render = || Ok((self.renderer.render(marked)?, self.renderer.render(turns)?));
        thread::scope(|scope| {
            let spawned = Builder::new().stack_size(STACK).spawn_scoped(scope, render);
            let thread = spawned.map_err(|e| {
                ModelError::new(
                    Fault::Memory,
                    format!("no thread for the chat template: {e}"),
                )
            })?;
            let panicked = |_| refuse("the chat template makes its engine panic");
            thread.join().map_err(panicked)?
        })
    }

    /// Text of a conversation: what is only given, and the assistant's contents, each with the
    /// added token that ends it (`end` tells how long one is that a text begins with). Nothing if
    /// the template doesn't give the contents as they are: see the module.
    ///
    /// Contents have no white space around, as most templates would have it.
    pub(crate) fn segments(
        &self,
        turns: &[Turn],
        end: &dyn Fn(&str) -> Option<usize>,
    ) -> Result<Option<Vec<Segment>>, ModelError> {
        let turns: Vec<Turn> = turns
            .iter()
            .map(|turn| Turn {
                role: turn.role.clone(),
                content: turn.content.trim().to_owned(),
            })
            .collect();
        let marked: Vec<Turn> = turns
            .iter()
            .enumerate()
            .map(|(i, turn)| Turn {
                role: turn.role.clone(),
                // An empty content stays, as templates leave such a turn out.
                content: match turn.content.is_empty() {
                    true => String::new(),
                    false => mark(i),
                },
            })
            .collect();
        let (Some(frame), Some(text)) = self.both(&marked, &turns)? else {
            return Ok(None);
        };
        let pieces = pieces(&frame, turns.len());
        match is_in_order(&pieces, &turns) && text == filled(&pieces, &turns) {
            true => Ok(Some(segments(&pieces, &turns, end))),
            false => Ok(None),
        }
    }
}

/// What stands for the content of a turn. No template writes it by itself.
fn mark(turn: usize) -> String {
    format!("{MARK}{turn}z")
}

const MARK: &str = "qz7Vw3kX";

/// A frame cut at its marks.
fn pieces(frame: &str, turns: usize) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut literal, mut at) = (0, 0);
    while let Some(found) = frame[at..].find(MARK) {
        let start = at + found;
        at = start + MARK.len();
        let digits = frame[at..]
            .find('z')
            .and_then(|end| frame.get(at..at + end));
        if let Some(digits) = digits
            && let Ok(turn) = digits.parse::<usize>()
            && turn < turns
            && mark(turn).len() == MARK.len() + digits.len() + 1
        {
            pieces.push(Piece::Literal(&frame[literal..start]));
            pieces.push(Piece::Content(turn));
            at += digits.len() + 1;
            literal = at;
        }
    }
    pieces.push(Piece::Literal(&frame[literal..]));
    pieces
}

/// Whether each of the assistant's contents is there once, and before it none of a later turn.
fn is_in_order(pieces: &[Piece<'_>], turns: &[Turn]) -> bool {
    let mut latest = None;
    let mut seen = vec![false; turns.len()];
    for piece in pieces {
        let Piece::Content(turn) = piece else {
            continue;
        };
        if turns[*turn].role == ASSISTANT && (seen[*turn] || latest > Some(*turn)) {
            return false;
        }
        seen[*turn] = true;
        latest = latest.max(Some(*turn));
    }
    let counts = |turn: &Turn| turn.role == ASSISTANT && !turn.content.is_empty();
    turns
        .iter()
        .zip(seen)
        .all(|(turn, seen)| seen || !counts(turn))
}

/// A frame with contents in the places of their marks.
fn filled(pieces: &[Piece<'_>], turns: &[Turn]) -> String {
    let text = pieces.iter().map(|piece| match piece {
        Piece::Literal(text) => text,
        Piece::Content(turn) => turns[*turn].content.as_str(),
    });
    text.collect()
}

fn segments(
    pieces: &[Piece<'_>],
    turns: &[Turn],
    end: &dyn Fn(&str) -> Option<usize>,
) -> Vec<Segment> {
    let mut segments = Vec::new();
    let mut given = String::new();
    let mut rest = pieces.iter().peekable();
    while let Some(piece) = rest.next() {
        match piece {
            Piece::Literal(text) => given.push_str(text),
            Piece::Content(turn) if turns[*turn].role != ASSISTANT => {
                given.push_str(&turns[*turn].content);
            }
            Piece::Content(turn) => {
                segments.push(Segment::Given(std::mem::take(&mut given)));
                let mut text = turns[*turn].content.clone();
                let counted = text.len();
                if let Some(Piece::Literal(after)) =
                    rest.next_if(|p| matches!(p, Piece::Literal(_)))
                {
                    let ending = ending(after, end);
                    text.push_str(&after[..ending]);
                    given.push_str(&after[ending..]);
                }
                segments.push(Segment::Target { text, counted });
            }
        }
    }
    segments
}

/// Bytes of what ends a turn: an added token, perhaps after white space.
fn ending(after: &str, end: &dyn Fn(&str) -> Option<usize>) -> usize {
    let token = after.trim_start();
    let space = after.len() - token.len();
    end(after)
        .or_else(|| Some(space + end(token)?))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests;
