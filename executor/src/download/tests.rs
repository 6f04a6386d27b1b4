//! Mirrors that lie, stop and lack, each a real server on loopback.

use super::*;
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

/// How a server misbehaves.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Good,
    NoRanges,
    /// Closes after this many bytes of each answer.
    CutsAfter(usize),
    Missing,
}

/// Serves `content` at every path; counts the bytes of its answers.
struct Mock {
    mirror: Mirror,
    sent: Arc<AtomicUsize>,
}

fn mock(content: &[u8], manner: Manner) -> Mock {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mirror = Mirror::Http(format!("http://{}/file", listener.local_addr().unwrap()));
    let sent = Arc::new(AtomicUsize::new(0));
    let (content, counter) = (content.to_vec(), sent.clone());
    // Ends with the test's process; a connection is one request.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that hung up is no failure of the server.
            let _ = answer(stream, &content, manner, &counter);
        }
    });
    Mock { mirror, sent }
}

fn answer(
    mut stream: TcpStream,
    content: &[u8],
    manner: Manner,
    sent: &AtomicUsize,
) -> io::Result<()> {
    let mut range = None;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?.to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("range: bytes=") {
            let (from, to) = value.split_once('-').unwrap();
            range = Some((from.parse::<usize>().unwrap(), to.parse::<usize>().unwrap()));
        }
    }
    if manner == Manner::Missing {
        return write!(
            stream,
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
    }
    let (head, body) = match range.filter(|_| manner != Manner::NoRanges) {
        Some((from, _)) if from >= content.len() => {
            ("416 Range Not Satisfiable\r\n".into(), &[][..])
        }
        Some((from, to)) => {
            let to = (to + 1).min(content.len());
            let head = format!(
                "206 Partial\r\nContent-Range: bytes {from}-{}/*\r\n",
                to - 1
            );
            (head, &content[from..to])
        }
        None => ("200 OK\r\n".into(), content),
    };
    write!(
        stream,
        "HTTP/1.1 {head}Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    let body = match manner {
        Manner::CutsAfter(n) => &body[..n.min(body.len())],
        _ => body,
    };
    sent.fetch_add(body.len(), Ordering::SeqCst);
    stream.write_all(body)
}

struct Fixture {
    _dir: tempfile::TempDir,
    cache: Cache,
    client: Client,
    content: Vec<u8>,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), 1 << 30).unwrap();
    let content = (0..100_000u32).flat_map(u32::to_le_bytes).collect();
    Fixture {
        _dir: dir,
        cache,
        client: Client::new(),
        content,
    }
}

impl Fixture {
    fn fetch(&self, mirrors: &[&Mock]) -> Result<(), Failure> {
        let digest = *blake3::hash(&self.content).as_bytes();
        let want = Want {
            digest,
            bytes: self.content.len() as u64,
            name: "file",
        };
        let mirrors: Vec<_> = mirrors.iter().map(|mock| mock.mirror.clone()).collect();
        let path = fetch(&self.client, &self.cache, &want, &mirrors)?;
        assert_eq!(std::fs::read(path).unwrap(), self.content);
        Ok(())
    }

    fn changed(&self) -> Vec<u8> {
        let mut changed = self.content.clone();
        changed[7] ^= 1;
        changed
    }
}

#[test]
fn file_should_be_fetched_once() {
    let f = fixture();
    let good = mock(&f.content, Manner::Good);
    f.fetch(&[&good]).unwrap();
    f.fetch(&[&good]).unwrap();
    f.fetch(&[]).unwrap();
    assert_eq!(good.sent.load(Ordering::SeqCst), f.content.len());
}

#[test]
fn cut_connection_should_resume_where_it_was_cut() {
    let f = fixture();
    let cut = mock(&f.content, Manner::CutsAfter(150_000));
    f.fetch(&[&cut]).unwrap();
    assert_eq!(cut.sent.load(Ordering::SeqCst), f.content.len());
}

#[test]
fn liar_should_be_left_for_another_mirror_and_blamed_if_there_is_none() {
    let f = fixture();
    let short = &f.content[..1000];
    let long = [&f.content[..], &[0]].concat();
    for (lie, manner) in [
        (&f.changed()[..], Manner::Good),
        (short, Manner::Good),
        (short, Manner::NoRanges),
        (&long, Manner::NoRanges),
    ] {
        let liar = mock(lie, manner);
        let missing = mock(&[], Manner::Missing);
        let failure = f.fetch(&[&missing, &liar]).unwrap_err();
        assert!(matches!(failure, Failure::Wrong(_)), "{failure:?}");
        // Never more than the file has, but for one buffer.
        assert!(liar.sent.load(Ordering::SeqCst) <= long.len());
    }
    let liar = mock(&f.changed(), Manner::Good);
    f.fetch(&[&liar, &mock(&f.content, Manner::Good)]).unwrap();
}

#[test]
fn honest_mirror_should_not_be_blamed_for_what_a_liar_left() {
    let f = fixture();
    let digest = *blake3::hash(&f.content).as_bytes();
    f.cache
        .part(&digest, 1 << 20)
        .unwrap()
        .append(&f.changed()[..50_000])
        .unwrap();
    let good = mock(&f.content, Manner::Good);
    f.fetch(&[&good]).unwrap();
}

#[test]
fn unreachable_mirrors_should_be_nobodys_lie() {
    let f = fixture();
    let missing = mock(&[], Manner::Missing);
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let closed = Mock {
        mirror: Mirror::Http(format!("http://{port}")),
        sent: Arc::default(),
    };
    let silent = mock(&f.content, Manner::CutsAfter(0));
    let failure = f.fetch(&[&missing, &closed, &silent]).unwrap_err();
    assert!(matches!(failure, Failure::Unreachable(_)), "{failure:?}");
    assert!(matches!(f.fetch(&[]), Err(Failure::Unreachable(_))));
}

#[test]
fn file_over_the_cache_should_be_refused_before_it_is_fetched() {
    let f = fixture();
    let small = tempfile::tempdir().unwrap();
    let f = Fixture {
        cache: Cache::open(small.path(), 1000).unwrap(),
        ..f
    };
    let good = mock(&f.content, Manner::Good);
    assert!(matches!(f.fetch(&[&good]), Err(Failure::Disk(_))));
    assert_eq!(good.sent.load(Ordering::SeqCst), 0);
}
