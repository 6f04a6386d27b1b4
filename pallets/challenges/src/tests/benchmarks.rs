//! Benchmarks run on this chain too, so that what they measure is what they say.

use super::*;
use crate::benchmarking::{BenchmarkHelper, Scene};
use arena_primitives::RoundModel;
use frame_support::traits::fungible::Mutate;

/// Eight challengers, and two of the largest juries.
const PEOPLE: std::ops::Range<u8> = 110..180;

fn scene() -> Scene {
    for n in PEOPLE {
        set_stake(Venue::Task(TASK), n, Role::Validator, STAKE);
        Balances::set_balance(&account(n), 1_000 * WEALTH);
    }
    let of = |n| RoundModel {
        trainer: account(n),
        manifest_root: model(n),
    };
    Scene {
        task: TASK,
        models: vec![of(BOB), of(ANN)],
        validators: PEOPLE.map(account).collect(),
        keys: PEOPLE.map(key).collect(),
        uris: uris(),
    }
}

impl BenchmarkHelper for Table {
    fn challenged() -> Scene {
        scene()
    }
    fn training() -> Scene {
        with(|n| n.phases.insert(TASK, (TaskPhase::Submission, 0)));
        scene()
    }
    fn judged(candidates: u32) -> Scene {
        for n in 0..candidates {
            let mut bytes = [200; 32];
            bytes[2..6].copy_from_slice(&n.to_le_bytes());
            let row = (Venue::Task(TASK), AccountId::new(bytes));
            with(|t| t.positions.insert(row, (Role::Validator, STAKE)));
        }
        scene()
    }
}

/// Where each benchmark runs.
pub(crate) fn chain() -> sp_io::TestExternalities {
    let mut chain = fresh();
    chain.execute_with(|| to(10));
    chain
}
