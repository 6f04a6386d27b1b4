//! Specs of the harness' tasks, in the JSON form that `arena propose` takes.

use crate::cli::{Arena, text};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// What a task is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Classifiers of digits.
    Digits,
    /// Language models.
    Language,
}

impl Kind {
    /// The evaluation data below `data`.
    pub fn eval_data(self, data: &Path) -> PathBuf {
        match self {
            Kind::Digits => data.join("digits/eval.jsonl"),
            Kind::Language => data.join("text/eval.jsonl"),
        }
    }

    /// Longest sample in tokens; 0 where there are none.
    pub fn context(self) -> u32 {
        match self {
            Kind::Digits => 0,
            Kind::Language => 128,
        }
    }

    fn template(self) -> &'static str {
        match self {
            Kind::Digits => "digits",
            Kind::Language => "language",
        }
    }
}

/// Reward parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// Ours: the defaults.
    Ours,
    /// The paper's, where it names them; `q`, `α` and `λ` are ours.
    Paper,
}

impl Preset {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Preset::Ours => "default preset",
            Preset::Paper => "the paper's preset",
        }
    }

    fn template(self) -> &'static str {
        match self {
            Preset::Ours => "default",
            Preset::Paper => "paper",
        }
    }
}

/// What differs between the harness' tasks.
#[derive(Clone, Debug)]
pub struct Spec {
    /// For people.
    pub name: String,
    /// What it is about.
    pub kind: Kind,
    /// How rewards are shared.
    pub preset: Preset,
    /// Submission rounds.
    pub rounds: u32,
    /// Samples per round; 0 takes all.
    pub samples: u32,
    /// Whether the data is sealed, a shard for each round.
    pub sealed: bool,
    /// Other fields than the template's, or with other values, by their JSON pointers.
    pub fields: Vec<(&'static str, Value)>,
}

impl Spec {
    /// The template of `arena`, with this task's own fields; data is sealed into `sealed`.
    fn json(&self, arena: &Arena, data: &Path, sealed: &Path) -> Result<Value> {
        let kind = self.kind.template();
        let template = format!(
            "spec template --preset {} --kind {kind}",
            self.preset.template()
        );
        let mut spec = arena.run(template)?;
        let file = std::path::absolute(self.kind.eval_data(data))?;
        set(&mut spec, "/name", json!(self.name))?;
        let data_of_spec = if self.sealed {
            let args = ["dataset", "seal", "--split"].map(OsStr::new);
            let rounds = self.rounds.to_string();
            let args = args.into_iter().chain([
                file.as_os_str(),
                OsStr::new("--rounds"),
                OsStr::new(&rounds),
                OsStr::new("--out"),
                sealed.as_os_str(),
            ]);
            let args = args.map(|arg| arg.to_string_lossy().into_owned()).collect();
            arena.run_args(args, Duration::from_secs(30))?;
            json!({"seal": sealed.join("seal.json"), "samples": self.samples})
        } else {
            let mirror = format!("file://{}", file.display());
            json!({"file": file, "uris": [mirror], "samples": self.samples})
        };
        set(&mut spec, "/data", data_of_spec)?;
        set(&mut spec, "/rounds", json!(self.rounds))?;
        // Nobody waits for cases, where a task's own fields don't say otherwise.
        set(&mut spec, "/challenge_days", json!(1))?;
        set(&mut spec, "/model/context", json!(self.kind.context()))?;
        if self.kind == Kind::Language {
            let tokenizer = data.join("text/tokenizer.json");
            let hash = arena.run_args(
                ["dataset", "hash", &tokenizer.display().to_string()]
                    .map(Into::into)
                    .into(),
                Duration::from_secs(30),
            )?;
            let model = spec.get_mut("model").context("a template without model")?;
            model["tokenizer"] = json!(text(&hash, "blake3")?);
        }
        for (pointer, value) in &self.fields {
            put(&mut spec, pointer, value.clone())?;
        }
        Ok(spec)
    }

    /// Where [`Spec::write`] seals the data of the spec at `path`.
    pub fn sealed_dir(path: &Path) -> PathBuf {
        path.with_extension("sealed")
    }

    /// Writes the spec for `arena propose --spec`.
    pub fn write(&self, arena: &Arena, data: &Path, path: &Path) -> Result<()> {
        let json = self.json(arena, data, &Self::sealed_dir(path))?;
        let json = serde_json::to_vec_pretty(&json)?;
        fs::write(path, json).with_context(|| format!("can't write {}", path.display()))
    }
}

fn set(spec: &mut Value, pointer: &str, value: Value) -> Result<()> {
    let field = spec.pointer_mut(pointer);
    *field.with_context(|| format!("the template has no {pointer}"))? = value;
    Ok(())
}

/// As [`set`], also where the template leaves the field out.
fn put(spec: &mut Value, pointer: &str, value: Value) -> Result<()> {
    let (parent, name) = pointer.rsplit_once('/').context("a pointer without /")?;
    let parent = spec.pointer_mut(parent).and_then(Value::as_object_mut);
    let parent = parent.with_context(|| format!("the template has no place for {pointer}"))?;
    parent.insert(name.into(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn put_should_replace_and_add_fields_of_objects_that_are_there() {
        let mut spec = json!({"rounds": 3, "model": {}});
        put(&mut spec, "/rounds", json!(2)).unwrap();
        put(&mut spec, "/model/base", json!("x")).unwrap();
        assert_eq!(spec, json!({"rounds": 2, "model": {"base": "x"}}));
        assert!(put(&mut spec, "/data/uris", json!([])).is_err());
    }
}
