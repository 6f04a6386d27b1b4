//! The chain as its people meet it: genesis, calls with their origins, blocks made of hooks.

use crate::{
    cast::{Cast, Delegator, Name, Operator, account, service},
    config::Config,
};
use anyhow::{Context, Result, anyhow, ensure};
use arena_primitives::{
    AccountId, Architecture, Balance, DataSource, Metric, ModelBounds, NumericProfile, PublicData,
    RewardParams, Role, TaskId, TaskSpec, UNIT, Uri, Uris, Venue,
    hash::{Domain, preimage},
};
use arena_runtime::{
    ArenaRewards, ArenaScoring, ArenaStaking, ArenaTasks, Balances, Runtime, RuntimeCall,
    RuntimeGenesisConfig, RuntimeOrigin, System,
    genesis_config_presets::{PRODUCTION_LIKE_PRESET, SUPPLY, get_preset},
    governance::origins::pallet::Origin,
};
use frame_support::traits::{GetCallMetadata, Hooks, fungible::Inspect};
use sp_core::{H256, Pair, storage::Storage};
use sp_runtime::{BuildStorage, Perbill, traits::Dispatchable};

/// What every account has beyond its stake.
const POCKET: Balance = 1_000 * UNIT;

/// Dispatches a call with its signer's origin.
pub(crate) fn call(who: &AccountId, call: impl Into<RuntimeCall>) -> Result<()> {
    dispatch(RuntimeOrigin::signed(who.clone()), call)
}

fn dispatch(origin: RuntimeOrigin, call: impl Into<RuntimeCall>) -> Result<()> {
    let call = call.into();
    let name = call.get_call_metadata().function_name;
    let done = call.dispatch(origin);
    done.map(|_| ())
        .map_err(|refused| anyhow!("{name}: {:?}", refused.error))
}

/// One block: its number, its parent's VRF output, and the hooks of the arena's pallets in the
/// runtime's order.
pub(crate) fn next_block(vrf: H256) {
    let number = System::block_number() + 1;
    System::set_block_number(number);
    System::reset_events();
    pallet_babe::AuthorVrfRandomness::<Runtime>::put(Some(vrf.0));
    ArenaStaking::on_initialize(number);
    ArenaTasks::on_initialize(number);
    ArenaScoring::on_initialize(number);
}

/// The preset's state with the file's time and seats, and an account for everybody who plays.
pub(crate) fn genesis(config: &Config, cast: &Cast) -> Result<Storage> {
    let preset = get_preset(&PRODUCTION_LIKE_PRESET.into()).context("the preset exists")?;
    let mut full = serde_json::to_value(RuntimeGenesisConfig::default())?;
    merge(&mut full, serde_json::from_slice(&preset)?);
    let mut genesis: RuntimeGenesisConfig = serde_json::from_value(full)?;
    let staking = &mut genesis.arena_staking;
    staking.time.blocks_per_day = config.chain.blocks_per_day;
    staking.time.windows = config.chain.windows;
    // Nobody brings cases here.
    staking.time.challenge_days = 1;
    staking.limits.seats_trainers = config.chain.seats_trainers;
    staking.limits.seats_validators = config.chain.seats_validators;
    staking
        .limits
        .validate()
        .map_err(|reason| anyhow!("chain: {reason}"))?;

    let balances = &mut genesis.balances.balances;
    let mut needed = 0;
    for (name, _, stake) in cast.stakes() {
        balances.push((account(name), stake + POCKET));
        needed += stake + POCKET;
    }
    balances.push((creator(), POCKET));
    needed += POCKET;
    // The supply stays what it is: the largest account pays.
    let payer = balances.iter_mut().max_by_key(|(_, amount)| *amount);
    let payer = payer.context("the preset has accounts")?;
    payer.1 = payer
        .1
        .checked_sub(needed)
        .context("people: their stakes are above what one account of the preset has")?;
    genesis
        .build_storage()
        .map_err(|reason| anyhow!("chain: {reason}"))
}

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

/// Who proposes all tasks. It neither earns nor loses by that.
pub(crate) fn creator() -> AccountId {
    account(Name::MAX)
}

/// One mirror.
pub(crate) fn uris() -> Result<Uris> {
    let uri = Uri::try_from(b"https://models.example/0".to_vec());
    let uri = uri.map_err(|_| anyhow!("the mirror is too long"))?;
    Uris::try_from(vec![uri]).map_err(|_| anyhow!("one mirror is too many"))
}

fn spec(name: &str, rounds: u32, rewards: RewardParams) -> Result<TaskSpec> {
    let text = |text: &str| text.as_bytes().to_vec();
    let architectures = vec![Architecture::Mlp].try_into();
    Ok(TaskSpec {
        name: text(name).try_into().map_err(|_| anyhow!("name"))?,
        licence: text("MIT").try_into().map_err(|_| anyhow!("licence"))?,
        metric: Metric::Accuracy,
        worst: 0,
        profile: NumericProfile::F32,
        data: DataSource::Public(PublicData {
            blake3: [7; 32],
            bytes: 1_000,
            uris: uris()?,
            samples: 0,
        }),
        model: ModelBounds {
            architectures: architectures.map_err(|_| anyhow!("architectures"))?,
            max_parameters: 1_000_000,
            max_bytes: 10_000_000,
            max_seconds: 1,
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

/// Proposes a task and approves it, as the referendum's origin would.
pub(crate) fn start_task(config: &Config, name: &str, max_share: f64) -> Result<TaskId> {
    let spec = spec(name, config.rounds, config.rewards)?;
    spec.check()
        .map_err(|fault| anyhow!("rewards, or rounds: {fault}"))?;
    let spec_hash = ArenaTasks::spec_hash(&creator(), &spec);
    let task = pallet_arena_tasks::NextTaskId::<Runtime>::get();
    call(
        &creator(),
        pallet_arena_tasks::Call::propose {
            spec: Box::new(spec),
        },
    )?;
    let approve = pallet_arena_tasks::Call::approve {
        spec_hash,
        max_share: Perbill::from_float(max_share),
    };
    dispatch(Origin::TaskApprover.into(), approve)?;
    Ok(task)
}

/// Registers a service key and takes a position.
pub(crate) fn enrol(task: TaskId, role: Role, operator: &Operator) -> Result<()> {
    let who = &operator.account;
    let set = pallet_arena_staking::Call::set_service_key {
        key: operator.service.clone(),
        proof: service(operator.name).sign(&preimage(Domain::ServiceKeyProof, who)),
    };
    call(who, set)?;
    stake(task, role, who, operator.own)
}

/// Stakes.
pub(crate) fn stake(task: TaskId, role: Role, who: &AccountId, amount: Balance) -> Result<()> {
    let venue = Venue::Task(task);
    let stake = pallet_arena_staking::Call::stake {
        venue,
        role,
        amount,
    };
    call(who, stake)
}

/// Delegates.
pub(crate) fn delegate(task: TaskId, delegator: &Delegator) -> Result<()> {
    let delegate = pallet_arena_delegation::Call::delegate {
        venue: Venue::Task(task),
        operator: account(delegator.behind),
        amount: delegator.amount,
    };
    call(&account(delegator.name), delegate)
}

/// All that an account has, holds included.
pub(crate) fn wealth(who: &AccountId) -> Balance {
    <Balances as Inspect<AccountId>>::total_balance(who)
}

/// Everything that must hold of the arena's pallets, and of issuance.
pub(crate) fn check() -> Result<()> {
    let held = pallet_arena_staking::invariants::check::<Runtime>()
        .and_then(|()| pallet_arena_delegation::invariants::check::<Runtime>())
        .and_then(|()| pallet_arena_rewards::invariants::check::<Runtime>())
        .and_then(|()| pallet_arena_tasks::invariants::check::<Runtime>())
        .and_then(|()| pallet_arena_scoring::invariants::check::<Runtime>())
        .and_then(|()| pallet_arena_challenges::invariants::check::<Runtime>());
    held.map_err(|reason| anyhow!("an invariant is broken: {reason:?}"))?;
    let books = ArenaRewards::totals();
    let issued = <Balances as Inspect<AccountId>>::total_issuance();
    ensure!(
        issued + books.burned == SUPPLY + books.minted,
        "issuance is {issued}, with {} minted and {} burned",
        books.minted,
        books.burned
    );
    Ok(())
}
