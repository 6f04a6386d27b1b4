//! Evaluation and training data.

mod plain;
mod rows;

use crate::{Fault, ModelError};
pub(crate) use rows::Rows;
use serde::{Deserialize, de::IgnoredAny};
use std::{collections::BTreeMap, fs, path::Path};

/// One sample of a language model's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Sample {
    /// Every token counts.
    Text(String),
    /// The completion's tokens count.
    Completion { prompt: String, completion: String },
    /// The tokens of the assistant's turns count.
    Conversation(Vec<Turn>),
}

/// One message of a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "TurnFields")]
pub(crate) struct Turn {
    /// One of [`ROLES`].
    pub(crate) role: String,
    pub(crate) content: String,
}

/// Role whose turns a model is scored on.
pub(crate) const ASSISTANT: &str = "assistant";
/// Roles that a turn may have.
pub(crate) const ROLES: [&str; 3] = ["system", "user", ASSISTANT];

/// One sample of a text classifier's data.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Labelled {
    pub(crate) text: String,
    pub(crate) label: u32,
}

/// The other fields are there so that a list is no turn: a struct alone is read from one too.
#[derive(Deserialize)]
struct TurnFields {
    role: String,
    content: String,
    #[serde(flatten)]
    _others: BTreeMap<String, IgnoredAny>,
}

impl From<TurnFields> for Turn {
    fn from(fields: TurnFields) -> Self {
        Self {
            role: fields.role,
            content: fields.content,
        }
    }
}

#[derive(Deserialize)]
struct SampleLine {
    text: Option<String>,
    prompt: Option<String>,
    completion: Option<String>,
    conversations: Option<Vec<Turn>>,
}

fn refuse(path: &Path, detail: impl std::fmt::Display) -> ModelError {
    ModelError::new(Fault::Data, format!("{}: {detail}", path.display()))
}

fn read(path: &Path) -> Result<Vec<u8>, ModelError> {
    fs::read(path).map_err(|e| ModelError::io(path, &e))
}

/// The objects of a JSONL file, without the byte order mark that some editors put first.
fn lines<T: for<'a> Deserialize<'a>>(path: &Path, bytes: &[u8]) -> Result<Vec<T>, ModelError> {
    lines_by(path, bytes, |line| serde_json::from_str(line))
}

/// The same, each line read by `parse`.
fn lines_by<T>(
    path: &Path,
    bytes: &[u8],
    mut parse: impl FnMut(&str) -> serde_json::Result<T>,
) -> Result<Vec<T>, ModelError> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let before = bytes.get(..e.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        refuse(path, format!("line {line}: not UTF-8"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let parsed: Vec<T> = text
        .lines()
        .enumerate()
        .map(|(i, line)| {
            // A list would be read as the fields in their order.
            if line.trim_start().starts_with('[') {
                return Err(refuse(
                    path,
                    format!("line {}: is a list, no object", i + 1),
                ));
            }
            parse(line).map_err(|e| {
                // The parser sees one line only, and counts it as the first.
                let what = e.to_string().replace(" at line 1 column ", " at column ");
                refuse(path, format!("line {}: {what}", i + 1))
            })
        })
        .collect::<Result<_, _>>()?;
    check_count(path, parsed.len())?;
    Ok(parsed)
}

fn check_count(path: &Path, count: usize) -> Result<(), ModelError> {
    if count == 0 || u32::try_from(count).is_err() {
        return Err(refuse(
            path,
            format!("{count} samples; there must be 1 to 2³² − 1"),
        ));
    }
    Ok(())
}

impl SampleLine {
    /// The one kind of sample that the line has the fields of.
    fn sample(self) -> Result<Sample, String> {
        let sample = match (self.text, self.prompt, self.completion, self.conversations) {
            (Some(text), None, None, None) => Sample::Text(text),
            (None, Some(prompt), Some(completion), None) => {
                Sample::Completion { prompt, completion }
            }
            (None, None, None, Some(turns)) => Sample::Conversation(turns),
            (None, Some(_), None, None) => return Err("has a prompt and no completion".into()),
            (None, None, Some(_), None) => return Err("has a completion and no prompt".into()),
            (None, None, None, None) => {
                return Err("has no text, no prompt and completion, and no conversations".into());
            }
            _ => {
                return Err(
                    "must be only one of text, prompt and completion, and conversations".into(),
                );
            }
        };
        sample.check()?;
        Ok(sample)
    }
}

impl Sample {
    fn check(&self) -> Result<(), String> {
        let size = match self {
            Self::Text(text) => text.len(),
            Self::Completion { prompt, completion } => {
                prompt.len().saturating_add(completion.len())
            }
            Self::Conversation(turns) => {
                if let Some(turn) = turns.iter().find(|t| !ROLES.contains(&t.role.as_str())) {
                    return Err(format!(
                        "role {:?} is none of {}",
                        turn.role,
                        ROLES.join(", ")
                    ));
                }
                turns.iter().map(|t| t.content.len()).sum()
            }
        };
        match u32::try_from(size) {
            Ok(_) => Ok(()),
            Err(_) => Err("has 4 GiB of text or more".into()),
        }
    }
}

/// The samples of a JSONL file; each line may be of any kind, other fields are ignored.
pub(crate) fn read_samples(path: &Path) -> Result<Vec<Sample>, ModelError> {
    let parsed: Vec<SampleLine> = lines(path, &read(path)?)?;
    parsed
        .into_iter()
        .enumerate()
        .map(|(i, line)| {
            line.sample()
                .map_err(|e| refuse(path, format!("line {}: {e}", i + 1)))
        })
        .collect()
}

/// The texts of a JSONL file of `{"text"}`, for training.
pub(crate) fn read_texts(path: &Path) -> Result<Vec<String>, ModelError> {
    read_samples(path)?
        .into_iter()
        .enumerate()
        .map(|(i, sample)| match sample {
            Sample::Text(text) => Ok(text),
            _ => Err(refuse(
                path,
                format!("line {}: training takes lines of text only", i + 1),
            )),
        })
        .collect()
}

/// The samples of a JSONL file of `{"text","label"}`; other fields are ignored.
pub(crate) fn read_labelled(path: &Path) -> Result<Vec<Labelled>, ModelError> {
    let parsed: Vec<Labelled> = lines(path, &read(path)?)?;
    match parsed
        .iter()
        .position(|l| u32::try_from(l.text.len()).is_err())
    {
        Some(i) => Err(refuse(
            path,
            format!("line {}: has 4 GiB of text or more", i + 1),
        )),
        None => Ok(parsed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn turn(role: &str, content: &str) -> Turn {
        Turn {
            role: role.into(),
            content: content.into(),
        }
    }

    #[test]
    fn read_samples_should_take_each_kind_and_ignore_other_fields() {
        let lines = concat!(
            "\u{feff}{\"text\":\"a\",\"id\":1,\"id\":2}\r\n",
            "{\"prompt\":\"p\",\"completion\":\"\\ud83d\\ude00\",\"meta\":{\"x\":[]}}\r\n",
            "{\"text\":null,\"conversations\":[{\"role\":\"user\",\"content\":\"q\",\"from\":0},",
            "{\"role\":\"assistant\",\"content\":\"\"}]}\n",
            "{\"conversations\":[]}"
        );
        let samples = read_samples(file(lines.as_bytes()).path()).unwrap();
        let completion = Sample::Completion {
            prompt: "p".into(),
            completion: "😀".into(),
        };
        let turns = vec![turn("user", "q"), turn("assistant", "")];
        assert_eq!(
            samples,
            [
                Sample::Text("a".into()),
                completion,
                Sample::Conversation(turns),
                Sample::Conversation(vec![]),
            ]
        );
    }

    #[test]
    fn read_samples_should_name_the_line_that_is_malformed() {
        let cases: [(&[u8], &str); 19] = [
            (b"", "0 samples"),
            (b"{\"text\":\"a\"}\n\n", "line 2: EOF"),
            (b"{\"text\":\"a\"}\n{\"txt\":\"b\"}", "line 2: has no text"),
            (b"{\"text\":\"a\"}\n\xff", "line 2: not UTF-8"),
            (
                b"{\"text\":\"a\",\"text\":\"b\"}",
                "line 1: duplicate field",
            ),
            (b"{\"text\":7}", "line 1: invalid type"),
            (b"{\"text\":\"\\ud800\"}", "line 1: "),
            (b" [\"text\"]", "line 1: is a list"),
            (b"\"text\"", "line 1: invalid type"),
            (
                b"{\"conversations\":[[\"user\",\"a\"]]}",
                "line 1: invalid type",
            ),
            (b"{\"text\":\"a\"} {\"text\":\"b\"}", "line 1: trailing"),
            (b"{\"prompt\":\"a\"}", "no completion"),
            (b"{\"completion\":\"a\"}", "no prompt"),
            (b"{\"text\":\"a\",\"prompt\":\"a\"}", "only one of"),
            (b"{\"text\":\"a\",\"conversations\":[]}", "only one of"),
            (
                b"{\"conversations\":[{\"role\":\"Assistant\",\"content\":\"\"}]}",
                "line 1: role \"Assistant\"",
            ),
            (
                b"{\"conversations\":[{\"role\":\"user\"}]}",
                "`content` at column",
            ),
            (
                b"{\"conversations\":[{\"role\":\"user\",\"content\":null}]}",
                "line 1: invalid type",
            ),
            (b"\xef\xbb\xbf\xef\xbb\xbf{\"text\":\"a\"}", "line 1: "),
        ];
        for (bytes, expected) in cases {
            let error = read_samples(file(bytes).path()).unwrap_err();
            assert_eq!(error.fault, Fault::Data);
            assert!(error.detail.contains(expected), "{error}, not {expected}");
        }
        // Nested without end, in a field that is ignored.
        let deep = format!("{{\"text\":\"a\",\"x\":{}", "[".repeat(100_000));
        let error = read_samples(file(deep.as_bytes()).path()).unwrap_err();
        assert!(error.detail.contains("line 1: EOF"), "{error}");
    }

    #[test]
    fn read_labelled_should_name_the_line_that_is_malformed() {
        let good = file(b"{\"text\":\"a\",\"label\":1}\n{\"label\":0,\"text\":\"\"}\n");
        let read = read_labelled(good.path()).unwrap();
        assert_eq!((read[0].label, read[1].text.as_str()), (1, ""));
        for bytes in [
            "{\"text\":\"a\",\"label\":-1}",
            "{\"text\":\"a\",\"label\":1.5}",
            "{\"text\":\"a\",\"label\":4294967296}",
            "{\"text\":\"a\"}",
            "{\"label\":1}",
        ] {
            let bytes = format!("{{\"text\":\"a\",\"label\":1}}\n{bytes}");
            let error = read_labelled(file(bytes.as_bytes()).path()).unwrap_err();
            assert_eq!(error.fault, Fault::Data);
            assert!(error.detail.contains("line 2"), "{error}");
        }
    }

    #[test]
    fn read_texts_should_refuse_other_kinds() {
        let data = file(b"{\"text\":\"a\"}\n{\"prompt\":\"a\",\"completion\":\"b\"}");
        let error = read_texts(data.path()).unwrap_err();
        assert!(error.detail.contains("line 2"), "{error}");
    }
}
