//! States that benchmarks of stakes and rewards start from.

use super::scene::{Neighbours, OWN, approve, done, fund};
use crate::*;
use arena_primitives::{
    Round, TaskId, Venue,
    hash::{Domain, hash},
    traits::DelegatedStake,
};
use frame_support::BoundedVec;
use pallet_arena_delegation as delegation;
use pallet_arena_rewards as rewards;
use pallet_arena_staking as staking;
use pallet_arena_tasks as tasks;
use sp_runtime::Perbill;

fn open_session(session: Round) {
    pallet_session::CurrentIndex::<Runtime>::put(session);
}

/// An author of the genesis, whom the session counts.
fn author() -> AccountId {
    let authors = ArenaStaking::positions(Venue::Network);
    let (who, _) = authors.into_iter().next().expect("genesis has authors");
    who
}

impl rewards::benchmarking::BenchmarkHelper for Neighbours {
    fn long_task() -> TaskId {
        let task = approve(0);
        tasks::Tasks::<Runtime>::mutate(task, |row| {
            if let Some(row) = row {
                row.settled = Some(3);
            }
        });
        task
    }

    fn author() -> AccountId {
        let who = author();
        done(ArenaStaking::add(Venue::Network, &who, OWN));
        open_session(5);
        who
    }
}

impl staking::benchmarking::BenchmarkHelper for Neighbours {
    fn fund(who: &AccountId) {
        fund(who);
    }

    fn register_keys(who: &AccountId, n: u32) {
        let raw = hash(Domain::Seed, &n).0;
        let keys = SessionKeys {
            grandpa: sp_core::ed25519::Public::from_raw(raw).into(),
            babe: sp_core::sr25519::Public::from_raw(raw).into(),
            authority_discovery: sp_core::sr25519::Public::from_raw(raw).into(),
        };
        pallet_session::NextKeys::<Runtime>::insert(who, keys);
    }

    fn open(session: Round) {
        open_session(session);
    }

    fn author() -> AccountId {
        author()
    }

    fn leave(operator: &AccountId, pools: u32) {
        let exits = (0..pools).map(|n| {
            let pool = delegation::ExitPool {
                venue: Venue::Network,
                operator: operator.clone(),
                round: n,
                points: UNIT,
                amount: UNIT,
            };
            delegation::ExitPools::<Runtime>::insert(u64::from(n), pool);
            delegation::Exit {
                pool: n.into(),
                round: n,
                until: BlockNumber::MAX,
            }
        });
        let exits = BoundedVec::truncate_from(exits.collect());
        delegation::LiveExits::<Runtime>::insert((Venue::Network, operator), exits);
    }
}

impl delegation::benchmarking::BenchmarkHelper for Neighbours {
    fn fund(who: &AccountId) {
        fund(who);
    }

    fn operator() -> AccountId {
        open_session(1);
        author()
    }

    fn open(round: Round) {
        open_session(round);
    }

    fn slash(operator: &AccountId, fraction: Perbill) {
        staking::Positions::<Runtime>::mutate(Venue::Network, operator, |row| {
            if let Some(position) = row {
                position.delegated -= fraction.mul_floor(position.delegated);
            }
        });
    }

    fn earn(operator: &AccountId) {
        let amount = 100_000 * UNIT;
        fund(&ArenaRewards::account());
        rewards::Earned::<Runtime>::mutate(Venue::Network, operator, |earned| {
            earned.acc += 1 << 64;
            earned.delegators_owed += amount;
        });
    }
}
