//! How cases are brought.

use super::*;

#[test]
fn commit_should_hold_the_cost_of_a_jury_and_be_taken_once() {
    run(|| {
        let commitment = copy().commitment(&account(VAL), TASK, &NONCE);
        assert_ok!(Challenges::commit_case(signed(VAL), TASK, commitment));
        assert_eq!(held(VAL), 30);
        assert_noop!(
            Challenges::commit_case(signed(VAL), TASK, commitment),
            Error::<Test>::AlreadyCommitted
        );
        // The same hash under another name is another commitment, and opens nothing.
        assert_ok!(Challenges::commit_case(signed(EVE), TASK, commitment));
        assert_noop!(
            Challenges::open_case(signed(EVE), TASK, copy(), NONCE),
            Error::<Test>::NoSuchCommitment
        );
    });
}

#[test]
fn commit_should_be_refused_without_a_task_time_or_money() {
    run(|| {
        let commit = |n, task| Challenges::commit_case(signed(n), task, H256::zero());
        assert_noop!(commit(VAL, 9), Error::<Test>::TaskOver);
        with(|n| n.phases.insert(9, (TaskPhase::Closed, 0)));
        assert_noop!(commit(VAL, 9), Error::<Test>::TaskOver);
        let all = Challenges::open_window() + Challenges::procedure(false);
        with(|n| n.phases.insert(TASK, (TaskPhase::Challenge, 10 + all - 1)));
        assert_noop!(commit(VAL, TASK), Error::<Test>::TooLate);
        with(|n| n.phases.insert(TASK, (TaskPhase::Challenge, 10 + all)));
        assert_noop!(commit(POOR, TASK), sp_runtime::TokenError::FundsUnavailable);
        assert_ok!(commit(VAL, TASK));
    });
}

#[test]
fn open_should_hold_the_bond_and_begin_a_case() {
    run(|| {
        let case = open(VAL, copy());
        assert_eq!(held(VAL), 50, "a jury and a twentieth of the rewards");
        assert!(Challenges::is_accused(TASK, &account(ANN)));
        assert!(!Challenges::is_convicted(TASK, &account(ANN)));
        assert_eq!(Challenges::open_cases(TASK), 1);
        assert_eq!(Commitments::<Test>::iter().count(), 0);
        assert_eq!(state(case).due(), 11 + SEED + 1);
    });
}

#[test]
fn open_should_be_refused_to_others_for_other_tasks_and_with_other_nonces() {
    run(|| {
        commit(VAL, &copy());
        let refused = |n, task, nonce| {
            assert_noop!(
                Challenges::open_case(signed(n), task, copy(), nonce),
                Error::<Test>::NoSuchCommitment
            );
        };
        refused(VAL + 1, TASK, NONCE);
        refused(VAL, TASK + 1, NONCE);
        refused(VAL, TASK, H256::zero());
        // A hash of another task opens nothing in this one.
        let elsewhere = copy().commitment(&account(EVE), 7, &NONCE);
        assert_ok!(Challenges::commit_case(signed(EVE), TASK, elsewhere));
        refused(EVE, 7, NONCE);
    });
}

#[test]
fn commitments_that_are_never_opened_should_cost_their_bond() {
    run(|| {
        commit(VAL, &copy());
        let until = System::block_number() + Challenges::open_window();
        to(until - 1);
        assert_eq!(held(VAL), 30);
        System::set_block_number(until);
        assert_noop!(
            Challenges::open_case(signed(VAL), TASK, copy(), NONCE),
            Error::<Test>::OpenedTooLate
        );
        System::set_block_number(until - 1);
        to(until);
        assert_eq!((held(VAL), free(VAL)), (0, WEALTH - 30));
        assert_eq!(ended(), Some((30, None)));
        assert_eq!(with(|n| n.to_treasury), 30);
        assert_eq!(DueAt::<Test>::iter().count(), 0);
    });
}

#[test]
fn commitments_should_come_back_where_the_task_has_ended() {
    run(|| {
        commit(VAL, &copy());
        with(|n| n.phases.insert(TASK, (TaskPhase::Cancelled, 0)));
        pass(Challenges::open_window() + 1);
        assert_eq!((held(VAL), free(VAL)), (0, WEALTH));
        let over = Error::<Test>::TaskOver.into();
        assert_eq!(ended(), Some((0, Some(over))));
    });
}

#[test]
fn open_should_return_the_bond_when_the_procedure_does_not_fit() {
    run(|| {
        commit(VAL, &copy());
        let ends = 10 + Challenges::procedure(false);
        with(|n| n.phases.insert(TASK, (TaskPhase::Challenge, ends - 1)));
        open_in_vain(VAL, copy(), Error::TooLate);
        assert_eq!((free(VAL), DueAt::<Test>::iter().count()), (WEALTH, 0));
        with(|n| n.phases.insert(TASK, (TaskPhase::Challenge, ENDS)));
        commit(VAL, &copy());
        with(|n| n.phases.insert(TASK, (TaskPhase::Challenge, ends)));
        assert_ok!(Challenges::open_case(signed(VAL), TASK, copy(), NONCE));
    });
}

#[test]
fn open_should_wait_for_money_for_the_rest_of_the_bond() {
    run(|| {
        commit(VAL, &copy());
        let rest = free(VAL) - 19;
        let to = account(EVE);
        assert_ok!(Balances::transfer_allow_death(signed(VAL), to, rest));
        let open = || Challenges::open_case(signed(VAL), TASK, copy(), NONCE);
        assert_noop!(open(), sp_runtime::TokenError::FundsUnavailable);
        let back = account(VAL);
        assert_ok!(Balances::transfer_allow_death(signed(EVE), back, rest));
        assert_ok!(open());
        assert_eq!(held(VAL), 50);
    });
}

#[test]
fn open_should_wait_for_money_to_join_a_case() {
    run(|| {
        commit(22, &copy());
        open(VAL, copy());
        let rest = free(22) - 19;
        let to = account(EVE);
        assert_ok!(Balances::transfer_allow_death(signed(22), to, rest));
        assert_noop!(
            Challenges::open_case(signed(22), TASK, copy(), NONCE),
            sp_runtime::TokenError::FundsUnavailable
        );
    });
}

#[test]
fn open_should_join_the_case_of_the_same_claim_alone() {
    run(|| {
        commit(22, &copy());
        let case = open(VAL, copy());
        assert_ok!(Challenges::open_case(signed(22), TASK, copy(), NONCE));
        assert_eq!(CasesOf::<Test>::get(TASK).into_inner(), [case]);
        assert_eq!(held(22), 50);
        // Another claim against the same trainer is another case.
        with(|n| n.models.insert((TASK, account(EVE)), (model(EVE), 1)));
        let other = Claim::Duplicate {
            trainer: account(ANN),
            model: model(ANN),
            earlier: model(EVE),
        };
        assert_eq!(open(23, other), case + 1);
    });
}

#[test]
fn open_should_return_the_bond_when_the_claim_is_tried_already() {
    run(|| {
        let case = open(VAL, copy());
        commit(22, &copy());
        until_committing(case);
        open_in_vain(22, copy(), Error::JuryDrawn);
        assert_eq!((held(22), free(22)), (0, WEALTH));
        assert_eq!(OpenCases::<Test>::iter().count(), 1);
        vote(case, 3);
        until_closed(case);
        commit(22, &training());
        open_in_vain(22, training(), Error::AlreadyConvicted);
        assert_eq!((held(22), OpenCases::<Test>::iter().count()), (0, 0));
    });
}

#[test]
fn open_should_return_the_bond_when_the_case_takes_no_such_challenger() {
    run(|| {
        for n in [VAL, 29] {
            commit(n, &copy());
        }
        let case = open(22, copy());
        assert_ok!(Challenges::join(signed(VAL), case));
        open_in_vain(VAL, copy(), Error::AlreadyJoined);
        for n in 23..29 {
            assert_ok!(Challenges::join(signed(n), case));
        }
        open_in_vain(29, copy(), Error::TooManyChallengers);
        assert_eq!((held(VAL), held(29)), (50, 0));
    });
}

#[test]
fn join_should_be_taken_until_the_jury_is_drawn() {
    run(|| {
        let case = open(VAL, copy());
        assert_noop!(
            Challenges::join(signed(22), case + 1),
            Error::<Test>::NoSuchCase
        );
        assert_noop!(
            Challenges::join(signed(VAL), case),
            Error::<Test>::AlreadyJoined
        );
        assert_noop!(Challenges::join(signed(ANN), case), Error::<Test>::OwnCase);
        assert_noop!(
            Challenges::join(signed(EVE), case),
            Error::<Test>::NotEntitled
        );
        assert_noop!(
            Challenges::join(signed(POOR), case),
            sp_runtime::TokenError::FundsUnavailable
        );
        // Whose model was first may join too.
        assert_ok!(Challenges::join(signed(BOB), case));
        assert_ok!(Challenges::join(signed(22), case));
        assert_eq!((held(BOB), held(22)), (50, 50));
        until_committing(case);
        assert_noop!(Challenges::join(signed(23), case), Error::<Test>::JuryDrawn);
        assert!(!jurors(case).contains(&22), "no party judges");
    });
}

#[test]
fn join_should_be_refused_beyond_eight() {
    run(|| {
        let case = open(VAL, copy());
        for n in 22..29 {
            assert_ok!(Challenges::join(signed(n), case));
        }
        assert_noop!(
            Challenges::join(signed(29), case),
            Error::<Test>::TooManyChallengers
        );
    });
}

/// Ann's model is a copy of that of account `n`.
fn copy_of(n: u8) -> Claim {
    with(|t| t.models.insert((TASK, account(n)), (model(n), 1)));
    Claim::Duplicate {
        trainer: account(ANN),
        model: model(ANN),
        earlier: model(n),
    }
}

#[test]
fn bonds_should_double_with_each_four_open_cases_up_to_the_sixteenth() {
    run(|| {
        let of = |n: u8| VAL + (n - 150) / 2;
        for n in 150..167 {
            commit(of(n), &copy_of(n));
        }
        for n in 150..166 {
            let (who, before) = (of(n), held(of(n)));
            assert_ok!(Challenges::open_case(signed(who), TASK, copy_of(n), NONCE));
            // A jury's cost was held already.
            assert_eq!(held(who), before - 30 + (50 << ((n - 150) / 4)));
        }
        open_in_vain(of(166), copy_of(166), Error::TooManyCases);
        assert_eq!((held(of(166)), free(of(166))), (0, WEALTH));
        // Who joins a case takes no place.
        assert_ok!(Challenges::join(signed(30), 15));
        assert_eq!(held(30), 50);
    });
}

#[test]
fn bonds_should_fall_again_when_cases_end() {
    run(|| {
        let cases: Vec<CaseId> = (0..4).map(|n| open(VAL + n, copy_of(150 + n))).collect();
        assert_eq!(Challenges::bond(TASK, &copy()), 50);
        assert_eq!(Challenges::opening_bond(TASK, &copy()), 100);
        assert_eq!(Challenges::opening_bond(TASK + 1, &copy()), 30);
        vote(cases[0], 0);
        until_closed(cases[0]);
        assert_eq!(
            Challenges::opening_bond(TASK, &copy()),
            100,
            "an acquittal doubles it, too"
        );
        assert_eq!(Challenges::bond(TASK, &copy()), 100);
    });
}

#[test]
fn nobody_should_begin_more_than_two_cases_at_once() {
    run(|| {
        let open_by = |who, n| {
            commit(who, &copy_of(n));
            Challenges::open_case(signed(who), TASK, copy_of(n), NONCE)
        };
        assert_ok!(open_by(VAL, 150));
        assert_ok!(open_by(VAL, 151));
        commit(VAL, &copy_of(152));
        open_in_vain(VAL, copy_of(152), Error::TooManyOwnCases);
        // Others can, and it can join them.
        commit(VAL, &copy_of(152));
        assert_ok!(open_by(22, 152));
        assert_ok!(Challenges::open_case(
            signed(VAL),
            TASK,
            copy_of(152),
            NONCE
        ));
    });
}

#[test]
fn numbers_of_cases_should_run_out_without_harm() {
    run(|| {
        commit(VAL, &copy());
        crate::NextCaseId::<Test>::put(u32::MAX);
        open_in_vain(VAL, copy(), Error::NoMoreIds);
        assert_eq!((held(VAL), free(VAL)), (0, WEALTH));
        crate::NextCaseId::<Test>::put(0);
    });
}
