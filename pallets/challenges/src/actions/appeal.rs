//! How a verdict is appealed.

use crate::{Appeal, CaseState, Config, Error, Event, OpenCases, Pallet};
use arena_primitives::{AccountId, CaseId, Vote};
use frame_support::ensure;
use sp_runtime::DispatchResult;

impl<T: Config> Pallet<T> {
    pub(crate) fn do_appeal(appellant: AccountId, id: CaseId) -> DispatchResult {
        let mut case = OpenCases::<T>::get(id).ok_or(Error::<T>::NoSuchCase)?;
        let now = Self::now();
        let CaseState::Appealable {
            jury,
            verdict,
            until,
        } = case.state.clone()
        else {
            return Err(Error::<T>::NotAppealable.into());
        };
        ensure!(now < until, Error::<T>::NotAppealable);
        let loser = match verdict {
            Vote::Convict => case.accused() == &appellant,
            Vote::Acquit => case.has_challenger(&appellant),
        };
        ensure!(loser, Error::<T>::NotTheLoser);
        let bond = Self::appeal_bond(&case);
        Self::hold(&appellant, bond)?;

        case.appeal = Some(Appeal {
            appellant: appellant.clone(),
            bond,
            verdict,
            jury,
        });
        let ready = now.saturating_add(Self::seed_blocks());
        case.state = CaseState::Drawing { ready };
        Self::save(id, until, &case);
        Self::deposit_event(Event::Appealed {
            case: id,
            appellant,
            bond,
        });
        Ok(())
    }
}
