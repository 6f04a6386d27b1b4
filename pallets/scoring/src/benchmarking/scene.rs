//! What benchmarks start from: rounds, reveals and settlements of each size.

use super::Helper;
use crate::{benchmarking::BenchmarkHelper as _, settlement::Work, *};
use alloc::vec::Vec;
use arena_primitives::{
    AccountId, Balance, BlockNumber, EarlierModel, EarlierSketches, MAX_EARLIER, MinerFault,
    ModelLikeness, ModelResult, ModelStatus, PERBILL, Role, RoundInfo, ScoreOutcome, UNIT, Venue,
    hash::{Domain, hash},
    traits::{Due, Stakes, TaskRewards},
};
use frame_benchmarking::account;
use frame_support::BoundedVec;
use frame_system::Pallet as System;
use sp_core::H256;
use sp_runtime::Perbill;

pub(super) fn go<T: Config>(block: BlockNumber) {
    System::<T>::set_block_number(block.into());
}

pub(super) fn validators_of<T: Config>(info: &RoundInfo) -> Vec<AccountId> {
    T::Stakes::all(Venue::Task(info.task), Role::Validator, info.round)
        .into_iter()
        .map(|counted| counted.operator)
        .collect()
}

/// Its seed is known, and each validator's chance is `its stake / of`, or certain with 0.
pub(super) fn seed<T: Config>(info: &RoundInfo, of: Balance) {
    let total = if of == 0 { 1 } else { of };
    let state = SeedState {
        acc: H256::repeat_byte(7),
        blocks: 16,
        total: Some(total),
        earlier: earlier_models(),
    };
    Seeds::<T>::insert(info.task, info.round, state);
}

/// As many as there can be, that none of a round's are.
pub(super) fn earlier_models() -> EarlierModels {
    let model = |n: u32| EarlierModel {
        trainer: account("earlier", n, 0),
        manifest_root: hash(Domain::Mark, &n),
        score: Perbill::from_percent(50),
    };
    EarlierModels::truncate_from((0..MAX_EARLIER).map(model).collect())
}

/// A sketch of each earlier model.
pub(super) fn earlier_sketches() -> EarlierSketches {
    EarlierSketches::truncate_from(alloc::vec![Some([6; 32]); MAX_EARLIER as usize])
}

pub(super) fn raw_of(validator: usize, model: usize) -> u64 {
    // Different scores of each model, in no order.
    let mixed = (validator as u64)
        .wrapping_mul(2_654_435_761)
        .wrapping_add((model as u64).wrapping_mul(40_503));
    PERBILL / 2 + mixed % (PERBILL / 2)
}

/// Everybody's commitment and reveal, of each of `models`.
pub(super) fn reveal_all<T: Config>(info: &RoundInfo, models: u32) {
    for (v, who) in validators_of::<T>(info).into_iter().enumerate() {
        let row = (0..models as usize).map(|m| Some(ScoreOutcome::Scored(raw_of(v, m))));
        let key = (info.task, info.round, &who);
        Commits::<T>::insert(key, H256::repeat_byte(1));
        Reveals::<T>::insert(key, reveal(Revealed::truncate_from(row.collect())));
        // No two have the same of a model.
        let sketch = |m: u32| Some(hash(Domain::Sketch, &(v as u32, m)).0);
        let sketches = RevealedSketches {
            models: BoundedVec::truncate_from((0..models).map(sketch).collect()),
            earlier: earlier_sketches(),
        };
        Sketches::<T>::insert(key, sketches);
    }
}

pub(super) fn reveal(outcomes: Revealed) -> Reveal {
    Reveal {
        outcomes,
        samples_root: H256::repeat_byte(3),
    }
}

/// Of a model that is like an earlier one.
pub(super) fn model_result() -> ModelResult {
    ModelResult {
        trainer: account("trainer", 0, 0),
        manifest_root: H256::repeat_byte(9),
        status: ModelStatus::Invalid(MinerFault::NonFinite),
        raw: Some(1),
        score: Some(Perbill::from_percent(50)),
        rank: Some(1),
        reward: UNIT,
        likeness: Some(ModelLikeness {
            earlier: H256::repeat_byte(8),
            distance: 13,
            matches: true,
        }),
    }
}

/// A settlement that has begun, of a round whose reveals are in.
pub(super) fn settlement<T: Config>(models: u32, validators: u32) -> (RoundInfo, Settlement) {
    let info = Helper::<T>::closed_round(models, validators, 0);
    seed::<T>(&info, 0);
    go::<T>(info.schedule.settle);
    let mut work = Work::<T>::begin(info.task, info.round).expect("the round has a spec");
    let mut state = work.state().clone();
    assert_eq!(state.models.len() as u32, models);
    assert_eq!(state.validators.len() as u32, validators);
    state.due = Due {
        emission: 1_000 * UNIT,
        bounty: 0,
    };
    (info, state)
}

pub(super) fn resume<T: Config>(state: Settlement) -> Work<T> {
    Work::<T>::resume(state).expect("the round has a spec")
}

/// Each model has a consensus of its own.
pub(super) fn agree(state: &mut Settlement) {
    for (m, row) in state.models.iter_mut().enumerate() {
        row.consensus = Some((u128::from(raw_of(3, m)), u128::from(PERBILL)));
        row.status = ModelStatus::Scored;
        row.raw = Some(raw_of(3, m));
    }
    state.pots = state.models.len() as u32;
}

/// Draws, and owes all of it to `counted`, who shares it with delegators.
pub(super) fn draw<T: Config>(state: &mut Settlement) -> Balance {
    state.drawn = T::Rewards::draw(state.task, state.due);
    for row in state.models.iter_mut() {
        if let Some(counted) = &mut row.counted {
            counted.stake.delegated = counted.stake.own;
            counted.stake.shares = counted.stake.own;
        }
    }
    for row in state.validators.iter_mut() {
        row.counted.stake.delegated = row.counted.stake.own;
        row.counted.stake.shares = row.counted.stake.own;
    }
    state.drawn
}

/// The first validator of a settlement, whose turn has come.
pub(super) fn judged<T: Config>(models: u32) -> (RoundInfo, Settlement, AccountId) {
    let (info, mut state) = settlement::<T>(models, 1);
    state.stage = Stage::Validators { next: 0 };
    let who = state.validators[0].counted.operator.clone();
    (info, state, who)
}
