//! What time and the ends of tasks do to random calls, and what the second book says of it.

use super::{Book, now};
use crate::{
    invariants,
    tests::{world::*, *},
    weights::WeightInfo,
};
use arena_primitives::TaskId;
use codec::Decode;
use frame_support::weights::Weight;

/// Tasks at once.
const AT_ONCE: usize = 3;

impl Book {
    /// A block passes, with less room for the hook than it likes now and then.
    pub(super) fn pass_block(&mut self) {
        System::reset_events();
        System::set_block_number(now() + 1);
        let limit = match self.random.below(5) {
            0 => <() as WeightInfo>::step_beacon(),
            1 => Weight::from_parts(self.random.below(4_000_000_000), u64::MAX),
            _ => MaxTickWeight::get(),
        };
        let least = <() as WeightInfo>::step_beacon();
        Challenges::tick(now(), limit.max(least));
        self.read_events();
        if self.random.one_in(6) {
            self.round += 1;
            with(|n| (n.round, n.settled) = (self.round, Some(self.round - 1)));
            for task in self.tasks.clone() {
                disclose(task, self.round);
            }
        }
        // For a while there are few who could judge.
        if self.random.one_in(150) {
            let few = VALIDATORS.skip(2).chain(AUTHORS).map(account);
            with(|n| n.keyless = few.collect());
        } else if self.random.one_in(20) {
            with(|n| n.keyless.clear());
        }
        if self.random.one_in(60) {
            let fees = [FEE, 1, 25, 0];
            JurorFee::set(&self.random.of(&fees).unwrap_or(FEE));
        }
    }

    /// Tasks begin, come to their challenge phases, and end.
    pub(super) fn move_tasks(&mut self) {
        if self.tasks.len() < AT_ONCE {
            begin_task(self.next_task);
            disclose(self.next_task, self.round);
            self.tasks.push(self.next_task);
            self.next_task += 1;
            return;
        }
        let Some(task) = self.random.of(&self.tasks) else {
            return;
        };
        let (phase, ends) = with(|n| n.phases[&task]);
        let over =
            phase == TaskPhase::Challenge && now() >= ends && Challenges::open_cases(task) == 0;
        if over || self.random.one_in(250) {
            self.end(task);
        } else if phase == TaskPhase::Submission && now() >= ends {
            let ends = now() + 120 + self.random.below(100) as u32;
            with(|n| n.phases.insert(task, (TaskPhase::Challenge, ends)));
        }
    }

    fn end(&mut self, task: TaskId) {
        Challenges::ended(task);
        self.tasks.retain(|other| *other != task);
        with(|n| {
            n.phases.insert(task, (TaskPhase::Closed, 0));
            n.positions
                .retain(|(venue, _), _| *venue != Venue::Task(task));
            n.models.retain(|(of, _), _| *of != task);
        });
    }

    /// Cases must end as the votes of this book say.
    pub(super) fn read_events(&mut self) {
        for record in System::events() {
            let RuntimeEvent::Challenges(event) = record.event else {
                continue;
            };
            match event {
                Event::VerdictReached {
                    case,
                    appeal,
                    verdict,
                } => {
                    let convicts = self.count(case, appeal, |vote| vote == Vote::Convict);
                    let seats = if appeal { APPEAL_JURY } else { JURY };
                    let convicted = convicts >= (2 * seats).div_ceil(3);
                    assert_eq!(verdict == Vote::Convict, convicted, "case {case}");
                }
                Event::CommitmentEnded { lost, because, .. } => {
                    assert!(
                        lost == 0 || because.is_none(),
                        "an opened claim cost {lost}"
                    );
                    if let Some(DispatchError::Module(why)) = because {
                        let why = Error::<Test>::decode(&mut &why.error[..]);
                        let why = why.expect("an error of this pallet").into();
                        *self.returned.entry(why).or_default() += 1;
                    }
                }
                Event::CaseOpened {
                    task, claim, bond, ..
                } => self.opened(task, &claim, bond),
                Event::CaseClosed {
                    case,
                    verdict,
                    to_jurors,
                    to_challengers,
                    slashed,
                    ..
                } => {
                    self.closed(case, verdict, to_jurors);
                    assert!(to_challengers <= slashed, "a case paid itself");
                }
                _ => (),
            }
        }
        System::reset_events();
    }

    /// The bond is at least what the cases ask that were open before.
    fn opened(&mut self, task: TaskId, claim: &Claim, bond: Balance) {
        let before = CasesOf::<Test>::get(task).len() - 1;
        let least = Challenges::bond(task, claim) << (before / 4);
        assert!(bond >= least, "a bond of {bond} for case {before}");
        self.dear += u64::from(before >= 4);
    }

    fn count(&self, case: CaseId, appeal: bool, fits: fn(Vote) -> bool) -> usize {
        let of_jury = self
            .votes
            .range((case, appeal, 0)..=(case, appeal, u8::MAX));
        of_jury.filter(|(_, vote)| fits(**vote)).count()
    }

    fn closed(&mut self, case: CaseId, verdict: Verdict, to_jurors: Balance) {
        let votes = self.count(case, false, |_| true) + self.count(case, true, |_| true);
        let paid = matches!(
            verdict,
            Verdict::Convicted | Verdict::Acquitted | Verdict::Moot
        );
        let votes = if paid { votes as Balance } else { 0 };
        // The fee of the case is one of those that governance has set.
        let fee = to_jurors.checked_div(votes).unwrap_or(0);
        assert_eq!(to_jurors, fee * votes, "case {case}: {verdict:?}");
        assert!(
            [0, 1, FEE, 25].contains(&fee),
            "case {case} paid {fee} a vote"
        );
        let name = match verdict {
            Verdict::Convicted => "convicted",
            Verdict::Acquitted => "acquitted",
            Verdict::Undecided => "undecided",
            Verdict::Moot => "moot",
            Verdict::Cancelled => "cancelled",
        };
        *self.ends.entry(name).or_default() += 1;
    }

    /// All tasks end: nothing is held of anybody, and nothing stays.
    pub(super) fn wind_up(&mut self) {
        for task in self.tasks.clone() {
            self.end(task);
        }
        for _ in 0..400 {
            self.pass_block();
        }
        invariants::check::<Test>().expect("invariants hold");
        assert!(TRAINERS.chain(VALIDATORS).all(|n| held(n) == 0));
        assert_eq!(OpenCases::<Test>::iter().count(), 0);
        assert_eq!(Commitments::<Test>::iter().count(), 0);
        assert_eq!(DueAt::<Test>::iter().count(), 0);
        assert_eq!(
            Runs::<Test>::iter().count() + Heartbeats::<Test>::iter().count(),
            0
        );
        assert_eq!(
            Marks::<Test>::iter().count() + Convicted::<Test>::iter().count(),
            0
        );
        assert_eq!(
            Acquittals::<Test>::iter().count() + Answers::<Test>::iter().count(),
            0
        );
    }
}
