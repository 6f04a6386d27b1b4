//! Who and what is measured.

use crate::{state::*, *};
use alloc::{vec, vec::Vec};
use arena_primitives::{
    AccountId, BlockNumber, Claim, LogLeaf, LogLeaves, LossLeaf, ProvenLoss, RoundModel, TaskId,
    Uris, Venue, Vote, drawn_samples, log_roots,
};
use codec::Encode;
use frame_support::{BoundedVec, traits::Get};
use frame_system::RawOrigin;
use sp_core::H256;
use sp_runtime::traits::{BlakeTwo256, Hash};

/// A task with people in it.
pub struct Scene {
    /// The task.
    pub task: TaskId,
    /// Models, the first of which was committed to before the second; each trainer has rewards
    /// and stake.
    pub models: Vec<RoundModel>,
    /// Validators with stake and service keys, who can pay for several bonds each; twice as many
    /// as a largest jury has seats, and those who challenge.
    pub validators: Vec<AccountId>,
    /// Their service keys.
    pub keys: Vec<AccountId>,
    /// Mirrors.
    pub uris: Uris,
}

/// Brings the neighbours where benchmarks need them. Implemented by the runtime.
pub trait BenchmarkHelper {
    /// A task in the first block of its challenge phase.
    fn challenged() -> Scene;
    /// A task that takes submissions.
    fn training() -> Scene;
    /// A task in its challenge phase with so many validators who may judge.
    fn judged(candidates: u32) -> Scene;
}

pub(super) const NONCE: H256 = H256::repeat_byte(9);

/// The second model is a copy of the first.
pub(super) fn copy(scene: &Scene) -> Claim {
    Claim::Duplicate {
        trainer: scene.models[1].trainer.clone(),
        model: scene.models[1].manifest_root,
        earlier: scene.models[0].manifest_root,
    }
}

pub(super) fn other(scene: &Scene, n: u32) -> Claim {
    Claim::Duplicate {
        trainer: scene.models[1].trainer.clone(),
        model: scene.models[1].manifest_root,
        earlier: BlakeTwo256::hash(&n.to_le_bytes()),
    }
}

pub(super) fn seats(who: &[AccountId], task: TaskId, vote: Option<Vote>) -> Seats {
    let seat = |juror: &AccountId| Seat {
        juror: juror.clone(),
        venue: Venue::Task(task),
        own: 1_000_000_000_000,
        commitment: vote.map(|_| NONCE),
        vote,
    };
    BoundedVec::truncate_from(who.iter().map(seat).collect())
}

pub(super) fn jury(who: &[AccountId], task: TaskId, vote: Option<Vote>) -> Jury {
    Jury {
        draw: NONCE,
        seats: seats(who, task, vote),
    }
}

/// Stores a case with `challengers`, whose bonds are held.
pub(super) fn put_case<T: Config>(
    scene: &Scene,
    claim: Claim,
    facts: Facts,
    challengers: u32,
    state: CaseState,
) -> u32 {
    let bond = Pallet::<T>::bond(scene.task, &claim);
    let takes = |who: &AccountId| {
        assert!(Pallet::<T>::hold(who, bond).is_ok(), "a bond is held");
        Challenger {
            who: who.clone(),
            bond,
        }
    };
    let all = scene.validators.iter().take(challengers as usize);
    let case = Case {
        task: scene.task,
        claim,
        facts,
        challengers: BoundedVec::truncate_from(all.map(takes).collect()),
        fee: T::JurorFee::get(),
        appeal: None,
        state,
    };
    let id = NextCaseId::<T>::get();
    NextCaseId::<T>::put(id + 1);
    Accused::<T>::mutate(scene.task, case.accused(), |cases| *cases += 1);
    CasesOf::<T>::mutate(scene.task, |list| assert!(list.try_push(id).is_ok()));
    Pallet::<T>::save(id, case.state.due(), &case);
    id
}

/// Fills the task with other cases, all but `free`.
pub(super) fn fill<T: Config>(scene: &Scene, free: u32) {
    for n in 0..MAX_OPEN_CASES - free {
        let state = CaseState::Committing {
            jury: jury(&scene.validators[8..], scene.task, None),
            since: 0,
            until: later::<T>(),
        };
        put_case::<T>(scene, other(scene, n), owner(scene), 1, state);
    }
}

pub(super) fn owner(scene: &Scene) -> Facts {
    Facts::Duplicate {
        owner: scene.models[0].trainer.clone(),
    }
}

pub(super) fn later<T: Config>() -> BlockNumber {
    Pallet::<T>::now() + 100
}

pub(super) fn drawing<T: Config>() -> CaseState {
    CaseState::Drawing {
        ready: later::<T>(),
    }
}

pub(super) fn commit<T: Config>(scene: &Scene, who: &AccountId, claim: &Claim) {
    let commitment = claim.commitment(who, scene.task, &NONCE);
    let origin = RawOrigin::Signed(who.clone());
    let done = Pallet::<T>::commit_case(origin.into(), scene.task, commitment);
    assert!(done.is_ok(), "{done:?}");
}

/// A run of `trainer` whose log has `count` leaves, with as many heartbeats as there can be.
pub(super) fn put_run<T: Config>(task: TaskId, trainer: &AccountId, count: u32) -> LogLeaves {
    let leaf = |step: u32| LogLeaf {
        step: u64::from(step),
        weights: [1; 32],
        optimizer: [2; 32],
        update: 3,
    };
    let leaves: Vec<_> = (0..count).map(leaf).collect();
    let beats = (1..)
        .zip(log_roots(&NONCE, &leaves))
        .skip(count.saturating_sub(MAX_HEARTBEATS) as usize)
        .map(|(leaves, root)| Heartbeat { leaves, root });
    Heartbeats::<T>::insert(task, trainer, BoundedVec::truncate_from(beats.collect()));
    let run = Run {
        number: 0,
        recipe: NONCE,
        steps: u64::from(count - 1),
        every: 1,
        checkpoint_bytes: 1,
        at: 0,
        seed: RunSeed::Known(NONCE),
        deposit: 0,
        leaves: count,
        beaten: None,
    };
    Runs::<T>::insert(task, trainer, run);
    BoundedVec::truncate_from(leaves)
}

/// Proofs of equal losses, so that each level of their tree has one hash.
pub(super) fn proofs(draw: &H256, samples: u32) -> (H256, ProvenLosses) {
    let leaf = LossLeaf {
        index: 0,
        nll: 1,
        tokens: 1,
        bytes: 1,
        correct: true,
    };
    let mut node = BlakeTwo256::hash(&[&[0u8][..], &leaf.encode()].concat());
    let mut proof = Vec::new();
    for _ in 0..samples.ilog2() {
        proof.push(node);
        node = BlakeTwo256::hash(&[&[1u8][..], node.as_bytes(), node.as_bytes()].concat());
    }
    let proven = ProvenLoss {
        leaf,
        proof: BoundedVec::truncate_from(proof),
    };
    let number = drawn_samples(draw, samples, SAMPLES).len();
    (node, BoundedVec::truncate_from(vec![proven; number]))
}
