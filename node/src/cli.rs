//! What the node is told on its command line.

use std::path::PathBuf;

/// AIArena node: authors and finalizes blocks, serves RPC, and drives a model executor for the
/// validators whose service keys it holds.
#[derive(Debug, clap::Parser)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) subcommand: Option<Subcommand>,

    #[clap(flatten)]
    pub(crate) run: sc_cli::RunCmd,

    #[clap(flatten)]
    pub(crate) executor: ExecutorArgs,
}

/// Where models are scored.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Executor")]
pub(crate) struct ExecutorArgs {
    /// URL of a running `arena-executor serve`, for instance http://127.0.0.1:9955. Without
    /// it and without --executor no model is scored here.
    #[arg(long, value_name = "URL", requires = "executor_token_file")]
    pub(crate) executor_url: Option<String>,

    /// File with the executor's bearer token (mode 0600).
    #[arg(long, value_name = "FILE")]
    pub(crate) executor_token_file: Option<PathBuf>,

    /// Start and supervise an executor of this node's own, from this program. It is started
    /// again when it dies, and ends with the node.
    #[arg(long, value_name = "PROGRAM", conflicts_with = "executor_url")]
    pub(crate) executor: Option<PathBuf>,

    /// More arguments for the executor that this node starts, separated by blanks.
    #[arg(
        long,
        value_name = "ARGS",
        requires = "executor",
        allow_hyphen_values = true
    )]
    pub(crate) executor_args: Option<String>,
}

#[derive(Debug, clap::Subcommand)]
#[allow(clippy::large_enum_variant, reason = "parsed once")]
pub(crate) enum Subcommand {
    /// Work with keys and key stores.
    #[command(subcommand)]
    Key(sc_cli::KeySubcommand),
    /// Write a chain specification.
    ExportChainSpec(sc_cli::ExportChainSpecCmd),
    /// Check blocks again.
    CheckBlock(sc_cli::CheckBlockCmd),
    /// Write blocks to a file.
    ExportBlocks(sc_cli::ExportBlocksCmd),
    /// Write the state of a block as a chain specification.
    ExportState(sc_cli::ExportStateCmd),
    /// Read blocks from a file.
    ImportBlocks(sc_cli::ImportBlocksCmd),
    /// Remove the chain's data.
    PurgeChain(sc_cli::PurgeChainCmd),
    /// Go back to an earlier block.
    Revert(sc_cli::RevertCmd),
    /// Print the database's metadata.
    ChainInfo(sc_cli::ChainInfoCmd),
}
