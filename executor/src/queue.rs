//! The bounded queue, in memory and on disk.

mod entry;
mod listing;

pub(crate) use listing::{Listed, State as JobState};

use crate::{
    fault::{self, infra},
    metrics::{Counts, Metrics},
    store::{Ended, Record, Store, now_millis},
};
use arena_primitives::job::{
    Fault, InfraFault, JobId, JobRequest, JobStatus, Outcome, WIRE_VERSION,
};
use codec::DecodeAll;
use entry::{Entry, load};
use std::{
    collections::{HashMap, VecDeque},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// Longest wait before a job that is posted again runs again.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// Where a job ended that no worker had.
const IN_QUEUE: &str = "queue";

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
#[derive(Clone)]
pub(crate) struct Ticket {
    pub(crate) id: JobId,
    pub(crate) dir: PathBuf,
    /// When the outcome is of no use any more, in milliseconds since 1970.
    pub(crate) deadline: u64,
    /// Notified when the job is cancelled.
    pub(crate) cancel: Arc<Notify>,
}

#[derive(Default)]
struct State {
    jobs: HashMap<JobId, Entry>,
    waiting: VecDeque<JobId>,
    /// Jobs that only want computing, each with its place among those fetched ahead.
    fetched: VecDeque<(JobId, OwnedSemaphorePermit)>,
}

impl State {
    /// Takes a job out of those that are fetched; whether it was there.
    fn unfetch(&mut self, id: &JobId) -> bool {
        let before = self.fetched.len();
        self.fetched.retain(|(fetched, _)| fetched != id);
        self.fetched.len() < before
    }
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
        let busy = state
            .jobs
            .values()
            .filter(|entry| !entry.is_ended())
            .count();
        if busy >= self.limit {
            return Err(SubmitError::Full(busy));
        }
        let record = Record {
            posted: now_millis(),
            ended: 0,
            retry: false,
            status: JobStatus::Queued,
        };
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
            self.metrics.ended(&entry.record.status, IN_QUEUE);
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
        let idle = state.unfetch(id) || entry.progress.is_none();
        // A running one is removed from the disk by who runs it, once it has stopped.
        if idle {
            self.store.forget(id)?;
        } else {
            entry.cancel.notify_one();
        }
        Ok(true)
    }

    /// Removes the files of a cancelled job, unless it was posted again since.
    pub(crate) fn cancelled(&self, id: &JobId) {
        let state = self.lock();
        if state.jobs.contains_key(id) {
            return;
        }
        if let Err(error) = self.store.forget(id) {
            tracing::warn!(job = %hex::encode(id), %error, "cannot remove a cancelled job");
        }
    }

    /// The next job to fetch, when there is one.
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

    /// The next job to compute, when there is one.
    pub(crate) async fn next_fetched(&self) -> Ticket {
        loop {
            let woken = self.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            match self.take_fetched() {
                Some(ticket) => return ticket,
                None => woken.await,
            }
        }
    }

    fn take_fetched(&self) -> Option<Ticket> {
        let mut state = self.lock();
        // Its place among those fetched ahead is free with this.
        let (id, _) = state.fetched.pop_front()?;
        let entry = state.jobs.get(&id)?;
        Some(self.ticket(id, entry))
    }

    fn ticket(&self, id: JobId, entry: &Entry) -> Ticket {
        Ticket {
            id,
            dir: self.store.dir(&id),
            deadline: entry.deadline(),
            cancel: entry.cancel.clone(),
        }
    }

    /// A job that is due, or else how long until one is.
    fn take(&self) -> Result<Ticket, Option<Duration>> {
        let mut state = self.lock();
        let now = Instant::now();
        let State { jobs, waiting, .. } = &mut *state;
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
        Ok(self.ticket(id, entry))
    }

    /// Lets a job be computed that has all it needs.
    pub(crate) fn fetched(&self, ticket: &Ticket, place: OwnedSemaphorePermit) {
        let mut state = self.lock();
        if running(&mut state, ticket).is_some() {
            state.fetched.push_back((ticket.id, place));
            drop(state);
            self.wake.notify_waiters();
        } else {
            drop(state);
            self.cancelled(&ticket.id);
        }
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

    /// Keeps how a job ended in a phase of its worker.
    pub(crate) fn finish(&self, ticket: &Ticket, ended: Ended, phase: &str) {
        let mut state = self.lock();
        if let Some(entry) = running(&mut state, ticket) {
            self.end(&ticket.id, entry, ended, phase);
        } else {
            drop(state);
            self.cancelled(&ticket.id);
        }
    }

    fn end(&self, id: &JobId, entry: &mut Entry, ended: Ended, phase: &str) {
        entry.end(ended);
        self.metrics.ended(&entry.record.status, phase);
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
        self.end_late(&mut state);
        let unsaved = state.jobs.iter_mut().filter(|(_, entry)| entry.unsaved);
        for (id, entry) in unsaved {
            self.save(id, entry);
        }
        self.forget_oldest(&mut state);
    }

    fn end_late(&self, state: &mut State) {
        let State {
            jobs,
            waiting,
            fetched,
        } = state;
        let now = now_millis();
        let mut in_time = |id: &JobId| {
            let Some(entry) = jobs.get_mut(id) else {
                return false;
            };
            if entry.deadline() > now {
                return true;
            }
            let why = "the deadline passed before a worker was free";
            let ended = failed(infra(InfraFault::Timeout, why));
            self.end(id, entry, ended, IN_QUEUE);
            false
        };
        waiting.retain(&mut in_time);
        fetched.retain(|(id, _)| in_time(id));
    }

    fn forget_oldest(&self, state: &mut State) {
        let mut ended: Vec<_> = state
            .jobs
            .iter()
            .filter(|(_, entry)| entry.is_ended())
            .map(|(id, entry)| (entry.record.ended, *id))
            .collect();
        let surplus = ended.len().saturating_sub(self.keep);
        ended.sort_unstable();
        for (_, id) in ended.into_iter().take(surplus) {
            state.jobs.remove(&id);
            if let Err(error) = self.store.forget(&id) {
                tracing::warn!(job = %hex::encode(id), %error, "cannot remove an old job");
            }
        }
    }

    /// How many jobs are in each state.
    pub(crate) fn counts(&self) -> Counts {
        let state = self.lock();
        let mut counts = Counts {
            fetched: state.fetched.len(),
            ..Counts::default()
        };
        for entry in state.jobs.values() {
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

/// How a job ends that found something.
pub(crate) fn done(outcome: Outcome) -> Ended {
    Ended {
        retry: false,
        status: JobStatus::Done(outcome),
    }
}

/// How a job that failed on this machine ends.
pub(crate) fn failed(fault: Fault) -> Ended {
    Ended {
        retry: fault::may_pass(&fault),
        status: JobStatus::Failed(fault),
    }
}
