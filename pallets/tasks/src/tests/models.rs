//! Commitments, publication, and whose a root is.

use super::*;

#[test]
fn submit_should_refuse_who_is_no_counted_trainer() {
    run(|| {
        let id = task();
        go_to(ONE);
        assert_noop!(
            Tasks::submit(signed(ANN), 7, root(1)),
            Error::<Test>::NoSuchTask
        );
        assert_noop!(
            Tasks::submit(signed(99), id, root(1)),
            Error::<Test>::NotATrainer
        );
        assert_noop!(
            Tasks::submit(signed(VAL), id, root(1)),
            Error::<Test>::NotATrainer
        );
        with(|n| n.positions.insert((id, account(13)), (Role::Trainer, 5, 2)));
        assert_noop!(
            Tasks::submit(signed(13), id, root(1)),
            Error::<Test>::StakeNotCounted
        );
        submit(id, ANN, root(1));
        submit(id, ANN, root(2));
        let row = Submissions::<Test>::get((id, 1, account(ANN))).unwrap();
        assert_eq!(row.commitment, commitment(ANN, root(2)));
    });
}

#[test]
fn submit_should_refuse_who_has_no_run_where_trainings_are_registered() {
    run(|| {
        let free = task();
        let id = approve(TaskSpec {
            registered: true,
            ..spec()
        });
        go_to(ONE);
        let try_submit = || Tasks::submit(signed(ANN), id, root(1));
        assert_noop!(try_submit(), Error::<Test>::NoRun);
        submit(free, ANN, root(1));
        // A run of this block, or of another trainer or task, doesn't do.
        with(|n| n.runs.insert((id, account(ANN)), ONE));
        with(|n| n.runs.insert((id, account(BOB)), 1));
        with(|n| n.runs.insert((free, account(ANN)), 1));
        assert_noop!(try_submit(), Error::<Test>::NoRun);
        assert_noop!(
            Tasks::submit(signed(VAL), id, root(1)),
            Error::<Test>::NotATrainer
        );
        go_to(ONE + 1);
        assert_ok!(try_submit());
    });
}

#[test]
fn publish_should_open_the_commitment_in_its_window_only() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        assert_noop!(publish(id, ANN, root(1)), Error::<Test>::NotPublishing);
        go_to(PUBLISH - 1);
        assert_noop!(publish(id, ANN, root(1)), Error::<Test>::NotPublishing);
        go_to(PUBLISH);
        let nonce = H256::repeat_byte(9);
        assert_noop!(
            Tasks::publish(signed(ANN), id, root(1), uris(), nonce),
            Error::<Test>::NotAServiceKey
        );
        assert_noop!(publish(7, ANN, root(1)), Error::<Test>::NoSuchTask);
        assert_noop!(publish(id, 30, root(1)), Error::<Test>::NotATrainer);
        assert_noop!(publish(id, BOB, root(1)), Error::<Test>::NoSubmission);
        assert_noop!(publish(id, ANN, root(2)), Error::<Test>::WrongCommitment);
        assert_noop!(
            Tasks::publish(signed_key(ANN), id, root(1), Default::default(), nonce),
            Error::<Test>::BadUris
        );
        assert_ok!(publish(id, ANN, root(1)));
        assert_noop!(publish(id, ANN, root(1)), Error::<Test>::AlreadyPublished);
        assert_eq!(Tasks::model(id, &account(ANN)), Some(root(1)));
        assert_eq!(Tasks::uris(id, &root(1)), Some(uris()));
    });
}

#[test]
fn check_duty_should_agree_with_publish() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        let call = |manifest_root| crate::Call::<Test>::publish {
            task: id,
            manifest_root,
            uris: uris(),
            nonce: H256::repeat_byte(9),
        };
        let ann = key(&account(ANN));
        assert_eq!(
            Tasks::check_duty(&ann, &call(root(1))),
            Some(Err(DutyRefusal::WrongPhase))
        );
        go_to(PUBLISH);
        assert_eq!(
            Tasks::check_duty(&account(ANN), &call(root(1))),
            Some(Err(DutyRefusal::NotAServiceKey))
        );
        assert_eq!(
            Tasks::check_duty(&ann, &call(root(2))),
            Some(Err(DutyRefusal::Mismatch))
        );
        let tag = Tasks::check_duty(&ann, &call(root(1))).unwrap().unwrap();
        assert_eq!((tag.task, tag.round, tag.key), (id, 1, ann.clone()));
        assert_ok!(publish(id, ANN, root(1)));
        assert_eq!(
            Tasks::check_duty(&ann, &call(root(1))),
            Some(Err(DutyRefusal::AlreadyDone))
        );
        let other = crate::Call::<Test>::poke { task: id };
        assert_eq!(Tasks::check_duty(&ann, &other), None);
    });
}

#[test]
fn commitment_of_the_next_round_should_not_replace_one_that_waits_to_be_published() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        go_to(PUBLISH);
        submit(id, ANN, root(2));
        assert_ok!(publish(id, ANN, root(1)));
        assert!(Submissions::<Test>::contains_key((id, 2, account(ANN))));
    });
}

#[test]
fn root_should_belong_to_its_earliest_commitment() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        go_to(ONE + 1);
        submit(id, BOB, root(1));
        go_to(PUBLISH);
        assert_eq!(Tasks::owner(id, &root(1)), None);
        assert_ok!(publish(id, BOB, root(1)));
        let owner = |root| Tasks::owner(id, &root);
        assert_eq!(owner(root(1)), Some((account(BOB), ONE + 1)));
        assert_ok!(publish(id, ANN, root(1)));
        assert_eq!(Tasks::model(id, &account(BOB)), None);
        assert_eq!(owner(root(1)), Some((account(ANN), ONE)));
        System::assert_has_event(
            Event::ModelDisplaced {
                task: id,
                round: 1,
                trainer: account(BOB),
                manifest_root: root(1),
            }
            .into(),
        );
    });
}

#[test]
fn later_commitment_should_not_take_a_root() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        submit(id, BOB, root(1));
        go_to(PUBLISH);
        assert_ok!(publish(id, ANN, root(1)));
        // The same block: the smaller account is first.
        assert_noop!(publish(id, BOB, root(1)), Error::<Test>::RootOwned);
    });
}

#[test]
fn models_should_be_fixed_at_the_seed_phase_and_stand_for_later_rounds() {
    run(|| {
        let id = task();
        go_to(ONE);
        submit(id, ANN, root(1));
        submit(id, BOB, root(2));
        go_to(PUBLISH);
        assert_ok!(publish(id, ANN, root(1)));
        assert_ok!(publish(id, BOB, root(2)));
        assert!(Fixed::<Test>::get(id, 1).is_none());
        go_to(SEED);
        let roots = |models: RoundModels| -> Vec<H256> {
            models
                .into_iter()
                .map(|model| model.manifest_root)
                .collect()
        };
        assert_eq!(
            roots(Fixed::<Test>::get(id, 1).unwrap()),
            vec![root(1), root(2)]
        );
        submit(id, ANN, root(3));
        let closed = Tasks::closed_rounds();
        assert_eq!(closed.len(), 1);
        assert_eq!((closed[0].round, closed[0].is_final), (1, false));
        Tasks::settled(id, 1);
        assert!(Fixed::<Test>::get(id, 1).is_none());
        // Round 2 opened in the block in which round 1 closed.
        go_to(PUBLISH + DAY);
        assert_ok!(publish(id, ANN, root(3)));
        // The newest, before the round that counts it is fixed.
        assert_eq!(Tasks::model(id, &account(ANN)), Some(root(3)));
        go_to(SEED + DAY);
        assert_eq!(roots(Tasks::models(id, 2)), vec![root(3), root(2)]);
    });
}
