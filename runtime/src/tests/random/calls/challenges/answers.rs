//! What the accused answer.

use super::{case, runs::log};
use crate::{
    tests::random::{
        calls::{Sent, service_key},
        world::{World, now},
    },
    *,
};
use arena_primitives::{
    LogLeaves, LossLeaf, ProvenLoss, Round, Uris,
    hash::{Domain, hash, low_u64},
};
use codec::Encode;
use pallet_arena_challenges::{Call, Case, CaseState, Facts, LossRoots, ProvenLosses, Runs};
use sp_core::H256;
use sp_runtime::traits::{BlakeTwo256, Hash};

/// Samples of each model.
const SAMPLES: u32 = 1;

/// A validator's only loss of its model number `place` in a round.
fn loss(validator: &AccountId, round: Round, place: u32) -> LossLeaf {
    LossLeaf {
        index: place,
        nll: low_u64(&hash(Domain::Job, &(validator, round, place))),
        tokens: 1,
        bytes: 1,
        correct: false,
    }
}

/// Roots of a validator's losses of so many models.
pub(in crate::tests::random::calls) fn loss_roots(
    validator: &AccountId,
    round: Round,
    models: u32,
) -> LossRoots {
    let root = |place| BlakeTwo256::hash(&(0u8, loss(validator, round, place)).encode());
    LossRoots::truncate_from((0..models).map(root).collect())
}

fn awaits(case: &Case) -> bool {
    matches!(case.state, CaseState::Responding { until, .. } if now() < until)
}

/// The accused or its service key.
fn speaker(world: &mut World, accused: &AccountId) -> AccountId {
    let key = world.dice.chance(50).then(|| service_key(world, accused));
    key.flatten().unwrap_or(accused.clone())
}

pub(in crate::tests::random::calls) fn respond_training(world: &mut World) -> Option<Sent> {
    let whole = |case: &Case| {
        let run = Runs::<Runtime>::get(case.task, case.accused())?;
        (run.log_leaves() == Some(run.leaves)).then_some(run)
    };
    let (id, case) = case(world, |case| {
        awaits(case) && case.facts == Facts::Training && whole(case).is_some()
    })?;
    let mut leaves = whole(&case).map_or(Vec::new(), |run| log(case.accused(), &run));
    if world.dice.slips() {
        leaves.pop();
    }
    let uris = if world.dice.slips() {
        Uris::default()
    } else {
        crate::tests::journey::uris()
    };
    let call = Call::respond_training {
        case: id,
        leaves: LogLeaves::truncate_from(leaves),
        uris,
    };
    let signer = speaker(world, case.accused());
    Some(Sent::signed(signer, call))
}

pub(in crate::tests::random::calls) fn respond_score(world: &mut World) -> Option<Sent> {
    let roots = |case: &Case| {
        let arena_primitives::Claim::Score { round, .. } = case.claim else {
            return None;
        };
        let Facts::Score { models, place, .. } = case.facts else {
            return None;
        };
        Some((loss_roots(case.accused(), round, models), round, place))
    };
    let committed = |case: &Case, roots: &LossRoots| match &case.facts {
        Facts::Score { samples_root, .. } => hash(Domain::Samples, roots) == *samples_root,
        _ => false,
    };
    let (id, case) = case(world, |case| {
        awaits(case) && roots(case).is_some_and(|(roots, ..)| committed(case, &roots))
    })?;
    let (mut roots, round, place) = roots(&case)?;
    if world.dice.slips() {
        roots = LossRoots::truncate_from(vec![H256::zero()]);
    }
    let proven = ProvenLoss {
        leaf: loss(case.accused(), round, place),
        proof: Default::default(),
    };
    let call = Call::respond_score {
        case: id,
        roots,
        samples: SAMPLES,
        losses: ProvenLosses::truncate_from(vec![proven]),
    };
    let signer = speaker(world, case.accused());
    Some(Sent::signed(signer, call))
}
