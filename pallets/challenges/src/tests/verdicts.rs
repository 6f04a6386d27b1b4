//! How cases end, and what that costs.

use super::*;

#[test]
fn conviction_should_forfeit_rewards_and_slash_no_more_than_there_is() {
    run(|| {
        assert_ok!(open(VAL, ANN));
        assert_noop!(
            Challenges::resolve(signed(VAL), 0, true),
            DispatchError::BadOrigin
        );
        assert_noop!(
            Challenges::resolve(RuntimeOrigin::root(), 7, true),
            Error::<Test>::NoSuchCase
        );
        assert_ok!(Challenges::resolve(RuntimeOrigin::root(), 0, true));
        assert_eq!(held(), 0);
        assert_eq!(Balances::total_balance(&account(VAL)), 10_000);
        System::assert_last_event(
            Event::CaseClosed {
                case: 0,
                task: 0,
                trainer: account(ANN),
                verdict: Verdict::Convicted,
                forfeited: 70,
                slashed: 40,
            }
            .into(),
        );
        assert_eq!(Challenges::open_cases(0), 0);
        assert_noop!(open(VAL, ANN), Error::<Test>::AlreadyConvicted);
        assert_noop!(
            Challenges::resolve(RuntimeOrigin::root(), 0, true),
            Error::<Test>::NoSuchCase
        );
        <Challenges as Cases>::ended(0);
        assert_eq!(Convicted::<Test>::iter().count(), 0);
    });
}

#[test]
fn acquittal_should_cost_the_bond() {
    run(|| {
        assert_ok!(open(VAL, ANN));
        let issued = Balances::total_issuance();
        assert_ok!(Challenges::resolve(RuntimeOrigin::root(), 0, false));
        assert_eq!(Balances::total_balance(&account(VAL)), 10_000 - BOND);
        // `()` drops the credit, which burns it.
        assert_eq!(Balances::total_issuance(), issued - BOND);
        assert_eq!(with(|n| n.locked.get(&account(ANN)).copied()), Some(70));
        assert_ok!(open(VAL, ANN));
    });
}

#[test]
fn case_that_nobody_decides_should_expire_without_cost() {
    run(|| {
        assert_ok!(open(VAL, ANN));
        let Case { decide_by, .. } = OpenCases::<Test>::get(0).unwrap();
        System::set_block_number(decide_by);
        assert_noop!(Challenges::expire(signed(ANN), 0), Error::<Test>::StillOpen);
        assert_noop!(
            Challenges::expire(signed(ANN), 7),
            Error::<Test>::NoSuchCase
        );
        System::set_block_number(decide_by + 1);
        assert_noop!(
            Challenges::resolve(RuntimeOrigin::root(), 0, true),
            Error::<Test>::DecisionTooLate
        );
        assert_eq!(Challenges::open_cases(0), 0);
        assert_ok!(Challenges::expire(signed(ANN), 0));
        assert_eq!(held(), 0);
        assert!(CasesOf::<Test>::get(0).is_empty());
    });
}

#[test]
fn end_of_a_task_should_return_the_bonds_of_open_cases() {
    run(|| {
        assert_ok!(open(VAL, ANN));
        <Challenges as Cases>::ended(0);
        assert_eq!(held(), 0);
        assert_eq!(OpenCases::<Test>::iter().count(), 0);
    });
}
