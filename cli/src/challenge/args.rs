//! The command line of challenges.

use crate::{
    args::{Service, Signing},
    names::{parse_account, parse_hash, parse_vote},
};
use arena_primitives::{AccountId, CaseId, Hash, Round, TaskId, Vote};
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;

/// Cases against trainers and validators.
#[derive(Debug, Subcommand)]
pub(crate) enum ChallengeCommand {
    /// Accuses a trainer of a copy of an earlier model, in the task's challenge phase; for
    /// validators of the task and the earlier model's trainer. A jury measures how far the models
    /// are apart.
    Duplicate(DuplicateArgs),
    /// Accuses a trainer of a model that carries the signer's mark, in the task's challenge phase;
    /// the mark's key must have been registered before that model was committed to. A jury looks
    /// for the mark.
    Watermark(WatermarkArgs),
    /// Accuses a trainer of a model that was not trained as registered, in the task's challenge
    /// phase; for validators of the task. The trainer opens its log, and a jury trains drawn
    /// segments again.
    Learning(LearningArgs),
    /// Accuses a validator of a score that it didn't compute, for two rounds after that round; for
    /// validators of the task and the model's trainer. The validator proves drawn losses, and a
    /// jury scores the model again.
    Score(ScoreArgs),
    /// Joins a case with a bond of one's own, until its jury is drawn.
    Join(CaseArgs),
    /// Takes a first verdict to a larger jury, whose verdict is final; for who lost. Holds a bond
    /// that returns if the verdict turns.
    Appeal(CaseArgs),
    /// Does what time asks of a case that stands still past its `until`; anybody may.
    Poke(CaseArgs),
    /// Answers a case of learning or of a score; for the accused, who is convicted if it stays
    /// silent.
    Respond(RespondArgs),
    /// Commits to a juror's vote, or reveals it: whichever is due. A validator's node does so by
    /// itself; vote by hand only where it doesn't.
    Vote(VoteArgs),
    /// Lists open cases.
    List {
        /// Of one task only.
        #[arg(long)]
        task: Option<TaskId>,
    },
    /// Shows an open case, or how one ended; the latter reads all blocks and needs an archive
    /// node.
    Show {
        /// Its number.
        #[arg(long)]
        case: CaseId,
    },
}

/// How a case is opened.
#[derive(Debug, Args)]
pub(crate) struct OpeningArgs {
    /// The task.
    #[arg(long)]
    pub(crate) task: TaskId,
    /// Where claim and nonce are kept until the case is open; without this file the bond of the
    /// commitment is lost [default: case-taskN-KIND-ACCUSED.json].
    #[arg(long, value_name = "FILE")]
    pub(crate) keep: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// A copy.
#[derive(Debug, Args)]
pub(crate) struct DuplicateArgs {
    /// Who is accused.
    #[arg(long, value_parser = parse_account)]
    pub(crate) trainer: AccountId,
    /// Root of its model in hex [default: its current one].
    #[arg(long, value_parser = parse_hash, value_name = "ROOT")]
    pub(crate) model: Option<Hash>,
    /// Root of the model that was first, in hex.
    #[arg(long, value_parser = parse_hash, value_name = "ROOT")]
    pub(crate) earlier: Hash,
    #[command(flatten)]
    pub(crate) opening: OpeningArgs,
}

/// A mark.
#[derive(Debug, Args)]
pub(crate) struct WatermarkArgs {
    /// Who is accused.
    #[arg(long, value_parser = parse_account)]
    pub(crate) trainer: AccountId,
    /// Root of its model in hex [default: its current one].
    #[arg(long, value_parser = parse_hash, value_name = "ROOT")]
    pub(crate) model: Option<Hash>,
    /// The file of the mark's key. The case makes its salt public: it marks no other model
    /// secretly afterwards.
    #[arg(long, value_name = "FILE")]
    pub(crate) salt_file: PathBuf,
    #[command(flatten)]
    pub(crate) opening: OpeningArgs,
}

/// A training.
#[derive(Debug, Args)]
pub(crate) struct LearningArgs {
    /// Who is accused.
    #[arg(long, value_parser = parse_account)]
    pub(crate) trainer: AccountId,
    #[command(flatten)]
    pub(crate) opening: OpeningArgs,
}

/// A score.
#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// Who is accused.
    #[arg(long, value_parser = parse_account)]
    pub(crate) validator: AccountId,
    /// The round of the score.
    #[arg(long)]
    pub(crate) round: Round,
    /// Root of the model that was scored, in hex.
    #[arg(long, value_parser = parse_hash, value_name = "ROOT")]
    pub(crate) model: Hash,
    #[command(flatten)]
    pub(crate) opening: OpeningArgs,
}

/// A case.
#[derive(Debug, Args)]
pub(crate) struct CaseArgs {
    /// Its number.
    #[arg(long)]
    pub(crate) case: CaseId,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// What the accused answers. Signed by it or its service key.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("answer").required(true).multiple(false)))]
pub(crate) struct RespondArgs {
    /// The case.
    #[arg(long)]
    pub(crate) case: CaseId,
    /// Directory of a registered training's log, all of which becomes public.
    #[arg(long, group = "answer", requires = "uri", value_name = "DIR")]
    pub(crate) log: Option<PathBuf>,
    /// Base URIs under which the checkpoints are served, each under its BLAKE3, and the recipe.
    #[arg(long, num_args = 1.., conflicts_with = "losses")]
    pub(crate) uri: Vec<String>,
    /// Losses of the model as JSON, from `arena-executor losses`.
    #[arg(long, group = "answer", value_name = "FILE")]
    pub(crate) losses: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) signing: Signing,
}

/// A juror's vote.
#[derive(Debug, Args)]
pub(crate) struct VoteArgs {
    /// The case.
    #[arg(long)]
    pub(crate) case: CaseId,
    /// convict or acquit; it can't be changed once it is committed to.
    #[arg(long, value_parser = parse_vote)]
    pub(crate) vote: Vote,
    /// Where vote and nonce are kept; without this file the vote can't be revealed, which costs
    /// stake [default: vote-caseN-JUROR.json, vote-caseN-appeal-JUROR.json for a second jury].
    #[arg(long, value_name = "FILE")]
    pub(crate) keep: Option<PathBuf>,
    /// Stays, and reveals when the time has come.
    #[arg(long)]
    pub(crate) watch: bool,
    #[command(flatten)]
    pub(crate) service: Service,
    /// Waits for finality instead of a best block.
    #[arg(long)]
    pub(crate) finalized: bool,
}

#[cfg(test)]
mod tests {
    use crate::args::Cli;
    use clap::Parser;

    const ALICE: &str = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";

    fn parses(line: &str) -> bool {
        let root = format!("0x{}", "11".repeat(32));
        let line = line.replace("ALICE", ALICE).replace("ROOT", &root);
        Cli::try_parse_from(["arena"].into_iter().chain(line.split_whitespace())).is_ok()
    }

    #[test]
    fn scripts_should_be_able_to_call_it() {
        for line in [
            "challenge duplicate --task 0 --trainer ALICE --earlier ROOT --suri //A --finalized",
            "challenge duplicate --task 0 --trainer ALICE --model ROOT --earlier ROOT \
             --keep c.json --suri //A",
            "challenge watermark --task 0 --trainer ALICE --salt-file w.json --suri //A",
            "challenge learning --task 0 --trainer ALICE --suri //A",
            "challenge score --task 0 --validator ALICE --round 3 --model ROOT --suri //A",
            "challenge join --case 7 --suri //A",
            "challenge appeal --case 7 --suri //A",
            "challenge poke --case 7 --suri //A",
            "challenge respond --case 7 --log run --uri file:///run --suri //A",
            "challenge respond --case 7 --losses l.json --suri //A",
            "challenge vote --case 7 --vote convict --service-suri //A//service",
            "challenge vote --case 7 --vote acquit --service-suri //A//service --watch --keep v",
            "challenge list",
            "challenge list --task 0",
            "challenge show --case 7",
            "run register --task 0 --recipe r --steps 10 --every 5 --suri //A",
            "run register --task 0 --recipe r --steps 10 --every 5 --checkpoint-bytes 9 --suri //A",
            "run heartbeat --task 0 --log run --suri //A",
            "run heartbeat --task 0 --log run --trainer ALICE --suri //A//service",
            "run show --task 0 --trainer ALICE",
            "mark register --task 0 --key w.json --suri //A",
            "mark list --task 0 --owner ALICE",
        ] {
            assert!(parses(line), "{line}");
        }
    }

    #[test]
    fn answers_and_votes_should_be_named_once_and_wholly() {
        for line in [
            "challenge respond --case 7 --suri //A",
            "challenge respond --case 7 --log run --suri //A",
            "challenge respond --case 7 --losses l.json --uri file:///l --suri //A",
            "challenge respond --case 7 --log run --uri file:///r --losses l --suri //A",
            "challenge vote --case 7 --vote guilty --service-suri //A",
            "challenge score --task 0 --validator ALICE --round 3 --suri //A",
            "challenge duplicate --task 0 --trainer ALICE --earlier 0x11 --suri //A",
        ] {
            assert!(!parses(line), "{line}");
        }
    }
}
