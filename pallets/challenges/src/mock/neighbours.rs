//! The neighbours of challenges: tables that tests write.

use super::{Balances, LOCKED, SEED, STAKED, System, account};
use arena_primitives::{
    AccountId, Balance, BlockNumber, DataSource, Disclosed, ModelLikeness, PublicData, Role, Round,
    RoundInfo, RoundModels, RoundResult, StakeSnapshot, TaskId, TaskPhase, TaskSpec, Uris, Venue,
    hash::{Domain, hash},
    time::Windows,
    traits::{
        BlockVrf, Clock, Counted, Due, Results, Rounds, ServiceKeys, Stakes, Taken, TaskRewards,
        TaskStates, VenueRefusal, Venues,
    },
};
use frame_support::traits::{
    Imbalance, OnUnbalanced,
    fungible::{Credit, Mutate},
    tokens::{Fortitude, Precision, Preservation},
};
use sp_core::H256;
use sp_runtime::{DispatchResult, Perbill};
use std::{cell::RefCell, collections::BTreeMap};

/// Where lost bonds go.
pub struct Treasury;

impl OnUnbalanced<Credit<AccountId, Balances>> for Treasury {
    fn on_nonzero_unbalanced(credit: Credit<AccountId, Balances>) {
        with(|n| n.to_treasury += credit.peek());
        drop(credit);
    }
}

/// Whose stake, as which validator or trainer.
pub(crate) type Positions = BTreeMap<(Venue, AccountId), (Role, Balance)>;

#[derive(Default)]
pub(crate) struct Neighbours {
    pub(crate) phases: BTreeMap<TaskId, (TaskPhase, BlockNumber)>,
    pub(crate) spec: Option<TaskSpec>,
    pub(crate) round: Round,
    pub(crate) settled: Option<Round>,
    pub(crate) positions: Positions,
    pub(crate) locked: BTreeMap<(TaskId, AccountId), Balance>,
    /// Models by trainer, with the block of their commitment.
    pub(crate) models: BTreeMap<(TaskId, AccountId), (H256, BlockNumber)>,
    pub(crate) alike: Vec<H256>,
    pub(crate) disclosed: BTreeMap<(Round, AccountId, H256), Disclosed>,
    /// Operators without service keys.
    pub(crate) keyless: Vec<AccountId>,
    pub(crate) chilled: Vec<AccountId>,
    /// What was lost to nobody, and what was burned.
    pub(crate) to_treasury: Balance,
    pub(crate) burned: Balance,
}

thread_local! {
    static NEIGHBOURS: RefCell<Neighbours> = RefCell::default();
}

pub(crate) fn with<R>(f: impl FnOnce(&mut Neighbours) -> R) -> R {
    NEIGHBOURS.with(|n| f(&mut n.borrow_mut()))
}

pub struct Table;

impl TaskStates for Table {
    fn phase(task: TaskId) -> Option<TaskPhase> {
        with(|n| n.phases.get(&task).map(|(phase, _)| *phase))
    }
    fn phase_ends(task: TaskId) -> Option<BlockNumber> {
        with(|n| n.phases.get(&task).map(|(_, ends)| *ends))
    }
    fn model(task: TaskId, trainer: &AccountId) -> Option<H256> {
        with(|n| {
            n.models
                .get(&(task, trainer.clone()))
                .map(|(root, _)| *root)
        })
    }
    fn owner(task: TaskId, root: &H256) -> Option<(AccountId, BlockNumber)> {
        with(|n| {
            let all = n.models.iter().filter(|((of, _), _)| *of == task);
            all.filter(|(_, (model, _))| model == root)
                .map(|((_, who), (_, at))| (*at, who.clone()))
                .min()
                .map(|(at, who)| (who, at))
        })
    }
}

impl Venues for Table {
    fn current_round(_: Venue) -> Option<Round> {
        Some(with(|n| n.round))
    }
    fn last_settled(_: Venue) -> Option<Round> {
        with(|n| n.settled)
    }
    fn admits(_: Venue, _: Role, _: &AccountId) -> Result<(), VenueRefusal> {
        Ok(())
    }
    fn takes_stake(_: Venue) -> bool {
        true
    }
    fn ended(_: Venue) -> bool {
        false
    }
    fn locks_own(_: Venue, _: Role) -> bool {
        false
    }
}

impl Results for Table {
    fn result(_: TaskId, _: Round) -> Option<RoundResult> {
        None
    }
    fn settling(_: TaskId) -> bool {
        false
    }
    fn disclosed(_: TaskId, round: Round, who: &AccountId, model: &H256) -> Option<Disclosed> {
        with(|n| n.disclosed.get(&(round, who.clone(), *model)).copied())
    }
    fn ground(_: TaskId, _: Round) -> Option<(PublicData, H256)> {
        match crate::tests::spec().data {
            DataSource::Public(data) => Some((data, H256::repeat_byte(8))),
            DataSource::Sealed(_) => None,
        }
    }
    fn likeness(_: TaskId, model: &H256) -> Option<ModelLikeness> {
        with(|n| n.alike.contains(model)).then_some(ModelLikeness {
            earlier: H256::zero(),
            distance: 3,
            matches: true,
        })
    }
    fn ended(_: TaskId) {}
}

impl Rounds for Table {
    fn live_rounds() -> Vec<RoundInfo> {
        Vec::new()
    }
    fn closed_rounds() -> Vec<RoundInfo> {
        Vec::new()
    }
    fn info(_: TaskId, _: Round) -> Option<RoundInfo> {
        None
    }
    fn spec(task: TaskId) -> Option<TaskSpec> {
        with(|n| n.phases.get(&task).and(n.spec.clone()))
    }
    fn models(_: TaskId, _: Round) -> RoundModels {
        RoundModels::default()
    }
    fn data(_: TaskId, _: Round) -> Option<PublicData> {
        None
    }
    fn commitment(_: TaskId, _: Round, _: &AccountId) -> Option<(H256, BlockNumber)> {
        None
    }
    fn committed_at(_: TaskId, _: &H256) -> Option<BlockNumber> {
        None
    }
    fn uris(_: TaskId, _: &H256) -> Option<Uris> {
        Some(crate::tests::uris())
    }
    fn rounds_left(_: TaskId, _: Round) -> u32 {
        0
    }
    fn settled(_: TaskId, _: Round) {}
}

/// Pays `payees` out of `from` as far as `amount` goes, and burns the rest.
fn spend(from: AccountId, amount: Balance, payees: &[(AccountId, Balance)]) -> Taken {
    let mut left = amount;
    for (who, due) in payees {
        let part = left.min(*due);
        if part > 0 {
            Balances::transfer(&from, who, part, Preservation::Preserve).unwrap();
        }
        left -= part;
    }
    let burn = (Preservation::Preserve, Precision::Exact, Fortitude::Force);
    Balances::burn_from(&from, left, burn.0, burn.1, burn.2).unwrap();
    with(|n| n.burned += left);
    Taken {
        total: amount,
        paid: amount - left,
    }
}

impl Stakes for Table {
    fn role(venue: Venue, who: &AccountId) -> Option<Role> {
        with(|n| {
            n.positions
                .get(&(venue, who.clone()))
                .map(|(role, _)| *role)
        })
    }
    fn counted(venue: Venue, who: &AccountId, round: Round) -> Option<Counted> {
        let role = Self::role(venue, who)?;
        let all = Self::all(venue, role, round);
        all.into_iter().find(|one| one.operator == *who)
    }
    fn all(venue: Venue, role: Role, _: Round) -> Vec<Counted> {
        let counted = |(who, own): (AccountId, Balance)| Counted {
            operator: who,
            role,
            stake: StakeSnapshot {
                own,
                delegated: 0,
                shares: 0,
            },
            commission: Perbill::zero(),
        };
        let here: Vec<_> = with(|n| {
            let all = n.positions.iter();
            all.filter(|((at, _), (as_what, own))| *at == venue && *as_what == role && *own > 0)
                .map(|((_, who), (_, own))| (who.clone(), *own))
                .collect()
        });
        here.into_iter().map(counted).collect()
    }
    fn slash_own(venue: Venue, who: &AccountId, amount: Balance) -> Balance {
        Self::slash_own_for(venue, who, amount, &[]).total
    }
    fn slash_own_for(
        venue: Venue,
        who: &AccountId,
        amount: Balance,
        payees: &[(AccountId, Balance)],
    ) -> Taken {
        let taken = with(|n| {
            let Some((_, own)) = n.positions.get_mut(&(venue, who.clone())) else {
                return 0;
            };
            let taken = amount.min(*own);
            *own -= taken;
            taken
        });
        spend(account(STAKED), taken, payees)
    }
    fn chill(_: Venue, who: &AccountId) -> bool {
        with(|n| n.chilled.push(who.clone()));
        true
    }
}

/// The service key of an operator, and back.
pub(crate) fn key(n: u8) -> AccountId {
    turned(&account(n))
}

fn turned(who: &AccountId) -> AccountId {
    let mut bytes: [u8; 32] = who.clone().into();
    bytes[0] ^= 0xFF;
    AccountId::new(bytes)
}

impl ServiceKeys for Table {
    fn operator_of(key: &AccountId) -> Option<AccountId> {
        let who = turned(key);
        let bytes: &[u8; 32] = who.as_ref();
        (bytes[0] == bytes[1] && !with(|n| n.keyless.contains(&who))).then_some(who)
    }
    fn key_of(operator: &AccountId) -> Option<AccountId> {
        (!with(|n| n.keyless.contains(operator))).then(|| turned(operator))
    }
}

impl BlockVrf for Table {
    fn parent() -> Option<H256> {
        Some(hash(Domain::Seed, &System::block_number()))
    }
}

impl Clock for Table {
    fn blocks(minutes: u32) -> BlockNumber {
        minutes
    }
    fn windows() -> Windows {
        Windows {
            seed: SEED,
            ..Default::default()
        }
    }
    fn unbonding() -> BlockNumber {
        BlockNumber::MAX
    }
    fn challenge_days() -> u32 {
        1
    }
}

impl TaskRewards for Table {
    fn open(_: TaskId, _: Perbill) {}
    fn set_counted(_: TaskId, _: Balance) {}
    fn due(_: TaskId, _: u32) -> Due {
        Due::default()
    }
    fn largest_draw(_: Perbill, _: BlockNumber) -> Balance {
        0
    }
    fn draw(_: TaskId, _: Due) -> Balance {
        0
    }
    fn lapse(_: TaskId) {}
    fn pay(_: TaskId, _: Round, _: &Counted, _: Balance) -> DispatchResult {
        Ok(())
    }
    fn to_treasury(_: Balance) {}
    fn top_up(_: TaskId, _: &AccountId, _: Balance) -> DispatchResult {
        Ok(())
    }
    fn release(_: TaskId, _: &AccountId) {}
    fn locked(task: TaskId, who: &AccountId) -> Balance {
        with(|n| n.locked.get(&(task, who.clone())).copied().unwrap_or(0))
    }
    fn forfeit(task: TaskId, who: &AccountId, payees: &[(AccountId, Balance)]) -> Taken {
        let taken = with(|n| n.locked.remove(&(task, who.clone())).unwrap_or(0));
        spend(account(LOCKED), taken, payees)
    }
}
