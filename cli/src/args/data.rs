//! Data sets on the command line.

use super::Service;
use arena_primitives::TaskId;
use clap::{ArgGroup, Args, Subcommand};
use std::path::PathBuf;

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
