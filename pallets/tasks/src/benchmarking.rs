//! What is measured of this pallet: its calls, and each step of its hook. The documentation of a
//! benchmark becomes that of its weight.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "small numbers of its own, and a benchmark that fails must stop"
)]

use crate::*;
use alloc::{boxed::Box, vec, vec::Vec};
use arena_primitives::{
    AccountId, BlockNumber, MAX_ACTIVE_TASKS, MAX_SHARD_PROOF, MAX_TRAINERS, MAX_URI_BYTES,
    MAX_URIS, MAX_VALIDATORS, Round, Shard, TaskId, TaskPhase, TaskSpec, UNIT, Uri, Uris,
    hash::{Domain, hash},
    shard::{shard_count, shard_proof, shards_root},
    time::Schedule,
    traits::TaskRewards,
};
use codec::Encode;
use frame_benchmarking::v2::*;
use frame_support::{
    BoundedVec,
    traits::{
        EnsureOrigin,
        fungible::Inspect,
        tokens::{Fortitude, Preservation},
    },
};
use frame_system::{Pallet as System, RawOrigin};
use sp_core::H256;
use sp_runtime::Perbill;

/// Most bytes of all mirrors of an artifact.
const MIRROR_BYTES: u32 = MAX_URIS * MAX_URI_BYTES;
/// Mirrors of a spec, and their bytes: of its data and of its base model.
const SPEC_MIRRORS: u32 = 2 * MAX_URIS;
const SPEC_MIRROR_BYTES: u32 = 2 * MIRROR_BYTES;
/// Most positions of a task.
const POSITIONS: u32 = MAX_TRAINERS + MAX_VALIDATORS;

/// Brings the neighbours where benchmarks need them. Implemented by the runtime.
pub trait BenchmarkHelper {
    /// A spec with these mirrors, of the data and of the base model, and texts of full length, and
    /// the dearest rules.
    fn spec(mirrors: Uris) -> TaskSpec;
    /// The same, but for data that is sealed under this root; the base has mirrors of full length.
    fn sealed_spec(root: H256) -> TaskSpec;
    /// An account with enough for any deposit.
    fn fund(who: &AccountId);
    /// Takes positions in a task that enrols, counted from round 1; returns its trainers.
    fn enrol(task: TaskId, trainers: u32, validators: u32) -> Vec<AccountId>;
    /// The service key of an operator, acting.
    fn service_key(operator: &AccountId) -> AccountId;
    /// In a task in its challenge phase, as many open cases as there can be, each against one of
    /// these trainers, and a conviction of each of the others.
    fn accuse(task: TaskId, trainers: &[AccountId]);
    /// Keeps a result of a round that ranks all of these trainers' models.
    fn note_result(task: TaskId, round: Round, models: &[(AccountId, H256)]);
}

/// For tests, which run no benchmarks.
impl BenchmarkHelper for () {
    fn spec(_: Uris) -> TaskSpec {
        unreachable!("there are no neighbours")
    }
    fn sealed_spec(_: H256) -> TaskSpec {
        unreachable!("there are no neighbours")
    }
    fn fund(_: &AccountId) {}
    fn enrol(_: TaskId, _: u32, _: u32) -> Vec<AccountId> {
        Vec::new()
    }
    fn service_key(operator: &AccountId) -> AccountId {
        operator.clone()
    }
    fn accuse(_: TaskId, _: &[AccountId]) {}
    fn note_result(_: TaskId, _: Round, _: &[(AccountId, H256)]) {}
}

type Helper<T> = <T as Config>::BenchmarkHelper;

fn go<T: Config>(block: BlockNumber) {
    System::<T>::set_block_number(block.into());
}

/// So many mirrors with so many bytes in all.
fn mirrors(count: u32, bytes: u32) -> Uris {
    let each = bytes.div_ceil(count.max(1)).min(MAX_URI_BYTES);
    let uri = |_| Uri::truncate_from(vec![b'u'; each as usize]);
    Uris::truncate_from((0..count).map(uri).collect())
}

fn proposed<T: Config>() -> (AccountId, H256) {
    propose_as_creator::<T>(Helper::<T>::spec(mirrors(MAX_URIS, MIRROR_BYTES)))
}

fn propose_as_creator<T: Config>(spec: TaskSpec) -> (AccountId, H256) {
    let creator: AccountId = account("creator", 0, 0);
    Helper::<T>::fund(&creator);
    let spec_hash = Pallet::<T>::spec_hash(&creator, &spec);
    let proposed = Pallet::<T>::do_propose(creator.clone(), spec);
    assert!(proposed.is_ok(), "{proposed:?}");
    (creator, spec_hash)
}

/// A task that enrols, in block 1.
fn approved<T: Config>() -> TaskId {
    go::<T>(1);
    approve_as_creator::<T>(proposed::<T>().1)
}

fn approve_as_creator<T: Config>(spec_hash: H256) -> TaskId {
    let task = NextTaskId::<T>::get();
    let approved = Pallet::<T>::do_approve(spec_hash, Perbill::one());
    assert!(approved.is_ok(), "{approved:?}");
    task
}

/// So many shards.
fn shards(count: u32) -> Vec<Shard> {
    let shard = |n: u32| Shard {
        blake3: [9; 32],
        bytes: 1_000,
        salt: root(n as usize),
    };
    (0..count).map(shard).collect()
}

/// A task whose data is sealed, with a model in round 1, and that round's windows.
fn sealed<T: Config>() -> (TaskId, Schedule) {
    go::<T>(1);
    let rounds = Helper::<T>::sealed_spec(H256::zero()).rounds;
    let shards = shards(shard_count(rounds));
    let spec = Helper::<T>::sealed_spec(shards_root(&shards));
    let (_, spec_hash) = propose_as_creator::<T>(spec);
    let task = approve_as_creator::<T>(spec_hash);
    let trainers = Helper::<T>::enrol(task, 1, 1);
    let schedule = next_round::<T>(task);
    publish_all::<T>(task, &trainers);
    (task, schedule)
}

fn newest<T: Config>(task: TaskId) -> Schedule {
    let row = Tasks::<T>::get(task).expect("was approved");
    row.live().last().expect("a round is alive").schedule
}

/// Opens the next round in the block in which the newest closes.
fn next_round<T: Config>(task: TaskId) -> Schedule {
    go::<T>(newest::<T>(task).closes);
    let opened = Pallet::<T>::do_poke(task);
    assert!(opened.is_ok(), "{opened:?}");
    newest::<T>(task)
}

fn root(n: usize) -> H256 {
    hash(Domain::Submission, &(n as u32))
}

/// A model of each trainer, published for round 1.
fn publish_all<T: Config>(task: TaskId, trainers: &[AccountId]) -> Vec<(AccountId, H256)> {
    let uris = mirrors(MAX_URIS, MIRROR_BYTES);
    let published = trainers.iter().enumerate().map(|(n, trainer)| {
        let current = Dated {
            manifest_root: root(n),
            from_round: 1,
        };
        let model = StandingModel {
            current,
            previous: None,
        };
        Models::<T>::insert(task, trainer, model);
        let owner = RootOwner {
            trainer: trainer.clone(),
            committed_at: 1,
            uris: uris.clone(),
        };
        Roots::<T>::insert(task, root(n), owner);
        (trainer.clone(), root(n))
    });
    published.collect()
}

/// A task in its challenge phase that ends in block `until`, with as many open cases and
/// convictions as there can be.
fn challenged<T: Config>(until: BlockNumber) -> TaskId {
    let task = approved::<T>();
    let trainers = Helper::<T>::enrol(task, MAX_TRAINERS, MAX_VALIDATORS);
    let schedule = next_round::<T>(task);
    let models = publish_all::<T>(task, &trainers);
    Tasks::<T>::mutate(task, |row| {
        if let Some(row) = row {
            row.state = TaskState::Challenge { until };
            row.settled = Some(row.opened);
        }
    });
    Helper::<T>::note_result(task, 1, &models);
    go::<T>(schedule.settle);
    Helper::<T>::accuse(task, &trainers);
    let added = T::Rewards::top_up(task, &creator_of::<T>(task), UNIT);
    assert!(added.is_ok(), "{added:?}");
    task
}

fn creator_of<T: Config>(task: TaskId) -> AccountId {
    Tasks::<T>::get(task).expect("was approved").creator
}

/// A block in which nothing else is due any more.
const LATE: BlockNumber = 1_000_000;

#[benchmarks]
mod benchmarks {
    use super::*;

    /// `propose` of a spec with `b` bytes of mirrors.
    #[benchmark]
    fn propose(b: Linear<SPEC_MIRRORS, SPEC_MIRROR_BYTES>) {
        let caller: AccountId = whitelisted_caller();
        Helper::<T>::fund(&caller);
        let spec = Helper::<T>::spec(mirrors(MAX_URIS, b.div_ceil(2)));
        assert!(spec.encoded_size() as u32 >= b);
        let spec_hash = Pallet::<T>::spec_hash(&caller, &spec);

        #[extrinsic_call]
        _(RawOrigin::Signed(caller), Box::new(spec));

        assert!(Proposals::<T>::contains_key(spec_hash));
    }

    /// `withdraw_proposal`.
    #[benchmark]
    fn withdraw_proposal() {
        let (creator, spec_hash) = proposed::<T>();

        #[extrinsic_call]
        _(RawOrigin::Signed(creator), spec_hash);

        assert!(!Proposals::<T>::contains_key(spec_hash));
    }

    /// `approve`, as the last task that fits.
    #[benchmark]
    fn approve() -> Result<(), BenchmarkError> {
        // With a bond to hold.
        let spec = Helper::<T>::sealed_spec(H256::repeat_byte(1));
        let (_, spec_hash) = propose_as_creator::<T>(spec);
        let others = (1..MAX_ACTIVE_TASKS).map(|n| TaskId::MAX - n);
        Active::<T>::put(BoundedVec::truncate_from(others.collect()));
        let origin = T::ApproveOrigin::try_successful_origin()
            .map_err(|()| BenchmarkError::Stop("no origin approves"))?;

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, spec_hash, Perbill::one());

        assert!(Tasks::<T>::contains_key(0));
        Ok(())
    }

    /// `submit`.
    #[benchmark]
    fn submit() {
        let task = approved::<T>();
        let trainer = Helper::<T>::enrol(task, 1, 1).remove(0);
        next_round::<T>(task);

        #[extrinsic_call]
        _(
            RawOrigin::Signed(trainer.clone()),
            task,
            H256::repeat_byte(1),
        );

        assert!(Submissions::<T>::contains_key((task, 1, trainer)));
    }

    /// `publish` with `u` mirrors, of a root that somebody with a later commitment published.
    #[benchmark]
    fn publish(u: Linear<1, MAX_URIS>) {
        let task = approved::<T>();
        let trainers = Helper::<T>::enrol(task, 2, 1);
        let (first, later) = (trainers[0].clone(), trainers[1].clone());
        let schedule = next_round::<T>(task);
        let (manifest_root, nonce) = (root(0), H256::repeat_byte(2));
        for (n, trainer) in [&first, &later].into_iter().enumerate() {
            go::<T>(schedule.opens.saturating_add(n as u32));
            let commitment = hash(Domain::Submission, &(trainer, manifest_root, nonce));
            let submitted = Pallet::<T>::do_submit(trainer.clone(), task, commitment);
            assert!(submitted.is_ok(), "{submitted:?}");
        }
        go::<T>(schedule.publish);
        let uris = mirrors(u, u * MAX_URI_BYTES);
        let key = Helper::<T>::service_key(&later);
        let published = Pallet::<T>::do_publish(key, task, manifest_root, uris.clone(), nonce);
        assert!(published.is_ok(), "{published:?}");
        let key = Helper::<T>::service_key(&first);

        #[extrinsic_call]
        _(RawOrigin::Signed(key), task, manifest_root, uris, nonce);

        assert!(Models::<T>::contains_key(task, first));
        assert!(!Models::<T>::contains_key(task, later));
    }

    /// `open_shard` with a proof of `p` hashes and `u` mirrors.
    #[benchmark]
    fn open_shard(p: Linear<1, MAX_SHARD_PROOF>, u: Linear<1, MAX_URIS>) {
        let (task, schedule) = sealed::<T>();
        // As many rounds as a proof of this length is for.
        let shards = shards(1 << p.min(8) | u32::from(p > 8));
        Specs::<T>::mutate(task, |spec| {
            if let Some(spec) = spec {
                *spec = Helper::<T>::sealed_spec(shards_root(&shards));
                spec.rounds = shards.len() as u32 - 1;
            }
        });
        let round = 1;
        go::<T>(schedule.seed);
        let fixed = Pallet::<T>::do_poke(task);
        assert!(fixed.is_ok(), "{fixed:?}");
        let proof = shard_proof(&shards, round).expect("has such a round");
        assert_eq!(proof.len() as u32, p);
        let uris = mirrors(u, u * MAX_URI_BYTES);
        let key = Helper::<T>::service_key(&creator_of::<T>(task));
        let shard = shards[0].clone();

        #[extrinsic_call]
        _(RawOrigin::Signed(key), task, round, shard, proof, uris);

        assert!(Shards::<T>::contains_key(task, round));
    }

    /// `top_up`.
    #[benchmark]
    fn top_up() {
        let task = approved::<T>();
        let caller: AccountId = whitelisted_caller();
        Helper::<T>::fund(&caller);

        #[extrinsic_call]
        _(RawOrigin::Signed(caller.clone()), task, UNIT);

        let told = Event::<T>::ToppedUp {
            task,
            who: caller,
            amount: UNIT,
        };
        System::<T>::assert_last_event(told.into());
    }

    /// `cancel`, in the challenge phase, with as many cases and convictions as there can be.
    #[benchmark]
    fn cancel() -> Result<(), BenchmarkError> {
        let task = challenged::<T>(LATE);
        let origin = T::CancelOrigin::try_successful_origin()
            .map_err(|()| BenchmarkError::Stop("no origin cancels"))?;

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, task);

        assert!(Tasks::<T>::get(task).is_some_and(|row| row.is_over()));
        Ok(())
    }

    /// `pause`, between two rounds, so that nothing draws any more.
    #[benchmark]
    fn pause() -> Result<(), BenchmarkError> {
        let task = challenged::<T>(LATE);
        let origin = T::CancelOrigin::try_successful_origin()
            .map_err(|()| BenchmarkError::Stop("no origin pauses"))?;

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, task);

        assert!(Tasks::<T>::get(task).is_some_and(|row| row.paused));
        Ok(())
    }

    /// `resume`.
    #[benchmark]
    fn resume() -> Result<(), BenchmarkError> {
        let task = challenged::<T>(LATE);
        let paused = Pallet::<T>::do_pause(task);
        assert!(paused.is_ok(), "{paused:?}");
        let origin = T::CancelOrigin::try_successful_origin()
            .map_err(|()| BenchmarkError::Stop("no origin resumes"))?;

        #[extrinsic_call]
        _(origin as T::RuntimeOrigin, task);

        assert!(Tasks::<T>::get(task).is_some_and(|row| !row.paused));
        Ok(())
    }

    /// `remove_expired`.
    #[benchmark]
    fn remove_expired() {
        let (_, spec_hash) = proposed::<T>();
        let expires = Proposals::<T>::get(spec_hash)
            .expect("was proposed")
            .expires;
        go::<T>(expires.saturating_add(1));
        let caller: AccountId = whitelisted_caller();

        #[extrinsic_call]
        _(RawOrigin::Signed(caller), spec_hash);

        assert!(!Proposals::<T>::contains_key(spec_hash));
    }

    /// Reading the list of tasks, as long as it can be, and where the hook goes on; and noting
    /// where it stopped.
    #[benchmark]
    fn step_look() {
        let all = (0..MAX_ACTIVE_TASKS).collect();
        Active::<T>::put(BoundedVec::truncate_from(all));
        Cursor::<T>::put(1);

        #[block]
        {
            // No step fits what is left.
            Pallet::<T>::tick(1, T::WeightInfo::step_look());
        }

        assert_eq!(Cursor::<T>::get(), 1);
    }

    /// Looking at a task for which nothing is due.
    #[benchmark]
    fn step_idle() {
        let task = approved::<T>();
        let step;

        #[block]
        {
            step = Pallet::<T>::next_step(task, 1);
        }

        assert!(step.is_none());
    }

    /// Opening a round, or final validation, of a task with `p` positions.
    #[benchmark]
    fn step_open(p: Linear<2, POSITIONS>) {
        let task = approved::<T>();
        let trainers = (p / 3).max(1);
        Helper::<T>::enrol(task, trainers, p - trainers);
        go::<T>(newest::<T>(task).closes);

        #[block]
        {
            let _ = Pallet::<T>::do_poke(task);
        }

        assert!(Tasks::<T>::get(task).is_some_and(|row| row.opened == 1));
    }

    /// Fixing the models of a round with `m` trainers, each with a model.
    #[benchmark]
    fn step_fix(m: Linear<1, MAX_TRAINERS>) {
        let task = approved::<T>();
        let trainers = Helper::<T>::enrol(task, m, 1);
        let schedule = next_round::<T>(task);
        publish_all::<T>(task, &trainers);
        go::<T>(schedule.seed);

        #[block]
        {
            let _ = Pallet::<T>::do_poke(task);
        }

        assert!(Fixed::<T>::get(task, 1).is_some_and(|models| models.len() as u32 == m));
    }

    /// Taking the bond of a missed shard from a creator that can't cover another, so that the task
    /// ends.
    #[benchmark]
    fn step_miss_shard() {
        let (task, schedule) = sealed::<T>();
        let creator = creator_of::<T>(task);
        let free =
            T::Currency::reducible_balance(&creator, Preservation::Preserve, Fortitude::Polite);
        let added = T::Rewards::top_up(task, &creator, free);
        assert!(added.is_ok(), "{added:?}");
        go::<T>(schedule.seed);
        let fixed = Pallet::<T>::do_poke(task);
        assert!(fixed.is_ok(), "{fixed:?}");
        go::<T>(schedule.shard_due());

        #[block]
        {
            let _ = Pallet::<T>::do_poke(task);
        }

        let row = Tasks::<T>::get(task).expect("was approved");
        assert_eq!(row.phase(), TaskPhase::Cancelled);
    }

    /// Starting the challenge phase, and returning the bond of the last shard.
    #[benchmark]
    fn step_challenge() {
        let (task, _) = sealed::<T>();
        let schedule = newest::<T>(task);
        Tasks::<T>::mutate(task, |row| {
            if let Some(row) = row {
                row.settled = Some(9);
                let round = LiveRound::new(9, schedule, false);
                row.state = TaskState::FinalValidation { round };
            }
        });
        go::<T>(schedule.settle);

        #[block]
        {
            let _ = Pallet::<T>::do_poke(task);
        }

        let row = Tasks::<T>::get(task).expect("was approved");
        assert_eq!(row.phase(), TaskPhase::Challenge);
    }

    /// Closing, with as many cases that nobody decided, and convictions, as there can be.
    #[benchmark]
    fn step_close() {
        let task = challenged::<T>(LATE);
        go::<T>(LATE);

        #[block]
        {
            let _ = Pallet::<T>::do_poke(task);
        }

        let winners = Winners::<T>::get(task).expect("was closed").winners;
        assert_eq!(winners.len() as u32, MAX_WINNERS);
    }

    /// Removing `r` rows.
    #[benchmark]
    fn step_prune(r: Linear<1, PRUNE_ROWS>) {
        let task = approved::<T>();
        Tasks::<T>::mutate(task, |row| {
            if let Some(row) = row {
                row.end(EndReason::Cancelled, 1);
            }
        });
        let owner = RootOwner {
            trainer: account("trainer", 0, 0),
            committed_at: 1,
            uris: mirrors(MAX_URIS, MIRROR_BYTES),
        };
        for n in 0..r {
            Roots::<T>::insert(task, root(n as usize), &owner);
        }

        #[block]
        {
            let _ = Pallet::<T>::do_poke(task);
        }

        assert_eq!(Roots::<T>::iter_prefix(task).count(), 0);
    }
}
