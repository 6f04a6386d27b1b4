//! An executor that lies: it has models scored by a real one, and says other scores.
//!
//! What it is asked as a juror it answers truly: it is there to be caught, not to judge.

use crate::{
    bins::Programs,
    cluster::{Remote, node_name},
    poll,
    process::Process,
};
use anyhow::{Context, Result};
use arena_primitives::{
    PERBILL,
    job::{JobStatus, Outcome},
};
use axum::{
    Router,
    body::{Bytes, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use codec::{DecodeAll, Encode};
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};
use tokio::{net::TcpListener, runtime::Runtime};

const READY_WITHIN: Duration = Duration::from_secs(30);
const REQUEST_WITHIN: Duration = Duration::from_secs(2);
/// Longest request that is passed on: the wire's own bound.
const MAX_BYTES: usize = arena_primitives::job::MAX_REQUEST_BYTES;
/// By how much every score is too good, in its own unit.
const LIE: u64 = 123_456_789;

/// The lying executor of one node, with the real one behind it. Both end with this.
#[derive(Debug)]
pub struct Liar {
    /// How the node reaches it.
    pub remote: Remote,
    // Dropped in this order: what passes on, then what answers.
    _server: Runtime,
    _executor: Process,
}

/// Who answers truly.
#[derive(Clone, Debug)]
struct Behind {
    url: String,
    agent: ureq::Agent,
}

/// What is passed on.
struct Question {
    method: String,
    path: String,
    token: Option<String>,
    body: Bytes,
}

impl Liar {
    /// Starts both for the node of this number, which will have its files below `base`.
    pub fn start(programs: &Programs, base: &Path, node: usize) -> Result<Self> {
        let dir = base.join(node_name(node)?).join("executor");
        fs::create_dir_all(&dir).with_context(|| format!("can't create {}", dir.display()))?;
        let log = base.join("logs").join("liar-executor.log");
        let (executor, url) = start_executor(programs, &dir, &log)?;
        let server = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = server.block_on(TcpListener::bind(("127.0.0.1", 0)))?;
        let address = listener.local_addr()?;
        let behind = Behind {
            url,
            agent: ureq::Agent::config_builder()
                .http_status_as_error(false)
                .timeout_global(Some(REQUEST_WITHIN))
                .proxy(None)
                .build()
                .into(),
        };
        let app = Router::new().fallback(pass).with_state(behind);
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                eprintln!("the lying executor ended: {error}");
            }
        });
        Ok(Self {
            remote: Remote {
                url: format!("http://{address}"),
                token_file: dir.join("token"),
            },
            _server: server,
            _executor: executor,
        })
    }
}

/// The real executor, laid out as a node lays out its own, and where it listens.
fn start_executor(programs: &Programs, dir: &Path, log: &Path) -> Result<(Process, String)> {
    let ready: PathBuf = dir.join("address");
    let mut command = Command::new(&programs.executor);
    command
        .args(["serve", "--listen", "127.0.0.1:0", "--allow-file", "--base"])
        .arg(dir.join("jobs"))
        .arg("--token-file")
        .arg(dir.join("token"))
        .arg("--ready-file")
        .arg(&ready);
    let mut executor = Process::spawn("the liar's executor", &mut command, log)?;
    let address = poll::until("the liar's executor", READY_WITHIN, || {
        executor.expect_alive()?;
        let address = fs::read_to_string(&ready).unwrap_or_default();
        Ok(address.ends_with('\n').then(|| address.trim().to_owned()))
    })?;
    Ok((executor, format!("http://{address}")))
}

async fn pass(State(behind): State<Behind>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BYTES).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let token = head.headers.get("authorization");
    let question = Question {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        token: token.and_then(|token| Some(token.to_str().ok()?.to_owned())),
        body,
    };
    let asked = tokio::task::spawn_blocking(move || behind.ask(&question)).await;
    match asked {
        Ok(Ok((code, body))) => (code, body).into_response(),
        _ => StatusCode::BAD_GATEWAY.into_response(),
    }
}

impl Behind {
    fn ask(&self, question: &Question) -> Result<(StatusCode, Vec<u8>)> {
        let url = format!("{}{}", self.url, question.path);
        let token = question.token.as_deref().unwrap_or_default();
        let mut response = match question.method.as_str() {
            "POST" => {
                let request = self.agent.post(&url).header("Authorization", token);
                request.send(&question.body[..])?
            }
            _ => self.agent.get(&url).header("Authorization", token).call()?,
        };
        let code = StatusCode::from_u16(response.status().as_u16())?;
        let body = response.body_mut().read_to_vec()?;
        Ok((code, lie(body)))
    }
}

/// An answer with a better score, if it has one; any other answer as it is.
fn lie(body: Vec<u8>) -> Vec<u8> {
    let Ok(JobStatus::Done(Outcome::Evaluated(mut evaluated))) =
        JobStatus::decode_all(&mut &body[..])
    else {
        return body;
    };
    let better = evaluated.raw.saturating_add(LIE);
    evaluated.raw = if better > PERBILL {
        evaluated.raw.saturating_sub(LIE)
    } else {
        better
    };
    JobStatus::Done(Outcome::Evaluated(evaluated)).encode()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_primitives::job::{Compared, Evaluated};

    fn evaluated(raw: u64) -> Vec<u8> {
        let evaluated = Evaluated {
            raw,
            samples: 3,
            tokens: 3,
            bytes: 0,
            samples_root: Default::default(),
            device: "cpu".into(),
            millis: 1,
        };
        JobStatus::Done(Outcome::Evaluated(evaluated)).encode()
    }

    #[test]
    fn lie_should_change_scores_within_their_range_and_nothing_else() {
        assert_eq!(lie(evaluated(500_000_000)), evaluated(623_456_789));
        assert_eq!(lie(evaluated(900_000_000)), evaluated(776_543_211));
        let compared = Compared {
            distance: Some(1),
            same: false,
            device: "cpu".into(),
            millis: 1,
        };
        let compared = JobStatus::Done(Outcome::Compared(compared)).encode();
        assert_eq!(lie(compared.clone()), compared);
        assert_eq!(lie(b"ok\n".to_vec()), b"ok\n");
    }
}
