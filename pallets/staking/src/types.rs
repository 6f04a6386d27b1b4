//! A position and its history, the limits of staking, and what unbonds.

use arena_primitives::{
    AccountId, Balance, BlockNumber, MAX_TRAINERS, MAX_VALIDATORS, Role, Round, StakeSnapshot,
    TimeParameters, UNIT, Venue, time::Windows,
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_runtime::Perbill;

/// Snapshots that a position keeps.
///
/// Asked for are the open round and the one before it. They need the last change that counts
/// for the earlier of them, one that counts from the open round and one from the next; the
/// fourth is for whoever asks a little further back.
pub const MAX_HISTORY: u32 = 4;

/// Amounts of one account that unbond at a time.
pub const MAX_CHUNKS: u32 = 32;

/// From which round on a position was worth how much, ascending.
pub type History = BoundedVec<(Round, StakeSnapshot), ConstU32<MAX_HISTORY>>;

/// What of an account unbonds.
pub type Chunks = BoundedVec<UnbondingChunk, ConstU32<MAX_CHUNKS>>;

/// An operator in a venue.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo, MaxEncodedLen,
)]
pub struct Position {
    /// What it does there.
    pub role: Role,
    /// Own stake now.
    pub own: Balance,
    /// Delegated stake now.
    pub delegated: Balance,
    /// What the operator takes of its delegators' part; see [`Position::commission_at`].
    pub commission: Perbill,
    /// The commission that takes its place, and when.
    pub pending_commission: Option<(Perbill, BlockNumber)>,
    /// When it last got its seat; the earlier wins a tie.
    pub registered_at: BlockNumber,
    /// What rounds see.
    pub history: History,
}

impl Position {
    /// A position without stake.
    pub fn new(role: Role, registered_at: BlockNumber) -> Self {
        Position {
            role,
            own: 0,
            delegated: 0,
            commission: Perbill::zero(),
            pending_commission: None,
            registered_at,
            history: History::new(),
        }
    }

    /// Own and delegated stake now.
    pub fn now(&self) -> StakeSnapshot {
        StakeSnapshot {
            own: self.own,
            delegated: self.delegated,
        }
    }

    /// The commission in force at block `now`.
    pub fn commission_at(&self, now: BlockNumber) -> Perbill {
        match self.pending_commission {
            Some((commission, from)) if from <= now => commission,
            _ => self.commission,
        }
    }

    /// What `round` counts: the last change that was made before it.
    pub fn snapshot_at(&self, round: Round) -> Option<StakeSnapshot> {
        let seen = self.history.iter().rev().find(|(from, _)| *from <= round);
        seen.map(|(_, snapshot)| *snapshot)
    }

    /// Notes today's stake as what rounds from `next_round` on count.
    ///
    /// The oldest entry goes when there is no room. With changes recorded for the round after
    /// the open one at the earliest, at least two older entries lie before the open round then,
    /// so the one that the round before it counts always stays.
    pub fn record(&mut self, next_round: Round) {
        let entry = (next_round, self.now());
        match self.history.last_mut() {
            // Also for a round that lies back: no round may see a later state than the next.
            Some(last) if last.0 >= next_round => last.1 = entry.1,
            _ => {
                if self.history.is_full() {
                    self.history.remove(0);
                }
                // There is room now.
                self.history.force_push(entry);
            }
        }
    }

    /// Does `round` or a later one count own stake here?
    pub fn counts_since(&self, round: Round) -> bool {
        for (from, snapshot) in self.history.iter().rev() {
            if snapshot.own > 0 {
                return true;
            }
            if *from <= round {
                return false;
            }
        }
        false
    }
}

/// Stake that leaves.
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
pub struct UnbondingChunk {
    /// Where it was at stake: faults there can still take it.
    pub venue: Venue,
    /// How much.
    pub amount: Balance,
    /// It can be withdrawn from this block on.
    pub until: BlockNumber,
}

/// Limits of stake and seats; production's by default.
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
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct StakeLimits {
    /// Least own stake of an author of blocks.
    pub min_own_author: Balance,
    /// Least own stake of a task's validator.
    pub min_own_validator: Balance,
    /// Least own stake of a trainer.
    pub min_own_trainer: Balance,
    /// Most authors.
    pub seats_authors: u32,
    /// Most validators of a task.
    pub seats_validators: u32,
    /// Most trainers of a task.
    pub seats_trainers: u32,
    /// Fewer candidates than this elect nobody: the old set stays.
    pub min_authors: u32,
    /// Least delegation.
    pub min_delegation: Balance,
    /// Highest commission.
    pub commission_cap: Perbill,
    /// A position in `Network` counts at most this many times its own stake; 0 is no limit.
    pub max_leverage: u32,
}

impl Default for StakeLimits {
    fn default() -> Self {
        StakeLimits {
            min_own_author: 10_000 * UNIT,
            min_own_validator: 1_000 * UNIT,
            min_own_trainer: 100 * UNIT,
            seats_authors: 100,
            seats_validators: 512,
            seats_trainers: 256,
            min_authors: 4,
            min_delegation: UNIT,
            commission_cap: Perbill::from_percent(50),
            max_leverage: 20,
        }
    }
}

impl StakeLimits {
    /// Least own stake for a role.
    pub fn min_own(&self, venue: Venue, role: Role) -> Balance {
        match (venue, role) {
            (Venue::Network, _) => self.min_own_author,
            (Venue::Task(_), Role::Validator) => self.min_own_validator,
            (Venue::Task(_), Role::Trainer) => self.min_own_trainer,
        }
    }

    /// Seats for a role.
    pub fn seats(&self, venue: Venue, role: Role) -> u32 {
        match (venue, role) {
            (Venue::Network, _) => self.seats_authors,
            (Venue::Task(_), Role::Validator) => self.seats_validators,
            (Venue::Task(_), Role::Trainer) => self.seats_trainers,
        }
    }

    /// Names the first limit that cannot hold.
    pub fn validate(&self) -> Result<(), &'static str> {
        let stakes = [
            self.min_own_author,
            self.min_own_validator,
            self.min_own_trainer,
        ];
        if stakes.contains(&0) || self.min_delegation == 0 {
            return Err("limits: least stakes must be above 0");
        }
        if self.seats_authors > MAX_VALIDATORS || self.seats_validators > MAX_VALIDATORS {
            return Err("limits: more seats of authors or validators than MAX_VALIDATORS");
        }
        if self.seats_trainers > MAX_TRAINERS {
            return Err("limits: more seats of trainers than MAX_TRAINERS");
        }
        if self.min_authors == 0 || self.min_authors > self.seats_authors {
            return Err("limits: minAuthors must be from 1 to seatsAuthors");
        }
        Ok(())
    }
}

/// Production's time: slots of 6 s, 14,400 blocks a day.
pub fn default_time() -> TimeParameters {
    TimeParameters {
        slot_millis: 6_000,
        epoch_slots: 600,
        blocks_per_day: 14_400,
        windows: Windows {
            gap: 100,
            publish: 1_200,
            seed: 16,
            commit: 7_200,
            reveal: 3_600,
        },
        unbonding_minutes: 7 * 1_440,
        commission_notice_minutes: 1_440,
    }
}

/// Names the first value that breaks a floor of protocol section 11 or doesn't fit a round.
pub fn validate_time(time: &TimeParameters) -> Result<(), &'static str> {
    let Windows {
        gap,
        publish,
        seed,
        commit,
        reveal,
    } = time.windows;
    if gap < 1 || publish < 2 || seed < 2 || commit < 8 || reveal < 4 {
        return Err(
            "time: a window is below its floor (gap 1, publish 2, seed 2, commit 8, reveal 4)",
        );
    }
    if time.windows.total() > time.blocks_per_day {
        return Err("time: the windows of a round don't fit a day");
    }
    if time.epoch_slots < 10 {
        return Err("time: an epoch needs at least 10 slots");
    }
    if time.slot_millis == 0 {
        return Err("time: slotMillis must be above 0");
    }
    Ok(())
}

/// Takes an author that misbehaved out of block production at once. Implemented by the
/// runtime over the session's disabling.
pub trait Disabling {
    /// `who` committed a fault that costs `fraction` of its stake.
    fn disable(who: &AccountId, fraction: Perbill);
}

impl Disabling for () {
    fn disable(_: &AccountId, _: Perbill) {}
}
