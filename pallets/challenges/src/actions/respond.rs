//! What the accused answers.

use crate::{
    Answer, Answers, Case, Config, Error, Event, Facts, Heartbeats, OpenCases, Pallet, Runs,
    SAMPLES,
};
use arena_primitives::{
    AccountId, CaseId, LogLeaf, LogLeaves, LossLeaf, MAX_TRAINERS, ProvenLoss, TaskId, Uris,
    are_mirrors, drawn_samples,
    hash::{Domain, hash},
    log_roots,
};
use frame_support::{BoundedVec, ensure, traits::ConstU32};
use sp_core::H256;
use sp_runtime::DispatchResult;

/// Roots of the losses of a reveal's models, in its order.
pub type LossRoots = BoundedVec<H256, ConstU32<MAX_TRAINERS>>;
/// Losses with their proofs, in the order of their places.
pub type ProvenLosses = BoundedVec<ProvenLoss, ConstU32<SAMPLES>>;

impl<T: Config> Pallet<T> {
    /// The case that `who` is to answer now.
    fn awaiting(who: &AccountId, id: CaseId) -> Result<Case, Error<T>> {
        let case = OpenCases::<T>::get(id).ok_or(Error::<T>::NoSuchCase)?;
        ensure!(case.accused() == who, Error::<T>::NotAccused);
        let window = Self::vote_window();
        match case.state.answered(Self::now(), window) {
            Some(_) => Ok(case),
            None => Err(Error::<T>::NoAnswerDue),
        }
    }

    fn put_answer(id: CaseId, mut case: Case, answer: Answer) {
        let before = case.state.due();
        let next = case.state.answered(Self::now(), Self::vote_window());
        if let Some(state) = next {
            case.state = state;
        }
        Answers::<T>::insert(id, answer);
        Self::save(id, before, &case);
        Self::deposit_event(Event::Responded { case: id });
    }

    pub(crate) fn do_respond_training(
        signer: AccountId,
        id: CaseId,
        leaves: LogLeaves,
        uris: Uris,
    ) -> DispatchResult {
        let who = Self::speaker(signer);
        let case = Self::awaiting(&who, id)?;
        ensure!(case.facts == Facts::Training, Error::<T>::WrongAnswer);
        ensure!(are_mirrors(&uris), Error::<T>::BadUri);
        Self::check_log(case.task, &who, &leaves)?;
        Self::put_answer(id, case, Answer::Training { leaves, uris });
        Ok(())
    }

    /// The log is whole, even, and what each heartbeat said. Even: the steps of its leaves are the
    /// multiples of the run's steps between them, the last one too.
    fn check_log(task: TaskId, who: &AccountId, leaves: &[LogLeaf]) -> Result<(), Error<T>> {
        let run = Runs::<T>::get(task, who).ok_or(Error::<T>::NoRun)?;
        let seed = run.seed.known().ok_or(Error::<T>::NoSeed)?;
        let count = u32::try_from(leaves.len()).unwrap_or(u32::MAX);
        let whole = run.log_leaves() == Some(count) && run.leaves == count;
        ensure!(whole, Error::<T>::LogNotWhole);
        let even = (0u64..)
            .zip(leaves)
            .all(|(place, leaf)| leaf.step == place.saturating_mul(run.every));
        ensure!(even, Error::<T>::LogNotEven);
        let roots = log_roots(&seed, leaves);
        let said = |leaves: u32| {
            let last = usize::try_from(leaves.checked_sub(1)?).ok()?;
            roots.get(last).copied()
        };
        let true_all = Heartbeats::<T>::get(task, who)
            .iter()
            .all(|beat| said(beat.leaves) == Some(beat.root));
        ensure!(true_all, Error::<T>::LogDiffers);
        Ok(())
    }

    pub(crate) fn do_respond_score(
        signer: AccountId,
        id: CaseId,
        roots: LossRoots,
        samples: u32,
        losses: ProvenLosses,
    ) -> DispatchResult {
        let case = Self::awaiting(&Self::speaker(signer), id)?;
        let Facts::Score {
            samples_root,
            place,
            models,
            ..
        } = &case.facts
        else {
            return Err(Error::<T>::WrongAnswer.into());
        };
        let count = u32::try_from(roots.len()).unwrap_or(u32::MAX);
        let same = hash(Domain::Samples, &roots) == *samples_root && count == *models;
        ensure!(same, Error::<T>::RootsDiffer);
        let place = usize::try_from(*place).unwrap_or(usize::MAX);
        let root = roots.get(place).ok_or(Error::<T>::RootsDiffer)?;
        let jury = case.state.jury().ok_or(Error::<T>::NoAnswerDue)?;
        let drawn = drawn_samples(&jury.draw, samples, SAMPLES);
        let proven = !drawn.is_empty()
            && drawn.len() == losses.len()
            && drawn
                .iter()
                .zip(&losses)
                .all(|(at, loss)| loss.is_under(root, samples, *at));
        ensure!(proven, Error::<T>::LossNotProven);
        let leaves = losses.iter().map(|loss| loss.leaf);
        let losses = BoundedVec::<LossLeaf, _>::truncate_from(leaves.collect());
        Self::put_answer(id, case, Answer::Score { samples, losses });
        Ok(())
    }
}
