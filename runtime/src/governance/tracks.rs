//! Tracks of referenda. Times are minutes of a day, so that they scale with the chain.

use super::origins::pallet::Origin;
use crate::{ArenaStaking, Balance, BlockNumber, OriginCaller, UNIT};
use alloc::borrow::Cow;
use arena_primitives::traits::Clock;
use pallet_referenda::{Curve, Track, TrackInfo, TracksInfo as Tracks};
use sp_runtime::{FixedI64, str_array as name};

const HOUR: u32 = 60;
const DAY: u32 = 24 * HOUR;

/// Track numbers.
pub mod id {
    /// Everything, upgrades too.
    pub const ROOT: u16 = 0;
    /// Lets tasks in.
    pub const TASK_APPROVAL: u16 = 1;
    /// Governed parameters.
    pub const PARAMETERS: u16 = 2;
    /// Spends.
    pub const TREASURY: u16 = 3;
    /// Takes back a slash.
    pub const CANCEL_SLASH: u16 = 4;
    /// Pauses, resumes or cancels one task.
    pub const TASK_GUARD: u16 = 5;
    /// Stops referenda, and returns their deposits.
    pub const REFERENDUM_CANCELLER: u16 = 6;
    /// Stops referenda, and takes their deposits.
    pub const REFERENDUM_KILLER: u16 = 7;
}

const fn percent(x: u32) -> FixedI64 {
    FixedI64::from_rational(x as u128, 100)
}

/// Approval falls evenly from all votes to just above half of them.
const MAJORITY: Curve = Curve::make_linear(100, 100, percent(51), percent(100));
/// Approval falls to four fifths of the votes in the first third, then slowly to just above half:
/// what is decided early has nearly everybody's approval.
const CONSENT: Curve = Curve::make_reciprocal(4, 14, percent(80), percent(51), percent(100));

/// Support falls evenly from `ceil` percent of the active issuance to `floor` ten-thousandths.
const fn support(ceil: u32, floor: u32) -> Curve {
    let floor = FixedI64::from_rational(floor as u128, 10_000);
    Curve::make_linear(100, 100, floor, percent(ceil))
}

/// Minutes of a track's periods.
struct Periods {
    prepare: u32,
    decision: u32,
    confirm: u32,
    enactment: u32,
}

/// For what changes the chain: a day to see what comes, and to leave before it does.
const fn slow(days: u32) -> Periods {
    Periods {
        prepare: 2 * HOUR,
        decision: days * DAY,
        confirm: DAY,
        enactment: DAY,
    }
}

/// For what can't wait.
const fn fast(hours: u32) -> Periods {
    Periods {
        prepare: HOUR / 2,
        decision: hours * HOUR,
        confirm: 2 * HOUR,
        enactment: HOUR / 6,
    }
}

/// What a track asks of its referenda.
struct Rules {
    name: [u8; 25],
    /// Referenda that are decided at a time.
    deciding: u32,
    /// Decision deposit in tokens.
    deposit: Balance,
    periods: Periods,
    approval: Curve,
    support: Curve,
}

const fn rules(
    name: [u8; 25],
    deciding: u32,
    deposit: Balance,
    periods: Periods,
    approval: Curve,
    support: Curve,
) -> Rules {
    Rules {
        name,
        deciding,
        deposit,
        periods,
        approval,
        support,
    }
}

/// By track number. A slash is pending for a day at least, so that who takes it back must be done
/// by then; stopping a referendum must be quicker than any that does harm.
const RULES: [Rules; 8] = [
    rules(name("root"), 1, 1_000, slow(14), CONSENT, support(50, 100)),
    rules(
        name("task_approval"),
        32,
        10,
        fast(72),
        MAJORITY,
        support(10, 5),
    ),
    rules(
        name("parameters"),
        5,
        500,
        slow(7),
        CONSENT,
        support(50, 50),
    ),
    rules(
        name("treasury"),
        10,
        100,
        slow(7),
        MAJORITY,
        support(50, 50),
    ),
    rules(
        name("cancel_slash"),
        10,
        100,
        fast(16),
        MAJORITY,
        support(10, 25),
    ),
    rules(
        name("task_guard"),
        10,
        100,
        fast(24),
        MAJORITY,
        support(10, 25),
    ),
    rules(
        name("referendum_canceller"),
        10,
        100,
        fast(24),
        MAJORITY,
        support(10, 50),
    ),
    rules(
        name("referendum_killer"),
        10,
        500,
        fast(24),
        CONSENT,
        support(10, 100),
    ),
];

fn track(id: u16, rules: Rules) -> Track<u16, Balance, BlockNumber> {
    let at_least_one = |minutes| ArenaStaking::blocks(minutes).max(1);
    Track {
        id,
        info: TrackInfo {
            name: rules.name,
            max_deciding: rules.deciding,
            decision_deposit: rules.deposit.saturating_mul(UNIT),
            prepare_period: at_least_one(rules.periods.prepare),
            decision_period: at_least_one(rules.periods.decision),
            confirm_period: at_least_one(rules.periods.confirm),
            min_enactment_period: at_least_one(rules.periods.enactment),
            min_approval: rules.approval,
            min_support: rules.support,
        },
    }
}

/// The tracks.
pub struct TracksInfo;

impl Tracks<Balance, BlockNumber> for TracksInfo {
    type Id = u16;
    type RuntimeOrigin = OriginCaller;

    fn tracks() -> impl Iterator<Item = Cow<'static, Track<u16, Balance, BlockNumber>>> {
        (0u16..)
            .zip(RULES)
            .map(|(id, rules)| Cow::Owned(track(id, rules)))
    }

    fn track_for(origin: &OriginCaller) -> Result<u16, ()> {
        match origin {
            OriginCaller::system(frame_system::RawOrigin::Root) => Ok(id::ROOT),
            OriginCaller::Origins(origin) => Ok(match origin {
                Origin::TaskApprover => id::TASK_APPROVAL,
                Origin::ParameterAdmin => id::PARAMETERS,
                Origin::Spender => id::TREASURY,
                Origin::SlashCanceller => id::CANCEL_SLASH,
                Origin::TaskGuardian => id::TASK_GUARD,
                Origin::ReferendumCanceller => id::REFERENDUM_CANCELLER,
                Origin::ReferendumKiller => id::REFERENDUM_KILLER,
            }),
            _ => Err(()),
        }
    }
}
