//! Who can open a case, and when.

use super::*;

#[test]
fn open_should_hold_the_bond_and_count_as_open() {
    run(|| {
        assert_ok!(open(VAL, ANN));
        assert_eq!(held(), BOND);
        assert_eq!(Challenges::open_cases(0), 1);
        assert_noop!(open(VAL, ANN), Error::<Test>::CaseOpen);
    });
}

#[test]
fn open_should_refuse_who_and_when_it_may_not() {
    run(|| {
        assert_noop!(open(ANN, ANN), Error::<Test>::NotAValidator);
        assert_noop!(open(99, ANN), Error::<Test>::NotAValidator);
        assert_noop!(open(VAL, VAL), Error::<Test>::NoModel);
        assert_noop!(open(POOR, ANN), TokenError::FundsUnavailable);
        assert_noop!(
            Challenges::open(signed(VAL), 5, account(ANN), H256::zero()),
            Error::<Test>::NotInChallenge
        );
        System::set_block_number(ENDS - 10);
        assert_ok!(open(VAL, ANN));
        with(|n| n.roles.insert(account(12), Role::Trainer));
        System::set_block_number(ENDS - 9);
        assert_noop!(open(VAL, 12), Error::<Test>::TooLate);
        with(|n| n.phase = Some(TaskPhase::FinalValidation));
        assert_noop!(open(VAL, 12), Error::<Test>::NotInChallenge);
    });
}

#[test]
fn open_should_refuse_more_cases_than_fit() {
    run(|| {
        for n in 0..MAX_OPEN_CASES as u8 {
            with(|t| t.roles.insert(account(100 + n), Role::Trainer));
            assert_ok!(open(VAL, 100 + n));
        }
        assert_noop!(open(VAL, ANN), Error::<Test>::TooManyCases);
    });
}
