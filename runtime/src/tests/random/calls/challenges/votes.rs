//! Jurors' duties.

use super::case;
use crate::{
    tests::random::{
        calls::{Sent, service_key},
        world::{Ballot, Memo, World, now},
    },
    *,
};
use arena_primitives::{
    CaseId, Vote,
    hash::{Domain, hash, low_u64},
    vote_commitment,
};
use pallet_arena_challenges::{Call, Case, CaseState, Seat};

/// What a juror finds out: nearly all the same.
fn vote(world: &mut World, case: CaseId) -> Vote {
    let guilty = low_u64(&hash(Domain::Job, &("guilty", case))).is_multiple_of(2);
    if guilty == world.dice.chance(85) {
        Vote::Convict
    } else {
        Vote::Acquit
    }
}

/// Seats of a case that fit.
fn seats(case: &Case, fits: impl Fn(&&Seat) -> bool) -> Vec<Seat> {
    let jury = case.state.jury();
    let seats = jury.into_iter().flat_map(|jury| jury.seats.iter());
    seats.filter(fits).cloned().collect()
}

pub(in crate::tests::random::calls) fn commit_vote(world: &mut World) -> Option<Sent> {
    let due = |case: &Case| seats(case, |seat| seat.commitment.is_none());
    let (id, case) = case(world, |case| {
        matches!(case.state, CaseState::Committing { until, .. } if now() < until)
            && !due(case).is_empty()
    })?;
    let Seat { juror, .. } = world.dice.any(&due(&case))?;
    let key = service_key(world, &juror)?;
    let (appeal, vote) = (case.appeal.is_some(), vote(world, id));
    let nonce = world.dice.hash();
    let commitment = vote_commitment(&juror, id, appeal, vote, &nonce);
    let ballot = Ballot { vote, nonce };
    let call = Call::commit_vote {
        case: id,
        commitment,
    };
    Some(Sent::signed(key, call).noting(Memo::Ballot((id, appeal, juror), ballot)))
}

pub(in crate::tests::random::calls) fn reveal_vote(world: &mut World) -> Option<Sent> {
    let due = |case: &Case| {
        seats(case, |seat| {
            seat.commitment.is_some() && seat.vote.is_none()
        })
    };
    let (id, case) = case(world, |case| {
        matches!(case.state, CaseState::Revealing { until, .. } if now() < until)
            && !due(case).is_empty()
    })?;
    let Seat { juror, .. } = world.dice.any(&due(&case))?;
    let key = service_key(world, &juror)?;
    let kept = (id, case.appeal.is_some(), juror);
    let Ballot { vote, mut nonce } = world.ballots.get(&kept)?.clone();
    if world.dice.slips() {
        nonce = world.dice.hash();
    }
    let call = Call::reveal_vote {
        case: id,
        vote,
        nonce,
    };
    Some(Sent::signed(key, call))
}
