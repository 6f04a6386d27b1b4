//! The attacks that a file can name.

use anyhow::{Result, ensure};
use serde::Deserialize;

/// Attackers. `stake` is their part of all validators' stake (of all trainers' stake for
/// `split_trainer`), `accounts` how many validators they are. Where they have a trainer beside
/// them, it has the same part of all trainers' stake, and its models begin at
/// `models.theirs`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Attack {
    /// None: honest play with other draws. What the other rows must be held against.
    Redraw {
        /// Part of validators' stake.
        stake: f64,
        /// Accounts.
        accounts: u32,
    },
    /// Validators that report what the chain said of the trainer's last round.
    Copier {
        /// Part of validators' stake.
        stake: f64,
        /// Accounts.
        accounts: u32,
    },
    /// Validators that report one accuracy for all.
    Constant {
        /// Part of validators' stake.
        stake: f64,
        /// Accuracy.
        score: f64,
    },
    /// Validators that report their own trainer's model better, and those just ahead of it worse.
    Liars {
        /// Part of validators' stake.
        stake: f64,
        /// Accounts of the attack.
        accounts: u32,
        /// Accounts of honest play.
        honest_accounts: u32,
        /// By so much accuracy.
        lie: f64,
    },
    /// One validator in many accounts.
    SplitValidator {
        /// Part of validators' stake.
        stake: f64,
        /// Accounts.
        into: u32,
    },
    /// Validators of one operator in one account.
    Merge {
        /// Part of validators' stake.
        stake: f64,
        /// Accounts of honest play.
        from: u32,
    },
    /// One trainer in many accounts, with near copies of its model.
    SplitTrainer {
        /// Part of trainers' stake.
        stake: f64,
        /// Accounts.
        into: u32,
        /// Accuracy of its first model.
        start: f64,
        /// How much worse each copy is than the one before it.
        blemish: f64,
    },
    /// One validator in many accounts where seats are full.
    Seats {
        /// Part of validators' stake, before anybody is displaced.
        stake: f64,
        /// Accounts.
        into: u32,
    },
    /// A trainer that serves its model to its own validators alone, which report it better.
    Selective {
        /// Part of validators' stake.
        stake: f64,
        /// Accounts.
        accounts: u32,
        /// By so much accuracy.
        lie: f64,
    },
    /// A validator that has stake in the task only when a round is counted, as often as unbonding
    /// lets it.
    Jumper {
        /// Part of validators' stake.
        stake: f64,
    },
    /// A creator that leaves the others' task and plays alone in its own.
    Wash {
        /// Part of all validators' stake that it takes along.
        stake: f64,
        /// What its task may draw of the emission.
        max_share: f64,
    },
    /// A trainer that knows the data of submission rounds, but not those of final validation.
    Leak {
        /// What it gains in accuracy.
        boost: f64,
    },
    /// Validators that reveal only in rounds in which their trainer's model is the best.
    Withhold {
        /// Part of validators' stake.
        stake: f64,
        /// Accounts.
        accounts: u32,
    },
    /// An author of blocks that leaves out slots to choose the seed for its validators.
    Grind {
        /// Part of validators' stake.
        stake: f64,
        /// Accounts.
        accounts: u32,
        /// Part of the slots.
        slots: f64,
    },
}

impl Attack {
    /// Names the first value that can't be played.
    pub(crate) fn check(&self) -> Result<()> {
        let part = |name: &str, part: f64| {
            ensure!(part > 0.0 && part < 1.0, "{name}: above 0 and below 1");
            Ok(())
        };
        let some = |name: &str, count: u32| {
            ensure!((1..=100).contains(&count), "{name}: from 1 to 100");
            Ok(())
        };
        match *self {
            Self::Jumper { stake } => part("stake", stake),
            Self::Constant { stake, score } => {
                part("stake", stake).and_then(|()| part("score", score))
            }
            Self::Liars {
                stake,
                accounts,
                honest_accounts,
                lie,
            } => part("stake", stake)
                .and_then(|()| some("accounts", accounts))
                .and_then(|()| some("honest_accounts", honest_accounts))
                .and_then(|()| part("lie", lie)),
            Self::SplitValidator { stake, into } | Self::Seats { stake, into } => {
                part("stake", stake).and_then(|()| some("into", into))
            }
            Self::Merge { stake, from } => part("stake", stake).and_then(|()| some("from", from)),
            Self::SplitTrainer {
                stake,
                into,
                start,
                blemish,
            } => {
                ensure!((0.0..0.1).contains(&blemish), "blemish: from 0 to 0.1");
                part("start", start)?;
                part("stake", stake).and_then(|()| some("into", into))
            }
            Self::Selective {
                stake,
                accounts,
                lie,
            } => part("stake", stake)
                .and_then(|()| some("accounts", accounts))
                .and_then(|()| part("lie", lie)),
            Self::Wash { stake, max_share } => {
                part("stake", stake).and_then(|()| part("max_share", max_share))
            }
            Self::Leak { boost } => part("boost", boost),
            Self::Redraw { stake, accounts }
            | Self::Copier { stake, accounts }
            | Self::Withhold { stake, accounts } => {
                part("stake", stake).and_then(|()| some("accounts", accounts))
            }
            Self::Grind {
                stake,
                accounts,
                slots,
            } => part("stake", stake)
                .and_then(|()| some("accounts", accounts))
                .and_then(|()| part("slots", slots)),
        }
    }
}
