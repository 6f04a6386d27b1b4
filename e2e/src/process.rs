//! Processes: started with a log file, known by their id, ended for sure.

use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// How long a process may take to end after it was asked to.
const GOODBYE: Duration = Duration::from_secs(10);
const TAIL_LINES: usize = 20;

/// Processes to end when the harness is interrupted.
static LIVE: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());

fn live() -> MutexGuard<'static, BTreeSet<u32>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A process that ends when this is dropped.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
    kept: bool,
}

impl Process {
    /// Starts `command`; both its outputs are added to the file `log`.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        Self::spawn_with_output(name, command, log, log)
    }

    /// Starts `command`; what it prints is added to the file `out`, its errors to `log`.
    pub fn spawn_with_output(
        name: &str,
        command: &mut Command,
        log: &Path,
        out: &Path,
    ) -> Result<Self> {
        command
            .stdin(Stdio::null())
            .stdout(append(out)?)
            .stderr(append(log)?);
        let child = command
            .spawn()
            .with_context(|| format!("can't start {}", command.get_program().to_string_lossy()))?;
        live().insert(child.id());
        Ok(Self {
            name: name.into(),
            child,
            log: log.into(),
            ended: None,
            kept: false,
        })
    }

    /// Its id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it did.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
            if self.ended.is_some() {
                live().remove(&self.child.id());
            }
        }
        Ok(self.ended)
    }

    /// Fails if it ended, with the end of its log.
    pub fn expect_alive(&mut self) -> Result<()> {
        if let Some(status) = self.ended()? {
            bail!("{} ended ({status}):\n{}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// Waits for its end.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let what = format!("the end of {}", self.name);
        crate::poll::until(&what, within, || self.ended())
            .with_context(|| format!("{}:\n{}", self.name, self.log_tail()))
    }

    /// Waits for its end and fails unless it is a success.
    pub fn succeed(&mut self, within: Duration) -> Result<()> {
        let status = self.wait(within)?;
        if !status.success() {
            bail!("{} failed ({status}):\n{}", self.name, self.log_tail());
        }
        Ok(())
    }

    /// `kill -9` of it alone; what it started lives on.
    pub fn kill(&mut self) -> Result<()> {
        if self.ended()?.is_none() {
            self.child.kill()?;
            self.ended = Some(self.child.wait()?);
            live().remove(&self.child.id());
        }
        Ok(())
    }

    /// Asks it to end, and ends it if it doesn't; then ends what it left behind.
    pub fn stop(&mut self) -> Result<()> {
        let family = descendants(self.pid());
        if self.ended()?.is_none() {
            signal(self.pid(), "TERM")?;
            if self.wait(GOODBYE).is_err() {
                self.kill()?;
            }
        }
        for orphan in family.iter().filter(|process| process.is_alive()) {
            signal(orphan.pid, "KILL")?;
        }
        Ok(())
    }

    /// Lets it run when this is dropped.
    pub fn keep(&mut self) {
        self.kept = true;
        live().remove(&self.child.id());
    }

    /// The last lines of its log.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.kept
            && let Err(error) = self.stop()
        {
            eprintln!(
                "{} (process {}) may still run: {error:#}",
                self.name,
                self.pid()
            );
        }
    }
}

fn append(path: &Path) -> Result<File> {
    let file = File::options().create(true).append(true).open(path);
    file.with_context(|| format!("can't write {}", path.display()))
}

/// The last lines of a file; nothing if it can't be read.
pub fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines
        .get(lines.len().saturating_sub(TAIL_LINES)..)
        .unwrap_or_default()
        .join("\n")
}

/// Sends a signal, such as `TERM`, to one process.
pub fn signal(pid: u32, name: &str) -> Result<()> {
    let script = r#"kill -s "$1" "$2""#;
    let sent = Command::new("sh")
        .args(["-c", script, "sh", name, &pid.to_string()])
        .stderr(Stdio::null())
        .status()
        .context("can't run sh")?;
    if !sent.success() && Path::new(&format!("/proc/{pid}")).exists() {
        bail!("can't send SIG{name} to process {pid}");
    }
    Ok(())
}

/// A process of this machine, told apart from a later one of the same id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub pid: u32,
    /// Its program's name, at most 15 characters.
    pub name: String,
    parent: u32,
    started: u64,
}

impl Known {
    /// Whether it runs. One that waits to be reaped doesn't.
    pub fn is_alive(&self) -> bool {
        // Its parent may have changed: an orphan gets another one.
        look_up(self.pid).is_some_and(|now| now.started == self.started)
    }
}

fn look_up(pid: u32) -> Option<Known> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (start, end) = (stat.find('(')?, stat.rfind(')')?);
    let name = stat.get(start + 1..end)?.to_owned();
    // After the name: state, parent, …; the 20th is the start time.
    let fields: Vec<&str> = stat.get(end + 1..)?.split_whitespace().collect();
    if matches!(*fields.first()?, "Z" | "X") {
        return None;
    }
    let parent = fields.get(1)?.parse().ok()?;
    Some(Known {
        pid,
        name,
        parent,
        started: fields.get(19)?.parse().ok()?,
    })
}

fn all() -> Vec<Known> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(look_up)
        .collect()
}

/// Children of a process.
pub fn children(pid: u32) -> Vec<Known> {
    all()
        .into_iter()
        .filter(|process| process.parent == pid)
        .collect()
}

/// Children of a process, their children, and so on.
pub fn descendants(pid: u32) -> Vec<Known> {
    let all = all();
    let mut family: Vec<Known> = Vec::new();
    let mut parents = vec![pid];
    while let Some(parent) = parents.pop() {
        for child in all.iter().filter(|process| process.parent == parent) {
            parents.push(child.pid);
            family.push(child.clone());
        }
    }
    family
}

/// From now on ctrl-c and SIGTERM end every process that was started here, then this one.
pub fn end_all_on_interrupt() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::spawn(move || {
        runtime.block_on(interrupted());
        eprintln!("interrupted; ending what was started");
        for pid in live().iter() {
            for process in descendants(*pid) {
                let _ = signal(process.pid, "KILL");
            }
            let _ = signal(*pid, "KILL");
        }
        std::process::exit(130);
    });
    Ok(())
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_should_end_a_process_and_what_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", "echo hello; sleep 600 & wait"]);
        let mut process = Process::spawn("sleeper", &mut command, &log).unwrap();
        let found = crate::poll::until("the child", Duration::from_secs(5), || {
            Ok(children(process.pid()).pop())
        });
        let child = found.unwrap();
        process.expect_alive().unwrap();
        process.stop().unwrap();
        crate::poll::until("its end", Duration::from_secs(5), || {
            Ok((!child.is_alive()).then_some(()))
        })
        .unwrap();
        assert_eq!(process.log_tail(), "hello");
        assert!(
            process
                .expect_alive()
                .unwrap_err()
                .to_string()
                .contains("hello")
        );
    }
}
