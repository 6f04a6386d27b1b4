//! What a worker says.

use crate::fault::reason;
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    process::Child,
};

/// Lines of a worker's last words.
const LAST_WORDS: usize = 8;
/// Longest line that is read from a worker, in bytes.
const LONGEST_LINE: u64 = 512;

/// A line of bounded length; a longer one comes in pieces.
pub(super) async fn line(from: &mut (impl AsyncBufReadExt + Unpin)) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    let read = from
        .take(LONGEST_LINE)
        .read_until(b'\n', &mut bytes)
        .await?;
    Ok((read > 0).then(|| String::from_utf8_lossy(&bytes).trim_end().to_owned()))
}

/// The last lines of a worker's standard error.
pub(super) struct LastWords {
    lines: Arc<Mutex<VecDeque<String>>>,
    reader: Option<tokio::task::JoinHandle<()>>,
}

impl LastWords {
    pub(super) async fn take(self) -> String {
        if let Some(reader) = self.reader {
            let _ = tokio::time::timeout(Duration::from_secs(1), reader).await;
        }
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect::<Vec<_>>().join("; ")
    }
}

pub(super) fn listen(child: &mut Child) -> LastWords {
    let lines = Arc::new(Mutex::new(VecDeque::new()));
    let reader = child
        .stderr
        .take()
        .map(|stderr| tokio::spawn(keep(stderr, lines.clone())));
    LastWords { lines, reader }
}

async fn keep(stderr: impl AsyncRead + Unpin, lines: Arc<Mutex<VecDeque<String>>>) {
    let mut stderr = BufReader::new(stderr);
    while let Ok(Some(line)) = line(&mut stderr).await {
        tracing::debug!(target: "worker", "{}", reason(&line));
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == LAST_WORDS {
            lines.pop_front();
        }
        lines.push_back(line);
    }
}
