//! A client, servers and models for the tests; everything is stopped when it is dropped.
#![allow(dead_code, reason = "each test binary uses a part of it")]

pub(crate) mod mirror;
pub(crate) mod model;

use arena_executor::{Config, Server};
use arena_primitives::job::*;
use codec::{Decode, Encode};
use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_arena-executor");
/// Longest wait for anything.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// Polls until `ask` answers, or panics.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Talks to an executor.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) addr: SocketAddr,
    pub(crate) token: String,
    agent: ureq::Agent,
}

impl Client {
    pub(crate) fn new(addr: SocketAddr, token_file: &Path) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .proxy(None)
            .build()
            .into();
        Self {
            addr,
            token: std::fs::read_to_string(token_file).unwrap(),
            agent,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn answer(
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, ureq::Error> {
        let mut response = response?;
        let code = response.status().as_u16();
        Ok(Answer {
            code,
            body: response.body_mut().read_to_vec()?,
        })
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap()
    }

    pub(crate) fn try_get(&self, path: &str) -> Result<Answer, ureq::Error> {
        Self::answer(
            self.agent
                .get(self.url(path))
                .header("Authorization", self.bearer())
                .call(),
        )
    }

    pub(crate) fn get_with(&self, path: &str, authorization: Option<&str>) -> Answer {
        let mut request = self.agent.get(self.url(path));
        if let Some(value) = authorization {
            request = request.header("Authorization", value);
        }
        Self::answer(request.call()).unwrap()
    }

    pub(crate) fn post_bytes(&self, body: &[u8]) -> Answer {
        Self::answer(
            self.agent
                .post(self.url("/jobs"))
                .header("Authorization", self.bearer())
                .send(body),
        )
        .unwrap()
    }

    /// Sends the body in chunks, with no length.
    pub(crate) fn post_chunked(&self, mut body: &[u8]) -> Answer {
        Self::answer(
            self.agent
                .post(self.url("/jobs"))
                .header("Authorization", self.bearer())
                .send(ureq::SendBody::from_reader(&mut body)),
        )
        .unwrap()
    }

    pub(crate) fn post(&self, request: &JobRequest) -> JobId {
        let answer = self.post_bytes(&request.encode());
        assert_eq!(answer.code, 202, "{}", answer.text());
        let id = JobId::decode(&mut &answer.body[..]).unwrap();
        assert_eq!(id, request.id());
        id
    }

    pub(crate) fn delete(&self, id: &JobId) -> u16 {
        let url = self.url(&format!("/jobs/{}", hex::encode(id)));
        let request = self
            .agent
            .delete(url)
            .header("Authorization", self.bearer());
        Self::answer(request.call()).unwrap().code
    }

    pub(crate) fn status(&self, id: &JobId) -> JobStatus {
        let answer = self.get(&format!("/jobs/{}", hex::encode(id)));
        assert_eq!(answer.code, 200, "{}", answer.text());
        JobStatus::decode(&mut &answer.body[..]).unwrap()
    }

    /// Waits for a job's end.
    pub(crate) fn end(&self, id: &JobId) -> JobStatus {
        until("the job's end", || match self.status(id) {
            JobStatus::Queued | JobStatus::Running { .. } => None,
            status => Some(status),
        })
    }

    pub(crate) fn outcome(&self, request: &JobRequest) -> Evaluated {
        match self.found(request) {
            Outcome::Evaluated(evaluated) => evaluated,
            other => panic!("{other:?}"),
        }
    }

    /// What a job of any kind comes to.
    pub(crate) fn found(&self, request: &JobRequest) -> Outcome {
        match self.end(&self.post(request)) {
            JobStatus::Done(outcome) => outcome,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn fault(&self, request: &JobRequest) -> Fault {
        match self.end(&self.post(request)) {
            JobStatus::Failed(fault) => fault,
            other => panic!("{other:?}"),
        }
    }
}

/// What the binary says to these words: its exit code, standard output and standard error.
pub(crate) fn say(words: &[&str]) -> (i32, String, String) {
    let output = Command::new(BINARY)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

/// A server in this process, its worker processes being the real binary.
pub(crate) struct InProcess {
    pub(crate) client: Client,
    server: Option<Server>,
    runtime: tokio::runtime::Runtime,
}

/// The defaults of a test below `dir`.
pub(crate) fn config(dir: &Path) -> Config {
    Config {
        allow_file: true,
        worker: Some(PathBuf::from(BINARY)),
        ..Config::new(dir.join("base"), dir.join("token"))
    }
}

impl InProcess {
    pub(crate) fn start(config: Config) -> Self {
        let token_file = config.token_file.clone();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let server = runtime.block_on(Server::start(config)).unwrap();
        let client = Client::new(server.addr(), &token_file);
        Self {
            client,
            server: Some(server),
            runtime,
        }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

/// The binary, serving.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) client: Client,
}

impl Served {
    pub(crate) fn start(dir: &Path) -> Self {
        Self::start_by(dir, &[])
    }

    /// Started by another command, which becomes it. Its log goes to `dir/log`.
    pub(crate) fn start_by(dir: &Path, by: &[&str]) -> Self {
        let ready = dir.join("ready");
        let _ = std::fs::remove_file(&ready);
        let log = File::options()
            .create(true)
            .append(true)
            .open(dir.join("log"))
            .unwrap();
        let words = [by, &[BINARY]].concat();
        let mut command = Command::new(words[0]);
        command
            .args(&words[1..])
            .args(["serve", "--listen", "127.0.0.1:0", "--allow-file"])
            .arg("--base")
            .arg(dir.join("base"))
            .arg("--token-file")
            .arg(dir.join("token"))
            .arg("--ready-file")
            .arg(&ready)
            .stdin(Stdio::null())
            .stderr(log);
        // Mirrors of the tests are on this machine.
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        let child = command.spawn().unwrap();
        let addr = until("the ready file", || {
            std::fs::read_to_string(&ready)
                .ok()
                .and_then(|text| text.trim().parse().ok())
        });
        Self {
            child,
            client: Client::new(addr, &dir.join("token")),
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn request(kind: JobKind) -> JobRequest {
    JobRequest {
        version: WIRE_VERSION,
        deadline_seconds: 600,
        kind,
        others: vec![],
    }
}

/// A request whose mirrors lead nowhere; `n` makes it differ.
pub(crate) fn unreachable(n: u32) -> JobRequest {
    request(JobKind::Evaluate(Evaluate {
        model: Artifact {
            manifest_root: Default::default(),
            uris: vec![],
        },
        base: None,
        data: Data {
            blake3: [0; 32],
            bytes: 1,
            uris: vec![],
            samples: n,
            seed: [0; 32],
        },
        metric: Metric::Accuracy,
        profile: NumericProfile::F32,
        limits: limits(),
    }))
}

pub(crate) fn limits() -> Limits {
    Limits {
        architectures: vec![Architecture::Mlp, Architecture::Cnn, Architecture::Llama],
        max_parameters: 10_000_000,
        max_bytes: 100_000_000,
        max_seconds: 300,
        context: 512,
        tokenizer: None,
    }
}
