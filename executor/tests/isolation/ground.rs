//! What an attack finds: two jobs, a cache, services, and somebody to harm.

use super::attacks::Target;
use crate::common::model::{write_jsonl, write_mlp};
use arena_models::{Architecture, Device, EvalOptions, Limits, Metric, Profile};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, UdpSocket},
    os::unix::net::UnixListener,
    path::Path,
    process::{Child, Command},
    sync::mpsc::{self, Receiver},
    thread,
};

pub(crate) struct Ground {
    dir: tempfile::TempDir,
    pub(crate) target: Target,
    pub(crate) victim: Child,
    listening: Listening,
    data: Vec<u8>,
}

/// Services that a worker may want to reach.
struct Listening {
    tcp: TcpListener,
    udp: UdpSocket,
    unix: UnixListener,
}

pub(crate) fn options() -> EvalOptions {
    EvalOptions {
        metric: Metric::Accuracy,
        samples: 0,
        seed: [0; 32],
        context: 16,
        batch_tokens: 16,
        profile: Profile::F32,
        device: Device::Cpu,
        base: None,
        limits: Limits {
            architectures: vec![Architecture::Mlp],
            ..Limits::unlimited()
        },
    }
}

impl Ground {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let target = Target::new(dir.path());
        for made in ["blobs", "parts"] {
            fs::create_dir_all(target.cache().join(made)).unwrap();
        }
        fs::create_dir_all(target.job()).unwrap();
        fs::create_dir_all(target.other_job()).unwrap();
        fs::write(target.other_job().join("request.scale"), "theirs").unwrap();
        write_mlp(&target.model(), &[4, 8]);
        write_jsonl(&target.blob(), 20, 4);
        fs::hard_link(target.blob(), target.data()).unwrap();
        let data = fs::read(target.blob()).unwrap();
        let listening = Listening {
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
            unix: UnixListener::bind(target.socket()).unwrap(),
        };
        listening.udp.set_nonblocking(true).unwrap();
        listening.unix.set_nonblocking(true).unwrap();
        Self {
            dir,
            target,
            victim: Command::new("sleep").arg("600").spawn().unwrap(),
            listening,
            data,
        }
    }

    pub(crate) fn root(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn tcp_port(&self) -> u16 {
        self.listening.tcp.local_addr().unwrap().port()
    }

    pub(crate) fn udp_port(&self) -> u16 {
        self.listening.udp.local_addr().unwrap().port()
    }

    /// Answers one caller, and tells what it said.
    pub(crate) fn answer(&self) -> Receiver<String> {
        let listener = self.listening.tcp.try_clone().unwrap();
        let (sender, said) = mpsc::channel();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = [0; 5];
            stream.read_exact(&mut line).unwrap();
            stream.write_all(b"world").unwrap();
            sender.send(String::from_utf8_lossy(&line).into_owned())
        });
        said
    }

    /// Nobody connected.
    #[track_caller]
    pub(crate) fn assert_not_called(&self) {
        self.listening.tcp.set_nonblocking(true).unwrap();
        assert!(self.listening.tcp.accept().is_err());
    }

    /// Nothing that isn't the worker's was reached.
    #[track_caller]
    pub(crate) fn assert_untouched(&mut self) {
        assert!(!self.root().join("outside").exists());
        let others: Vec<_> = fs::read_dir(self.target.other_job()).unwrap().collect();
        assert_eq!(others.len(), 1);
        assert_eq!(fs::read(self.target.blob()).unwrap(), self.data);
        assert_eq!(self.victim.try_wait().unwrap(), None);
        let datagram = self.listening.udp.recv(&mut [0; 8]);
        assert!(datagram.is_err(), "{datagram:?}");
        assert!(self.listening.unix.accept().is_err());
    }

    #[track_caller]
    pub(crate) fn assert_computed(&self) {
        let alone = arena_models::evaluate(
            &self.target.model(),
            &self.target.data(),
            &options(),
            &mut (),
        );
        let losses = fs::read(self.target.losses()).unwrap();
        assert_eq!(losses, alone.unwrap().samples_root);
    }

    #[track_caller]
    pub(crate) fn assert_fetched(&self) {
        let fetched = fs::read(self.target.job().join("fetched/file")).unwrap();
        assert_eq!(fetched, b"world");
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = self.victim.kill();
        let _ = self.victim.wait();
    }
}
