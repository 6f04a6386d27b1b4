//! Sealed evaluation data: opening a round's shard, and the bond of a creator that doesn't.

use crate::{
    Bonds, Config, EndReason, Error, Event, HoldReason, LiveRound, Pallet, Shards, Specs, Task,
    Tasks,
};
use arena_primitives::{
    AccountId, Balance, BlockNumber, DutyTag, PublicData, Round, Shard, ShardProof, ShardState,
    TaskId, TaskSpec, Uris, are_mirrors,
    shard::{is_sealed, shard_count},
    time::MINUTES_PER_DAY,
    traits::{Clock, ServiceKeys, TaskRewards},
};
use frame_support::{
    ensure,
    traits::{
        Get, Imbalance, OnUnbalanced,
        fungible::{BalancedHold, InspectHold, MutateHold},
        tokens::Precision,
    },
};
use sp_runtime::{DispatchResult, Perbill};

/// Names `open_shard` in a [`DutyTag`].
pub const OPEN_TAG: [u8; 8] = *b"shard___";

impl<T: Config> Pallet<T> {
    /// What a creator of sealed data puts at stake: the most that one of its rounds can draw of
    /// the emission, and no less than a proposal's deposit. The first round draws from its opening
    /// to its settlement.
    pub fn shard_bond(spec: &TaskSpec, max_share: Perbill) -> Balance {
        let round = T::Clock::blocks(spec.round_minutes);
        let first = round.saturating_add(T::Clock::windows().total());
        let last = T::Clock::blocks(spec.final_days.saturating_mul(MINUTES_PER_DAY));
        T::Rewards::largest_draw(max_share, first.max(last)).max(T::ProposalDeposit::get())
    }

    /// Holds the bond of a task whose data is sealed.
    pub(crate) fn hold_bond(
        id: TaskId,
        creator: &AccountId,
        spec: &TaskSpec,
        max_share: Perbill,
    ) -> DispatchResult {
        if spec.sealed().is_none() {
            return Ok(());
        }
        let bond = Self::shard_bond(spec, max_share);
        T::Currency::hold(&HoldReason::ShardBond.into(), creator, bond)
            .map_err(|_| Error::<T>::BondNotCovered)?;
        Bonds::<T>::insert(id, bond);
        Ok(())
    }

    /// Gives back what is held; nothing but a missed shard takes of it, yet a return must not
    /// fail where something else did.
    pub(crate) fn return_bond(id: TaskId, creator: &AccountId) {
        let Some(bond) = Bonds::<T>::take(id) else {
            return;
        };
        let reason = HoldReason::ShardBond.into();
        let amount = bond.min(T::Currency::balance_on_hold(&reason, creator));
        if let Err(error) = T::Currency::release(&reason, creator, amount, Precision::BestEffort) {
            log::error!(target: "arena::tasks", "bond of task {id} stays held: {error:?}");
        }
    }

    /// Everything that must hold for `open_shard` to succeed; returns what the round is scored
    /// on. Stands before the pool and in the call's body.
    pub(crate) fn opening(
        key: &AccountId,
        id: TaskId,
        round: Round,
        shard: &Shard,
        proof: &ShardProof,
        uris: &Uris,
    ) -> Result<PublicData, Error<T>> {
        let creator = T::ServiceKeys::operator_of(key).ok_or(Error::<T>::NotAServiceKey)?;
        let task = Tasks::<T>::get(id).ok_or(Error::<T>::NoSuchTask)?;
        ensure!(task.creator == creator, Error::<T>::NotTheCreator);
        let spec = Specs::<T>::get(id).ok_or(Error::<T>::NoSuchTask)?;
        let sealed = spec.sealed().ok_or(Error::<T>::NotSealed)?;
        let mut live = task.live().iter();
        let live = live
            .find(|live| live.round == round && round > 0)
            .ok_or(Error::<T>::NotALiveRound)?;
        let now = Self::now();
        ensure!(live.shard != ShardState::Open, Error::<T>::ShardOpen);
        ensure!(live.shard != ShardState::NotSealed, Error::<T>::NoModels);
        ensure!(now >= live.schedule.seed, Error::<T>::ShardTooEarly);
        ensure!(live.schedule.takes_shard(now), Error::<T>::ShardTooLate);
        ensure!(are_mirrors(uris), Error::<T>::BadUris);
        let fits = shard.bytes > 0 && shard.bytes <= sealed.max_bytes;
        ensure!(fits, Error::<T>::ShardSize);
        let count = shard_count(spec.rounds);
        ensure!(
            is_sealed(&sealed.root, count, round, shard, proof),
            Error::<T>::WrongShard
        );
        Ok(PublicData {
            blake3: shard.blake3,
            bytes: shard.bytes,
            uris: uris.clone(),
            samples: sealed.samples,
        })
    }

    pub(crate) fn do_open_shard(
        key: AccountId,
        id: TaskId,
        round: Round,
        shard: Shard,
        proof: ShardProof,
        uris: Uris,
    ) -> DispatchResult {
        let data = Self::opening(&key, id, round, &shard, &proof, &uris)?;
        Tasks::<T>::mutate_extant(id, |task| task.mark_shard(round, ShardState::Open));
        Shards::<T>::insert(id, round, data);
        Self::deposit_event(Event::ShardOpened {
            task: id,
            round,
            blake3: shard.blake3,
        });
        Ok(())
    }

    /// The tag of an `open_shard` that may be made.
    pub(crate) fn opening_tag(key: &AccountId, task: TaskId, round: Round) -> DutyTag {
        DutyTag {
            call: OPEN_TAG,
            task,
            round,
            key: key.clone(),
        }
    }

    /// Takes the bond of a creator that left a round without its shard. Where another round needs
    /// one, the bond is held again; a task whose creator can't cover it ends, so that nobody's
    /// stake waits for rounds that pay nothing.
    pub(crate) fn miss_shard(
        id: TaskId,
        mut task: Task,
        spec: &TaskSpec,
        round: Round,
        now: BlockNumber,
    ) {
        task.mark_shard(round, ShardState::Missed);
        let reason = HoldReason::ShardBond.into();
        let bond = Bonds::<T>::take(id).unwrap_or(0);
        let (credit, _) = T::Currency::slash(&reason, &task.creator, bond);
        let slashed = credit.peek();
        T::Slashed::on_unbalanced(credit);
        Self::deposit_event(Event::ShardMissed {
            task: id,
            round,
            slashed,
        });
        if round > spec.rounds {
            // The last one.
            Tasks::<T>::insert(id, task);
        } else if T::Currency::hold(&reason, &task.creator, bond).is_ok() {
            Bonds::<T>::insert(id, bond);
            Tasks::<T>::insert(id, task);
        } else {
            Self::end(id, task, EndReason::Unbonded, now);
        }
    }

    /// What a round is scored on.
    pub(crate) fn data_of(id: TaskId, round: Round) -> Option<PublicData> {
        use arena_primitives::DataSource;
        match Specs::<T>::get(id)?.data {
            DataSource::Public(data) => Some(data),
            DataSource::Sealed(_) => Shards::<T>::get(id, round),
        }
    }
}

impl LiveRound {
    /// Whether its shard is overdue.
    pub(crate) fn misses_shard(&self, now: BlockNumber) -> bool {
        self.shard == ShardState::Awaited && now >= self.schedule.shard_due()
    }
}
