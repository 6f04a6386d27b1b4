//! Governed parameters: what each may be, and what it is.

use crate::{
    ArenaChallenges, ArenaStaking, Runtime, RuntimeCall, UNIT,
    configs::governance::{
        RuntimeParameters, RuntimeParametersKey,
        dynamic_params::{challenges, scoring, staking, tasks},
    },
};
use alloc::{vec, vec::Vec};
use arena_primitives::{
    Balance, MAX_ACTIVE_TASKS, MAX_ROUNDS, MAX_VALIDATORS, PERBILL, time::MINUTES_PER_DAY,
    traits::Clock,
};
use arena_runtime_api::{Amount, ParameterUnit, ParameterView};
use frame_support::traits::{Contains, Get};
use pallet_arena_staking::Limits;
use sp_runtime::Perbill;

/// A parameter's value as the number that its bounds are of.
trait Number {
    fn number(self) -> u128;
}

impl Number for u32 {
    fn number(self) -> u128 {
        self.into()
    }
}

impl Number for u64 {
    fn number(self) -> u128 {
        self.into()
    }
}

impl Number for Balance {
    fn number(self) -> u128 {
        self
    }
}

impl Number for Perbill {
    fn number(self) -> u128 {
        self.deconstruct().into()
    }
}

const DAY: u128 = MINUTES_PER_DAY as u128;
const FORTNIGHT: u128 = 14 * DAY;
const MEBIBYTE: u128 = 1 << 20;
const TEBIBYTE: u128 = 1 << 40;
/// All of something, as a share.
const ALL: u128 = PERBILL as u128;
const TOKEN: u128 = UNIT;
/// The most of an operator's own stake that one duty which wasn't done costs.
const FIFTH: u128 = ALL / 5;
const MILLION: u128 = 1_000_000 * UNIT;
const ROUNDS: u128 = MAX_ROUNDS as u128;
const AUTHORS: u128 = MAX_VALIDATORS as u128;
const ACTIVE: u128 = MAX_ACTIVE_TASKS as u128;

/// Names every parameter once, with its unit and bounds.
macro_rules! bounds {
    ($($group:ident $module:ident {
        $($name:ident $unit:ident $least:literal $(* $factor:ident)? .. $most:expr;)*
    })*) => {
        /// Whether a value lies within its bounds; taking one back, as `None`, always does.
        fn is_within(parameter: &RuntimeParameters) -> bool {
            match parameter {
                $($(RuntimeParameters::$group($module::Parameters::$name(_, value)) => value
                    .is_none_or(|value| {
                        (($least $(* $factor)?)..=$most).contains(&value.number())
                    }),)*)*
            }
        }

        /// All parameters, as they are.
        pub(crate) fn all() -> Vec<ParameterView> {
            vec![$($(ParameterView {
                group: stringify!($group).into(),
                name: stringify!($name).into(),
                unit: ParameterUnit::$unit,
                value: Amount($module::$name::get().number()),
                least: Amount($least $(* $factor)?),
                most: Amount($most),
                governed: pallet_parameters::Parameters::<Runtime>::contains_key(
                    RuntimeParametersKey::$group($module::ParametersKey::$name($module::$name)),
                ),
            },)*)*]
        }
    };
}

bounds! {
    Tasks tasks {
        ProposalDeposit Tokens 1 * TOKEN..MILLION;
        ProposalLifetime Minutes 7 * DAY..366 * DAY;
        MaxRounds Count 1..ROUNDS;
        MaxRoundMinutes Minutes 1..366 * DAY;
        MaxFinalDays Days 1..ROUNDS;
        MaxChallengeDays Days 1..ROUNDS;
        MaxModelBytes Bytes 1 * MEBIBYTE..TEBIBYTE;
        MaxShare Share 0..ALL;
        MaxActive Count 0..ACTIVE;
    }
    Scoring scoring {
        NonRevealSlash Share 0..FIFTH;
        ResultKeep Minutes 1 * DAY..3_660 * DAY;
        MaxMisses Count 1..1_000;
    }
    Challenges challenges {
        OpenWithin Minutes 10..FORTNIGHT;
        RespondWithin Minutes 60..FORTNIGHT;
        VoteWithin Minutes 720..FORTNIGHT;
        RevealWithin Minutes 60..FORTNIGHT;
        AppealWithin Minutes 10..FORTNIGHT;
        JurorFee Tokens 0..MILLION;
        BondShare Share 0..ALL;
        ChallengerShare Share 0..ALL;
        JurorSlash Share 0..FIFTH;
        OverturnedSlash Share 0..FIFTH;
        MaxReplayBytes Bytes 1 * MEBIBYTE..TEBIBYTE;
        RunDeposit Tokens 0..MILLION;
        LargestSegments Count 0..64;
        RandomSegments Count 1..64;
    }
    Staking staking {
        MinOwnValidator Tokens 1 * TOKEN..MILLION;
        MinOwnTrainer Tokens 1 * TOKEN..MILLION;
        MinDelegation Tokens 1 * TOKEN..MILLION;
        SeatsAuthors Count 1..AUTHORS;
        CommissionCap Share 0..ALL;
        MaxLeverage Count 0..1_000;
    }
}

/// What a value must fit that lies elsewhere: seats, the fewest authors; days of challenges, the
/// least that genesis asks for; windows of cases, the shortest challenge phase.
fn holds_with_others(parameter: &RuntimeParameters) -> bool {
    use challenges::Parameters as Case;
    match parameter {
        RuntimeParameters::Staking(staking::Parameters::SeatsAuthors(_, Some(seats))) => {
            Limits::<Runtime>::get().min_authors <= *seats
        }
        RuntimeParameters::Tasks(tasks::Parameters::MaxChallengeDays(_, Some(most))) => {
            ArenaStaking::time().challenge_days <= *most
        }
        RuntimeParameters::Challenges(case) => match case {
            Case::OpenWithin(_, Some(minutes)) => {
                cases_fit(challenges::OpenWithin::get(), *minutes, 1)
            }
            Case::RespondWithin(_, Some(minutes)) => {
                cases_fit(challenges::RespondWithin::get(), *minutes, 1)
            }
            Case::VoteWithin(_, Some(minutes)) => {
                cases_fit(challenges::VoteWithin::get(), *minutes, 2)
            }
            Case::RevealWithin(_, Some(minutes)) => {
                cases_fit(challenges::RevealWithin::get(), *minutes, 2)
            }
            Case::AppealWithin(_, Some(minutes)) => {
                cases_fit(challenges::AppealWithin::get(), *minutes, 1)
            }
            _ => true,
        },
        _ => true,
    }
}

/// Whether a case with an appeal still fits the shortest challenge phase when a window that it has
/// so many times takes other minutes. A shorter window always does.
fn cases_fit(before: u32, minutes: u32, times: u32) -> bool {
    let longer = minutes.saturating_sub(before).saturating_mul(times);
    let case = ArenaChallenges::procedure(true)
        .saturating_add(ArenaStaking::blocks(challenges::OpenWithin::get()))
        .saturating_add(ArenaStaking::blocks(longer));
    let phase = ArenaStaking::time()
        .challenge_days
        .saturating_mul(MINUTES_PER_DAY);
    longer == 0 || case <= ArenaStaking::blocks(phase)
}

/// Refuses parameters out of their bounds, whoever sets them but root, which is not filtered.
pub struct ParametersInBounds;

impl Contains<RuntimeCall> for ParametersInBounds {
    fn contains(call: &RuntimeCall) -> bool {
        match call {
            RuntimeCall::Parameters(pallet_parameters::Call::set_parameter { key_value }) => {
                is_within(key_value) && holds_with_others(key_value)
            }
            _ => true,
        }
    }
}
