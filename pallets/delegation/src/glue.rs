//! What delegation is to its neighbours: the part of slashes that falls on what is leaving.

use crate::*;
use arena_primitives::{AccountId, Balance, Round, Venue, traits::LeavingStake};
use sp_runtime::Perbill;

impl<T: Config> LeavingStake for Pallet<T> {
    fn slash(venue: Venue, operator: &AccountId, since: Round, fraction: Perbill) -> Balance {
        Self::do_slash_leaving(venue, operator, since, fraction)
    }
}
