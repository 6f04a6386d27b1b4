//! The command line.

use crate::{
    amount::{Amount, parse_percent},
    challenge::args::ChallengeCommand,
    govern::args::{ReferendumCommand, VoteArgs},
    mark::MarkCommand,
    names::{parse_account, parse_phase, parse_role, parse_venue},
    runs::RunCommand,
    template::{Kind, Preset},
    train::TrainArgs,
    watermark::WatermarkCommand,
};
use arena_primitives::{AccountId, Role, Round, TaskId, TaskPhase, Venue};
use clap::{ArgGroup, Args, Parser, Subcommand};
use std::path::PathBuf;

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

/// Makes and shows keys.
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    /// Makes a key with a new phrase.
    Generate,
    /// Shows the address of a secret.
    Inspect {
        /// The secret.
        #[arg(long, env = "ARENA_SURI", hide_env_values = true)]
        suri: String,
    },
}

/// Service keys.
#[derive(Debug, Subcommand)]
pub(crate) enum ServiceKeyCommand {
    /// Registers a service key.
    Set {
        #[command(flatten)]
        signing: Signing,
        /// Secret of the key.
        #[arg(long, env = "ARENA_SERVICE_SURI", hide_env_values = true)]
        key_suri: String,
        /// Puts the key into these nodes' keystores first.
        #[arg(long, num_args = 1..)]
        insert: Vec<String>,
    },
    /// Shows an operator's service key.
    Show {
        /// Whose.
        #[arg(long, value_parser = parse_account)]
        operator: AccountId,
    },
}

/// Task specs.
#[derive(Debug, Subcommand)]
pub(crate) enum SpecCommand {
    /// Prints a spec to start from.
    Template {
        /// Reward parameters.
        #[arg(long, value_enum, default_value = "default")]
        preset: Preset,
        /// What the task is about.
        #[arg(long, value_enum, default_value = "digits")]
        kind: Kind,
    },
    /// Checks a spec.
    Check {
        /// The spec.
        file: PathBuf,
    },
}

/// Tasks.
#[derive(Debug, Subcommand)]
pub(crate) enum TaskCommand {
    /// Lists tasks.
    List,
    /// Shows a task with its spec.
    Show {
        /// Its number.
        id: TaskId,
    },
}

/// Data sets.
#[derive(Debug, Subcommand)]
pub(crate) enum DatasetCommand {
    /// Shows hash and size of a file, as a spec names them.
    Hash {
        /// The file.
        file: PathBuf,
    },
    /// Seals evaluation data: a shard for each round and one for final validation, salts and the
    /// root for the spec. Nothing is sent.
    Seal(SealArgs),
    /// Opens each shard when its round's models are fixed and final, until the last one: puts it
    /// where it is served, then sends its proof. Run it until the task is in its challenge phase;
    /// it may be stopped and started at any time, but a shard that is late costs the bond.
    Open(OpenArgs),
}

/// What is opened.
#[derive(Debug, Args)]
pub(crate) struct OpenArgs {
    /// The task.
    #[arg(long)]
    pub(crate) task: TaskId,
    /// The seal.json of its data; the shards lie beside it.
    #[arg(long)]
    pub(crate) seal: PathBuf,
    /// The directory that is served; shards are put there when they are opened, not before.
    #[arg(long)]
    pub(crate) publish: PathBuf,
    /// Base URIs under which that directory is served.
    #[arg(long, required = true, num_args = 1..)]
    pub(crate) uri: Vec<String>,
    /// Opens what is due now and ends.
    #[arg(long)]
    pub(crate) once: bool,
    #[command(flatten)]
    pub(crate) service: Service,
}

/// What a model is checked against.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("against").required(true).multiple(false)))]
pub(crate) struct CheckArgs {
    /// A task of the chain.
    #[arg(long, group = "against")]
    pub(crate) task: Option<TaskId>,
    /// A spec file; no node is asked.
    #[arg(long, group = "against")]
    pub(crate) spec: Option<PathBuf>,
    /// Directory of the model.
    #[arg(long)]
    pub(crate) model: PathBuf,
    /// Evaluation data [default: the task's own, where it has a file:// mirror].
    #[arg(long)]
    pub(crate) data: Option<PathBuf>,
    /// Directory of the task's base model, which adapters are applied to [default: where the
    /// base has a file:// mirror].
    #[arg(long)]
    pub(crate) base: Option<PathBuf>,
}

/// What is sealed.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("data").required(true).multiple(false)))]
pub(crate) struct SealArgs {
    /// The shards: of round 1, round 2, …, and last of final validation.
    #[arg(long, num_args = 2.., group = "data")]
    pub(crate) shard: Vec<PathBuf>,
    /// A JSONL file whose lines are dealt at random to all shards.
    #[arg(long, requires = "rounds", group = "data")]
    pub(crate) split: Option<PathBuf>,
    /// Submission rounds of the task; there is one shard more.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=i64::from(arena_primitives::MAX_ROUNDS)))]
    pub(crate) rounds: Option<u32>,
    /// A new directory for shards and seal.json: keep it secret, and keep it.
    #[arg(long)]
    pub(crate) out: PathBuf,
}

/// What is waited for.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct GoalArgs {
    /// Waits for a phase: submission, final-validation, challenge or closed.
    #[arg(long, value_parser = parse_phase)]
    pub(crate) wait_for: Option<TaskPhase>,
    /// Waits until this round is settled.
    #[arg(long)]
    pub(crate) wait_settled: Option<Round>,
    /// Waits until this round, or a later one, is open.
    #[arg(long)]
    pub(crate) wait_open: Option<Round>,
}

/// Where stake works.
#[derive(Debug, Args)]
pub(crate) struct VenueArg {
    /// `network` or `task:N`.
    #[arg(long, value_parser = parse_venue)]
    pub(crate) venue: Venue,
}

/// Stake behind an operator.
#[derive(Debug, Args)]
pub(crate) struct DelegateArgs {
    #[command(flatten)]
    pub(crate) venue: VenueArg,
    /// Behind whom.
    #[arg(long, value_parser = parse_account)]
    pub(crate) operator: AccountId,
    /// Tokens.
    #[arg(long)]
    pub(crate) amount: Amount,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// A model for a task.
#[derive(Debug, Args)]
pub(crate) struct SubmitArgs {
    /// The task.
    #[arg(long)]
    pub(crate) task: TaskId,
    /// Directory of the model; `manifest.scale` is written into it.
    #[arg(long)]
    pub(crate) model: PathBuf,
    /// Base URIs under which the directory is served.
    #[arg(long, required = true, num_args = 1..)]
    pub(crate) uri: Vec<String>,
    #[command(flatten)]
    pub(crate) signing: Signing,
    #[command(flatten)]
    pub(crate) service: Service,
    /// Stays, and publishes when the window opens.
    #[arg(long, conflicts_with = "node")]
    pub(crate) watch: bool,
    /// Leaves it to the node at this address, which has the service key in its keystore
    /// (`service-key set --insert`), to publish when the window opens.
    #[arg(long)]
    pub(crate) node: Option<String>,
    /// Where the state is kept [default: submission-taskN-ROOT.json].
    #[arg(long)]
    pub(crate) state: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn command_line_should_be_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn secrets_should_not_be_shown_by_help() {
        let mut command = Cli::command();
        command.build();
        let submit = command.find_subcommand_mut("submit").unwrap();
        for name in ["suri", "service_suri"] {
            let arg = submit
                .get_arguments()
                .find(|arg| arg.get_id() == name)
                .unwrap();
            assert!(arg.is_hide_env_values_set());
        }
    }

    #[test]
    fn goals_should_exclude_each_other() {
        let parse = |args: &[&str]| Cli::try_parse_from(args.iter().copied()).is_ok();
        assert!(parse(&[
            "arena",
            "status",
            "--task",
            "1",
            "--wait-for",
            "closed"
        ]));
        assert!(parse(&["arena", "status", "--task", "1"]));
        let both = ["--wait-for", "closed", "--wait-open", "1"];
        assert!(!parse(
            &[&["arena", "status", "--task", "1"][..], &both].concat()
        ));
    }

    #[test]
    fn scripts_and_tests_should_be_able_to_call_it() {
        let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
        for line in [
            "key inspect --suri //Alice",
            "dataset hash data/text/tokenizer.json",
            "dataset seal --split e.jsonl --rounds 3 --out sealed",
            "dataset seal --shard a b c --out sealed",
            "dataset open --task 0 --seal sealed/seal.json --publish served --uri file:///served \
             --service-suri //A//service --once",
            "check --task 0 --model m --data e.jsonl",
            "check --spec s.json --model m",
            "submit --task 0 --model m --uri file:///m --suri //A --service-suri //A//service \
             --node ws://127.0.0.1:1",
            "spec template --preset paper --kind language",
            "service-key set --key-suri //A//service --insert ws://127.0.0.1:1 --suri //A",
            "propose --max-share 50 --spec s.json --suri //A",
            "vote --referendum 0 --amount 4000000 --conviction 1 --suri //A",
            "stake --venue task:0 --role validator --amount 120 --suri //A",
            "submit --task 0 --model m --uri file:///m --suri //A --service-suri //A//service \
             --watch --state s.json",
            "claim --venue network --suri //A",
            "train --config c.json --out m",
            &format!(
                "train --registered --recipe r --seed 0x{:064} --every 4 --out log",
                7
            ),
            &format!("watermark new --task 0 --owner {alice} --out w.json"),
            "watermark embed --model m --out n --key w.json --base b --strength 5",
            "watermark check --model n --key w.json --base b",
            &format!(
                "watermark check --model n --task 0 --owner {alice} --salt {}",
                "07".repeat(32)
            ),
            "report --task 0 --task 1 --out r.json",
            "verify --task 0 --task 1",
            "round-seed --task 0 --round 4",
            "count-scores --task 0",
            &format!("transfer --to {alice} --amount 1000 --suri //A"),
            &format!("delegate --venue task:0 --operator {alice} --amount 60 --suri //A"),
            &format!("claim --venue task:0 --operator {alice} --suri //A"),
        ] {
            let words = ["arena", "--url", "ws://127.0.0.1:1", "--json"];
            let parsed = Cli::try_parse_from(words.into_iter().chain(line.split_whitespace()));
            assert!(parsed.is_ok_and(|cli| cli.json), "{line}");
        }
    }

    #[test]
    fn what_is_sealed_or_checked_should_be_named_once() {
        let refused = |line: &str| Cli::try_parse_from(line.split(' ')).is_err();
        assert!(refused("arena dataset seal --out x"));
        assert!(refused("arena dataset seal --split e --out x"));
        assert!(refused(
            "arena dataset seal --split e --rounds 2 --shard a b --out x"
        ));
        assert!(refused("arena check --model m"));
        assert!(refused("arena check --task 1 --spec s --model m"));
        assert!(refused("arena train --out m"));
        assert!(refused(
            "arena train --registered --recipe r --every 4 --out m"
        ));
        assert!(refused("arena train --config c --every 4 --out m"));
        assert!(refused("arena watermark check --model m"));
        assert!(refused("arena watermark check --model m --task 1 --key w"));
        assert!(refused("arena watermark check --model m --task 1"));
    }

    #[test]
    fn wrong_values_should_be_named_before_missing_ones() {
        let refused = Cli::try_parse_from(["arena", "stake", "--amount", "much"]).unwrap_err();
        assert!(refused.to_string().contains("much"), "{refused}");
    }
}
