//! What is measured of this pallet. The documentation of a benchmark becomes that of its weight.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "small numbers of its own, and a benchmark that fails must stop"
)]

mod scene;

pub use scene::{BenchmarkHelper, Scene};

use crate::{money::Dues, state::*, *};
use alloc::vec;
use arena_primitives::{
    AccountId, Claim, MAX_TRAINERS, PublicData, Vote,
    hash::{Domain, hash},
    vote_commitment,
};
use frame_benchmarking::v2::*;
use frame_support::BoundedVec;
use frame_system::{Pallet as System, RawOrigin};
use scene::*;

#[benchmarks]
mod benchmarks {
    use super::*;

    /// `commit_case`.
    #[benchmark]
    fn commit_case() {
        let scene = T::BenchmarkHelper::challenged();
        let who = scene.validators[0].clone();

        #[extrinsic_call]
        _(RawOrigin::Signed(who.clone()), scene.task, NONCE);

        assert!(Commitments::<T>::contains_key(who, NONCE));
    }

    /// `open_case` of a claim of one's own, as the last case that fits.
    #[benchmark]
    fn open_case() {
        let scene = T::BenchmarkHelper::challenged();
        let who = scene.validators[1].clone();
        commit::<T>(&scene, &who, &copy(&scene));
        fill::<T>(&scene, 1);

        #[extrinsic_call]
        _(RawOrigin::Signed(who), scene.task, copy(&scene), NONCE);

        let (accused, cases) = (&scene.models[1].trainer, CasesOf::<T>::get(scene.task));
        assert_eq!(cases.len() as u32, MAX_OPEN_CASES);
        assert_eq!(Accused::<T>::get(scene.task, accused), MAX_OPEN_CASES);
    }

    /// `open_case` of a claim that finds all places taken, so that its commitment ends.
    #[benchmark]
    fn open_case_in_vain() {
        let scene = T::BenchmarkHelper::challenged();
        let who = scene.validators[1].clone();
        commit::<T>(&scene, &who, &copy(&scene));
        fill::<T>(&scene, 0);

        #[extrinsic_call]
        open_case(
            RawOrigin::Signed(who.clone()),
            scene.task,
            copy(&scene),
            NONCE,
        );

        assert_eq!(Commitments::<T>::iter_prefix(who).count(), 0);
    }

    /// `join`, as the last challenger that fits.
    #[benchmark]
    fn join() {
        let scene = T::BenchmarkHelper::challenged();
        let most = MAX_CHALLENGERS - 1;
        let id = put_case::<T>(&scene, copy(&scene), owner(&scene), most, drawing::<T>());
        let who = scene.validators[most as usize].clone();

        #[extrinsic_call]
        _(RawOrigin::Signed(who), id);

        assert!(OpenCases::<T>::get(id).unwrap().challengers.is_full());
    }

    /// `respond_training` with `l` leaves, and as many heartbeats as there can be.
    #[benchmark]
    fn respond_training(l: Linear<2, { arena_primitives::MAX_LOG_LEAVES }>) {
        let scene = T::BenchmarkHelper::challenged();
        let trainer = scene.models[1].trainer.clone();
        let leaves = put_run::<T>(scene.task, &trainer, l);
        let claim = Claim::ProofOfLearning {
            trainer: trainer.clone(),
        };
        let state = CaseState::Responding {
            jury: jury(&scene.validators[8..], scene.task, None),
            until: later::<T>(),
        };
        let id = put_case::<T>(&scene, claim, Facts::Training, 1, state);

        #[extrinsic_call]
        _(RawOrigin::Signed(trainer), id, leaves, scene.uris);

        assert!(Answers::<T>::contains_key(id));
    }

    /// `respond_score` in a reveal of `m` models.
    #[benchmark]
    fn respond_score(m: Linear<1, MAX_TRAINERS>) {
        let scene = T::BenchmarkHelper::challenged();
        let validator = scene.validators[1].clone();
        let samples = 1 << 31;
        let (root, losses) = proofs(&NONCE, samples);
        let roots = vec![root; m as usize];
        let claim = Claim::Score {
            validator: validator.clone(),
            round: 1,
            model: scene.models[0].manifest_root,
        };
        let facts = Facts::Score {
            owner: None,
            raw: 1,
            samples_root: hash(Domain::Samples, &roots),
            place: m - 1,
            models: m,
            data: PublicData {
                blake3: [1; 32],
                bytes: 1,
                uris: scene.uris.clone(),
                samples,
            },
            seed: NONCE,
        };
        let state = CaseState::Responding {
            jury: jury(&scene.validators[8..], scene.task, None),
            until: later::<T>(),
        };
        let id = put_case::<T>(&scene, claim, facts, 1, state);
        let roots = BoundedVec::truncate_from(roots);

        #[extrinsic_call]
        _(RawOrigin::Signed(validator), id, roots, samples, losses);

        assert!(Answers::<T>::contains_key(id));
    }

    /// `commit_vote` in the largest jury.
    #[benchmark]
    fn commit_vote() {
        let scene = T::BenchmarkHelper::challenged();
        let state = CaseState::Committing {
            jury: jury(&scene.validators[8..], scene.task, None),
            since: 0,
            until: later::<T>(),
        };
        let id = put_case::<T>(&scene, copy(&scene), owner(&scene), 8, state);
        let at = 8 + MAX_JURY as usize - 1;

        #[extrinsic_call]
        _(RawOrigin::Signed(scene.keys[at].clone()), id, NONCE);

        let state = OpenCases::<T>::get(id).unwrap().state;
        let seats = &state.jury().unwrap().seats;
        assert!(seats[MAX_JURY as usize - 1].commitment.is_some());
    }

    /// `reveal_vote` in the largest jury.
    #[benchmark]
    fn reveal_vote() {
        let scene = T::BenchmarkHelper::challenged();
        let at = 8 + MAX_JURY as usize - 1;
        let id = NextCaseId::<T>::get();
        let vote = Vote::Convict;
        let mut jury = jury(&scene.validators[8..], scene.task, None);
        let commitment = vote_commitment(&scene.validators[at], id, false, vote, &NONCE);
        jury.seats.as_mut()[MAX_JURY as usize - 1].commitment = Some(commitment);
        let until = later::<T>();
        let state = CaseState::Revealing { jury, until };
        put_case::<T>(&scene, copy(&scene), owner(&scene), 8, state);

        #[extrinsic_call]
        _(RawOrigin::Signed(scene.keys[at].clone()), id, vote, NONCE);

        let state = OpenCases::<T>::get(id).unwrap().state;
        assert_eq!(state.jury().unwrap().voters().count(), 1);
    }

    /// `appeal`.
    #[benchmark]
    fn appeal() {
        let scene = T::BenchmarkHelper::challenged();
        let state = CaseState::Appealable {
            jury: jury(&scene.validators[8..], scene.task, Some(Vote::Acquit)),
            verdict: Vote::Acquit,
            until: later::<T>(),
        };
        let id = put_case::<T>(&scene, copy(&scene), owner(&scene), 8, state);

        #[extrinsic_call]
        _(RawOrigin::Signed(scene.validators[0].clone()), id);

        assert!(OpenCases::<T>::get(id).unwrap().appeal.is_some());
    }

    /// `register_run` in the place of another, with as many heartbeats as there can be.
    #[benchmark]
    fn register_run() {
        let scene = T::BenchmarkHelper::training();
        let trainer = scene.models[0].trainer.clone();
        put_run::<T>(scene.task, &trainer, MAX_HEARTBEATS);
        fill::<T>(&scene, 0);

        #[extrinsic_call]
        _(
            RawOrigin::Signed(trainer.clone()),
            scene.task,
            NONCE,
            512,
            1,
            1,
        );

        assert_eq!(Runs::<T>::get(scene.task, trainer).unwrap().number, 1);
    }

    /// `heartbeat`.
    #[benchmark]
    fn heartbeat() {
        let scene = T::BenchmarkHelper::training();
        let trainer = scene.models[0].trainer.clone();
        put_run::<T>(scene.task, &trainer, MAX_HEARTBEATS - 1);
        Runs::<T>::mutate(scene.task, &trainer, |run| {
            run.as_mut().unwrap().steps = 512;
        });

        #[extrinsic_call]
        _(RawOrigin::Signed(trainer.clone()), scene.task, 513, NONCE);

        assert_eq!(Runs::<T>::get(scene.task, trainer).unwrap().leaves, 513);
    }

    /// `register_mark`, as the last that fits.
    #[benchmark]
    fn register_mark() {
        let scene = T::BenchmarkHelper::training();
        let owner = scene.models[0].trainer.clone();
        for n in 1..MAX_MARKS {
            let origin = RawOrigin::Signed(owner.clone());
            let mark = hash(Domain::Mark, &n);
            assert!(Pallet::<T>::register_mark(origin.into(), scene.task, mark).is_ok());
        }

        #[extrinsic_call]
        _(RawOrigin::Signed(owner.clone()), scene.task, NONCE);

        assert!(Marks::<T>::get(scene.task, owner).is_full());
    }

    /// Adding a block to the randomness.
    #[benchmark]
    fn step_beacon() {
        let now = Pallet::<T>::now() + 1;
        #[block]
        {
            Pallet::<T>::gather(now);
        }
        assert!(Pallet::<T>::collected(now - 1).is_some());
    }

    /// Looking for what is due, with the largest case.
    #[benchmark]
    fn step_look() {
        let scene = T::BenchmarkHelper::challenged();
        let until = Pallet::<T>::now() + 1;
        let state = CaseState::Committing {
            jury: jury(&scene.validators[8..], scene.task, None),
            since: 0,
            until,
        };
        let id = put_case::<T>(&scene, copy(&scene), owner(&scene), 8, state);
        let found;
        #[block]
        {
            let from = DueFrom::<T>::get().unwrap_or(until);
            found = DueAt::<T>::iter_key_prefix(from.max(until)).next();
            let _ = units::due_weight::<T>(&Due::Case(id));
            DueFrom::<T>::put(until);
        }
        assert_eq!(found, Some(Due::Case(id)));
    }

    /// Moving a case from commitments to reveals.
    #[benchmark]
    fn step_move() {
        let scene = T::BenchmarkHelper::challenged();
        let state = CaseState::Committing {
            jury: jury(&scene.validators[8..], scene.task, None),
            since: 0,
            until: later::<T>(),
        };
        let id = put_case::<T>(&scene, copy(&scene), owner(&scene), 8, state);
        let case = OpenCases::<T>::get(id).unwrap();
        #[block]
        {
            Pallet::<T>::turn(id, case, later::<T>());
        }
        let state = OpenCases::<T>::get(id).unwrap().state;
        assert!(matches!(state, CaseState::Revealing { .. }));
    }

    /// Drawing the largest jury among `c` candidates.
    #[benchmark]
    fn step_draw(c: Linear<40, 512>) {
        let scene = T::BenchmarkHelper::judged(c);
        let id = put_case::<T>(&scene, copy(&scene), owner(&scene), 8, drawing::<T>());
        let case = OpenCases::<T>::get(id).unwrap();
        let now = later::<T>() + 1;
        Beacon::<T>::insert((now - 1) % BEACON_KEEP, (now - 1, NONCE));
        #[block]
        {
            Pallet::<T>::turn(id, case, now);
        }
        let state = OpenCases::<T>::get(id).unwrap().state;
        assert!(matches!(state, CaseState::Committing { .. }));
    }

    /// Counting `j` votes that nobody gave.
    #[benchmark]
    fn step_tally(j: Linear<1, MAX_JURY>) {
        let scene = T::BenchmarkHelper::challenged();
        let jurors = &scene.validators[8..][..j as usize];
        let state = CaseState::Revealing {
            jury: jury(jurors, scene.task, None),
            until: later::<T>(),
        };
        let id = put_case::<T>(&scene, copy(&scene), owner(&scene), 8, state);
        let case = OpenCases::<T>::get(id).unwrap();
        #[block]
        {
            Pallet::<T>::turn(id, case, later::<T>());
        }
        let state = OpenCases::<T>::get(id).unwrap().state;
        assert!(matches!(state, CaseState::Appealable { .. }));
    }

    /// Closing a case with `j` votes and `c` challengers.
    #[benchmark]
    fn step_close(j: Linear<2, { MAX_JURY * 2 }>, c: Linear<1, MAX_CHALLENGERS>) {
        let scene = T::BenchmarkHelper::challenged();
        let jurors = &scene.validators[8..];
        let (half, all) = ((j / 2) as usize, j as usize);
        let state = CaseState::Appealable {
            jury: jury(&jurors[half..all], scene.task, Some(Vote::Convict)),
            verdict: Vote::Convict,
            until: later::<T>(),
        };
        let id = put_case::<T>(&scene, copy(&scene), owner(&scene), c, state);
        let mut case = OpenCases::<T>::get(id).unwrap();
        // An appeal that turned the verdict costs the most.
        let bond = Pallet::<T>::appeal_bond(&case);
        let appellant = scene.validators[0].clone();
        assert!(Pallet::<T>::hold(&appellant, bond).is_ok());
        case.appeal = Some(Appeal {
            appellant,
            bond,
            verdict: Vote::Acquit,
            jury: jury(&jurors[..half], scene.task, Some(Vote::Acquit)),
        });
        OpenCases::<T>::insert(id, &case);
        assert_eq!(Dues::of(&case).list().len(), all);
        #[block]
        {
            Pallet::<T>::turn(id, case, later::<T>());
        }
        assert!(!OpenCases::<T>::contains_key(id));
        assert_eq!(Accused::<T>::iter_prefix(scene.task).count(), 0);
    }

    /// Making `n` other cases needless.
    #[benchmark]
    fn step_moot(n: Linear<1, { MAX_OPEN_CASES - 1 }>) {
        let scene = T::BenchmarkHelper::challenged();
        fill::<T>(&scene, MAX_OPEN_CASES - n);
        let id = CasesOf::<T>::get(scene.task)[0];
        let case = OpenCases::<T>::get(id).unwrap();
        #[block]
        {
            Pallet::<T>::make_moot(&case);
        }
        assert!(OpenCases::<T>::get(id).unwrap().state.is_ending());
    }

    /// Ending a commitment.
    #[benchmark]
    fn step_expire() {
        let scene = T::BenchmarkHelper::challenged();
        let who = scene.validators[0].clone();
        commit::<T>(&scene, &who, &copy(&scene));
        let commitment = copy(&scene).commitment(&who, scene.task, &NONCE);
        #[block]
        {
            Pallet::<T>::expire(who.clone(), commitment);
        }
        assert!(!Commitments::<T>::contains_key(who, commitment));
    }

    /// Writing the seed of a run.
    #[benchmark]
    fn step_seed_run() {
        let scene = T::BenchmarkHelper::training();
        let trainer = scene.models[0].trainer.clone();
        put_run::<T>(scene.task, &trainer, 2);
        let ready = later::<T>();
        Runs::<T>::mutate(scene.task, &trainer, |run| {
            run.as_mut().unwrap().seed = RunSeed::Awaited { ready };
        });
        Beacon::<T>::insert(ready % BEACON_KEEP, (ready, NONCE));
        #[block]
        {
            Pallet::<T>::seed_run(scene.task, trainer.clone(), ready + 1);
        }
        let run = Runs::<T>::get(scene.task, trainer).unwrap();
        assert!(run.seed.known().is_some());
    }

    /// Removing `r` runs of a task that is over.
    #[benchmark]
    fn step_prune(r: Linear<1, PRUNE_ROWS>) {
        let task = 77;
        for n in 0..r {
            let trainer: AccountId = account("trainer", n, 0);
            put_run::<T>(task, &trainer, 2);
        }
        System::<T>::set_block_number(1u32.into());
        #[block]
        {
            Pallet::<T>::prune(task);
        }
        assert_eq!(Runs::<T>::iter_prefix(task).count(), 0);
    }

    #[cfg(test)]
    impl_benchmark_test_suite!(Pallet, crate::tests::benchmarks::chain(), crate::mock::Test);
}
