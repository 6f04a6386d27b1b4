//! Task approval by hash, and what pausing a task does.

use super::{super::sanity::with_preset, *};
use arena_primitives::{Role, TaskPhase, Venue, time::RoundPhase, traits::TaskStates};
use pallet_arena_tasks::{Call, Error, NextTaskId, Proposals};

fn propose(rounds: u32) -> H256 {
    let mut spec = spec();
    spec.rounds = rounds;
    let hash = ArenaTasks::spec_hash(&account(CREATOR), &spec);
    let propose = Call::propose {
        spec: Box::new(spec),
    };
    assert_ok!(call(&account(CREATOR), propose));
    hash
}

fn approval(spec_hash: H256) -> Call<Runtime> {
    Call::approve {
        spec_hash,
        max_share: Perbill::from_percent(50),
    }
}

fn guardian() -> OriginCaller {
    custom(Origin::TaskGuardian)
}

#[test]
fn a_referendum_should_approve_a_spec_by_its_hash() {
    with_preset("development", || {
        System::set_block_number(1);
        let hash = propose(2);
        assert_ok!(carry(custom(Origin::TaskApprover), approval(hash)));
        let task = pallet_arena_tasks::Tasks::<Runtime>::get(0).expect("is there");
        assert_eq!((task.spec_hash, task.creator), (hash, account(CREATOR)));
        assert_eq!(task.max_share, Perbill::from_percent(50));
        assert_eq!(Proposals::<Runtime>::get(hash), None);
    });
}

#[test]
fn a_referendum_should_do_nothing_when_its_spec_was_replaced_or_taken_back() {
    for replaced in [true, false] {
        with_preset("development", || {
            System::set_block_number(1);
            let voted_on = propose(2);
            let index = open(custom(Origin::TaskApprover), approval(voted_on));
            all_vote(index);
            let withdraw = Call::withdraw_proposal {
                spec_hash: voted_on,
            };
            assert_ok!(call(&account(CREATOR), withdraw));
            let other = replaced.then(|| propose(3));
            assert!(decide(index));
            assert_eq!(enact(), Err(Error::<Runtime>::NoSuchProposal.into()));
            assert_eq!(NextTaskId::<Runtime>::get(), 0);
            assert!(other.is_none_or(Proposals::<Runtime>::contains_key));
            refund(index);
        });
    }
}

#[test]
fn a_share_above_the_governed_limit_should_not_be_approved() {
    with_preset("development", || {
        System::set_block_number(1);
        let hash = propose(2);
        assert_ok!(as_root(pallet_parameters::Call::set_parameter {
            key_value: super::parameters::max_share(Perbill::from_percent(49)),
        }));
        let approved = carry(custom(Origin::TaskApprover), approval(hash));
        assert_eq!(approved, Err(Error::<Runtime>::ShareAboveLimit.into()));
        assert!(Proposals::<Runtime>::contains_key(hash));
    });
}

fn stakes(task: TaskId, key: Key) -> sp_runtime::DispatchResult {
    let stake = pallet_arena_staking::Call::stake {
        venue: Venue::Task(task),
        role: Role::Validator,
        amount: 10 * UNIT,
    };
    call(&account(key), stake)
}

#[test]
fn a_paused_task_should_finish_its_rounds_take_stake_and_open_no_other() {
    with_preset("development", || {
        System::set_block_number(1);
        let task = approve_task();
        enrol(task);
        run_until("round 1", || {
            phase_of(task, 1) == Some(RoundPhase::Submissions)
        });
        assert_ok!(carry(guardian(), Call::pause { task }));
        let twice = carry(guardian(), Call::pause { task });
        assert_eq!(twice, Err(Error::<Runtime>::AlreadyPaused.into()));
        // What is alive goes on to its end, and stake still comes and goes.
        run_until("settlement", || views::result(task, 1).is_some());
        let rounds = || views::task(task).expect("is there").live.len();
        assert_eq!(rounds(), 0);
        blocks(5 * 40);
        assert_eq!(rounds(), 0);
        assert_eq!(ArenaTasks::phase(task), Some(TaskPhase::Submission));
        assert_ok!(stakes(task, VOTERS[0]));
        assert_ok!(carry(guardian(), Call::resume { task }));
        let twice = carry(guardian(), Call::resume { task });
        assert_eq!(twice, Err(Error::<Runtime>::NotPaused.into()));
        run_until("the next round", || rounds() > 0);
    });
}

#[test]
fn a_referendum_should_call_a_task_off() {
    with_preset("development", || {
        System::set_block_number(1);
        let task = approve_task();
        enrol(task);
        assert_ok!(carry(guardian(), Call::cancel { task }));
        assert_eq!(ArenaTasks::phase(task), Some(TaskPhase::Cancelled));
        let venue = Venue::Task(task);
        let amount = 100 * UNIT;
        let leave = pallet_arena_staking::Call::decrease { venue, amount };
        assert_ok!(call(&account(TRAINERS[0]), leave));
        assert_eq!(
            carry(guardian(), Call::pause { task }),
            Err(Error::<Runtime>::TaskOver.into())
        );
    });
}
