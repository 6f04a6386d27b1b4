//! A task's life on the real runtime: from proposal to claims, with all invariants after each
//! block. Blocks are made of their hooks; transactions go through dispatch.

use super::sanity::with_preset;
use crate::*;
use arena_primitives::{
    Aggregation, Architecture, DataSource, EarlierSketches, Metric, MinerFault, ModelBounds,
    ModelStatus, NumericProfile, PublicData, RankRule, RewardParams, Role, Round, ScoreEntries,
    ScoreEntry, ScoreOutcome, TaskId, TaskPhase, TaskSpec, Uri, Uris, Venue, WeightCap,
    hash::{Domain, hash, preimage},
    time::RoundPhase,
    traits::{DutyCalls, Rounds, TaskStates},
};
use frame_support::{assert_noop, assert_ok, traits::Hooks};
use sp_core::{H256, Pair, sr25519};
use sp_keyring::Sr25519Keyring as Key;
use sp_runtime::{Perbill, traits::Dispatchable};

pub(super) const CREATOR: Key = Key::Alice;
pub(super) const TRAINERS: [Key; 3] = [Key::Bob, Key::Charlie, Key::Dave];
pub(super) const VALIDATORS: [Key; 2] = [Key::Eve, Key::Ferdie];
pub(super) const DELEGATOR: Key = Key::AliceStash;

pub(super) fn account(key: Key) -> AccountId {
    key.to_account_id()
}

pub(super) fn service(key: Key) -> sr25519::Pair {
    sr25519::Pair::from_string(&format!("{}//service", key.to_seed()), None).expect("derives")
}

pub(super) fn service_account(key: Key) -> AccountId {
    service(key).public().into()
}

pub(super) fn uris() -> Uris {
    vec![Uri::try_from(b"file:///models".to_vec()).expect("short")]
        .try_into()
        .expect("one")
}

pub(super) fn spec() -> TaskSpec {
    TaskSpec {
        name: b"digits".to_vec().try_into().expect("short"),
        licence: b"Apache-2.0".to_vec().try_into().expect("short"),
        metric: Metric::Accuracy,
        worst: 100_000_000,
        profile: NumericProfile::F32,
        data: DataSource::Public(PublicData {
            blake3: [7; 32],
            bytes: 1_000,
            uris: uris(),
            samples: 10,
        }),
        model: ModelBounds {
            architectures: vec![Architecture::Mlp].try_into().expect("one"),
            max_parameters: 10_000,
            max_bytes: 1_000_000,
            max_seconds: 2,
            context: 128,
            tokenizer: None,
            base: None,
        },
        rounds: 2,
        round_minutes: 1_440,
        final_days: 1,
        challenge_days: 6,
        rewards: RewardParams {
            gamma: Perbill::from_percent(35),
            q: Perbill::from_percent(70),
            rank: RankRule::ByStake { depth: 20 },
            lambda_milli: 50_000,
            band: Perbill::from_parts(1_000_000),
            alpha_v_milli: 1_000,
            aggregation: Aggregation::Median,
            cap: WeightCap::Seats(10),
            committee: 0,
            min_scorers: 2,
            min_trainers: 2,
            max_leverage: 20,
        },
        baseline: Perbill::zero(),
        likeness: None,
        registered: false,
    }
}

pub(super) fn check_invariants() {
    pallet_arena_staking::invariants::check::<Runtime>().expect("staking");
    pallet_arena_delegation::invariants::check::<Runtime>().expect("delegation");
    pallet_arena_rewards::invariants::check::<Runtime>().expect("rewards");
    pallet_arena_tasks::invariants::check::<Runtime>().expect("tasks");
    pallet_arena_scoring::invariants::check::<Runtime>().expect("scoring");
    pallet_arena_challenges::invariants::check::<Runtime>().expect("challenges");
}

pub(super) fn now() -> BlockNumber {
    System::block_number()
}

/// One block: its number, its parent's VRF output, and the arena's hooks.
pub(super) fn next_block() {
    let n = now() + 1;
    System::set_block_number(n);
    System::reset_events();
    pallet_babe::AuthorVrfRandomness::<Runtime>::put(Some(hash(Domain::SeedStep, &n).0));
    ArenaTasks::on_initialize(n);
    ArenaScoring::on_initialize(n);
    ArenaChallenges::on_initialize(n);
    check_invariants();
}

pub(super) fn run_until(what: &str, done: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if done() {
            return;
        }
        next_block();
    }
    panic!("{what} did not come");
}

pub(super) fn call(who: &AccountId, call: impl Into<RuntimeCall>) -> sp_runtime::DispatchResult {
    call.into()
        .dispatch(RuntimeOrigin::signed(who.clone()))
        .map(|_| ())
        .map_err(|e| e.error)
}

/// Sends a duty as the pool would let it through.
pub(super) fn duty(key: Key, what: impl Into<RuntimeCall>) {
    let what = what.into();
    let signer = service_account(key);
    assert!(matches!(what.check_duty(&signer), Some(Ok(_))), "{what:?}");
    assert_ok!(call(&signer, what.clone()));
    assert!(
        matches!(what.check_duty(&signer), Some(Err(_))),
        "a duty is due once: {what:?}"
    );
}

pub(super) fn approve_task() -> TaskId {
    approve(spec())
}

pub(super) fn approve(spec: TaskSpec) -> TaskId {
    let spec_hash = ArenaTasks::spec_hash(&account(CREATOR), &spec);
    assert_ok!(call(
        &account(CREATOR),
        pallet_arena_tasks::Call::propose {
            spec: Box::new(spec)
        }
    ));
    let task = pallet_arena_tasks::NextTaskId::<Runtime>::get();
    let approve = pallet_arena_tasks::Call::approve {
        spec_hash,
        max_share: Perbill::one(),
    };
    assert_noop!(
        call(&account(CREATOR), approve.clone()),
        sp_runtime::DispatchError::BadOrigin
    );
    let origin = governance::origins::pallet::Origin::TaskApprover;
    assert_ok!(RuntimeCall::from(approve).dispatch(origin.into()));
    task
}

/// Registers a service key, and takes a position.
pub(super) fn join(task: TaskId, key: Key, role: Role, amount: Balance) {
    let who = account(key);
    let set = pallet_arena_staking::Call::set_service_key {
        key: service_account(key),
        proof: service(key).sign(&preimage(Domain::ServiceKeyProof, &who)),
    };
    assert_ok!(call(&who, set));
    let venue = Venue::Task(task);
    let stake = pallet_arena_staking::Call::stake {
        venue,
        role,
        amount,
    };
    assert_ok!(call(&who, stake));
}

pub(super) fn enrol(task: TaskId) {
    let venue = Venue::Task(task);
    for key in TRAINERS {
        join(task, key, Role::Trainer, 100 * UNIT);
    }
    for key in VALIDATORS {
        join(task, key, Role::Validator, 100 * UNIT);
    }
    let stake = pallet_arena_staking::Call::stake {
        venue,
        role: Role::Trainer,
        amount: UNIT,
    };
    assert!(
        call(&account(CREATOR), stake).is_err(),
        "a creator takes no role in its task"
    );
    for operator in [TRAINERS[0], VALIDATORS[0]] {
        let operator = account(operator);
        let delegate = pallet_arena_delegation::Call::delegate {
            venue,
            operator,
            amount: 50 * UNIT,
        };
        assert_ok!(call(&account(DELEGATOR), delegate));
    }
}

pub(super) fn root(key: Key, version: u8) -> H256 {
    hash(Domain::Submission, &(account(key), version))
}

pub(super) fn phase_of(task: TaskId, round: Round) -> Option<RoundPhase> {
    ArenaTasks::info(task, round).map(|info| info.schedule.phase(now()))
}

/// Accuracy of each trainer's model; the last one is broken.
pub(super) fn outcome(trainer: &AccountId) -> ScoreOutcome {
    if *trainer == account(TRAINERS[0]) {
        ScoreOutcome::Scored(950_000_000)
    } else if *trainer == account(TRAINERS[1]) {
        ScoreOutcome::Scored(800_000_000)
    } else {
        ScoreOutcome::Invalid(MinerFault::NonFinite)
    }
}

pub(super) fn submit_and_publish(task: TaskId, round: Round) {
    run_until("the round", || {
        phase_of(task, round) == Some(RoundPhase::Submissions)
    });
    let nonce = H256::repeat_byte(9);
    for key in TRAINERS {
        let commitment = hash(Domain::Submission, &(account(key), root(key, 1), nonce));
        assert_ok!(call(
            &account(key),
            pallet_arena_tasks::Call::submit { task, commitment }
        ));
    }
    run_until("publishing", || {
        phase_of(task, round) == Some(RoundPhase::Publish)
    });
    for key in TRAINERS {
        let manifest_root = root(key, 1);
        duty(
            key,
            pallet_arena_tasks::Call::publish {
                task,
                manifest_root,
                uris: uris(),
                nonce,
            },
        );
    }
}

/// What validators sketch, where a task asks for it: all models are alike.
fn sketch(task: TaskId) -> Option<[u8; 32]> {
    let likeness = ArenaTasks::spec(task).and_then(|spec| spec.likeness);
    likeness.map(|_| [7; 32])
}

fn earlier_sketches(task: TaskId, round: Round) -> EarlierSketches {
    let earlier = ArenaScoring::earlier(task, round);
    EarlierSketches::truncate_from(vec![sketch(task); earlier.len()])
}

/// What a validator has committed to: entries, root and nonce.
pub(super) type Committed = (Key, ScoreEntries, H256, H256);

/// All validators commit to what `outcome` says of the models that they are drawn for.
pub(super) fn commit_scores(
    task: TaskId,
    round: Round,
    outcome: impl Fn(&AccountId) -> ScoreOutcome,
) -> Vec<Committed> {
    run_until("the commit window", || {
        phase_of(task, round) == Some(RoundPhase::Commit)
    });
    let entries = |key| {
        let drawn = ArenaScoring::drawn(task, round, &account(key));
        let line = |(trainer, manifest_root)| {
            let outcome = outcome(&trainer);
            let is_scored = matches!(outcome, ScoreOutcome::Scored(_));
            ScoreEntry {
                manifest_root,
                outcome,
                sketch: sketch(task).filter(|_| is_scored),
            }
        };
        ScoreEntries::truncate_from(drawn.into_iter().map(line).collect())
    };
    let committed = VALIDATORS.map(|key| {
        (
            key,
            entries(key),
            H256::repeat_byte(1),
            H256::repeat_byte(2),
        )
    });
    for (key, entries, samples_root, nonce) in &committed {
        let commitment = hash(
            Domain::Scores,
            &(
                account(*key),
                task,
                round,
                entries,
                earlier_sketches(task, round),
                *samples_root,
                *nonce,
            ),
        );
        duty(
            *key,
            pallet_arena_scoring::Call::commit_scores {
                task,
                round,
                commitment,
            },
        );
    }
    committed.into()
}

pub(super) fn reveal_scores(task: TaskId, round: Round, committed: Vec<Committed>) {
    run_until("the reveal window", || {
        phase_of(task, round) == Some(RoundPhase::Reveal)
    });
    for (key, entries, samples_root, nonce) in committed {
        duty(
            key,
            pallet_arena_scoring::Call::reveal_scores {
                task,
                round,
                entries,
                earlier: earlier_sketches(task, round),
                samples_root,
                nonce,
            },
        );
    }
}

pub(super) fn settle(task: TaskId, round: Round) {
    run_until("settlement", || views::result(task, round).is_some());
}

pub(super) fn score(task: TaskId, round: Round) {
    let committed = commit_scores(task, round, outcome);
    reveal_scores(task, round, committed);
    settle(task, round);
}

fn claim_all(task: TaskId) {
    let venue = Venue::Task(task);
    for key in [TRAINERS[0], TRAINERS[1], VALIDATORS[0], VALIDATORS[1]] {
        assert_ok!(call(
            &account(key),
            pallet_arena_rewards::Call::claim { venue }
        ));
    }
    for operator in [TRAINERS[0], VALIDATORS[0]] {
        let operator = account(operator);
        let before = Balances::free_balance(account(DELEGATOR));
        assert_ok!(call(
            &account(DELEGATOR),
            pallet_arena_delegation::Call::claim { venue, operator }
        ));
        assert!(Balances::free_balance(account(DELEGATOR)) > before);
    }
}

#[test]
fn a_task_should_live_from_proposal_to_claims() {
    with_preset("development", || {
        System::set_block_number(1);
        let before = Balances::total_issuance();
        let task = approve_task();
        enrol(task);
        for round in 1..=2 {
            submit_and_publish(task, round);
            score(task, round);
        }
        run_until("final validation", || {
            ArenaTasks::phase(task) == Some(TaskPhase::FinalValidation)
        });
        score(task, 3);
        let locked = pallet_arena_rewards::Call::claim {
            venue: Venue::Task(task),
        };
        assert_noop!(
            call(&account(TRAINERS[0]), locked),
            pallet_arena_rewards::Error::<Runtime>::RewardsLocked
        );
        run_until("closing", || {
            ArenaTasks::phase(task) == Some(TaskPhase::Closed)
        });

        for round in 1..=3 {
            let result = views::result(task, round).expect("is kept");
            let of = |key| {
                result
                    .models
                    .iter()
                    .find(|m| m.trainer == account(key))
                    .expect("is there")
            };
            assert_eq!(of(TRAINERS[0]).rank, Some(1));
            assert_eq!(of(TRAINERS[1]).rank, Some(2));
            assert!(of(TRAINERS[0]).reward.0 > of(TRAINERS[1]).reward.0);
            assert_eq!(
                of(TRAINERS[2]).status,
                ModelStatus::Invalid(MinerFault::NonFinite)
            );
            assert_eq!(of(TRAINERS[2]).reward.0, 0);
            assert!(result.drawn.0 > 0);
        }
        claim_all(task);
        check_invariants();
        let books = ArenaRewards::totals();
        assert_eq!(
            Balances::total_issuance(),
            before + books.minted - books.burned
        );
        assert_eq!(
            books.minted + books.bounties,
            books.rewards + books.authors + books.treasury + books.dust + books.in_flight
        );
        assert_eq!(books.in_flight, 0);
    });
}

#[test]
fn a_round_without_reveals_should_mint_nothing_and_cost_who_committed() {
    with_preset("development", || {
        System::set_block_number(1);
        let task = approve_task();
        enrol(task);
        submit_and_publish(task, 1);
        run_until("the commit window", || {
            phase_of(task, 1) == Some(RoundPhase::Commit)
        });
        let commitment = H256::repeat_byte(3);
        duty(
            VALIDATORS[0],
            pallet_arena_scoring::Call::commit_scores {
                task,
                round: 1,
                commitment,
            },
        );
        let own = |key| {
            views::position(Venue::Task(task), &account(key))
                .expect("is there")
                .own
                .0
        };
        let (committed, absent) = (own(VALIDATORS[0]), own(VALIDATORS[1]));
        let minted = ArenaRewards::totals().minted;
        run_until("settlement", || views::result(task, 1).is_some());
        assert_eq!(ArenaRewards::totals().minted, minted);
        assert!(views::result(task, 1).is_some_and(|result| result.unpaid.is_some()));
        assert!(
            own(VALIDATORS[0]) < committed,
            "a commitment without reveal costs stake"
        );
        assert_eq!(
            own(VALIDATORS[1]),
            absent,
            "an absence is a miss, not a fault"
        );
    });
}
