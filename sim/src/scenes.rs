//! From an attack to two casts: the same people honest, and as attackers.

use crate::{
    attack::Attack,
    cast::{
        Cast, Habit, Operator, Side, THEIR_TRAINERS, THEIR_VALIDATORS, Trainer, Validator, tokens,
    },
    chance::Chance,
    config::Config,
};
use arena_primitives::Balance;

/// Two plays that differ by the attack alone.
pub(crate) struct Pair {
    pub(crate) honest: Cast,
    pub(crate) attack: Cast,
}

/// Makes both plays' casts.
pub(crate) fn pair(config: &Config, attack: &Attack, chance: &Chance) -> Pair {
    let scene = Scene {
        config,
        base: Cast::honest(config, chance),
    };
    match *attack {
        Attack::Redraw { stake, accounts } => {
            let mut pair = scene.squads(stake, accounts, accounts, Habit::Honest);
            pair.attack.draws = 1;
            pair
        }
        Attack::Copier { stake, accounts } => {
            scene.validators(stake, accounts, accounts, Habit::Copy)
        }
        Attack::Constant { stake, score } => scene.validators(stake, 1, 1, Habit::Constant(score)),
        Attack::Liars {
            stake,
            accounts,
            honest_accounts,
            lie,
        } => scene.squads(stake, honest_accounts, accounts, Habit::Lie(lie)),
        Attack::SplitValidator { stake, into } | Attack::Seats { stake, into } => {
            scene.validators(stake, 1, into, Habit::Honest)
        }
        Attack::Merge { stake, from } => scene.validators(stake, from, 1, Habit::Honest),
        Attack::SplitTrainer {
            stake,
            into,
            start,
            blemish,
        } => scene.trainers(stake, into, start, blemish),
        Attack::Selective {
            stake,
            accounts,
            lie,
        } => scene.selective(stake, accounts, lie),
        Attack::Jumper { stake } => scene.validators(stake, 1, 1, Habit::Jump),
        Attack::Wash { stake, max_share } => scene.wash(stake, max_share),
        Attack::Leak { boost } => scene.leak(boost),
        Attack::Withhold { stake, accounts } => {
            scene.squads(stake, accounts, accounts, Habit::Withhold)
        }
        Attack::Grind {
            stake,
            accounts,
            slots,
        } => {
            let mut pair = scene.validators(stake, accounts, accounts, Habit::Honest);
            pair.attack.slots = slots;
            pair
        }
    }
}

/// What has `part` of a whole of which others have `others`.
fn with_part(others: Balance, part: f64) -> Balance {
    (others as f64 * part / (1.0 - part)) as Balance
}

struct Scene<'a> {
    config: &'a Config,
    base: Cast,
}

impl Scene<'_> {
    /// An attacker's trainer.
    fn trainer(&self, index: u32, own: Balance) -> Trainer {
        Trainer {
            operator: Operator::new(THEIR_TRAINERS + index, Side::Attacker, own),
            mind: THEIR_TRAINERS,
            start: self.config.models.theirs,
            blemish: 0.0,
            boost: 0.0,
            for_friends: false,
        }
    }

    /// `accounts` validators of one operator with equal parts of `total`.
    fn squad(&self, cast: &mut Cast, total: Balance, accounts: u32, habit: Habit) {
        let own = total / Balance::from(accounts);
        cast.validators.extend((0..accounts).map(|index| Validator {
            operator: Operator::new(THEIR_VALIDATORS + index, Side::Attacker, own),
            eyes: THEIR_VALIDATORS,
            habit,
        }));
    }

    /// Honest in `honest` accounts, against this habit in `attack` accounts.
    fn validators(&self, part: f64, honest: u32, attack: u32, habit: Habit) -> Pair {
        let total = with_part(self.base.validators_stake(), part);
        let play = |accounts, habit| {
            let mut cast = self.base.clone();
            self.squad(&mut cast, total, accounts, habit);
            cast
        };
        Pair {
            honest: play(honest, Habit::Honest),
            attack: play(attack, habit),
        }
    }

    /// As `validators`, and both with a trainer of the same part.
    fn squads(&self, part: f64, honest: u32, attack: u32, habit: Habit) -> Pair {
        let mut pair = self.validators(part, honest, attack, habit);
        let own = with_part(self.base.trainers_stake(), part);
        pair.honest.trainers.push(self.trainer(0, own));
        pair.attack.trainers.push(self.trainer(0, own));
        pair
    }

    /// Validators that report their trainer's model better, and alone are served it.
    fn selective(&self, part: f64, accounts: u32, lie: f64) -> Pair {
        let mut pair = self.squads(part, accounts, accounts, Habit::Favour(lie));
        for trainer in &mut pair.attack.trainers {
            trainer.for_friends = trainer.operator.side == Side::Attacker;
        }
        pair
    }

    /// A trainer of middling stake, against the same with better models until the last round.
    fn leak(&self, boost: f64) -> Pair {
        let own = tokens(f64::from(self.config.people.trainer_stake));
        let play = |boost| {
            let mut cast = self.base.clone();
            let mut trainer = self.trainer(0, own);
            trainer.boost = boost;
            cast.trainers.push(trainer);
            cast
        };
        Pair {
            honest: play(0.0),
            attack: play(boost),
        }
    }

    /// One trainer, against `into` of them with near copies of its model.
    fn trainers(&self, part: f64, into: u32, start: f64, blemish: f64) -> Pair {
        let total = with_part(self.base.trainers_stake(), part);
        let play = |accounts: u32| {
            let mut cast = self.base.clone();
            let own = total / Balance::from(accounts);
            cast.trainers.extend((0..accounts).map(|index| {
                let mut trainer = self.trainer(index, own);
                trainer.start = start;
                trainer.blemish = blemish * f64::from(index);
                trainer
            }));
            cast
        };
        Pair {
            honest: play(1),
            attack: play(into),
        }
    }

    /// Validators of the common task, against the fewest operators that can play alone in a task
    /// of their own, half of the stake with either role.
    fn wash(&self, part: f64, max_share: f64) -> Pair {
        let rewards = &self.config.rewards;
        let scorers = u32::from(rewards.min_scorers);
        let trainers = u32::from(rewards.min_trainers);
        let total = with_part(self.base.validators_stake(), part);
        let mut honest = self.base.clone();
        self.squad(&mut honest, total, scorers, Habit::Honest);

        let mut attack = self.base.clone();
        attack.shares.push(max_share);
        self.squad(&mut attack, total / 2, scorers, Habit::Honest);
        let own = total / 2 / Balance::from(trainers);
        attack
            .trainers
            .extend((0..trainers).map(|index| self.trainer(index, own)));
        let theirs = attack.trainers.iter_mut().map(|t| &mut t.operator);
        let theirs = theirs.chain(attack.validators.iter_mut().map(|v| &mut v.operator));
        for operator in theirs.filter(|o| o.side == Side::Attacker) {
            operator.stage = 1;
        }
        Pair { honest, attack }
    }
}
