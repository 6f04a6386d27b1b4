//! Who may claim what.

use super::*;

/// Opening this claim by `n` leads to nothing, and costs nothing.
fn refused(n: u8, claim: Claim, why: Error<Test>) {
    let before = free(n);
    commit(n, &claim);
    open_in_vain(n, claim, why);
    assert_eq!(free(n), before);
}

fn copy_of(trainer: u8, model_of: u8, earlier: u8) -> Claim {
    Claim::Duplicate {
        trainer: account(trainer),
        model: model(model_of),
        earlier: model(earlier),
    }
}

#[test]
fn copies_should_be_claimed_by_validators_and_by_who_was_first() {
    run(|| {
        refused(EVE, copy(), Error::NotEntitled);
        refused(ANN, copy(), Error::OwnCase);
        let case = open(BOB, copy());
        assert_ok!(Challenges::join(signed(VAL), case));
    });
}

#[test]
fn copies_should_be_of_models_that_were_first() {
    run(|| {
        refused(VAL, copy_of(BOB, BOB, ANN), Error::NotEarlier);
        refused(VAL, copy_of(ANN, ANN, ANN), Error::NotEarlier);
        refused(VAL, copy_of(ANN, ANN, 99), Error::NoEarlierModel);
        refused(VAL, copy_of(ANN, BOB, BOB), Error::NoModel);
        refused(VAL, copy_of(EVE, ANN, BOB), Error::NoModel);
        // Committed to in the same block: the account decides.
        with(|n| n.models.insert((TASK, account(BOB)), (model(BOB), 5)));
        refused(VAL, copy(), Error::NotEarlier);
        open(VAL, copy_of(BOB, BOB, ANN));
    });
}

#[test]
fn copies_should_not_be_claimed_where_models_are_not_compared() {
    run(|| {
        with(|n| n.spec.as_mut().unwrap().likeness = None);
        refused(VAL, copy(), Error::NoLikeness);
    });
}

#[test]
fn models_should_be_challenged_once_the_challenge_phase_has_begun() {
    run(|| {
        let set = |phase| with(|n| n.phases.insert(TASK, (phase, ENDS)));
        for claim in [copy(), training()] {
            commit(VAL, &claim);
            for phase in [TaskPhase::Submission, TaskPhase::FinalValidation] {
                set(phase);
                assert_noop!(
                    Challenges::open_case(signed(VAL), TASK, claim.clone(), NONCE),
                    Error::<Test>::NotInChallenge
                );
            }
        }
        set(TaskPhase::Challenge);
        assert_ok!(Challenges::open_case(signed(VAL), TASK, copy(), NONCE));
        set(TaskPhase::Closed);
        open_in_vain(VAL, training(), Error::TaskOver);
        set(TaskPhase::Challenge);
    });
}

#[test]
fn who_is_convicted_should_not_be_accused_again() {
    run(|| {
        let case = open(VAL, copy());
        Convicted::<Test>::insert(TASK, account(ANN), ());
        assert_noop!(
            Challenges::join(signed(22), case),
            Error::<Test>::AlreadyConvicted
        );
        refused(22, copy(), Error::AlreadyConvicted);
        Convicted::<Test>::remove(TASK, account(ANN));
    });
}

fn mark(salt: H256) -> Claim {
    Claim::Watermark {
        trainer: account(ANN),
        model: model(ANN),
        salt,
    }
}

#[test]
fn marks_should_be_claimed_by_their_owner_if_they_are_older_than_the_model() {
    run(|| {
        with(|n| n.phases.insert(TASK, (TaskPhase::Submission, 0)));
        let salt = H256::repeat_byte(4);
        let commitment = mark_commitment(TASK, &account(BOB), &salt);
        assert_ok!(Challenges::register_mark(signed(BOB), TASK, commitment));
        with(|n| n.phases.insert(TASK, (TaskPhase::Challenge, ENDS)));
        refused(VAL, mark(salt), Error::NoMark);
        refused(BOB, mark(H256::zero()), Error::NoMark);
        refused(BOB, mark(salt), Error::MarkTooLate);
        with(|n| n.models.insert((TASK, account(ANN)), (model(ANN), 10)));
        refused(BOB, mark(salt), Error::MarkTooLate);
        with(|n| n.models.insert((TASK, account(ANN)), (model(ANN), 11)));
        let case = open(BOB, mark(salt));
        until_committing(case);
        assert!(matches!(
            asked(case),
            Question::Watermark { owner, .. } if owner == account(BOB)
        ));
    });
}

#[test]
fn trainings_should_be_claimed_by_validators_where_one_is_registered() {
    run(|| {
        refused(BOB, training(), Error::NotEntitled);
        refused(VAL, training(), Error::NotRegistered);
        with(|n| n.spec.as_mut().unwrap().registered = true);
        let case = open(VAL, training());
        assert!(OpenCases::<Test>::get(case).unwrap().facts.asks());
        with(|n| n.models.remove(&(TASK, account(BOB))));
        let other = Claim::ProofOfLearning {
            trainer: account(BOB),
        };
        refused(VAL, other, Error::NoModel);
    });
}

fn score(round: u32) -> Claim {
    Claim::Score {
        validator: account(22),
        round,
        model: model(ANN),
    }
}

fn disclose(round: u32) {
    let disclosed = Disclosed {
        raw: 5,
        samples_root: H256::zero(),
        place: 0,
        models: 1,
        settled_at: None,
    };
    with(|n| {
        n.disclosed
            .insert((round, account(22), model(ANN)), disclosed)
    });
}

#[test]
fn scores_should_be_claimed_by_validators_and_the_models_trainer_in_any_phase() {
    run(|| {
        refused(VAL, score(3), Error::NoScore);
        disclose(3);
        refused(BOB, score(3), Error::NotEntitled);
        refused(22, score(3), Error::OwnCase);
        with(|n| n.phases.insert(TASK, (TaskPhase::Submission, 0)));
        let case = open(ANN, score(3));
        assert_ok!(Challenges::join(signed(VAL), case));
    });
}

#[test]
fn scores_should_be_claimed_within_two_rounds() {
    run(|| {
        disclose(1);
        refused(VAL, score(1), Error::ScoreTooOld);
        disclose(2);
        open(VAL, score(2));
    });
}
