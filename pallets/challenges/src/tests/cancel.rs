//! What the end of a task does.

use super::*;

/// Ends the task, and looks that nothing is left of it.
fn end_and_look(case: CaseId) {
    Challenges::ended(TASK);
    assert_eq!(Challenges::open_cases(TASK), 0);
    with(|n| n.phases.insert(TASK, (TaskPhase::Cancelled, 0)));
    pass(8);
    assert_eq!(closing(case), Some((Verdict::Cancelled, [0; 4])));
    assert!(people().all(|n| held(n) == 0 && free(n) == WEALTH));
    assert!(VALS.chain(AUTHORS).all(|n| stake(n) == STAKE));
    assert_eq!(
        (
            OpenCases::<Test>::iter().count(),
            DueAt::<Test>::iter().count()
        ),
        (0, 0)
    );
    assert_eq!(crate::Ended::<Test>::iter().count(), 0);
    assert_eq!(Answers::<Test>::iter().count(), 0);
}

fn people() -> impl Iterator<Item = u8> {
    VALS.filter(|n| *n != POOR).chain([ANN, BOB, EVE])
}

#[test]
fn the_end_of_a_task_should_return_bonds_while_a_jury_is_drawn() {
    run(|| {
        let case = open(VAL, copy());
        assert_ok!(Challenges::join(signed(BOB), case));
        end_and_look(case);
    });
}

#[test]
fn the_end_of_a_task_should_return_bonds_while_an_answer_is_due() {
    run(|| {
        with(|n| n.spec.as_mut().unwrap().registered = true);
        let case = open(VAL, training());
        pass(SEED + 1);
        assert!(matches!(state(case), CaseState::Responding { .. }));
        end_and_look(case);
    });
}

#[test]
fn the_end_of_a_task_should_return_bonds_while_jurors_vote() {
    run(|| {
        let case = open(VAL, copy());
        until_committing(case);
        assert_ok!(commit_vote(jurors(case)[0], case, Vote::Convict));
        end_and_look(case);
    });
    run(|| {
        let case = open(VAL, copy());
        until_committing(case);
        let n = jurors(case)[0];
        assert_ok!(commit_vote(n, case, Vote::Convict));
        to(state(case).due());
        assert_ok!(Challenges::reveal_vote(
            by_key(n),
            case,
            Vote::Convict,
            NONCE
        ));
        end_and_look(case);
    });
}

#[test]
fn the_end_of_a_task_should_return_bonds_after_a_verdict_and_in_an_appeal() {
    run(|| {
        let case = open(VAL, copy());
        vote(case, 3);
        end_and_look(case);
    });
    run(|| {
        let case = open(VAL, copy());
        vote(case, 3);
        assert_ok!(Challenges::appeal(signed(ANN), case));
        end_and_look(case);
    });
}

#[test]
fn calls_should_be_refused_in_cases_of_a_task_that_ended() {
    run(|| {
        let case = open(VAL, copy());
        until_committing(case);
        let n = jurors(case)[0];
        Challenges::ended(TASK);
        assert_noop!(
            commit_vote(n, case, Vote::Convict),
            Error::<Test>::NotCommitting
        );
        assert_noop!(Challenges::join(signed(22), case), Error::<Test>::JuryDrawn);
        assert_noop!(
            Challenges::appeal(signed(ANN), case),
            Error::<Test>::NotAppealable
        );
    });
}

#[test]
fn the_end_of_a_task_should_remove_runs_marks_and_verdicts() {
    run(|| {
        let case = open(VAL, copy());
        vote(case, 0);
        until_closed(case);
        let case = open(22, copy());
        vote(case, 3);
        until_closed(case);
        with(|n| n.phases.insert(TASK, (TaskPhase::Submission, 0)));
        let register = |n| Challenges::register_run(signed(n), TASK, H256::zero(), 4, 1, 1);
        assert_ok!(register(BOB));
        pass(SEED + 1);
        assert_ok!(Challenges::heartbeat(signed(BOB), TASK, 1, H256::zero()));
        assert_ok!(Challenges::register_mark(signed(VAL), TASK, H256::zero()));
        assert_ok!(register(ANN));
        Challenges::ended(TASK);
        pass(6);
        assert_eq!((held(ANN), held(BOB)), (0, 0));
        assert_eq!(Runs::<Test>::iter().count(), 0);
        assert_eq!(Heartbeats::<Test>::iter().count(), 0);
        assert_eq!(Marks::<Test>::iter().count(), 0);
        assert_eq!(Acquittals::<Test>::iter().count(), 0);
        assert_eq!(Convicted::<Test>::iter().count(), 0);
        assert_eq!(DueAt::<Test>::iter().count(), 0);
    });
}
