//! The command line.

mod data;
mod keys;
mod models;
mod stake;
mod tasks;

use crate::{
    amount::{Amount, parse_percent},
    challenge::args::ChallengeCommand,
    govern::args::{ReferendumCommand, VoteArgs},
    mark::MarkCommand,
    names::{parse_account, parse_role},
    runs::RunCommand,
    train::TrainArgs,
    watermark::WatermarkCommand,
};
use arena_primitives::{AccountId, Role, Round, TaskId};
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

pub(crate) use data::{DatasetCommand, SealArgs};
pub(crate) use keys::{KeyCommand, ServiceKeyCommand};
pub(crate) use models::{CheckArgs, SubmitArgs};
pub(crate) use stake::{DelegateArgs, VenueArg};
pub(crate) use tasks::{GoalArgs, SpecCommand, TaskCommand};

/// Command line of AIArena for creators, trainers, validators, delegators and voters.
///
/// Amounts are tokens with up to 12 decimals, e.g. 1.5; in JSON they are decimal strings of base
/// units. Exit codes: 0 done, 1 failed or refused, 2 wrong input.
#[derive(Debug, Parser)]
#[command(name = "arena", version, propagate_version = true)]
pub(crate) struct Cli {
    /// WebSocket of a node.
    #[arg(
        long,
        global = true,
        env = "ARENA_URL",
        default_value = "ws://127.0.0.1:9944"
    )]
    pub(crate) url: String,
    /// Prints JSON instead of tables.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Who signs, and how long is waited.
#[derive(Debug, Args)]
pub(crate) struct Signing {
    /// Secret of the account that signs: a phrase, //Name or a 0x seed.
    #[arg(long, env = "ARENA_SURI", hide_env_values = true)]
    pub(crate) suri: String,
    /// Waits for finality instead of a best block.
    #[arg(long)]
    pub(crate) finalized: bool,
}

/// The hot key of an operator.
#[derive(Debug, Args)]
pub(crate) struct Service {
    /// Secret of the operator's service key.
    #[arg(long, env = "ARENA_SERVICE_SURI", hide_env_values = true)]
    pub(crate) service_suri: String,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes and shows keys.
    #[command(subcommand)]
    Key(KeyCommand),
    /// The hot key with which an operator's node sends its duties.
    #[command(subcommand, name = "service-key")]
    ServiceKey(ServiceKeyCommand),
    /// Task specs as JSON.
    #[command(subcommand)]
    Spec(SpecCommand),
    /// Puts a task spec up for a vote, with its referendum and both deposits.
    Propose {
        /// The spec.
        #[arg(long)]
        spec: PathBuf,
        /// Leaves the referendum to somebody else.
        #[arg(long, conflicts_with = "max_share")]
        no_referendum: bool,
        /// Most of the tasks' emission that it may draw, in percent.
        #[arg(long, value_parser = parse_percent, default_value = "100")]
        max_share: u32,
        #[command(flatten)]
        signing: Signing,
    },
    /// Lists proposals that wait for approval.
    Proposals,
    /// Votes in a referendum; with a subcommand takes votes back, delegates them or frees tokens.
    Vote(VoteArgs),
    /// Lists referenda.
    Referenda,
    /// Decisions that are voted on: asking for them, showing them, and their deposits.
    #[command(subcommand)]
    Referendum(ReferendumCommand),
    /// Shows what governance can set, and what it is now.
    Parameters,
    /// Tasks.
    #[command(subcommand)]
    Task(TaskCommand),
    /// Shows where a task stands, after waiting if told to; follows finalized blocks.
    Status {
        /// Its number.
        #[arg(long)]
        task: TaskId,
        #[command(flatten)]
        goal: GoalArgs,
        /// Gives up after so many seconds.
        #[arg(long)]
        timeout: Option<u64>,
    },
    /// Shows who leads a task.
    Leaderboard {
        /// The task.
        #[arg(long)]
        task: TaskId,
        /// One round instead of all.
        #[arg(long)]
        round: Option<Round>,
    },
    /// Takes a role in a venue, or adds to its stake.
    Stake {
        #[command(flatten)]
        venue: VenueArg,
        /// trainer or validator; authors of blocks are validators of `network`.
        #[arg(long, value_parser = parse_role)]
        role: Role,
        /// Tokens.
        #[arg(long)]
        amount: Amount,
        #[command(flatten)]
        signing: Signing,
    },
    /// Takes own stake back; it unbonds unless the venue has ended.
    Unstake {
        #[command(flatten)]
        venue: VenueArg,
        /// Tokens.
        #[arg(long)]
        amount: Amount,
        #[command(flatten)]
        signing: Signing,
    },
    /// Takes a seat again for a position that lost it, with the own stake that it has.
    TakeSeat {
        #[command(flatten)]
        venue: VenueArg,
        #[command(flatten)]
        signing: Signing,
    },
    /// Frees own stake that has unbonded.
    Withdraw {
        #[command(flatten)]
        signing: Signing,
    },
    /// Announces what the operator takes of its delegators' part.
    SetCommission {
        #[command(flatten)]
        venue: VenueArg,
        /// Percent.
        #[arg(long, value_parser = parse_percent)]
        commission: u32,
        #[command(flatten)]
        signing: Signing,
    },
    /// Puts stake behind an operator.
    Delegate(DelegateArgs),
    /// Takes stake back from an operator.
    Undelegate(DelegateArgs),
    /// Frees delegated stake that has unbonded.
    WithdrawDelegation {
        #[command(flatten)]
        signing: Signing,
    },
    /// Says whether a task would take a model, and its score on all of the data, before anything
    /// is staked.
    Check(CheckArgs),
    /// Commits to a model, and publishes it in the round's window with --watch.
    Submit(SubmitArgs),
    /// Publishes a committed model from its state file; the window must be open.
    Publish {
        /// The state file that `submit` wrote.
        #[arg(long)]
        state: PathBuf,
        #[command(flatten)]
        service: Service,
        /// Waits for finality instead of a best block.
        #[arg(long)]
        finalized: bool,
    },
    /// Claims an operator's own rewards, or a delegator's with --operator.
    Claim {
        #[command(flatten)]
        venue: VenueArg,
        /// Behind whom the signer's stake stands.
        #[arg(long, value_parser = parse_account)]
        operator: Option<AccountId>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Claims everything that is free.
    ClaimAll {
        #[command(flatten)]
        signing: Signing,
    },
    /// Shows an operator's position.
    Position {
        #[command(flatten)]
        venue: VenueArg,
        /// Whose.
        #[arg(long, value_parser = parse_account)]
        operator: AccountId,
    },
    /// Shows a balance.
    Balance {
        /// Whose.
        #[arg(value_parser = parse_account)]
        address: AccountId,
    },
    /// Sends tokens.
    Transfer {
        /// To whom.
        #[arg(long, value_parser = parse_account)]
        to: AccountId,
        /// Tokens.
        #[arg(long)]
        amount: Amount,
        #[command(flatten)]
        signing: Signing,
    },
    /// Trains a model on this machine.
    Train(TrainArgs),
    /// Data sets.
    #[command(subcommand)]
    Dataset(DatasetCommand),
    /// Marks in models, by which a copy is known.
    #[command(subcommand)]
    Watermark(WatermarkCommand),
    /// Cases against trainers and validators: opening, answering, judging and showing them.
    #[command(subcommand)]
    Challenge(ChallengeCommand),
    /// Trainings that are registered before they begin.
    #[command(subcommand)]
    Run(RunCommand),
    /// Keys of marks on chain.
    #[command(subcommand)]
    Mark(MarkCommand),
    /// Reports on tasks at one finalized block; needs an archive node.
    Report {
        /// The tasks.
        #[arg(long, required = true, num_args = 1..)]
        task: Vec<TaskId>,
        /// Also writes the JSON here.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Recomputes settled rounds and compares every payout, score and rank; needs an archive node.
    Verify {
        /// The tasks.
        #[arg(long, required = true, num_args = 1..)]
        task: Vec<TaskId>,
    },
    /// Shows with which seed a round's evaluation samples were drawn; of settled rounds it needs
    /// an archive node.
    RoundSeed {
        /// The task.
        #[arg(long)]
        task: TaskId,
        /// The round.
        #[arg(long)]
        round: Round,
    },
    /// Counts how often validators committed to scores and revealed them, over the events of all
    /// blocks; needs an archive node.
    CountScores {
        /// The task.
        #[arg(long)]
        task: TaskId,
    },
    /// Shows events as they are in the blocks; of old ones it needs an archive node.
    Events {
        /// Of this pallet only, such as ArenaChallenges.
        #[arg(long)]
        pallet: Option<String>,
        /// From this block on.
        #[arg(long, default_value_t = 0)]
        from: u32,
        /// Up to this block; by default to the best one.
        #[arg(long)]
        to: Option<u32>,
    },
}

#[cfg(test)]
mod tests;
