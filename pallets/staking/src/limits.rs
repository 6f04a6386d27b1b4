//! What genesis sets: limits of stake and seats, which governance may change, and time.

use crate::{Config, GenesisConfig, Limits, Pallet, Time};
use arena_primitives::{
    Balance, MAX_TRAINERS, MAX_VALIDATORS, Role, TimeParameters, UNIT, Venue,
    spec::MAX_ROUNDS,
    time::{MINUTES_PER_DAY, Windows},
};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::Get;
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};
use sp_runtime::Perbill;

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
    /// For how long governance can cancel a slash of `Network`, in minutes; two days where the
    /// genesis names none.
    #[serde(default = "default_deferral")]
    pub slash_deferral_minutes: u32,
}

fn default_deferral() -> u32 {
    2 * MINUTES_PER_DAY
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
            slash_deferral_minutes: default_deferral(),
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
        if self.seats_validators == 0 || self.seats_trainers == 0 {
            return Err("limits: each role needs a seat");
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
        challenge_days: 5,
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
    if !(1..=MAX_ROUNDS).contains(&time.challenge_days) {
        return Err("time: challengeDays must be from 1 to 366");
    }
    Ok(())
}

/// Refuses slashes that are applied after what they take has unbonded.
pub fn validate_deferral(time: &TimeParameters, limits: &StakeLimits) -> Result<(), &'static str> {
    if limits.slash_deferral_minutes > time.unbonding_minutes {
        return Err("limits: slashDeferralMinutes must not be above unbondingMinutes");
    }
    Ok(())
}

/// Limits of a chain whose governance sets none: genesis's.
pub struct GenesisLimits<T>(core::marker::PhantomData<T>);

impl<T: Config> Get<StakeLimits> for GenesisLimits<T> {
    fn get() -> StakeLimits {
        Limits::<T>::get()
    }
}

impl<T: Config> Pallet<T> {
    /// Least stakes, seats and caps in force: what governance set, or genesis's where that can't
    /// hold together.
    pub fn limits() -> StakeLimits {
        let governed = T::Governed::get();
        match governed.validate() {
            Ok(()) => governed,
            Err(reason) => {
                log::error!(target: crate::LOG, "governed limits are not in force: {reason}");
                Limits::<T>::get()
            }
        }
    }

    /// Panics where a value is refused: a chain must not start with it.
    #[allow(clippy::panic, reason = "genesis alone: nothing runs yet")]
    pub(crate) fn build_genesis(genesis: &GenesisConfig<T>) {
        let valid = validate_time(&genesis.time)
            .and_then(|()| genesis.limits.validate())
            .and_then(|()| validate_deferral(&genesis.time, &genesis.limits));
        if let Err(reason) = valid {
            panic!("genesis of staking: {reason}");
        }
        Time::<T>::put(genesis.time);
        Limits::<T>::put(genesis.limits);
        for (who, amount) in &genesis.network {
            if let Err(reason) = Self::seat_at_genesis(who, *amount) {
                panic!("genesis of staking: author {who:?} can't stake {amount}: {reason:?}");
            }
        }
    }
}
