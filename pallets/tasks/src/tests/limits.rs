//! Limits that governance sets to all tasks.

use super::*;

fn limit(change: impl FnOnce(&mut TaskLimits)) {
    let mut limits = TaskLimits::default();
    change(&mut limits);
    Limits::set(limits);
}

fn propose() -> sp_runtime::DispatchResult {
    Tasks::propose(signed(CREATOR), Box::new(spec()))
}

fn approve(share: Perbill) -> sp_runtime::DispatchResult {
    let hash = Tasks::spec_hash(&account(CREATOR), &spec());
    Tasks::approve(RuntimeOrigin::root(), hash, share)
}

#[test]
fn a_spec_should_be_refused_when_it_asks_for_more_than_governance_allows() {
    run(|| {
        let asked = spec();
        let above: [fn(&mut TaskLimits, &TaskSpec); 5] = [
            |limits, asked| limits.rounds = asked.rounds - 1,
            |limits, asked| limits.round_minutes = asked.round_minutes - 1,
            |limits, asked| limits.final_days = asked.final_days - 1,
            |limits, asked| limits.challenge_days = asked.challenge_days - 1,
            |limits, asked| limits.model_bytes = asked.model.max_bytes - 1,
        ];
        for lower in above {
            limit(|limits| lower(limits, &asked));
            assert_noop!(propose(), Error::<Test>::AboveLimit);
        }
        limit(|limits| {
            *limits = TaskLimits {
                rounds: asked.rounds,
                round_minutes: asked.round_minutes,
                final_days: asked.final_days,
                challenge_days: asked.challenge_days,
                model_bytes: asked.model.max_bytes,
                ..*limits
            }
        });
        assert_ok!(propose());
    });
}

#[test]
fn limits_should_bind_what_is_approved_after_them_and_leave_tasks_that_run() {
    run(|| {
        assert_ok!(propose());
        limit(|limits| limits.rounds = spec().rounds - 1);
        assert_noop!(approve(Perbill::one()), Error::<Test>::AboveLimit);
        limit(|limits| limits.share = Perbill::from_percent(10));
        let above = Perbill::from_percent(11);
        assert_noop!(approve(above), Error::<Test>::ShareAboveLimit);
        limit(|limits| limits.active = 0);
        assert_noop!(approve(Perbill::one()), Error::<Test>::TooManyTasks);
        limit(|limits| limits.share = Perbill::from_percent(10));
        assert_ok!(approve(Perbill::from_percent(10)));
        limit(|limits| limits.active = 0);
        assert_eq!(Tasks::current_round(Venue::Task(0)), Some(0));
    });
}
