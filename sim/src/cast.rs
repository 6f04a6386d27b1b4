//! Who plays: operators with their stakes, what trainers can and what validators do.

use crate::{
    chance::Chance,
    config::{Config, Models},
};
use arena_primitives::{AccountId, Balance, Round, UNIT};
use sp_core::{Pair, sr25519};
use sp_io::hashing::blake2_256;

/// Least own stake of honest validators and trainers, in tokens: a little above production's.
const LEAST_VALIDATOR: f64 = 1_050.0;
const LEAST_TRAINER: f64 = 150.0;

/// Number of an account; the same in both plays of a scenario.
pub(crate) type Name = u32;

/// Honest trainers, honest validators and so on: where their names begin.
pub(crate) const TRAINERS: Name = 0;
pub(crate) const VALIDATORS: Name = 1_000;
pub(crate) const DELEGATORS: Name = 2_000;
pub(crate) const THEIR_TRAINERS: Name = 3_000;
pub(crate) const THEIR_VALIDATORS: Name = 4_000;

/// The account of a name.
pub(crate) fn account(name: Name) -> AccountId {
    blake2_256(format!("arena-sim/{name}").as_bytes()).into()
}

/// The service key of a name.
pub(crate) fn service(name: Name) -> sr25519::Pair {
    sr25519::Pair::from_seed(&blake2_256(format!("arena-sim/service/{name}").as_bytes()))
}

/// Whose gain is asked for, and everybody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// Everybody else.
    Honest,
    /// Who attacks; in honest play the same people.
    Attacker,
}

/// An operator of a task.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    /// Its number.
    pub(crate) name: Name,
    /// Its cold account.
    pub(crate) account: AccountId,
    /// The account of its service key.
    pub(crate) service: AccountId,
    /// On whose side.
    pub(crate) side: Side,
    /// In which of the play's tasks.
    pub(crate) stage: usize,
    /// Own stake in planck.
    pub(crate) own: Balance,
}

impl Operator {
    /// In the first task.
    pub(crate) fn new(name: Name, side: Side, own: Balance) -> Self {
        Operator {
            name,
            account: account(name),
            service: service(name).public().into(),
            side,
            stage: 0,
            own,
        }
    }
}

/// A trainer and its models.
#[derive(Clone, Debug)]
pub(crate) struct Trainer {
    /// Who.
    pub(crate) operator: Operator,
    /// Whose work the models are: near copies share it, and with it all luck and noise.
    pub(crate) mind: u32,
    /// Accuracy of the first model.
    pub(crate) start: f64,
    /// Taken from the accuracy of each model.
    pub(crate) blemish: f64,
    /// Added in submission rounds, not in final validation.
    pub(crate) boost: f64,
    /// Whether only validators of its own side get the model.
    pub(crate) for_friends: bool,
}

impl Trainer {
    /// Accuracy of the model made for round `made`, on the samples of `round`, before any
    /// validator's own error.
    pub(crate) fn accuracy(
        &self,
        models: &Models,
        chance: &Chance,
        made: Round,
        round: Round,
        is_final: bool,
    ) -> f64 {
        let progress = 1.0 - (-f64::from(made) / models.pace).exp();
        let luck = chance.normal(("luck", self.mind, made));
        let samples = chance.normal(("samples", self.mind, made, round));
        self.start + models.improvement * progress + models.luck * luck - self.blemish
            + if is_final { 0.0 } else { self.boost }
            + models.sample_noise * samples
    }

    /// Whether it submits in a round.
    pub(crate) fn submits(&self, models: &Models, round: Round) -> bool {
        round == 1 || (round + self.mind).is_multiple_of(models.submit_every)
    }
}

/// What a validator does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Habit {
    /// Reports what it measures.
    Honest,
    /// Reports each trainer's last consensus.
    Copy,
    /// Reports this accuracy.
    Constant(f64),
    /// Reports its side's models better by this, and those just ahead of them worse.
    Lie(f64),
    /// Reports its side's models better by this.
    Favour(f64),
    /// Honest, with stake in every round that unbonding allows.
    Jump,
    /// Honest, but reveals only when its side's model is the best.
    Withhold,
}

/// A validator and what it does.
#[derive(Clone, Debug)]
pub(crate) struct Validator {
    /// Who.
    pub(crate) operator: Operator,
    /// Whose machine it is: accounts of one operator share its errors.
    pub(crate) eyes: u32,
    /// What it does.
    pub(crate) habit: Habit,
}

/// A delegator of an honest validator.
#[derive(Clone, Debug)]
pub(crate) struct Delegator {
    /// Who.
    pub(crate) name: Name,
    /// Whom it backs.
    pub(crate) behind: Name,
    /// With how much, in planck.
    pub(crate) amount: Balance,
}

/// Everybody of one play.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    /// What each of the tasks may draw of the emission, in parts of one; the first is everybody's.
    pub(crate) shares: Vec<f64>,
    /// In the order in which they stake.
    pub(crate) trainers: Vec<Trainer>,
    /// In the order in which they stake.
    pub(crate) validators: Vec<Validator>,
    /// Of the first task.
    pub(crate) delegators: Vec<Delegator>,
    /// Which stream of VRF outputs the blocks carry.
    pub(crate) draws: u32,
    /// Part of the slots that belong to an attacker who chooses seeds.
    pub(crate) slots: f64,
}

/// Tokens as planck, rounded down.
pub(crate) fn tokens(amount: f64) -> Balance {
    (amount * UNIT as f64) as Balance
}

impl Cast {
    /// Honest people alone.
    #[must_use]
    pub(crate) fn honest(config: &Config, chance: &Chance) -> Self {
        let people = &config.people;
        let law = |name: Name, middle: u32, least: f64| {
            let stake = f64::from(middle) * (people.spread * chance.normal(("stake", name))).exp();
            Operator::new(name, Side::Honest, tokens(stake.max(least)))
        };
        let models = &config.models;
        let trainers = (TRAINERS..TRAINERS + people.trainers).map(|name| Trainer {
            operator: law(name, people.trainer_stake, LEAST_TRAINER),
            mind: name,
            start: models.from + (models.to - models.from) * chance.unit(("start", name)),
            blemish: 0.0,
            boost: 0.0,
            for_friends: false,
        });
        let validators = (VALIDATORS..VALIDATORS + people.validators).map(|name| Validator {
            operator: law(name, people.validator_stake, LEAST_VALIDATOR),
            eyes: name,
            habit: Habit::Honest,
        });
        let delegators = (0..people.delegators).map(|i| Delegator {
            name: DELEGATORS + i,
            behind: VALIDATORS + i,
            amount: Balance::from(people.delegation) * UNIT,
        });
        Cast {
            shares: vec![1.0],
            trainers: trainers.collect(),
            validators: validators.collect(),
            delegators: delegators.collect(),
            draws: 0,
            slots: 0.0,
        }
    }

    /// Own stake of all validators, in planck.
    pub(crate) fn validators_stake(&self) -> Balance {
        self.validators.iter().map(|v| v.operator.own).sum()
    }

    /// Own stake of all trainers, in planck.
    pub(crate) fn trainers_stake(&self) -> Balance {
        self.trainers.iter().map(|t| t.operator.own).sum()
    }

    /// Everybody's own or delegated stake, by name; an operator of two tasks has both.
    pub(crate) fn stakes(&self) -> impl Iterator<Item = (Name, Side, Balance)> {
        let trainers = self.trainers.iter().map(|t| &t.operator);
        let operators = trainers.chain(self.validators.iter().map(|v| &v.operator));
        let delegators = self.delegators.iter();
        operators
            .map(|o| (o.name, o.side, o.own))
            .chain(delegators.map(|d| (d.name, Side::Honest, d.amount)))
    }
}
