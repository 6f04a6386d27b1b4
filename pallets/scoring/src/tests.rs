//! Behaviour of calls, settlement and the offchain worker.

use crate::{
    Call, Commits, Error, Event, Expiring, Misses, Reveals, RoundResults, Seeds,
    mock::*,
    offchain::{
        decide::{Action, Drawn, Duty, JobView, Record, decide},
        edge::{EXECUTOR_KEY, Executor},
    },
    scores_commitment,
};
use arena_math::{
    Listed, RoundInput,
    consensus::{Aggregation, Cap},
    rewards::{RankRule, ValidatorRule},
};
use arena_primitives::{
    DutyRefusal, InfraFault, MinerFault, ModelStatus, ScoreEntries, ScoreEntry, ScoreOutcome,
    Unpaid,
    job::{Evaluated, Fault, JobStatus, Outcome},
    traits::Results,
};
use codec::{Decode, Encode};
use frame_support::{assert_noop, assert_ok};
use sp_core::H256;
use sp_runtime::{DispatchResult, Perbill};
use std::collections::BTreeMap;

const NONCE: H256 = H256::repeat_byte(7);
const ROOT: H256 = H256::repeat_byte(8);

fn signed(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(key(n))
}

fn entries(outcomes: [ScoreOutcome; 4]) -> ScoreEntries {
    let lines: Vec<ScoreEntry> = TRAINERS
        .iter()
        .zip(outcomes)
        .map(|((trainer, _), outcome)| ScoreEntry {
            manifest_root: root(&account(*trainer)),
            outcome,
            sketch: None,
        })
        .collect();
    lines.try_into().unwrap()
}

fn scored(raw: [u64; 4]) -> ScoreEntries {
    entries(raw.map(|raw| ScoreOutcome::Scored(raw * 10_000_000)))
}

fn commit(who: u8, entries: &ScoreEntries) -> DispatchResult {
    let commitment = scores_commitment(&account(who), 0, 1, entries, ROOT, NONCE);
    Scoring::commit_scores(signed(who), 0, 1, commitment)
}

fn reveal(who: u8, entries: ScoreEntries) -> DispatchResult {
    Scoring::reveal_scores(signed(who), 0, 1, entries, ROOT, NONCE)
}

#[test]
fn seed_should_be_complete_in_the_first_block_of_the_commit_phase() {
    run(|| {
        go_to(SCHEDULE.commit - 1);
        assert_eq!(Seeds::<Test>::get(0, 1).unwrap().blocks, 1);
        assert_eq!(Scoring::seed(0, 1), None);
        assert!(Scoring::drawn(0, 1, &account(21)).is_empty());
        go_to(SCHEDULE.commit);
        let state = Seeds::<Test>::get(0, 1).unwrap();
        assert_eq!((state.blocks, state.total), (2, Some(4_500)));
        assert!(Scoring::seed(0, 1).is_some());
        assert_eq!(Scoring::drawn(0, 1, &account(21)).len(), 4);
        assert!(Scoring::drawn(0, 1, &account(1)).is_empty());
    });
}

#[test]
fn commit_should_refuse_who_and_when_it_may_not() {
    run(|| {
        let lines = scored([90, 80, 70, 60]);
        go_to(SCHEDULE.commit - 1);
        assert_noop!(commit(21, &lines), Error::<Test>::NotCommitting);
        System::set_block_number(SCHEDULE.commit);
        assert_noop!(commit(21, &lines), Error::<Test>::NoSeed);
        System::set_block_number(SCHEDULE.commit - 1);
        go_to(SCHEDULE.commit);
        assert_noop!(
            Scoring::commit_scores(RuntimeOrigin::signed(account(21)), 0, 1, ROOT),
            Error::<Test>::NotAServiceKey
        );
        assert_noop!(
            Scoring::commit_scores(signed(21), 0, 2, ROOT),
            Error::<Test>::NoSuchRound
        );
        assert_noop!(commit(1, &lines), Error::<Test>::NotAValidator);
        with(|n| {
            n.keys.insert(key(24), account(24));
            n.validators.insert(account(24), 0);
        });
        assert_noop!(commit(24, &lines), Error::<Test>::StakeNotCounted);
        assert_ok!(commit(21, &lines));
        assert_noop!(commit(21, &lines), Error::<Test>::AlreadyCommitted);
    });
}

#[test]
fn reveal_should_need_the_commitment_and_exactly_the_draw() {
    run(|| {
        let lines = scored([90, 80, 70, 60]);
        let mut short = lines.clone();
        short.pop();
        let swapped: Vec<_> = lines.iter().rev().copied().collect();
        let swapped: ScoreEntries = swapped.try_into().unwrap();
        let high = scored([101, 80, 70, 60]);
        go_to(SCHEDULE.commit);
        with(|n| {
            for who in [24, 25] {
                n.keys.insert(key(who), account(who));
                n.validators.insert(account(who), 10);
            }
        });
        assert_ok!(commit(21, &lines));
        assert_ok!(commit(22, &short));
        assert_ok!(commit(23, &swapped));
        assert_ok!(commit(24, &high));
        assert_noop!(reveal(21, lines.clone()), Error::<Test>::NotRevealing);
        go_to(SCHEDULE.reveal);
        assert_noop!(reveal(25, lines.clone()), Error::<Test>::NoCommitment);
        assert_noop!(reveal(21, short.clone()), Error::<Test>::WrongCommitment);
        assert_noop!(reveal(22, short), Error::<Test>::NotTheDraw);
        assert_noop!(reveal(23, swapped), Error::<Test>::NotTheDraw);
        assert_noop!(reveal(24, high), Error::<Test>::RawOutOfRange);
        assert_ok!(reveal(21, lines.clone()));
        assert_noop!(reveal(21, lines), Error::<Test>::AlreadyRevealed);
    });
}

#[test]
fn check_duty_should_agree_with_the_calls() {
    run(|| {
        let lines = scored([90, 80, 70, 60]);
        let commitment = scores_commitment(&account(21), 0, 1, &lines, ROOT, NONCE);
        let commit_call = Call::<Test>::commit_scores {
            task: 0,
            round: 1,
            commitment,
        };
        let reveal_call = Call::<Test>::reveal_scores {
            task: 0,
            round: 1,
            entries: lines.clone(),
            samples_root: ROOT,
            nonce: NONCE,
        };
        let check = |call| Scoring::check_duty(&key(21), call).unwrap();
        assert_eq!(check(&commit_call), Err(DutyRefusal::WrongPhase));
        go_to(SCHEDULE.commit);
        assert_eq!(check(&commit_call).unwrap().key, key(21));
        assert_ok!(commit(21, &lines));
        assert_eq!(check(&commit_call), Err(DutyRefusal::AlreadyDone));
        assert_eq!(check(&reveal_call), Err(DutyRefusal::WrongPhase));
        go_to(SCHEDULE.reveal);
        assert_eq!(check(&reveal_call).unwrap().call, crate::REVEAL_TAG);
    });
}

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
        assert_eq!(
            Commits::<Test>::iter().count() + Reveals::<Test>::iter().count(),
            0
        );
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

// --- the offchain worker: decisions

fn duty() -> Duty {
    let drawn = TRAINERS
        .iter()
        .map(|(n, _)| Drawn {
            manifest_root: root(&account(*n)),
            uris: uris(),
        })
        .collect();
    let mut duty = Duty {
        task: 0,
        round: 1,
        schedule: SCHEDULE,
        operator: account(21),
        spec: spec(),
        seed: Some(H256::repeat_byte(3)),
        drawn,
        committed: None,
        revealed: false,
        record: None,
        jobs: None,
    };
    duty.jobs = Some(all(&duty, JobView::Missing));
    duty
}

fn all(duty: &Duty, view: JobView) -> BTreeMap<H256, JobView> {
    duty.jobs()
        .iter()
        .map(|job| (job.id(), view.clone()))
        .collect()
}

fn done(raw: u64) -> JobStatus {
    JobStatus::Done(Outcome::Evaluated(Evaluated {
        raw,
        samples: 1,
        tokens: 1,
        bytes: 0,
        samples_root: ROOT,
        device: "cpu".into(),
        millis: 1,
    }))
}

fn record(duty: &Duty, now: u32) -> Record {
    match decide(now, duty, NONCE).as_slice() {
        [Action::Commit(record)] => record.clone(),
        other => panic!("no commitment: {other:?}"),
    }
}

#[test]
fn decide_should_post_missing_jobs_from_the_start_of_the_commit_phase() {
    let duty = duty();
    assert!(decide(SCHEDULE.commit - 1, &duty, NONCE).is_empty());
    let actions = decide(SCHEDULE.commit, &duty, NONCE);
    assert_eq!(actions.len(), 4);
    assert!(
        actions
            .iter()
            .all(|action| matches!(action, Action::Post(job)
        if job.deadline_seconds == 240))
    );
    assert_eq!(actions, decide(SCHEDULE.commit, &duty, H256::zero()));
}

#[test]
fn decide_should_commit_once_each_job_has_an_outcome() {
    let mut duty = duty();
    let jobs = duty.jobs();
    let statuses = [
        done(900_000_000),
        JobStatus::Failed(Fault::Miner(MinerFault::Config, "".into())),
        JobStatus::Failed(Fault::Infra(InfraFault::Memory, "".into())),
        JobStatus::Failed(Fault::Unsupported("".into())),
    ];
    let views = jobs.iter().zip(statuses);
    duty.jobs = Some(
        views
            .map(|(job, s)| (job.id(), JobView::Known(s)))
            .collect(),
    );
    let outcomes: Vec<_> = record(&duty, SCHEDULE.commit)
        .entries
        .iter()
        .map(|line| line.outcome)
        .collect();
    assert_eq!(
        outcomes,
        vec![
            ScoreOutcome::Scored(900_000_000),
            ScoreOutcome::Invalid(MinerFault::Config),
            ScoreOutcome::Skipped(InfraFault::Memory),
            ScoreOutcome::Skipped(InfraFault::Device),
        ]
    );
    duty.jobs
        .as_mut()
        .unwrap()
        .insert(jobs[0].id(), JobView::Known(JobStatus::Queued));
    assert!(decide(SCHEDULE.commit, &duty, NONCE).is_empty());
}

#[test]
fn decide_should_skip_what_has_no_score_late_in_the_window() {
    let mut duty = duty();
    duty.jobs = Some(all(&duty, JobView::Silent));
    assert!(decide(SCHEDULE.reveal - 3, &duty, NONCE).is_empty());
    let record = record(&duty, SCHEDULE.reveal - 2);
    let timeout = ScoreOutcome::Skipped(InfraFault::Timeout);
    assert!(record.entries.iter().all(|line| line.outcome == timeout));
    duty.jobs = None;
    assert!(decide(SCHEDULE.reveal - 2, &duty, NONCE).is_empty());
}

#[test]
fn decide_should_try_a_passing_fault_again_and_name_it_late_in_the_window() {
    let mut duty = duty();
    let failed = JobStatus::Failed(Fault::Infra(InfraFault::Download, "".into()));
    duty.jobs = Some(all(&duty, JobView::Known(failed)));
    let jobs = duty.jobs();
    let posts: Vec<_> = jobs.into_iter().map(Action::Post).collect();
    assert_eq!(decide(SCHEDULE.commit, &duty, NONCE), posts);
    let skipped = ScoreOutcome::Skipped(InfraFault::Download);
    let record = record(&duty, SCHEDULE.reveal - 2);
    assert!(record.entries.iter().all(|line| line.outcome == skipped));
}

#[test]
fn decide_should_score_a_hopeless_language_model_at_the_worst_value() {
    let mut duty = duty();
    duty.spec.metric = arena_primitives::Metric::BitsPerByte;
    duty.jobs = Some(all(&duty, JobView::Known(done(u64::MAX))));
    let worst = ScoreOutcome::Scored(crate::MAX_BITS_PER_BYTE);
    let record = record(&duty, SCHEDULE.commit);
    assert!(record.entries.iter().all(|line| line.outcome == worst));
}

#[test]
fn decide_should_not_commit_to_an_impossible_value() {
    let mut duty = duty();
    duty.jobs = Some(all(&duty, JobView::Known(done(1_000_000_001))));
    let record = record(&duty, SCHEDULE.commit);
    let device = ScoreOutcome::Skipped(InfraFault::Device);
    assert!(record.entries.iter().all(|line| line.outcome == device));
}

#[test]
fn decide_should_send_the_stored_record_after_a_restart_or_reorganisation() {
    let mut duty = duty();
    duty.jobs = Some(all(&duty, JobView::Known(done(5))));
    let first = record(&duty, SCHEDULE.commit);
    duty.record = Some(first.clone());
    duty.committed = Some(first.commitment(&duty.operator, 0, 1));
    assert!(decide(SCHEDULE.commit + 1, &duty, NONCE).is_empty());
    // The commitment vanished, and so did the executor.
    duty.committed = None;
    duty.jobs = None;
    let again = decide(SCHEDULE.commit + 2, &duty, H256::repeat_byte(99));
    assert_eq!(again, vec![Action::Commit(first)]);
    // With another seed the scores are of no use.
    duty.seed = Some(H256::repeat_byte(4));
    assert!(decide(SCHEDULE.commit + 2, &duty, NONCE).is_empty());
}

#[test]
fn decide_should_not_reveal_a_record_of_another_draw() {
    let mut duty = duty();
    duty.jobs = Some(all(&duty, JobView::Known(done(5))));
    let kept = record(&duty, SCHEDULE.commit);
    duty.committed = Some(kept.commitment(&duty.operator, 0, 1));
    duty.record = Some(kept);
    assert_eq!(decide(SCHEDULE.reveal, &duty, NONCE).len(), 1);
    duty.drawn.pop();
    assert!(decide(SCHEDULE.reveal, &duty, NONCE).is_empty());
}

#[test]
fn decide_should_reveal_what_the_chain_holds_until_it_shows() {
    let mut duty = duty();
    duty.jobs = Some(all(&duty, JobView::Known(done(5))));
    let kept = record(&duty, SCHEDULE.commit);
    duty.record = Some(kept.clone());
    assert!(decide(SCHEDULE.reveal, &duty, NONCE).is_empty());
    duty.committed = Some(H256::zero());
    assert!(decide(SCHEDULE.reveal, &duty, NONCE).is_empty());
    duty.committed = Some(kept.commitment(&duty.operator, 0, 1));
    assert_eq!(
        decide(SCHEDULE.reveal, &duty, NONCE),
        vec![Action::Reveal(kept)]
    );
    duty.revealed = true;
    assert!(decide(SCHEDULE.reveal, &duty, NONCE).is_empty());
    assert!(decide(SCHEDULE.settle, &duty, NONCE).is_empty());
}

// --- the offchain worker: its edge

mod edge {
    use super::*;
    use frame_support::traits::Hooks;
    use sp_core::offchain::{
        OffchainDbExt, OffchainWorkerExt, TransactionPoolExt,
        testing::{PendingRequest, TestOffchainExt, TestTransactionPoolExt},
    };
    use sp_keystore::{Keystore, KeystoreExt, testing::MemoryKeystore};
    use sp_runtime::offchain::storage::StorageValueRef;

    fn request(method: &str, path: String, body: Vec<u8>, response: Vec<u8>) -> PendingRequest {
        PendingRequest {
            method: method.into(),
            uri: format!("http://127.0.0.1:9/{path}"),
            headers: vec![("authorization".into(), "Bearer secret".into())],
            body,
            sent: true,
            response: Some(response),
            ..Default::default()
        }
    }

    #[test]
    fn worker_should_ask_commit_keep_and_reveal() {
        let (offchain, state) = TestOffchainExt::new();
        let (pool, pooled) = TestTransactionPoolExt::new();
        let keystore = MemoryKeystore::new();
        let public = keystore
            .sr25519_generate_new(arena_primitives::service_key::KEY_TYPE, None)
            .unwrap();
        let mut ext = ext();
        ext.register_extension(OffchainDbExt::new(offchain.clone()));
        ext.register_extension(OffchainWorkerExt::new(offchain));
        ext.register_extension(TransactionPoolExt::new(pool));
        ext.register_extension(KeystoreExt::new(keystore));
        let account_of_key = arena_primitives::AccountId::new(public.0);
        let sent = || -> Vec<RuntimeCall> {
            pooled
                .write()
                .transactions
                .drain(..)
                .map(|bytes| Extrinsic::decode(&mut &bytes[..]).unwrap().function)
                .collect()
        };
        run_in(ext, || {
            with(|n| n.keys.insert(account_of_key.clone(), account(21)));
            let origin = || RuntimeOrigin::signed(account_of_key.clone());
            go_to(SCHEDULE.commit);
            Scoring::offchain_worker(SCHEDULE.commit);
            assert!(sent().is_empty(), "nothing without an executor");

            let executor = Executor {
                url: b"http://127.0.0.1:9/".to_vec(),
                token: b"secret".to_vec(),
            };
            StorageValueRef::persistent(EXECUTOR_KEY).set(&executor);
            let mut duty = duty();
            duty.seed = Scoring::samples_seed(0, 1);
            for job in duty.jobs() {
                let path = format!("jobs/{:x}", job.id());
                let answer = JobStatus::Queued.encode();
                state
                    .write()
                    .expect_request(request("GET", path, vec![], answer));
            }
            Scoring::offchain_worker(SCHEDULE.commit);
            assert!(sent().is_empty(), "jobs are queued");

            for job in duty.jobs() {
                let path = format!("jobs/{:x}", job.id());
                let answer = done(900_000_000).encode();
                state
                    .write()
                    .expect_request(request("GET", path, vec![], answer));
            }
            Scoring::offchain_worker(SCHEDULE.commit);
            let first = sent();
            assert!(matches!(
                first.as_slice(),
                [RuntimeCall::Scoring(Call::commit_scores {
                    task: 0,
                    round: 1,
                    ..
                })]
            ));
            // Not in a block yet: the same commitment again, with no question to the executor.
            Scoring::offchain_worker(SCHEDULE.commit + 1);
            assert_eq!(sent(), first);
            let RuntimeCall::Scoring(Call::commit_scores { commitment, .. }) = first[0] else {
                unreachable!()
            };
            assert_ok!(Scoring::commit_scores(origin(), 0, 1, commitment));
            Scoring::offchain_worker(SCHEDULE.commit + 2);
            assert!(sent().is_empty());

            go_to(SCHEDULE.reveal);
            Scoring::offchain_worker(SCHEDULE.reveal);
            let mut calls = sent();
            let Some(RuntimeCall::Scoring(Call::reveal_scores {
                entries,
                samples_root,
                nonce,
                ..
            })) = calls.pop()
            else {
                panic!("no reveal")
            };
            assert_ok!(Scoring::reveal_scores(
                origin(),
                0,
                1,
                entries,
                samples_root,
                nonce
            ));
        });
    }

    #[test]
    fn line_should_post_a_job_with_its_token() {
        let (offchain, state) = TestOffchainExt::new();
        let mut ext = ext();
        ext.register_extension(OffchainWorkerExt::new(offchain));
        ext.execute_with(|| {
            let job = duty().jobs().remove(0);
            state
                .write()
                .expect_request(request("POST", "jobs".into(), job.encode(), vec![]));
            let executor = Executor {
                url: b"http://127.0.0.1:9".to_vec(),
                token: b"secret".to_vec(),
            };
            crate::offchain::edge::Line::new(executor).post(&job);
        });
    }
}
