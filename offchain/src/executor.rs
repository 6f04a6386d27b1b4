//! The line to the executor: HTTP on loopback, bounded in time.

use crate::TARGET;
use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use arena_primitives::job::{JobId, JobRequest, JobStatus};
use codec::{Decode, Encode};
use sp_core::offchain::{Duration, Timestamp};
use sp_runtime::offchain::{
    http::{Method, Request},
    storage::StorageValueRef,
};

/// Where the node keeps address and token of its executor, as SCALE of [`Executor`].
pub const EXECUTOR_KEY: &[u8] = b"arena::executor";

/// Each request to the executor.
const REQUEST_MILLIS: u64 = 2_000;
/// All requests of one run together; what isn't asked by then is asked in the next block.
const RUN_MILLIS: u64 = 10_000;
/// Longest answer that is read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// How the executor is reached.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Executor {
    /// Base URL.
    pub url: Vec<u8>,
    /// Bearer token.
    pub token: Vec<u8>,
}

impl Executor {
    /// The one that the node named; `None` where it has none.
    pub fn named() -> Option<Self> {
        StorageValueRef::persistent(EXECUTOR_KEY)
            .get()
            .ok()
            .flatten()
    }
}

/// What the executor says of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobView {
    /// It doesn't know it.
    Missing,
    /// It didn't answer.
    Silent,
    /// Its status.
    Known(JobStatus),
}

/// Why a request came to nothing.
enum Refusal {
    /// No answer in time.
    Silent,
    /// An answer with this status.
    Status(u16),
}

/// The line to the executor for one run. After the first silence nothing more is asked.
pub struct Line {
    executor: Executor,
    ends: Timestamp,
    dead: bool,
}

impl Line {
    /// A line for the run that begins now.
    pub fn new(executor: Executor) -> Self {
        let ends = sp_io::offchain::timestamp().add(Duration::from_millis(RUN_MILLIS));
        Line {
            executor,
            ends,
            dead: false,
        }
    }

    /// What it says of each of these jobs.
    pub fn statuses(&mut self, jobs: &[JobRequest]) -> BTreeMap<JobId, JobView> {
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
    pub fn post(&mut self, job: &JobRequest) {
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
