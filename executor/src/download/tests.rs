//! What becomes of a file whose mirrors lie, stop, stall and lack.

use super::*;
use crate::{
    client::Patience,
    mock::{Manner, Mock},
};
use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

/// Short waits, and a pace that only a mirror on this machine keeps.
fn hurried() -> Patience {
    Patience {
        connect: Duration::from_secs(5),
        response: Duration::from_millis(300),
        idle: Duration::from_millis(300),
        window: Duration::from_millis(200),
        slowest: 10_000,
        whole: |_| Duration::from_secs(5),
        pause: Duration::from_millis(1),
        longest_wait: Duration::from_millis(100),
    }
}

struct Fixture {
    dir: tempfile::TempDir,
    cache: Cache,
    client: Client,
    content: Vec<u8>,
}

fn fixture() -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(&dir.path().join("cache"), 1 << 30).unwrap();
    Fixture {
        dir,
        cache,
        client: Client::new(hurried(), None),
        content: (0..100_000u32).flat_map(u32::to_le_bytes).collect(),
    }
}

impl Fixture {
    fn serve(&self, manner: Manner) -> Mock {
        Mock::of(&self.content, manner)
    }

    fn digest(&self) -> [u8; 32] {
        *blake3::hash(&self.content).as_bytes()
    }

    fn fetch(&self, mirrors: &[&Mock]) -> Result<(), Failure> {
        let mirrors: Vec<_> = mirrors
            .iter()
            .map(|mock| Mirror::Http(format!("{}/file", mock.url())))
            .collect();
        self.fetch_from(&mirrors)
    }

    fn fetch_from(&self, mirrors: &[Mirror]) -> Result<(), Failure> {
        let want = Want {
            digest: self.digest(),
            bytes: self.content.len() as u64,
            name: "file",
        };
        let to = self.dir.path().join("fetched");
        fetch(&self.client, &self.cache, &want, mirrors, &to)?;
        assert_eq!(fs::read(to).unwrap(), self.content);
        Ok(())
    }

    /// The reason why a mirror is of no use, and nobody's lie.
    fn unreachable(&self, manner: Manner) -> (String, Mock) {
        let mock = self.serve(manner.clone());
        match self.fetch(&[&mock]) {
            Err(Failure::Unreachable(why)) => (why, mock),
            other => panic!("{manner:?}: {other:?}"),
        }
    }

    fn changed(&self) -> Vec<u8> {
        let mut changed = self.content.clone();
        changed[7] ^= 1;
        changed
    }

    /// Leaves the beginning of a download there.
    fn begin(&self, bytes: &[u8]) {
        let length = self.content.len() as u64;
        let part = self.cache.part(&self.digest(), length);
        part.unwrap().append(bytes).unwrap();
    }
}

#[test]
fn file_should_be_fetched_once() {
    let f = fixture();
    let good = f.serve(Manner::Good);
    f.fetch(&[&good]).unwrap();
    f.fetch(&[&good]).unwrap();
    f.fetch(&[]).unwrap();
    assert_eq!(good.sent(), f.content.len());
}

#[test]
fn cut_connection_should_resume_where_it_was_cut() {
    let f = fixture();
    let cut = f.serve(Manner::CutsAfter(150_000));
    f.fetch(&[&cut]).unwrap();
    assert_eq!(cut.sent(), f.content.len());
    assert_eq!(cut.asked().len(), 3);
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
        let liar = Mock::of(lie, manner);
        let missing = f.serve(Manner::Refuses("404 Not Found"));
        let failure = f.fetch(&[&missing, &liar]).unwrap_err();
        assert!(matches!(failure, Failure::Wrong(_)), "{failure:?}");
        // Never more than the file has, but for one buffer.
        assert!(liar.sent() <= long.len());
    }
    let liar = Mock::of(&f.changed(), Manner::Good);
    f.fetch(&[&liar, &f.serve(Manner::Good)]).unwrap();
}

#[test]
fn honest_mirror_should_not_be_blamed_for_what_a_liar_left() {
    for manner in [Manner::Good, Manner::NoRanges] {
        let f = fixture();
        f.begin(&f.changed()[..50_000]);
        f.fetch(&[&f.serve(manner)]).unwrap();
    }
}

#[test]
fn unreachable_mirrors_should_be_nobodys_lie() {
    let f = fixture();
    let missing = f.serve(Manner::Refuses("404 Not Found"));
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = |mock: &Mock| Mirror::Http(mock.url());
    let closed = Mirror::Http(format!("http://{port}"));
    let silent = f.serve(Manner::CutsAfter(0));
    let failure = f.fetch_from(&[url(&missing), closed, url(&silent)]);
    assert!(
        matches!(&failure, Err(Failure::Unreachable(_))),
        "{failure:?}"
    );
    // A file that is not there is asked for once; a connection that breaks, again.
    assert_eq!((missing.asked().len(), silent.asked().len()), (1, 3));
    assert!(matches!(f.fetch(&[]), Err(Failure::Unreachable(_))));
}

#[test]
fn stalling_mirror_should_be_left_for_another_one() {
    for manner in [
        Manner::Silent,
        Manner::Stalls(0),
        Manner::Stalls(1000),
        Manner::Trickles,
        Manner::EndlessHead,
    ] {
        let f = fixture();
        let (why, _) = f.unreachable(manner.clone());
        assert!(why.starts_with("file: http://"), "{why}");
        let slow = f.serve(manner.clone());
        let good = f.serve(Manner::Good);
        f.fetch(&[&slow, &good])
            .unwrap_or_else(|failure| panic!("{manner:?}: {failure:?}"));
    }
}

#[test]
fn slow_mirror_should_be_taken_again_as_long_as_it_brings_something() {
    let f = fixture();
    // Each connection stalls after a part.
    let slow = f.serve(Manner::Stalls(100_000));
    let missing = f.serve(Manner::Refuses("404 Not Found"));
    f.fetch(&[&slow, &missing]).unwrap();
    assert_eq!((slow.asked().len(), missing.asked().len()), (4, 1));
    assert_eq!(slow.sent(), f.content.len());
}

#[test]
fn endless_body_should_be_read_no_further_than_the_file_and_be_a_lie() {
    let f = fixture();
    let endless = f.serve(Manner::Endless);
    let failure = f.fetch(&[&endless]).unwrap_err();
    assert!(matches!(failure, Failure::Wrong(_)), "{failure:?}");
    // What fits the sockets' buffers beside the file.
    assert!(endless.sent() < f.content.len() + (16 << 20));
    f.fetch(&[&endless, &f.serve(Manner::Good)]).unwrap();
}

#[test]
fn redirects_should_be_followed_to_http_and_to_an_end() {
    let f = fixture();
    let good = f.serve(Manner::Good);
    let to_good = f.serve(Manner::RedirectTo(good.url()));
    f.fetch(&[&to_good]).unwrap();
    assert_eq!(good.sent(), f.content.len());

    let f = fixture();
    let (why, mock) = f.unreachable(Manner::RedirectLoop);
    assert!(why.contains("redirects more than 5 times"), "{why}");
    assert_eq!(mock.asked().len(), 6);
    let secret = f.dir.path().join("file");
    fs::write(&secret, &f.content).unwrap();
    for base in [
        format!("file://{}", f.dir.path().display()),
        "ftp://127.0.0.1".to_owned(),
        "data:text/plain".to_owned(),
    ] {
        let (why, mock) = f.unreachable(Manner::RedirectTo(base));
        assert!(why.contains("only http and https are followed"), "{why}");
        assert_eq!(mock.asked().len(), 1);
    }
}

#[test]
fn wrong_ranges_should_be_given_up_for_the_whole_file() {
    let f = fixture();
    f.begin(&f.changed()[..50_000]);
    let wrong = f.serve(Manner::WrongRange);
    f.fetch(&[&wrong]).unwrap();
    assert_eq!(wrong.asked().len(), 2);
    let f = fixture();
    // More is there than this mirror has: 416.
    f.begin(&f.content[..50_000]);
    let short = Mock::of(&f.content[..1000], Manner::Good);
    let failure = f.fetch(&[&short]).unwrap_err();
    assert!(matches!(failure, Failure::Wrong(_)), "{failure:?}");
    let (why, _) = f.unreachable(Manner::Refuses("416 Range Not Satisfiable"));
    assert!(why.contains("answered 416"), "{why}");
}

#[test]
fn busy_mirror_should_be_asked_again_after_the_time_it_names() {
    for refusal in [
        "429 Too Many Requests|Retry-After: 0",
        "503 Service Unavailable|Retry-After: 0",
        "503 Service Unavailable",
        "500 Internal Server Error",
    ] {
        let f = fixture();
        let busy = f.serve(Manner::RefusesOnce(refusal));
        f.fetch(&[&busy]).unwrap();
        assert_eq!(busy.asked().len(), 2, "{refusal}");
    }
    let f = fixture();
    let (why, mock) = f.unreachable(Manner::Refuses("429 Too Many Requests|Retry-After: 3600"));
    assert!(why.contains("asks to wait 3600 s"), "{why}");
    assert_eq!(mock.asked().len(), 1);
    let (_, mock) = f.unreachable(Manner::Refuses("503 Service Unavailable|Retry-After: 0"));
    assert_eq!(mock.asked().len(), 3);
    let (why, mock) = f.unreachable(Manner::Refuses("403 Forbidden"));
    assert!(why.contains("answered 403"), "{why}");
    assert_eq!(mock.asked().len(), 1);
}

#[test]
fn compressed_answer_should_be_nobodys_lie() {
    let f = fixture();
    let (why, _) = f.unreachable(Manner::Compressed);
    assert!(why.contains("content-encoding"), "{why}");
}

#[test]
fn body_with_no_length_should_be_taken_whole_and_its_end_blame_nobody() {
    let f = fixture();
    f.fetch(&[&f.serve(Manner::Undelimited(usize::MAX))])
        .unwrap();
    let f = fixture();
    let cut = f.serve(Manner::Undelimited(150_000));
    f.fetch(&[&cut]).unwrap();
    assert_eq!(cut.asked().len(), 3);
    let f = fixture();
    let (why, _) = f.unreachable(Manner::Undelimited(0));
    assert!(why.contains("named no length"), "{why}");
    let liar = Mock::of(&f.changed(), Manner::Undelimited(usize::MAX));
    let failure = f.fetch(&[&liar]).unwrap_err();
    assert!(matches!(failure, Failure::Wrong(_)), "{failure:?}");
}

#[test]
fn fetch_should_end_by_the_deadline_whatever_the_mirror_does() {
    for manner in [
        Manner::Silent,
        Manner::Stalls(1000),
        Manner::Trickles,
        Manner::Refuses("503 Service Unavailable|Retry-After: 1"),
    ] {
        let patience = Patience {
            slowest: 0,
            longest_wait: Duration::from_secs(3600),
            response: Duration::from_secs(3600),
            idle: Duration::from_secs(3600),
            ..hurried()
        };
        let deadline = Instant::now() + Duration::from_millis(300);
        let f = Fixture {
            client: Client::new(patience, Some(deadline)),
            ..fixture()
        };
        let failure = f.fetch(&[&f.serve(manner.clone())]).unwrap_err();
        let late = matches!(&failure, Failure::Late(why) if why.contains("deadline passed"));
        assert!(late, "{manner:?}: {failure:?}");
    }
}

#[test]
fn file_mirror_should_open_files_only() {
    let f = fixture();
    let pipe = f.dir.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    for path in [pipe, "/dev/zero".into(), f.dir.path().to_owned()] {
        let failure = f.fetch_from(&[Mirror::File(path.clone())]).unwrap_err();
        let refused = matches!(&failure, Failure::Unreachable(why) if why.contains("not a file"));
        assert!(refused, "{}: {failure:?}", path.display());
    }
}

#[test]
fn file_over_the_cache_should_be_refused_before_it_is_fetched() {
    let small = tempfile::tempdir().unwrap();
    let f = Fixture {
        cache: Cache::open(small.path(), 1000).unwrap(),
        ..fixture()
    };
    let good = f.serve(Manner::Good);
    assert!(matches!(f.fetch(&[&good]), Err(Failure::Disk(_))));
    assert_eq!(good.sent(), 0);
}
