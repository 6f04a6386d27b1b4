//! How much memory the processes took at most.

use crate::process;
use std::{
    collections::BTreeMap,
    fs,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

const PERIOD: Duration = Duration::from_millis(250);

/// Peaks of resident memory in bytes.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Peaks {
    /// Of the largest process of each program: the kernel's own high-water mark.
    pub processes: BTreeMap<String, u64>,
    /// Of everything together, sampled.
    pub together: u64,
}

/// Watches this process' descendants until it is dropped.
#[derive(Debug)]
pub struct Watch {
    peaks: Arc<Mutex<Peaks>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts watching.
    pub fn start() -> Self {
        let peaks = Arc::new(Mutex::new(Peaks::default()));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (peaks, stop) = (peaks.clone(), stop.clone());
            move || {
                while !stop.load(Ordering::Relaxed) {
                    sample(&peaks);
                    thread::park_timeout(PERIOD);
                }
            }
        });
        Self {
            peaks,
            stop,
            thread: Some(thread),
        }
    }

    /// The peaks so far.
    pub fn peaks(&self) -> Peaks {
        self.peaks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It has nothing to say.
            let _ = thread.join();
        }
    }
}

fn sample(peaks: &Mutex<Peaks>) {
    let seen: Vec<_> = process::descendants(std::process::id())
        .into_iter()
        .filter_map(|process| Some((process.name, memory(process.pid)?)))
        .collect();
    let mut peaks = peaks.lock().unwrap_or_else(PoisonError::into_inner);
    peaks.together = peaks
        .together
        .max(seen.iter().map(|(_, memory)| memory.now).sum());
    for (name, memory) in seen {
        let peak = peaks.processes.entry(name).or_default();
        *peak = memory.most.max(*peak);
    }
}

struct Memory {
    now: u64,
    most: u64,
}

fn memory(pid: u32) -> Option<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let bytes = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(
            line.trim_start_matches(':')
                .trim()
                .strip_suffix(" kB")?
                .parse::<u64>()
                .ok()?
                * 1024,
        )
    };
    Some(Memory {
        now: bytes("VmRSS")?,
        most: bytes("VmHWM")?,
    })
}
