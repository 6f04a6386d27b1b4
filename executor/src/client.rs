//! Opens mirrors. Every wait has an end, and no answer is taken at its word.

use crate::mirror::Mirror;
use arena_primitives::job::{SLOWEST_MIRROR, fetch_seconds};
use std::{
    cell::Cell,
    fs::{self, File},
    io::{self, ErrorKind, Read, Seek, SeekFrom},
    path::Path,
    time::{Duration, Instant},
};
use ureq::http::{HeaderMap, Response, header};

/// Redirects that are followed for one answer.
const REDIRECTS: u32 = 5;
/// Longest head of an answer in bytes.
const LONGEST_HEAD: usize = 64 * 1024;

/// How long a mirror is waited for.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    /// For a name, and for a connection with its TLS.
    pub(crate) connect: Duration,
    /// For the head of an answer, all of it.
    pub(crate) response: Duration,
    /// For the next byte.
    pub(crate) idle: Duration,
    /// Time over which the pace is measured.
    pub(crate) window: Duration,
    /// Bytes per second below which a mirror is left for the next one.
    pub(crate) slowest: u64,
    /// For all of what is wanted of all its mirrors, by its bytes.
    pub(crate) whole: fn(u64) -> Duration,
    /// Between two tries.
    pub(crate) pause: Duration,
    /// Longest `Retry-After` that is waited for.
    pub(crate) longest_wait: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            response: Duration::from_secs(30),
            idle: Duration::from_secs(20),
            window: Duration::from_secs(30),
            slowest: 64 * 1024,
            whole: |bytes| Duration::from_secs(fetch_seconds(bytes)),
            pause: Duration::from_millis(200),
            longest_wait: Duration::from_secs(60),
        }
    }
}

/// Why a mirror gave nothing, or no more.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The same answer would come again.
    Absent(String),
    /// The connection broke.
    Broken(String),
    /// It asks to be asked later.
    Busy(Duration, String),
    /// It stalled, or came too slowly.
    Slow(String),
    /// Asked for a part of the file, it answered something else.
    Unranged(String),
    /// The job's deadline passed.
    Late,
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent(why)
            | Self::Broken(why)
            | Self::Busy(_, why)
            | Self::Slow(why)
            | Self::Unranged(why) => f.write_str(why),
            Self::Late => f.write_str("the job's deadline passed"),
        }
    }
}

/// What is asked of a mirror.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask {
    /// The whole file.
    Whole,
    /// This many bytes from this offset.
    Part(u64, u64),
}

/// Opens mirrors; one per job.
pub(crate) struct Client {
    agent: ureq::Agent,
    patience: Patience,
    deadline: Option<Instant>,
    /// When what is fetched now must be there.
    due: Cell<Option<Instant>>,
    /// Whether any host answered.
    answered: Cell<bool>,
}

/// What ends a wait that is over: the job's deadline, or what its mirrors have to keep.
#[derive(Clone, Copy)]
struct Ends {
    deadline: Option<Instant>,
    due: Option<Instant>,
}

impl Ends {
    /// The first of both.
    fn first(self) -> Option<Instant> {
        self.deadline.into_iter().chain(self.due).min()
    }

    /// What is said once the first of both has passed.
    fn trouble(self) -> Trouble {
        match self.due {
            Some(due) if self.deadline.is_none_or(|deadline| due < deadline) => Trouble::Slow(
                format!("all mirrors together bring less than {SLOWEST_MIRROR} bytes a second"),
            ),
            _ => Trouble::Late,
        }
    }
}

impl Client {
    /// A client that gives up at `deadline`, whatever comes.
    pub(crate) fn new(patience: Patience, deadline: Option<Instant>) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_resolve(Some(patience.connect))
            .timeout_connect(Some(patience.connect))
            .timeout_recv_response(Some(patience.response))
            .timeout_per_read(Some(patience.idle))
            .timeout_per_write(Some(patience.idle))
            .max_response_header_size(LONGEST_HEAD)
            .http_status_as_error(false)
            // Followed here: where they lead is checked, and their bodies are never read.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("arena-executor/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
            patience,
            deadline,
            due: Cell::new(None),
            answered: Cell::new(false),
        }
    }

    /// From now on, mirrors have the time for this many bytes, and no more.
    pub(crate) fn expect(&self, bytes: u64) {
        let time = (self.patience.whole)(bytes);
        self.due.set(Instant::now().checked_add(time));
    }

    /// Whether any host answered yet, whatever it said.
    pub(crate) fn was_answered(&self) -> bool {
        self.answered.get()
    }

    fn ends(&self) -> Ends {
        Ends {
            deadline: self.deadline,
            due: self.due.get(),
        }
    }

    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }

    /// Time that is left; `None` where there is no end.
    fn left(&self) -> Result<Option<Duration>, Trouble> {
        let ends = self.ends();
        let Some(first) = ends.first() else {
            return Ok(None);
        };
        let left = first.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(ends.trouble());
        }
        Ok(Some(left))
    }

    /// Waits between two tries, but not beyond the time that is left.
    pub(crate) fn pause(&self, wanted: Duration) -> Result<(), Trouble> {
        let left = self.left()?.unwrap_or(wanted);
        std::thread::sleep(wanted.min(left));
        self.left().map(drop)
    }

    /// Opens `mirror`.
    pub(crate) fn open(&self, mirror: &Mirror, ask: Ask) -> Result<Opened, Trouble> {
        self.left()?;
        match mirror {
            Mirror::Http(url) => self.get(url, ask),
            Mirror::File(path) => {
                // No line leads there.
                self.answered.set(true);
                let absent =
                    |error: io::Error| Trouble::Absent(format!("{}: {error}", path.display()));
                let file = open_file(path, ask).map_err(absent)?;
                let whole = file.metadata().map_err(absent)?.len();
                let start = match ask {
                    Ask::Whole => 0,
                    Ask::Part(from, _) => from,
                };
                Ok(Opened {
                    whole: Some(whole),
                    ..self.opened(start, true, Box::new(file))
                })
            }
        }
    }

    fn opened(&self, start: u64, delimited: bool, body: Box<dyn Read>) -> Opened {
        Opened {
            start,
            delimited,
            whole: None,
            body,
            since: Instant::now(),
            bytes: 0,
            window: self.patience.window,
            slowest: self.patience.slowest,
            ends: self.ends(),
        }
    }

    fn get(&self, url: &str, ask: Ask) -> Result<Opened, Trouble> {
        let mut url = url.to_owned();
        for _ in 0..=REDIRECTS {
            let response = self.call(&url, ask)?;
            if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
                return self.take(response, ask);
            }
            let to = text(response.headers(), header::LOCATION);
            url = follow(&url, to).map_err(Trouble::Absent)?;
        }
        let why = format!("redirects more than {REDIRECTS} times");
        Err(Trouble::Absent(why))
    }

    fn call(&self, url: &str, ask: Ask) -> Result<Response<ureq::Body>, Trouble> {
        let mut request = self
            .agent
            .get(url)
            .header("Accept-Encoding", "identity")
            .config()
            .timeout_global(self.left()?)
            .build();
        if let Ask::Part(from, length) = ask {
            let last = from.saturating_add(length.saturating_sub(1));
            request = request.header("Range", format!("bytes={from}-{last}"));
        }
        let response = request.call().map_err(|error| self.trouble(&error))?;
        // A proxy of this machine's answers with the others for hosts that it can't reach.
        if !response.status().is_server_error() {
            self.answered.set(true);
        }
        Ok(response)
    }

    fn take(&self, response: Response<ureq::Body>, ask: Ask) -> Result<Opened, Trouble> {
        let status = response.status().as_u16();
        let headers = response.headers();
        let why = format!("answered {status}");
        let range = text(headers, header::CONTENT_RANGE);
        let start = match (status, ask) {
            (206, Ask::Part(from, _)) => {
                if !range.starts_with(&format!("bytes {from}-")) {
                    let why = format!("asked for bytes from {from}, answered {range:?}");
                    return Err(Trouble::Unranged(why));
                }
                from
            }
            (200, _) => 0,
            (416, Ask::Part(..)) => return Err(Trouble::Unranged(why)),
            (429 | 503, _) => return Err(Trouble::Busy(self.retry_after(headers), why)),
            (408 | 425 | 500 | 502 | 504, _) => return Err(Trouble::Broken(why)),
            _ => return Err(Trouble::Absent(why)),
        };
        let coding = text(headers, header::CONTENT_ENCODING);
        if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
            let why = format!("sends the content-encoding {coding:?}, which was not asked for");
            return Err(Trouble::Absent(why));
        }
        let chunked = headers.contains_key(header::TRANSFER_ENCODING);
        let of_range = range.rsplit_once('/').and_then(|(_, all)| all.parse().ok());
        let body = response.into_body();
        let delimited = chunked || body.content_length().is_some();
        let whole = match status {
            206 => of_range,
            _ => body.content_length(),
        };
        Ok(Opened {
            whole,
            ..self.opened(start, delimited, Box::new(body.into_reader()))
        })
    }

    /// The seconds of a `Retry-After`; a date is taken for a pause.
    fn retry_after(&self, headers: &HeaderMap) -> Duration {
        let seconds = text(headers, header::RETRY_AFTER).trim().parse();
        seconds.map_or(self.patience.pause, Duration::from_secs)
    }

    fn trouble(&self, error: &ureq::Error) -> Trouble {
        let why = error.to_string();
        match error {
            ureq::Error::Timeout(ureq::Timeout::Global) => self.ends().trouble(),
            ureq::Error::Timeout(_) => Trouble::Slow(format!("stalled: {why}")),
            ureq::Error::BadUri(_)
            | ureq::Error::Http(_)
            | ureq::Error::LargeResponseHeader(..) => Trouble::Absent(why),
            _ => Trouble::Broken(why),
        }
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> &str {
    let value = headers.get(name);
    value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}

/// A pipe would wait for its writer, and a device has no end: only files are opened.
fn open_file(path: &Path, ask: Ask) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut file = File::open(path)?;
    if let Ask::Part(from, _) = ask {
        file.seek(SeekFrom::Start(from))?;
    }
    Ok(file)
}

/// Where a redirect from `url` leads: `http` or `https`, and never down from the second.
fn follow(url: &str, location: &str) -> Result<String, String> {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (location, _) = location.split_once('#').unwrap_or((location, ""));
    let begin = location.split(['/', '?']).next().unwrap_or_default();
    let to = if location.is_empty() {
        return Err("redirects to nowhere".to_owned());
    } else if begin.contains(':') {
        location.to_owned()
    } else if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{authority}{location}")
    } else {
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        let (folder, _) = path.rsplit_once('/').unwrap_or((authority, ""));
        format!("{scheme}://{folder}/{location}")
    };
    let is = |scheme: &str| {
        to.get(..scheme.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
    };
    match (is("https://"), is("http://"), scheme) {
        (true, ..) | (_, true, "http") => Ok(to),
        (_, true, _) => Err(format!("redirects from https down to {to}")),
        _ => Err(format!(
            "redirects to {to}; only http and https are followed"
        )),
    }
}

/// An open body, at an offset that may be smaller than what was asked for.
pub(crate) struct Opened {
    pub(crate) start: u64,
    /// Whether the end of the body can be told from a connection that was cut.
    pub(crate) delimited: bool,
    /// Size of the whole file, where the mirror names it.
    pub(crate) whole: Option<u64>,
    body: Box<dyn Read>,
    since: Instant,
    bytes: u64,
    window: Duration,
    slowest: u64,
    ends: Ends,
}

impl Opened {
    /// The next bytes; none at the end.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Trouble> {
        let read = loop {
            match self.body.read(buffer) {
                Ok(read) => break read,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(self.trouble(&error)),
            }
        };
        self.bytes = self.bytes.saturating_add(read as u64);
        let spent = self.since.elapsed();
        if read > 0 && spent >= self.window {
            if (self.bytes as f64) < self.slowest as f64 * spent.as_secs_f64() {
                let why = format!("sent {} bytes in {:.1} s", self.bytes, spent.as_secs_f64());
                return Err(Trouble::Slow(why));
            }
            self.since = Instant::now();
            self.bytes = 0;
        }
        Ok(read)
    }

    fn trouble(&self, error: &io::Error) -> Trouble {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        let late = self.ends.first().is_some_and(|end| Instant::now() >= end);
        match inner {
            Some(ureq::Error::Timeout(ureq::Timeout::Global)) => self.ends.trouble(),
            _ if late => self.ends.trouble(),
            Some(ureq::Error::Timeout(_)) => Trouble::Slow(format!("stalled: {error}")),
            _ if error.kind() == ErrorKind::TimedOut => Trouble::Slow(format!("stalled: {error}")),
            _ => Trouble::Broken(error.to_string()),
        }
    }

    /// At most `most` bytes, and whether there were more.
    pub(crate) fn read_up_to(&mut self, most: u64) -> Result<(Vec<u8>, bool), Trouble> {
        let mut bytes = Vec::new();
        let mut buffer = vec![0u8; 1 << 16];
        loop {
            let read = self.read(&mut buffer)?;
            let new = buffer.get(..read).unwrap_or_default();
            let room = most.saturating_sub(bytes.len() as u64);
            if new.len() as u64 > room {
                let room = usize::try_from(room).unwrap_or(usize::MAX);
                bytes.extend_from_slice(new.get(..room).unwrap_or(new));
                return Ok((bytes, true));
            }
            if read == 0 {
                return Ok((bytes, false));
            }
            bytes.extend_from_slice(new);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_should_lead_to_http_and_https_only() {
        let from = "https://hub.example/org/repo/resolve/abc/config.json?x=1";
        for (location, to) in [
            (
                "https://cdn.example/blob?sig=1#x",
                "https://cdn.example/blob?sig=1",
            ),
            ("HTTPS://cdn.example/blob", "HTTPS://cdn.example/blob"),
            ("//cdn.example/blob", "https://cdn.example/blob"),
            (
                "/other/config.json",
                "https://hub.example/other/config.json",
            ),
            ("/to?u=http://x", "https://hub.example/to?u=http://x"),
            ("b.json", "https://hub.example/org/repo/resolve/abc/b.json"),
        ] {
            assert_eq!(follow(from, location).as_deref(), Ok(to), "{location}");
        }
        for refused in [
            "",
            "#x",
            "http://cdn.example/blob",
            "file:///etc/passwd",
            "file:/etc/passwd",
            "ftp://cdn.example/blob",
            "data:text/plain,x",
            "httpx://cdn.example",
        ] {
            assert!(follow(from, refused).is_err(), "{refused}");
        }
        let up = "https://cdn.example/blob";
        assert_eq!(follow("http://hub.example", up).as_deref(), Ok(up));
        assert_eq!(
            follow("http://hub.example", "blob").as_deref(),
            Ok("http://hub.example/blob")
        );
    }
}
