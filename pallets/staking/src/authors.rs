//! Block authors: their election, their sessions, and those who stay away.

use crate::{types::*, *};
use alloc::{collections::BTreeMap, vec::Vec};
use arena_primitives::{AccountId, Hash, Round, traits::Clock};
use core::cmp::Reverse;
use frame_support::{dispatch::DispatchClass, traits::Defensive};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_runtime::{Perbill, traits::Hash as _};
use sp_staking::SessionIndex;

/// An author is judged once it should have made this many blocks, over as many sessions as that
/// takes.
///
/// BABE gives each block to one of the authors at random, so with `λ` blocks expected an honest
/// author makes a Poisson number of them. It makes fewer than half with probability 6.2 % for
/// `λ = 6` (production's sessions: 600 slots, 100 authors), so that one session judges nothing;
/// 3.5·10⁻⁵ for `λ = 50`; 1.2·10⁻⁸ for `λ = 100`. With a hundred authors that are judged every
/// 17 hours, an honest one is chilled by chance less than once in a thousand years.
pub const JUDGED_AT: u64 = 100;

const MILLI_BLOCKS: u64 = 1_000;

/// Takes an author that misbehaved out of block production at once. Implemented by the
/// runtime over the session's disabling.
pub trait Disabling {
    /// `who` committed a fault that costs `fraction` of its stake.
    fn disable(who: &AccountId, fraction: Perbill);
}

impl Disabling for () {
    fn disable(_: &AccountId, _: Perbill) {}
}

/// Session keys that authors registered. Implemented by the runtime over the session.
pub trait AuthorKeys {
    /// A hash of the keys that `who` registered; `None` without any.
    fn fingerprint(who: &AccountId) -> Option<Hash>;
}

impl<T: Config> Pallet<T> {
    /// The authors of the session that is planned: largest stake first, the earlier registration
    /// on a tie. `None` where there are too few candidates.
    pub fn elect(genesis: bool) -> Option<Vec<AccountId>> {
        let limits = Self::limits();
        let mut candidates: Vec<_> = Self::candidates(&limits, genesis)
            .into_iter()
            .map(|(who, position)| {
                let stake = position.now().counted(limits.max_leverage);
                (Reverse(stake), position.registered_at, who)
            })
            .collect();
        let found = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
        if found == 0 || found < limits.min_authors {
            log::warn!(
                target: LOG,
                "{found} candidates for {} authors at least: the set stays", limits.min_authors
            );
            return None;
        }
        candidates.sort();
        candidates.truncate(usize::try_from(limits.seats_authors).unwrap_or(usize::MAX));
        Some(candidates.into_iter().map(|(_, _, who)| who).collect())
    }

    /// Elects, and notes whom. `None` leaves the set as it is: too few candidates, or the same
    /// authors with the same session keys as before.
    ///
    /// Each set that is named moves GRANDPA's set id, also if it is the same. Nothing beyond the
    /// session looks at the order or the stake of its authors, so that these don't name one.
    /// Their keys do: the proof that a key is an author's is made when a set is named, and
    /// without one an author that changed its keys could equivocate with the new ones unpunished.
    pub(crate) fn plan(genesis: bool) -> Option<Vec<AccountId>> {
        let authors = Self::elect(genesis)?;
        let mut members: Vec<_> = authors
            .iter()
            .map(|who| (who, T::SessionKeys::fingerprint(who)))
            .collect();
        members.sort();
        let identity = T::Hashing::hash_of(&members);
        let same = Planned::<T>::get().is_some_and(|planned| planned.identity == identity);
        if same && !genesis {
            return None;
        }
        let kept = AuthorSet::try_from(authors.clone()).defensive_unwrap_or_default();
        Planned::<T>::put(Election {
            authors: kept,
            identity,
        });
        Some(authors)
    }

    /// What was planned is the session that starts.
    pub(crate) fn begin_session() {
        let Some(planned) = Planned::<T>::get() else {
            return;
        };
        if Authors::<T>::get() != planned.authors {
            Authors::<T>::put(planned.authors);
        }
    }

    pub(crate) fn finish_session(session: SessionIndex) {
        Self::judge_authors();
        if let Some(old) = session.checked_sub(Self::fault_sessions()) {
            // An author has one row for a session.
            let cleared = Faults::<T>::clear_prefix(old, MAX_ROSTER, None);
            if cleared.maybe_cursor.is_some() {
                log::error!(target: LOG, "more faults in session {old} than authors");
            }
        }
    }

    /// For how many sessions faults are remembered, and can be punished: twice as many as stake
    /// takes to unbond when no slot is missed.
    pub(crate) fn fault_sessions() -> Round {
        let epoch = Time::<T>::get().epoch_slots.max(1);
        let sessions = u64::from(<Self as Clock>::unbonding()).div_ceil(epoch);
        u32::try_from(sessions.saturating_mul(2).saturating_add(1)).unwrap_or(u32::MAX)
    }

    /// Adds the session to what each author made and should have made, and chills those that
    /// have been watched long enough and made less than half.
    fn judge_authors() {
        let authors = Authors::<T>::get();
        // At most a row for each author of this session and of the one before.
        let mut watches: BTreeMap<_, _> = Watches::<T>::drain().collect();
        let blocks = authors.iter().fold(0u64, |sum, who| {
            let made = watches.get(who).map_or(0, |watch: &Watch| watch.session);
            sum.saturating_add(u64::from(made))
        });
        let each = u64::try_from(authors.len())
            .ok()
            .and_then(|count| blocks.saturating_mul(MILLI_BLOCKS).checked_div(count))
            .unwrap_or(0);
        let mut idle = Vec::new();
        // They are ordered by stake: of equally idle ones the smallest goes first.
        for who in authors.into_iter().rev() {
            let mut watch = watches.remove(&who).unwrap_or_default();
            watch.authored = watch.authored.saturating_add(watch.session);
            watch.session = 0;
            watch.expected_milli = watch.expected_milli.saturating_add(each);
            if watch.expected_milli < JUDGED_AT.saturating_mul(MILLI_BLOCKS) {
                Watches::<T>::insert(who, watch);
            } else if watch.is_idle() {
                idle.push((watch.authored, who));
            }
        }
        idle.sort_by_key(|(authored, _)| *authored);
        Self::chill_authors(idle.into_iter().map(|(_, who)| who));
    }
}

impl Watch {
    /// Fewer than half of the blocks that were expected.
    fn is_idle(&self) -> bool {
        let twice = u64::from(self.authored)
            .saturating_mul(MILLI_BLOCKS)
            .saturating_mul(2);
        twice < self.expected_milli
    }
}

impl<T: Config> pallet_authorship::EventHandler<AccountId, BlockNumberFor<T>> for Pallet<T> {
    fn note_author(author: AccountId) {
        // Authorship weighs nothing by itself.
        frame_system::Pallet::<T>::register_extra_weight_unchecked(
            T::WeightInfo::note_author(),
            DispatchClass::Mandatory,
        );
        Watches::<T>::mutate(author, |watch| {
            watch.session = watch.session.saturating_add(1);
        });
    }
}

impl<T: Config> pallet_session::SessionManager<AccountId> for Pallet<T> {
    fn new_session(_: SessionIndex) -> Option<Vec<AccountId>> {
        Self::plan(false)
    }

    // Who registers session keys after genesis is no candidate before; here nobody has to.
    fn new_session_genesis(_: SessionIndex) -> Option<Vec<AccountId>> {
        Self::plan(true)
    }

    fn start_session(_: SessionIndex) {
        Self::begin_session();
    }

    fn end_session(session: SessionIndex) {
        Self::finish_session(session);
    }
}

fn identified(authors: Option<Vec<AccountId>>) -> Option<Vec<(AccountId, ())>> {
    authors.map(|all| all.into_iter().map(|who| (who, ())).collect())
}

impl<T: Config> pallet_session::historical::SessionManager<AccountId, ()> for Pallet<T> {
    fn new_session(_: SessionIndex) -> Option<Vec<(AccountId, ())>> {
        identified(Self::plan(false))
    }

    fn new_session_genesis(_: SessionIndex) -> Option<Vec<(AccountId, ())>> {
        identified(Self::plan(true))
    }

    fn start_session(_: SessionIndex) {
        Self::begin_session();
    }

    fn end_session(session: SessionIndex) {
        Self::finish_session(session);
    }
}
