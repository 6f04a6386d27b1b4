//! The worker's contact with the world: keystore, local storage, executor and pool.

use super::decide::{
    Action, Drawn, Duty, JobView, Publish, Record, Sketching, decide, decide_publish, kept,
};
use crate::{Call, Commits, Config, Pallet, Reveals};
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use arena_primitives::{
    AccountId, BlockNumber, FINALIZED_KEY, Publication, Role, Round, RoundInfo, TaskId, Venue,
    job::{JobId, JobRequest, JobStatus},
    time::RoundPhase,
    traits::{Publishing, Rounds, ServiceKeys, Stakes},
};
use codec::{Decode, Encode};
use frame_system::offchain::{
    AppCrypto, CreateSignedTransaction, CreateTransactionBase, SubmitTransaction,
};
use frame_system::pallet_prelude::BlockNumberFor;
use sp_core::{H256, offchain::Duration};
use sp_runtime::{
    RuntimeAppPublic,
    offchain::{
        http::{Method, Request},
        storage::StorageValueRef,
    },
    traits::{IdentifyAccount, Saturating},
};

/// Where the node keeps address and token of its executor, as SCALE of [`Executor`].
pub const EXECUTOR_KEY: &[u8] = b"arena::executor";
/// Prefix of the keys of records.
pub const RECORD_PREFIX: &[u8] = b"arena::scores";
/// Where the list is of what lies in the local storage for rounds.
pub const INDEX_KEY: &[u8] = b"arena::index";

/// Each request to the executor.
const REQUEST_MILLIS: u64 = 2_000;
/// All requests of one run together; what isn't asked by then is asked in the next block.
const RUN_MILLIS: u64 = 10_000;
/// Transactions of one key in one run.
pub(crate) const MAX_SENT: u32 = 4;
/// How long what is kept outlives its round's settlement, which a reorganisation may undo.
const KEEP: BlockNumber = 256;
/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
const TARGET: &str = "arena::offchain";

/// How the executor is reached.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Executor {
    /// Base URL.
    pub url: Vec<u8>,
    /// Bearer token.
    pub token: Vec<u8>,
}

/// Which record a key of the local storage is of. Each draw has one of its own: when the chain
/// goes back to a branch that it left, the commitment there can be revealed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
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

    /// Only persistent storage works on nodes.
    fn load(&self) -> Option<Record> {
        StorageValueRef::persistent(&self.key())
            .get()
            .ok()
            .flatten()
    }
}

/// One run, after block `n`.
pub fn run<T: Config>(n: BlockNumber) {
    // What is sent now is checked, and included, as of the next block.
    let next = n.saturating_add(1);
    clean_up::<T>(n);
    for public in keys::<T>() {
        let account: AccountId = public.clone().into_account();
        let Some(operator) = T::ServiceKeys::operator_of(&account) else {
            continue;
        };
        serve::<T>(
            next,
            &Signer {
                public,
                account,
                operator,
            },
        );
    }
}

type RuntimeCallOf<T> = <T as CreateTransactionBase<Call<T>>>::RuntimeCall;

struct Signer<T: Config> {
    public: T::Public,
    account: AccountId,
    operator: AccountId,
}

fn keys<T: Config>() -> Vec<T::Public> {
    type App<T> = <T as Config>::AuthorityId;
    type Raw<T> = <App<T> as AppCrypto<
        <T as frame_system::offchain::SigningTypes>::Public,
        <T as frame_system::offchain::SigningTypes>::Signature,
    >>::GenericPublic;
    <App<T> as AppCrypto<T::Public, T::Signature>>::RuntimeAppPublic::all()
        .into_iter()
        .map(|key| Raw::<T>::from(key).into())
        .collect()
}

/// All duties of one key: reveals first, since a missing one costs stake.
fn serve<T: Config>(next: BlockNumber, signer: &Signer<T>) {
    let mut duties: Vec<Duty> = T::Rounds::closed_rounds()
        .into_iter()
        .filter_map(|info| duty::<T>(next, info, &signer.operator))
        .collect();
    duties.sort_by_key(|duty| duty.revealed_first(next));
    let executor: Option<Executor> = StorageValueRef::persistent(EXECUTOR_KEY)
        .get()
        .ok()
        .flatten();
    let mut line = executor.map(Line::new);
    let mut sent = 0u32;
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
                Action::Commit(record) => commit::<T>(signer, &duty, record, &mut sent),
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
                    send(signer, call.into(), &mut sent);
                }
            }
        }
    }
    publish_kept(next, signer, &mut sent);
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
fn publish_kept<T: Config>(next: BlockNumber, signer: &Signer<T>, sent: &mut u32) {
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
        list(Listed {
            key: key.clone(),
            task,
            round,
            until: schedule.settle.saturating_add(KEEP),
            told: None,
        });
        let Ok(Some(kept)) = found else {
            if tell_once(&key, Told::Unreadable) {
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
            Publish::Send => send(signer, T::Publishing::publish(task, kept), sent),
            Publish::Missed => {
                if tell_once(&key, Told::Missed) {
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
        id.load()
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

/// Keeps the record, then commits to what is kept: where two runs meet, the first one's record
/// stays, and both send its commitment.
fn commit<T: Config>(signer: &Signer<T>, duty: &Duty, record: Record, sent: &mut u32) {
    let id = RecordId {
        task: duty.task,
        round: duty.round,
        operator: duty.operator.clone(),
        seed: record.seed,
    };
    let until = duty.schedule.settle.saturating_add(KEEP);
    let Some(record) = keep(&id, record, duty.record.as_ref(), until) else {
        log::debug!(target: TARGET, "another run writes the same record; the next block sends it");
        return;
    };
    let (task, round) = (duty.task, duty.round);
    let commitment = record.commitment(&duty.operator, task, round);
    send(
        signer,
        Call::commit_scores {
            task,
            round,
            commitment,
        }
        .into(),
        sent,
    );
}

/// Writes `record` unless another one than `seen` is there, and returns what is there then.
/// `None` if it can't be known.
fn keep(
    id: &RecordId,
    record: Record,
    seen: Option<&Record>,
    until: BlockNumber,
) -> Option<Record> {
    let key = id.key();
    let listed = list(Listed {
        key: key.clone(),
        task: id.task,
        round: id.round,
        until,
        told: None,
    });
    if !listed {
        return None;
    }
    StorageValueRef::persistent(&key)
        .mutate::<Record, (), _>(|found| Ok(kept(found.ok().flatten(), seen, record)))
        .ok()
}

/// Something in the local storage that is of one round.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Listed {
    /// Its key.
    key: Vec<u8>,
    task: TaskId,
    round: Round,
    /// It goes some time after this block, when the round is gone.
    until: BlockNumber,
    /// Why it is of no use, as its operator was told last.
    told: Option<Told>,
}

/// Why what is kept is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
enum Told {
    /// It doesn't decode.
    #[codec(index = 0)]
    Unreadable,
    /// The window in which it should have been published is over.
    #[codec(index = 1)]
    Missed,
}

type Index = Vec<Listed>;

fn index() -> Index {
    let index = StorageValueRef::persistent(INDEX_KEY).get();
    index.ok().flatten().unwrap_or_default()
}

/// Changes the list; false if another run changes it now.
fn change_index(change: impl FnOnce(&mut Index)) -> bool {
    let changed = StorageValueRef::persistent(INDEX_KEY).mutate::<Index, (), _>(|index| {
        let mut index = index.ok().flatten().unwrap_or_default();
        change(&mut index);
        Ok(index)
    });
    changed.is_ok()
}

/// Puts something on the list by which it is removed one day; true if it is there.
fn list(new: Listed) -> bool {
    if index().iter().any(|listed| listed.key == new.key) {
        return true;
    }
    change_index(|index| {
        if !index.iter().any(|listed| listed.key == new.key) {
            index.push(new);
        }
    })
}

/// Whether this is still to be told of something on the list; it is not any more then. Where two
/// runs meet, one of them tells it, or the next run.
fn tell_once(key: &[u8], what: Told) -> bool {
    let untold = |listed: &Listed| listed.key == key && listed.told != Some(what);
    if !index().iter().any(untold) {
        return false;
    }
    let mut marked = false;
    let changed = change_index(|index| {
        if let Some(listed) = index.iter_mut().find(|listed| untold(listed)) {
            listed.told = Some(what);
            marked = true;
        }
    });
    changed && marked
}

/// Removes what was kept for rounds that are gone for long.
fn clean_up<T: Config>(now: BlockNumber) {
    let gone = |listed: &Listed| {
        now > listed.until && T::Rounds::info(listed.task, listed.round).is_none()
    };
    let old: Index = index().into_iter().filter(gone).collect();
    if old.is_empty() {
        return;
    }
    for listed in &old {
        StorageValueRef::persistent(&listed.key).clear();
    }
    let kept = change_index(|index| {
        index.retain(|listed| !old.iter().any(|gone| gone.key == listed.key));
    });
    if !kept {
        log::debug!(target: TARGET, "another run cleans up too");
    }
}

/// Signs and sends a call with the nonce after those sent in this run.
fn send<T: Config>(signer: &Signer<T>, call: RuntimeCallOf<T>, sent: &mut u32) {
    if *sent >= MAX_SENT {
        return;
    }
    let nonce =
        frame_system::Pallet::<T>::account_nonce(&signer.account).saturating_add((*sent).into());
    let signed = <T as CreateSignedTransaction<Call<T>>>::create_signed_transaction::<T::AuthorityId>(
        call,
        signer.public.clone(),
        signer.account.clone(),
        nonce,
    );
    let Some(extrinsic) = signed else {
        log::warn!(target: TARGET, "the service key of {:?} can't sign", signer.operator);
        return;
    };
    *sent = sent.saturating_add(1);
    if SubmitTransaction::<T, Call<T>>::submit_transaction(extrinsic).is_err() {
        // In most cases the same call of an earlier block waits there already.
        log::debug!(target: TARGET, "the pool refused a transaction of {:?}", signer.operator);
    }
}

/// Why a request came to nothing.
enum Refusal {
    /// No answer in time.
    Silent,
    /// An answer with this status.
    Status(u16),
}

/// The line to the executor for one run. After the first silence nothing more is asked.
pub(crate) struct Line {
    executor: Executor,
    ends: sp_core::offchain::Timestamp,
    dead: bool,
}

impl Line {
    pub(crate) fn new(executor: Executor) -> Self {
        let ends = sp_io::offchain::timestamp().add(Duration::from_millis(RUN_MILLIS));
        Line {
            executor,
            ends,
            dead: false,
        }
    }

    fn statuses(&mut self, jobs: &[JobRequest]) -> BTreeMap<JobId, JobView> {
        jobs.iter()
            .map(JobRequest::id)
            .map(|id| (id, self.status(id)))
            .collect()
    }

    fn status(&mut self, id: JobId) -> JobView {
        let digits: String = id
            .as_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        match self.request(Method::Get, &format!("/jobs/{digits}"), Vec::new()) {
            Ok(body) => match JobStatus::decode(&mut &body[..]) {
                Ok(status) => JobView::Known(status),
                Err(_) => {
                    log::warn!(target: TARGET, "the executor's answer doesn't decode");
                    JobView::Silent
                }
            },
            Err(Refusal::Status(404)) => JobView::Missing,
            Err(Refusal::Status(code)) => {
                log::warn!(target: TARGET, "the executor answers {code}");
                JobView::Silent
            }
            Err(Refusal::Silent) => JobView::Silent,
        }
    }

    /// An answer isn't needed: the next block asks for the job.
    pub(crate) fn post(&mut self, job: &JobRequest) {
        if let Err(Refusal::Status(code)) =
            self.request(Method::Post, "/jobs", Vec::from([job.encode()]))
        {
            log::warn!(target: TARGET, "the executor refuses a job: {code}");
        }
    }

    fn request(
        &mut self,
        method: Method,
        path: &str,
        body: Vec<Vec<u8>>,
    ) -> Result<Vec<u8>, Refusal> {
        if self.dead || sp_io::offchain::timestamp() >= self.ends {
            return Err(Refusal::Silent);
        }
        let answer = self.exchange(method, path, body);
        if matches!(answer, Err(Refusal::Silent)) {
            log::warn!(target: TARGET, "the executor doesn't answer");
            self.dead = true;
        }
        answer
    }

    fn exchange(&self, method: Method, path: &str, body: Vec<Vec<u8>>) -> Result<Vec<u8>, Refusal> {
        let base = String::from_utf8_lossy(&self.executor.url);
        let url = format!("{}{path}", base.trim_end_matches('/'));
        let token = String::from_utf8_lossy(&self.executor.token);
        let deadline = sp_io::offchain::timestamp().add(Duration::from_millis(REQUEST_MILLIS));
        let pending = Request::default()
            .method(method)
            .url(&url)
            .body(body)
            .add_header("authorization", &format!("Bearer {token}"))
            .deadline(deadline)
            .send()
            .map_err(|_| Refusal::Silent)?;
        let response = pending
            .try_wait(deadline)
            .map_err(|_| Refusal::Silent)?
            .map_err(|_| Refusal::Silent)?;
        if !(200..300).contains(&response.code) {
            return Err(Refusal::Status(response.code));
        }
        let mut body = response.body();
        // A deadline of its own, or reading would wait for ever.
        body.deadline(deadline);
        let bytes: Vec<u8> = body.by_ref().take(MAX_ANSWER_BYTES).collect();
        if body.error().is_some() {
            return Err(Refusal::Silent);
        }
        Ok(bytes)
    }
}
