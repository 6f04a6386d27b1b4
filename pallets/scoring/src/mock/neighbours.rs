//! The neighbours of scoring: tables that tests write.

use super::{REWARD, RuntimeCall, SCHEDULE, System, root, uris};
use arena_primitives::{
    AccountId, Balance, BlockNumber, DataSource, DutyRefusal, PublicData, Publication, Role, Round,
    RoundInfo, RoundModel, RoundModels, ShardState, StakeSnapshot, TaskId, TaskSpec, Uris, Venue,
    time::Windows,
    traits::{
        BlockVrf, Clock, Counted, Due, Publishing, Rounds, ServiceKeys, Stakes, Taken, TaskRewards,
    },
};
use codec::Encode;
use frame_support::ensure;
use sp_core::H256;
use sp_runtime::{DispatchResult, Perbill};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

#[derive(Clone, Default)]
pub(crate) struct Neighbours {
    /// Whether round 1 of task 0 is.
    pub(crate) alive: bool,
    /// Other live rounds, with their models.
    pub(crate) rounds: BTreeMap<(TaskId, Round), (RoundInfo, RoundModels)>,
    pub(crate) spec: Option<TaskSpec>,
    /// Why the pool takes no publication, if it doesn't.
    pub(crate) no_publication: Option<DutyRefusal>,
    /// To models that aren't published.
    pub(crate) commitments: BTreeMap<(TaskId, Round, AccountId), (H256, BlockNumber)>,
    /// The blocks of the first commitments to models, where it isn't 1.
    pub(crate) first: BTreeMap<(TaskId, H256), BlockNumber>,
    /// What a sealed task's rounds are scored on.
    pub(crate) shard: Option<PublicData>,
    pub(crate) shard_state: Option<ShardState>,
    pub(crate) trainers: BTreeMap<AccountId, Balance>,
    pub(crate) validators: BTreeMap<AccountId, Balance>,
    pub(crate) keys: BTreeMap<AccountId, AccountId>,
    pub(crate) paid: BTreeMap<AccountId, Balance>,
    /// To whom nothing can be booked.
    pub(crate) refuses: BTreeSet<AccountId>,
    /// Each payment by itself.
    pub(crate) payments: Vec<(TaskId, Round, AccountId, Balance)>,
    pub(crate) treasury: Balance,
    /// In which task, and who.
    pub(crate) chilled: Vec<(Venue, AccountId)>,
    pub(crate) slashed: BTreeMap<AccountId, Balance>,
    pub(crate) drawn: Balance,
    pub(crate) lapsed: BTreeSet<TaskId>,
    pub(crate) no_vrf: bool,
}

thread_local! {
    static NEIGHBOURS: RefCell<Neighbours> = RefCell::default();
}

pub(crate) fn with<R>(f: impl FnOnce(&mut Neighbours) -> R) -> R {
    NEIGHBOURS.with(|n| f(&mut n.borrow_mut()))
}

impl Neighbours {
    /// What was drawn and is neither paid nor with the treasury.
    pub(crate) fn in_flight(&self) -> Balance {
        self.drawn - self.paid.values().sum::<Balance>() - self.treasury
    }
}

pub struct Table;

fn counted(who: &AccountId, role: Role, own: Balance) -> Counted {
    let stake = StakeSnapshot {
        own,
        delegated: 0,
        shares: 0,
    };
    Counted {
        operator: who.clone(),
        role,
        stake,
        commission: Perbill::zero(),
    }
}

impl Stakes for Table {
    fn role(_: Venue, who: &AccountId) -> Option<Role> {
        with(|n| {
            if n.trainers.contains_key(who) {
                Some(Role::Trainer)
            } else {
                n.validators.contains_key(who).then_some(Role::Validator)
            }
        })
    }
    fn counted(venue: Venue, who: &AccountId, _: Round) -> Option<Counted> {
        let role = <Self as Stakes>::role(venue, who)?;
        with(|n| n.validators.get(who).or(n.trainers.get(who)).copied())
            .filter(|own| *own > 0)
            .map(|own| counted(who, role, own))
    }
    fn all(_: Venue, role: Role, _: Round) -> Vec<Counted> {
        with(|n| {
            let list = if role == Role::Trainer {
                &n.trainers
            } else {
                &n.validators
            };
            list.iter()
                .filter(|(_, own)| **own > 0)
                .map(|(who, own)| counted(who, role, *own))
                .collect()
        })
    }
    fn slash_own(_: Venue, who: &AccountId, amount: Balance) -> Balance {
        with(|n| n.slashed.insert(who.clone(), amount));
        amount
    }
    fn slash_own_for(
        venue: Venue,
        who: &AccountId,
        amount: Balance,
        _: &[(AccountId, Balance)],
    ) -> Taken {
        let total = Self::slash_own(venue, who, amount);
        Taken { total, paid: 0 }
    }
    fn chill(venue: Venue, who: &AccountId) -> bool {
        with(|n| n.chilled.push((venue, who.clone())));
        true
    }
}

impl ServiceKeys for Table {
    fn operator_of(key: &AccountId) -> Option<AccountId> {
        with(|n| n.keys.get(key).cloned())
    }
    fn key_of(_: &AccountId) -> Option<AccountId> {
        None
    }
}

impl Clock for Table {
    fn blocks(minutes: u32) -> BlockNumber {
        minutes
    }
    fn windows() -> Windows {
        Windows::default()
    }
    fn unbonding() -> BlockNumber {
        BlockNumber::MAX
    }
    fn challenge_days() -> u32 {
        1
    }
}

impl BlockVrf for Table {
    fn parent() -> Option<H256> {
        (!with(|n| n.no_vrf)).then(|| H256::repeat_byte(System::block_number() as u8))
    }
}

impl TaskRewards for Table {
    fn open(_: TaskId, _: Perbill) {}
    fn set_counted(_: TaskId, _: Balance) {}
    fn due(_: TaskId, _: u32) -> Due {
        Due {
            emission: REWARD,
            bounty: 0,
        }
    }
    fn largest_draw(_: Perbill, _: BlockNumber) -> Balance {
        REWARD
    }
    fn draw(_: TaskId, due: Due) -> Balance {
        with(|n| n.drawn += due.emission);
        due.emission
    }
    fn lapse(task: TaskId) {
        with(|n| n.lapsed.insert(task));
    }
    fn pay(task: TaskId, round: Round, who: &Counted, amount: Balance) -> DispatchResult {
        with(|n| {
            ensure!(amount <= n.in_flight(), "more than was drawn");
            ensure!(!n.refuses.contains(&who.operator), "can't be booked");
            *n.paid.entry(who.operator.clone()).or_default() += amount;
            let payment = (task, round, who.operator.clone(), amount);
            n.payments.push(payment);
            Ok(())
        })
    }
    fn to_treasury(amount: Balance) {
        with(|n| n.treasury += amount.min(n.in_flight()));
    }
    fn top_up(_: TaskId, _: &AccountId, _: Balance) -> DispatchResult {
        Ok(())
    }
    fn release(_: TaskId, _: &AccountId) {}
    fn locked(_: TaskId, _: &AccountId) -> Balance {
        0
    }
    fn forfeit(_: TaskId, _: &AccountId, _: &[(AccountId, Balance)]) -> Taken {
        Taken::default()
    }
}

pub(crate) fn info() -> RoundInfo {
    RoundInfo {
        task: 0,
        round: 1,
        schedule: SCHEDULE,
        is_final: false,
        shard: with(|n| n.shard_state).unwrap_or(ShardState::NotSealed),
    }
}

/// A remark of task and publication stands for the call.
impl Publishing<RuntimeCall> for Table {
    fn publish(task: TaskId, publication: Publication) -> RuntimeCall {
        let remark = (task, publication).encode();
        frame_system::Call::remark { remark }.into()
    }
}

impl Rounds for Table {
    fn live_rounds() -> Vec<RoundInfo> {
        let more: Vec<_> = with(|n| n.rounds.values().map(|(info, _)| info.clone()).collect());
        let first = with(|n| n.alive).then(info);
        first.into_iter().chain(more).collect()
    }
    fn closed_rounds() -> Vec<RoundInfo> {
        let now = System::block_number();
        let mut rounds = Self::live_rounds();
        rounds.retain(|info| now >= info.schedule.closes);
        rounds
    }
    fn info(task: TaskId, round: Round) -> Option<RoundInfo> {
        let first = with(|n| n.alive) && (task, round) == (0, 1);
        let more = || with(|n| n.rounds.get(&(task, round)).map(|(info, _)| info.clone()));
        first.then(info).or_else(more)
    }
    fn spec(_: TaskId) -> Option<TaskSpec> {
        with(|n| n.spec.clone())
    }
    fn data(_: TaskId, _: Round) -> Option<PublicData> {
        with(|n| match n.spec.as_ref()?.data.clone() {
            DataSource::Public(data) => Some(data),
            DataSource::Sealed(_) => n.shard.clone(),
        })
    }
    fn commitment(task: TaskId, round: Round, trainer: &AccountId) -> Option<(H256, BlockNumber)> {
        let row = (task, round, trainer.clone());
        with(|n| n.commitments.get(&row).copied())
    }
    fn models(task: TaskId, round: Round) -> RoundModels {
        if let Some((_, models)) = with(|n| n.rounds.get(&(task, round)).cloned()) {
            return models;
        }
        let models: Vec<RoundModel> = with(|n| n.trainers.keys().cloned().collect::<Vec<_>>())
            .into_iter()
            .map(|trainer| RoundModel {
                manifest_root: root(&trainer),
                trainer,
            })
            .collect();
        models.try_into().unwrap()
    }
    fn committed_at(task: TaskId, manifest_root: &H256) -> Option<BlockNumber> {
        let first = with(|n| n.first.get(&(task, *manifest_root)).copied());
        Some(first.unwrap_or(1))
    }
    fn uris(_: TaskId, _: &H256) -> Option<Uris> {
        Some(uris())
    }
    fn rounds_left(_: TaskId, _: Round) -> u32 {
        1
    }
    fn settled(task: TaskId, round: Round) {
        with(|n| {
            if n.rounds.remove(&(task, round)).is_none() {
                n.alive = false;
            }
        });
    }
}
