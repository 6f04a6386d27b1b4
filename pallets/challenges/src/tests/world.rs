//! Who and what random calls are about.

use super::*;
use arena_primitives::{LossLeaf, ProvenLoss, TaskId};
use std::ops::Range;

pub(super) const TRAINERS: Range<u8> = 60..66;
/// The one before the last is poor; the last is no validator.
pub(super) const VALIDATORS: Range<u8> = 70..90;
pub(super) const NOBODY: u8 = 89;
pub(super) const PAUPER: u8 = 88;

pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, n: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % n
    }

    pub(super) fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    pub(super) fn of<T: Clone>(&mut self, all: &[T]) -> Option<T> {
        let at = self.below(all.len().max(1) as u64) as usize;
        all.get(at).cloned()
    }

    pub(super) fn in_range(&mut self, range: Range<u8>) -> u8 {
        range.start + self.below(range.len() as u64) as u8
    }
}

/// What everybody has at first.
pub(crate) fn world_balances() -> impl Iterator<Item = (AccountId, Balance)> {
    let wealth = |n| if n == PAUPER { 300 } else { 100_000_000 };
    TRAINERS
        .chain(VALIDATORS)
        .map(move |n| (account(n), wealth(n)))
}

/// The model of a trainer in a task.
pub(super) fn model_in(task: TaskId, n: u8) -> H256 {
    H256::from_low_u64_be(u64::from(task) << 8 | u64::from(n))
}

pub(super) fn salt(task: TaskId, n: u8) -> H256 {
    H256::from_low_u64_le(u64::from(task) << 8 | u64::from(n))
}

/// Steps of all runs, with a leaf after each.
pub(super) const LEAVES: u32 = 6;

pub(super) fn log(count: u32) -> LogLeaves {
    let leaf = |place: u32| LogLeaf {
        step: u64::from(place),
        weights: [place as u8; 32],
        optimizer: [7; 32],
        update: u64::from(place),
    };
    let leaves: Vec<_> = (0..count).map(leaf).collect();
    leaves.try_into().unwrap()
}

/// The only loss of each model.
pub(super) fn loss() -> ProvenLoss {
    ProvenLoss {
        leaf: LossLeaf {
            index: 0,
            nll: 1,
            tokens: 1,
            bytes: 1,
            correct: true,
        },
        proof: Default::default(),
    }
}

pub(super) fn loss_root() -> H256 {
    use codec::Encode;
    use sp_runtime::traits::{BlakeTwo256, Hash};
    BlakeTwo256::hash(&[&[0u8][..], &loss().leaf.encode()].concat())
}

pub(super) fn loss_roots() -> crate::LossRoots {
    vec![loss_root()].try_into().unwrap()
}

/// A task that takes submissions, with everybody in it.
pub(super) fn begin_task(task: TaskId) {
    let venue = Venue::Task(task);
    for n in TRAINERS {
        set_stake(venue, n, Role::Trainer, 2_000);
    }
    for n in VALIDATORS.filter(|n| *n != NOBODY) {
        set_stake(venue, n, Role::Validator, 3_000 + Balance::from(n));
    }
    let now = System::block_number();
    with(|t| {
        t.phases.insert(task, (TaskPhase::Submission, now + 60));
        for n in TRAINERS {
            let at = now + 30 + u32::from(n % 5);
            t.models.insert((task, account(n)), (model_in(task, n), at));
            t.locked.insert((task, account(n)), 100 * Balance::from(n));
        }
        for n in VALIDATORS {
            t.locked.insert((task, account(n)), 5 * Balance::from(n));
        }
    });
}

/// Each validator has scored each model in this round.
pub(super) fn disclose(task: TaskId, round: u32) {
    let disclosed = Disclosed {
        raw: 7,
        samples_root: arena_primitives::hash::hash(
            arena_primitives::hash::Domain::Samples,
            &loss_roots(),
        ),
        place: 0,
        models: 1,
        settled_at: None,
    };
    with(|t| {
        t.disclosed.retain(|(of, _, _), _| of + 4 > round);
        for n in VALIDATORS {
            let model = model_in(task, TRAINERS.start + n % 6);
            t.disclosed.insert((round, account(n), model), disclosed);
        }
    });
}
