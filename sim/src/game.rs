//! One play from genesis to the last claim.

use crate::{
    cast::{Cast, Name, Side, account},
    chain::{self, call, creator, wealth},
    chance::Chance,
    config::Config,
    grind,
    play::Play,
};
use anyhow::{Context, Result, ensure};
use arena_primitives::{AccountId, Balance, Role, TaskPhase, Venue, traits::TaskStates};
use arena_runtime::{ArenaDelegation, ArenaRewards, ArenaTasks, Balances, System};
use frame_support::traits::fungible::Inspect;
use sp_core::{H256, storage::Storage};
use sp_state_machine::BasicExternalities;
use std::collections::BTreeMap;

/// Days of a task beside its submission rounds, at most.
const OTHER_DAYS: u32 = 12;
/// Blocks that are played between two cleanings of the state.
const STRETCH: u32 = 60;

/// A model's place in a round: its trainer, and its rank, if it could earn.
pub(crate) type Place = (Name, Option<u32>);

/// What a play came to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// What the attackers have more than before, in planck, slots that they left out taken off.
    pub(crate) theirs: i128,
    /// What everybody else has more.
    pub(crate) others: i128,
    /// The models' places of each round of the first task.
    pub(crate) places: Vec<Vec<Place>>,
    /// Rounds of all tasks that paid nothing.
    pub(crate) unpaid: u32,
    /// Blocks.
    pub(crate) blocks: u32,
    /// Rounds in which an author could choose a seed.
    pub(crate) chosen: u32,
    /// Slots that it left out for that.
    pub(crate) skipped: u32,
}

/// Plays a cast to the end, on a chain of its own.
pub(crate) fn play(config: &Config, cast: &Cast, chance: &Chance) -> Result<Outcome> {
    let mut state = chain::genesis(config, cast)?;
    let mut game = within(&mut state, || Game::start(config, cast, chance))?;
    while !within(&mut state, || game.run(STRETCH))? {}
    within(&mut state, || game.end())
}

/// Does something in a state. What it removed is really gone then: an overlay would keep each
/// removed key, and look at all of them whenever a prefix is cleared.
fn within<R>(state: &mut Storage, act: impl FnOnce() -> R) -> R {
    BasicExternalities::execute_with_storage(state, act)
}

struct Game<'a> {
    config: &'a Config,
    cast: &'a Cast,
    chance: &'a Chance,
    plays: Vec<Play<'a>>,
    /// Everybody, with what they had before anybody staked.
    people: BTreeMap<Name, (Side, Balance)>,
    creator: Balance,
    rewards: Balance,
    issued: Balance,
    chosen: u32,
    skipped: u32,
}

impl<'a> Game<'a> {
    fn start(config: &'a Config, cast: &'a Cast, chance: &'a Chance) -> Result<Self> {
        System::set_block_number(1);
        let people = cast.stakes();
        let people = people.map(|(name, side, _)| (name, (side, wealth(&account(name)))));
        let mut game = Game {
            config,
            cast,
            chance,
            plays: Vec::new(),
            people: people.collect(),
            creator: wealth(&creator()),
            rewards: wealth(&ArenaRewards::account()),
            issued: <Balances as Inspect<AccountId>>::total_issuance(),
            chosen: 0,
            skipped: 0,
        };
        for (stage, share) in cast.shares.iter().enumerate() {
            let task = chain::start_task(config, &format!("task {stage}"), *share)?;
            let play = Play::new(task, stage, config, cast, chance);
            game.plays.push(play);
        }
        game.enrol(Side::Honest)?;
        for delegator in &cast.delegators {
            chain::delegate(game.plays[0].task, delegator)?;
        }
        game.enrol(Side::Attacker)?;
        Ok(game)
    }

    fn enrol(&self, side: Side) -> Result<()> {
        let trainers = self.cast.trainers.iter().map(|t| &t.operator);
        let trainers = trainers.map(|operator| (Role::Trainer, operator));
        let validators = self.cast.validators.iter().map(|v| &v.operator);
        let validators = validators.map(|operator| (Role::Validator, operator));
        for (role, operator) in trainers.chain(validators) {
            if operator.side == side {
                let play = self.plays.get(operator.stage).context("a task")?;
                chain::enrol(play.task, role, operator)
                    .with_context(|| format!("account {} can't enrol", operator.name))?;
            }
        }
        Ok(())
    }

    /// Plays so many blocks. `true` when all tasks are closed.
    fn run(&mut self, blocks: u32) -> Result<bool> {
        let most = (self.config.rounds + OTHER_DAYS) * self.config.chain.blocks_per_day;
        for _ in 0..blocks {
            if self.is_over() {
                return Ok(true);
            }
            ensure!(
                System::block_number() < most,
                "tasks didn't close within {most} blocks"
            );
            let vrf = self.vrf()?;
            chain::next_block(vrf);
            let now = System::block_number();
            for play in &mut self.plays {
                play.act(now).with_context(|| format!("block {now}"))?;
            }
        }
        Ok(false)
    }

    /// Everybody claims, and everything is counted.
    fn end(&self) -> Result<Outcome> {
        chain::check()?;
        self.claim()?;
        chain::check()?;
        self.outcome()
    }

    fn is_over(&self) -> bool {
        let mut phases = self.plays.iter().map(|play| ArenaTasks::phase(play.task));
        phases.all(|phase| phase == Some(TaskPhase::Closed))
    }

    /// The VRF output that the next block finds of its parent.
    fn vrf(&mut self) -> Result<H256> {
        let next = System::block_number() + 1;
        let vrf = self.chance.word(("vrf", self.cast.draws, next));
        let play = self.plays.first().context("a task")?;
        if self.cast.slots == 0.0 {
            return Ok(vrf);
        }
        let Some(round) = grind::completed_by(play, next) else {
            return Ok(vrf);
        };
        let choice = grind::choose(play, round, self.chance, self.cast.slots, vrf)?;
        self.chosen += u32::from(choice.seeds > 1);
        self.skipped += choice.skipped;
        Ok(choice.vrf)
    }

    fn claim(&self) -> Result<()> {
        let trainers = self.cast.trainers.iter().map(|t| &t.operator);
        let operators = trainers.chain(self.cast.validators.iter().map(|v| &v.operator));
        for operator in operators {
            let play = self.plays.get(operator.stage).context("a task")?;
            let (venue, who) = (Venue::Task(play.task), operator.account.clone());
            if ArenaRewards::operator_free(venue, &who) > 0 {
                call(&who, pallet_arena_rewards::Call::claim { venue })?;
            }
        }
        let venue = Venue::Task(self.plays.first().context("a task")?.task);
        for delegator in &self.cast.delegators {
            let (operator, who) = (account(delegator.behind), account(delegator.name));
            if ArenaDelegation::free(venue, &operator, &who) > 0 {
                call(
                    &who,
                    pallet_arena_delegation::Call::claim { venue, operator },
                )?;
            }
        }
        Ok(())
    }

    fn outcome(&self) -> Result<Outcome> {
        let (mut theirs, mut others) = (0, 0);
        for (name, (side, before)) in &self.people {
            let income = change(*before, wealth(&account(*name)))?;
            match side {
                Side::Attacker => theirs += income,
                Side::Honest => others += income,
            }
        }
        let creator = change(self.creator, wealth(&creator()))?;
        ensure!(creator == 0, "the creator gained {creator} planck");
        self.balance(theirs + others)?;
        let day = self.config.chain.blocks_per_day;
        let (authors, _) = ArenaRewards::emission(day);
        let blocks = Balance::from(self.config.chain.production_blocks_per_day);
        let slot = i128::try_from(authors / blocks)?;
        let results = self.plays.iter().flat_map(|play| &play.results);
        Ok(Outcome {
            theirs: theirs - slot * i128::from(self.skipped),
            others,
            places: self.places(),
            unpaid: u32::try_from(results.filter(|r| r.unpaid.is_some()).count())?,
            blocks: System::block_number(),
            chosen: self.chosen,
            skipped: self.skipped,
        })
    }

    /// What people gained, what the treasury got and what stays as dust is what was minted less
    /// what was burned.
    fn balance(&self, gained: i128) -> Result<()> {
        let books = ArenaRewards::totals();
        let issued = <Balances as Inspect<AccountId>>::total_issuance();
        let kept = change(self.rewards, wealth(&ArenaRewards::account()))?;
        let made = change(self.issued, issued)?;
        let found = gained + kept + i128::try_from(books.treasury)?;
        ensure!(
            found == made,
            "{found} planck were found where issuance grew by {made}"
        );
        Ok(())
    }

    fn places(&self) -> Vec<Vec<Place>> {
        let trainers = self.cast.trainers.iter().map(|t| t.operator.name);
        let names: BTreeMap<AccountId, Name> = trainers.map(|name| (account(name), name)).collect();
        let results = self.plays.first().map(|play| play.results.iter());
        results
            .into_iter()
            .flatten()
            .map(|result| {
                let models = result.models.iter();
                models
                    .filter_map(|model| Some((*names.get(&model.trainer)?, model.rank)))
                    .collect()
            })
            .collect()
    }
}

fn change(before: Balance, after: Balance) -> Result<i128> {
    Ok(i128::try_from(after)? - i128::try_from(before)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frame_support::traits::fungible::Mutate;

    /// A short play up to its claims.
    fn closed<R>(then: impl FnOnce(&Game) -> R) -> R {
        let mut config = Config::parse(include_str!("../attacks.toml")).expect("is valid");
        config.rounds = 2;
        let chance = Chance::new(1);
        let cast = Cast::honest(&config, &chance);
        let mut state = chain::genesis(&config, &cast).expect("builds");
        let mut game = within(&mut state, || Game::start(&config, &cast, &chance)).expect("starts");
        while !within(&mut state, || game.run(STRETCH)).expect("runs") {}
        within(&mut state, || then(&game))
    }

    #[test]
    fn what_people_gain_should_be_what_was_minted_but_for_treasury_and_dust() {
        let outcome = closed(|game| game.end()).expect("balances");
        assert!(outcome.others > 0);
        assert_eq!(outcome.theirs, 0);
        assert_eq!(outcome.unpaid, 0);
    }

    #[test]
    fn a_planck_from_nowhere_should_be_found() {
        let error = closed(|game| {
            Balances::mint_into(&account(0), 1).expect("mints");
            game.end().err()
        });
        assert!(format!("{:#}", error.expect("is found")).contains("issuance"));
    }

    #[test]
    fn a_planck_that_moved_to_a_stranger_should_be_found() {
        let error = closed(|game| {
            let (from, to) = (account(0), account(Name::MAX - 1));
            let preserve = frame_support::traits::tokens::Preservation::Preserve;
            let amount = arena_primitives::UNIT;
            <Balances as Mutate<AccountId>>::transfer(&from, &to, amount, preserve).expect("moves");
            game.end().err()
        });
        assert!(format!("{:#}", error.expect("is found")).contains("planck"));
    }
}
