//! The table of calls, and which one comes next.

mod challenges;
mod delegation;
mod rewards;
mod scoring;
mod staking;
mod tasks;

use super::{
    dice::Dice,
    world::{Memo, World},
};
use crate::{governance::origins::pallet::Origin, *};

/// Who sends a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum By {
    Signed(AccountId),
    Approver,
    Guardian,
    Canceller,
    Root,
}

impl By {
    pub(super) fn origin(&self) -> RuntimeOrigin {
        match self {
            By::Signed(who) => RuntimeOrigin::signed(who.clone()),
            By::Approver => Origin::TaskApprover.into(),
            By::Guardian => Origin::TaskGuardian.into(),
            By::Canceller => Origin::SlashCanceller.into(),
            By::Root => RuntimeOrigin::root(),
        }
    }
}

/// A call that is sent.
pub(super) struct Sent {
    pub(super) by: By,
    pub(super) call: RuntimeCall,
    pub(super) memo: Memo,
}

impl Sent {
    fn new(by: By, call: impl Into<RuntimeCall>) -> Self {
        Sent {
            by,
            call: call.into(),
            memo: Memo::Nothing,
        }
    }

    fn signed(who: AccountId, call: impl Into<RuntimeCall>) -> Self {
        Sent::new(By::Signed(who), call)
    }

    fn noting(self, memo: Memo) -> Self {
        Sent { memo, ..self }
    }
}

/// A kind of call: its name, how often it is tried where there is a choice (0: only while it
/// lags behind), and what makes one of what is.
pub(super) struct Kind {
    pub(super) name: &'static str,
    weight: u64,
    make: fn(&mut World) -> Option<Sent>,
}

impl Kind {
    /// Whether it can succeed: a hook with weight leaves nothing in a case to be poked.
    pub(super) fn succeeds(&self) -> bool {
        self.name != "challenges.poke"
    }
}

macro_rules! kinds {
    ($($weight:literal $pallet:ident.$call:ident)*) => {
        [$(Kind {
            name: concat!(stringify!($pallet), ".", stringify!($call)),
            weight: $weight,
            make: $pallet::$call,
        }),*]
    };
}

/// All of them: a line each.
pub(super) static KINDS: &[Kind] = &kinds! {
    12 staking.stake
    4 staking.decrease
    2 staking.withdraw
    2 staking.set_commission
    2 staking.set_service_key
    0 staking.clear_service_key
    1 staking.reap
    2 staking.take_seat
    0 staking.cancel_slash
    8 delegation.delegate
    5 delegation.undelegate
    2 delegation.withdraw
    3 delegation.claim
    2 delegation.claim_for
    3 delegation.apply_slash
    3 rewards.claim
    2 rewards.claim_for
    1 tasks.propose
    0 tasks.withdraw_proposal
    6 tasks.approve
    14 tasks.submit
    30 tasks.publish
    12 tasks.open_shard
    2 tasks.top_up
    0 tasks.cancel
    0 tasks.pause
    8 tasks.resume
    3 tasks.poke
    0 tasks.remove_expired
    30 scoring.commit_scores
    30 scoring.reveal_scores
    6 challenges.commit_case
    12 challenges.open_case
    3 challenges.join
    8 challenges.respond_training
    8 challenges.respond_score
    30 challenges.commit_vote
    30 challenges.reveal_vote
    4 challenges.appeal
    1 challenges.poke
    6 challenges.register_run
    4 challenges.heartbeat
    3 challenges.register_mark
};

/// How often a kind should have succeeded after so many calls: above what is asked for in the
/// end, so that it is met.
fn pace(calls: u64) -> u64 {
    calls * 14 / 10_000 + 1
}

/// Tries before a block is left to end.
const TRIES: u32 = 24;

/// The next call: one that lags behind, or one by weight; in a wrong one, any.
pub(super) fn next(world: &mut World, calls: u64, done: &[u64]) -> Option<(usize, Sent)> {
    world.dice.wrong = world.dice.chance(22);
    let lagging: Vec<usize> = (0..KINDS.len())
        .filter(|i| KINDS[*i].succeeds() && done[*i] < pace(calls))
        .collect();
    let first = world
        .dice
        .chance(40)
        .then(|| world.dice.any(&lagging))
        .flatten();
    for attempt in 0..TRIES {
        let index = match first {
            Some(index) if attempt == 0 => index,
            _ if world.dice.wrong => world.dice.below(KINDS.len() as u64) as usize,
            _ => by_weight(&mut world.dice),
        };
        if let Some(mut sent) = (KINDS[index].make)(world) {
            if world.dice.wrong && world.dice.chance(30) {
                sent.by = anybody(world);
                sent.memo = Memo::Nothing;
            }
            return Some((index, sent));
        }
    }
    None
}

fn by_weight(dice: &mut Dice) -> usize {
    let mut rest = dice.below(KINDS.iter().map(|kind| kind.weight).sum());
    let chosen = KINDS
        .iter()
        .position(|kind| match rest.checked_sub(kind.weight) {
            Some(less) => {
                rest = less;
                false
            }
            None => true,
        });
    chosen.unwrap_or(0)
}

fn anybody(world: &mut World) -> By {
    match world.dice.below(8) {
        0 => By::Approver,
        1 => By::Guardian,
        2 => By::Root,
        _ => By::Signed(world.one(0..super::world::PEOPLE)),
    }
}

/// The service key of an operator, or in its place somebody's account.
fn service_key(world: &mut World, operator: &AccountId) -> Option<AccountId> {
    use arena_primitives::traits::ServiceKeys;
    if world.dice.slips() {
        return world.dice.any(&world.people);
    }
    ArenaStaking::key_of(operator)
}

/// What somebody can spare without falling below a token.
fn spare(who: &AccountId) -> Balance {
    Balances::free_balance(who).saturating_sub(UNIT)
}
