//! States that benchmarks start from. They are made by the pallets' own calls and functions; where
//! a crowd is needed, its first members come by calls, and the others' rows are copies of theirs.

use crate::*;
use alloc::boxed::Box;
use arena_primitives::{
    Aggregation, Architecture, BaseModel, Claim, DataSource, LikenessRule, MAX_ARCHITECTURES,
    MAX_VALIDATORS, Metric, MinerFault, ModelBounds, ModelLikeness, ModelResult, ModelStatus,
    NumericProfile, PublicData, RankRule, RewardParams, Role, Round, RoundInfo, RoundModel,
    RoundResult, SealedData, TaskId, TaskSpec, Uris, ValidatorResult, Venue, WeightCap,
    hash::{Domain, hash},
    time::Schedule,
    traits::{Counted, Due, Rounds, Stakes, TaskRewards},
};
use frame_benchmarking::account;
use frame_support::{BoundedVec, traits::fungible::Mutate};
use frame_system::RawOrigin;
use pallet_arena_challenges as challenges;
use pallet_arena_scoring as scoring;
use pallet_arena_staking as staking;
use pallet_arena_tasks as tasks;
use sp_core::H256;
use sp_runtime::Perbill;

/// So many members of a crowd come by calls.
const BY_CALLS: u32 = 16;
/// Challengers of a case, and jurors of both instances: each with a hold of its own.
const JUDGES: u32 = challenges::MAX_CHALLENGERS + 2 * challenges::MAX_JURY;
pub(super) const OWN: Balance = 10_000 * UNIT;

/// Brings the pallets where a benchmark of one of them needs the others.
pub struct Neighbours;

pub(super) fn done<T, E: core::fmt::Debug>(result: Result<T, E>) -> T {
    result.expect("a benchmark's scene is made of legal moves")
}

fn signed(who: &AccountId) -> RuntimeOrigin {
    RawOrigin::Signed(who.clone()).into()
}

pub(super) fn fund(who: &AccountId) {
    done(Balances::mint_into(who, 1_000_000 * UNIT));
}

fn spec(mirrors: Uris, committee: u16) -> TaskSpec {
    TaskSpec {
        name: BoundedVec::truncate_from([b'n'; 64].to_vec()),
        licence: BoundedVec::truncate_from([b'l'; 64].to_vec()),
        metric: Metric::Accuracy,
        worst: 100_000_000,
        profile: NumericProfile::F32,
        data: DataSource::Public(PublicData {
            blake3: [7; 32],
            bytes: 1_000,
            uris: mirrors.clone(),
            samples: 10,
        }),
        model: ModelBounds {
            architectures: BoundedVec::truncate_from(
                [Architecture::Mlp; MAX_ARCHITECTURES as usize].to_vec(),
            ),
            max_parameters: 10_000,
            max_bytes: 1_000_000,
            max_seconds: 2,
            context: 128,
            tokenizer: Some([8; 32]),
            base: Some(BaseModel {
                manifest_root: H256::repeat_byte(9),
                uris: mirrors,
            }),
        },
        rounds: 8,
        round_minutes: 1_440,
        final_days: 1,
        challenge_days: 366,
        // Powers that are no whole numbers, and a cap that sorts.
        rewards: RewardParams {
            gamma: Perbill::from_percent(35),
            q: Perbill::from_percent(70),
            rank: RankRule::ByHead { alpha_milli: 1_500 },
            lambda_milli: 50_000,
            band: Perbill::from_parts(1_000_000),
            alpha_v_milli: 1_500,
            aggregation: Aggregation::Median,
            cap: WeightCap::Percentile(88),
            committee,
            min_scorers: 1,
            min_trainers: 1,
            max_leverage: 20,
        },
        baseline: Perbill::zero(),
        likeness: Some(LikenessRule::DEFAULT),
        registered: false,
    }
}

fn mirrors() -> Uris {
    let uri = BoundedVec::truncate_from([b'u'; 256].to_vec());
    BoundedVec::truncate_from(alloc::vec![uri; 4])
}

/// A task that enrols from block 1.
pub(super) fn approve(committee: u16) -> TaskId {
    System::set_block_number(1);
    let task = tasks::NextTaskId::<Runtime>::get();
    let creator = account("creator", task, 0);
    fund(&creator);
    let spec = spec(mirrors(), committee);
    let spec_hash = ArenaTasks::spec_hash(&creator, &spec);
    done(ArenaTasks::propose(signed(&creator), Box::new(spec)));
    done(ArenaTasks::approve(
        RawOrigin::Root.into(),
        spec_hash,
        Perbill::one(),
    ));
    task
}

fn newest(task: TaskId) -> Schedule {
    let row = tasks::Tasks::<Runtime>::get(task).expect("was approved");
    row.live().last().expect("a round is alive").schedule
}

fn poke(task: TaskId, at: BlockNumber) {
    System::set_block_number(at);
    done(ArenaTasks::poke(signed(&account("anybody", 0, 0)), task));
}

/// `count` operators with a position, ordered by account.
fn seat(task: TaskId, role: Role, count: u32) -> Vec<AccountId> {
    seat_by_calls(task, role, count, BY_CALLS)
}

/// The same, of whom so many come by calls.
fn seat_by_calls(task: TaskId, role: Role, count: u32, by_calls: u32) -> Vec<AccountId> {
    let venue = Venue::Task(task);
    let name = match role {
        Role::Trainer => "trainer",
        Role::Validator => "validator",
    };
    let mut all: Vec<AccountId> = (0..count).map(|n| account(name, n, task)).collect();
    all.sort();
    for who in all.iter().take(by_calls as usize) {
        fund(who);
        done(ArenaStaking::stake(signed(who), venue, role, OWN));
    }
    let first = all
        .first()
        .and_then(|who| ArenaStaking::position(venue, who));
    for who in all.iter().skip(by_calls as usize) {
        staking::Positions::<Runtime>::set(venue, who, first.clone());
    }
    let roster = BoundedVec::truncate_from(all.clone());
    staking::Roster::<Runtime>::insert(venue, role, roster);
    all
}

fn root(n: usize) -> H256 {
    hash(Domain::Submission, &(n as u32))
}

/// A published model of each trainer.
fn publish(task: TaskId, trainers: &[AccountId]) -> Vec<(AccountId, H256)> {
    let published = trainers.iter().enumerate().map(|(n, trainer)| {
        let current = tasks::Dated {
            manifest_root: root(n),
            from_round: 1,
        };
        let model = tasks::StandingModel {
            current,
            previous: None,
        };
        tasks::Models::<Runtime>::insert(task, trainer, model);
        let owner = tasks::RootOwner {
            trainer: trainer.clone(),
            committed_at: 1,
            uris: mirrors(),
        };
        tasks::Roots::<Runtime>::insert(task, root(n), owner);
        (trainer.clone(), root(n))
    });
    published.collect()
}

fn service_key(operator: &AccountId) -> AccountId {
    let key = AccountId::new(hash(Domain::ServiceKeyProof, operator).0);
    System::inc_sufficients(&key);
    staking::OperatorOf::<Runtime>::insert(&key, operator);
    let record = staking::types::KeyRecord {
        key: key.clone(),
        from: 0,
        previous: None,
    };
    staking::ServiceKey::<Runtime>::insert(operator, record);
    key
}

/// A round draws, and pays `amount` to a position.
fn pay(task: TaskId, counted: &Counted, amount: Balance) {
    let due = Due {
        emission: amount,
        bounty: 0,
    };
    let drawn = <ArenaRewards as TaskRewards>::draw(task, due);
    done(<ArenaRewards as TaskRewards>::pay(task, 1, counted, drawn));
}

/// A validator says that a published model is a copy of an earlier one.
fn accuse(task: TaskId, validator: &AccountId, copy: (&AccountId, H256), earlier: H256) {
    let (trainer, model) = copy;
    let claim = Claim::Duplicate {
        trainer: trainer.clone(),
        model,
        earlier,
    };
    let nonce = H256::repeat_byte(9);
    let commitment = claim.commitment(validator, task, &nonce);
    let origin = signed(validator);
    done(ArenaChallenges::commit_case(
        origin.clone(),
        task,
        commitment,
    ));
    done(ArenaChallenges::open_case(origin, task, claim, nonce));
}

impl scoring::benchmarking::BenchmarkHelper for Neighbours {
    fn closed_round(models: u32, validators: u32, committee: u16) -> RoundInfo {
        let task = approve(committee);
        let trainers = seat(task, Role::Trainer, models);
        seat(task, Role::Validator, validators);
        poke(task, newest(task).closes);
        publish(task, &trainers);
        poke(task, newest(task).seed);
        ArenaTasks::info(task, 1).expect("the round is alive")
    }

    fn closed_rounds(tasks: u32) {
        let all: Vec<TaskId> = (0..tasks).map(|_| approve(0)).collect();
        for _ in 0..2 {
            for task in &all {
                poke(*task, newest(*task).closes);
            }
        }
        if let Some(task) = all.last() {
            System::set_block_number(newest(*task).closes);
        }
    }

    fn unpublished(round: &RoundInfo) {
        for model in ArenaTasks::models(round.task, round.round) {
            let submission = tasks::Submission {
                commitment: H256::repeat_byte(1),
                at: round.schedule.opens,
            };
            let key = (round.task, round.round, model.trainer);
            tasks::Submissions::<Runtime>::insert(key, submission);
        }
    }

    fn service_key(operator: &AccountId) -> AccountId {
        service_key(operator)
    }
}

impl tasks::benchmarking::BenchmarkHelper for Neighbours {
    fn spec(mirrors: Uris) -> TaskSpec {
        spec(mirrors, 0)
    }

    fn sealed_spec(root: H256) -> TaskSpec {
        TaskSpec {
            data: DataSource::Sealed(SealedData {
                root,
                max_bytes: 1_000_000,
                samples: 10,
            }),
            ..spec(mirrors(), 0)
        }
    }

    fn fund(who: &AccountId) {
        fund(who);
    }

    fn enrol(task: TaskId, trainers: u32, validators: u32) -> Vec<AccountId> {
        seat(task, Role::Validator, validators);
        seat(task, Role::Trainer, trainers)
    }

    fn service_key(operator: &AccountId) -> AccountId {
        service_key(operator)
    }

    fn accuse(task: TaskId, trainers: &[AccountId]) {
        let validators = ArenaStaking::all(Venue::Task(task), Role::Validator, 1);
        // Models of one block: the first trainer's was first. Each case is another validator's.
        let mut accused = trainers.iter().zip(0..).skip(1);
        let cases = challenges::MAX_OPEN_CASES as usize;
        let copies = accused.by_ref().take(cases);
        for ((trainer, n), validator) in copies.zip(&validators) {
            fund(&validator.operator);
            let copy = (trainer, root(n));
            accuse(task, &validator.operator, copy, root(0));
        }
        for (trainer, _) in accused {
            challenges::Convicted::<Runtime>::insert(task, trainer, ());
        }
    }

    fn note_result(task: TaskId, round: Round, models: &[(AccountId, H256)]) {
        let models = models
            .iter()
            .zip(1..)
            .map(|((trainer, root), rank)| ModelResult {
                trainer: trainer.clone(),
                manifest_root: *root,
                status: ModelStatus::Invalid(MinerFault::NonFinite),
                raw: Some(1),
                score: Some(Perbill::from_percent(50)),
                rank: Some(rank),
                reward: UNIT,
                likeness: Some(ModelLikeness {
                    earlier: *root,
                    distance: 13,
                    matches: true,
                }),
            });
        let validators = (0..MAX_VALIDATORS).map(|n| ValidatorResult {
            validator: account("validator", n, task),
            distance: Some(Perbill::from_percent(1)),
            reward: UNIT,
        });
        let result = RoundResult {
            settled_at: 1,
            drawn: UNIT,
            treasury: 0,
            unpaid: None,
            models: BoundedVec::truncate_from(models.collect()),
            validators: BoundedVec::truncate_from(validators.collect()),
        };
        scoring::RoundResults::<Runtime>::insert(task, round, result);
    }
}

/// People of a task whose round 1 takes submissions, and their models.
fn staffed(validators: u32) -> challenges::benchmarking::Scene {
    let task = approve(0);
    let trainers = seat(task, Role::Trainer, BY_CALLS);
    let validators = seat_by_calls(task, Role::Validator, validators, JUDGES);
    poke(task, newest(task).closes);
    let models = publish(task, &trainers).into_iter();
    let models = models.map(|(trainer, manifest_root)| RoundModel {
        trainer,
        manifest_root,
    });
    challenges::benchmarking::Scene {
        task,
        models: models.collect(),
        keys: validators.iter().map(service_key).collect(),
        validators,
        uris: mirrors(),
    }
}

/// The same in its challenge phase, with rewards for each trainer.
fn disputed(validators: u32) -> challenges::benchmarking::Scene {
    let scene = staffed(validators);
    let task = scene.task;
    for mut counted in ArenaStaking::all(Venue::Task(task), Role::Trainer, 1) {
        counted.stake.delegated = counted.stake.own;
        counted.stake.shares = counted.stake.own;
        pay(task, &counted, 100 * UNIT);
    }
    System::set_block_number(newest(task).settle);
    tasks::Tasks::<Runtime>::mutate(task, |row| {
        if let Some(row) = row {
            row.settled = Some(row.opened);
            row.state = tasks::TaskState::Challenge {
                until: BlockNumber::MAX,
            };
        }
    });
    scene
}

impl challenges::benchmarking::BenchmarkHelper for Neighbours {
    fn challenged() -> challenges::benchmarking::Scene {
        disputed(JUDGES)
    }

    fn training() -> challenges::benchmarking::Scene {
        staffed(JUDGES)
    }

    fn judged(candidates: u32) -> challenges::benchmarking::Scene {
        disputed(candidates + challenges::MAX_CHALLENGERS)
    }
}
