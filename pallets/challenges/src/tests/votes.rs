//! What jurors do.

use super::*;
use arena_primitives::DutyTag;

#[test]
fn juries_should_be_whole_different_and_without_parties() {
    run(|| {
        let case = open(VAL, copy());
        assert_ok!(Challenges::join(signed(22), case));
        until_committing(case);
        let jury = jurors(case);
        assert_eq!(jury.len(), JURY);
        assert!(
            jury.iter()
                .all(|n| VALS.contains(n) && ![VAL, 22].contains(n))
        );
    });
}

#[test]
fn juries_should_be_drawn_from_all_venues_where_the_task_has_few() {
    run(|| {
        for n in 23..VALS.end {
            with(|t| t.keyless.push(account(n)));
        }
        let case = open(VAL, copy());
        until_committing(case);
        let jury = jurors(case);
        assert!(
            jury.iter().all(|n| *n == 22 || AUTHORS.contains(n)),
            "{jury:?}"
        );
        let state = state(case);
        let seats = &state.jury().unwrap().seats;
        let venue = |n| match AUTHORS.contains(&n) {
            true => Venue::Network,
            false => Venue::Task(TASK),
        };
        assert!(
            seats
                .iter()
                .all(|seat| seat.venue == venue(number(&seat.juror)))
        );
        assert!(seats.iter().all(|seat| seat.own == STAKE));
    });
}

#[test]
fn an_operator_of_both_venues_should_count_once_with_its_larger_stake() {
    run(|| {
        for n in 23..VALS.end {
            with(|t| t.keyless.push(account(n)));
        }
        set_stake(Venue::Network, 22, Role::Validator, 1_000_000);
        let case = open(VAL, copy());
        until_committing(case);
        let state = state(case);
        let seats = state.jury().unwrap().seats.iter();
        let own: Vec<_> = seats.filter(|seat| seat.juror == account(22)).collect();
        assert!(own.len() <= 1);
        assert!(own.iter().all(|seat| seat.venue == Venue::Network));
    });
}

#[test]
fn too_few_jurors_should_decide_nothing_and_pay_the_accused_a_fee_of_each_challenger() {
    run(|| {
        for n in VALS.chain(AUTHORS).skip(3) {
            with(|t| t.keyless.push(account(n)));
        }
        let case = open(VAL, copy());
        assert_ok!(Challenges::join(signed(22), case));
        // What a vote is paid when the case is opened.
        JurorFee::set(&(FEE + 1));
        until_closed(case);
        assert_eq!(closing(case), Some((Verdict::Undecided, [0; 4])));
        let paid = WEALTH - FEE;
        assert_eq!((free(VAL), free(22)), (paid, paid));
        assert_eq!((held(VAL), held(22)), (0, 0));
        assert_eq!((free(ANN), stake(ANN)), (WEALTH + 2 * FEE, STAKE));
        assert_eq!(Acquittals::<Test>::iter().count(), 0);
    });
}

#[test]
fn an_accused_without_an_account_should_leave_the_fee_to_the_treasury() {
    run(|| {
        for n in VALS.chain(AUTHORS).skip(3) {
            with(|t| t.keyless.push(account(n)));
        }
        let case = open(VAL, copy());
        let rest = free(ANN);
        let to = account(EVE);
        assert_ok!(Balances::transfer_allow_death(signed(ANN), to, rest));
        Existential::set(&(FEE + 1));
        until_closed(case);
        assert_eq!((free(ANN), free(VAL)), (0, WEALTH - FEE));
        assert_eq!(with(|n| n.to_treasury), FEE);
    });
}

#[test]
fn votes_should_be_committed_to_by_service_keys_of_jurors_once_and_in_time() {
    run(|| {
        let case = open(VAL, copy());
        let refused = |n, error: Error<Test>| {
            assert_noop!(commit_vote(n, case, Vote::Convict), error);
        };
        refused(25, Error::NotCommitting);
        until_committing(case);
        let jury = jurors(case);
        let none = Challenges::commit_vote(signed(jury[0]), case, H256::zero());
        assert_noop!(none, Error::<Test>::NotAServiceKey);
        let none = Challenges::commit_vote(by_key(jury[0]), case + 1, H256::zero());
        assert_noop!(none, Error::<Test>::NoSuchCase);
        refused(VAL, Error::NotAJuror);
        assert_ok!(commit_vote(jury[0], case, Vote::Convict));
        refused(jury[0], Error::AlreadyVoted);
        let reveal = Challenges::reveal_vote(by_key(jury[0]), case, Vote::Convict, NONCE);
        assert_noop!(reveal, Error::<Test>::NotRevealing);
        System::set_block_number(state(case).due());
        refused(jury[1], Error::NotCommitting);
    });
}

#[test]
fn votes_should_be_revealed_as_they_were_committed_to() {
    run(|| {
        let case = open(VAL, copy());
        until_committing(case);
        let jury = jurors(case);
        assert_ok!(commit_vote(jury[0], case, Vote::Convict));
        assert_ok!(commit_vote(jury[1], case, Vote::Convict));
        to(state(case).due());
        let reveal = |n, vote, nonce| Challenges::reveal_vote(by_key(n), case, vote, nonce);
        let other = H256::zero();
        assert_noop!(reveal(VAL, Vote::Convict, NONCE), Error::<Test>::NotAJuror);
        assert_noop!(reveal(jury[2], Vote::Convict, NONCE), Error::<Test>::NoVote);
        assert_noop!(
            reveal(jury[0], Vote::Acquit, NONCE),
            Error::<Test>::WrongVote
        );
        assert_noop!(
            reveal(jury[0], Vote::Convict, other),
            Error::<Test>::WrongVote
        );
        assert_ok!(reveal(jury[0], Vote::Convict, NONCE));
        assert_noop!(
            reveal(jury[0], Vote::Convict, NONCE),
            Error::<Test>::AlreadyRevealed
        );
        System::set_block_number(state(case).due());
        assert_noop!(
            reveal(jury[1], Vote::Convict, NONCE),
            Error::<Test>::NotRevealing
        );
    });
}

#[test]
fn windows_should_end_when_all_have_done_their_part() {
    run(|| {
        let case = open(VAL, copy());
        until_committing(case);
        let began = System::block_number();
        vote(case, 0);
        assert_eq!(System::block_number(), began + 2);
        assert!(matches!(
            state(case),
            CaseState::Appealable {
                verdict: Vote::Acquit,
                ..
            }
        ));
    });
}

#[test]
fn who_gives_no_vote_should_lose_stake_and_get_no_fee() {
    run(|| {
        let case = open(VAL, copy());
        until_committing(case);
        let jury = jurors(case);
        // One never commits, one never reveals.
        assert_ok!(commit_vote(jury[0], case, Vote::Convict));
        assert_ok!(commit_vote(jury[1], case, Vote::Convict));
        to(state(case).due());
        let own = Challenges::reveal_vote(by_key(jury[0]), case, Vote::Convict, NONCE);
        assert_ok!(own);
        to(state(case).due());
        assert_eq!(stake(jury[0]), STAKE);
        assert_eq!((stake(jury[1]), stake(jury[2])), (STAKE - 10, STAKE - 10));
        until_closed(case);
        // One vote of three convicts nobody.
        assert_eq!(closing(case), Some((Verdict::Acquitted, [0, 0, 0, FEE])));
        assert_eq!(free(jury[0]), wealth(jury[0]) + FEE);
        assert_eq!(
            (free(jury[1]), free(jury[2])),
            (wealth(jury[1]), wealth(jury[2]))
        );
    });
}

#[test]
fn duties_should_be_told_from_other_calls_and_refused_by_name() {
    run(|| {
        let case = open(VAL, copy());
        until_committing(case);
        let jury = jurors(case);
        let call = crate::Call::<Test>::commit_vote {
            case,
            commitment: H256::zero(),
        };
        let tag = DutyTag {
            call: crate::COMMIT_TAG,
            task: TASK,
            round: case,
            key: key(jury[0]),
        };
        let check = |who: AccountId, call: &crate::Call<Test>| Challenges::check_duty(&who, call);
        assert_eq!(check(key(jury[0]), &call), Some(Ok(tag)));
        let refusals = [
            (account(jury[0]), DutyRefusal::NotAServiceKey),
            (key(VAL), DutyRefusal::NotInRole),
        ];
        for (who, refusal) in refusals {
            assert_eq!(check(who, &call), Some(Err(refusal)));
        }
        let reveal = |case, nonce| crate::Call::<Test>::reveal_vote {
            case,
            vote: Vote::Acquit,
            nonce,
        };
        let juror = || key(jury[0]);
        let refused = |call: &crate::Call<Test>, refusal| {
            assert_eq!(check(juror(), call), Some(Err(refusal)));
        };
        refused(&reveal(case, NONCE), DutyRefusal::WrongPhase);
        refused(&reveal(case + 1, NONCE), DutyRefusal::UnknownRound);
        assert_ok!(commit_vote(jury[0], case, Vote::Acquit));
        refused(&call, DutyRefusal::AlreadyDone);
        to(state(case).due());
        refused(&reveal(case, H256::zero()), DutyRefusal::Mismatch);
        let found = check(juror(), &reveal(case, NONCE)).unwrap().unwrap();
        assert_eq!((found.call, found.round), (crate::REVEAL_TAG, case));
        assert_eq!(check(juror(), &crate::Call::poke { case }), None);
    });
}

#[test]
fn duties_of_should_name_what_a_juror_has_to_do() {
    run(|| {
        let case = open(VAL, copy());
        until_committing(case);
        let n = jurors(case)[0];
        let duties = duties_of(n);
        let opens = System::block_number();
        assert_eq!(duties.len(), 1);
        let until = opens + 6;
        assert_eq!(duties[0].window, Window::Commit { opens, until });
        assert_eq!(duties[0].case, case);
        assert!(matches!(duties[0].question, Question::Duplicate { .. }));
        assert!(duties_of(VAL).is_empty());
        assert_ok!(commit_vote(n, case, Vote::Acquit));
        to(state(case).due());
        let duty = duties_of(n).pop().unwrap();
        assert_eq!(duty.window, Window::Reveal);
        assert!(duty.committed.is_some() && !duty.revealed);
    });
}
