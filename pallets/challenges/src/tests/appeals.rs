//! Second instances.

use super::*;

#[test]
fn verdicts_should_be_appealed_by_who_lost_once_and_in_time() {
    run(|| {
        let case = open(VAL, copy());
        let appeal = |n| Challenges::appeal(signed(n), case);
        assert_noop!(appeal(ANN), Error::<Test>::NotAppealable);
        vote(case, 3);
        assert_noop!(appeal(VAL), Error::<Test>::NotTheLoser);
        assert_noop!(appeal(EVE), Error::<Test>::NotTheLoser);
        let none = Challenges::appeal(signed(ANN), case + 1);
        assert_noop!(none, Error::<Test>::NoSuchCase);
        let due = state(case).due();
        let now = System::block_number();
        System::set_block_number(due);
        assert_noop!(appeal(ANN), Error::<Test>::NotAppealable);
        System::set_block_number(now);
        assert_ok!(appeal(ANN));
        assert_eq!(held(ANN), 5 * FEE + 20);
        assert_noop!(appeal(ANN), Error::<Test>::NotAppealable);
        assert_noop!(Challenges::join(signed(22), case), Error::<Test>::JuryDrawn);
    });
}

#[test]
fn acquittals_should_be_appealed_by_challengers() {
    run(|| {
        let case = open(VAL, copy());
        vote(case, 0);
        let appeal = |n| Challenges::appeal(signed(n), case);
        assert_noop!(appeal(ANN), Error::<Test>::NotTheLoser);
        assert_ok!(appeal(VAL));
    });
}

#[test]
fn an_appeal_should_be_refused_without_its_bond() {
    run(|| {
        let case = open(VAL, copy());
        vote(case, 3);
        let all = free(ANN) - 10;
        assert_ok!(Balances::transfer_allow_death(
            signed(ANN),
            account(EVE),
            all
        ));
        assert_noop!(
            Challenges::appeal(signed(ANN), case),
            sp_runtime::TokenError::FundsUnavailable
        );
    });
}

#[test]
fn a_second_jury_should_be_larger_and_have_none_of_the_first() {
    run(|| {
        let case = open(VAL, copy());
        let first = vote(case, 3);
        assert_ok!(Challenges::appeal(signed(ANN), case));
        until_committing(case);
        let second = jurors(case);
        assert_eq!(second.len(), APPEAL_JURY);
        assert!(second.iter().all(|n| !first.contains(n) && *n != VAL));
    });
}

#[test]
fn a_conviction_that_stands_should_cost_the_appeal() {
    run(|| {
        let case = open(VAL, copy());
        let first = vote(case, 3);
        assert_ok!(Challenges::appeal(signed(ANN), case));
        let second = vote(case, 5);
        until_closed(case);
        // 70 of the appeal's bond and 10 of the rewards pay eight votes.
        assert_eq!(
            closing(case),
            Some((Verdict::Convicted, [REWARD, REWARD, 200, 80]))
        );
        for n in first.into_iter().chain(second) {
            assert_eq!((free(n), stake(n)), (wealth(n) + FEE, STAKE));
        }
        assert_eq!((free(ANN), held(ANN)), (WEALTH - 70, 0));
        assert_eq!(free(VAL), WEALTH + 200);
    });
}

#[test]
fn a_conviction_that_is_overturned_should_cost_who_was_wrong() {
    run(|| {
        let case = open(VAL, copy());
        let first = vote(case, 2);
        assert_ok!(Challenges::appeal(signed(ANN), case));
        let second = vote(case, 0);
        until_closed(case);
        assert_eq!(closing(case), Some((Verdict::Acquitted, [0, 0, 0, 80])));
        for (at, n) in first.iter().enumerate() {
            let lost = if at < 2 { 50 } else { 0 };
            assert_eq!((free(*n), stake(*n)), (wealth(*n) + FEE, STAKE - lost));
        }
        assert!(second.iter().all(|n| free(*n) == wealth(*n) + FEE));
        assert_eq!((free(ANN), held(ANN), stake(ANN)), (WEALTH, 0, STAKE));
        assert_eq!(free(VAL), WEALTH - 50);
        assert_eq!(Acquittals::<Test>::get(TASK, account(ANN)), 1);
    });
}

#[test]
fn an_acquittal_that_is_overturned_should_convict() {
    run(|| {
        let case = open(VAL, copy());
        let first = vote(case, 1);
        assert_ok!(Challenges::appeal(signed(VAL), case));
        let second = vote(case, 4);
        until_closed(case);
        assert_eq!(
            closing(case),
            Some((Verdict::Convicted, [320 + 80, REWARD, 200, 80]))
        );
        // Who acquitted pays first: 50 each, which covers all fees.
        for (at, n) in first.iter().enumerate() {
            let lost = if at < 1 { 0 } else { 50 };
            assert_eq!((free(*n), stake(*n)), (wealth(*n) + FEE, STAKE - lost));
        }
        assert!(second.iter().all(|n| free(*n) == wealth(*n) + FEE));
        assert_eq!((free(VAL), held(VAL)), (WEALTH + 200, 0));
        assert_eq!(stake(ANN), STAKE - REWARD);
    });
}

#[test]
fn an_acquittal_that_stands_should_cost_bond_and_appeal() {
    run(|| {
        let case = open(VAL, copy());
        vote(case, 0);
        assert_ok!(Challenges::appeal(signed(VAL), case));
        vote(case, 3);
        until_closed(case);
        assert_eq!(closing(case), Some((Verdict::Acquitted, [0, 0, 0, 80])));
        assert_eq!((free(VAL), held(VAL)), (WEALTH - 120, 0));
        assert_eq!(free(ANN), WEALTH + 20);
    });
}

#[test]
fn a_verdict_should_stand_where_a_second_jury_is_not_found() {
    run(|| {
        let case = open(VAL, copy());
        let first = vote(case, 3);
        assert_ok!(Challenges::appeal(signed(ANN), case));
        for n in VALS.chain(AUTHORS) {
            with(|t| t.keyless.push(account(n)));
        }
        until_closed(case);
        assert_eq!(
            closing(case),
            Some((Verdict::Convicted, [REWARD, REWARD, 200, 30]))
        );
        assert_eq!(
            (free(ANN), held(ANN)),
            (WEALTH, 0),
            "the appeal's bond returns"
        );
        assert!(first.iter().all(|n| free(*n) == wealth(*n) + FEE));
    });
}
