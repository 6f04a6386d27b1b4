//! A task whose data is sealed, on the real runtime: shards that are opened, and ones that
//! aren't.

use super::{
    endings::{assert_only_results_are_left, books, leave},
    journey::*,
    sanity::with_preset,
};
use crate::{configs::fees::TreasuryAccount, *};
use arena_primitives::{
    DataSource, DutyRefusal, Round, SealedData, Shard, ShardState, TaskId, TaskPhase, TaskSpec,
    Unpaid,
    hash::{Domain, preimage},
    shard::{shard_count, shard_proof, shards_root},
    time::RoundPhase,
    traits::{DutyCalls, Rounds, TaskStates},
};
use frame_support::{
    assert_noop, assert_ok,
    traits::{
        TypedGet,
        fungible::{Inspect, InspectHold, Mutate},
        tokens::{Fortitude, Precision, Preservation},
    },
};
use pallet_arena_tasks::{EndReason, HoldReason};
use sp_core::Pair;
use sp_runtime::{Perbill, traits::Dispatchable};

const TASK: TaskId = 0x51A7_C0DE;
const BOUNTY: Balance = 30 * UNIT;

/// As many as the task of `spec` has.
fn shards() -> Vec<Shard> {
    let shard = |n: u32| Shard {
        blake3: [n as u8; 32],
        bytes: 1_000,
        salt: sp_core::H256::from_low_u64_be(n.into()),
    };
    (1..=shard_count(spec().rounds)).map(shard).collect()
}

fn sealed_spec() -> TaskSpec {
    TaskSpec {
        data: DataSource::Sealed(SealedData {
            root: shards_root(&shards()),
            max_bytes: 1_000,
            samples: 0,
        }),
        ..spec()
    }
}

fn open_call(task: TaskId, round: Round) -> RuntimeCall {
    let all = shards();
    let shard = all[round as usize - 1].clone();
    pallet_arena_tasks::Call::open_shard {
        task,
        round,
        shard,
        proof: shard_proof(&all, round).expect("has such a round"),
        uris: uris(),
    }
    .into()
}

fn check(call: &RuntimeCall) -> Result<(), DutyRefusal> {
    let signer = service_account(CREATOR);
    call.check_duty(&signer).expect("is a duty").map(|_| ())
}

fn open(task: TaskId, round: Round) {
    run_until("the seed phase", || {
        phase_of(task, round) == Some(RoundPhase::Seed)
    });
    duty(CREATOR, open_call(task, round));
}

fn state(task: TaskId, round: Round) -> ShardState {
    ArenaTasks::info(task, round).expect("is alive").shard
}

fn bond() -> Balance {
    Balances::balance_on_hold(&HoldReason::ShardBond.into(), &account(CREATOR))
}

/// Runs `test` on a sealed task that everybody has staked in.
fn with_sealed(test: impl FnOnce(TaskId)) {
    with_preset("development", || {
        System::set_block_number(1);
        pallet_arena_tasks::NextTaskId::<Runtime>::put(TASK);
        let task = approve(sealed_spec());
        enrol(task);
        let creator = account(CREATOR);
        let proof = service(CREATOR).sign(&preimage(Domain::ServiceKeyProof, &creator));
        let key = service_account(CREATOR);
        let set = pallet_arena_staking::Call::set_service_key { key, proof };
        assert_ok!(call(&creator, set));
        // A key acts from the next block on.
        next_block();
        test(task);
    });
}

#[test]
fn each_round_should_be_scored_on_its_shard_and_the_bond_should_come_back() {
    with_sealed(|task| {
        let whole = ArenaTasks::shard_bond(&sealed_spec(), Perbill::one());
        // The emission for tasks, 80 % of 1,074 tokens a day of 40 blocks, of a round of 40 and
        // its windows of 37.
        assert_eq!(whole, 1_074 * UNIT * 80 / 100 * 77 / 40);
        assert_eq!(bond(), whole);
        let rounds = spec().rounds;
        for round in 1..=rounds {
            assert_eq!(check(&open_call(task, round)), refused(task, round));
            submit_and_publish(task, round);
            assert_eq!(
                check(&open_call(task, round)),
                Err(DutyRefusal::WrongPhase),
                "models can still be published"
            );
            open(task, round);
            assert_eq!(state(task, round), ShardState::Open);
            score(task, round);
            let result = views::result(task, round).expect("was settled");
            assert_eq!(result.unpaid, None, "round {round}");
            assert!(
                result.drawn.0 > 0 && result.drawn.0 <= whole,
                "round {round}"
            );
        }
        open(task, rounds + 1);
        score(task, rounds + 1);
        run_until("the end", || {
            ArenaTasks::phase(task) == Some(TaskPhase::Closed)
        });
        assert_eq!(bond(), 0);
        let treasury = books();
        leave(task);
        assert_eq!(books().1, treasury.1, "no money was made or lost");
        assert_only_results_are_left(task);
    });
}

/// What the pool says before a round's models are fixed.
fn refused(task: TaskId, round: Round) -> Result<(), DutyRefusal> {
    Err(match ArenaTasks::info(task, round) {
        Some(_) => DutyRefusal::WrongPhase,
        None => DutyRefusal::UnknownRound,
    })
}

#[test]
fn a_missed_shard_should_cost_the_creator_and_nobody_else() {
    with_sealed(|task| {
        let top_up = pallet_arena_tasks::Call::top_up {
            task,
            amount: BOUNTY,
        };
        assert_ok!(call(&account(CREATOR), top_up));
        let (creator, whole) = (account(CREATOR), bond());
        let misses = || pallet_arena_scoring::Misses::<Runtime>::iter().count();
        let stakes = || {
            VALIDATORS.map(|key| {
                let who = account(key);
                Balances::total_balance_on_hold(&who)
            })
        };
        let pot = <TreasuryAccount as TypedGet>::get();
        let before = (
            Balances::total_balance(&creator),
            Balances::balance(&pot),
            stakes(),
        );
        submit_and_publish(task, 1);
        run_until("the commit window", || {
            phase_of(task, 1) == Some(RoundPhase::Commit)
        });
        let commit: RuntimeCall = pallet_arena_scoring::Call::commit_scores {
            task,
            round: 1,
            commitment: Default::default(),
        }
        .into();
        let signer = service_account(VALIDATORS[0]);
        assert_eq!(commit.check_duty(&signer), Some(Err(DutyRefusal::NoData)));
        run_until("the deadline", || state(task, 1) == ShardState::Missed);
        assert_noop!(
            call(&service_account(CREATOR), open_call(task, 1)),
            pallet_arena_tasks::Error::<Runtime>::ShardTooLate
        );
        assert_eq!(Balances::total_balance(&creator), before.0 - whole);
        assert_eq!(Balances::balance(&pot), before.1 + whole);
        assert_eq!(ArenaRewards::bounty(task), BOUNTY);
        assert_eq!(bond(), whole, "held again for the next round");
        settle(task, 1);
        let result = views::result(task, 1).expect("was settled");
        assert_eq!(result.unpaid, Some(Unpaid::NoData));
        assert_eq!((misses(), stakes()), (0, before.2));
        // Of three rounds that are to be paid, this one's part is forgone.
        assert_eq!(ArenaRewards::bounty(task), BOUNTY - BOUNTY / 3);
        assert_eq!(Balances::balance(&pot), before.1 + whole + BOUNTY / 3);
        // The next round is as if nothing had been.
        submit_and_publish(task, 2);
        open(task, 2);
        score(task, 2);
        let result = views::result(task, 2).expect("was settled");
        assert_eq!(result.unpaid, None);
    });
}

#[test]
fn a_creator_that_cannot_cover_another_bond_should_lose_its_task() {
    with_sealed(|task| {
        submit_and_publish(task, 1);
        let creator = account(CREATOR);
        let free = Balances::reducible_balance(&creator, Preservation::Preserve, Fortitude::Polite);
        assert_ok!(Balances::burn_from(
            &creator,
            free,
            Preservation::Preserve,
            Precision::Exact,
            Fortitude::Polite
        ));
        run_until("the end", || {
            ArenaTasks::phase(task) == Some(TaskPhase::Cancelled)
        });
        let row = pallet_arena_tasks::Tasks::<Runtime>::get(task).expect("is kept");
        assert!(matches!(
            row.state,
            pallet_arena_tasks::TaskState::Ended {
                reason: EndReason::Unbonded,
                ..
            }
        ));
        assert_eq!(bond(), 0);
        leave(task);
        assert_only_results_are_left(task);
    });
}

/// How far a sealed task has come.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
enum Point {
    Enrolment,
    Awaited,
    Open,
    Scored,
    Missed,
    FinalOpen,
    Challenge,
}

fn live_until(task: TaskId, point: Point) {
    if point == Point::Enrolment {
        return;
    }
    submit_and_publish(task, 1);
    run_until("the seed phase", || {
        phase_of(task, 1) == Some(RoundPhase::Seed)
    });
    if point == Point::Awaited {
        return assert_eq!(state(task, 1), ShardState::Awaited);
    }
    open(task, 1);
    if point == Point::Open {
        return;
    }
    score(task, 1);
    if point == Point::Scored {
        return;
    }
    submit_and_publish(task, 2);
    run_until("the deadline", || state(task, 2) == ShardState::Missed);
    if point == Point::Missed {
        return;
    }
    settle(task, 2);
    open(task, 3);
    if point == Point::FinalOpen {
        return;
    }
    score(task, 3);
    run_until("the challenges", || {
        ArenaTasks::phase(task) == Some(TaskPhase::Challenge)
    });
}

#[test]
fn a_sealed_task_should_leave_only_results_and_no_bond_wherever_it_is_cancelled() {
    for point in [
        Point::Enrolment,
        Point::Awaited,
        Point::Open,
        Point::Scored,
        Point::Missed,
        Point::FinalOpen,
        Point::Challenge,
    ] {
        println!("{point:?}");
        with_sealed(|task| {
            live_until(task, point);
            let (held, free) = (bond(), Balances::free_balance(account(CREATOR)));
            assert_eq!(held == 0, point == Point::Challenge);
            let origin = governance::origins::pallet::Origin::TaskGuardian;
            let cancel = RuntimeCall::from(pallet_arena_tasks::Call::cancel { task });
            assert_ok!(cancel.dispatch(origin.into()));
            assert_eq!(bond(), 0);
            assert_eq!(Balances::free_balance(account(CREATOR)) - free, held);
            leave(task);
            assert_only_results_are_left(task);
        });
    }
}
