//! Plays an attack against honest play of the same people, with the same seed.

use crate::{
    chance::Chance,
    config::{Config, Scenario},
    game::{Outcome, Place, play},
    scenes::pair,
};
use anyhow::{Context, Result};
use arena_primitives::UNIT;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One seed of one scenario.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// Seed.
    pub seed: u64,
    /// Attackers' income in honest play, in tokens.
    pub honest_income: f64,
    /// Their income as attackers, in tokens; slashes are taken off.
    pub attack_income: f64,
    /// What they gain, as a part of their honest income.
    pub gain: f64,
    /// What everybody else gains by the attack, as a part of their income.
    pub others_gain: f64,
    /// Rounds, final validation included.
    pub rounds: u32,
    /// Rounds in which the order of the models that are in both plays differs.
    pub rounds_changed: u32,
    /// Mean rank of the attackers' best model in honest play, over the rounds that rank one.
    pub honest_rank: Option<f64>,
    /// And as attackers.
    pub attack_rank: Option<f64>,
    /// Rounds that paid nothing, in the attack.
    pub unpaid: u32,
    /// Rounds in which an author could choose a seed.
    pub chosen: u32,
    /// Slots that it left out.
    pub skipped: u32,
    /// Blocks of both plays.
    pub blocks: u32,
}

/// Plays both. Errors are refused configurations and broken invariants.
pub fn compare(config: &Config, scenario: &Scenario, seed: u64) -> Result<Trial> {
    let config = config.with_change(&scenario.change);
    let chance = Chance::new(seed);
    let pair = pair(&config, &scenario.attack, &chance);
    let name = &scenario.name;
    let at = |which| format!("scenario {name}, seed {seed}, {which}");
    let honest = play(&config, &pair.honest, &chance).with_context(|| at("honest play"))?;
    let attack = play(&config, &pair.attack, &chance).with_context(|| at("attack"))?;
    let theirs = |outcome: &Outcome| outcome.theirs as f64 / UNIT as f64;
    Ok(Trial {
        seed,
        honest_income: theirs(&honest),
        attack_income: theirs(&attack),
        gain: gain(honest.theirs, attack.theirs),
        others_gain: gain(honest.others, attack.others),
        rounds: u32::try_from(honest.places.len())?,
        rounds_changed: changed(&honest.places, &attack.places),
        honest_rank: mean_rank(&honest.places),
        attack_rank: mean_rank(&attack.places),
        unpaid: attack.unpaid,
        chosen: attack.chosen,
        skipped: attack.skipped,
        blocks: honest.blocks + attack.blocks,
    })
}

fn gain(honest: i128, attack: i128) -> f64 {
    attack as f64 / honest as f64 - 1.0
}

/// Rounds in which models that are in both plays are in another order.
fn changed(honest: &[Vec<Place>], attack: &[Vec<Place>]) -> u32 {
    let pairs = honest.iter().zip(attack);
    pairs
        .map(|(honest, attack)| u32::from(order(honest, attack) != order(attack, honest)))
        .sum()
}

/// Of each model of one play that the other has too, how many of these are better.
fn order(of: &[Place], other: &[Place]) -> BTreeMap<u32, usize> {
    let both: BTreeSet<u32> = other.iter().map(|(name, _)| *name).collect();
    let of: Vec<_> = of.iter().filter(|(name, _)| both.contains(name)).collect();
    let key = |rank: Option<u32>| rank.unwrap_or(u32::MAX);
    let better = |rank| of.iter().filter(move |(_, r)| key(*r) < key(rank)).count();
    of.iter()
        .map(|(name, rank)| (*name, better(*rank)))
        .collect()
}

/// Of the attackers' best model.
fn mean_rank(places: &[Vec<Place>]) -> Option<f64> {
    let theirs =
        |name: u32| (crate::cast::THEIR_TRAINERS..crate::cast::THEIR_VALIDATORS).contains(&name);
    let best = places.iter().filter_map(|round| {
        let ranks = round.iter().filter(|(name, _)| theirs(*name));
        ranks.filter_map(|(_, rank)| *rank).min()
    });
    let ranks: Vec<f64> = best.map(f64::from).collect();
    let count = u32::try_from(ranks.len()).ok().filter(|count| *count > 0)?;
    Some(ranks.iter().sum::<f64>() / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changed_should_look_only_at_the_order_of_models_in_both_plays() {
        let honest = vec![vec![(1, Some(1)), (2, Some(2)), (9, Some(3))]];
        let joined = vec![vec![(1, Some(1)), (2, Some(3)), (7, Some(2))]];
        let swapped = vec![vec![(1, Some(2)), (2, Some(1)), (9, Some(3))]];
        let unranked = vec![vec![(1, None), (2, Some(1)), (9, Some(2))]];
        assert_eq!(changed(&honest, &joined), 0);
        assert_eq!(changed(&honest, &swapped), 1);
        assert_eq!(changed(&honest, &unranked), 1);
    }
}
