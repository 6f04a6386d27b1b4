//! Mirrors that lie, stop, stall and never end: each a real HTTP server on loopback.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

/// How a server behaves.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Manner {
    Good,
    /// Answers every request with the whole file.
    NoRanges,
    /// Closes after this many bytes of each answer.
    CutsAfter(usize),
    /// Names no length: the end of the connection is that of the file, after at most this many
    /// bytes.
    Undelimited(usize),
    /// Takes the request and says nothing.
    Silent,
    /// Stops after the head, and this many bytes of the body.
    Stalls(usize),
    /// One byte at a time.
    Trickles,
    /// The right beginning, and then more for as long as anybody listens.
    Endless,
    /// A head with no end.
    EndlessHead,
    /// To its own paths, always another one.
    RedirectLoop,
    /// Every path to the same path below this base; answers no file.
    RedirectTo(String),
    /// Labels every part as another one; answers whole files well.
    WrongRange,
    /// This status line and headers, to every request.
    Refuses(&'static str),
    /// That to the first request, and the file to all others.
    RefusesOnce(&'static str),
    /// Labels the file as compressed.
    Compressed,
}

/// Content by path, without the leading slash.
type Files = Arc<dyn Fn(&str) -> Option<Vec<u8>> + Send + Sync>;

/// A running server; it ends with the test's process.
pub(crate) struct Mock {
    pub(crate) addr: SocketAddr,
    /// Bytes of bodies that were sent.
    pub(crate) sent: Arc<AtomicUsize>,
    /// Paths and ranges that were asked for.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl Mock {
    /// Serves `files`.
    pub(crate) fn new(
        files: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static,
        manner: Manner,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mock = Self {
            addr: listener.local_addr().unwrap(),
            sent: Arc::default(),
            asked: Arc::default(),
        };
        let server = Arc::new(Server {
            files: Arc::new(files) as Files,
            manner,
            sent: mock.sent.clone(),
            asked: mock.asked.clone(),
        });
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                // A connection is one request; a client that hung up is no failure.
                thread::spawn(move || drop(server.answer(stream)));
            }
        });
        mock
    }

    /// Serves these bytes at every path.
    pub(crate) fn of(content: &[u8], manner: Manner) -> Self {
        let content = content.to_vec();
        Self::new(move |_| Some(content.clone()), manner)
    }

    /// Serves the files below a directory, as they are when they are asked for.
    pub(crate) fn of_dir(dir: impl Into<PathBuf>, manner: Manner) -> Self {
        let dir = dir.into();
        Self::new(move |path| std::fs::read(dir.join(path)).ok(), manner)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn sent(&self) -> usize {
        self.sent.load(Ordering::SeqCst)
    }

    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

struct Server {
    files: Files,
    manner: Manner,
    sent: Arc<AtomicUsize>,
    asked: Arc<Mutex<Vec<String>>>,
}

/// Path and range of a request.
fn read_request(stream: &TcpStream) -> io::Result<(String, Option<(usize, usize)>)> {
    let mut path = String::new();
    let mut range = None;
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET /") {
            path = rest.split(' ').next().unwrap_or_default().to_owned();
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("range: bytes=") {
            let (from, to) = value.split_once('-').unwrap();
            range = Some((from.parse().unwrap(), to.parse().unwrap()));
        }
    }
    Ok((path, range))
}

/// Keeps the connection until the client has closed it.
fn wait_for_goodbye(mut stream: TcpStream) -> io::Result<()> {
    let mut byte = [0];
    while stream.read(&mut byte)? > 0 {}
    Ok(())
}

impl Server {
    fn answer(&self, mut stream: TcpStream) -> io::Result<()> {
        let (path, range) = read_request(&stream)?;
        let first = {
            let mut asked = self.asked.lock().unwrap();
            asked.push(format!("{path} {range:?}"));
            asked.len() == 1
        };
        match &self.manner {
            Manner::Silent => return wait_for_goodbye(stream),
            Manner::EndlessHead => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
                loop {
                    stream.write_all(b"X-More: and more and more and more\r\n")?;
                }
            }
            Manner::RedirectLoop => {
                let n = self.asked.lock().unwrap().len();
                return head(
                    &mut stream,
                    "302 Found",
                    &format!("Location: /loop/{n}\r\n"),
                );
            }
            Manner::RedirectTo(base) => {
                let to = format!("Location: {base}/{path}\r\n");
                return head(&mut stream, "302 Found", &to);
            }
            Manner::Refuses(with) => return refuse(&mut stream, with),
            Manner::RefusesOnce(with) if first => return refuse(&mut stream, with),
            _ => {}
        }
        match (self.files)(&path) {
            Some(content) => self.serve(stream, &content, range),
            None => head(&mut stream, "404 Not Found", ""),
        }
    }

    fn serve(
        &self,
        mut stream: TcpStream,
        content: &[u8],
        range: Option<(usize, usize)>,
    ) -> io::Result<()> {
        let range = range.filter(|_| self.manner != Manner::NoRanges);
        let (status, mut extra, body) = match range {
            Some((from, _)) if from >= content.len() => {
                return head(&mut stream, "416 Range Not Satisfiable", "");
            }
            Some((from, to)) => {
                let to = (to + 1).min(content.len());
                let label = if self.manner == Manner::WrongRange {
                    from + 1
                } else {
                    from
                };
                let extra = format!(
                    "Content-Range: bytes {label}-{}/{}\r\n",
                    to - 1,
                    content.len()
                );
                ("206 Partial Content", extra, &content[from..to])
            }
            None => ("200 OK", String::new(), content),
        };
        match self.manner {
            Manner::Undelimited(_) => {}
            Manner::Endless => extra += "Content-Length: 1000000000000\r\n",
            Manner::Compressed => {
                extra += &format!(
                    "Content-Encoding: gzip\r\nContent-Length: {}\r\n",
                    body.len()
                );
            }
            _ => extra += &format!("Content-Length: {}\r\n", body.len()),
        }
        write!(
            stream,
            "HTTP/1.1 {status}\r\n{extra}Connection: close\r\n\r\n"
        )?;
        match self.manner {
            Manner::CutsAfter(n) | Manner::Undelimited(n) => {
                self.send(&mut stream, &body[..n.min(body.len())])
            }
            Manner::Stalls(n) => {
                self.send(&mut stream, &body[..n.min(body.len())])?;
                wait_for_goodbye(stream)
            }
            Manner::Trickles => {
                for byte in body {
                    self.send(&mut stream, &[*byte])?;
                    thread::sleep(Duration::from_millis(5));
                }
                Ok(())
            }
            Manner::Endless => {
                self.send(&mut stream, body)?;
                loop {
                    self.send(&mut stream, &[0; 1 << 12])?;
                }
            }
            _ => self.send(&mut stream, body),
        }
    }

    fn send(&self, stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
        stream.write_all(bytes)?;
        self.sent.fetch_add(bytes.len(), Ordering::SeqCst);
        Ok(())
    }
}

fn head(stream: &mut TcpStream, status: &str, extra: &str) -> io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{extra}Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

/// A status, and headers after `|`.
fn refuse(stream: &mut TcpStream, with: &str) -> io::Result<()> {
    let (status, extra) = with.split_once('|').unwrap_or((with, ""));
    let extra = match extra {
        "" => String::new(),
        extra => format!("{extra}\r\n"),
    };
    head(stream, status, &extra)
}
