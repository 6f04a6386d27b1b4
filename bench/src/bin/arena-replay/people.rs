//! Keys, accounts and their nonces.

use crate::cast::{Cast, DELEGATORS, TRAINERS, VALIDATORS};
use anyhow::{Context, Result};
use arena_bench::world::{self, Kind};
use arena_primitives::{AccountId, Balance, Nonce, UNIT};
use sp_core::sr25519;

/// What everybody has beyond its stake, for fees.
const POCKET: Balance = 1_000 * UNIT;

/// Number of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(usize);

struct Holder {
    pair: sr25519::Pair,
    account: AccountId,
    nonce: Nonce,
}

/// Everybody: the creator, trainers, validators, their service keys, delegators.
pub(crate) struct People {
    holders: Vec<Holder>,
}

const OPERATORS: u32 = TRAINERS + VALIDATORS;

impl People {
    pub(crate) fn new() -> Result<Self> {
        let operators = (0..OPERATORS).map(|n| world::key(Kind::Operator, n));
        let services = (0..OPERATORS).map(|n| world::key(Kind::Service, n));
        let delegators = (0..DELEGATORS).map(|n| world::key(Kind::Delegator, n));
        let holders = [world::author()?]
            .into_iter()
            .chain(operators)
            .chain(services)
            .chain(delegators)
            .map(|pair| Holder {
                account: world::account(&pair),
                pair,
                nonce: 0,
            })
            .collect();
        Ok(People { holders })
    }

    /// Proposes the tasks, and approves them as the development chain's sudo.
    pub(crate) fn creator(&self) -> Key {
        Key(0)
    }

    pub(crate) fn trainer(&self, who: u32) -> Key {
        Key(1 + who as usize)
    }

    pub(crate) fn validator(&self, who: u32) -> Key {
        Key(1 + (TRAINERS + who) as usize)
    }

    /// The service key of an operator.
    pub(crate) fn service(&self, operator: Key) -> Key {
        Key(operator.0 + OPERATORS as usize)
    }

    pub(crate) fn delegator(&self, who: u32) -> Key {
        Key(1 + (2 * OPERATORS + who) as usize)
    }

    fn holder(&self, key: Key) -> Result<&Holder> {
        self.holders.get(key.0).context("a key that nobody has")
    }

    pub(crate) fn account(&self, key: Key) -> Result<AccountId> {
        Ok(self.holder(key)?.account.clone())
    }

    pub(crate) fn pair(&self, key: Key) -> Result<sr25519::Pair> {
        Ok(self.holder(key)?.pair.clone())
    }

    pub(crate) fn nonce(&self, key: Key) -> Result<Nonce> {
        Ok(self.holder(key)?.nonce)
    }

    /// The key's transaction is in a block.
    pub(crate) fn count(&mut self, key: Key) {
        if let Some(holder) = self.holders.get_mut(key.0) {
            holder.nonce += 1;
        }
    }

    /// What genesis gives each of them: all its stakes, and fees. Service keys have nothing.
    pub(crate) fn balances(&self, cast: &Cast) -> Result<Vec<(AccountId, Balance)>> {
        let mut stakes = vec![POCKET; self.holders.len()];
        let mut add = |key: Key, amount: Balance| {
            if let Some(stake) = stakes.get_mut(key.0) {
                *stake += amount;
            }
        };
        for part in &cast.parts {
            for seat in &part.trainers {
                add(self.trainer(seat.who), seat.own);
            }
            for seat in &part.validators {
                add(self.validator(seat.who), seat.own);
            }
            for backing in &part.backings {
                add(self.delegator(backing.who), backing.amount);
            }
        }
        let services =
            self.service(self.trainer(0)).0..=self.service(self.validator(VALIDATORS - 1)).0;
        let has_none = |at: &usize| *at == 0 || services.contains(at);
        Ok(self
            .holders
            .iter()
            .zip(stakes)
            .enumerate()
            .filter(|(at, _)| !has_none(at))
            .map(|(_, (holder, stake))| (holder.account.clone(), stake))
            .collect())
    }
}
