//! Who takes part in a round, with what stake.

use crate::law::Law;
use arena_primitives::{Aggregation, Balance, RankRule, RewardParams, UNIT, WeightCap};
use clap::ValueEnum;
use sp_runtime::Perbill;

/// Reward parameters of the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Rules {
    /// The default of tasks: median, capped weights, ranks by stake.
    Default,
    /// The paper's: mean, no cap, ranks by head.
    Paper,
}

impl Rules {
    /// What a spec says.
    pub fn params(self) -> RewardParams {
        let default = RewardParams {
            gamma: Perbill::from_percent(35),
            q: Perbill::from_percent(70),
            rank: RankRule::ByStake { depth: 20 },
            lambda_milli: 50_000,
            band: Perbill::from_parts(1_000_000),
            alpha_v_milli: 1_000,
            aggregation: Aggregation::Median,
            cap: WeightCap::Seats(10),
            // Everybody scores everything.
            committee: 0,
            min_scorers: 5,
            min_trainers: 3,
            max_leverage: 20,
        };
        match self {
            Rules::Default => default,
            Rules::Paper => RewardParams {
                gamma: Perbill::from_percent(70),
                rank: RankRule::ByHead { alpha_milli: 1_000 },
                band: Perbill::zero(),
                aggregation: Aggregation::Mean,
                cap: WeightCap::None,
                min_scorers: 1,
                min_trainers: 1,
                max_leverage: 0,
                ..default
            },
        }
    }
}

/// Stake of one delegator behind one operator; operators count trainers first.
#[derive(Clone, Copy)]
pub struct Delegation {
    /// Number of the delegator.
    pub who: u32,
    /// Number of the operator.
    pub behind: usize,
    /// How much.
    pub amount: Balance,
}

/// Who takes part.
pub struct Plan {
    /// Own stakes.
    pub trainers: Vec<Balance>,
    /// Own stakes.
    pub validators: Vec<Balance>,
    /// Who stands behind whom.
    pub delegations: Vec<Delegation>,
    /// Of the task.
    pub rules: RewardParams,
    /// Of stakes and scores.
    pub seed: u64,
}

/// Shape of the law of stakes: of it, four fifths are with a fifth of the accounts.
pub const SHAPE: f64 = 1.16;

/// Tokens as base units.
pub fn units(tokens: f64) -> Balance {
    (tokens * UNIT as f64) as Balance
}

impl Plan {
    /// Stakes by a heavy-tailed law, delegators in proportion to another one.
    pub fn heavy_tailed(
        trainers: u32,
        validators: u32,
        delegators: u32,
        rules: Rules,
        seed: u64,
    ) -> Self {
        let mut law = Law::new(seed);
        let mut own = |count: u32, least: f64, most: f64| -> Vec<Balance> {
            (0..count)
                .map(|_| units(law.tail(least, SHAPE, most)))
                .collect()
        };
        let trainers = own(trainers, 100.0, 100_000.0);
        let validators = own(validators, 1_000.0, 500_000.0);
        let mut sum = 0.0;
        let fame: Vec<f64> = (0..trainers.len() + validators.len())
            .map(|_| {
                sum += law.tail(1.0, SHAPE, 1_000.0);
                sum
            })
            .collect();
        let delegations = (0..delegators)
            .map(|who| Delegation {
                who,
                behind: law.index(&fame),
                amount: units(law.tail(1.0, SHAPE, 10_000.0)),
            })
            .collect();
        Plan {
            trainers,
            validators,
            delegations,
            rules: rules.params(),
            seed,
        }
    }

    /// A small round whose first validators have these numbers of delegators, the same accounts
    /// as far as they go.
    pub fn crowded(populations: &[u32], seed: u64) -> Self {
        const TRAINERS: usize = 3;
        const VALIDATORS: usize = 5;
        let mut law = Law::new(seed);
        let mut delegations = Vec::new();
        for (index, population) in populations.iter().enumerate() {
            delegations.extend((0..*population).map(|who| Delegation {
                who,
                behind: TRAINERS + index,
                amount: units(law.tail(1.0, SHAPE, 10_000.0)),
            }));
        }
        Plan {
            trainers: vec![1_000 * UNIT; TRAINERS],
            validators: vec![100_000 * UNIT; VALIDATORS.max(populations.len())],
            delegations,
            rules: Rules::Default.params(),
            seed,
        }
    }

    /// How many accounts delegate.
    pub fn delegators(&self) -> u32 {
        let most = self.delegations.iter().map(|delegation| delegation.who);
        most.max().map_or(0, |last| last + 1)
    }
}
