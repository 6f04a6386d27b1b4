//! Equivocations of block authors, and what they must cost.

use super::{
    checks::{Verdict, fail},
    world::World,
};
use crate::*;
use arena_primitives::Venue;
use sp_staking::offence::{Offence, ReportOffence};

/// What an author has in `Network`, working and unbonding.
pub(super) fn at_risk(who: &AccountId) -> Balance {
    let own = ArenaStaking::position(Venue::Network, who).map_or(0, |p| p.own);
    let chunks = pallet_arena_staking::Unbonding::<Runtime>::get(who);
    let unbonding = chunks.iter().filter(|chunk| chunk.venue == Venue::Network);
    own + unbonding.map(|chunk| chunk.amount).sum::<Balance>()
}

/// Reports that an author wrote two blocks in a slot of this session. It is noted at the fraction
/// that this costs, or a higher one of the same session; `shadow.rs` follows what is taken.
pub(super) fn report(world: &mut World) -> Verdict {
    // BABE takes no block in which its own author is disabled: others report an author.
    let mut authors = Session::validators();
    if authors.len() > world.author as usize {
        authors.remove(world.author as usize);
    }
    let Some(who) = world.dice.any(&authors) else {
        return Ok(());
    };
    let session = Session::current_index();
    let offence = pallet_babe::EquivocationOffence {
        // Offences of one slot would be reported, and punished, together.
        slot: world.shadow.lives.offences.into(),
        session_index: session,
        validator_set_count: 6 + world.dice.below(30) as u32,
        offender: (who.clone(), ()),
    };
    let fraction = offence.slash_fraction(1);
    let nothing = at_risk(&who) == 0;
    if Offences::report_offence(Vec::new(), offence).is_err() {
        return fail("offences_are_slashed", "the report was refused");
    }
    world.shadow.lives.offences += 1;
    let noted = pallet_arena_staking::Faults::<Runtime>::get(session, &who);
    let noted = noted.map(|fault| fault.fraction);
    if !nothing && noted.is_none_or(|noted| noted < fraction) {
        return fail(
            "offences_are_slashed",
            format!("{noted:?} is noted for a fault of {fraction:?}"),
        );
    }
    super::checks::after_call(world)
}
