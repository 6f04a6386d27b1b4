//! Rounds whose evaluation data is a shard that is open, or isn't.

use super::*;
use crate::Settling;

/// A round of a task with sealed data.
fn run_sealed(test: impl FnOnce()) {
    run(|| {
        with(|n| n.spec = Some(sealed_spec()));
        shard(ShardState::Awaited);
        test();
    });
}

fn shard(state: ShardState) {
    with(|n| {
        n.shard_state = Some(state);
        n.shard = (state == ShardState::Open).then(data);
    });
}

/// All validators reveal scores of all models.
fn score() {
    go_to(SCHEDULE.commit);
    let lines = scored([90, 80, 70, 60]);
    for (who, _) in VALIDATORS {
        assert_ok!(commit(who, &lines));
    }
    go_to(SCHEDULE.reveal);
    for (who, _) in VALIDATORS {
        assert_ok!(reveal(who, lines.clone()));
    }
}

#[test]
fn commit_should_wait_for_the_shard() {
    run_sealed(|| {
        let lines = scored([90, 80, 70, 60]);
        go_to(SCHEDULE.commit);
        assert_noop!(commit(21, &lines), Error::<Test>::NoData);
        let call = Call::commit_scores {
            task: 0,
            round: 1,
            commitment: ROOT,
        };
        let check = || Scoring::check_duty(&key(21), &call).expect("a duty");
        assert_eq!(check(), Err(DutyRefusal::NoData));
        shard(ShardState::Open);
        assert!(check().is_ok());
        assert_ok!(commit(21, &lines));
    });
}

#[test]
fn a_round_without_its_shard_should_pay_nothing_and_blame_no_validator() {
    run_sealed(|| {
        go_to(SCHEDULE.settle - 1);
        shard(ShardState::Missed);
        go_to(SCHEDULE.settle);
        let result = RoundResults::<Test>::get(0, 1).expect("was settled");
        assert_eq!(result.unpaid, Some(Unpaid::NoData));
        assert_eq!((result.drawn, result.treasury), (0, 0));
        assert!(result.models.iter().all(|model| model.score.is_none()));
        assert_eq!(Misses::<Test>::iter().count(), 0);
        with(|n| {
            assert!(n.lapsed.contains(&0) && n.slashed.is_empty() && n.chilled.is_empty());
        });
    });
}

#[test]
fn what_began_with_data_should_be_paid_whatever_becomes_of_the_task() {
    run_sealed(|| {
        shard(ShardState::Open);
        score();
        go_to(SCHEDULE.settle - 1);
        System::set_block_number(SCHEDULE.settle);
        // As far as the first consensus.
        let begin = crate::units::begin_weight::<Test>() * 2;
        Scoring::tick(SCHEDULE.settle, begin);
        assert!(Settling::<Test>::get().is_some(), "is in the middle");
        shard(ShardState::Missed);
        go_to(SCHEDULE.settle + 1);
        let result = RoundResults::<Test>::get(0, 1).expect("was settled");
        assert_eq!((result.unpaid, result.drawn), (None, REWARD));
    });
}

#[test]
fn a_round_should_not_be_settled_before_its_shard_is_judged() {
    run_sealed(|| {
        go_to(SCHEDULE.settle + 1);
        assert_eq!(RoundResults::<Test>::get(0, 1), None);
        shard(ShardState::Missed);
        go_to(SCHEDULE.settle + 2);
        assert!(RoundResults::<Test>::get(0, 1).is_some());
    });
}

#[test]
fn a_round_with_its_shard_should_be_paid() {
    run_sealed(|| {
        shard(ShardState::Open);
        score();
        go_to(SCHEDULE.settle);
        let result = RoundResults::<Test>::get(0, 1).expect("was settled");
        assert_eq!((result.unpaid, result.drawn), (None, REWARD));
    });
}

#[test]
fn decide_should_do_nothing_without_data_and_all_of_it_with() {
    let mut duty = decide::duty();
    let with_data = decide(SCHEDULE.commit, &duty, NONCE);
    assert_eq!(with_data.len(), 4);
    duty.data = None;
    assert!(!duty.wants_scores(SCHEDULE.commit));
    assert!(duty.jobs().is_empty());
    for now in SCHEDULE.commit..SCHEDULE.reveal {
        assert!(decide(now, &duty, NONCE).is_empty());
    }
    let mut other = data();
    other.blake3 = [2; 32];
    duty.data = Some(other);
    assert_ne!(decide(SCHEDULE.commit, &duty, NONCE), with_data);
}
