//! Stake on the command line.

use super::Signing;
use crate::{
    amount::Amount,
    names::{parse_account, parse_venue},
};
use arena_primitives::{AccountId, Venue};
use clap::Args;

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
