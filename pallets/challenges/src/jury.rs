//! Who judges.

use crate::{Case, Config, Convicted, Pallet, Seat, Seats};
use alloc::{collections::BTreeMap, vec::Vec};
use arena_math::{consensus::seats_cap, jury};
use arena_primitives::{
    AccountId, Balance, Role, TaskId, Venue,
    hash::{Domain, hash, low_u64},
    traits::{Rounds, ServiceKeys, Stakes, Venues},
};
use sp_core::H256;

/// A juror's weight is at most this part of all candidates' stake.
const CAP_SEATS: u32 = 10;

/// A validator that could sit.
struct Candidate {
    venue: Venue,
    own: Balance,
    stake: Balance,
}

impl<T: Config> Pallet<T> {
    /// Draws `seats` jurors by capped stake; `None` where there are too few who may judge.
    pub(crate) fn draw_jury(case: &Case, draw: &H256, seats: u32) -> Option<Seats> {
        let seats = usize::try_from(seats).ok()?;
        let candidates = Self::candidates(case, seats);
        let stakes: Vec<Balance> = candidates.iter().map(|(_, one)| one.stake).collect();
        let capped = seats_cap(&stakes, CAP_SEATS).ok()?;
        let word = |who: &AccountId| low_u64(&hash(Domain::CaseDraw, &(draw, who)));
        let words: Vec<u64> = candidates.iter().map(|(who, _)| word(who)).collect();
        let drawn: Vec<Seat> = jury::draw(&capped, &words, seats)
            .into_iter()
            .filter_map(|place| candidates.get(place))
            .map(|(juror, one)| Seat {
                juror: juror.clone(),
                venue: one.venue,
                own: one.own,
                commitment: None,
                vote: None,
            })
            .collect();
        let drawn = Some(drawn).filter(|drawn| drawn.len() == seats)?;
        Seats::try_from(drawn).ok()
    }

    /// Validators of the task with a service key, without parties; where they are too few those
    /// of `Network` too. Each counts once, where it has the most.
    fn candidates(case: &Case, seats: usize) -> Vec<(AccountId, Candidate)> {
        let mut found = BTreeMap::new();
        Self::add_candidates(&mut found, case, Venue::Task(case.task));
        if found.len() < seats.saturating_mul(3) {
            Self::add_candidates(&mut found, case, Venue::Network);
        }
        found.into_iter().collect()
    }

    fn add_candidates(found: &mut BTreeMap<AccountId, Candidate>, case: &Case, venue: Venue) {
        let Some(round) = T::Venues::current_round(venue) else {
            return;
        };
        let leverage = Self::leverage(case.task);
        for counted in T::Stakes::all(venue, Role::Validator, round) {
            let who = counted.operator;
            let convicted = Convicted::<T>::contains_key(case.task, &who);
            if convicted || case.has_party(&who) || T::ServiceKeys::key_of(&who).is_none() {
                continue;
            }
            let candidate = Candidate {
                venue,
                own: counted.stake.own,
                stake: counted.stake.counted(leverage),
            };
            let there = found.get(&who).map_or(0, |one| one.stake);
            if candidate.stake > there {
                found.insert(who, candidate);
            }
        }
    }

    fn leverage(task: TaskId) -> u32 {
        T::Rounds::spec(task).map_or(0, |spec| spec.rewards.max_leverage)
    }
}
