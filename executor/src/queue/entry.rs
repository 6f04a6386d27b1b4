//! One job of the queue.

use super::listing::Pace;
use crate::store::{self, Ended, Record, Store, now_millis};
use arena_primitives::job::{JobId, JobRequest, JobStatus};
use std::{io, sync::Arc, time::Instant};
use tokio::sync::Notify;

/// What is known of a job.
pub(super) struct Entry {
    pub(super) record: Record,
    /// Only of a job that is fetched or computed.
    pub(super) progress: Option<(u32, u32)>,
    /// Of the run at hand, once it computes.
    pub(super) pace: Option<Pace>,
    /// Until the job ended.
    pub(super) request: Option<JobRequest>,
    pub(super) cancel: Arc<Notify>,
    pub(super) not_before: Instant,
    pub(super) repeats: u32,
    /// The disk doesn't know the record yet.
    pub(super) unsaved: bool,
}

impl Entry {
    pub(super) fn new(record: Record, request: Option<JobRequest>) -> Self {
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

    pub(super) fn is_ended(&self) -> bool {
        matches!(
            self.record.status,
            JobStatus::Done(_) | JobStatus::Failed(_)
        )
    }

    pub(super) fn status(&self) -> JobStatus {
        match self.progress {
            Some((done, total)) => JobStatus::Running { done, total },
            None => self.record.status.clone(),
        }
    }

    pub(super) fn deadline(&self) -> u64 {
        let seconds = self
            .request
            .as_ref()
            .map_or(0, |request| request.deadline_seconds);
        self.record
            .posted
            .saturating_add(u64::from(seconds).saturating_mul(1000))
    }

    pub(super) fn end(&mut self, ended: Ended) {
        self.record.status = ended.status;
        self.record.retry = ended.retry;
        self.record.ended = now_millis();
        self.progress = None;
        self.request = None;
    }
}

/// What the disk knows of a job; `None` where its request is lost.
pub(super) fn load(store: &Store, id: &JobId) -> io::Result<Option<Entry>> {
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
