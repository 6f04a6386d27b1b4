//! Asking an executor that runs.

use crate::{fault::describe_status, token::Token};
use anyhow::{Context, Result, bail};
use arena_primitives::job::JobStatus;
use clap::Args;
use codec::DecodeAll;
use std::{path::PathBuf, time::Duration};

/// Where an executor runs, and the right to ask it.
#[derive(Debug, Args)]
pub(super) struct Executor {
    /// Base URL of the executor.
    #[arg(long, default_value = "http://127.0.0.1:9955")]
    url: String,
    /// File of the bearer token: the one that `serve` was given.
    #[arg(long, value_name = "FILE")]
    token_file: PathBuf,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(super) struct Status {
    #[command(flatten)]
    executor: Executor,
    /// The job's id in hex.
    id: String,
}

/// Nobody listens there, or not any more.
#[derive(Debug, thiserror::Error)]
#[error("no executor answers at {url}: {source}; is `arena-executor serve` running there?")]
pub(super) struct Silent {
    url: String,
    source: Box<ureq::Error>,
}

/// A connection to an executor.
pub(super) struct Remote {
    agent: ureq::Agent,
    url: String,
    bearer: String,
}

impl Executor {
    pub(super) fn connect(&self) -> Result<Remote> {
        let token = Token::read_text(&self.token_file)?;
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .proxy(None)
            .build();
        Ok(Remote {
            agent: config.into(),
            url: self.url.trim_end_matches('/').to_owned(),
            bearer: format!("Bearer {token}"),
        })
    }
}

impl Remote {
    /// The body of an answer; anything but success is an error.
    pub(super) fn get(&self, path: &str) -> Result<Vec<u8>> {
        let silent = |source: ureq::Error| Silent {
            url: self.url.clone(),
            source: Box::new(source),
        };
        let request = self
            .agent
            .get(format!("{}{path}", self.url))
            .header("Authorization", &self.bearer);
        let mut response = request.call().map_err(silent)?;
        let code = response.status();
        let body = response.body_mut().read_to_vec().map_err(silent)?;
        if !code.is_success() {
            bail!("{code}: {}", String::from_utf8_lossy(&body).trim_end());
        }
        Ok(body)
    }
}

/// Prints what becomes of one job.
pub(super) fn status(args: &Status) -> Result<()> {
    let body = args
        .executor
        .connect()?
        .get(&format!("/jobs/{}", args.id))?;
    let status = JobStatus::decode_all(&mut &body[..])
        .context("the executor answered something of another release")?;
    println!("{}", describe_status(&status));
    if matches!(status, JobStatus::Failed(_)) {
        bail!("the job came to no outcome");
    }
    Ok(())
}
