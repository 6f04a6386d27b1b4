//! Records, and the life of a task with its legal moves.

use arena_primitives::{
    AccountId, Balance, BlockNumber, Round, ShardState, TaskPhase, TaskSpec, Uris,
    time::{RoundPhase, Schedule},
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use scale_info::TypeInfo;
use sp_core::H256;
use sp_runtime::Perbill;

/// Most rounds that are alive at once: one takes submissions while the one before is scored.
pub const MAX_LIVE_ROUNDS: u32 = 2;
/// How many of the best models of final validation are kept as a task's result.
pub const MAX_WINNERS: u32 = 3;

/// A spec that is voted on.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Proposal {
    /// Who proposed it, and will be the task's creator.
    pub proposer: AccountId,
    /// What is proposed.
    pub spec: TaskSpec,
    /// What is held of the proposer.
    pub deposit: Balance,
    /// The last block in which it can be approved.
    pub expires: BlockNumber,
}

/// A round that is not settled yet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct LiveRound {
    /// Its number.
    pub round: Round,
    /// Its windows.
    pub schedule: Schedule,
    /// Whether its models have been fixed.
    pub fixed: bool,
    /// Its evaluation data.
    pub shard: ShardState,
}

impl LiveRound {
    /// A round whose models are not fixed.
    pub fn new(round: Round, schedule: Schedule, sealed: bool) -> Self {
        LiveRound {
            round,
            schedule,
            fixed: false,
            shard: if sealed && round > 0 {
                ShardState::Awaited
            } else {
                ShardState::NotSealed
            },
        }
    }

    /// Enrolment has no models.
    fn wants_fixing(&self, now: BlockNumber) -> bool {
        self.round > 0 && !self.fixed && now >= self.schedule.seed
    }
}

/// Why a task ended before it was closed.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    TypeInfo,
    MaxEncodedLen,
)]
pub enum EndReason {
    /// Called off by governance.
    #[codec(index = 0)]
    Cancelled,
    /// Its creator missed a shard and can't cover another bond.
    #[codec(index = 1)]
    Unbonded,
}

/// Where a task stands, with exactly the data that is valid there.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub enum TaskState {
    /// Enrolment and submission rounds. Unsettled rounds, oldest first; empty only between the
    /// settlement of the last one and the next tick.
    #[codec(index = 0)]
    Submission {
        /// Unsettled rounds.
        rounds: BoundedVec<LiveRound, ConstU32<MAX_LIVE_ROUNDS>>,
    },
    /// The last round, which takes no submissions.
    #[codec(index = 1)]
    FinalValidation {
        /// Round `x0 + 1`.
        round: LiveRound,
    },
    /// Cases can be opened.
    #[codec(index = 2)]
    Challenge {
        /// The first block in which the task can be closed.
        until: BlockNumber,
    },
    /// Paid.
    #[codec(index = 3)]
    Closed {
        /// In this block.
        at: BlockNumber,
    },
    /// Ended before that.
    #[codec(index = 4)]
    Ended {
        /// Why.
        reason: EndReason,
        /// In this block.
        at: BlockNumber,
    },
}

/// What time asks of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Open this round; the ones before it are closed and at most one is unsettled.
    OpenRound(Round),
    /// Fix the models of this round.
    Fix(Round),
    /// Take the bond for the shard of this round, which is overdue.
    MissShard(Round),
    /// Start final validation as this round.
    StartFinal(Round),
    /// Start the challenge phase.
    StartChallenge,
    /// Close.
    Close,
    /// Remove rows of a task that is over.
    Prune,
}

/// A task that was approved. Never removed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Task {
    /// Who proposed it; gets back what is left of the bounty, takes no role.
    pub creator: AccountId,
    /// Under which its spec was voted on.
    pub spec_hash: H256,
    /// The most that it may draw of the emission.
    pub max_share: Perbill,
    /// The latest round that was opened.
    pub opened: Round,
    /// The latest round that was settled. Enrolment counts as settled when it closes.
    pub settled: Option<Round>,
    /// Where it stands.
    pub state: TaskState,
    /// It finishes the rounds that are alive, opens no other, and doesn't close.
    pub paused: bool,
}

impl Task {
    /// A task whose enrolment opens.
    pub fn enrolling(
        creator: AccountId,
        spec_hash: H256,
        max_share: Perbill,
        schedule: Schedule,
    ) -> Self {
        let mut rounds = BoundedVec::new();
        // A list of two has room for one.
        let _ = rounds.try_push(LiveRound::new(0, schedule, false));
        Task {
            creator,
            spec_hash,
            max_share,
            opened: 0,
            settled: None,
            state: TaskState::Submission { rounds },
            paused: false,
        }
    }

    /// What is due at `now`; `last` is `x0`. Of several steps the one that must come first.
    pub fn due(&self, now: BlockNumber, last: Round) -> Option<Step> {
        if let Some(live) = self.live().iter().find(|live| live.wants_fixing(now)) {
            return Some(Step::Fix(live.round));
        }
        if let Some(live) = self.live().iter().find(|live| live.misses_shard(now)) {
            return Some(Step::MissShard(live.round));
        }
        match &self.state {
            TaskState::Submission { rounds } => {
                let closed = rounds.last().is_none_or(|live| now >= live.schedule.closes);
                let unsettled = rounds.iter().filter(|live| live.round > 0).count();
                if !closed || self.paused {
                    None
                } else if self.opened < last {
                    (unsettled < MAX_LIVE_ROUNDS as usize)
                        .then(|| Step::OpenRound(self.opened.saturating_add(1)))
                } else {
                    (unsettled == 0).then(|| Step::StartFinal(last.saturating_add(1)))
                }
            }
            TaskState::FinalValidation { round } => {
                (self.settled == Some(round.round)).then_some(Step::StartChallenge)
            }
            TaskState::Challenge { until } => {
                (now >= *until && !self.paused).then_some(Step::Close)
            }
            TaskState::Closed { .. } | TaskState::Ended { .. } => Some(Step::Prune),
        }
    }

    /// Submission goes on with `live`. `false` if that is no legal move.
    pub fn open_round(&mut self, live: LiveRound) -> bool {
        let TaskState::Submission { rounds } = &mut self.state else {
            return false;
        };
        if live.round != self.opened.saturating_add(1) {
            return false;
        }
        if self.opened == 0 {
            // Enrolment has nothing to settle.
            rounds.retain(|enrolment| enrolment.round > 0);
            self.settled = Some(0);
        }
        let opened = live.round;
        if rounds.try_push(live).is_err() {
            return false;
        }
        self.opened = opened;
        true
    }

    /// Submission → final validation. `false` if that is no legal move.
    pub fn start_final(&mut self, live: LiveRound) -> bool {
        let ready = matches!(&self.state, TaskState::Submission { rounds } if rounds.is_empty());
        if ready {
            self.opened = live.round;
            self.state = TaskState::FinalValidation { round: live };
        }
        ready
    }

    /// Final validation → challenge. `false` if that is no legal move.
    pub fn start_challenge(&mut self, until: BlockNumber) -> bool {
        let ready = matches!(&self.state, TaskState::FinalValidation { round }
            if self.settled == Some(round.round));
        if ready {
            self.state = TaskState::Challenge { until };
        }
        ready
    }

    /// Challenge → closed. `false` if that is no legal move.
    pub fn close(&mut self, at: BlockNumber) -> bool {
        let ready = matches!(self.state, TaskState::Challenge { until } if at >= until);
        if ready {
            self.state = TaskState::Closed { at };
        }
        ready
    }

    /// Anything that isn't over → ended. `false` if it is over.
    pub fn end(&mut self, reason: EndReason, at: BlockNumber) -> bool {
        let ready = !self.is_over();
        if ready {
            self.state = TaskState::Ended { reason, at };
        }
        ready
    }

    /// A round was paid. `false` if it wasn't alive.
    pub fn settle(&mut self, round: Round) -> bool {
        let alive = match &mut self.state {
            TaskState::Submission { rounds } => {
                let before = rounds.len();
                rounds.retain(|live| live.round != round);
                rounds.len() < before
            }
            TaskState::FinalValidation { round: live } => {
                live.round == round && self.settled != Some(round)
            }
            _ => false,
        };
        if alive {
            self.settled = self.settled.max(Some(round));
        }
        alive
    }

    /// Notes that a round's models are fixed.
    pub fn mark_fixed(&mut self, round: Round) {
        if let Some(live) = self.live_mut(round) {
            live.fixed = true;
        }
    }

    /// Notes what became of a round's shard.
    pub fn mark_shard(&mut self, round: Round, shard: ShardState) {
        if let Some(live) = self.live_mut(round) {
            live.shard = shard;
        }
    }

    /// Nothing is to be scored in a round: a shard that is still sealed stays so, and costs nobody
    /// anything.
    pub fn spare_shard(&mut self, round: Round) {
        if let Some(live) = self.live_mut(round)
            && live.shard == ShardState::Awaited
        {
            live.shard = ShardState::NotSealed;
        }
    }

    fn live_mut(&mut self, round: Round) -> Option<&mut LiveRound> {
        match &mut self.state {
            TaskState::Submission { rounds } => rounds.iter_mut().find(|live| live.round == round),
            TaskState::FinalValidation { round: live } => Some(live).filter(|l| l.round == round),
            _ => None,
        }
    }

    /// Rounds that are not settled, oldest first.
    pub fn live(&self) -> &[LiveRound] {
        match &self.state {
            TaskState::Submission { rounds } => rounds,
            TaskState::FinalValidation { round } if self.settled != Some(round.round) => {
                core::slice::from_ref(round)
            }
            _ => &[],
        }
    }

    /// The submission round in this phase; never final validation, which takes no models.
    pub fn submission_round(&self, phase: RoundPhase, now: BlockNumber) -> Option<&LiveRound> {
        match &self.state {
            TaskState::Submission { rounds } => {
                rounds.iter().find(|live| live.schedule.phase(now) == phase)
            }
            _ => None,
        }
    }

    /// Closed or ended.
    pub fn is_over(&self) -> bool {
        matches!(
            self.state,
            TaskState::Closed { .. } | TaskState::Ended { .. }
        )
    }

    /// The state without its data.
    pub fn phase(&self) -> TaskPhase {
        match self.state {
            TaskState::Submission { .. } => TaskPhase::Submission,
            TaskState::FinalValidation { .. } => TaskPhase::FinalValidation,
            TaskState::Challenge { .. } => TaskPhase::Challenge,
            TaskState::Closed { .. } => TaskPhase::Closed,
            TaskState::Ended { .. } => TaskPhase::Cancelled,
        }
    }
}

/// A commitment to a model that is not public yet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Submission {
    /// `H(operator ‖ manifest_root ‖ nonce)`.
    pub commitment: H256,
    /// Made in this block.
    pub at: BlockNumber,
}

/// A model with the first round that counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Dated {
    /// The model.
    pub manifest_root: H256,
    /// The first round that counts it.
    pub from_round: Round,
}

/// A trainer's published models: the newest, and the one that it replaced, which a round that
/// is still to be fixed may count.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct StandingModel {
    /// The newest.
    pub current: Dated,
    /// The one before.
    pub previous: Option<Dated>,
}

impl StandingModel {
    /// The model that `round` counts.
    pub fn of_round(&self, round: Round) -> Option<H256> {
        [Some(self.current), self.previous]
            .into_iter()
            .flatten()
            .find(|dated| dated.from_round <= round)
            .map(|dated| dated.manifest_root)
    }

    /// With `newer` on top.
    pub fn replaced_by(self, newer: Dated) -> Self {
        let previous = if self.current.from_round < newer.from_round {
            Some(self.current)
        } else {
            self.previous
        };
        StandingModel {
            current: newer,
            previous,
        }
    }

    /// Without the model of `round`; `None` if nothing is left.
    pub fn without(self, round: Round) -> Option<Self> {
        if self.current.from_round == round {
            self.previous.map(|current| StandingModel {
                current,
                previous: None,
            })
        } else {
            Some(self)
        }
    }
}

/// Whose a root is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct RootOwner {
    /// Who committed to it first, of those who published it.
    pub trainer: AccountId,
    /// In this block.
    pub committed_at: BlockNumber,
    /// Where it can be fetched.
    pub uris: Uris,
}

impl RootOwner {
    /// Whether a commitment of `trainer` in block `at` comes before. In the same block the
    /// smaller account is first: before publication nobody else knows a root, so that two
    /// commitments to one root in one block come from one hand, and any fixed order does.
    pub fn is_preceded_by(&self, trainer: &AccountId, at: BlockNumber) -> bool {
        (at, trainer) < (self.committed_at, &self.trainer)
    }
}

/// One of the best models of final validation.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Winner {
    /// Whose.
    pub trainer: AccountId,
    /// Which.
    pub manifest_root: H256,
    /// Its score.
    pub score: Perbill,
    /// Where it can be fetched.
    pub uris: Uris,
}

/// What a closed task leaves.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct TaskResult {
    /// The best models, best first.
    pub winners: BoundedVec<Winner, ConstU32<MAX_WINNERS>>,
    /// SPDX expression under which they are licensed.
    pub licence: BoundedVec<u8, ConstU32<64>>,
}
