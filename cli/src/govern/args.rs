//! The command line of votes and referenda.

use super::parameters::Setting;
use crate::{
    amount::{Amount, parse_percent},
    args::Signing,
    names::{parse_account, parse_hash},
};
use arena_primitives::{AccountId, Hash, TaskId};
use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Tracks of referenda.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
#[repr(u16)]
pub(crate) enum Track {
    /// Everything, upgrades too.
    Root = 0,
    /// Lets tasks in.
    TaskApproval = 1,
    /// Sets governed parameters.
    Parameters = 2,
    /// Spends from the treasury.
    Treasury = 3,
    /// Takes back a slash.
    CancelSlash = 4,
    /// Pauses, resumes or cancels one task.
    TaskGuard = 5,
    /// Stops referenda, and returns their deposits.
    ReferendumCanceller = 6,
    /// Stops referenda, and takes their deposits.
    ReferendumKiller = 7,
}

/// A vote, or what else is done with votes.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct VoteArgs {
    /// What else.
    #[command(subcommand)]
    pub(crate) command: Option<VoteCommand>,
    #[command(flatten)]
    pub(crate) cast: Option<CastArgs>,
    // Beside it: an optional part of the command line can't have parts of its own.
    #[command(flatten)]
    pub(crate) signing: Option<Signing>,
}

/// A vote.
#[derive(Debug, Args)]
pub(crate) struct CastArgs {
    /// Its number.
    #[arg(long)]
    pub(crate) referendum: u32,
    /// Tokens to vote with; the same tokens can vote in many referenda.
    #[arg(long)]
    pub(crate) amount: Amount,
    /// Doublings of the lock, for more weight; 0 locks nothing and counts a tenth.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=6))]
    pub(crate) conviction: u8,
    /// Against it.
    #[arg(long)]
    pub(crate) nay: bool,
    /// Neither: the tokens count as support alone, and are locked for nothing.
    #[arg(long, conflicts_with_all = ["nay", "conviction"])]
    pub(crate) abstain: bool,
}

/// What is done with votes.
#[derive(Debug, Subcommand)]
pub(crate) enum VoteCommand {
    /// Takes a vote back; what it has locked stays so where its side has won.
    Remove {
        /// The referendum.
        #[arg(long)]
        referendum: u32,
        #[command(flatten)]
        signing: Signing,
    },
    /// Lets an account's votes in tracks count for one's own tokens, too.
    Delegate(DelegationArgs),
    /// Takes delegated votes back; their tokens stay locked as long as the conviction says.
    Undelegate {
        /// Of these tracks.
        #[arg(long, required = true, num_args = 1.., value_enum)]
        track: Vec<Track>,
        #[command(flatten)]
        signing: Signing,
    },
    /// Shows what an account has locked by votes, and until when.
    Locks {
        /// Whose.
        #[arg(value_parser = parse_account)]
        address: AccountId,
    },
    /// Frees what is locked no longer, and shows what still is.
    Unlock {
        #[command(flatten)]
        signing: Signing,
    },
}

/// To whom votes are delegated.
#[derive(Debug, Args)]
pub(crate) struct DelegationArgs {
    /// In these tracks.
    #[arg(long, required = true, num_args = 1.., value_enum)]
    pub(crate) track: Vec<Track>,
    /// Whose votes count.
    #[arg(long, value_parser = parse_account)]
    pub(crate) to: AccountId,
    /// Tokens.
    #[arg(long)]
    pub(crate) amount: Amount,
    /// Doublings of the lock after the delegation's end, for more weight.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(0..=6))]
    pub(crate) conviction: u8,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// Referenda.
#[derive(Debug, Subcommand)]
pub(crate) enum ReferendumCommand {
    /// Lists referenda.
    List,
    /// Shows what a referendum would do, how it stands, and what it still needs.
    Show {
        /// Its number.
        referendum: u32,
    },
    /// Asks for a decision, with both deposits.
    #[command(subcommand)]
    Submit(SubmitCommand),
    /// Pays the decision deposit of a referendum that has none.
    Deposit(NumberArgs),
    /// Takes back the deposits of a referendum that is over.
    Refund(NumberArgs),
    /// Pays out a spend that was approved; anybody may.
    Payout {
        /// The spend.
        #[arg(long)]
        spend: u32,
        #[command(flatten)]
        signing: Signing,
    },
    /// Brings the code of an upgrade that was authorized; anybody may.
    ApplyUpgrade {
        /// The runtime.
        #[arg(long)]
        wasm: PathBuf,
        #[command(flatten)]
        signing: Signing,
    },
}

/// A referendum.
#[derive(Debug, Args)]
pub(crate) struct NumberArgs {
    /// Its number.
    pub(crate) referendum: u32,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// Who asks.
#[derive(Debug, Args)]
pub(crate) struct AskerArgs {
    /// Leaves the decision deposit to somebody else.
    #[arg(long)]
    pub(crate) no_deposit: bool,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// What is decided.
#[derive(Debug, Subcommand)]
pub(crate) enum SubmitCommand {
    /// Approves a proposed task by the hash of its spec.
    Task {
        /// The hash; `arena proposals` shows it.
        #[arg(long, value_parser = parse_hash)]
        spec_hash: Hash,
        /// Most of the tasks' emission that it may draw, in percent.
        #[arg(long, value_parser = parse_percent, default_value = "100")]
        max_share: u32,
        #[command(flatten)]
        asker: AskerArgs,
    },
    /// Sets governed parameters; `arena parameters` names them.
    Parameters {
        /// NAME=VALUE, such as challenges.juror-fee=3 or staking.commission-cap=40%;
        /// NAME=default takes back what governance set.
        #[arg(long, required = true, num_args = 1..)]
        param: Vec<Setting>,
        #[command(flatten)]
        asker: AskerArgs,
    },
    /// Pays from the treasury.
    Spend {
        /// Tokens.
        #[arg(long)]
        amount: Amount,
        /// To whom.
        #[arg(long, value_parser = parse_account)]
        to: AccountId,
        /// Asks root, for more than the track treasury may spend.
        #[arg(long)]
        root: bool,
        #[command(flatten)]
        asker: AskerArgs,
    },
    /// Takes back a slash that is pending.
    CancelSlash {
        /// Its number; `arena events --pallet ArenaStaking` shows it.
        #[arg(long)]
        slash: u32,
        #[command(flatten)]
        asker: AskerArgs,
    },
    /// Pauses a task: its live rounds go on to their end, no other is opened.
    Pause(TaskArgs),
    /// Lets a paused task go on.
    Resume(TaskArgs),
    /// Calls a task off.
    CancelTask(TaskArgs),
    /// Stops another referendum.
    Stop {
        /// Which.
        #[arg(long)]
        referendum: u32,
        /// Takes its deposits for the treasury.
        #[arg(long)]
        kill: bool,
        #[command(flatten)]
        asker: AskerArgs,
    },
    /// Authorizes an upgrade of the runtime; `arena referendum apply-upgrade` brings its code.
    Upgrade {
        /// The runtime.
        #[arg(long)]
        wasm: PathBuf,
        #[command(flatten)]
        asker: AskerArgs,
    },
    /// Any call.
    Call(CallArgs),
}

/// A task.
#[derive(Debug, Args)]
pub(crate) struct TaskArgs {
    /// The task.
    #[arg(long)]
    pub(crate) task: TaskId,
    #[command(flatten)]
    pub(crate) asker: AskerArgs,
}

/// A call.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("bytes").required(true).multiple(false)))]
pub(crate) struct CallArgs {
    /// Its bytes in hex.
    #[arg(long, group = "bytes")]
    pub(crate) call: Option<String>,
    /// A file with its bytes.
    #[arg(long, group = "bytes")]
    pub(crate) file: Option<PathBuf>,
    /// The track whose origin makes it.
    #[arg(long, value_enum)]
    pub(crate) track: Track,
    #[command(flatten)]
    pub(crate) asker: AskerArgs,
}

#[cfg(test)]
mod tests {
    use crate::args::{Cli, Command};
    use clap::Parser;

    const BOB: &str = "5FHneW46xGXgs5mUiveU4sbTyGBzmstUspZC92UhjJM694ty";

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = ["arena"].into_iter().chain(line.split_whitespace());
        Cli::try_parse_from(words).map(|cli| cli.command)
    }

    #[test]
    fn votes_should_be_cast_and_handled() {
        for line in [
            "vote --referendum 0 --amount 4000000 --conviction 1 --suri //A",
            "vote --referendum 0 --amount 4 --nay --suri //A",
            "vote --referendum 0 --amount 4 --abstain --suri //A",
            "vote remove --referendum 3 --suri //A",
            &format!("vote delegate --track root treasury --to {BOB} --amount 5 --suri //A"),
            "vote undelegate --track root --track task_approval --suri //A",
            &format!("vote locks {BOB}"),
            "vote unlock --suri //A",
        ] {
            let Ok(Command::Vote(args)) = parse(line) else {
                panic!("{line}");
            };
            let casts = args.cast.is_some() && args.signing.is_some();
            assert_eq!(casts, args.command.is_none(), "{line}");
        }
        for line in [
            "vote --referendum 0 --suri //A",
            "vote --referendum 0 --amount 4 --nay --abstain --suri //A",
            "vote --referendum 0 --amount 4 --conviction 7 --suri //A",
            "vote --referendum 0 --amount 4 --conviction 2 --abstain --suri //A",
            "vote undelegate --track nowhere --suri //A",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn referenda_should_be_submitted_and_looked_after() {
        let hash = "07".repeat(32);
        for line in [
            "referendum list",
            "referendum show 3",
            "referendum deposit 3 --suri //A",
            "referendum refund 3 --suri //A",
            "referendum payout --spend 0 --suri //A",
            "referendum apply-upgrade --wasm new.wasm --suri //A",
            &format!("referendum submit task --spec-hash {hash} --max-share 20 --suri //A"),
            "referendum submit parameters --param challenges.juror-fee=3 tasks.max-share=20% \
             --suri //A",
            &format!("referendum submit spend --amount 100 --to {BOB} --suri //A --no-deposit"),
            "referendum submit cancel-slash --slash 0 --suri //A",
            "referendum submit pause --task 0 --suri //A",
            "referendum submit resume --task 0 --suri //A",
            "referendum submit cancel-task --task 0 --suri //A",
            "referendum submit stop --referendum 2 --kill --suri //A",
            "referendum submit upgrade --wasm new.wasm --suri //A",
            "referendum submit call --call 0x0000 --track root --suri //A",
        ] {
            assert!(matches!(parse(line), Ok(Command::Referendum(_))), "{line}");
        }
        for line in [
            "referendum submit parameters --suri //A",
            "referendum submit parameters --param juror-fee --suri //A",
            "referendum submit call --track root --suri //A",
            "referendum submit call --call 0x00 --file f --track root --suri //A",
            "referendum submit call --call 0x0000 --suri //A",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
