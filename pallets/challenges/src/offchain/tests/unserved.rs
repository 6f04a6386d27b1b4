//! What a juror's node makes of what nobody serves.

use super::*;

/// The same after the executor said in block `at` that nobody serves what its jobs need.
fn unserved(mut duty: Duty, at: u32) -> Duty {
    let gone = infra(InfraFault::Download);
    duty = told(duty, &[gone.clone(), gone]);
    assert!(duty.note_unserved(at));
    duty
}

#[test]
fn what_nobody_serves_should_fall_on_who_had_to_serve_it() {
    let gone = || infra(InfraFault::Download);
    for question in [duplicate(), watermark()] {
        // Whose fault it is, a job of the accused's model alone tells.
        let asked = told(duty(question.clone()), &[gone(), JobView::Missing]);
        let jobs = asked.jobs();
        assert!(matches!(jobs[1].kind, JobKind::Sketch(_)));
        assert_eq!(posted(OPENS, &asked).len(), 2);
        let both = told(duty(question.clone()), &[gone(), gone()]);
        assert_eq!(vote(LATE, &both), Some(Vote::Convict));
        let anothers = told(duty(question), &[gone(), compared(None, false)]);
        assert_eq!(vote(LATE, &anothers), Some(Vote::Acquit));
    }
    let training = told(duty(learning()), &[gone()]);
    assert_eq!(vote(LATE - 1, &training), None, "another try may go well");
    assert_eq!(vote(LATE, &training), Some(Vote::Convict));
    let waited = told(duty(learning()), &[infra(InfraFault::Timeout)]);
    assert_eq!(vote(LATE, &waited), Some(Vote::Acquit), "for its turn");
    let validator = told(duty(score()), &[gone()]);
    assert_eq!(vote(LATE, &validator), Some(Vote::Acquit));
}

#[test]
fn wrong_bytes_of_a_mirror_should_count_as_none() {
    for fault in [MinerFault::HashMismatch, MinerFault::Manifest] {
        let other = || {
            let fault = Fault::Miner(fault, "why".into());
            JobView::Known(JobStatus::Failed(fault))
        };
        // The mirror is the challenger's, and proves nothing against a validator.
        let validator = told(duty(score()), &[other()]);
        assert_eq!(vote(LATE - 1, &validator), None);
        assert_eq!(vote(LATE, &validator), Some(Vote::Acquit));
        for question in [duplicate(), watermark()] {
            let asked = told(duty(question.clone()), &[other(), JobView::Missing]);
            assert_eq!(posted(OPENS, &asked).len(), 1, "the accused's model alone");
            let both = told(duty(question.clone()), &[other(), other()]);
            assert_eq!(vote(LATE, &both), Some(Vote::Convict));
            let anothers = told(duty(question), &[other(), compared(None, false)]);
            assert_eq!(vote(LATE, &anothers), Some(Vote::Acquit));
        }
        let training = told(duty(learning()), &[other()]);
        assert_eq!(vote(LATE - 1, &training), None);
        assert_eq!(vote(LATE, &training), Some(Vote::Convict));
    }
}

#[test]
fn what_nobody_serves_should_be_tried_again_until_the_window_is_nearly_over() {
    let training = unserved(duty(learning()), OPENS);
    for now in OPENS..LATE {
        assert_eq!(posted(now, &training).len(), 1, "{now}");
    }
    assert_eq!(vote(LATE, &training), Some(Vote::Convict));
    // The line of this machine was down, and came back.
    let back = told(training, &[replayed(ReplayFinding::Same)]);
    assert_eq!(vote(LATE, &back), Some(Vote::Acquit));
    // In a day's window the last tries are an hour and a half before its end.
    let mut day = unserved(duty(learning()), OPENS);
    let until = OPENS + 14_400;
    day.window = Window::Commit {
        opens: OPENS,
        until,
    };
    assert_eq!(vote(until - 901, &day), None);
    assert_eq!(vote(until - 900, &day), Some(Vote::Convict));
}

#[test]
fn a_fetch_that_is_tried_to_the_end_should_count_as_it_was_in_the_second_half() {
    let fetching = [
        JobView::Known(JobStatus::Queued),
        JobView::Known(JobStatus::Running { done: 0, total: 0 }),
    ];
    for view in fetching {
        for question in [learning(), duplicate(), watermark()] {
            let views = [view.clone(), view.clone()];
            let fresh = told(duty(question.clone()), &views);
            assert_eq!(vote(UNTIL - 3, &fresh), Some(Vote::Acquit), "never failed");
            let half = UNTIL - (UNTIL - OPENS) / 2;
            let waits = told(unserved(duty(question.clone()), half - 1), &views);
            assert_eq!(vote(UNTIL - 3, &waits), Some(Vote::Acquit), "other jobs");
            let again = told(unserved(duty(question), half), &views);
            assert_eq!(vote(UNTIL - 4, &again), None, "it may come yet");
            assert_eq!(vote(UNTIL - 3, &again), Some(Vote::Convict));
        }
        let validator = told(unserved(duty(score()), OPENS), &[view]);
        assert_eq!(vote(UNTIL - 3, &validator), Some(Vote::Acquit));
    }
}

#[test]
fn what_came_too_late_to_be_checked_should_count_as_not_served() {
    let computing = JobView::Known(JobStatus::Running { done: 1, total: 2 });
    for view in [computing, infra(InfraFault::Timeout)] {
        let since = |at| told(unserved(duty(learning()), at), core::slice::from_ref(&view));
        let half = (OPENS + UNTIL) / 2;
        assert_eq!(vote(UNTIL - 3, &since(half - 1)), Some(Vote::Acquit));
        assert_eq!(vote(UNTIL - 3, &since(half)), Some(Vote::Convict));
    }
}

#[test]
fn what_another_serves_should_be_no_fault_of_the_accused_however_late() {
    for question in [duplicate(), watermark()] {
        let gone = infra(InfraFault::Download);
        let mut duty = told(duty(question), &[gone.clone(), compared(None, false)]);
        duty.note_unserved(LATE);
        assert_eq!(vote(LATE, &duty), Some(Vote::Acquit));
        // Its own model was not there for a while; then this machine was slow.
        let slow = told(
            unserved(duty, OPENS),
            &[infra(InfraFault::Timeout), gone.clone()],
        );
        assert_eq!(vote(LATE, &slow), Some(Vote::Acquit));
    }
}

#[test]
fn jobs_should_name_others_by_which_the_line_is_told() {
    for question in questions() {
        let duty = duty(question);
        assert!(duty.jobs().iter().all(|job| job.others == duty.others));
    }
}
