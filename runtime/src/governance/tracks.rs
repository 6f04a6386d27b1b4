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
    /// Stops one task, decides cases.
    pub const TASK_GUARD: u16 = 5;
}

const fn percent(x: i32) -> FixedI64 {
    FixedI64::from_rational(x as u128, 100)
}

/// Approval falls from all votes to just above half of them.
const APPROVAL: Curve = Curve::make_linear(100, 100, percent(51), percent(100));
/// Support falls from half of the active issuance to one in two thousand at the end.
const SUPPORT: Curve =
    Curve::make_linear(100, 100, FixedI64::from_rational(5, 10_000), percent(50));
/// For decisions that must be quick: a tenth of the issuance at first.
const FAST_SUPPORT: Curve =
    Curve::make_linear(100, 100, FixedI64::from_rational(5, 10_000), percent(10));

/// Minutes of a track's periods.
struct Periods {
    prepare: u32,
    decision: u32,
    confirm: u32,
    enactment: u32,
}

fn track(
    id: u16,
    name: [u8; 25],
    deciding: u32,
    deposit: Balance,
    periods: Periods,
    support: Curve,
) -> Track<u16, Balance, BlockNumber> {
    let at_least_one = |minutes| ArenaStaking::blocks(minutes).max(1);
    Track {
        id,
        info: TrackInfo {
            name,
            max_deciding: deciding,
            decision_deposit: deposit,
            prepare_period: at_least_one(periods.prepare),
            decision_period: at_least_one(periods.decision),
            confirm_period: at_least_one(periods.confirm),
            min_enactment_period: at_least_one(periods.enactment),
            min_approval: APPROVAL,
            min_support: support,
        },
    }
}

/// The tracks.
pub struct TracksInfo;

impl Tracks<Balance, BlockNumber> for TracksInfo {
    type Id = u16;
    type RuntimeOrigin = OriginCaller;

    fn tracks() -> impl Iterator<Item = Cow<'static, Track<u16, Balance, BlockNumber>>> {
        let slow = |days| Periods {
            prepare: 2 * HOUR,
            decision: days * DAY,
            confirm: DAY,
            enactment: DAY,
        };
        let fast = |days| Periods {
            prepare: HOUR / 2,
            decision: days * DAY,
            confirm: 2 * HOUR,
            enactment: HOUR / 6,
        };
        [
            track(id::ROOT, name("root"), 1, 1_000 * UNIT, slow(14), SUPPORT),
            track(
                id::TASK_APPROVAL,
                name("task_approval"),
                32,
                10 * UNIT,
                fast(3),
                FAST_SUPPORT,
            ),
            track(
                id::PARAMETERS,
                name("parameters"),
                5,
                500 * UNIT,
                slow(7),
                SUPPORT,
            ),
            track(
                id::TREASURY,
                name("treasury"),
                10,
                100 * UNIT,
                slow(7),
                SUPPORT,
            ),
            track(
                id::CANCEL_SLASH,
                name("cancel_slash"),
                10,
                100 * UNIT,
                fast(2),
                FAST_SUPPORT,
            ),
            track(
                id::TASK_GUARD,
                name("task_guard"),
                10,
                100 * UNIT,
                fast(2),
                FAST_SUPPORT,
            ),
        ]
        .into_iter()
        .map(Cow::Owned)
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
            }),
            _ => Err(()),
        }
    }
}
