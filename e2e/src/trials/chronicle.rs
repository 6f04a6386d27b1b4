//! What the chain's events tell of cases.

use crate::cli::{Arena, number};
use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

const PALLET: &str = "ArenaChallenges";

/// An event of challenges.
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    /// The block that has it.
    pub block: u32,
    /// Its name.
    pub event: String,
    /// What it says: numbers as decimal strings, accounts as hex digits.
    pub fields: Value,
}

impl Event {
    /// A text of it.
    pub fn text(&self, name: &str) -> Result<&str> {
        let found = self.fields.get(name).and_then(Value::as_str);
        found.with_context(|| format!("no {name} in {}: {}", self.event, self.fields))
    }

    /// An amount of it, in base units.
    pub fn amount(&self, name: &str) -> Result<u128> {
        let text = self.text(name)?;
        text.parse()
            .with_context(|| format!("{text:?} is no number"))
    }

    /// The case that it is about.
    pub fn case(&self) -> Option<u32> {
        self.text("case").ok()?.parse().ok()
    }

    /// Accounts of it.
    pub fn accounts(&self, name: &str) -> Vec<String> {
        match self.fields.get(name) {
            Some(Value::Array(list)) => list
                .iter()
                .filter_map(|account| Some(account.as_str()?.to_owned()))
                .collect(),
            // A list of one.
            Some(Value::String(account)) => vec![account.clone()],
            _ => Vec::new(),
        }
    }
}

/// Events from some block on, read bit by bit.
#[derive(Debug)]
pub struct Chronicle<'a> {
    arena: &'a Arena,
    next: u32,
    /// All so far, in the order of the chain.
    pub events: Vec<Event>,
}

impl<'a> Chronicle<'a> {
    /// From this block on.
    pub fn new(arena: &'a Arena, from: u32) -> Self {
        Self {
            arena,
            next: from,
            events: Vec::new(),
        }
    }

    /// Reads on to the best block; returns the new events.
    pub fn update(&mut self) -> Result<&[Event]> {
        let args = format!("events --pallet {PALLET} --from {}", self.next);
        let found = self.arena.run(args)?;
        let known = self.events.len();
        let events = found.get("events").context("no events in the answer")?;
        let events: Vec<Event> = serde_json::from_value(events.clone())?;
        self.events.extend(events);
        self.next = self.next.max(number(&found, "to")?.saturating_add(1));
        Ok(self.events.get(known..).unwrap_or_default())
    }

    /// Those of a case with this name.
    pub fn of_case<'e>(&'e self, case: u32, name: &'e str) -> impl Iterator<Item = &'e Event> {
        let is_meant = move |event: &&Event| event.case() == Some(case) && event.event == name;
        self.events.iter().filter(is_meant)
    }
}
