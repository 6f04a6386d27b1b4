//! The command line `arena`, as people use it.

use crate::{poll, process::Process};
use anyhow::{Context, Result, anyhow};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

/// Longest time that a command may take unless it says another one.
const WITHIN: Duration = Duration::from_secs(90);
/// Commands at a time in a batch.
const WIDTH: usize = 8;

/// The program, with the node that it speaks to.
#[derive(Debug)]
pub struct Arena {
    program: PathBuf,
    url: String,
    logs: PathBuf,
    count: AtomicU32,
}

/// What one account does.
#[derive(Clone, Debug)]
pub struct Action {
    /// Secret URI of who signs.
    pub signer: String,
    /// Arguments but for the signer.
    pub args: Vec<String>,
}

impl Action {
    /// `args --suri signer`, the arguments separated by blanks.
    pub fn new(signer: &str, args: impl AsRef<str>) -> Self {
        let args = args.as_ref().split_whitespace().map(Into::into).collect();
        Self {
            signer: signer.into(),
            args,
        }
    }
}

impl Arena {
    /// Commands go to the node at `url`, their logs into `logs`.
    pub fn new(program: &Path, url: &str, logs: &Path) -> Self {
        Self {
            program: program.into(),
            url: url.into(),
            logs: logs.into(),
            count: AtomicU32::new(0),
        }
    }

    fn command(&self, args: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(["--url", &self.url, "--json"])
            .args(args)
            .env_remove("ARENA_URL");
        command
    }

    fn log(&self, args: &[String]) -> PathBuf {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let words: Vec<_> = args
            .iter()
            .take(2)
            .filter(|arg| !arg.starts_with('-'))
            .collect();
        let name: String = words.iter().flat_map(|word| ["-", word.as_str()]).collect();
        let name: String = name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect();
        self.logs.join(format!("arena-{number:04}{name}.log"))
    }

    /// Runs a command, its arguments separated by blanks, and reads what it prints.
    pub fn run(&self, args: impl AsRef<str>) -> Result<Value> {
        self.run_args(
            args.as_ref().split_whitespace().map(Into::into).collect(),
            WITHIN,
        )
    }

    /// As [`Arena::run`], with arguments that may contain blanks.
    pub fn run_args(&self, args: Vec<String>, within: Duration) -> Result<Value> {
        let log = self.log(&args);
        let out = log.with_extension("json");
        let shown = format!("arena {}", args.join(" "));
        Process::spawn_with_output(&shown, &mut self.command(&args), &log, &out)?
            .succeed(within)?;
        let text = fs::read_to_string(&out)?;
        serde_json::from_str(text.trim())
            .with_context(|| format!("{shown} printed no JSON: {}", text.trim()))
    }

    /// Starts a command that goes on by itself.
    pub fn background(&self, args: Vec<String>) -> Result<Process> {
        let log = self.log(&args);
        Process::spawn(
            &format!("arena {}", args.join(" ")),
            &mut self.command(&args),
            &log,
        )
    }

    /// Does what accounts do: those of one account one after the other, as its transactions
    /// are counted, those of several side by side. The answers come in the actions' order.
    pub fn batch(&self, actions: Vec<Action>) -> Result<Vec<Value>> {
        let mut by_signer: BTreeMap<String, Vec<(usize, Action)>> = BTreeMap::new();
        for (index, action) in actions.into_iter().enumerate() {
            by_signer
                .entry(action.signer.clone())
                .or_default()
                .push((index, action));
        }
        let done = poll::side_by_side(WIDTH, by_signer.into_values().collect(), |actions| {
            let each = actions.into_iter().map(|(index, action)| {
                let mut args = action.args;
                args.extend(["--suri".into(), action.signer]);
                Ok((index, self.run_args(args, WITHIN)?))
            });
            each.collect::<Result<Vec<_>>>()
        })?;
        let mut answers: Vec<_> = done.into_iter().flatten().collect();
        answers.sort_by_key(|(index, _)| *index);
        Ok(answers.into_iter().map(|(_, answer)| answer).collect())
    }

    /// The address of an account.
    pub fn address(&self, suri: &str) -> Result<String> {
        let answer = self.run(format!("key inspect --suri {suri}"))?;
        text(&answer, "address")
    }
}

/// A text in an answer.
pub fn text(answer: &Value, name: &str) -> Result<String> {
    let found = answer.get(name).and_then(Value::as_str);
    found
        .map(Into::into)
        .ok_or_else(|| anyhow!("no {name} in {answer}"))
}

/// A number in an answer.
pub fn number(answer: &Value, name: &str) -> Result<u32> {
    let found = answer
        .get(name)
        .and_then(Value::as_u64)
        .and_then(|n| u32::try_from(n).ok());
    found.ok_or_else(|| anyhow!("no {name} in {answer}"))
}
