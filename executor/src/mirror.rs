//! Mirrors: where bytes come from. None of them is trusted.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::PathBuf,
    time::Duration,
};

const CONNECT: Duration = Duration::from_secs(10);
const RESPONSE: Duration = Duration::from_secs(30);
/// A body may take this long, and longer by its size at the slowest rate.
const BODY: Duration = Duration::from_secs(30);
const SLOWEST_BYTES_PER_SECOND: u64 = 64 * 1024;
const REDIRECTS: u32 = 5;

/// Where `hf://` leads unless `HF_ENDPOINT` is set.
const HF_ENDPOINT: &str = "https://huggingface.co";

/// A base below which files lie, or one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Mirror {
    /// An `http://` or `https://` URL.
    Http(String),
    /// A path on this machine.
    File(PathBuf),
}

/// An open body, at an offset that may be smaller than what was asked for.
pub(crate) struct Opened {
    pub(crate) start: u64,
    pub(crate) body: Box<dyn Read>,
}

impl Mirror {
    /// Reads `http(s)://…`, `hf://[datasets/]org/repo@revision[/path]` and `file:///…`.
    pub(crate) fn parse(uri: &str, allow_file: bool) -> Result<Self, String> {
        if uri.starts_with("https://") || uri.starts_with("http://") {
            return Ok(Self::Http(uri.trim_end_matches('/').to_owned()));
        }
        if let Some(rest) = uri.strip_prefix("hf://") {
            let endpoint = std::env::var("HF_ENDPOINT").unwrap_or_else(|_| HF_ENDPOINT.to_owned());
            return hub(rest, &endpoint).map(Self::Http);
        }
        match uri.strip_prefix("file://") {
            Some(path) if !allow_file => Err(format!(
                "file://{path}: file mirrors are off (--allow-file)"
            )),
            Some(path) if path.starts_with('/') => Ok(Self::File(PathBuf::from(path))),
            Some(_) => Err(format!("{uri}: a file mirror needs an absolute path")),
            None => Err(format!("{uri}: not https, http, hf or file")),
        }
    }

    /// The mirror of one file below this base.
    pub(crate) fn join(&self, path: &str) -> Self {
        match self {
            Self::Http(base) => Self::Http(format!("{base}/{}", encode_path(path))),
            Self::File(base) => Self::File(base.join(path)),
        }
    }
}

impl std::fmt::Display for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Http(url) => f.write_str(url),
            Self::File(path) => write!(f, "file://{}", path.display()),
        }
    }
}

/// The URL of `[datasets/]org/repo@revision[/path]`; a revision is always named.
fn hub(rest: &str, endpoint: &str) -> Result<String, String> {
    let wrong = || format!("hf://{rest}: expected hf://org/repo@revision");
    let (kind, rest_of) = match rest.strip_prefix("datasets/") {
        Some(rest_of) => ("datasets/", rest_of),
        None => ("", rest),
    };
    let (repo, at) = rest_of.split_once('@').ok_or_else(wrong)?;
    let (revision, path) = at.split_once('/').unwrap_or((at, ""));
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    };
    let (org, name) = repo.split_once('/').ok_or_else(wrong)?;
    if ![org, name, revision].into_iter().all(is_name) {
        return Err(wrong());
    }
    let base = format!(
        "{}/{kind}{repo}/resolve/{revision}",
        endpoint.trim_end_matches('/')
    );
    let path = path.trim_matches('/');
    Ok(if path.is_empty() {
        base
    } else {
        format!("{base}/{}", encode_path(path))
    })
}

fn encode_path(path: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string doesn't fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Opens mirrors; one per worker process.
pub(crate) struct Client {
    agent: ureq::Agent,
}

impl Client {
    pub(crate) fn new() -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(RESPONSE))
            .max_redirects(REDIRECTS)
            .user_agent(concat!("arena-executor/", env!("CARGO_PKG_VERSION")))
            .build();
        Self {
            agent: config.into(),
        }
    }

    /// Opens `mirror` at `from`, to read at most `length` bytes.
    pub(crate) fn open(&self, mirror: &Mirror, from: u64, length: u64) -> io::Result<Opened> {
        match mirror {
            Mirror::Http(url) => self.get(url, from, length),
            Mirror::File(path) => {
                let mut file = File::open(path)?;
                if !file.metadata()?.is_file() {
                    return Err(io::Error::other("not a file"));
                }
                file.seek(SeekFrom::Start(from))?;
                Ok(Opened {
                    start: from,
                    body: Box::new(file),
                })
            }
        }
    }

    fn get(&self, url: &str, from: u64, length: u64) -> io::Result<Opened> {
        let patience = BODY + Duration::from_secs(length / SLOWEST_BYTES_PER_SECOND);
        let last = from.saturating_add(length.saturating_sub(1));
        let mut request = self
            .agent
            .get(url)
            .header("Accept-Encoding", "identity")
            .config()
            .timeout_recv_body(Some(patience))
            .build();
        if from > 0 || length > 0 {
            request = request.header("Range", format!("bytes={from}-{last}"));
        }
        let response = request.call().map_err(io::Error::other)?;
        let start = match response.status().as_u16() {
            206 => {
                let range = response.headers().get("content-range");
                let range = range
                    .and_then(|value| value.to_str().ok())
                    .unwrap_or_default();
                if !range.starts_with(&format!("bytes {from}-")) {
                    return Err(io::Error::other(format!(
                        "answered another range: {range:?}"
                    )));
                }
                from
            }
            200 => 0,
            other => return Err(io::Error::other(format!("answered {other}"))),
        };
        Ok(Opened {
            start,
            body: Box::new(response.into_body().into_reader()),
        })
    }
}

/// Reads at most `most` bytes, and whether there were more.
pub(crate) fn read_up_to(body: &mut dyn Read, most: u64) -> io::Result<(Vec<u8>, bool)> {
    let mut bytes = Vec::new();
    body.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    let more = bytes.len() as u64 > most;
    if more {
        bytes.pop();
    }
    Ok((bytes, more))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hub_should_name_the_revision_and_refuse_none() {
        assert_eq!(
            hub("org/repo@abc", "https://h/").as_deref(),
            Ok("https://h/org/repo/resolve/abc")
        );
        assert_eq!(
            hub("datasets/org/repo@abc/a b.jsonl", "https://h").as_deref(),
            Ok("https://h/datasets/org/repo/resolve/abc/a%20b.jsonl")
        );
        for wrong in [
            "org/repo",
            "repo@abc",
            "../repo@abc",
            "org/repo@",
            "org/re po@x",
        ] {
            assert!(hub(wrong, "https://h").is_err(), "{wrong}");
        }
    }

    #[test]
    fn parse_should_refuse_files_unless_allowed() {
        assert!(Mirror::parse("file:///x", false).is_err());
        assert_eq!(
            Mirror::parse("file:///x", true),
            Ok(Mirror::File("/x".into()))
        );
        assert!(Mirror::parse("file://x", true).is_err());
        assert!(Mirror::parse("ftp://x", true).is_err());
    }
}
