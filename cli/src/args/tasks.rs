//! Specs and tasks on the command line.

use crate::{
    names::parse_phase,
    template::{Kind, Preset},
};
use arena_primitives::{Round, TaskId, TaskPhase};
use clap::{Args, Subcommand};
use std::path::PathBuf;

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
