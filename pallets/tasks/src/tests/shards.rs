//! Sealed evaluation data: who opens a shard, when, and what a creator loses that doesn't.

use super::*;
use crate::{Bonds, HoldReason, OPEN_TAG, Shards};
use arena_primitives::{
    DutyTag, Round, Shard, ShardProof, ShardState, Uris,
    shard::{shard_count, shard_proof},
    time::Schedule,
};
use frame_support::traits::fungible::{Inspect, Mutate};

/// Submission rounds of [`spec`].
const ROUNDS: u32 = 2;
/// What `largest_draw` of the mock says for a round with its windows.
const BOND: u128 = 100 * (20 + 17);
/// The first block that is too late for round 1.
const DUE: u32 = SEED + WINDOWS.seed + WINDOWS.commit / 4;

/// Runs `test` on a sealed task with a model in round 1.
fn run_sealed(test: impl FnOnce(TaskId)) {
    run(|| {
        let id = approve(sealed(spec()));
        go_to(ONE);
        submit(id, ANN, root(1));
        go_to(PUBLISH);
        assert_ok!(publish(id, ANN, root(1)));
        test(id);
    });
}

fn held(n: u8) -> u128 {
    Balances::balance_on_hold(&HoldReason::ShardBond.into(), &account(n))
}

fn part(round: Round) -> (Shard, ShardProof) {
    let all = mock_shards();
    let shard = all[round as usize - 1].clone();
    (shard, shard_proof(&all, round).unwrap())
}

fn mock_shards() -> Vec<Shard> {
    crate::mock::shards(ROUNDS)
}

fn open_as(
    signer: RuntimeOrigin,
    id: TaskId,
    round: Round,
    (shard, proof): (Shard, ShardProof),
    mirrors: Uris,
) -> sp_runtime::DispatchResult {
    Tasks::open_shard(signer, id, round, shard, proof, mirrors)
}

fn open(id: TaskId, round: Round) -> sp_runtime::DispatchResult {
    open_as(signed_key(CREATOR), id, round, part(round), uris())
}

fn schedule(id: TaskId, round: Round) -> Schedule {
    Tasks::info(id, round).expect("is alive").schedule
}

fn state(id: TaskId, round: Round) -> ShardState {
    Tasks::info(id, round).expect("is alive").shard
}

/// Opens and settles both rounds; final validation has begun after.
fn to_final(id: TaskId) {
    for round in 1..=ROUNDS {
        go_to(ONE + DAY * (round - 1));
        go_to(schedule(id, round).seed);
        assert_ok!(open(id, round));
        go_to(schedule(id, round).settle);
        Tasks::settled(id, round);
    }
    go_to(System::block_number() + 1);
    assert_eq!(Tasks::phase(id), Some(TaskPhase::FinalValidation));
}

#[test]
fn approve_should_hold_the_bond_of_sealed_data_alone() {
    run(|| {
        task();
        assert_eq!(held(CREATOR), 0);
        let id = approve(sealed(spec()));
        assert_eq!(held(CREATOR), BOND);
        assert_eq!(Bonds::<Test>::get(id), Some(BOND));
        // The bond is worth the longest draw, be it the last.
        let mut long = sealed(spec());
        long.final_days = 2;
        let second = approve(long);
        assert_eq!(Bonds::<Test>::get(second), Some(100 * 40));
        assert_eq!(held(CREATOR), BOND + 100 * 40);
        assert_ok!(Tasks::cancel(RuntimeOrigin::root(), second));
        assert_eq!(held(CREATOR), BOND);
    });
}

#[test]
fn approve_should_refuse_who_cannot_cover_the_bond_and_keep_the_proposal() {
    run(|| {
        assert_ok!(Balances::mint_into(&account(7), BOND));
        let hash = Tasks::spec_hash(&account(7), &sealed(spec()));
        assert_ok!(Tasks::propose(signed(7), Box::new(sealed(spec()))));
        let approve = || Tasks::approve(RuntimeOrigin::root(), hash, Perbill::one());
        assert_noop!(approve(), Error::<Test>::BondNotCovered);
        assert_ok!(Balances::mint_into(&account(7), 100));
        assert_ok!(approve());
        assert_eq!(held(7), BOND);
    });
}

#[test]
fn a_shard_should_be_opened_once_by_its_creator_in_its_window() {
    run_sealed(|id| {
        go_to(SEED - 1);
        assert_noop!(open(id, 1), Error::<Test>::ShardTooEarly);
        assert_eq!(Tasks::data(id, 1), None);
        go_to(SEED);
        let good = || part(1);
        let by = |who| open_as(signed_key(who), id, 1, good(), uris());
        assert_noop!(by(ANN), Error::<Test>::NotTheCreator);
        assert_noop!(
            open_as(signed(CREATOR), id, 1, good(), uris()),
            Error::<Test>::NotAServiceKey
        );
        let key = || signed_key(CREATOR);
        assert_noop!(
            open_as(key(), 9, 1, good(), uris()),
            Error::<Test>::NoSuchTask
        );
        assert_noop!(
            open_as(key(), id, 0, good(), uris()),
            Error::<Test>::NotALiveRound
        );
        assert_noop!(
            open_as(key(), id, 3, good(), uris()),
            Error::<Test>::NotALiveRound
        );
        assert_noop!(open(id, 2), Error::<Test>::ShardTooEarly);
        let nowhere = Uris::default();
        assert_noop!(
            open_as(key(), id, 1, good(), nowhere),
            Error::<Test>::BadUris
        );
        assert_noop!(
            open_as(key(), id, 1, part(2), uris()),
            Error::<Test>::WrongShard
        );
        let (mut large, proof) = good();
        large.bytes = 201;
        assert_noop!(
            open_as(key(), id, 1, (large.clone(), proof.clone()), uris()),
            Error::<Test>::ShardSize,
        );
        large.bytes = 0;
        assert_noop!(
            open_as(key(), id, 1, (large, proof), uris()),
            Error::<Test>::ShardSize,
        );
        let (shard, mut proof) = good();
        proof.pop();
        assert_noop!(
            open_as(key(), id, 1, (shard, proof), uris()),
            Error::<Test>::WrongShard,
        );

        assert_ok!(open(id, 1));
        let data = Tasks::data(id, 1).expect("is open");
        assert_eq!((data.blake3, data.bytes, data.samples), ([1; 32], 101, 50));
        assert_eq!(data.uris, uris());
        assert_eq!(state(id, 1), ShardState::Open);
        assert_noop!(open(id, 1), Error::<Test>::ShardOpen);
        go_to(DUE);
        assert_eq!(held(CREATOR), BOND, "nothing was missed");
    });
}

#[test]
fn a_task_with_public_data_should_have_no_shards() {
    run(|| {
        let id = task();
        go_to(SEED);
        assert_noop!(open(id, 1), Error::<Test>::NotSealed);
        assert_eq!(state(id, 1), ShardState::NotSealed);
        assert_eq!(Tasks::data(id, 1), Tasks::data(id, 77));
    });
}

#[test]
fn the_last_block_before_the_deadline_should_do_and_the_next_not() {
    run_sealed(|id| {
        go_to(DUE - 1);
        assert_ok!(open(id, 1));
    });
    run_sealed(|id| {
        go_to(DUE);
        assert_noop!(open(id, 1), Error::<Test>::ShardTooLate);
    });
}

#[test]
fn the_pool_should_say_the_same_as_the_call() {
    run_sealed(|id| {
        let call = |round, key: u8| {
            let (shard, proof) = part(round);
            let call = crate::Call::open_shard {
                task: id,
                round,
                shard,
                proof,
                uris: uris(),
            };
            Tasks::check_duty(&account(key), &call).expect("a duty")
        };
        let creator = CREATOR + 100;
        assert_eq!(call(3, creator), Err(DutyRefusal::UnknownRound));
        assert_eq!(call(1, creator), Err(DutyRefusal::WrongPhase));
        go_to(SEED);
        assert_eq!(call(1, CREATOR), Err(DutyRefusal::NotAServiceKey));
        assert_eq!(call(1, ANN + 100), Err(DutyRefusal::NotInRole));
        let tag = DutyTag {
            call: OPEN_TAG,
            task: id,
            round: 1,
            key: account(creator),
        };
        assert_eq!(call(1, creator), Ok(tag));
        assert_ok!(open(id, 1));
        assert_eq!(call(1, creator), Err(DutyRefusal::AlreadyDone));
    });
}

#[test]
fn a_missed_shard_should_cost_the_bond_and_hold_another() {
    run_sealed(|id| {
        let before = Balances::total_balance(&account(CREATOR));
        go_to(DUE);
        System::assert_has_event(
            Event::ShardMissed {
                task: id,
                round: 1,
                slashed: BOND,
            }
            .into(),
        );
        assert_eq!(state(id, 1), ShardState::Missed);
        assert_eq!(Balances::total_balance(&account(CREATOR)), before - BOND);
        assert_eq!(held(CREATOR), BOND);
        // Once for a round, and the next one can be opened.
        go_to(schedule(id, 2).seed);
        assert_eq!(Balances::total_balance(&account(CREATOR)), before - BOND);
        assert_ok!(open(id, 2));
    });
}

#[test]
fn a_creator_without_another_bond_should_end_its_task() {
    run_sealed(|id| {
        let all = Balances::free_balance(account(CREATOR));
        go_to(DUE - 1);
        assert_ok!(Balances::burn_from(
            &account(CREATOR),
            all - BOND + 1,
            frame_support::traits::tokens::Preservation::Preserve,
            frame_support::traits::tokens::Precision::Exact,
            frame_support::traits::tokens::Fortitude::Polite,
        ));
        go_to(DUE);
        let reason = EndReason::Unbonded;
        System::assert_has_event(Event::Ended { task: id, reason }.into());
        assert_eq!(Tasks::phase(id), Some(TaskPhase::Cancelled));
        assert_eq!(held(CREATOR), 0);
        assert!(with(|n| n.ended.contains(&id)));
        go_to(DUE + 1);
        assert!(!Active::<Test>::get().contains(&id));
    });
}

#[test]
fn final_validation_should_need_the_last_shard_and_no_bond_after_it() {
    run_sealed(|id| {
        to_final(id);
        let last = ROUNDS + 1;
        let due = schedule(id, last).shard_due();
        go_to(due - 1);
        let before = Balances::total_balance(&account(CREATOR));
        go_to(due);
        assert_eq!(state(id, last), ShardState::Missed);
        assert_eq!(Balances::total_balance(&account(CREATOR)), before - BOND);
        assert_eq!(held(CREATOR), 0);
        assert_eq!(Tasks::phase(id), Some(TaskPhase::FinalValidation));
        go_to(schedule(id, last).settle);
        Tasks::settled(id, last);
        go_to(System::block_number() + 1);
        assert_eq!(Tasks::phase(id), Some(TaskPhase::Challenge));
    });
}

#[test]
fn the_bond_should_come_back_after_final_validation_and_no_shard_should_stay() {
    run_sealed(|id| {
        to_final(id);
        let last = schedule(id, shard_count(ROUNDS));
        go_to(last.seed);
        assert_ok!(open(id, shard_count(ROUNDS)));
        go_to(last.settle);
        assert_eq!(Shards::<Test>::iter_prefix(id).count(), 1);
        Tasks::settled(id, shard_count(ROUNDS));
        assert_eq!(Shards::<Test>::iter_prefix(id).count(), 0);
        assert_eq!(held(CREATOR), BOND);
        go_to(last.settle + 1);
        assert_eq!(Tasks::phase(id), Some(TaskPhase::Challenge));
        assert_eq!(held(CREATOR), 0);
    });
}

#[test]
fn a_round_without_models_should_need_no_shard() {
    run(|| {
        let id = approve(sealed(spec()));
        go_to(SEED);
        assert_eq!(state(id, 1), ShardState::NotSealed);
        assert_noop!(open(id, 1), Error::<Test>::NoModels);
        let before = Balances::total_balance(&account(CREATOR));
        go_to(DUE);
        assert_eq!(Balances::total_balance(&account(CREATOR)), before);
        assert_eq!(held(CREATOR), BOND);
    });
}

#[test]
fn a_small_share_should_not_make_a_small_bond() {
    run(|| {
        let hash = Tasks::spec_hash(&account(CREATOR), &sealed(spec()));
        assert_ok!(Tasks::propose(signed(CREATOR), Box::new(sealed(spec()))));
        assert_ok!(Tasks::approve(RuntimeOrigin::root(), hash, Perbill::zero()));
        assert_eq!(held(CREATOR), DEPOSIT);
    });
}

#[test]
fn cancelling_should_return_the_bond_and_remove_open_shards() {
    run_sealed(|id| {
        go_to(SEED);
        assert_ok!(open(id, 1));
        assert_ok!(Tasks::cancel(RuntimeOrigin::root(), id));
        assert_eq!(held(CREATOR), 0);
        go_to(SEED + 1);
        assert_eq!(Shards::<Test>::iter_prefix(id).count(), 0);
    });
}
