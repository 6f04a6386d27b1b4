//! The job server: SCALE over HTTP/1.1 on loopback.

use crate::{
    metrics::Metrics,
    queue::{Queue, SubmitError},
    sandbox::{self, Kernel},
    supervisor::{self, Shared},
    token::Token,
};
use anyhow::{Context, Result, anyhow, ensure};
use arena_models::Device;
use arena_primitives::job::{JobId, MAX_REQUEST_BYTES};
use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Path as UrlPath, Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use codec::Encode;
use std::{
    fs::{self, File, TryLockError},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinSet,
};

/// Address space of a worker process unless another one is asked for.
pub const DEFAULT_MEMORY_BYTES: u64 = 8 << 30;
/// Size of the cache unless another one is asked for.
pub const DEFAULT_CACHE_BYTES: u64 = 32 << 30;

const LONGEST_BODY_WAIT: Duration = Duration::from_secs(10);
const LONGEST_GOODBYE: Duration = Duration::from_secs(5);
const SWEEP: Duration = Duration::from_secs(1);

/// What a server is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens; loopback only, port 0 takes a free one.
    pub listen: SocketAddr,
    /// Directory of the queue and the cache.
    pub base: PathBuf,
    /// File of the bearer token; made if it is absent.
    pub token_file: PathBuf,
    /// Jobs at a time; 0 takes jobs and runs none.
    pub workers: usize,
    /// What computes; one worker at a time on an NVIDIA device.
    pub device: Device,
    /// Address space of a worker process, but of one that computes on an NVIDIA device.
    pub memory_bytes: u64,
    /// Size of the cache.
    pub cache_bytes: u64,
    /// Whether `file://` mirrors are read.
    pub allow_file: bool,
    /// Lets workers do what their user may: for kernels that can't isolate them.
    pub insecure_no_isolation: bool,
    /// Jobs that may wait or run.
    pub queue_limit: usize,
    /// Finished jobs that are remembered.
    pub keep_finished: usize,
    /// The executor's binary, run as the worker; `None` is the running one.
    pub worker: Option<PathBuf>,
}

impl Config {
    /// The defaults, on a free port.
    pub fn new(base: impl Into<PathBuf>, token_file: impl Into<PathBuf>) -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            base: base.into(),
            token_file: token_file.into(),
            workers: 1,
            device: Device::Cpu,
            memory_bytes: DEFAULT_MEMORY_BYTES,
            cache_bytes: DEFAULT_CACHE_BYTES,
            allow_file: false,
            insecure_no_isolation: false,
            queue_limit: 256,
            keep_finished: 4096,
            worker: None,
        }
    }
}

/// A running server; dropping it stops it without waiting.
pub struct Server {
    addr: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Held as long as the server runs, so that no other one takes the same directory.
    _lock: File,
}

impl Server {
    /// Opens the queue, listens, and starts the workers. Refused where this kernel can't isolate
    /// them, unless the configuration lets them run without.
    pub async fn start(config: Config) -> Result<Self> {
        ensure!(
            config.listen.ip().is_loopback(),
            "{} is not a loopback address; the executor serves its own machine only",
            config.listen
        );
        check_device(&config)?;
        check_isolation(config.insecure_no_isolation)?;
        let token = Token::load_or_create(&config.token_file)?;
        fs::create_dir_all(&config.base)
            .with_context(|| format!("cannot create {}", config.base.display()))?;
        let lock = lock(&config)?;
        let metrics = Arc::new(Metrics::new(&config.device.to_string())?);
        metrics.isolated(!config.insecure_no_isolation);
        let queue = Queue::open(
            &config.base,
            config.queue_limit,
            config.keep_finished,
            metrics.clone(),
        )
        .with_context(|| format!("cannot open the queue in {}", config.base.display()))?;
        let listener = TcpListener::bind(config.listen).await.with_context(|| {
            format!(
                "cannot listen on {} (does another executor run there?)",
                config.listen
            )
        })?;
        let addr = listener.local_addr()?;
        let worker = match &config.worker {
            Some(path) => path.clone(),
            None => std::env::current_exe().context("cannot find the executor's own binary")?,
        };
        let workers = config.workers;
        let shared = Arc::new(Shared {
            queue,
            metrics,
            config,
            worker,
        });
        let (stop, stopped) = watch::channel(false);
        let mut tasks = JoinSet::new();
        // While each worker computes, one more job is fetched.
        let ahead = Arc::new(Semaphore::new(workers));
        for _ in 0..workers {
            let fetch = supervisor::fetch(shared.clone(), ahead.clone(), stopped.clone());
            tasks.spawn(fetch);
            tasks.spawn(supervisor::compute(shared.clone(), stopped.clone()));
        }
        tasks.spawn(sweep(shared.clone(), stopped.clone()));
        let app = router(shared, token);
        tasks.spawn(async move {
            let served = axum::serve(listener, app)
                .with_graceful_shutdown(supervisor::stopped(stopped))
                .await;
            if let Err(error) = served {
                tracing::error!(%error, "the server ended");
            }
        });
        Ok(Self {
            addr,
            stop,
            tasks,
            _lock: lock,
        })
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops listening and ends the workers; unfinished jobs stay queued on disk.
    pub async fn stop(mut self) {
        // Fails only where nothing listens any more.
        let _ = self.stop.send(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(LONGEST_GOODBYE, all).await.is_err() {
            tracing::warn!("some connections did not end in time");
            self.tasks.shutdown().await;
        }
    }
}

/// Refuses what a device can't do, before a job would.
fn check_device(config: &Config) -> Result<()> {
    let device = config.device;
    if device != Device::Cpu {
        ensure!(
            config.insecure_no_isolation,
            "workers on {device} can't be isolated: CUDA opens the driver's device files, talks \
             to them by ioctl and compiles kernels into memory that runs, and the rules that \
             would allow it just that have never been tried on a card. Start with \
             --insecure-no-isolation, as a user of its own on a machine that keeps nothing else; \
             every outcome will say so"
        );
        ensure!(
            config.workers <= 1,
            "{device} takes one worker, not {}; start an executor for each device",
            config.workers
        );
    }
    let name = device.describe().map_err(|e| anyhow!("{}", e.detail))?;
    tracing::info!(device = %name, "computing");
    Ok(())
}

fn check_isolation(insecure: bool) -> Result<()> {
    if insecure {
        tracing::warn!(
            "workers are not isolated: a stranger's model that breaks out does what this user may"
        );
        return Ok(());
    }
    match sandbox::probe() {
        Kernel::Isolates(abi) => {
            tracing::info!(landlock = %abi, "workers are isolated by Landlock and seccomp");
            Ok(())
        }
        Kernel::Lacks(what) => anyhow::bail!(
            "this machine can't isolate the workers that run strangers' models: {what}. Boot \
             Linux 5.19 or newer with Landlock and seccomp enabled (the kernel's parameter \
             `lsm=` has to name `landlock`), or start with --insecure-no-isolation, which \
             every outcome will say"
        ),
    }
}

fn lock(config: &Config) -> Result<File> {
    let path = config.base.join("lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!("another executor uses {}", config.base.display())
        }
        Err(TryLockError::Error(error)) => Err(error).context("cannot lock the base directory"),
    }
}

async fn sweep(shared: Arc<Shared>, stopped: watch::Receiver<bool>) {
    let stopped = supervisor::stopped(stopped);
    tokio::pin!(stopped);
    let mut ticks = tokio::time::interval(SWEEP);
    loop {
        tokio::select! {
            () = &mut stopped => return,
            _ = ticks.tick() => {}
        }
        let shared = shared.clone();
        if tokio::task::spawn_blocking(move || shared.queue.sweep())
            .await
            .is_err()
        {
            tracing::error!("the sweep of the queue panicked");
        }
    }
}

fn router(shared: Arc<Shared>, token: Token) -> Router {
    Router::new()
        .route("/jobs", post(submit).get(list))
        .route("/jobs/{id}", get(status).delete(cancel))
        .route_layer(middleware::from_fn_with_state(token, admit))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/metrics", get(metrics))
        .with_state(shared)
}

async fn admit(
    State(token): State<Token>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let presented = headers.get(header::AUTHORIZATION);
    if presented.is_some_and(|value| token.admits(value.as_bytes())) {
        next.run(request).await
    } else {
        refuse(
            StatusCode::UNAUTHORIZED,
            "the bearer token is missing or wrong",
        )
    }
}

fn refuse(code: StatusCode, reason: impl std::fmt::Display) -> Response {
    (code, format!("{reason}\n")).into_response()
}

fn internal(error: impl std::fmt::Display) -> Response {
    tracing::error!(%error, "a request failed");
    refuse(StatusCode::INTERNAL_SERVER_ERROR, error)
}

fn scale(code: StatusCode, value: &impl Encode) -> Response {
    (
        code,
        [(header::CONTENT_TYPE, "application/octet-stream")],
        value.encode(),
    )
        .into_response()
}

async fn submit(State(shared): State<Arc<Shared>>, body: Body) -> Response {
    let body = match tokio::time::timeout(LONGEST_BODY_WAIT, read(body)).await {
        Ok(Ok(body)) => body,
        Ok(Err(refusal)) => return *refusal,
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, "the body took too long"),
    };
    let submitted = tokio::task::spawn_blocking(move || shared.queue.submit(&body)).await;
    match submitted {
        Ok(Ok(id)) => scale(StatusCode::ACCEPTED, &id),
        Ok(Err(error @ SubmitError::Malformed(_))) => refuse(StatusCode::BAD_REQUEST, error),
        Ok(Err(error @ SubmitError::Full(_))) => refuse(StatusCode::TOO_MANY_REQUESTS, error),
        Err(error) => internal(error),
    }
}

async fn read(body: Body) -> Result<Vec<u8>, Box<Response>> {
    use std::error::Error as _;
    let read = to_bytes(body, MAX_REQUEST_BYTES).await;
    read.map(|bytes| bytes.to_vec()).map_err(|error| {
        // `to_bytes` tells the two cases apart by the name of the inner error only.
        let too_long = error
            .source()
            .is_some_and(|e| e.to_string().contains("length limit"));
        Box::new(if too_long {
            let reason = format!("a request has at most {MAX_REQUEST_BYTES} bytes");
            refuse(StatusCode::PAYLOAD_TOO_LARGE, reason)
        } else {
            refuse(
                StatusCode::BAD_REQUEST,
                format!("cannot read the body: {error}"),
            )
        })
    })
}

fn job_id(text: &str) -> Option<JobId> {
    let mut id = [0u8; 32];
    let digits = text.strip_prefix("0x").unwrap_or(text);
    hex::decode_to_slice(digits, &mut id).ok()?;
    Some(JobId::from(id))
}

fn unknown() -> Response {
    refuse(StatusCode::NOT_FOUND, "no such job")
}

async fn list(State(shared): State<Arc<Shared>>) -> Response {
    match serde_json::to_vec(&shared.queue.list()) {
        Ok(json) => ([(header::CONTENT_TYPE, "application/json")], json).into_response(),
        Err(error) => internal(error),
    }
}

async fn status(State(shared): State<Arc<Shared>>, UrlPath(id): UrlPath<String>) -> Response {
    match job_id(&id).and_then(|id| shared.queue.status(&id)) {
        Some(status) => scale(StatusCode::OK, &status),
        None => unknown(),
    }
}

async fn cancel(State(shared): State<Arc<Shared>>, UrlPath(id): UrlPath<String>) -> Response {
    let Some(id) = job_id(&id) else {
        return unknown();
    };
    match tokio::task::spawn_blocking(move || shared.queue.cancel(&id)).await {
        Ok(Ok(true)) => StatusCode::NO_CONTENT.into_response(),
        Ok(Ok(false)) => unknown(),
        Ok(Err(error)) => internal(error),
        Err(error) => internal(error),
    }
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    match shared.metrics.render(shared.queue.counts()) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => internal(error),
    }
}
