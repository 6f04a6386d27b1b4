//! The executor beside the node: tells the offchain worker where it is, and starts and
//! supervises one where the node is asked to.

use crate::cli::ExecutorArgs;
use codec::Encode;
use sc_service::Error;
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};
use tokio::process::{Child, Command};

/// Under this key the offchain worker looks for SCALE of `(url, token)`.
const ADDRESS_KEY: &[u8] = b"arena::executor";
/// How long an executor may take from its start to being ready.
const READY_WITHIN: Duration = Duration::from_secs(30);
/// Longest pause between two starts of an executor that dies.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// Where the executor is, or how to start one.
pub(crate) enum Executor {
    /// None: nothing is scored by this node.
    None,
    /// Somebody else runs it.
    External { url: String, token: String },
    /// The node runs it.
    Own(Own),
}

/// An executor that this node starts.
pub(crate) struct Own {
    program: PathBuf,
    args: Vec<String>,
    base: PathBuf,
}

fn error(message: String) -> Error {
    Error::Other(message)
}

fn read_token(path: &Path) -> Result<String, Error> {
    let token = std::fs::read_to_string(path).map_err(|e| {
        error(format!(
            "can't read the executor's token file {}: {e}",
            path.display()
        ))
    })?;
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path)
        .map(|meta| meta.permissions().mode())
        .unwrap_or_default();
    if mode & 0o077 != 0 {
        return Err(error(format!(
            "the executor's token file {} can be read by others (mode {:o}): chmod 600 it",
            path.display(),
            mode & 0o777
        )));
    }
    let token = token.trim();
    if token.is_empty() {
        return Err(error(format!(
            "the executor's token file {} is empty",
            path.display()
        )));
    }
    Ok(token.into())
}

impl Executor {
    /// Reads the flags; a flag that can't be followed stops the node before it starts.
    pub(crate) fn from_args(args: &ExecutorArgs, base: &Path) -> Result<Self, Error> {
        if let (Some(url), Some(file)) = (&args.executor_url, &args.executor_token_file) {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                return Err(error(format!(
                    "--executor-url {url}: a URL like http://127.0.0.1:9955 is wanted"
                )));
            }
            return Ok(Executor::External {
                url: url.trim_end_matches('/').into(),
                token: read_token(file)?,
            });
        }
        let Some(program) = &args.executor else {
            return Ok(Executor::None);
        };
        if !program.is_file() {
            return Err(error(format!(
                "--executor {}: no such program; build it with `cargo build --release -p \
                 arena-executor`, or name the right path",
                program.display()
            )));
        }
        let args = args
            .executor_args
            .iter()
            .flat_map(|line| line.split_whitespace());
        Ok(Executor::Own(Own {
            program: program.clone(),
            args: args.map(Into::into).collect(),
            base: base.join("executor"),
        }))
    }

    /// Writes the address for the offchain worker; an absent executor removes an earlier one.
    pub(crate) fn publish<S: OffchainStorage>(&self, storage: &mut S) {
        match self {
            Executor::External { url, token } => write_address(storage, url, token),
            // The supervisor writes it once the executor is ready.
            Executor::None | Executor::Own(_) => storage.remove(STORAGE_PREFIX, ADDRESS_KEY),
        }
    }
}

fn write_address<S: OffchainStorage>(storage: &mut S, url: &str, token: &str) {
    let value = (url.as_bytes().to_vec(), token.as_bytes().to_vec()).encode();
    storage.set(STORAGE_PREFIX, ADDRESS_KEY, &value);
}

impl Own {
    fn token_file(&self) -> PathBuf {
        self.base.join("token")
    }

    fn ready_file(&self) -> PathBuf {
        self.base.join("address")
    }

    fn spawn(&self) -> std::io::Result<Child> {
        std::fs::create_dir_all(&self.base)?;
        match std::fs::remove_file(self.ready_file()) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        Command::new(&self.program)
            .args(["serve", "--listen", "127.0.0.1:0", "--base"])
            .arg(self.base.join("jobs"))
            .arg("--token-file")
            .arg(self.token_file())
            .arg("--ready-file")
            .arg(self.ready_file())
            .arg("--supervised")
            .args(&self.args)
            // Open as long as the node lives: its end, however sudden, ends the executor.
            .stdin(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    /// Waits until the executor has written the address that it listens on.
    async fn address(&self) -> Option<(String, String)> {
        let deadline = tokio::time::Instant::now() + READY_WITHIN;
        while tokio::time::Instant::now() < deadline {
            if let Ok(address) = std::fs::read_to_string(self.ready_file()) {
                let address = address.trim();
                if !address.is_empty() {
                    let token = read_token(&self.token_file()).ok()?;
                    return Some((format!("http://{address}"), token));
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    /// Starts the executor, again and again when it ends, until the node stops.
    pub(crate) async fn supervise<S: OffchainStorage>(self, mut storage: S) {
        let mut pause = Duration::from_secs(1);
        loop {
            let started = tokio::time::Instant::now();
            match self.spawn() {
                Ok(mut child) => {
                    // Waiting for a child closes its input, which would end it.
                    let input = child.stdin.take();
                    match self.address().await {
                        Some((url, token)) => {
                            log::info!(target: "arena", "🏟  executor ready on {url}, pid {:?}", child.id());
                            write_address(&mut storage, &url, &token);
                        }
                        None => log::error!(
                            target: "arena",
                            "the executor was not ready within {READY_WITHIN:?}; see its log above"
                        ),
                    }
                    let status = child.wait().await;
                    drop(input);
                    log::error!(target: "arena", "the executor ended: {status:?}; starting it again");
                }
                Err(e) => log::error!(
                    target: "arena",
                    "can't start the executor {}: {e}", self.program.display()
                ),
            }
            if started.elapsed() > MAX_PAUSE {
                pause = Duration::from_secs(1);
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_args_should_refuse_an_executor_that_is_not_there() {
        let args = ExecutorArgs {
            executor: Some("/nowhere/arena-executor".into()),
            ..Default::default()
        };
        let refusal = Executor::from_args(&args, Path::new("/tmp"))
            .err()
            .map(|e| e.to_string());
        assert!(refusal.is_some_and(|text| text.contains("no such program")));
    }

    #[test]
    fn from_args_should_refuse_a_token_that_others_can_read() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("arena-token-{}", std::process::id()));
        std::fs::write(&path, "secret").expect("writes");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("sets");
        let args = ExecutorArgs {
            executor_url: Some("http://127.0.0.1:9955".into()),
            executor_token_file: Some(path.clone()),
            ..Default::default()
        };
        let refusal = Executor::from_args(&args, Path::new("/tmp"))
            .err()
            .map(|e| e.to_string());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("sets");
        assert!(Executor::from_args(&args, Path::new("/tmp")).is_ok());
        std::fs::remove_file(&path).expect("removes");
        assert!(refusal.is_some_and(|text| text.contains("chmod 600")));
    }

    #[test]
    fn from_args_should_refuse_a_url_without_a_scheme() {
        let args = ExecutorArgs {
            executor_url: Some("127.0.0.1:9955".into()),
            executor_token_file: Some("/nowhere".into()),
            ..Default::default()
        };
        let refusal = Executor::from_args(&args, Path::new("/tmp"))
            .err()
            .map(|e| e.to_string());
        assert!(refusal.is_some_and(|text| text.contains("--executor-url")));
    }
}
