//! What the runtime's API answers on a chain that lives, and what it refuses.

use super::{journey::*, sanity::with_preset};
use crate::*;
use arena_primitives::{Role, TaskId, TaskPhase, Venue, time::RoundPhase};
use arena_runtime_api::{
    Duty, DutyView, MAX_PAGE, MAX_SCAN, Payout, PositionKey, Refusal, StakeView,
};
use frame_support::assert_ok;
use pallet_arena_delegation::{Delegation, Delegations};
use sp_runtime::Perbill;

/// Runs `test` on a task of which one round is settled and one takes commitments.
fn with_scored(test: impl FnOnce(TaskId)) {
    with_preset("development", || {
        System::set_block_number(1);
        let task = approve_task();
        enrol(task);
        submit_and_publish(task, 1);
        score(task, 1);
        submit_and_publish(task, 2);
        run_until("the commit window", || {
            phase_of(task, 2) == Some(RoundPhase::Commit)
        });
        test(task);
    });
}

#[test]
fn pages_should_be_refused_beyond_the_end_and_out_of_range() {
    with_scored(|task| {
        let who = account(DELEGATOR);
        assert_eq!(views::tasks_in(task + 2, 1, None), Err(Refusal::BeyondEnd));
        assert!(views::tasks_in(task + 1, 1, None).is_ok_and(|page| page.tasks.is_empty()));
        for limit in [0, MAX_PAGE + 1, u32::MAX] {
            let refused = Refusal::LimitOutOfRange;
            assert_eq!(views::tasks_in(0, limit, None), Err(refused));
            assert_eq!(views::leaderboard(task, None, 0, limit), Err(refused));
            assert_eq!(views::delegations(who.clone(), None, limit), Err(refused));
            assert_eq!(views::stakes(who.clone(), None, limit), Err(refused));
            assert_eq!(views::validators(Venue::Network, None, limit), Err(refused));
            let yields = views::yields(Venue::Network, who.clone(), 0, limit);
            assert_eq!(yields, Err(refused));
        }
        assert_eq!(
            views::leaderboard(task, None, 4, 1),
            Err(Refusal::BeyondEnd)
        );
        let far = views::yields(Venue::Task(task), account(TRAINERS[0]), u32::MAX, 1);
        assert_eq!(far, Err(Refusal::BeyondEnd));
        let far = views::stakes(who, Some(Venue::Task(u32::MAX)), 1);
        assert_eq!(far, Err(Refusal::BeyondEnd));
    });
}

#[test]
fn what_is_not_there_should_be_refused_by_name() {
    with_scored(|task| {
        let who = account(DELEGATOR);
        let venue = Venue::Task(u32::MAX);
        let unknown = Refusal::UnknownTask;
        assert!(!views::is_venue(venue) && views::is_venue(Venue::Network));
        assert_eq!(views::round(u32::MAX, 0), Err(unknown));
        assert_eq!(views::leaderboard(task + 1, None, 0, 1), Err(unknown));
        assert_eq!(views::submission(task + 1, who.clone()), Err(unknown));
        assert_eq!(views::validators(venue, None, 1), Err(unknown));
        assert_eq!(views::concentration(venue), Err(unknown));
        assert_eq!(views::challenges(task + 1), Err(unknown));
        assert_eq!(views::round(task, 3), Err(Refusal::UnknownRound));
        assert_eq!(views::settled(task, 2), Err(Refusal::NotSettled));
        assert_eq!(views::challenge(0), Err(Refusal::UnknownCase));
        let yields = views::yields(Venue::Task(task), who, 0, 1);
        assert_eq!(yields, Err(Refusal::UnknownPosition));
    });
}

#[test]
fn tasks_should_be_filtered_by_phase_and_paged_by_number() {
    with_scored(|task| {
        let second = approve_task();
        let page = views::tasks_in(0, 1, None).expect("is answered");
        assert_eq!((page.tasks[0].id, page.next), (task, Some(second)));
        let page = views::tasks_in(second, 1, Some(TaskPhase::Submission)).expect("is answered");
        assert_eq!((page.tasks[0].id, page.next), (second, None));
        let closed = views::tasks_in(0, 10, Some(TaskPhase::Closed)).expect("is answered");
        assert!(closed.tasks.is_empty() && closed.next.is_none());
        assert_eq!(views::task_states().len(), 2);
    });
}

#[test]
fn leaderboard_should_put_the_best_first_and_the_rankless_last() {
    with_scored(|task| {
        let page = views::leaderboard(task, None, 0, 2).expect("is settled");
        let trainers = page.leaders.iter().map(|leader| &leader.model.trainer);
        assert!(trainers.eq([&account(TRAINERS[0]), &account(TRAINERS[1])]));
        assert_eq!(page.next, Some(2));
        let rest = views::leaderboard(task, Some(1), 2, 100).expect("is settled");
        assert_eq!(rest.leaders[0].place, 2);
        assert_eq!((rest.leaders[0].model.rank, rest.next), (None, None));
        let settled = views::settled(task, 1).expect("is settled");
        let best = settled.best.expect("has one");
        assert_eq!((best.trainer, settled.models), (account(TRAINERS[0]), 3));
    });
}

#[test]
fn round_should_tell_models_and_turnout() {
    with_scored(|task| {
        let live = views::round(task, 2).expect("is open");
        assert_eq!(
            (live.models.len(), live.commitments, live.reveals),
            (3, 0, 0)
        );
        assert!(live.seed.is_some() && live.live.is_some() && live.settled.is_none());
        let settled = views::round(task, 1).expect("is settled");
        assert_eq!((settled.reveals, settled.live), (2, None));
        assert!(settled.settled.is_some_and(|result| result.drawn.0 > 0));
        commit_scores(task, 2, outcome);
        assert_eq!(views::round(task, 2).expect("is open").commitments, 2);
    });
}

fn kinds(duties: &[DutyView]) -> Vec<Duty> {
    duties.iter().map(|duty| duty.duty).collect()
}

#[test]
fn duties_should_follow_the_windows_and_go_when_they_are_done() {
    with_scored(|task| {
        let who = account(VALIDATORS[0]);
        let duties = views::duties(who.clone());
        assert_eq!(kinds(&duties.now), [Duty::CommitScores]);
        assert_eq!(duties.now[0].models, Some(3));
        assert_eq!(kinds(&duties.next), [Duty::RevealScores]);
        let committed = commit_scores(task, 2, outcome);
        let duties = views::duties(who.clone());
        assert!(duties.now.is_empty());
        assert_eq!(kinds(&duties.next), [Duty::RevealScores]);
        reveal_scores(task, 2, committed);
        let duties = views::duties(who);
        assert!(duties.now.is_empty() && duties.next.is_empty());
        assert!(views::duties(account(DELEGATOR)).next.is_empty());
    });
}

#[test]
fn delegations_should_be_found_over_pages_with_what_they_earned() {
    with_scored(|task| {
        let who = account(DELEGATOR);
        let whole = views::delegations(who.clone(), None, 100).expect("is answered");
        assert_eq!((whole.delegations.len(), whole.next), (2, None));
        let earned: u128 = whole
            .delegations
            .iter()
            .map(|row| row.earnings.owed.0)
            .sum();
        assert!(earned > 0);
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = views::delegations(who.clone(), after, 1).expect("is answered");
            found.extend(page.delegations);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, whole.delegations);
        let own = ArenaDelegation::claimable(Venue::Task(task), &account(TRAINERS[0]), &who);
        assert!(found.iter().any(|row| row.earnings.owed.0 == own));
    });
}

#[test]
fn delegations_should_look_through_a_bounded_number_of_positions() {
    with_preset("development", || {
        let who = account(DELEGATOR);
        for position in 0..2 * MAX_SCAN + 1 {
            let mut operator = [7; 32];
            operator[..4].copy_from_slice(&position.to_le_bytes());
            let at = (Venue::Network, AccountId::from(operator));
            for other in 0..3u8 {
                let other = AccountId::from([other; 32]);
                Delegations::<Runtime>::insert(&at, other, Delegation::default());
            }
        }
        let mut pages = 0;
        let mut after: Option<PositionKey> = None;
        loop {
            let page = views::delegations(who.clone(), after, 100).expect("is answered");
            assert!(page.delegations.is_empty());
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(pages, 3);
    });
}

#[test]
fn stakes_should_list_venues_in_order_and_what_can_be_claimed() {
    with_scored(|task| {
        let who = account(VALIDATORS[0]);
        let page = views::stakes(who.clone(), None, 1).expect("is answered");
        assert_eq!(page.service_key, Some(service_account(VALIDATORS[0])));
        let [
            StakeView {
                venue, earnings, ..
            },
        ] = &page.stakes[..]
        else {
            panic!("one position");
        };
        assert_eq!(
            (*venue, earnings.payout),
            (Venue::Task(task), Payout::Rolling)
        );
        assert!(earnings.owed.0 > 0);
        assert_eq!(page.next, None);
        let after = views::stakes(who, Some(Venue::Task(task)), 1).expect("is answered");
        assert!(after.stakes.is_empty() && after.next.is_none());
    });
}

#[test]
fn validators_should_show_stake_after_leverage_and_cap() {
    with_scored(|task| {
        let venue = Venue::Task(task);
        let page = views::validators(venue, None, 1).expect("is answered");
        assert_eq!(page.total.0, 250 * UNIT);
        let [first] = &page.validators[..] else {
            panic!("one row");
        };
        assert_eq!(page.next.as_ref(), Some(&first.account));
        // Seats(10): a tenth of 250 each.
        assert_eq!(first.effective.0, 25 * UNIT);
        let rest = views::validators(venue, page.next, 100).expect("is answered");
        assert_eq!((rest.validators.len(), rest.next), (1, None));
        let found = views::concentration(venue).expect("is answered");
        assert_eq!((found.validators, found.counted.total.0), (2, 250 * UNIT));
        assert_eq!(found.effective.gini, 0);
        assert_eq!(
            found.counted.top,
            Perbill::from_rational(150u32, 250).deconstruct()
        );
        let network = views::validators(Venue::Network, None, 100).expect("is answered");
        assert!(!network.validators.is_empty());
    });
}

#[test]
fn yields_should_tell_rounds_that_paid() {
    with_scored(|task| {
        let venue = Venue::Task(task);
        let who = account(VALIDATORS[0]);
        let page = views::yields(venue, who.clone(), 0, 100).expect("is answered");
        let [paid] = &page.yields[..] else {
            panic!("one round paid");
        };
        assert_eq!((paid.round, page.next), (1, None));
        let reward = paid.reward.expect("is kept").0;
        let result = views::result(task, 1).expect("is settled");
        let row = result.validators.iter().find(|row| row.account == who);
        assert_eq!(row.map(|row| row.reward.0), Some(reward));
        // A third of the stake is one delegator's, who earned as much for each token.
        let owed = views::delegator_earnings(venue, &who, &account(DELEGATOR))
            .owed
            .0;
        let per_token = paid.per_token.expect("paid delegators").0;
        assert!(owed.abs_diff(50 * per_token) <= 50, "{owed} {per_token}");
    });
}

#[test]
fn submission_should_tell_what_is_hidden_and_what_is_public() {
    with_preset("development", || {
        System::set_block_number(1);
        let task = approve_task();
        enrol(task);
        run_until("the round", || {
            phase_of(task, 1) == Some(RoundPhase::Submissions)
        });
        let who = account(TRAINERS[0]);
        let commitment = sp_core::H256::repeat_byte(1);
        let submit = pallet_arena_tasks::Call::submit { task, commitment };
        assert_ok!(call(&who, submit));
        let hidden = views::submission(task, who.clone()).expect("is answered");
        assert_eq!(hidden.committed[0].commitment, commitment);
        assert!(hidden.current.is_none());
        submit_and_publish(task, 1);
        let public = views::submission(task, who).expect("is answered");
        assert!(public.committed.is_empty());
        let current = public.current.expect("is public");
        assert_eq!(current.uris, ["file:///models"]);
        assert_eq!(current.manifest_root, root(TRAINERS[0], 1));
        assert!(current.committed_at.is_some());
    });
}

#[test]
fn slashes_should_tell_absences_and_nothing_of_the_clean() {
    with_scored(|task| {
        let who = account(VALIDATORS[0]);
        let clean = views::slashes(who.clone());
        assert!(clean.pending.is_empty() && clean.faults.is_empty());
        assert!(clean.standing.is_empty());
        settle(task, 2);
        let absent = views::slashes(who);
        assert_eq!(
            (absent.standing[0].task, absent.standing[0].misses),
            (task, 1)
        );
        let roles = views::positions(Venue::Task(task), None, 100);
        assert_eq!(roles.iter().filter(|p| p.role == Role::Trainer).count(), 3);
    });
}
