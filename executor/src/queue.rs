//! The bounded queue, in memory and on disk.

mod listing;

pub(crate) use listing::{Listed, State as JobState};

use crate::{
    fault::{self, infra},
    metrics::{Counts, Metrics},
    store::{self, Ended, Record, Store, now_millis},
};
use arena_primitives::job::{
    Fault, InfraFault, JobId, JobKind, JobRequest, JobStatus, NumericProfile, WIRE_VERSION,
};
use codec::DecodeAll;
use std::{
    collections::{HashMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Notify;

/// Longest wait before a job that is posted again runs again.
const LONGEST_BACKOFF: Duration = Duration::from_secs(4);

/// Why a job is not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Not a request of this release.
    #[error("{0}")]
    Malformed(String),
    /// As many jobs wait as are allowed to.
    #[error("the queue is full: {0} jobs wait or run; post again later")]
    Full(usize),
}

/// A job that a worker takes.
pub(crate) struct Ticket {
    pub(crate) id: JobId,
    pub(crate) dir: PathBuf,
    /// When the outcome is of no use any more, in milliseconds since 1970.
    pub(crate) deadline: u64,
    /// Notified when the job is cancelled.
    pub(crate) cancel: Arc<Notify>,
}

struct Entry {
    record: Record,
    /// Only of a job that runs.
    progress: Option<(u32, u32)>,
    /// Of the run at hand, once it computes.
    pace: Option<listing::Pace>,
    /// Until the job ended.
    request: Option<JobRequest>,
    cancel: Arc<Notify>,
    not_before: Instant,
    repeats: u32,
    /// The disk doesn't know the record yet.
    unsaved: bool,
}

impl Entry {
    fn new(record: Record, request: Option<JobRequest>) -> Self {
        Self {
            record,
            progress: None,
            pace: None,
            request,
            cancel: Arc::new(Notify::new()),
            not_before: Instant::now(),
            repeats: 0,
            unsaved: false,
        }
    }

    fn is_ended(&self) -> bool {
        matches!(
            self.record.status,
            JobStatus::Done(_) | JobStatus::Failed(_)
        )
    }

    fn status(&self) -> JobStatus {
        match self.progress {
            Some((done, total)) => JobStatus::Running { done, total },
            None => self.record.status.clone(),
        }
    }

    fn deadline(&self) -> u64 {
        let seconds = self
            .request
            .as_ref()
            .map_or(0, |request| request.deadline_seconds);
        self.record
            .posted
            .saturating_add(u64::from(seconds).saturating_mul(1000))
    }

    fn end(&mut self, ended: Ended) {
        self.record.status = ended.status;
        self.record.retry = ended.retry;
        self.record.ended = now_millis();
        self.progress = None;
        self.request = None;
    }
}

#[derive(Default)]
struct State {
    jobs: HashMap<JobId, Entry>,
    waiting: VecDeque<JobId>,
}

/// The queue; cheap calls, all of them safe from any thread.
pub(crate) struct Queue {
    state: Mutex<State>,
    wake: Notify,
    store: Store,
    limit: usize,
    keep: usize,
    metrics: Arc<Metrics>,
}

impl Queue {
    /// Opens what an earlier run left below `base`.
    pub(crate) fn open(
        base: &Path,
        limit: usize,
        keep: usize,
        metrics: Arc<Metrics>,
    ) -> io::Result<Self> {
        let store = Store::open(base)?;
        let mut state = State::default();
        for id in store.ids()? {
            match load(&store, &id)? {
                Some(entry) => {
                    state.jobs.insert(id, entry);
                }
                None => store.forget(&id)?,
            }
        }
        let mut waiting: Vec<_> = state
            .jobs
            .iter()
            .filter(|(_, entry)| !entry.is_ended())
            .collect();
        waiting.sort_by_key(|(id, entry)| (entry.record.posted, **id));
        state.waiting = waiting.into_iter().map(|(id, _)| *id).collect();
        Ok(Self {
            state: Mutex::new(state),
            wake: Notify::new(),
            store,
            limit,
            keep,
            metrics,
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a job, unless it is there already.
    pub(crate) fn submit(&self, body: &[u8]) -> Result<JobId, SubmitError> {
        let request = decode(body)?;
        let id = request.id();
        let mut state = self.lock();
        let repeats = match state.jobs.get(&id) {
            Some(entry) if !entry.is_ended() || !entry.record.retry => return Ok(id),
            Some(entry) => Some(entry.repeats.saturating_add(1)),
            None => None,
        };
        let mut record = Record {
            posted: now_millis(),
            ended: 0,
            retry: false,
            status: JobStatus::Queued,
        };
        let refused = unsupported(&request);
        if refused.is_none() {
            let busy = state
                .jobs
                .values()
                .filter(|entry| !entry.is_ended())
                .count();
            if busy >= self.limit {
                return Err(SubmitError::Full(busy));
            }
        }
        if let Some(fault) = refused {
            record.status = JobStatus::Failed(fault);
            record.ended = record.posted;
        }
        let mut entry = Entry::new(record, Some(request));
        if let Err(error) = self.store.create(&id, body, &entry.record) {
            let fault = infra(
                InfraFault::Disk,
                format_args!("cannot keep the job: {error}"),
            );
            entry.end(Ended {
                status: JobStatus::Failed(fault),
                retry: true,
            });
        }
        if let Some(repeats) = repeats {
            entry.repeats = repeats;
            entry.not_before = Instant::now() + backoff(repeats);
        }
        if entry.is_ended() {
            self.metrics.ended(&entry.record.status);
        } else {
            state.waiting.push_back(id);
        }
        state.jobs.insert(id, entry);
        drop(state);
        self.wake.notify_waiters();
        Ok(id)
    }

    /// What is known of a job.
    pub(crate) fn status(&self, id: &JobId) -> Option<JobStatus> {
        self.lock().jobs.get(id).map(Entry::status)
    }

    /// Stops and forgets a job; `false` where there is none.
    pub(crate) fn cancel(&self, id: &JobId) -> io::Result<bool> {
        let mut state = self.lock();
        let Some(entry) = state.jobs.remove(id) else {
            return Ok(false);
        };
        state.waiting.retain(|waiting| waiting != id);
        // A running one is removed from the disk by who runs it, once it has stopped.
        if entry.progress.is_some() {
            entry.cancel.notify_one();
        } else {
            self.store.forget(id)?;
        }
        Ok(true)
    }

    /// Removes the files of a cancelled job, unless it was posted again since.
    pub(crate) fn cancelled(&self, id: &JobId) -> io::Result<()> {
        let state = self.lock();
        if state.jobs.contains_key(id) {
            return Ok(());
        }
        self.store.forget(id)
    }

    /// The next job, when there is one.
    pub(crate) async fn next(&self) -> Ticket {
        loop {
            let woken = self.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            match self.take() {
                Ok(ticket) => return ticket,
                Err(Some(wait)) => {
                    let _ = tokio::time::timeout(wait, woken).await;
                }
                Err(None) => woken.await,
            }
        }
    }

    /// A job that is due, or else how long until one is.
    fn take(&self) -> Result<Ticket, Option<Duration>> {
        let mut state = self.lock();
        let now = Instant::now();
        let State { jobs, waiting } = &mut *state;
        let due = |id: &JobId| jobs.get(id).map(|entry| entry.not_before);
        let position = waiting
            .iter()
            .position(|id| due(id).is_some_and(|due| due <= now));
        let Some(id) = position.and_then(|position| waiting.remove(position)) else {
            let soonest = waiting.iter().filter_map(due).min();
            return Err(soonest.map(|due| due.saturating_duration_since(now)));
        };
        let Some(entry) = jobs.get_mut(&id) else {
            return Err(Some(Duration::ZERO));
        };
        entry.progress = Some((0, 0));
        entry.pace = None;
        let cancel = entry.cancel.clone();
        let deadline = entry.deadline();
        Ok(Ticket {
            id,
            dir: self.store.dir(&id),
            deadline,
            cancel,
        })
    }

    /// Notes how far a running job is.
    pub(crate) fn progress(&self, ticket: &Ticket, done: u32, total: u32) {
        if let Some(entry) = running(&mut self.lock(), ticket) {
            entry.progress = Some((done, total));
            if total > 0 && entry.pace.is_none() {
                entry.pace = Some(listing::Pace::from(done));
            }
        }
    }

    /// Puts a job that was stopped for no fault of its own back.
    pub(crate) fn put_back(&self, ticket: &Ticket) {
        let mut state = self.lock();
        if let Some(entry) = running(&mut state, ticket) {
            entry.progress = None;
            state.waiting.push_front(ticket.id);
        }
    }

    /// Keeps how a job ended.
    pub(crate) fn finish(&self, ticket: &Ticket, ended: Ended) {
        let mut state = self.lock();
        let Some(entry) = running(&mut state, ticket) else {
            return;
        };
        self.end(&ticket.id, entry, ended);
    }

    fn end(&self, id: &JobId, entry: &mut Entry, ended: Ended) {
        entry.end(ended);
        self.metrics.ended(&entry.record.status);
        self.save(id, entry);
        if let Err(error) = self.store.tidy(id) {
            tracing::warn!(job = %hex::encode(id), %error, "cannot remove the model of a job");
        }
    }

    fn save(&self, id: &JobId, entry: &mut Entry) {
        let saved = self.store.save(id, &entry.record);
        entry.unsaved = saved.is_err();
        if let Err(error) = saved {
            tracing::error!(job = %hex::encode(id), %error, "cannot write a status; will try again");
        }
    }

    /// Fails what waited past its deadline, writes what the disk refused, forgets the oldest.
    pub(crate) fn sweep(&self) {
        let mut state = self.lock();
        let State { jobs, waiting } = &mut *state;
        let now = now_millis();
        waiting.retain(|id| {
            let Some(entry) = jobs.get_mut(id) else {
                return false;
            };
            if entry.deadline() > now {
                return true;
            }
            let fault = infra(
                InfraFault::Timeout,
                "the deadline passed before a worker was free",
            );
            self.end(
                id,
                entry,
                Ended {
                    status: JobStatus::Failed(fault),
                    retry: true,
                },
            );
            false
        });
        for (id, entry) in jobs.iter_mut().filter(|(_, entry)| entry.unsaved) {
            self.save(id, entry);
        }
        let mut ended: Vec<_> = jobs
            .iter()
            .filter(|(_, entry)| entry.is_ended())
            .map(|(id, entry)| (entry.record.ended, *id))
            .collect();
        let surplus = ended.len().saturating_sub(self.keep);
        ended.sort_unstable();
        for (_, id) in ended.into_iter().take(surplus) {
            jobs.remove(&id);
            if let Err(error) = self.store.forget(&id) {
                tracing::warn!(job = %hex::encode(id), %error, "cannot remove an old job");
            }
        }
    }

    /// How many jobs are in each state.
    pub(crate) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for entry in self.lock().jobs.values() {
            match entry.status() {
                JobStatus::Queued => counts.queued += 1,
                JobStatus::Running { .. } => counts.running += 1,
                JobStatus::Done(_) => counts.done += 1,
                JobStatus::Failed(_) => counts.failed += 1,
            }
        }
        counts
    }
}

/// The entry of a ticket, unless the job was cancelled (and perhaps posted again) since.
fn running<'a>(state: &'a mut State, ticket: &Ticket) -> Option<&'a mut Entry> {
    let entry = state.jobs.get_mut(&ticket.id)?;
    Arc::ptr_eq(&entry.cancel, &ticket.cancel).then_some(entry)
}

fn backoff(repeats: u32) -> Duration {
    Duration::from_millis(250)
        .saturating_mul(1 << repeats.min(8))
        .min(LONGEST_BACKOFF)
}

/// A request, or why it is none.
fn decode(body: &[u8]) -> Result<JobRequest, SubmitError> {
    match body.first() {
        Some(&WIRE_VERSION) => {}
        Some(other) => {
            return Err(SubmitError::Malformed(format!(
                "wire version {other}; this executor speaks {WIRE_VERSION}"
            )));
        }
        None => return Err(SubmitError::Malformed("the body is empty".to_owned())),
    }
    JobRequest::decode_all(&mut &body[..])
        .map_err(|error| SubmitError::Malformed(format!("not a job request: {error}")))
}

/// Why this release doesn't execute a request.
fn unsupported(request: &JobRequest) -> Option<Fault> {
    let what = match &request.kind {
        JobKind::Evaluate(evaluate) => match evaluate.profile {
            NumericProfile::F32 => return None,
            NumericProfile::ExactCpuF32 => "the profile exact-cpu-f32",
            NumericProfile::Bf16 => "the profile bf16",
        },
        JobKind::Sketch(_) => "the kind Sketch",
        JobKind::ReplaySegment(_) => "the kind ReplaySegment",
        JobKind::ExtractWatermark(_) => "the kind ExtractWatermark",
    };
    Some(Fault::Unsupported(format!(
        "this release does not execute {what}"
    )))
}

/// What the disk knows of a job; `None` where its request is lost.
fn load(store: &Store, id: &JobId) -> io::Result<Option<Entry>> {
    let dir = store.dir(id);
    let Some(request) = store::read_scale::<JobRequest>(&dir, store::REQUEST)? else {
        return Ok(None);
    };
    if request.id() != *id {
        return Ok(None);
    }
    let fresh = Record {
        posted: now_millis(),
        ended: 0,
        retry: false,
        status: JobStatus::Queued,
    };
    let record = store::read_scale::<Record>(&dir, store::STATUS)?.unwrap_or(fresh);
    let mut entry = Entry::new(record, Some(request));
    if entry.is_ended() {
        entry.request = None;
    } else if let Some(ended) = store::read_scale::<Ended>(&dir, store::OUTCOME)? {
        // The worker finished while no server was there to see it.
        entry.end(ended);
        entry.unsaved = true;
    }
    if entry.is_ended() {
        store.tidy(id)?;
    }
    Ok(Some(entry))
}

/// How a job that failed on this machine ends.
pub(crate) fn failed(fault: Fault) -> Ended {
    Ended {
        retry: fault::may_pass(&fault),
        status: JobStatus::Failed(fault),
    }
}
