//! Models on the command line.

use super::{Service, Signing};
use arena_primitives::TaskId;
use clap::{ArgGroup, Args};
use std::path::PathBuf;

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
