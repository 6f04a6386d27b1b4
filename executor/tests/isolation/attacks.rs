//! What a hostile worker tries, and what an honest one does.

#![allow(
    unsafe_code,
    reason = "attacks ask the kernel for what the standard library does not"
)]

use std::{
    fs::{self, File},
    io::{self, Read, Seek, Write},
    net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket},
    os::{
        fd::AsRawFd,
        unix::{fs::PermissionsExt, net::UnixStream},
    },
    path::{Path, PathBuf},
    process::Command,
};

/// What becomes of an attack.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Denied {
    /// The call fails.
    Errno(i32),
    /// The process is ended.
    Killed(i32),
    /// Nothing: it is what this worker does.
    Not,
}

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) computing: Denied,
    pub(crate) fetching: Denied,
    /// Whether it succeeds on every machine, for every user, where nothing is confined.
    pub(crate) anywhere: bool,
    act: fn(&Target) -> io::Result<()>,
}

const KILLED: Denied = Denied::Killed(libc::SIGSYS);
/// By Landlock.
const NO_ACCESS: Denied = Denied::Errno(libc::EACCES);
/// By the filter.
const NO_CALL: Denied = Denied::Errno(libc::EPERM);

const fn attack(
    name: &'static str,
    computing: Denied,
    fetching: Denied,
    act: fn(&Target) -> io::Result<()>,
) -> Attack {
    Attack {
        name,
        computing,
        fetching,
        anywhere: true,
        act,
    }
}

/// One that needs rights, or a feature of the kernel.
const fn rare(name: &'static str, denied: Denied, act: fn(&Target) -> io::Result<()>) -> Attack {
    Attack {
        anywhere: false,
        ..attack(name, denied, denied, act)
    }
}

pub(crate) const ATTACKS: &[Attack] = &[
    // Files of others.
    attack("read a foreign file", NO_ACCESS, NO_ACCESS, |_| {
        File::open("/etc/passwd").map(drop)
    }),
    attack("read another job's file", NO_ACCESS, NO_ACCESS, |on| {
        File::open(on.other_job().join("request.scale")).map(drop)
    }),
    attack("list the root", NO_ACCESS, NO_ACCESS, |_| {
        fs::read_dir("/").map(drop)
    }),
    attack(
        "read the parent's environment",
        NO_ACCESS,
        NO_ACCESS,
        |on| fs::read(format!("/proc/{}/environ", on.parent)).map(drop),
    ),
    attack("read the cache by its name", NO_ACCESS, Denied::Not, |on| {
        File::open(on.blob()).map(drop)
    }),
    attack("write elsewhere", NO_ACCESS, NO_ACCESS, |on| {
        File::create(on.root.join("outside")).map(drop)
    }),
    attack("write into another job", NO_ACCESS, NO_ACCESS, |on| {
        File::create(on.other_job().join("outcome.scale")).map(drop)
    }),
    // Its own files are the cache's by another name.
    attack("open the cache to write", NO_ACCESS, Denied::Not, |on| {
        File::options().append(true).open(on.blob()).map(drop)
    }),
    attack("open the data to write", NO_ACCESS, Denied::Not, |on| {
        File::options().append(true).open(on.data()).map(drop)
    }),
    attack(
        "make a file in its own directory",
        NO_ACCESS,
        Denied::Not,
        |on| File::create(on.job().join("new")).map(drop),
    ),
    attack("cut the data by its name", NO_CALL, NO_CALL, |on| {
        let path = std::ffi::CString::new(on.data().into_os_string().into_encoded_bytes())?;
        // SAFETY: the string ends with a zero.
        check(unsafe { libc::truncate(path.as_ptr(), 0) }.into())
    }),
    attack(
        "link the data to another name",
        NO_CALL,
        Denied::Not,
        |on| fs::hard_link(on.data(), on.job().join("linked")),
    ),
    attack("change the rights of the data", NO_CALL, NO_CALL, |on| {
        fs::set_permissions(on.data(), PermissionsExt::from_mode(0o777))
    }),
    attack("rename the data", NO_CALL, Denied::Not, |on| {
        // And back, for the next one.
        fs::rename(on.data(), on.job().join("renamed"))?;
        fs::rename(on.job().join("renamed"), on.data())
    }),
    attack("link to elsewhere", NO_CALL, NO_CALL, |on| {
        std::os::unix::fs::symlink("/etc", on.job().join("etc"))
    }),
    // The network.
    attack("connect", KILLED, Denied::Not, |on| {
        TcpStream::connect(("127.0.0.1", on.port)).map(drop)
    }),
    attack("send a datagram", KILLED, NO_CALL, |on| {
        // A worker that fetches asks for names, from no port of its own choice.
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.send_to(b"out", ("127.0.0.1", on.udp_port)).map(drop)
    }),
    attack(
        "connect to a service of this machine",
        KILLED,
        NO_CALL,
        |on| UnixStream::connect(on.socket()).map(drop),
    ),
    attack("listen", KILLED, NO_CALL, |_| {
        TcpListener::bind("127.0.0.1:0").map(drop)
    }),
    attack("ask the kernel for its routes", KILLED, NO_CALL, |_| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, 0) }.into())
    }),
    rare("read raw packets", KILLED, |_| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::socket(libc::AF_PACKET, libc::SOCK_STREAM, 0) }.into())
    })
    .fetching(NO_CALL),
    // Processes.
    attack("fork", KILLED, KILLED, |_| {
        // SAFETY: the child does nothing but end.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: ends the child.
            unsafe { libc::_exit(0) };
        }
        check(child.into())
    }),
    rare(
        "start a process by clone3",
        Denied::Errno(libc::ENOSYS),
        |_| {
            let mut wanted = [0u64; 8];
            wanted[4] = libc::SIGCHLD as u64;
            // SAFETY: the structure has the size that is named; the child does nothing but end.
            let child = unsafe { libc::syscall(libc::SYS_clone3, wanted.as_ptr(), 64) };
            if child == 0 {
                // SAFETY: ends the child.
                unsafe { libc::_exit(0) };
            }
            check(child)
        },
    ),
    attack("start a program", KILLED, KILLED, |_| {
        Command::new("true").status().map(drop)
    }),
    attack("become a program", KILLED, KILLED, |_| {
        let words = [c"/bin/sh", c"-c", c"exit 200"].map(|word| word.as_ptr());
        let words = [words[0], words[1], words[2], std::ptr::null()];
        // SAFETY: strings that end with a zero, in a list that ends with null.
        check(unsafe { libc::execv(words[0], words.as_ptr()) }.into())
    }),
    rare("be traced", KILLED, |_| {
        // SAFETY: takes no address.
        check(unsafe { libc::ptrace(libc::PTRACE_TRACEME) })
    }),
    attack("signal its parent", KILLED, KILLED, |on| {
        // SAFETY: takes numbers only; whoever runs ignores it.
        check(unsafe { libc::kill(on.parent, libc::SIGCONT) }.into())
    }),
    attack("end another process", KILLED, KILLED, |on| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::kill(on.victim, libc::SIGTERM) }.into())
    }),
    attack("end another's thread", NO_CALL, NO_CALL, |on| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::syscall(libc::SYS_tgkill, on.victim, on.victim, libc::SIGTERM) })
    }),
    attack("have signals sent by a file", NO_CALL, NO_CALL, |on| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::fcntl(0, libc::F_SETOWN, on.victim) }.into())
    }),
    // The kernel.
    attack("leave its shared tables", KILLED, KILLED, |_| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::unshare(libc::CLONE_FILES) }.into())
    }),
    rare("take another user's view", KILLED, |_| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::unshare(libc::CLONE_NEWUSER) }.into())
    }),
    rare("mount", KILLED, |_| {
        let (kind, none) = (c"tmpfs".as_ptr(), std::ptr::null());
        // SAFETY: strings that end with a zero, or null.
        check(unsafe { libc::mount(kind, c"/mnt".as_ptr(), kind, 0, none) }.into())
    }),
    rare("use io_uring", KILLED, |_| {
        let mut wanted = [0u8; 120];
        // SAFETY: the structure has the size that the kernel reads and writes.
        check(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, wanted.as_mut_ptr()) })
    }),
    rare("load a program into the kernel", KILLED, |_| {
        let wanted = [0u8; 128];
        // SAFETY: the structure has the size that is named.
        check(unsafe { libc::syscall(libc::SYS_bpf, 0, wanted.as_ptr(), 128) })
    }),
    rare("use the keyring", KILLED, |_| {
        // SAFETY: takes numbers only.
        check(unsafe { libc::syscall(libc::SYS_keyctl, 0, -3, 1) })
    }),
    attack("make a file of memory", KILLED, KILLED, |_| {
        // SAFETY: a string that ends with a zero.
        check(unsafe { libc::memfd_create(c"code".as_ptr(), 0) }.into())
    }),
    attack("make memory that runs", NO_CALL, Denied::Not, |_| {
        map(4096, libc::PROT_READ | libc::PROT_EXEC)
    }),
    attack("raise its limits", NO_CALL, NO_CALL, |_| {
        let mut own = libc::rlimit {
            rlim_cur: 0,
            rlim_max: 0,
        };
        // SAFETY: a structure to write to.
        check(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut own) }.into())?;
        // SAFETY: a structure to read.
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &own) }.into())
    }),
];

impl Attack {
    const fn fetching(self, denied: Denied) -> Self {
        Self {
            fetching: denied,
            ..self
        }
    }
}

fn check(returned: libc::c_long) -> io::Result<()> {
    if returned < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn map(length: usize, rights: libc::c_int) -> io::Result<()> {
    let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: new pages, at an address that the kernel chooses; nobody uses them.
    let at = unsafe { libc::mmap(std::ptr::null_mut(), length, rights, kind, -1, 0) };
    if at == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Where things lie on the ground of a test.
pub(crate) struct Target {
    pub(crate) root: PathBuf,
    parent: i32,
    victim: i32,
    port: u16,
    udp_port: u16,
}

impl Target {
    pub(crate) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            parent: 0,
            victim: 0,
            port: 0,
            udp_port: 0,
        }
    }

    pub(crate) fn from_environment(root: &Path) -> Self {
        fn number<T: std::str::FromStr>(name: &str) -> T {
            std::env::var(name).unwrap().parse().ok().unwrap()
        }
        Self {
            parent: i32::try_from(std::os::unix::process::parent_id()).unwrap(),
            victim: number("VICTIM"),
            port: number("PORT"),
            udp_port: number("UDP_PORT"),
            ..Self::new(root)
        }
    }

    pub(crate) fn cache(&self) -> PathBuf {
        self.root.join("base/cache")
    }

    pub(crate) fn blob(&self) -> PathBuf {
        self.cache().join("blobs/blob")
    }

    pub(crate) fn job(&self) -> PathBuf {
        self.root.join("base/jobs/own")
    }

    pub(crate) fn other_job(&self) -> PathBuf {
        self.root.join("base/jobs/other")
    }

    pub(crate) fn model(&self) -> PathBuf {
        self.job().join("model")
    }

    /// A name of the blob.
    pub(crate) fn data(&self) -> PathBuf {
        self.job().join("data")
    }

    pub(crate) fn losses(&self) -> PathBuf {
        self.job().join("losses.bin")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.root.join("socket")
    }
}

/// What a worker opens before it is confined.
pub(crate) struct Open {
    losses: File,
}

impl Open {
    pub(crate) fn new(on: &Target) -> Self {
        let losses = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(on.losses());
        Self {
            losses: losses.unwrap(),
        }
    }
}

/// Does what is named.
pub(crate) fn run(name: &str, on: &Target, open: Open) -> io::Result<()> {
    match name {
        "allocate too much" => {
            let _ = std::hint::black_box(vec![1u8; 2 << 30]);
            Ok(())
        }
        "map too much" => map(2 << 30, libc::PROT_READ),
        "write too much" => write_much(open.losses),
        "compute for long" => loop {
            std::hint::black_box(name);
        },
        "abort" => std::process::abort(),
        "compute" => compute(on, open.losses),
        "resolve and fetch" => fetch(on),
        attack => {
            let found = ATTACKS.iter().find(|known| known.name == attack);
            (found.unwrap().act)(on)
        }
    }
}

fn write_much(mut file: File) -> io::Result<()> {
    for _ in 0..3 {
        file.write_all(&vec![7; 1 << 20])?;
    }
    Ok(())
}

/// Threads, the model, the data, and the losses: what a worker that computes needs.
fn compute(on: &Target, mut losses: File) -> io::Result<()> {
    let threads: Vec<_> = (0..4)
        .map(|n| {
            std::thread::Builder::new()
                .name(format!("thread {n}"))
                .spawn(move || n)
        })
        .collect::<Result<_, _>>()?;
    let sum: i32 = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert_eq!(sum, 6);
    // By which the matrix kernels cut their blocks.
    assert!(fs::read_dir("/sys/devices/system/cpu")?.count() > 0);
    assert!(std::panic::catch_unwind(|| panic!("caught")).is_err());
    let options = super::ground::options();
    let found = arena_models::evaluate(&on.model(), &on.data(), &options, &mut ())
        .map_err(|error| io::Error::other(error.to_string()))?;
    losses.set_len(0)?;
    losses.rewind()?;
    losses.write_all(&found.samples_root)?;
    losses.sync_all()
}

/// Names, connections, and the files of the cache: what a worker that fetches needs.
fn fetch(on: &Target) -> io::Result<()> {
    let mut found = ("localhost", on.port).to_socket_addrs()?;
    let address = found.find(|address| address.is_ipv4()).unwrap();
    let mut stream = TcpStream::connect(address)?;
    stream.set_nonblocking(true)?;
    stream.set_nonblocking(false)?;
    stream.write_all(b"hello")?;
    let mut said = Vec::new();
    stream.take(5).read_to_end(&mut said)?;
    let part = on.cache().join("parts/part");
    let mut file = File::create(&part)?;
    file.write_all(&said)?;
    file.sync_all()?;
    file.lock()?;
    assert!(file.as_raw_fd() > 2);
    let blob = on.cache().join("blobs/fetched");
    fs::rename(&part, &blob)?;
    fs::create_dir(on.job().join("fetched"))?;
    let named = on.job().join("fetched/file");
    fs::hard_link(&blob, &named)?;
    fs::remove_file(&named)?;
    fs::copy(&blob, &named)?;
    File::open(&named)?.set_modified(std::time::SystemTime::now())?;
    fs::create_dir(on.job().join("gone"))?;
    fs::remove_dir_all(on.job().join("gone"))
}
