//! A second book of what happened, kept from events and from looking on, and compared with the
//! chain's own.

use super::checks::{Verdict, fail};
use crate::{configs::arena::AllVenues, *};
use arena_primitives::{
    Role, Round, StakeSnapshot, TaskId, TaskPhase, Venue,
    traits::{Results, Stakes, TaskStates, Venues},
};
use std::collections::{BTreeMap, BTreeSet};

/// What of a payee's reward its delegators' accumulator may leave over, in base units.
const DUST: Balance = 1_000;

type Positions = BTreeMap<AccountId, (Role, StakeSnapshot)>;
type PerOperator = BTreeMap<AccountId, Balance>;

/// How tasks' lives went.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Lives {
    pub(super) settled: u64,
    pub(super) paid: u64,
    pub(super) closed: u64,
    pub(super) cancelled: u64,
    pub(super) offences: u64,
    pub(super) deferred: u64,
    pub(super) called_off: u64,
    pub(super) displaced: u64,
    pub(super) chilled: u64,
    pub(super) convicted: u64,
    pub(super) acquitted: u64,
    pub(super) undecided: u64,
    pub(super) moot: u64,
    pub(super) dropped: u64,
    pub(super) sessions: u64,
    pub(super) blocks: u64,
}

impl Lives {
    pub(super) fn add(&mut self, other: Lives) {
        self.settled += other.settled;
        self.paid += other.paid;
        self.closed += other.closed;
        self.cancelled += other.cancelled;
        self.offences += other.offences;
        self.deferred += other.deferred;
        self.called_off += other.called_off;
        self.displaced += other.displaced;
        self.chilled += other.chilled;
        self.convicted += other.convicted;
        self.acquitted += other.acquitted;
        self.undecided += other.undecided;
        self.moot += other.moot;
        self.dropped += other.dropped;
        self.sessions += other.sessions;
        self.blocks += other.blocks;
    }
}

/// The second book.
pub(super) struct Shadow {
    issuance_at_genesis: Balance,
    /// What events say was slashed or forfeited.
    burned: Balance,
    /// The open round of each venue that lives.
    open: BTreeMap<Venue, Round>,
    /// What was there when a round was opened, which is what it must count.
    seen: BTreeMap<(Venue, Round), Positions>,
    /// What events say was booked for a round.
    booked: BTreeMap<(TaskId, Round), PerOperator>,
    settled: BTreeSet<(TaskId, Round)>,
    /// Own stake that each pending slash of `Network` will take.
    pending: BTreeMap<u32, Balance>,
    pub(super) lives: Lives,
}

fn positions(venue: Venue) -> Positions {
    pallet_arena_staking::Positions::<Runtime>::iter_prefix(venue)
        .map(|(who, position)| (who, (position.role, position.now())))
        .collect()
}

/// `Network`, and the tasks that aren't over, with their open rounds.
fn open_rounds() -> BTreeMap<Venue, Round> {
    let active = pallet_arena_tasks::Active::<Runtime>::get();
    let tasks = active
        .into_iter()
        .map(Venue::Task)
        .filter(|venue| !AllVenues::ended(*venue));
    tasks
        .chain([Venue::Network])
        .filter_map(|venue| Some((venue, AllVenues::current_round(venue)?)))
        .collect()
}

impl Shadow {
    pub(super) fn at_genesis() -> Self {
        let open = open_rounds();
        let seen = open
            .iter()
            .map(|(venue, round)| ((*venue, *round), positions(*venue)));
        Shadow {
            // Burned and minted are 0.
            issuance_at_genesis: Balances::total_issuance(),
            burned: 0,
            seen: seen.collect(),
            open,
            booked: BTreeMap::new(),
            settled: BTreeSet::new(),
            pending: BTreeMap::new(),
            lives: Lives::default(),
        }
    }

    /// What venues hold whose next round the block may open.
    pub(super) fn before_block(&mut self, n: BlockNumber) -> BTreeMap<Venue, Positions> {
        let may_open = |venue: &Venue| match venue {
            Venue::Network => true,
            Venue::Task(id) => {
                let task = pallet_arena_tasks::Tasks::<Runtime>::get(id);
                let last = ArenaTasks::spec(*id).map_or(0, |spec| spec.rounds);
                task.is_some_and(|task| task.due(n, last).is_some())
            }
        };
        let venues = self.open.keys().copied().filter(may_open);
        venues.map(|venue| (venue, positions(venue))).collect()
    }

    /// Notes the rounds that the block's hooks opened. Slashes that hooks applied and authors
    /// that the end of a session chilled come before the session that begins.
    pub(super) fn after_block(&mut self, mut before: BTreeMap<Venue, Positions>) {
        use pallet_arena_staking::Event;
        self.lives.blocks += 1;
        if let Some(network) = before.get_mut(&Venue::Network) {
            for record in System::read_events_no_consensus() {
                let RuntimeEvent::ArenaStaking(
                    Event::SlashApplied { operator, .. }
                    | Event::Slashed {
                        venue: Venue::Network,
                        operator,
                        ..
                    }
                    | Event::Chilled {
                        venue: Venue::Network,
                        operator,
                    },
                ) = record.event
                else {
                    continue;
                };
                let now = ArenaStaking::position(Venue::Network, &operator);
                match now {
                    Some(position) => network.insert(operator, (position.role, position.now())),
                    None => network.remove(&operator),
                };
            }
        }
        self.look(before);
    }

    /// Reads the events of a call or a block. No call that opens a round changes positions.
    pub(super) fn after_call(&mut self) -> Verdict {
        self.look(BTreeMap::new());
        self.read_events()
    }

    fn look(&mut self, mut before: BTreeMap<Venue, Positions>) {
        let open = open_rounds();
        if open == self.open {
            return;
        }
        for (venue, round) in &open {
            if self.open.get(venue) == Some(round) {
                continue;
            }
            self.lives.sessions += u64::from(*venue == Venue::Network);
            let there = before.remove(venue).unwrap_or_else(|| positions(*venue));
            self.seen.insert((*venue, *round), there);
        }
        self.open = open;
        let open = &self.open;
        self.seen
            .retain(|(venue, round), _| open.get(venue).is_some_and(|now| round + 1 >= *now));
    }

    fn read_events(&mut self) -> Verdict {
        let mut settled = Vec::new();
        for record in System::read_events_no_consensus() {
            match record.event {
                RuntimeEvent::ArenaStaking(event) => self.read_staking(event)?,
                RuntimeEvent::ArenaDelegation(event) => self.read_delegation(event),
                RuntimeEvent::ArenaRewards(event) => self.read_rewards(event)?,
                RuntimeEvent::ArenaChallenges(event) => self.read_cases(event)?,
                RuntimeEvent::ArenaScoring(pallet_arena_scoring::Event::RoundSettled {
                    task,
                    round,
                    ..
                }) => settled.push((task, round)),
                RuntimeEvent::ArenaTasks(pallet_arena_tasks::Event::Closed { .. }) => {
                    self.lives.closed += 1;
                }
                RuntimeEvent::ArenaTasks(pallet_arena_tasks::Event::Ended { .. }) => {
                    self.lives.cancelled += 1;
                }
                _ => {}
            }
        }
        for (task, round) in settled {
            self.payouts_are_the_result(task, round)?;
        }
        let books = ArenaRewards::totals().burned;
        if self.burned != books {
            let seen = self.burned;
            return fail(
                "slashes_are_burned",
                format!("events took {seen}, {books} is gone"),
            );
        }
        Ok(())
    }

    fn read_staking(&mut self, event: pallet_arena_staking::Event<Runtime>) -> Verdict {
        use pallet_arena_staking::Event;
        match event {
            Event::Slashed { amount, paid, .. } => self.burned += amount - paid,
            Event::SlashDeferred { index, own, .. } => {
                self.lives.deferred += 1;
                self.pending.insert(index, own);
            }
            Event::SlashCancelled { index, .. } => {
                self.lives.called_off += 1;
                self.pending.remove(&index);
            }
            Event::SlashApplied {
                index,
                operator,
                own,
                ..
            } => {
                let due = self.pending.remove(&index).unwrap_or(0);
                let left = super::offences::at_risk(&operator);
                if own > due || (own < due && left > 0) {
                    return fail(
                        "offences_are_slashed",
                        format!("{own} taken of {due} due, {left} left"),
                    );
                }
            }
            Event::Displaced { .. } => self.lives.displaced += 1,
            Event::Chilled { .. } => self.lives.chilled += 1,
            _ => {}
        }
        Ok(())
    }

    fn read_delegation(&mut self, event: pallet_arena_delegation::Event<Runtime>) {
        use pallet_arena_delegation::Event;
        match event {
            Event::SlashApplied { amount, .. } => self.burned += amount,
            Event::Withdrawn { slashed, .. } => self.burned += slashed,
            _ => {}
        }
    }

    /// How cases ended. Who accuses itself gains nothing: challengers get no more than the stake
    /// that is gone, and half of the rewards.
    fn read_cases(&mut self, event: pallet_arena_challenges::Event<Runtime>) -> Verdict {
        use pallet_arena_challenges::{Event, Verdict as Ending};
        let Event::CaseClosed {
            case,
            verdict,
            forfeited,
            slashed,
            to_challengers,
            ..
        } = event
        else {
            return Ok(());
        };
        let lives = &mut self.lives;
        *match verdict {
            Ending::Convicted => &mut lives.convicted,
            Ending::Acquitted => &mut lives.acquitted,
            Ending::Undecided => &mut lives.undecided,
            Ending::Moot => &mut lives.moot,
            Ending::Cancelled => &mut lives.dropped,
        } += 1;
        let convicted = verdict == Ending::Convicted;
        if to_challengers > slashed.min(forfeited / 2) || (forfeited > 0 && !convicted) {
            return fail(
                "nobody_gains_by_its_own_conviction",
                format!("case {case}: {to_challengers} of {forfeited}, {slashed} slashed"),
            );
        }
        Ok(())
    }

    fn read_rewards(&mut self, event: pallet_arena_rewards::Event<Runtime>) -> Verdict {
        match event {
            pallet_arena_rewards::Event::Forfeited { burned, .. } => self.burned += burned,
            pallet_arena_rewards::Event::Earned {
                venue: Venue::Task(task),
                round,
                operator,
                to_operator,
                to_delegators,
            } => {
                if self.settled.contains(&(task, round)) {
                    return fail(
                        "payouts_are_the_result",
                        format!("round {round} of task {task} paid after its settlement"),
                    );
                }
                let booked = self.booked.entry((task, round)).or_default();
                *booked.entry(operator).or_default() += to_operator + to_delegators;
            }
            _ => {}
        }
        Ok(())
    }

    /// What was booked for each payee of a round is what its result says, once; and no more than
    /// was drawn.
    fn payouts_are_the_result(&mut self, task: TaskId, round: Round) -> Verdict {
        const NAME: &str = "payouts_are_the_result";
        let mut booked = self.booked.remove(&(task, round)).unwrap_or_default();
        self.settled.insert((task, round));
        self.lives.settled += 1;
        let Some(result) = <ArenaScoring as Results>::result(task, round) else {
            return fail(NAME, format!("round {round} of task {task} has no result"));
        };
        self.lives.paid += u64::from(result.unpaid.is_none());
        let whole: Balance = booked.values().sum();
        if whole + result.treasury > result.drawn {
            let drawn = result.drawn;
            return fail(
                NAME,
                format!("round {round} of task {task} drew {drawn} and paid {whole}"),
            );
        }
        let models = result.models.into_iter().map(|m| (m.trainer, m.reward));
        let validators = result
            .validators
            .into_iter()
            .map(|v| (v.validator, v.reward));
        for (who, reward) in models.chain(validators) {
            let got = booked.remove(&who).unwrap_or(0);
            let taken =
                pallet_arena_rewards::Forfeited::<Runtime>::contains_key(Venue::Task(task), &who);
            if got > reward || (!taken && reward - got > DUST) {
                return fail(
                    NAME,
                    format!("round {round} of task {task}: {got} was booked of {reward}"),
                );
            }
        }
        if let Some((who, amount)) = booked.into_iter().next() {
            return fail(
                NAME,
                format!("{amount} was booked for {who}, who earned none"),
            );
        }
        Ok(())
    }

    /// `genesis + minted − burned`.
    pub(super) fn issuance(&self) -> Verdict {
        let books = ArenaRewards::totals();
        let there = Balances::total_issuance() + books.burned;
        let booked = self.issuance_at_genesis + books.minted;
        if there != booked {
            return fail(
                "issuance",
                format!("{there} with what was burned, {booked} booked"),
            );
        }
        Ok(())
    }

    /// Each round counts what was there when it was opened, now and while the next one runs.
    pub(super) fn rounds_count_what_was_there(&self) -> Verdict {
        for ((venue, round), seen) in &self.seen {
            for who in positions(*venue).keys().chain(seen.keys()) {
                let then = seen.get(who).map(|(_, stake)| *stake);
                let then = then.filter(|stake| stake.own > 0);
                let counted = ArenaStaking::counted(*venue, who, *round).map(|c| c.stake);
                if counted != then {
                    return fail(
                        "rounds_count_what_was_there",
                        format!("{venue:?}, round {round}: {counted:?} for {then:?}"),
                    );
                }
            }
        }
        Ok(())
    }

    /// What draws for a task is what its open round counts, as long as rounds are to be paid; or
    /// nothing, where a pause let the last round end that was alive.
    pub(super) fn counted_stake_draws(&self) -> Verdict {
        for (venue, round) in &self.open {
            let Venue::Task(id) = *venue else { continue };
            let Some(row) = pallet_arena_rewards::Tasks::<Runtime>::get(id) else {
                return fail("counted_stake_draws", format!("task {id} can't draw"));
            };
            let alive = pallet_arena_tasks::Tasks::<Runtime>::get(id)
                .is_some_and(|task| !task.live().is_empty());
            let draws = alive || ArenaTasks::phase(id) == Some(TaskPhase::Submission);
            let leverage = ArenaTasks::spec(id).map_or(0, |spec| spec.rewards.max_leverage);
            let seen = self.seen.get(&(*venue, *round));
            let stakes = seen.into_iter().flat_map(|seen| seen.values());
            // Own stake may be gone with what was delegated left.
            let stakes = stakes.filter(|(_, stake)| draws && stake.own > 0);
            let counted: Balance = stakes.map(|(_, stake)| stake.counted(leverage)).sum();
            let rests = !alive && row.counted == 0;
            if row.counted != counted && !rests {
                let draws = row.counted;
                return fail(
                    "counted_stake_draws",
                    format!("task {id}: {draws} draws, {counted} counts"),
                );
            }
        }
        Ok(())
    }
}
