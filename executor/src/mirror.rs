//! Mirrors: where bytes come from. None of them is trusted.

use std::path::PathBuf;

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

/// Reads URIs as this machine is set up to.
#[derive(Clone, Debug)]
pub(crate) struct Origins {
    /// Whether `file://` is read.
    pub(crate) allow_file: bool,
    /// Where `hf://` leads.
    pub(crate) hub: String,
}

impl Origins {
    /// As `HF_ENDPOINT` says.
    pub(crate) fn from_env(allow_file: bool) -> Self {
        let named = std::env::var("HF_ENDPOINT").ok();
        Self {
            allow_file,
            hub: named
                .filter(|endpoint| !endpoint.is_empty())
                .unwrap_or_else(|| HF_ENDPOINT.to_owned()),
        }
    }

    /// Reads `http(s)://…`, `hf://[datasets/]org/repo@revision[/path]` and `file:///…`.
    pub(crate) fn parse(&self, uri: &str) -> Result<Mirror, String> {
        if is_http(uri) {
            return Ok(Mirror::Http(uri.trim_end_matches('/').to_owned()));
        }
        if let Some(rest) = uri.strip_prefix("hf://") {
            if !is_http(&self.hub) {
                return Err(format!(
                    "{uri}: HF_ENDPOINT is {:?}; it must begin with https:// or http://",
                    self.hub
                ));
            }
            return hub(rest, &self.hub).map(Mirror::Http);
        }
        match uri.strip_prefix("file://") {
            Some(path) if !self.allow_file => Err(format!(
                "file://{path}: file mirrors are off (--allow-file)"
            )),
            Some(path) if path.starts_with('/') => Ok(Mirror::File(PathBuf::from(path))),
            Some(_) => Err(format!("{uri}: a file mirror needs an absolute path")),
            None => Err(format!("{uri}: not https, http, hf or file")),
        }
    }
}

fn is_http(uri: &str) -> bool {
    uri.starts_with("https://") || uri.starts_with("http://")
}

impl Mirror {
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

    fn origins(allow_file: bool, hub: &str) -> Origins {
        Origins {
            allow_file,
            hub: hub.to_owned(),
        }
    }

    #[test]
    fn parse_should_refuse_files_unless_allowed() {
        let (on, off) = (origins(true, HF_ENDPOINT), origins(false, HF_ENDPOINT));
        assert!(off.parse("file:///x").is_err());
        assert_eq!(on.parse("file:///x"), Ok(Mirror::File("/x".into())));
        assert!(on.parse("file://x").is_err());
        assert!(on.parse("ftp://x").is_err());
        assert!(on.parse("x").is_err());
    }

    #[test]
    fn hub_should_be_any_endpoint_that_speaks_http() {
        let uri = "hf://org/repo@abc";
        let found = origins(false, "http://127.0.0.1:8080/").parse(uri);
        let wanted = "http://127.0.0.1:8080/org/repo/resolve/abc";
        assert_eq!(found, Ok(Mirror::Http(wanted.to_owned())));
        for wrong in ["file:///srv", "hub.example", "ftp://hub.example"] {
            let error = origins(true, wrong).parse(uri).unwrap_err();
            assert!(error.contains("HF_ENDPOINT"), "{error}");
        }
    }
}
