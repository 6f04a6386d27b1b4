//! Seeds, commitments, reveals and the pool's check.

use super::*;

#[test]
fn seed_should_be_complete_in_the_first_block_of_the_commit_phase() {
    run(|| {
        go_to(SCHEDULE.commit - 1);
        assert_eq!(Seeds::<Test>::get(0, 1).unwrap().blocks, 1);
        assert_eq!(Scoring::seed(0, 1), None);
        assert!(Scoring::drawn(0, 1, &account(21)).is_empty());
        go_to(SCHEDULE.commit);
        let state = Seeds::<Test>::get(0, 1).unwrap();
        assert_eq!((state.blocks, state.total), (2, Some(4_500)));
        assert!(Scoring::seed(0, 1).is_some());
        assert_eq!(Scoring::drawn(0, 1, &account(21)).len(), 4);
        assert!(Scoring::drawn(0, 1, &account(1)).is_empty());
    });
}

#[test]
fn commit_should_refuse_who_and_when_it_may_not() {
    run(|| {
        let lines = scored([90, 80, 70, 60]);
        go_to(SCHEDULE.commit - 1);
        assert_noop!(commit(21, &lines), Error::<Test>::NotCommitting);
        System::set_block_number(SCHEDULE.commit);
        assert_noop!(commit(21, &lines), Error::<Test>::NoSeed);
        System::set_block_number(SCHEDULE.commit - 1);
        go_to(SCHEDULE.commit);
        assert_noop!(
            Scoring::commit_scores(RuntimeOrigin::signed(account(21)), 0, 1, ROOT),
            Error::<Test>::NotAServiceKey
        );
        assert_noop!(
            Scoring::commit_scores(signed(21), 0, 2, ROOT),
            Error::<Test>::NoSuchRound
        );
        assert_noop!(commit(1, &lines), Error::<Test>::NotAValidator);
        with(|n| {
            n.keys.insert(key(24), account(24));
            n.validators.insert(account(24), 0);
        });
        assert_noop!(commit(24, &lines), Error::<Test>::StakeNotCounted);
        assert_ok!(commit(21, &lines));
        assert_noop!(commit(21, &lines), Error::<Test>::AlreadyCommitted);
        go_to(SCHEDULE.reveal);
        assert_noop!(commit(22, &lines), Error::<Test>::NotCommitting);
    });
}

#[test]
fn reveal_should_need_the_commitment_and_exactly_the_draw() {
    run(|| {
        let lines = scored([90, 80, 70, 60]);
        let mut short = lines.clone();
        short.pop();
        let swapped: Vec<_> = lines.iter().rev().copied().collect();
        let swapped: ScoreEntries = swapped.try_into().unwrap();
        let high = scored([101, 80, 70, 60]);
        let mut long = lines.clone();
        long.try_push(lines[3]).unwrap();
        go_to(SCHEDULE.commit);
        with(|n| {
            for who in [24, 25, 26, 27] {
                n.keys.insert(key(who), account(who));
                n.validators.insert(account(who), 10);
            }
        });
        assert_ok!(commit(21, &lines));
        assert_ok!(commit(22, &short));
        assert_ok!(commit(23, &swapped));
        assert_ok!(commit(24, &high));
        assert_ok!(commit(26, &long));
        assert_ok!(commit(27, &lines));
        assert_noop!(reveal(21, lines.clone()), Error::<Test>::NotRevealing);
        go_to(SCHEDULE.reveal);
        assert_noop!(reveal(25, lines.clone()), Error::<Test>::NoCommitment);
        assert_noop!(reveal(21, short.clone()), Error::<Test>::WrongCommitment);
        assert_noop!(reveal(22, short), Error::<Test>::NotTheDraw);
        assert_noop!(reveal(23, swapped), Error::<Test>::NotTheDraw);
        assert_noop!(reveal(24, high), Error::<Test>::RawOutOfRange);
        assert_noop!(reveal(26, long), Error::<Test>::NotTheDraw);
        assert_ok!(reveal(21, lines.clone()));
        assert_noop!(reveal(21, lines.clone()), Error::<Test>::AlreadyRevealed);
        // Late, whether the hook has come or not.
        System::set_block_number(SCHEDULE.settle);
        assert_noop!(reveal(27, lines), Error::<Test>::NotRevealing);
    });
}

#[test]
fn check_duty_should_agree_with_the_calls() {
    run(|| {
        let lines = scored([90, 80, 70, 60]);
        let earlier = EarlierSketches::default();
        let commitment = scores_commitment(&account(21), 0, 1, &lines, &earlier, ROOT, NONCE);
        let commit_call = Call::<Test>::commit_scores {
            task: 0,
            round: 1,
            commitment,
        };
        let reveal_call = Call::<Test>::reveal_scores {
            task: 0,
            round: 1,
            entries: lines.clone(),
            earlier,
            samples_root: ROOT,
            nonce: NONCE,
        };
        let check = |call| Scoring::check_duty(&key(21), call).unwrap();
        assert_eq!(check(&commit_call), Err(DutyRefusal::WrongPhase));
        go_to(SCHEDULE.commit);
        assert_eq!(check(&commit_call).unwrap().key, key(21));
        assert_ok!(commit(21, &lines));
        assert_eq!(check(&commit_call), Err(DutyRefusal::AlreadyDone));
        assert_eq!(check(&reveal_call), Err(DutyRefusal::WrongPhase));
        go_to(SCHEDULE.reveal);
        assert_eq!(check(&reveal_call).unwrap().call, crate::REVEAL_TAG);
    });
}
