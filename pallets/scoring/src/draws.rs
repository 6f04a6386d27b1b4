//! Seeds, and who scores what.

use crate::{Config, EarlierModels, Pallet, SeedState, Seeds};
use alloc::vec::Vec;
use arena_math::draw::{draw_threshold, is_drawn};
use arena_primitives::{
    AccountId, Balance, Round, RoundInfo, RoundModel, TaskId, TaskSpec, Venue,
    hash::{Domain, hash, low_u64},
    traits::{Rounds, Stakes},
};
use sp_core::H256;

/// Whether `validator` scores the model of `trainer`.
fn scores(seed: &H256, validator: &AccountId, trainer: &AccountId, threshold: u128) -> bool {
    is_drawn(
        low_u64(&hash(Domain::Draw, &(seed, validator, trainer))),
        threshold,
    )
}

/// A validator's chance in a round whose seed is known.
pub(crate) struct Chance {
    seed: H256,
    threshold: u128,
}

impl Chance {
    pub(crate) fn new(seed: H256, stake: Balance, total: Balance, spec: &TaskSpec) -> Self {
        let committee = u32::from(spec.rewards.committee);
        Chance {
            seed,
            threshold: draw_threshold(stake, total, committee),
        }
    }

    pub(crate) fn hits(&self, validator: &AccountId, model: &RoundModel) -> bool {
        scores(&self.seed, validator, &model.trainer, self.threshold)
    }
}

impl<T: Config> Pallet<T> {
    fn finished(task: TaskId, round: Round, state: &SeedState) -> Option<(H256, Balance)> {
        let total = state.total?;
        Some((hash(Domain::Seed, &(state.acc, task, round)), total))
    }

    /// The seed of a round and the stake that its draw divides by, from the first block of the
    /// commit phase.
    pub(crate) fn seed_and_total(task: TaskId, round: Round) -> Option<(H256, Balance)> {
        Self::finished(task, round, &Seeds::<T>::get(task, round)?)
    }

    /// The seed of a round; `None` before it is complete and after settlement.
    pub fn seed(task: TaskId, round: Round) -> Option<H256> {
        Self::seed_and_total(task, round).map(|(seed, _)| seed)
    }

    /// The seed of the round's subset of evaluation samples.
    pub fn samples_seed(task: TaskId, round: Round) -> Option<H256> {
        Self::seed(task, round).map(|seed| hash(Domain::Samples, &seed))
    }

    /// The seed of the planes that the round's sketches are projected on.
    pub fn sketch_seed(task: TaskId, round: Round) -> Option<H256> {
        Self::seed(task, round).map(|seed| hash(Domain::Sketch, &seed))
    }

    /// The earlier models that the round's are compared with. Empty before the seed is known,
    /// after settlement, and where the task asks for no sketches.
    pub fn earlier(task: TaskId, round: Round) -> EarlierModels {
        let state = Seeds::<T>::get(task, round);
        state.map(|state| state.earlier).unwrap_or_default()
    }

    /// For each model of the round, whether `validator` scores it. `None` before the seed is
    /// known or where the validator's stake doesn't count.
    pub(crate) fn draw(
        task: TaskId,
        round: Round,
        validator: &AccountId,
    ) -> Option<Vec<(RoundModel, bool)>> {
        let (seed, total) = Self::seed_and_total(task, round)?;
        let spec = T::Rounds::spec(task)?;
        let position = T::Stakes::counted(Venue::Task(task), validator, round)?;
        let stake = position.stake.counted(spec.rewards.max_leverage);
        let chance = Chance::new(seed, stake, total, &spec);
        let models = T::Rounds::models(task, round);
        Some(
            models
                .into_iter()
                .map(|model| {
                    let hit = chance.hits(validator, &model);
                    (model, hit)
                })
                .collect(),
        )
    }

    /// The models that `validator` scores in a round, as trainer and root, in the round's order.
    /// Empty before the seed is known, after settlement, and for who is no validator.
    pub fn drawn(task: TaskId, round: Round, validator: &AccountId) -> Vec<(AccountId, H256)> {
        let role = T::Stakes::role(Venue::Task(task), validator);
        if role != Some(arena_primitives::Role::Validator) {
            return Vec::new();
        }
        Self::draw(task, round, validator)
            .unwrap_or_default()
            .into_iter()
            .filter(|(_, hit)| *hit)
            .map(|(model, _)| (model.trainer, model.manifest_root))
            .collect()
    }

    /// Adds the parent's VRF output to the seed if the parent was in the seed phase.
    /// `false` if it wasn't, or carried none.
    pub(crate) fn gather(info: &RoundInfo, parent: u32, vrf: Option<H256>) -> bool {
        let gathering = parent >= info.schedule.seed && parent < info.schedule.commit;
        let (true, Some(vrf)) = (gathering, vrf) else {
            return false;
        };
        Seeds::<T>::mutate(info.task, info.round, |state| {
            let before = state.take().unwrap_or_default();
            *state = Some(SeedState {
                acc: hash(Domain::SeedStep, &(before.acc, vrf)),
                blocks: before.blocks.saturating_add(1),
                ..SeedState::default()
            });
        });
        true
    }
}
