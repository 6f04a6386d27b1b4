//! The state of a chain whose round waits to be settled. It is made natively, by the runtime's
//! own calls and hooks: only signatures, fees and the blocks' frame are left out.

use crate::{
    law::Law,
    plan::{Delegation, Plan},
    progress::Progress,
};
use anyhow::{Context, Result, anyhow, ensure};
use arena_primitives::{
    AccountId, Architecture, Balance, BlockNumber, DataSource, EarlierSketches, Metric,
    ModelBounds, NumericProfile, PublicData, RewardParams, Role, Round, ScoreEntries, ScoreEntry,
    ScoreOutcome, TaskId, TaskSpec, TimeParameters, UNIT, Uri, Uris, Venue,
    hash::{Domain, hash, preimage},
    time::{RoundPhase, Windows},
    traits::Rounds,
};
use arena_runtime::{
    ArenaScoring, ArenaTasks, Runtime, RuntimeCall, RuntimeGenesisConfig, RuntimeOrigin, System,
    genesis_config_presets::get_preset,
};
use codec::Encode;
use frame_support::traits::{GetCallMetadata, Hooks};
use pallet_arena_scoring::scores_commitment;
use pallet_arena_staking::StakeLimits;
use sp_core::{H256, Pair, sr25519, storage::StateVersion};
use sp_io::{TestExternalities, hashing::blake2_256};
use sp_runtime::{BuildStorage, Perbill, traits::Dispatchable};

/// The preset that genesis is a patch of.
const PRESET: &str = "development";
/// Of the chain measured here. Long, so that no other round opens or ends beside the settlement.
pub(crate) const BLOCKS_PER_DAY: u32 = 1_000;
/// What every account has beyond its stake.
pub(crate) const POCKET: Balance = 10 * UNIT;
/// Raw value that is worth nothing: eight bits per byte.
const WORST: u64 = 8_000_000_000;
/// Delegations after which the state is written to its trie.
const CHUNK: usize = 4_096;

/// The only author of blocks.
pub fn author() -> Result<sr25519::Pair> {
    sr25519::Pair::from_string("//Alice", None).map_err(|e| anyhow!("{e:?}"))
}

/// Keys of the accounts, each of a kind.
#[derive(Clone, Copy, Encode)]
pub enum Kind {
    /// Cold account of an operator.
    Operator,
    /// Its service key.
    Service,
    /// A delegator.
    Delegator,
}

/// The key of number `index` of its kind.
pub fn key(kind: Kind, index: u32) -> sr25519::Pair {
    sr25519::Pair::from_seed(&blake2_256(&(b"arena-bench", kind, index).encode()))
}

/// The key of a delegator.
pub fn delegator(index: u32) -> sr25519::Pair {
    key(Kind::Delegator, index)
}

/// The account of a key.
pub fn account(pair: &sr25519::Pair) -> AccountId {
    pair.public().into()
}

/// An operator and its stake.
pub struct Operator {
    /// Its cold account.
    pub account: AccountId,
    pub(crate) service: sr25519::Pair,
    /// What it does.
    pub role: Role,
    pub(crate) own: Balance,
}

/// A chain in the first block of its first round's reveal phase, with everything revealed.
pub struct World {
    /// What the chain has stored.
    pub state: TestExternalities,
    /// The task.
    pub task: TaskId,
    /// The round.
    pub round: Round,
    /// The first block in which the round can be settled.
    pub settle: BlockNumber,
    /// Trainers, then validators.
    pub operators: Vec<Operator>,
    /// Scores that were revealed.
    pub scores: u64,
}

impl World {
    /// Takes the plan's round to where it waits for its settlement.
    pub fn new(code: &[u8], plan: &Plan, progress: &Progress) -> Result<Self> {
        let operators = operators(plan);
        let delegators: Vec<AccountId> = (0..plan.delegators())
            .map(|index| account(&delegator(index)))
            .collect();
        let mut state = genesis(code, &operators, &delegators, plan)?;
        let (task, round) = (0, 1);
        within(&mut state, || {
            System::set_block_number(1);
            approve(plan)?;
            enrol(task, &operators)
        })?;
        delegate(
            &mut state,
            task,
            &operators,
            &delegators,
            &plan.delegations,
            progress,
        )?;
        let mut world = World {
            state,
            task,
            round,
            settle: 0,
            operators,
            scores: 0,
        };
        world.publish()?;
        world.score(plan)?;
        Ok(world)
    }

    fn publish(&mut self) -> Result<()> {
        let (task, round) = (self.task, self.round);
        let operators = &self.operators;
        let nonce = H256::repeat_byte(9);
        within(&mut self.state, || {
            run_until(task, round, RoundPhase::Submissions)?;
            for trainer in operators.iter().filter(|o| o.role == Role::Trainer) {
                let root = model(&trainer.account);
                let commitment = hash(Domain::Submission, &(&trainer.account, root, nonce));
                let submit = pallet_arena_tasks::Call::submit { task, commitment };
                call(&trainer.account, submit)?;
            }
            run_until(task, round, RoundPhase::Publish)?;
            for trainer in operators.iter().filter(|o| o.role == Role::Trainer) {
                let publish = pallet_arena_tasks::Call::publish {
                    task,
                    manifest_root: model(&trainer.account),
                    uris: uris()?,
                    nonce,
                };
                call(&account(&trainer.service), publish)?;
            }
            Ok(())
        })
    }

    fn score(&mut self, plan: &Plan) -> Result<()> {
        let (task, round) = (self.task, self.round);
        let operators = &self.operators;
        let (samples_root, nonce) = (H256::repeat_byte(1), H256::repeat_byte(2));
        let (settle, scores) = within(&mut self.state, || {
            run_until(task, round, RoundPhase::Commit)?;
            let mut law = Law::new(plan.seed ^ 0x5c0e);
            let mut reveals = Vec::new();
            for validator in operators.iter().filter(|o| o.role == Role::Validator) {
                let drawn = ArenaScoring::drawn(task, round, &validator.account);
                let entries = drawn.into_iter().map(|(_, manifest_root)| ScoreEntry {
                    manifest_root,
                    outcome: ScoreOutcome::Scored(measured(&manifest_root, &mut law)),
                    sketch: None,
                });
                let entries = ScoreEntries::truncate_from(entries.collect());
                let commitment = scores_commitment(
                    &validator.account,
                    task,
                    round,
                    &entries,
                    &EarlierSketches::default(),
                    samples_root,
                    nonce,
                );
                let signer = account(&validator.service);
                let commit = pallet_arena_scoring::Call::commit_scores {
                    task,
                    round,
                    commitment,
                };
                call(&signer, commit)?;
                reveals.push((signer, entries));
            }
            run_until(task, round, RoundPhase::Reveal)?;
            let mut scores = 0;
            for (signer, entries) in reveals {
                scores += entries.len() as u64;
                let reveal = pallet_arena_scoring::Call::reveal_scores {
                    task,
                    round,
                    entries,
                    earlier: EarlierSketches::default(),
                    samples_root,
                    nonce,
                };
                call(&signer, reveal)?;
            }
            let info = ArenaTasks::info(task, round).context("the round is alive")?;
            Ok((info.schedule.settle, scores))
        })?;
        self.settle = settle;
        self.scores = scores;
        Ok(())
    }

    /// Settles the round natively and calls the task off, which frees what it earned.
    pub fn settle_and_free(&mut self) -> Result<()> {
        let (task, round) = (self.task, self.round);
        within(&mut self.state, || {
            for _ in 0..BLOCKS_PER_DAY {
                if is_settled(task, round) {
                    return RuntimeCall::from(pallet_arena_tasks::Call::cancel { task })
                        .dispatch(RuntimeOrigin::root())
                        .map(|_| ())
                        .map_err(|e| anyhow!("cancel: {:?}", e.error));
                }
                next_block();
            }
            Err(anyhow!("round {round} was not settled"))
        })
    }
}

/// Another state of the same content.
pub fn copy(state: &TestExternalities) -> TestExternalities {
    let mut other = TestExternalities::new_empty();
    other.backend = state.backend.clone();
    other
}

/// Does something natively and writes it to the trie.
pub(crate) fn within<R>(
    state: &mut TestExternalities,
    act: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let done = state.execute_with(|| {
        let done = act()?;
        System::reset_events();
        anyhow::Ok(done)
    })?;
    state.commit_all().map_err(|e| anyhow!(e))?;
    Ok(done)
}

/// The round was paid and is no longer alive. To be asked within the state.
pub fn is_settled(task: TaskId, round: Round) -> bool {
    pallet_arena_scoring::RoundResults::<Runtime>::contains_key(task, round)
        && ArenaTasks::info(task, round).is_none()
}

/// One native block: its number, its parent's VRF output, and the arena's hooks in their order.
pub fn next_block() {
    let number = System::block_number() + 1;
    System::set_block_number(number);
    System::reset_events();
    pallet_babe::AuthorVrfRandomness::<Runtime>::put(Some(blake2_256(&number.encode())));
    ArenaTasks::on_initialize(number);
    ArenaScoring::on_initialize(number);
}

pub(crate) fn run_until(task: TaskId, round: Round, phase: RoundPhase) -> Result<()> {
    for _ in 0..3 * BLOCKS_PER_DAY {
        let info = ArenaTasks::info(task, round);
        if info.is_some_and(|info| info.schedule.phase(System::block_number()) == phase) {
            return Ok(());
        }
        next_block();
    }
    Err(anyhow!("round {round} did not come to {phase:?}"))
}

pub(crate) fn call(who: &AccountId, call: impl Into<RuntimeCall>) -> Result<()> {
    let call = call.into();
    let name = call.get_call_metadata().function_name;
    call.dispatch(RuntimeOrigin::signed(who.clone()))
        .map(|_| ())
        .map_err(|e| anyhow!("{name}: {:?}", e.error))
}

fn operators(plan: &Plan) -> Vec<Operator> {
    let roles = [
        (Role::Trainer, &plan.trainers),
        (Role::Validator, &plan.validators),
    ];
    roles
        .into_iter()
        .flat_map(|(role, stakes)| stakes.iter().map(move |own| (role, *own)))
        .zip(0u32..)
        .map(|((role, own), index)| Operator {
            account: account(&key(Kind::Operator, index)),
            service: key(Kind::Service, index),
            role,
            own,
        })
        .collect()
}

/// This bench's genesis: everybody with its stake.
fn genesis(
    code: &[u8],
    operators: &[Operator],
    delegators: &[AccountId],
    plan: &Plan,
) -> Result<TestExternalities> {
    let mut stakes = vec![0; delegators.len()];
    for delegation in &plan.delegations {
        stakes[delegation.who as usize] += delegation.amount;
    }
    let operators = operators.iter().map(|o| (o.account.clone(), o.own));
    let delegators = delegators.iter().cloned().zip(stakes);
    let balances = operators
        .chain(delegators)
        .map(|(who, stake)| (who, stake + POCKET));
    let clock = Clock {
        blocks_per_day: BLOCKS_PER_DAY,
        // No session ends while it is measured.
        epoch_slots: 100_000,
        windows: Windows {
            gap: 1,
            publish: 4,
            seed: 2,
            commit: 20,
            reveal: 10,
        },
    };
    state_of(code, &clock, balances)
}

/// What a chain's genesis says of time.
pub struct Clock {
    /// Blocks in a day.
    pub blocks_per_day: BlockNumber,
    /// Slots in a session.
    pub epoch_slots: u64,
    /// Windows of a round.
    pub windows: Windows,
}

/// The state of a genesis: the preset with production's limits of stake, and these balances.
pub fn state_of(
    code: &[u8],
    clock: &Clock,
    balances: impl Iterator<Item = (AccountId, Balance)>,
) -> Result<TestExternalities> {
    let patch = get_preset(&PRESET.into()).context("the preset exists")?;
    let mut full = serde_json::to_value(RuntimeGenesisConfig::default())?;
    merge(&mut full, serde_json::from_slice(&patch)?);
    let mut config: RuntimeGenesisConfig = serde_json::from_value(full)?;
    config.arena_staking.limits = StakeLimits {
        min_authors: 1,
        ..StakeLimits::default()
    };
    config.arena_staking.network = vec![(account(&author()?), 20_000 * UNIT)];
    config.arena_staking.time = TimeParameters {
        blocks_per_day: clock.blocks_per_day,
        epoch_slots: clock.epoch_slots,
        windows: clock.windows,
        ..config.arena_staking.time
    };
    config.balances.balances.extend(balances);
    let storage = config.build_storage().map_err(|e| anyhow!(e))?;
    Ok(TestExternalities::new_with_code_and_state(
        code,
        storage,
        StateVersion::V1,
    ))
}

/// A preset is a patch of the default genesis.
fn merge(into: &mut serde_json::Value, from: serde_json::Value) {
    match (into, from) {
        (serde_json::Value::Object(into), serde_json::Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

/// One mirror.
pub fn uris() -> Result<Uris> {
    let uri = Uri::try_from(b"https://models.example/0".to_vec());
    let uri = uri.map_err(|_| anyhow!("the mirror is too long"))?;
    Uris::try_from(vec![uri]).map_err(|_| anyhow!("one mirror is too many"))
}

/// A task with rounds, final validation and challenges of a day each.
pub fn spec(name: &str, rounds: u32, rewards: RewardParams) -> Result<TaskSpec> {
    let text = |text: &str| text.as_bytes().to_vec();
    Ok(TaskSpec {
        name: text(name).try_into().map_err(|_| anyhow!("name"))?,
        licence: text("Apache-2.0")
            .try_into()
            .map_err(|_| anyhow!("licence"))?,
        metric: Metric::BitsPerByte,
        worst: WORST,
        profile: NumericProfile::F32,
        data: DataSource::Public(PublicData {
            blake3: [7; 32],
            bytes: 1_000,
            uris: uris()?,
            samples: 10,
        }),
        model: ModelBounds {
            architectures: vec![Architecture::Llama]
                .try_into()
                .map_err(|_| anyhow!("architectures"))?,
            max_parameters: 10_000_000,
            max_bytes: 100_000_000,
            max_seconds: 60,
            context: 128,
            tokenizer: None,
            base: None,
        },
        rounds,
        round_minutes: 1_440,
        final_days: 1,
        challenge_days: 1,
        rewards,
        baseline: Perbill::zero(),
        likeness: None,
        registered: false,
    })
}

fn approve(plan: &Plan) -> Result<()> {
    let creator = account(&author()?);
    let spec = spec("bench", 2, plan.rules)?;
    let spec_hash = ArenaTasks::spec_hash(&creator, &spec);
    call(
        &creator,
        pallet_arena_tasks::Call::propose {
            spec: Box::new(spec),
        },
    )?;
    RuntimeCall::from(pallet_arena_tasks::Call::approve {
        spec_hash,
        max_share: Perbill::one(),
    })
    .dispatch(RuntimeOrigin::root())
    .map(|_| ())
    .map_err(|e| anyhow!("approve: {:?}", e.error))
}

pub(crate) fn enrol(task: TaskId, operators: &[Operator]) -> Result<()> {
    for operator in operators {
        let message = preimage(Domain::ServiceKeyProof, &operator.account);
        let set_key = pallet_arena_staking::Call::set_service_key {
            key: account(&operator.service),
            proof: operator.service.sign(&message),
        };
        call(&operator.account, set_key)?;
        let stake = pallet_arena_staking::Call::stake {
            venue: Venue::Task(task),
            role: operator.role,
            amount: operator.own,
        };
        call(&operator.account, stake)?;
    }
    Ok(())
}

pub(crate) fn delegate(
    state: &mut TestExternalities,
    task: TaskId,
    operators: &[Operator],
    delegators: &[AccountId],
    delegations: &[Delegation],
    progress: &Progress,
) -> Result<()> {
    let bar = progress.bar("delegations", delegations.len());
    for chunk in delegations.chunks(CHUNK) {
        within(state, || {
            for delegation in chunk {
                let operator = operators.get(delegation.behind).context("an operator")?;
                let who = delegators.get(delegation.who as usize);
                let delegate = pallet_arena_delegation::Call::delegate {
                    venue: Venue::Task(task),
                    operator: operator.account.clone(),
                    amount: delegation.amount,
                };
                call(who.context("a delegator")?, delegate)?;
                bar.inc(1);
            }
            Ok(())
        })?;
    }
    bar.finish_and_clear();
    ensure!(!operators.is_empty(), "a round without operators");
    Ok(())
}

/// The root of a trainer's model.
pub(crate) fn model(trainer: &AccountId) -> H256 {
    hash(Domain::Submission, &(trainer, 1u8))
}

/// Bits per byte × 10⁹: the model's, with an error that is small for most validators.
pub fn measured(root: &H256, law: &mut Law) -> u64 {
    let bytes = root.as_bytes();
    let quality = u64::from(u16::from_le_bytes([bytes[0], bytes[1]]));
    let error = law.tail(100_000.0, 1.16, 200_000_000.0) as u64;
    800_000_000 + quality * 10_000 + error
}
