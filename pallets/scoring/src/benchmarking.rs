//! What is measured of this pallet: its calls, and each unit of work of its hook. The
//! documentation of a benchmark becomes that of its weight.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "small numbers of its own, and a benchmark that fails must stop"
)]

mod scene;

use crate::*;
use arena_primitives::{
    AccountId, Balance, BlockNumber, InfraFault, MAX_ACTIVE_TASKS, MAX_TRAINERS, MAX_VALIDATORS,
    MinerFault, ModelLikeness, ModelStatus, Round, RoundInfo, RoundResult, ScoreEntries,
    ScoreEntry, ScoreOutcome, TaskId, UNIT, ValidatorResult, Venue,
    traits::{BlockVrf, Rounds, Stakes, TaskRewards},
};
use frame_benchmarking::v2::*;
use frame_support::{BoundedVec, traits::Get, weights::WeightMeter};
use frame_system::RawOrigin;
use scene::*;
use settlement::Work;
use sp_core::H256;
use sp_runtime::Perbill;

/// Brings the neighbours where benchmarks need them. Implemented by the runtime.
pub trait BenchmarkHelper {
    /// A task that asks for sketches and whose round 1 has closed with this many fixed models and
    /// counted validators, and a committee of this size.
    fn closed_round(models: u32, validators: u32, committee: u16) -> RoundInfo;
    /// So many active tasks, two rounds of each closed.
    fn closed_rounds(tasks: u32);
    /// Commitments to models of a round that are never published, by each of its trainers.
    fn unpublished(round: &RoundInfo);
    /// The service key of an operator, acting.
    fn service_key(operator: &AccountId) -> AccountId;
}

/// For tests, which run no benchmarks.
impl BenchmarkHelper for () {
    fn closed_round(_: u32, _: u32, _: u16) -> RoundInfo {
        unreachable!("there are no neighbours")
    }
    fn closed_rounds(_: u32) {}
    fn unpublished(_: &RoundInfo) {}
    fn service_key(operator: &AccountId) -> AccountId {
        operator.clone()
    }
}

type Helper<T> = <T as Config>::BenchmarkHelper;

#[benchmarks]
mod benchmarks {
    use super::*;

    /// `commit_scores`.
    #[benchmark]
    fn commit_scores() {
        let info = Helper::<T>::closed_round(1, 1, 0);
        seed::<T>(&info, 0);
        go::<T>(info.schedule.commit);
        let who = validators_of::<T>(&info).remove(0);
        let key = Helper::<T>::service_key(&who);
        let (task, round) = (info.task, info.round);

        #[extrinsic_call]
        _(RawOrigin::Signed(key), task, round, H256::repeat_byte(2));

        assert!(Commits::<T>::contains_key((task, round, who)));
    }

    /// `reveal_scores` with `e` entries, in a round of as many models as there can be.
    #[benchmark]
    fn reveal_scores(e: Linear<1, MAX_TRAINERS>) {
        // Drawn for `e` of them on average; for all of them with the largest.
        let info = Helper::<T>::closed_round(MAX_TRAINERS, 1, e as u16);
        let who = validators_of::<T>(&info).remove(0);
        let (task, round) = (info.task, info.round);
        let stake = T::Stakes::counted(Venue::Task(task), &who, round)
            .map(|counted| counted.stake.own)
            .unwrap_or_default();
        seed::<T>(&info, stake * Balance::from(MAX_TRAINERS));
        let drawn = Pallet::<T>::drawn(task, round, &who).into_iter();
        let entries = drawn.enumerate().map(|(m, (_, manifest_root))| ScoreEntry {
            manifest_root,
            outcome: ScoreOutcome::Scored(raw_of(0, m)),
            sketch: Some([5; 32]),
        });
        let entries = ScoreEntries::truncate_from(entries.collect());
        let (samples_root, nonce) = (H256::repeat_byte(3), H256::repeat_byte(4));
        let earlier = earlier_sketches();
        let commitment =
            scores_commitment(&who, task, round, &entries, &earlier, samples_root, nonce);
        Commits::<T>::insert((task, round, &who), commitment);
        go::<T>(info.schedule.reveal);
        let key = Helper::<T>::service_key(&who);

        #[extrinsic_call]
        _(
            RawOrigin::Signed(key),
            task,
            round,
            entries,
            earlier,
            samples_root,
            nonce,
        );

        assert!(Sketches::<T>::contains_key((task, round, &who)));
        assert!(Reveals::<T>::contains_key((task, round, who)));
    }

    /// Looking at the closed rounds of `r` tasks, two of each, and at what may be pruned.
    #[benchmark]
    fn step_look(r: Linear<0, MAX_ACTIVE_TASKS>) {
        Helper::<T>::closed_rounds(r);
        Expiring::<T>::insert(0, (TaskId::MAX, BlockNumber::MAX));
        ExpiringEnds::<T>::put((0, 1));
        let now = Pallet::<T>::now();
        // No unit fits what is left.
        let limit = T::WeightInfo::step_look(MAX_ACTIVE_TASKS);

        #[block]
        {
            Pallet::<T>::tick(now, limit);
        }

        assert_eq!(T::Rounds::closed_rounds().len() as u32, r * 2);
        assert!(!Settling::<T>::exists());
    }

    /// Adding a block to one round's seed.
    #[benchmark]
    fn step_seed() {
        let info = Helper::<T>::closed_round(1, 1, 0);
        let begun = SeedState {
            acc: H256::repeat_byte(1),
            blocks: 1,
            ..SeedState::default()
        };
        Seeds::<T>::insert(info.task, info.round, begun);
        let parent = info.schedule.seed;
        go::<T>(parent.saturating_add(1));

        #[block]
        {
            let vrf = T::Vrf::parent().or(Some(H256::repeat_byte(2)));
            Pallet::<T>::gather(&info, parent, vrf);
        }

        let state = Seeds::<T>::get(info.task, info.round).expect("was begun");
        assert_eq!(state.blocks, 2);
    }

    /// Completing a seed of a round with `v` validators.
    #[benchmark]
    fn step_complete(v: Linear<1, MAX_VALIDATORS>) {
        let info = Helper::<T>::closed_round(1, v, 0);
        let gathered = SeedState {
            acc: H256::repeat_byte(1),
            blocks: 16,
            ..SeedState::default()
        };
        Seeds::<T>::insert(info.task, info.round, gathered);
        BestEarlier::<T>::insert(info.task, earlier_models());
        go::<T>(info.schedule.commit);

        #[block]
        {
            let state = Seeds::<T>::get(info.task, info.round).expect("was gathered");
            Pallet::<T>::complete(info.task, info.round, state);
        }

        assert!(Pallet::<T>::seed(info.task, info.round).is_some());
        let earlier = Pallet::<T>::earlier(info.task, info.round);
        assert_eq!(earlier, earlier_models());
    }

    /// Reading and writing a settlement of the largest round, which doesn't end in a block, and
    /// what is derived from it.
    #[benchmark]
    fn step_resume() {
        let (_, state) = settlement::<T>(MAX_TRAINERS, MAX_VALIDATORS);
        Settling::<T>::put(&state);

        #[block]
        {
            let state = Settling::<T>::take().expect("is there");
            Settling::<T>::put(resume::<T>(state).state());
        }

        assert_eq!(Settling::<T>::get(), Some(state));
    }

    /// Beginning a settlement of the largest round: its positions, models and spec.
    #[benchmark]
    fn step_begin() {
        let info = Helper::<T>::closed_round(MAX_TRAINERS, MAX_VALIDATORS, 0);
        seed::<T>(&info, 0);
        go::<T>(info.schedule.settle);
        let work;

        #[block]
        {
            work = Work::<T>::begin(info.task, info.round);
        }

        assert!(work.is_some_and(|mut work| work.state().models.len() as u32 == MAX_TRAINERS));
    }

    /// Reading the reveals of `v` validators, of as many models as there can be.
    #[benchmark]
    fn step_reveals(v: Linear<1, MAX_VALIDATORS>) {
        let (info, state) = settlement::<T>(1, v);
        reveal_all::<T>(&info, MAX_TRAINERS);
        let mut work = resume::<T>(state);

        #[block]
        {
            work.reveals();
        }

        assert_eq!(work.reveals().iter().flatten().count() as u32, v);
    }

    /// Reading the sketches of `v` validators, of as many models as there can be.
    #[benchmark]
    fn step_sketches(v: Linear<1, MAX_VALIDATORS>) {
        let (info, state) = settlement::<T>(1, v);
        reveal_all::<T>(&info, MAX_TRAINERS);
        let mut work = resume::<T>(state);

        #[block]
        {
            work.sketches();
        }

        assert_eq!(work.sketches().iter().flatten().count() as u32, v);
    }

    /// Consensus on one model that `v` validators scored.
    #[benchmark]
    fn step_score(v: Linear<1, MAX_VALIDATORS>) {
        let (info, state) = settlement::<T>(1, v);
        reveal_all::<T>(&info, 1);
        let mut work = resume::<T>(state);
        work.reveals();

        #[block]
        {
            work.take(Stage::Scores { next: 0 }, info.schedule.settle);
        }

        assert!(work.state().models[0].consensus.is_some());
    }

    /// What `v` validators agree on of one model's sketch.
    #[benchmark]
    fn step_sketch(v: Linear<1, MAX_VALIDATORS>) {
        let (info, mut state) = settlement::<T>(1, v);
        agree(&mut state);
        reveal_all::<T>(&info, 1);
        let next = state.earlier.len() as u32;
        let mut work = resume::<T>(state);
        work.reveals();
        work.sketches();

        #[block]
        {
            work.take(Stage::Sketches { next }, info.schedule.settle);
        }

        // Only one revealed with few of them.
        assert_eq!(work.state().models[0].sketch.agreed.is_some(), v == 1);
    }

    /// Comparing one model with the `m` of its round and the earlier ones.
    #[benchmark]
    fn step_like(m: Linear<1, MAX_TRAINERS>) {
        let (info, mut state) = settlement::<T>(m, 1);
        agree(&mut state);
        // All are near each other, and the last one's trainer had the earlier ones: each of the
        // others is compared with all of these.
        let last = state.models[m as usize - 1].model.trainer.clone();
        let sketch = |committed| SketchRow {
            agreed: Some([5; 32]),
            committed: Some(committed),
        };
        for row in state.models.iter_mut() {
            row.sketch = sketch(1);
        }
        for row in state.earlier.iter_mut() {
            row.model.trainer = last.clone();
            row.sketch = SketchRow {
                agreed: Some([!5; 32]),
                ..sketch(0)
            };
        }
        state.models[m as usize - 1].sketch = sketch(2);
        let mut work = resume::<T>(state);

        #[block]
        {
            work.take(Stage::Likeness { next: m - 1 }, info.schedule.settle);
        }

        let likeness = work.state().models[m as usize - 1].likeness;
        assert_eq!(likeness.is_some(), m > 1);
    }

    /// Deciding on a round of `m` models, its draw and its trainers' shares.
    #[benchmark]
    fn step_draw(m: Linear<1, MAX_TRAINERS>) {
        let (info, mut state) = settlement::<T>(m, 1);
        agree(&mut state);
        let mut work = resume::<T>(state);

        #[block]
        {
            work.take(Stage::Draw, info.schedule.settle);
        }

        assert!(work.state().drawn > 0);
        assert!(work.state().models.iter().any(|row| row.reward > 0));
    }

    /// Sharing one model's pot among `v` validators.
    #[benchmark]
    fn step_pot(v: Linear<1, MAX_VALIDATORS>) {
        let (info, mut state) = settlement::<T>(1, v);
        agree(&mut state);
        reveal_all::<T>(&info, 1);
        state.drawn = UNIT;
        state.validator_pool = UNIT;
        state.stage = Stage::Pots { next: 0 };
        let mut work = resume::<T>(state);
        work.reveals();

        #[block]
        {
            work.take(Stage::Pots { next: 0 }, info.schedule.settle);
        }

        assert!(work.state().validators.iter().any(|row| row.reward > 0));
    }

    /// Paying a trainer.
    #[benchmark]
    fn step_trainer() {
        let (info, mut state) = settlement::<T>(1, 1);
        let drawn = draw::<T>(&mut state);
        state.models[0].reward = drawn;
        let mut work = resume::<T>(state);

        #[block]
        {
            work.take(Stage::Trainers { next: 0 }, info.schedule.settle);
        }

        assert!(drawn > 0);
        assert_eq!(work.state().paid, drawn);
    }

    /// Paying a validator that revealed, and removing its rows.
    #[benchmark]
    fn step_paid() {
        let (info, mut state, who) = judged::<T>(1);
        reveal_all::<T>(&info, MAX_TRAINERS);
        Misses::<T>::insert(info.task, &who, 1);
        let drawn = draw::<T>(&mut state);
        state.validators[0].reward = drawn;
        let mut work = resume::<T>(state);

        #[block]
        {
            work.take(Stage::Validators { next: 0 }, info.schedule.settle);
        }

        assert_eq!(work.state().paid, drawn);
        assert!(Reveals::<T>::contains_key((info.task, info.round, &who)));
        assert!(!Sketches::<T>::contains_key((info.task, info.round, &who)));
        assert!(!Misses::<T>::contains_key(info.task, &who));
    }

    /// Slashing a validator that committed and didn't reveal, and removing its row.
    #[benchmark]
    fn step_slashed() {
        let (info, state, who) = judged::<T>(1);
        Commits::<T>::insert((info.task, info.round, &who), H256::repeat_byte(1));
        let own = state.validators[0].counted.stake.own;
        let mut work = resume::<T>(state);

        #[block]
        {
            work.take(Stage::Validators { next: 0 }, info.schedule.settle);
        }

        assert!(!Commits::<T>::contains_key((info.task, info.round, &who)));
        let next = info.round.saturating_add(2);
        let left = T::Stakes::counted(Venue::Task(info.task), &who, next);
        assert!(left.is_none_or(|counted| counted.stake.own < own));
    }

    /// Looking for a draw of an absent validator among `m` models.
    #[benchmark]
    fn step_absent(m: Linear<1, MAX_TRAINERS>) {
        let (info, state, who) = {
            let info = Helper::<T>::closed_round(m, 1, 1);
            // As good as never.
            seed::<T>(&info, Balance::MAX);
            go::<T>(info.schedule.settle);
            let mut work = Work::<T>::begin(info.task, info.round).expect("the round has a spec");
            let state = work.state().clone();
            let who = state.validators[0].counted.operator.clone();
            (info, state, who)
        };
        let mut work = resume::<T>(state);

        #[block]
        {
            work.take(Stage::Validators { next: 0 }, info.schedule.settle);
        }

        assert_eq!(Misses::<T>::get(info.task, &who), 0);
        assert!(!work.state().validators[0].revealed);
    }

    /// Taking the seat of a validator that was absent once too often.
    #[benchmark]
    fn step_chilled() {
        let (info, state, who) = judged::<T>(1);
        Misses::<T>::insert(info.task, &who, T::MaxMisses::get().saturating_sub(1));
        let mut work = resume::<T>(state);

        #[block]
        {
            work.take(Stage::Validators { next: 0 }, info.schedule.settle);
        }

        assert!(!Misses::<T>::contains_key(info.task, &who));
        let next = info.round.saturating_add(2);
        assert!(T::Stakes::counted(Venue::Task(info.task), &who, next).is_none());
    }

    /// Removing `r` reveals of a round of as many as there can be.
    #[benchmark]
    fn step_forget(r: Linear<1, PRUNE_ROWS>) {
        let (info, mut state) = settlement::<T>(1, 1);
        let old = info.round;
        let skipped = Some(ScoreOutcome::Skipped(InfraFault::Timeout));
        let row: Revealed = BoundedVec::truncate_from(alloc::vec![skipped; MAX_TRAINERS as usize]);
        let validators = (0..MAX_VALIDATORS).map(|n| ValidatorResult {
            validator: account("validator", n, 0),
            distance: Some(Perbill::from_percent(1)),
            reward: UNIT,
        });
        let result = RoundResult {
            settled_at: 1,
            drawn: UNIT,
            treasury: 0,
            unpaid: None,
            models: BoundedVec::truncate_from(alloc::vec![model_result(); MAX_TRAINERS as usize]),
            validators: BoundedVec::truncate_from(validators.collect()),
        };
        // Of the last ones of the list, so that as many are removed as there are.
        let next = MAX_VALIDATORS - r;
        for row_of in result.validators.iter().skip(next as usize) {
            Reveals::<T>::insert((state.task, old, &row_of.validator), reveal(row.clone()));
        }
        RoundResults::<T>::insert(state.task, old, result);
        state.round = old.saturating_add(DISCLOSED_ROUNDS);
        let task = state.task;
        let mut work = resume::<T>(state);

        #[block]
        {
            work.take(Stage::Forget { next }, info.schedule.settle);
        }

        assert_eq!(Reveals::<T>::iter_prefix((task, old)).count(), 0);
    }

    /// The result of a round of `m` models and `v` validators.
    #[benchmark]
    fn step_finish(m: Linear<1, MAX_TRAINERS>, v: Linear<1, MAX_VALIDATORS>) {
        let (info, mut state) = settlement::<T>(m, v);
        Helper::<T>::unpublished(&info);
        agree(&mut state);
        draw::<T>(&mut state);
        for row in state.models.iter_mut() {
            row.status = ModelStatus::Invalid(MinerFault::NonFinite);
            row.rank = Some(1);
            row.reward = UNIT;
            row.likeness = model_result().likeness.map(|likeness| ModelLikeness {
                matches: false,
                ..likeness
            });
        }
        BestEarlier::<T>::insert(info.task, earlier_models());
        for row in state.validators.iter_mut() {
            row.revealed = true;
            row.reward = UNIT;
            row.distance = (1 << 60, m);
        }
        let mut work = resume::<T>(state);

        #[block]
        {
            work.take(Stage::Finish, info.schedule.settle);
        }

        let result = RoundResults::<T>::get(info.task, info.round).expect("is kept");
        assert_eq!(result.models.len() as u32, m);
        assert_eq!(result.validators.len() as u32, v);
        assert!(T::Rounds::info(info.task, info.round).is_none());
    }

    /// Removing `r` rows of a task that is over.
    #[benchmark]
    fn step_prune(r: Linear<1, PRUNE_ROWS>) {
        let task = 0;
        let skipped = Some(ScoreOutcome::Skipped(InfraFault::Timeout));
        let row: Revealed = BoundedVec::truncate_from(alloc::vec![skipped; MAX_TRAINERS as usize]);
        for n in 0..r {
            let who: AccountId = account("validator", n, 0);
            Reveals::<T>::insert((task, Round::from(1u8), who), reveal(row.clone()));
        }
        Expiring::<T>::insert(0, (task, 0));
        ExpiringEnds::<T>::put((0, 1));

        #[block]
        {
            Pallet::<T>::prune_due(1, &mut WeightMeter::new());
        }

        assert_eq!(Reveals::<T>::iter_prefix((task,)).count(), 0);
    }
}
