//! The hook: randomness first, since a block's output can be added in no other block; then, as
//! far as the weight goes, what is due.

use crate::{
    Accused, Acquittals, Answers, BEACON_KEEP, Beacon, BeaconAcc, Case, CaseState, CasesOf,
    Commitment, Commitments, Config, Convicted, Due, DueAt, DueFrom, Error, Event, HoldReason,
    Jury, OpenCases, Pallet, Verdict, WeightInfo,
    money::{Dues, Moved},
    units,
};
use arena_primitives::{
    AccountId, Balance, BlockNumber, CaseId, TaskPhase, Venue, Vote,
    hash::{Domain, hash},
    traits::{BlockVrf, Stakes, TaskStates},
};
use frame_support::{
    ensure,
    traits::{Get, OnUnbalanced},
    weights::{Weight, WeightMeter},
};
use sp_core::H256;
use sp_runtime::DispatchResult;

impl<T: Config> Pallet<T> {
    /// The hook, with `limit` as the most that it may use of the block. Never called with less
    /// than the hook has but by measurements: what doesn't fit a block waits for the next.
    pub fn tick(now: BlockNumber, limit: Weight) -> Weight {
        let mut meter = WeightMeter::with_limit(limit);
        if meter.try_consume(T::WeightInfo::step_beacon()).is_err() {
            return meter.consumed();
        }
        Self::gather(now);
        Self::work(now, &mut meter);
        Self::prune_ended(&mut meter);
        meter.consumed()
    }

    /// Adds the parent's VRF output to what was collected, and keeps it for the parent.
    pub(crate) fn gather(now: BlockNumber) {
        let Some(parent) = now.checked_sub(1) else {
            return;
        };
        if let Some(vrf) = T::Vrf::parent() {
            BeaconAcc::<T>::mutate(|acc| *acc = hash(Domain::SeedStep, &(*acc, vrf)));
        }
        Beacon::<T>::insert(slot(parent), (parent, BeaconAcc::<T>::get()));
    }

    /// What was collected up to `block`; `None` if that is too long ago.
    pub(crate) fn collected(block: BlockNumber) -> Option<H256> {
        let kept = Beacon::<T>::get(slot(block));
        kept.filter(|(at, _)| *at == block).map(|(_, acc)| acc)
    }

    fn work(now: BlockNumber, meter: &mut WeightMeter) {
        let mut at = DueFrom::<T>::get().unwrap_or(now);
        while at <= now && meter.try_consume(T::WeightInfo::step_look()).is_ok() {
            let Some(due) = DueAt::<T>::iter_key_prefix(at).next() else {
                at = at.saturating_add(1);
                continue;
            };
            if meter.try_consume(units::due_weight::<T>(&due)).is_err() {
                break;
            }
            DueAt::<T>::remove(at, &due);
            Self::take(due, now);
        }
        DueFrom::<T>::put(at);
    }

    fn take(due: Due, now: BlockNumber) {
        match due {
            Due::Commitment {
                challenger,
                commitment,
            } => Self::expire(challenger, commitment),
            Due::Case(id) => {
                if let Some(case) = OpenCases::<T>::get(id).filter(|c| now >= c.state.due()) {
                    Self::turn(id, case, now);
                }
            }
            Due::Run { task, trainer } => Self::seed_run(task, trainer, now),
        }
    }

    pub(crate) fn do_poke(id: CaseId) -> DispatchResult {
        let case = OpenCases::<T>::get(id).ok_or(Error::<T>::NoSuchCase)?;
        let now = Self::now();
        ensure!(now >= case.state.due(), Error::<T>::NothingDue);
        Self::turn(id, case, now);
        Ok(())
    }

    /// A claim that was not opened: its bond is lost, unless the task ended meanwhile.
    pub(crate) fn expire(challenger: AccountId, commitment: H256) {
        let Some(Commitment { task, bond, .. }) = Commitments::<T>::take(&challenger, commitment)
        else {
            return;
        };
        let over = matches!(
            T::Tasks::phase(task),
            None | Some(TaskPhase::Closed | TaskPhase::Cancelled)
        );
        if over {
            Self::release(HoldReason::Bond, &challenger, bond);
        } else {
            T::Slashed::on_unbalanced(Self::take_bond(&challenger, bond));
        }
        Self::deposit_event(Event::CommitmentEnded {
            task,
            challenger,
            commitment,
            lost: if over { 0 } else { bond },
            because: over.then(|| Error::<T>::TaskOver.into()),
        });
    }

    /// Writes a case that a call or time has moved; `before` is when it was due.
    pub(crate) fn save(id: CaseId, before: BlockNumber, case: &Case) {
        let due = case.state.due();
        if due != before {
            DueAt::<T>::remove(before, Due::Case(id));
        }
        DueAt::<T>::insert(due, Due::Case(id), ());
        OpenCases::<T>::insert(id, case);
    }

    /// Does what time asks of a case.
    pub(crate) fn turn(id: CaseId, mut case: Case, now: BlockNumber) {
        let before = case.state.due();
        match case.state.clone() {
            CaseState::Drawing { ready } => return Self::begin(id, case, ready, now),
            CaseState::Responding { .. } => return Self::close(id, case, Vote::Convict),
            CaseState::Committing { jury, .. } => {
                let until = now.saturating_add(Self::reveal_window());
                case.state = CaseState::Revealing { jury, until };
            }
            CaseState::Revealing { jury, .. } => return Self::tally(id, case, jury, now),
            CaseState::Appealable { verdict, .. } => return Self::close(id, case, verdict),
            CaseState::Ending { verdict, .. } => return Self::finish(id, case, verdict),
        }
        Self::save(id, before, &case);
    }

    /// Draws the jury. Too few jurors decide nothing; on an appeal the first verdict stands.
    fn begin(id: CaseId, mut case: Case, ready: BlockNumber, now: BlockNumber) {
        let before = case.state.due();
        let Some(acc) = Self::collected(ready) else {
            let ready = now.saturating_add(Self::seed_blocks());
            case.state = CaseState::Drawing { ready };
            return Self::save(id, before, &case);
        };
        let draw = hash(Domain::CaseDraw, &(acc, id, case.appeal.is_some()));
        let number = match case.appeal {
            Some(_) => T::AppealJury::get(),
            None => T::Jury::get(),
        };
        let Some(seats) = Self::draw_jury(&case, &draw, number) else {
            return Self::without_jury(id, case);
        };
        Self::deposit_event(Event::JuryDrawn {
            case: id,
            appeal: case.appeal.is_some(),
            jurors: seats.iter().map(|seat| seat.juror.clone()).collect(),
        });
        let jury = Jury { draw, seats };
        case.state = if case.facts.asks() && !Answers::<T>::contains_key(id) {
            let until = now.saturating_add(Self::respond_window());
            CaseState::Responding { jury, until }
        } else {
            let until = now.saturating_add(Self::vote_window());
            CaseState::Committing {
                jury,
                since: now,
                until,
            }
        };
        Self::save(id, before, &case);
    }

    fn without_jury(id: CaseId, mut case: Case) {
        let Some(appeal) = case.appeal.take() else {
            return Self::finish(id, case, Verdict::Undecided);
        };
        Self::release(HoldReason::Bond, &appeal.appellant, appeal.bond);
        case.state = CaseState::Appealable {
            jury: appeal.jury,
            verdict: appeal.verdict,
            until: case.state.due(),
        };
        Self::close(id, case, appeal.verdict);
    }

    /// Counts the votes; who gave none pays.
    fn tally(id: CaseId, mut case: Case, jury: Jury, now: BlockNumber) {
        for seat in jury.seats.iter().filter(|seat| seat.vote.is_none()) {
            let amount = T::JurorSlash::get().mul_ceil(seat.own);
            let slashed = T::Stakes::slash_own(seat.venue, &seat.juror, amount);
            Self::deposit_event(Event::JurorAbsent {
                case: id,
                juror: seat.juror.clone(),
                slashed,
            });
        }
        let verdict = jury.verdict();
        Self::deposit_event(Event::VerdictReached {
            case: id,
            appeal: case.appeal.is_some(),
            verdict,
        });
        if case.appeal.is_some() {
            return Self::close(id, case, verdict);
        }
        let before = case.state.due();
        let until = now.saturating_add(Self::appeal_window());
        case.state = CaseState::Appealable {
            jury,
            verdict,
            until,
        };
        Self::save(id, before, &case);
    }

    /// A verdict is final.
    fn close(id: CaseId, case: Case, verdict: Vote) {
        let mut dues = Dues::of(&case);
        let fees = dues.total();
        match verdict {
            Vote::Convict => {
                let moved = Self::pay_conviction(&case, &mut dues);
                Convicted::<T>::insert(case.task, case.accused(), ());
                T::Stakes::chill(Venue::Task(case.task), case.accused());
                let paid = fees.saturating_sub(dues.total());
                Self::remove(id, &case, Verdict::Convicted, moved, paid);
                Self::make_moot(&case);
            }
            Vote::Acquit => {
                Self::pay_acquittal(&case, &mut dues);
                Acquittals::<T>::mutate(case.task, case.accused(), |n| {
                    *n = n.saturating_add(1);
                });
                let paid = fees.saturating_sub(dues.total());
                Self::remove(id, &case, Verdict::Acquitted, Default::default(), paid);
            }
        }
    }

    /// Other cases against a convict end in the next block.
    pub(crate) fn make_moot(convicted: &Case) {
        let now = Self::now();
        for id in CasesOf::<T>::get(convicted.task) {
            let Some(mut case) = OpenCases::<T>::get(id) else {
                continue;
            };
            if case.accused() == convicted.accused() && !case.state.is_ending() {
                let before = case.state.due();
                case.state.end(Verdict::Moot, now);
                Self::save(id, before, &case);
            }
        }
    }

    /// Ends a case without a verdict.
    fn finish(id: CaseId, case: Case, verdict: Verdict) {
        let mut dues = Dues::of(&case);
        let fees = dues.total();
        let mut moved = Moved::default();
        let mut paid = 0;
        match verdict {
            Verdict::Moot => {
                moved.slashed = Self::pay_moot(&case, &mut dues);
                paid = fees.saturating_sub(dues.total());
            }
            Verdict::Undecided => Self::pay_undecided(&case),
            Verdict::Convicted | Verdict::Acquitted | Verdict::Cancelled => {
                Self::return_all(&case, &mut Dues::default());
            }
        }
        Self::remove(id, &case, verdict, moved, paid);
    }

    fn drop_accusation(case: &Case) {
        Accused::<T>::mutate_exists(case.task, case.accused(), |cases| {
            let left = cases.unwrap_or(0).saturating_sub(1);
            *cases = Some(left).filter(|left| *left > 0);
        });
    }

    fn remove(id: CaseId, case: &Case, verdict: Verdict, moved: Moved, to_jurors: Balance) {
        DueAt::<T>::remove(case.state.due(), Due::Case(id));
        OpenCases::<T>::remove(id);
        Self::drop_accusation(case);
        Answers::<T>::remove(id);
        CasesOf::<T>::mutate_exists(case.task, |cases| {
            if let Some(list) = cases {
                list.retain(|other| *other != id);
                if list.is_empty() {
                    *cases = None;
                }
            }
        });
        Self::deposit_event(Event::CaseClosed {
            case: id,
            task: case.task,
            accused: case.accused().clone(),
            verdict,
            forfeited: moved.forfeited,
            slashed: moved.slashed,
            to_challengers: moved.to_challengers,
            to_jurors,
        });
    }
}

/// Where what a block gave is kept.
fn slot(block: BlockNumber) -> BlockNumber {
    block.checked_rem(BEACON_KEEP).unwrap_or(0)
}
