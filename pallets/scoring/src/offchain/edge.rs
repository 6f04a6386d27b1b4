//! The worker's contact with the world: keystore, local storage, executor and pool.

use super::decide::{
    Action, Drawn, Duty, Publish, Record, Sketching, decide, decide_publish, kept,
};
use crate::{Call, Commits, Config, Pallet, Reveals};
use alloc::vec::Vec;
use arena_offchain::{Before, Executor, Line, Shelf, TARGET, signers};
use arena_primitives::{
    AccountId, BlockNumber, FINALIZED_KEY, Publication, Role, Round, RoundInfo, TaskId, Venue,
    time::RoundPhase,
    traits::{Publishing, Rounds, Stakes},
};
use codec::Encode;
use frame_system::pallet_prelude::BlockNumberFor;
use sp_core::H256;
use sp_runtime::offchain::storage::StorageValueRef;

/// Prefix of the keys of records.
pub const RECORD_PREFIX: &[u8] = b"arena::scores";
/// What is kept of rounds.
const SHELF: Shelf<(TaskId, Round)> = Shelf::new(b"arena::index");
/// How long what is kept outlives its round's settlement, which a reorganisation may undo.
const KEEP: BlockNumber = 256;
/// Why what is kept to be published is of no use: it doesn't decode.
const UNREADABLE: u8 = 0;
/// Or the window in which it should have been published is over.
const MISSED: u8 = 1;

type Signer<T> = arena_offchain::Signer<T>;

/// Which record a key of the local storage is of. Each draw has one of its own: when the chain
/// goes back to a branch that it left, the commitment there can be revealed.
#[derive(Clone, Debug, PartialEq, Eq, Encode)]
struct RecordId {
    task: TaskId,
    round: Round,
    operator: AccountId,
    seed: H256,
}

impl RecordId {
    fn key(&self) -> Vec<u8> {
        let mut key = RECORD_PREFIX.to_vec();
        self.encode_to(&mut key);
        key
    }
}

/// One run, after block `n`.
pub fn run<T: Config>(n: BlockNumber) {
    // What is sent now is checked, and included, as of the next block.
    let next = n.saturating_add(1);
    SHELF.clean_up(n, |(task, round)| T::Rounds::info(*task, *round).is_none());
    for mut signer in signers::<T, T::AuthorityId, T::ServiceKeys>(Before::Nothing) {
        serve::<T>(next, &mut signer);
    }
}

/// All duties of one key: reveals first, since a missing one costs stake.
fn serve<T: Config>(next: BlockNumber, signer: &mut Signer<T>) {
    let mut duties: Vec<Duty> = T::Rounds::closed_rounds()
        .into_iter()
        .filter_map(|info| duty::<T>(next, info, &signer.operator))
        .collect();
    duties.sort_by_key(|duty| duty.revealed_first(next));
    let mut line = Executor::named().map(Line::new);
    for mut duty in duties {
        if duty.wants_scores(next) {
            match &mut line {
                Some(line) => duty.jobs = Some(line.statuses(&duty.jobs())),
                None if next == duty.schedule.commit.saturating_add(1) => log::warn!(
                    target: TARGET,
                    "no executor is set: nothing is scored in round {} of task {}",
                    duty.round, duty.task,
                ),
                None => {}
            }
        }
        // Random, not derived from the key: sr25519 signatures are randomised, so that a
        // signature can't serve as a reproducible secret.
        let nonce = H256(sp_io::offchain::random_seed());
        for action in decide(next, &duty, nonce) {
            match action {
                Action::Post(job) => {
                    if let Some(line) = &mut line {
                        line.post(&job);
                    }
                }
                Action::Commit(record) => commit::<T>(signer, &duty, record),
                Action::Reveal(record) => {
                    let Record {
                        entries,
                        samples_root,
                        nonce,
                        earlier,
                        ..
                    } = record;
                    let (task, round) = (duty.task, duty.round);
                    let call = Call::reveal_scores {
                        task,
                        round,
                        entries,
                        earlier,
                        samples_root,
                        nonce,
                    };
                    signer.send::<Call<T>, T::AuthorityId>(call.into());
                }
            }
        }
    }
    publish_kept(next, signer);
}

/// The last final block, 0 if it isn't on this branch; `None` where the node doesn't say.
fn finalized<T: Config>() -> Option<BlockNumber> {
    let known = StorageValueRef::persistent(FINALIZED_KEY).get::<(BlockNumber, H256)>();
    let (number, hash) = known.ok().flatten()?;
    let here = frame_system::Pallet::<T>::block_hash(BlockNumberFor::<T>::from(number));
    // That of the newest block is not there yet, those of old ones are not there any more.
    let is_here = here == H256::zero() || here == hash;
    Some(if is_here { number } else { 0 })
}

/// Publishes what the trainer's tools left in the local storage, and says once what will not be.
fn publish_kept<T: Config>(next: BlockNumber, signer: &mut Signer<T>) {
    let finalized = finalized::<T>();
    // Open rounds too: what is left for one is put on the list, so that it goes when the task is
    // cancelled.
    for RoundInfo {
        task,
        round,
        schedule,
        ..
    } in T::Rounds::live_rounds()
    {
        let operator = &signer.operator;
        let key = Publication::storage_key(task, round, operator);
        let found = StorageValueRef::persistent(&key).get::<Publication>();
        if found == Ok(None) {
            continue;
        }
        SHELF.list(&key, (task, round), schedule.settle.saturating_add(KEEP));
        let Ok(Some(kept)) = found else {
            if SHELF.tell_once(&key, UNREADABLE) {
                log::warn!(
                    target: TARGET,
                    "what is kept to publish in round {round} of task {task} doesn't decode: hand \
                     the model over again (arena submit --node)",
                );
            }
            continue;
        };
        let committed = T::Rounds::commitment(task, round, operator);
        match decide_publish(next, finalized, &schedule, operator, committed, &kept) {
            Publish::Send => {
                signer.send::<Call<T>, T::AuthorityId>(T::Publishing::publish(task, kept));
            }
            Publish::Missed => {
                if SHELF.tell_once(&key, MISSED) {
                    log::warn!(
                        target: TARGET,
                        "model {:?} of {operator:?} was not published: the window of round \
                         {round} of task {task} is over; submit it again in the open round",
                        kept.manifest_root,
                    );
                }
            }
            Publish::Wait | Publish::Done => {}
        }
    }
}

impl Duty {
    fn revealed_first(&self, next: BlockNumber) -> (bool, BlockNumber, TaskId) {
        (
            self.schedule.phase(next) != RoundPhase::Reveal,
            self.schedule.settle,
            self.task,
        )
    }
}

/// What the best state and the local storage show of a round.
fn duty<T: Config>(next: BlockNumber, info: RoundInfo, operator: &AccountId) -> Option<Duty> {
    let RoundInfo {
        task,
        round,
        schedule,
        ..
    } = info;
    if !matches!(
        schedule.phase(next),
        RoundPhase::Commit | RoundPhase::Reveal
    ) {
        return None;
    }
    if T::Stakes::role(Venue::Task(task), operator) != Some(Role::Validator) {
        return None;
    }
    let model = |manifest_root: H256| Drawn {
        manifest_root,
        uris: T::Rounds::uris(task, &manifest_root).unwrap_or_default(),
    };
    let drawn = Pallet::<T>::drawn(task, round, operator);
    let drawn = drawn.into_iter().map(|(_, root)| model(root)).collect();
    let row = (task, round, operator);
    let seed = Pallet::<T>::samples_seed(task, round);
    let record = seed.and_then(|seed| {
        let id = RecordId {
            task,
            round,
            operator: operator.clone(),
            seed,
        };
        SHELF.load(&id.key())
    });
    let spec = T::Rounds::spec(task)?;
    let planes = Pallet::<T>::sketch_seed(task, round).filter(|_| spec.likeness.is_some());
    let sketching = planes.map(|seed| {
        let earlier = Pallet::<T>::earlier(task, round).into_iter();
        Sketching {
            seed,
            earlier: earlier
                .map(|earlier| model(earlier.manifest_root))
                .collect(),
        }
    });
    Some(Duty {
        task,
        round,
        schedule,
        operator: operator.clone(),
        spec,
        data: T::Rounds::data(task, round),
        seed,
        drawn,
        sketching,
        committed: Commits::<T>::get(row),
        revealed: Reveals::<T>::contains_key(row),
        record,
        jobs: None,
    })
}

/// Keeps the record, then commits to what is kept.
fn commit<T: Config>(signer: &mut Signer<T>, duty: &Duty, record: Record) {
    let id = RecordId {
        task: duty.task,
        round: duty.round,
        operator: duty.operator.clone(),
        seed: record.seed,
    };
    let until = duty.schedule.settle.saturating_add(KEEP);
    // Where two runs meet, the first one's record stays, and both send its commitment.
    let kept = SHELF.keep(&id.key(), (id.task, id.round), until, |found| {
        kept(found, duty.record.as_ref(), record)
    });
    let Some(record) = kept else {
        log::debug!(target: TARGET, "another run writes the same record; the next block sends it");
        return;
    };
    let (task, round) = (duty.task, duty.round);
    let commitment = record.commitment(&duty.operator, task, round);
    let call = Call::commit_scores {
        task,
        round,
        commitment,
    };
    signer.send::<Call<T>, T::AuthorityId>(call.into());
}
