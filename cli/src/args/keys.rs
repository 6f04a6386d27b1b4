//! Keys on the command line.

use super::Signing;
use crate::names::parse_account;
use arena_primitives::AccountId;
use clap::Subcommand;

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
