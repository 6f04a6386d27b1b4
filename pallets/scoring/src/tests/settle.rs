//! Settlement: payouts, pages, faults.

use super::*;

#[test]
fn full_round_should_pay_what_the_maths_says_and_book_all_of_it() {
    let raw = [[90, 80, 70, 5], [91, 79, 70, 6], [88, 80, 72, 5]];
    run(|| {
        go_to(SCHEDULE.commit);
        for ((who, _), raw) in VALIDATORS.iter().zip(raw) {
            assert_ok!(commit(*who, &scored(raw)));
        }
        go_to(SCHEDULE.reveal);
        for ((who, _), raw) in VALIDATORS.iter().zip(raw) {
            assert_ok!(reveal(*who, scored(raw)));
        }
        go_to(SCHEDULE.settle);

        let listed: Vec<Vec<Option<Listed>>> = raw
            .iter()
            .map(|row| {
                row.iter()
                    .map(|r| Some(Listed::Scored(*r as u32 * 10_000_000)))
                    .collect()
            })
            .collect();
        let expected = arena_math::settle(&RoundInput {
            reward: REWARD,
            gamma: 350_000_000,
            q: 700_000_000,
            rank_rule: RankRule::ByStake { depth: 20 },
            validator_rule: ValidatorRule {
                alpha_q32: 1 << 32,
                lambda_q32: 50 << 32,
                band: 1_000_000,
            },
            committee: 0,
            cap: Cap::Seats(10),
            aggregation: Aggregation::Median,
            min_scorers: 2,
            baseline: 100_000_000,
            trainer_stakes: &TRAINERS.map(|(_, stake)| stake),
            validator_stakes: &VALIDATORS.map(|(_, stake)| stake),
            listed: &listed,
        })
        .unwrap();
        let result = RoundResults::<Test>::get(0, 1).unwrap();
        let rewards: Vec<u128> = result.models.iter().map(|model| model.reward).collect();
        assert_eq!(rewards, expected.trainer_payouts);
        let rewards: Vec<u128> = result.validators.iter().map(|row| row.reward).collect();
        assert_eq!(rewards, expected.validator_payouts);
        assert_eq!(result.models[3].rank, None);
        assert_eq!(result.models[0].rank, Some(1));
        assert_eq!(result.models[0].score, Some(Perbill::from_percent(90)));
        let (paid, treasury) = with(|n| (n.paid.values().sum::<u128>(), n.treasury));
        assert!(paid > 0);
        assert_eq!(paid + treasury, REWARD);
        assert_eq!(
            (result.drawn, result.treasury, result.unpaid),
            (REWARD, treasury, None)
        );
        assert!(Seeds::<Test>::get(0, 1).is_none());
        assert_eq!(Commits::<Test>::iter().count(), 0);
        assert_eq!(Reveals::<Test>::iter().count(), VALIDATORS.len());
        assert!(!with(|n| n.alive));
        assert!(with(|n| n.slashed.is_empty()));
    });
}

#[test]
fn missing_reveal_should_be_slashed_and_absence_counted() {
    run(|| {
        let lines = scored([90, 80, 70, 60]);
        go_to(SCHEDULE.commit);
        assert_ok!(commit(21, &lines));
        assert_ok!(commit(22, &lines));
        go_to(SCHEDULE.reveal);
        assert_ok!(reveal(21, lines));
        go_to(SCHEDULE.settle);
        assert_eq!(
            with(|n| n.slashed.clone()),
            BTreeMap::from([(account(22), 200)])
        );
        System::assert_has_event(
            Event::NotRevealed {
                task: 0,
                round: 1,
                validator: account(22),
                slashed: 200,
            }
            .into(),
        );
        assert_eq!(Misses::<Test>::get(0, account(23)), 1);
        assert_eq!(Misses::<Test>::get(0, account(22)), 0);
        let result = RoundResults::<Test>::get(0, 1).unwrap();
        assert_eq!(result.unpaid, Some(Unpaid::NoQuorum));
        assert_eq!(with(|n| (n.drawn, n.lapsed.contains(&0))), (0, true));
    });
}

#[test]
fn missing_reveal_should_cost_a_tenth_of_a_validators_part_of_the_draw_at_least() {
    run(|| {
        let lines = scored([90, 80, 70, 60]);
        go_to(SCHEDULE.commit);
        for (who, _) in VALIDATORS {
            assert_ok!(commit(who, &lines));
        }
        go_to(SCHEDULE.reveal);
        assert_ok!(reveal(22, lines.clone()));
        assert_ok!(reveal(23, lines));
        go_to(SCHEDULE.settle);
        // 10 % of its stake would be 100.
        assert_eq!(
            with(|n| n.slashed.clone()),
            BTreeMap::from([(account(21), REWARD.div_ceil(30))])
        );
    });
}

#[test]
fn absences_in_a_row_should_cost_the_seat_and_a_reveal_should_forgive_them() {
    run(|| {
        let lines = scored([90, 80, 70, 60]);
        Misses::<Test>::insert(0, account(21), 1);
        Misses::<Test>::insert(0, account(23), 1);
        go_to(SCHEDULE.commit);
        assert_ok!(commit(21, &lines));
        go_to(SCHEDULE.reveal);
        assert_ok!(reveal(21, lines));
        go_to(SCHEDULE.settle);
        assert_eq!(
            with(|n| n.chilled.clone()),
            vec![(Venue::Task(0), account(23))]
        );
        System::assert_has_event(
            Event::Missed {
                task: 0,
                round: 1,
                validator: account(23),
                misses: 2,
            }
            .into(),
        );
        let misses: BTreeMap<_, _> = Misses::<Test>::iter_prefix(0).collect();
        assert_eq!(misses, BTreeMap::from([(account(22), 1)]));
    });
}

#[test]
fn unpaid_rounds_should_lapse_and_name_their_reason() {
    run(|| {
        with(|n| n.validators.clear());
        go_to(SCHEDULE.settle);
        let result = RoundResults::<Test>::get(0, 1).unwrap();
        assert_eq!(result.unpaid, Some(Unpaid::NoValidators));
        assert_eq!(with(|n| n.drawn), 0);
    });
    run(|| {
        with(|n| n.trainers.clear());
        go_to(SCHEDULE.settle);
        let result = RoundResults::<Test>::get(0, 1).unwrap();
        assert_eq!(result.unpaid, Some(Unpaid::TooFewModels));
    });
    run(|| {
        let bad = ScoreOutcome::Invalid(MinerFault::Weights);
        let skip = ScoreOutcome::Skipped(InfraFault::Disk);
        let lines = entries([bad, ScoreOutcome::Scored(900_000_000), skip, bad]);
        go_to(SCHEDULE.commit);
        for (who, _) in VALIDATORS {
            assert_ok!(commit(who, &lines));
        }
        go_to(SCHEDULE.reveal);
        for (who, _) in VALIDATORS {
            assert_ok!(reveal(who, lines.clone()));
        }
        go_to(SCHEDULE.settle);
        let result = RoundResults::<Test>::get(0, 1).unwrap();
        assert_eq!(result.unpaid, Some(Unpaid::TooFewModels));
        let statuses: Vec<_> = result.models.iter().map(|model| model.status).collect();
        assert_eq!(statuses[0], ModelStatus::Invalid(MinerFault::Weights));
        assert_eq!(statuses[1], ModelStatus::Scored);
        assert_eq!(statuses[2], ModelStatus::Skipped(Some(InfraFault::Disk)));
    });
}

#[test]
fn results_should_go_when_their_time_has_passed() {
    run(|| {
        go_to(SCHEDULE.settle);
        assert!(Scoring::result(0, 1).is_some());
        Scoring::ended(0);
        go_to(SCHEDULE.settle + 9);
        assert!(Scoring::result(0, 1).is_some());
        go_to(SCHEDULE.settle + 10);
        assert!(Scoring::result(0, 1).is_none());
        assert_eq!(Expiring::<Test>::iter().count(), 0);
    });
}
