//! A delegator's claim, where its position has few delegators and where it has all of them.

use anyhow::{Context, Result, ensure};
use arena_bench::{
    chain::{Chain, Wasm},
    progress::Progress,
    stats::{median, millis, smallest},
    world::{World, copy, delegator},
};
use arena_primitives::{AccountId, Role, Venue};
use arena_runtime::{ArenaDelegation, RuntimeCall, UncheckedExtrinsic};
use frame_support::weights::Weight;
use serde::Serialize;
use sp_core::{Pair, sr25519};

/// Claims in one block.
const PER_BLOCK: u32 = 100;
/// Calls that show what a call costs that does nothing.
const EMPTY_CALLS: u32 = 200;

/// A claim among so many delegators of one position.
#[derive(Debug, Serialize)]
pub(crate) struct Claim {
    pub(crate) delegators: u32,
    /// How many were timed.
    pub(crate) claims: usize,
    /// `BlockBuilder_apply_extrinsic`, signature and fee included: the median.
    pub(crate) millis: f64,
    /// The fastest.
    pub(crate) fastest_ms: f64,
    /// What one more claim adds to the block's storage root.
    pub(crate) root_ms: f64,
    /// Reference time of what the block was charged for it.
    pub(crate) weight_ms: f64,
}

/// Claims of all positions, and what a call of the wasm costs that does nothing.
#[derive(Debug, Serialize)]
pub(crate) struct Claims {
    /// `Core_version`: the median.
    pub(crate) empty_call_ms: f64,
    pub(crate) positions: Vec<Claim>,
}

impl Claims {
    /// The slowest position's median over the fastest's.
    pub(crate) fn spread(&self) -> f64 {
        let of = self.positions.iter().map(|claim| claim.millis);
        let (least, most) = of.fold((f64::INFINITY, 0.0f64), |(least, most), value| {
            (least.min(value), most.max(value))
        });
        most / least
    }

    /// Every claim was charged the same.
    pub(crate) fn weigh_the_same(&self) -> bool {
        let mut weights = self.positions.iter().map(|claim| claim.weight_ms);
        let first = weights.next();
        weights.all(|weight| Some(weight) == first)
    }
}

/// Samples of one position.
#[derive(Default)]
struct Samples {
    claims: Vec<f64>,
    roots: Vec<f64>,
    weights: Vec<Weight>,
}

/// Times claims in the positions of the first validators, which have so many delegators each.
/// The positions take turns, so that a slow moment of the machine meets all of them.
pub(crate) fn measure(
    wasm: &Wasm,
    world: &World,
    populations: &[u32],
    runs: u32,
    progress: &Progress,
) -> Result<Claims> {
    let validators = world.operators.iter().filter(|o| o.role == Role::Validator);
    let validators: Vec<AccountId> = validators.map(|o| o.account.clone()).collect();
    let mut samples: Vec<Samples> = populations.iter().map(|_| Samples::default()).collect();
    let mut empty = Vec::new();
    for run in 1..=runs {
        for (index, (population, samples)) in populations.iter().zip(&mut samples).enumerate() {
            let operator = validators.get(index).context("a validator")?;
            let mut chain = Chain::new(wasm, copy(&world.state))?;
            let claims = claims(&mut chain, world, operator, *population)?;
            sample(&mut chain, &claims, samples)?;
            if index == 0 {
                for _ in 0..EMPTY_CALLS {
                    empty.push(millis(chain.call("Core_version", &[])?.1));
                }
            }
        }
        progress.say(format!("claims, run {run} of {runs}"));
    }
    let positions = populations
        .iter()
        .zip(&samples)
        .map(|(delegators, samples)| Claim {
            delegators: *delegators,
            claims: samples.claims.len(),
            millis: median(samples.claims.iter().copied()),
            fastest_ms: smallest(samples.claims.iter().copied()),
            root_ms: median(samples.roots.iter().copied()),
            weight_ms: median(samples.weights.iter().map(|w| w.ref_time() as f64 / 1e9)),
        })
        .collect();
    Ok(Claims {
        empty_call_ms: median(empty),
        positions,
    })
}

/// Signed claims of delegators from all over the population.
fn claims(
    chain: &mut Chain<'_>,
    world: &World,
    operator: &AccountId,
    population: u32,
) -> Result<Vec<UncheckedExtrinsic>> {
    let venue = Venue::Task(world.task);
    let count = PER_BLOCK.min(population);
    let pairs: Vec<sr25519::Pair> = (0..count)
        .map(|n| delegator(n * (population / count)))
        .collect();
    let mut claims = Vec::new();
    for pair in pairs {
        let who = AccountId::from(pair.public());
        let owed = chain
            .state
            .execute_with(|| ArenaDelegation::claimable(venue, operator, &who));
        ensure!(owed > 0, "a delegator has earned nothing");
        let claim = RuntimeCall::ArenaDelegation(pallet_arena_delegation::Call::claim {
            venue,
            operator: operator.clone(),
        });
        claims.push(chain.signed(&pair, claim)?);
    }
    Ok(claims)
}

fn sample(
    chain: &mut Chain<'_>,
    claims: &[UncheckedExtrinsic],
    samples: &mut Samples,
) -> Result<()> {
    let quiet = millis(chain.block()?.finalize);
    chain.begin()?;
    let before = chain.weight();
    for claim in claims {
        samples.claims.push(millis(chain.apply(claim)?));
    }
    let count = claims.len().max(1) as u64;
    let charged = chain.weight().saturating_sub(before);
    samples.weights.push(charged / count);
    let root = (millis(chain.end()?) - quiet).max(0.0);
    samples.roots.push(root / count as f64);
    Ok(())
}
