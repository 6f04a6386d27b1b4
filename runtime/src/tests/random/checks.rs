//! What must be true of the whole chain: cheap checks after each call, all of them now and then.

use super::world::World;
use crate::*;
use arena_primitives::{TaskId, Venue};
use codec::Encode;
use sp_runtime::TryRuntimeError;
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Once,
};

/// The name of the check that failed, and why.
pub(super) type Verdict = Result<(), String>;

pub(super) fn fail(check: &str, why: impl core::fmt::Display) -> Verdict {
    Err(format!("{check}: {why}"))
}

/// What divisions of rewards may leave with a position, in base units.
const DIVISIONS: Balance = 1_000_000;

thread_local! {
    static LOGGED: RefCell<Option<String>> = const { RefCell::new(None) };
    static MONEY: RefCell<Option<(Balance, pallet_arena_rewards::Books)>> =
        const { RefCell::new(None) };
}

struct Watch;

impl log::Log for Watch {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        metadata.level() == log::Level::Error && metadata.target().starts_with("arena")
    }

    fn log(&self, record: &log::Record) {
        if self.enabled(record.metadata()) {
            LOGGED.with_borrow_mut(|first| {
                first.get_or_insert_with(|| record.args().to_string());
            });
        }
    }

    fn flush(&self) {}
}

/// Listens to what pallets log as errors: what they say can't be.
pub(super) fn watch_log() {
    static START: Once = Once::new();
    START.call_once(|| {
        if log::set_logger(&Watch).is_ok() {
            log::set_max_level(log::LevelFilter::Error);
        }
    });
    LOGGED.take();
    MONEY.take();
}

/// After each call and each block.
pub(super) fn after_call(world: &mut World) -> Verdict {
    world.shadow.after_call()?;
    System::reset_events();
    world.shadow.issuance()?;
    reward_account()?;
    match LOGGED.take() {
        Some(message) => fail("nothing_is_logged_as_an_error", message),
        None => Ok(()),
    }
}

/// All of them.
pub(super) fn all(world: &mut World) -> Verdict {
    after_call(world)?;
    pallets()?;
    rewards_are_on_the_account()?;
    what_is_in_flight_is_the_settlements()?;
    balances_are_issuance()?;
    holds_are_the_books()?;
    delegations_are_the_positions()?;
    delegators_can_claim_what_is_owed()?;
    nobody_has_two_roles()?;
    pruned_tasks_leave_no_rows()?;
    world.shadow.rounds_count_what_was_there()?;
    world.shadow.counted_stake_draws()
}

fn named(name: &str, result: Result<(), TryRuntimeError>) -> Verdict {
    result.or_else(|reason| fail(name, format!("{reason:?}")))
}

fn pallets() -> Verdict {
    named(
        "staking",
        pallet_arena_staking::invariants::check::<Runtime>(),
    )?;
    named(
        "delegation",
        pallet_arena_delegation::invariants::check::<Runtime>(),
    )?;
    named(
        "rewards",
        pallet_arena_rewards::invariants::check::<Runtime>(),
    )?;
    named("tasks", pallet_arena_tasks::invariants::check::<Runtime>())?;
    named(
        "scoring",
        pallet_arena_scoring::invariants::check::<Runtime>(),
    )?;
    named(
        "challenges",
        pallet_arena_challenges::invariants::check::<Runtime>(),
    )
}

fn rewards_are_on_the_account() -> Verdict {
    let exact = pallet_arena_rewards::invariants::account_is_the_books::<Runtime>();
    named("rewards_are_on_the_account", exact)
}

/// What was drawn and is nobody's yet belongs to the round that is being settled.
fn what_is_in_flight_is_the_settlements() -> Verdict {
    let left = pallet_arena_scoring::Settling::<Runtime>::get()
        .map_or(0, |state| state.drawn.saturating_sub(state.paid));
    let in_flight = ArenaRewards::totals().in_flight;
    if in_flight == left {
        return Ok(());
    }
    fail(
        "what_is_in_flight_is_the_settlements",
        format!("{in_flight} in flight, {left} left of a settlement"),
    )
}

/// The account is looked at closely only when money or the books moved.
fn reward_account() -> Verdict {
    let balance = Balances::free_balance(ArenaRewards::account());
    let now = (balance, ArenaRewards::totals());
    if MONEY.replace(Some(now)) == Some(now) {
        return Ok(());
    }
    rewards_are_on_the_account()
}

/// What is on all accounts is what is issued.
fn balances_are_issuance() -> Verdict {
    let accounts = frame_system::Account::<Runtime>::iter_values();
    let sum: Balance = accounts.map(|a| a.data.free + a.data.reserved).sum();
    let issued = Balances::total_issuance();
    if sum != issued {
        return fail(
            "balances_are_issuance",
            format!("{sum} on accounts of {issued}"),
        );
    }
    Ok(())
}

/// Of an account, for a reason.
type Held = BTreeMap<(AccountId, Vec<u8>), Balance>;

fn booked() -> Held {
    use pallet_arena_challenges as challenges;
    use pallet_arena_delegation as delegation;
    use pallet_arena_staking as staking;
    use pallet_arena_tasks as tasks;
    let mut books = Held::new();
    let mut book = |who: AccountId, reason: RuntimeHoldReason, amount: Balance| {
        *books.entry((who, reason.encode())).or_default() += amount;
    };
    for (_, who, position) in staking::Positions::<Runtime>::iter() {
        book(who, staking::HoldReason::Stake.into(), position.own);
    }
    for (who, chunks) in staking::Unbonding::<Runtime>::iter() {
        let sum = chunks.iter().map(|chunk| chunk.amount).sum();
        book(who, staking::HoldReason::Unbonding.into(), sum);
    }
    for (_, who, row) in delegation::Delegations::<Runtime>::iter() {
        book(who, delegation::HoldReason::Delegation.into(), row.held);
    }
    for (who, chunks) in delegation::Unbonding::<Runtime>::iter() {
        let sum = chunks.iter().map(|chunk| chunk.points).sum();
        book(who, delegation::HoldReason::Unbonding.into(), sum);
    }
    for proposal in tasks::Proposals::<Runtime>::iter_values() {
        book(
            proposal.proposer,
            tasks::HoldReason::Proposal.into(),
            proposal.deposit,
        );
    }
    for (task, bond) in tasks::Bonds::<Runtime>::iter() {
        let creator = tasks::Tasks::<Runtime>::get(task).map(|row| row.creator);
        let creator = creator.expect("a bond is of a task");
        book(creator, tasks::HoldReason::ShardBond.into(), bond);
    }
    let bond: RuntimeHoldReason = challenges::HoldReason::Bond.into();
    for (who, _, row) in challenges::Commitments::<Runtime>::iter() {
        book(who, bond, row.bond);
    }
    for case in challenges::OpenCases::<Runtime>::iter_values() {
        for one in case.challengers {
            book(one.who, bond, one.bond);
        }
        if let Some(appeal) = case.appeal {
            book(appeal.appellant, bond, appeal.bond);
        }
    }
    for (_, trainer, run) in challenges::Runs::<Runtime>::iter() {
        book(trainer, challenges::HoldReason::Run.into(), run.deposit);
    }
    books.retain(|_, amount| *amount > 0);
    books
}

/// What is held of every account for every reason is what the books say, both ways.
fn holds_are_the_books() -> Verdict {
    let mut held = Held::new();
    for (who, holds) in pallet_balances::Holds::<Runtime>::iter() {
        for hold in holds {
            held.insert((who.clone(), hold.id.encode()), hold.amount);
        }
    }
    let booked = booked();
    if held == booked {
        return Ok(());
    }
    let differs = held
        .iter()
        .find(|(key, amount)| booked.get(key) != Some(amount));
    let missing = booked.iter().find(|(key, _)| !held.contains_key(key));
    fail(
        "holds_are_the_books",
        format!("{differs:?} is held, {missing:?} is booked"),
    )
}

/// What delegators have in positions is what positions have of them, both ways.
fn delegations_are_the_positions() -> Verdict {
    let mut sums = BTreeMap::<(Venue, AccountId), Balance>::new();
    for (position, _, row) in pallet_arena_delegation::Delegations::<Runtime>::iter() {
        *sums.entry(position).or_default() += row.shares();
    }
    sums.retain(|_, sum| *sum > 0);
    let positions: BTreeMap<_, _> = pallet_arena_staking::Positions::<Runtime>::iter()
        .filter(|(_, _, position)| position.shares > 0)
        .map(|(venue, who, position)| ((venue, who), position.shares))
        .collect();
    if sums != positions {
        return fail("delegations_are_the_positions", "sums differ");
    }
    Ok(())
}

/// What delegators of a position could claim together is what they are owed, but for what
/// divisions leave over; and never more.
fn delegators_can_claim_what_is_owed() -> Verdict {
    const NAME: &str = "delegators_can_claim_what_is_owed";
    let mut claims = BTreeMap::<(Venue, AccountId), Balance>::new();
    for ((venue, operator), who) in pallet_arena_delegation::Delegations::<Runtime>::iter_keys() {
        let claim = ArenaDelegation::claimable(venue, &operator, &who);
        *claims.entry((venue, operator)).or_default() += claim;
    }
    for (venue, operator, earned) in pallet_arena_rewards::Earned::<Runtime>::iter() {
        let claimed = claims.remove(&(venue, operator.clone())).unwrap_or(0);
        let owed = earned.delegators_owed;
        if claimed > owed || owed - claimed > DIVISIONS {
            return fail(
                NAME,
                format!("{claimed} of {owed} in {venue:?} of {operator}"),
            );
        }
    }
    for ((venue, operator), claim) in claims {
        let taken = pallet_arena_rewards::Forfeited::<Runtime>::contains_key(venue, &operator);
        if claim > 0 && !taken {
            return fail(
                NAME,
                format!("{claim} of nothing in {venue:?} of {operator}"),
            );
        }
    }
    Ok(())
}

/// Nobody works in a task that it created, and accounts of service keys are nobody's own.
fn nobody_has_two_roles() -> Verdict {
    for (venue, who, position) in pallet_arena_staking::Positions::<Runtime>::iter() {
        let Venue::Task(id) = venue else {
            let author = position.role == arena_primitives::Role::Validator;
            if !author {
                return fail("nobody_has_two_roles", format!("{who} trains in Network"));
            }
            continue;
        };
        let task = pallet_arena_tasks::Tasks::<Runtime>::get(id);
        if task.is_none_or(|task| task.creator == who) {
            return fail(
                "nobody_has_two_roles",
                format!("{who} works in its task {id}"),
            );
        }
    }
    for (operator, key) in pallet_arena_staking::ServiceKey::<Runtime>::iter() {
        for key in [Some(key.key), key.previous].into_iter().flatten() {
            let back = pallet_arena_staking::OperatorOf::<Runtime>::get(&key);
            if operator == key || back.as_ref() != Some(&operator) {
                return fail("nobody_has_two_roles", "a service key is somebody else's");
            }
        }
    }
    Ok(())
}

/// A task that left the hooks' lists has no rows beyond its record, result and rewards.
fn pruned_tasks_leave_no_rows() -> Verdict {
    use pallet_arena_scoring as scoring;
    use pallet_arena_tasks as tasks;
    let active: BTreeSet<TaskId> = tasks::Active::<Runtime>::get().into_iter().collect();
    let expiring = scoring::Expiring::<Runtime>::iter_values().map(|(task, _)| task);
    let kept: BTreeSet<TaskId> = expiring.chain(active.iter().copied()).collect();
    let of_scoring = scoring::Seeds::<Runtime>::iter_keys()
        .map(|(task, _)| task)
        .chain(scoring::RoundResults::<Runtime>::iter_keys().map(|(task, _)| task))
        .chain(scoring::Commits::<Runtime>::iter_keys().map(|(task, _, _)| task))
        .chain(scoring::Reveals::<Runtime>::iter_keys().map(|(task, _, _)| task))
        .chain(scoring::Grounds::<Runtime>::iter_keys().map(|(task, _)| task))
        .chain(scoring::Sketches::<Runtime>::iter_keys().map(|(task, _, _)| task))
        .chain(scoring::BestEarlier::<Runtime>::iter_keys())
        .chain(scoring::Alike::<Runtime>::iter_keys().map(|(task, _)| task))
        .chain(scoring::Misses::<Runtime>::iter_keys().map(|(task, _)| task));
    for task in of_scoring {
        if !kept.contains(&task) {
            return fail(
                "pruned_tasks_leave_no_rows",
                format!("scores of task {task}"),
            );
        }
    }
    let of_tasks = tasks::Submissions::<Runtime>::iter_keys()
        .map(|(task, _, _)| task)
        .chain(tasks::Models::<Runtime>::iter_keys().map(|(task, _)| task))
        .chain(tasks::Roots::<Runtime>::iter_keys().map(|(task, _)| task))
        .chain(tasks::Fixed::<Runtime>::iter_keys().map(|(task, _)| task))
        .chain(pallet_arena_rewards::Tasks::<Runtime>::iter_keys());
    for task in of_tasks {
        if !active.contains(&task) {
            return fail("pruned_tasks_leave_no_rows", format!("rows of task {task}"));
        }
    }
    cases_of(&active)
}

/// A task that was pruned has no cases, nor what they look back at, unless its turn is to come.
fn cases_of(active: &BTreeSet<TaskId>) -> Verdict {
    use pallet_arena_challenges as challenges;
    let ended = challenges::Ended::<Runtime>::iter_values();
    let kept: BTreeSet<TaskId> = ended.chain(active.iter().copied()).collect();
    let mut rows = challenges::CasesOf::<Runtime>::iter_keys()
        .chain(challenges::OpenCases::<Runtime>::iter_values().map(|case| case.task))
        .chain(challenges::Accused::<Runtime>::iter_keys().map(|(task, _)| task))
        .chain(challenges::Convicted::<Runtime>::iter_keys().map(|(task, _)| task))
        .chain(challenges::Acquittals::<Runtime>::iter_keys().map(|(task, _)| task))
        .chain(challenges::Runs::<Runtime>::iter_keys().map(|(task, _)| task))
        .chain(challenges::Heartbeats::<Runtime>::iter_keys().map(|(task, _)| task))
        .chain(challenges::Marks::<Runtime>::iter_keys().map(|(task, _)| task));
    match rows.find(|task| !kept.contains(task)) {
        Some(task) => fail(
            "pruned_tasks_leave_no_rows",
            format!("cases or runs of task {task}"),
        ),
        None => Ok(()),
    }
}
