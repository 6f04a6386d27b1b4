//! What `arena report` writes, as far as the demo reads it.

use anyhow::{Context, Result};
use serde::Deserialize;

/// The report.
#[derive(Clone, Debug, Deserialize)]
pub struct Report {
    /// The tasks.
    pub tasks: Vec<Task>,
    /// The sums.
    pub conservation: Conservation,
}

/// One task.
#[derive(Clone, Debug, Deserialize)]
pub struct Task {
    /// Its number.
    pub id: u32,
    /// For people.
    pub name: String,
    /// Where it stands.
    pub state: String,
    /// One line per model and round.
    pub models: Vec<Model>,
    /// One line per validator.
    pub validators: Vec<Validator>,
    /// One line per delegation.
    pub delegators: Vec<Delegator>,
}

/// A model in a round.
#[derive(Clone, Debug, Deserialize)]
pub struct Model {
    /// Whose.
    pub trainer: String,
    /// Which round.
    pub round: u32,
    /// `Scored`, `Invalid` or `Skipped`.
    pub status: String,
    /// Why it has no score.
    pub reason: Option<String>,
    /// In the metric's unit.
    pub raw: Option<u64>,
    /// In Perbill.
    pub score: Option<u32>,
    /// 1 is the best.
    pub rank: Option<u32>,
    /// In base units.
    pub reward: String,
}

/// A validator in a task.
#[derive(Clone, Debug, Deserialize)]
pub struct Validator {
    /// Who.
    pub account: String,
    /// Mean distance from consensus in Perbill.
    pub distance: Option<u32>,
    /// In base units.
    pub reward: String,
}

/// A delegator in a task.
#[derive(Clone, Debug, Deserialize)]
pub struct Delegator {
    /// Who.
    pub account: String,
    /// In base units.
    pub stake: String,
    /// In base units.
    pub reward: String,
}

/// Sums in base units.
#[derive(Clone, Debug, Deserialize)]
pub struct Conservation {
    /// All that was made.
    pub minted: String,
    /// What went to trainers, validators and delegators.
    pub rewards: String,
    /// What went to authors of blocks.
    pub authors: String,
    /// What went to the treasury.
    pub treasury: String,
    /// What no payee got.
    pub dust: String,
    /// What was destroyed.
    pub burned: String,
    /// Issuance at genesis.
    pub issuance_before: String,
    /// Issuance now.
    pub issuance_after: String,
}

/// An amount in base units.
pub fn amount(text: &str) -> Result<u128> {
    text.parse()
        .with_context(|| format!("{text:?} is no amount"))
}

/// An amount in tokens, for people: rounded down to a millionth.
pub fn tokens(text: &str) -> String {
    let Ok(amount) = text.parse::<u128>() else {
        return text.into();
    };
    let millionths = amount / 1_000_000;
    format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000)
}

#[cfg(test)]
mod tests {
    #[test]
    fn tokens_should_show_six_decimals_and_leave_other_texts() {
        assert_eq!(super::tokens("1500000000000"), "1.500000");
        assert_eq!(super::tokens("999999"), "0.000000");
        assert_eq!(super::tokens("?"), "?");
    }
}
