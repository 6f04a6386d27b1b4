//! How cases of one instance end.

use super::*;

#[test]
fn a_conviction_should_pay_jurors_and_challenger_out_of_what_the_convict_loses() {
    run(|| {
        let case = open(VAL, copy());
        let jury = vote(case, 2);
        assert_eq!(
            (free(ANN), stake(ANN)),
            (WEALTH, STAKE),
            "nothing before the appeal"
        );
        assert!(Challenges::is_accused(TASK, &account(ANN)));
        until_closed(case);
        assert_eq!(
            closing(case),
            Some((Verdict::Convicted, [REWARD, REWARD, 200, 30]))
        );
        assert!(jury.iter().all(|n| free(*n) == wealth(*n) + FEE));
        assert_eq!((free(VAL), held(VAL)), (WEALTH + 200, 0));
        assert_eq!((stake(ANN), free(ANN)), (STAKE - REWARD, WEALTH));
        assert_eq!(with(|n| n.burned), 170 + REWARD);
        assert_eq!(with(|n| n.chilled.clone()), [account(ANN)]);
        assert!(Challenges::is_convicted(TASK, &account(ANN)));
        assert!(!Challenges::is_accused(TASK, &account(ANN)));
        assert_eq!(Challenges::open_cases(TASK), 0);
    });
}

#[test]
fn an_acquittal_should_pay_jurors_and_accused_out_of_the_bond() {
    run(|| {
        let case = open(VAL, copy());
        let jury = vote(case, 1);
        until_closed(case);
        assert_eq!(closing(case), Some((Verdict::Acquitted, [0, 0, 0, 30])));
        assert!(jury.iter().all(|n| free(*n) == wealth(*n) + FEE));
        assert_eq!((free(VAL), held(VAL)), (WEALTH - 50, 0));
        assert_eq!((free(ANN), stake(ANN)), (WEALTH + 10, STAKE));
        assert_eq!(with(|n| n.to_treasury), 10);
        assert_eq!(Acquittals::<Test>::get(TASK, account(ANN)), 1);
        assert!(!Challenges::is_convicted(TASK, &account(ANN)));
    });
}

#[test]
fn bonds_should_double_with_each_acquittal() {
    run(|| {
        for bond in [50, 100, 200] {
            let case = open(VAL, copy());
            assert_eq!(held(VAL), bond);
            vote(case, 0);
            until_closed(case);
        }
        Acquittals::<Test>::insert(TASK, account(ANN), u32::MAX);
        assert_eq!(Challenges::bond(TASK, &copy()), 50 << 16);
    });
}

#[test]
fn bonds_should_be_halved_where_sketches_agree_but_pay_a_jury() {
    run(|| {
        with(|n| n.alike.push(model(ANN)));
        assert_eq!(Challenges::bond(TASK, &copy()), 30);
        with(|n| n.locked.insert((TASK, account(ANN)), 2_000));
        assert_eq!(Challenges::bond(TASK, &copy()), 65);
        assert_eq!(Challenges::bond(TASK, &training()), 130, "copies alone");
    });
}

#[test]
fn challengers_should_share_what_one_would_get() {
    run(|| {
        let case = open(VAL, copy());
        assert_ok!(Challenges::join(signed(22), case));
        assert_ok!(Challenges::join(signed(BOB), case));
        vote(case, 3);
        until_closed(case);
        let each = 200 / 3;
        for n in [VAL, 22, BOB] {
            assert_eq!((free(n), held(n)), (WEALTH + each, 0));
        }
        let (_, [_, _, to_challengers, _]) = closing(case).unwrap();
        assert_eq!(to_challengers, 3 * each);
    });
}

#[test]
fn all_challengers_should_lose_their_bonds_when_they_are_wrong() {
    run(|| {
        let case = open(VAL, copy());
        assert_ok!(Challenges::join(signed(22), case));
        vote(case, 0);
        until_closed(case);
        assert_eq!((free(VAL), free(22)), (WEALTH - 50, WEALTH - 50));
        assert_eq!(free(ANN), WEALTH + 35);
    });
}

#[test]
fn fees_should_come_out_of_stake_where_rewards_are_small() {
    run(|| {
        with(|n| n.locked.insert((TASK, account(ANN)), 12));
        let case = open(VAL, copy());
        let jury = vote(case, 3);
        until_closed(case);
        assert_eq!(closing(case), Some((Verdict::Convicted, [12, 30, 0, 30])));
        assert!(jury.iter().all(|n| free(*n) == wealth(*n) + FEE));
        assert_eq!(free(VAL), WEALTH);
    });
}

#[test]
fn fees_should_come_out_of_bonds_where_the_convict_has_nothing() {
    run(|| {
        with(|n| n.locked.clear());
        set_stake(Venue::Task(TASK), ANN, Role::Trainer, 5);
        let case = open(VAL, copy());
        assert_ok!(Challenges::join(signed(22), case));
        let jury = vote(case, 3);
        until_closed(case);
        assert_eq!(closing(case), Some((Verdict::Convicted, [0, 5, 0, 30])));
        assert!(jury.iter().all(|n| free(*n) == wealth(*n) + FEE));
        assert_eq!((free(VAL), free(22)), (WEALTH - 13, WEALTH - 12));
        assert_eq!((held(VAL), held(22)), (0, 0));
    });
}

#[test]
fn other_cases_against_a_convict_should_end() {
    run(|| {
        with(|n| n.spec.as_mut().unwrap().registered = true);
        let first = open(VAL, copy());
        let other = open(22, training());
        let jury = vote(first, 3);
        while OpenCases::<Test>::contains_key(first) {
            assert!(OpenCases::<Test>::contains_key(other));
            pass(1);
        }
        // Silence of the accused could have ended the other one; it was quicker here.
        let verdict = closing(other).map(|(verdict, _)| verdict);
        assert!(verdict.is_none_or(|verdict| verdict == Verdict::Moot));
        assert_eq!(Challenges::open_cases(TASK), 0);
        pass(1);
        assert!(matches!(closing(other), Some((Verdict::Moot, _))));
        let fee = if jury.contains(&22) { FEE } else { 0 };
        assert_eq!((free(22), held(22)), (WEALTH + fee, 0));
        assert!(CasesOf::<Test>::get(TASK).is_empty());
    });
}

#[test]
fn poke_should_do_what_is_due_and_nothing_before() {
    run(|| {
        let case = open(VAL, copy());
        let poke = |case| Challenges::poke(signed(EVE), case);
        assert_noop!(poke(case), Error::<Test>::NothingDue);
        assert_noop!(poke(case + 1), Error::<Test>::NoSuchCase);
        to(state(case).due() - 1);
        System::set_block_number(System::block_number() + 1);
        // The hook of this block was cut short after it had collected.
        let beacon = <() as crate::WeightInfo>::step_beacon();
        Challenges::tick(System::block_number(), beacon);
        assert_ok!(poke(case));
        assert!(matches!(state(case), CaseState::Committing { .. }));
        assert_noop!(poke(case), Error::<Test>::NothingDue);
    });
}

#[test]
fn a_draw_should_wait_again_when_its_blocks_are_out_of_reach() {
    run(|| {
        let case = open(VAL, copy());
        to(state(case).due() - 1);
        crate::Beacon::<Test>::remove((state(case).due() - 1) % crate::BEACON_KEEP);
        System::set_block_number(System::block_number() + 1);
        let now = System::block_number();
        Challenges::tick(now, <() as crate::WeightInfo>::step_beacon());
        crate::Beacon::<Test>::remove((now - 1) % crate::BEACON_KEEP);
        assert_ok!(Challenges::poke(signed(EVE), case));
        assert_eq!(state(case).due(), now + SEED + 1);
    });
}
