//! The HTTP interface of a node's executor.

use anyhow::{Context, Result, bail};
use arena_primitives::job::JobStatus;
use codec::DecodeAll;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// An executor that a node started.
#[derive(Clone, Debug)]
pub struct Executor {
    base: PathBuf,
    agent: ureq::Agent,
}

impl Executor {
    /// The executor of the node with this base path.
    pub fn of_node(base: &Path) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(2)))
            .proxy(None)
            .build()
            .into();
        Self {
            base: base.join("executor"),
            agent,
        }
    }

    /// Whether it has said where it listens, and answers there.
    pub fn is_ready(&self) -> bool {
        self.url()
            .and_then(|url| Ok(self.agent.get(format!("{url}/healthz")).call()?))
            .is_ok_and(|response| response.status().is_success())
    }

    fn url(&self) -> Result<String> {
        let address = fs::read_to_string(self.base.join("address"))?;
        Ok(format!("http://{}", address.trim()))
    }

    /// Ids of all jobs that it ever kept, in hex.
    pub fn jobs(&self) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.base.join("jobs/jobs")) else {
            return Vec::new();
        };
        entries
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .collect()
    }

    /// What `GET /jobs/{id}` answers; `None` for a job that it doesn't know.
    pub fn status(&self, id: &str) -> Result<Option<JobStatus>> {
        let token = fs::read_to_string(self.base.join("token"))?;
        let mut response = self
            .agent
            .get(format!("{}/jobs/{id}", self.url()?))
            .header("Authorization", format!("Bearer {}", token.trim()))
            .call()?;
        let body = response.body_mut().read_to_vec()?;
        match response.status().as_u16() {
            200 => Ok(Some(
                JobStatus::decode_all(&mut &body[..]).context("a status of another release")?,
            )),
            404 => Ok(None),
            code => bail!("{code}: {}", String::from_utf8_lossy(&body).trim_end()),
        }
    }
}
