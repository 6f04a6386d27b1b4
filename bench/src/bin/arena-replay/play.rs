//! One task from its proposal to its last claim, as its people see it in the chain's state.

use crate::{
    cast::{Part, Seat},
    drive::{BLOCKS_PER_DAY, Queue},
    people::{Key, People},
};
use anyhow::{Context, Result};
use arena_bench::{
    law::Law,
    plan::Rules,
    world::{measured, spec, uris},
};
use arena_primitives::{
    AccountId, BlockNumber, EarlierSketches, Role, Round, ScoreEntries, ScoreEntry, ScoreOutcome,
    TaskId, Venue,
    hash::{Domain, hash, preimage},
    time::Schedule,
};
use arena_runtime::{
    ArenaDelegation, ArenaRewards, ArenaScoring, ArenaTasks, Runtime, RuntimeCall,
};
use pallet_arena_scoring::scores_commitment;
use sp_core::{H256, Pair};
use sp_runtime::Perbill;
use std::collections::BTreeSet;

/// Secret of every commitment: here nobody guesses.
const NONCE: H256 = H256::repeat_byte(9);
/// Root of losses, which the chain doesn't look into.
const SAMPLES_ROOT: H256 = H256::repeat_byte(1);
/// Blocks for service keys at the beginning of enrolment; stakes come after them.
const KEY_BLOCKS: u32 = 8;
/// Days over which a task's claims are spread.
const CLAIM_DAYS: u32 = 14;
/// Blocks that a window's last calls leave free, for those that find theirs full.
const ROOM: u32 = 2;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Proposed(H256),
    Voted(H256),
    Live(TaskId),
    Over,
}

/// What the state showed of a task's rounds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// Submissions that waited when publishing began.
    pub(crate) submissions: u64,
    /// Reveals that waited when a round could be settled.
    pub(crate) reveals: u64,
    /// Scores in them.
    pub(crate) scores: u64,
    /// Results of rounds when the task was over; the chain removes them later.
    pub(crate) rounds: u32,
    /// Of these the unpaid ones.
    pub(crate) unpaid: u32,
    /// What they drew, in base units.
    pub(crate) drawn: u128,
}

/// A task and how far it is.
pub(crate) struct Play {
    pub(crate) part: Part,
    stage: Stage,
    enrolled: bool,
    opened: BTreeSet<Round>,
    drawn: BTreeSet<Round>,
    pub(crate) seen: Seen,
}

impl Play {
    pub(crate) fn new(part: Part) -> Self {
        Play {
            part,
            stage: Stage::Waiting,
            enrolled: false,
            opened: BTreeSet::new(),
            drawn: BTreeSet::new(),
            seen: Seen::default(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Day of the last claims.
    pub(crate) fn last_day(&self) -> u32 {
        self.part.day + self.part.row.days + 6 + CLAIM_DAYS
    }

    /// Decides what is sent from block `next` on. To be called within the state before it.
    pub(crate) fn act(
        &mut self,
        next: BlockNumber,
        people: &People,
        queue: &mut Queue,
        law: &mut Law,
        keyed: &mut BTreeSet<Key>,
    ) -> Result<()> {
        let mut send = Sender {
            next,
            people,
            queue,
            law,
        };
        match self.stage {
            Stage::Waiting if next >= self.part.day * BLOCKS_PER_DAY => self.propose(&mut send),
            Stage::Proposed(hash) => {
                if pallet_arena_tasks::Proposals::<Runtime>::contains_key(hash) {
                    send.approve(hash);
                    self.stage = Stage::Voted(hash);
                }
                Ok(())
            }
            Stage::Voted(hash) => {
                let mut tasks = pallet_arena_tasks::Tasks::<Runtime>::iter();
                if let Some((id, _)) = tasks.find(|(_, task)| task.spec_hash == hash) {
                    self.stage = Stage::Live(id);
                    return self.live(id, &mut send, keyed);
                }
                Ok(())
            }
            Stage::Live(id) => self.live(id, &mut send, keyed),
            Stage::Waiting | Stage::Over => Ok(()),
        }
    }

    fn propose(&mut self, send: &mut Sender) -> Result<()> {
        let mut rewards = Rules::Default.params();
        rewards.committee = self.part.committee;
        let spec = spec(&self.part.row.name, self.part.row.days, rewards)?;
        let creator = send.people.creator();
        let hash = ArenaTasks::spec_hash(&send.people.account(creator)?, &spec);
        send.now(
            creator,
            pallet_arena_tasks::Call::propose {
                spec: Box::new(spec),
            },
        );
        self.stage = Stage::Proposed(hash);
        Ok(())
    }

    fn live(&mut self, id: TaskId, send: &mut Sender, keyed: &mut BTreeSet<Key>) -> Result<()> {
        let task = pallet_arena_tasks::Tasks::<Runtime>::get(id).context("a task is gone")?;
        for live in task.live() {
            if live.round == 0 {
                if !self.enrolled {
                    self.enrolled = true;
                    self.enrol(id, live.schedule.closes, send, keyed)?;
                }
                continue;
            }
            self.round(id, live.round, &live.schedule, send)?;
        }
        if task.is_over() {
            for (_, result) in pallet_arena_scoring::RoundResults::<Runtime>::iter_prefix(id) {
                self.seen.rounds += 1;
                self.seen.unpaid += u32::from(result.unpaid.is_some());
                self.seen.drawn += result.drawn;
            }
            self.claim(id, send)?;
            self.stage = Stage::Over;
        }
        Ok(())
    }

    fn enrol(
        &self,
        id: TaskId,
        closes: BlockNumber,
        send: &mut Sender,
        keyed: &mut BTreeSet<Key>,
    ) -> Result<()> {
        let stakes_from = send.next + KEY_BLOCKS;
        for (role, key, seat) in self.positions(send.people) {
            if keyed.insert(key) {
                let operator = send.people.account(key)?;
                let service = send.people.service(key);
                let message = preimage(Domain::ServiceKeyProof, &operator);
                let set = pallet_arena_staking::Call::set_service_key {
                    key: send.people.account(service)?,
                    proof: send.people.pair(service)?.sign(&message),
                };
                send.between(key, set, send.next, stakes_from);
            }
            let stake = pallet_arena_staking::Call::stake {
                venue: Venue::Task(id),
                role,
                amount: seat.own,
            };
            send.between(key, stake, stakes_from, closes.saturating_sub(ROOM));
        }
        Ok(())
    }

    /// Trainers, then validators.
    fn positions(&self, people: &People) -> Vec<(Role, Key, Seat)> {
        let trainers = self.part.trainers.iter();
        let trainers = trainers.map(|seat| (Role::Trainer, people.trainer(seat.who), *seat));
        let validators = self.part.validators.iter();
        let validators =
            validators.map(|seat| (Role::Validator, people.validator(seat.who), *seat));
        trainers.chain(validators).collect()
    }

    /// What is due of one round.
    fn round(
        &mut self,
        id: TaskId,
        round: Round,
        schedule: &Schedule,
        send: &mut Sender,
    ) -> Result<()> {
        if round <= self.part.row.days && self.opened.insert(round) {
            self.train(id, round, schedule, send)?;
            self.back(id, round, schedule, send)?;
        }
        if send.next == schedule.publish {
            let rows = pallet_arena_tasks::Submissions::<Runtime>::iter_prefix((id, round));
            self.seen.submissions += rows.count() as u64;
        }
        // The hook completes one seed after the other, as its weight allows.
        let is_known = || ArenaScoring::seed(id, round).is_some();
        if send.next > schedule.commit && !self.drawn.contains(&round) && is_known() {
            self.drawn.insert(round);
            self.score(id, round, schedule, send)?;
        }
        if send.next == schedule.settle {
            let rows = pallet_arena_scoring::Reveals::<Runtime>::iter_prefix((id, round));
            for (_, reveal) in rows {
                self.seen.reveals += 1;
                self.seen.scores += reveal.outcomes.iter().flatten().count() as u64;
            }
        }
        Ok(())
    }

    fn train(
        &self,
        id: TaskId,
        round: Round,
        schedule: &Schedule,
        send: &mut Sender,
    ) -> Result<()> {
        let submitting = self.part.submitting.get(round as usize - 1);
        for trainer in submitting.into_iter().flatten() {
            let seat = self.part.trainers.get(*trainer).context("a trainer")?;
            let key = send.people.trainer(seat.who);
            let account = send.people.account(key)?;
            let root = hash(Domain::Submission, &(id, round, &account));
            let commitment = hash(Domain::Submission, &(&account, root, NONCE));
            let submit = pallet_arena_tasks::Call::submit {
                task: id,
                commitment,
            };
            let closes = schedule.closes.saturating_sub(ROOM);
            send.between(key, submit, send.next, closes);
            let publish = pallet_arena_tasks::Call::publish {
                task: id,
                manifest_root: root,
                uris: uris()?,
                nonce: NONCE,
            };
            let service = send.people.service(key);
            let until = schedule.seed.saturating_sub(ROOM);
            send.between(service, publish, schedule.publish, until);
        }
        Ok(())
    }

    fn back(&self, id: TaskId, round: Round, schedule: &Schedule, send: &mut Sender) -> Result<()> {
        let positions = self.positions(send.people);
        for backing in self.part.backings.iter().filter(|b| b.round == round) {
            let (_, operator, _) = positions.get(backing.behind).context("a position")?;
            let delegate = pallet_arena_delegation::Call::delegate {
                venue: Venue::Task(id),
                operator: send.people.account(*operator)?,
                amount: backing.amount,
            };
            let key = send.people.delegator(backing.who);
            let closes = schedule.closes.saturating_sub(ROOM);
            send.between(key, delegate, send.next, closes);
        }
        Ok(())
    }

    /// Every drawn validator commits and reveals.
    fn score(
        &self,
        id: TaskId,
        round: Round,
        schedule: &Schedule,
        send: &mut Sender,
    ) -> Result<()> {
        for seat in &self.part.validators {
            let key = send.people.validator(seat.who);
            let account = send.people.account(key)?;
            let entries = entries(id, round, &account, send.law);
            if entries.is_empty() {
                continue;
            }
            let commitment = scores_commitment(
                &account,
                id,
                round,
                &entries,
                &EarlierSketches::default(),
                SAMPLES_ROOT,
                NONCE,
            );
            let commit = pallet_arena_scoring::Call::commit_scores {
                task: id,
                round,
                commitment,
            };
            let reveal = pallet_arena_scoring::Call::reveal_scores {
                task: id,
                round,
                entries,
                earlier: EarlierSketches::default(),
                samples_root: SAMPLES_ROOT,
                nonce: NONCE,
            };
            let service = send.people.service(key);
            let commits_until = schedule.reveal.saturating_sub(ROOM);
            send.between(service, commit, send.next, commits_until);
            let reveals_until = schedule.settle.saturating_sub(ROOM);
            send.between(service, reveal, schedule.reveal, reveals_until);
        }
        Ok(())
    }

    /// Everybody who has something to claim does, within two weeks.
    fn claim(&self, id: TaskId, send: &mut Sender) -> Result<()> {
        let venue = Venue::Task(id);
        let positions = self.positions(send.people);
        let until = send.next + CLAIM_DAYS * BLOCKS_PER_DAY;
        for (_, key, _) in &positions {
            if ArenaRewards::operator_free(venue, &send.people.account(*key)?) > 0 {
                let claim = pallet_arena_rewards::Call::claim { venue };
                send.between(*key, claim, send.next, until);
            }
        }
        for backing in &self.part.backings {
            let (_, operator, _) = positions.get(backing.behind).context("a position")?;
            let operator = send.people.account(*operator)?;
            let key = send.people.delegator(backing.who);
            if ArenaDelegation::free(venue, &operator, &send.people.account(key)?) > 0 {
                let claim = pallet_arena_delegation::Call::claim { venue, operator };
                send.between(key, claim, send.next, until);
            }
        }
        Ok(())
    }
}

/// What a validator finds for the models that it was drawn for.
fn entries(id: TaskId, round: Round, validator: &AccountId, law: &mut Law) -> ScoreEntries {
    let drawn = ArenaScoring::drawn(id, round, validator);
    let entries = drawn.into_iter().map(|(_, manifest_root)| ScoreEntry {
        manifest_root,
        outcome: ScoreOutcome::Scored(measured(&manifest_root, law)),
        sketch: None,
    });
    ScoreEntries::truncate_from(entries.collect())
}

/// Where decisions go.
struct Sender<'a> {
    next: BlockNumber,
    people: &'a People,
    queue: &'a mut Queue,
    law: &'a mut Law,
}

impl Sender<'_> {
    fn now(&mut self, key: Key, call: impl Into<RuntimeCall>) {
        self.between(key, call, self.next, self.next + 1);
    }

    /// In a block from `from` on and before `until`.
    fn between(
        &mut self,
        key: Key,
        call: impl Into<RuntimeCall>,
        from: BlockNumber,
        until: BlockNumber,
    ) {
        self.queue.send(key, call, from, until, self.law);
    }

    /// What a referendum would do, by the development chain's sudo.
    fn approve(&mut self, spec_hash: H256) {
        let approve = RuntimeCall::from(pallet_arena_tasks::Call::approve {
            spec_hash,
            max_share: Perbill::one(),
        });
        let call = pallet_sudo::Call::sudo {
            call: Box::new(approve),
        };
        self.now(self.people.creator(), call);
    }
}
