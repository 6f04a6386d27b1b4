//! What a worker process can reach, and how much of it.
//!
//! Three things that the kernel enforces, and that a process can't take back: limits on its
//! resources, Landlock for files (and TCP, where the kernel has it), and a filter of system
//! calls. A worker takes them upon itself before it reads a byte of the model's.

mod syscalls;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, RulesetStatus,
    Scope, path_beneath_rules,
};
use rlimit::Resource;
use std::{fmt, io, path::Path};

/// Files that a process may have open.
const OPEN_FILES: u64 = 1024;
/// Threads and processes of the user, of all programs together; a user of a desktop has many.
const TASKS: u64 = 4096;
/// Seconds between the signal that names the limit of processor time and the one that ends a
/// process that doesn't listen.
const GRACE: u64 = 5;

/// What a name is resolved with, and where the libraries that resolve it lie.
const RESOLVER: [&str; 15] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/protocols",
    "/etc/ld.so.cache",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/nix/store",
];

/// What says how many threads to compute with, and the caches for which matrix kernels cut their
/// blocks: without these a job would be computed by other blocks than by hand.
///
/// `/dev/null` has to stay out: a kernel that doesn't find the caches starts `lscpu`, which opens
/// it first, and gives up on its absence; starting a program would end the worker.
const MACHINE: [&str; 5] = [
    "/sys/devices/system/cpu",
    "/sys/fs/cgroup",
    "/proc/cpuinfo",
    "/proc/self/cgroup",
    "/proc/self/mountinfo",
];

/// Most that a process may take of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Address space in bytes.
    pub memory: u64,
    /// Size of a file that it writes, in bytes.
    pub file: u64,
    /// Processor time of all its threads, in seconds.
    pub seconds: u64,
}

/// What a process reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach<'a> {
    /// Whatever its user does: no isolation.
    Everything,
    /// The network, and files below the cache and the job's directory.
    Network {
        /// Directory of the cache.
        cache: &'a Path,
        /// Directory of the job.
        job: &'a Path,
        /// Whether every file may be read, for mirrors that are files.
        read_all: bool,
    },
    /// Files below the job's directory, and those that describe this machine's processors, to
    /// read. It writes only what is open already.
    Job(&'a Path),
}

/// Why a process can't be confined.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A limit on a resource is refused.
    #[error("cannot limit {0}: {1}")]
    Limit(&'static str, io::Error),
    /// Landlock is refused.
    #[error("Landlock: {0}")]
    Landlock(#[from] RulesetError),
    /// The kernel took the rules and enforces none of them.
    #[error("this kernel does not enforce Landlock")]
    NotEnforced,
    /// The filter of system calls is refused.
    #[error("seccomp: {0}")]
    Seccomp(#[from] seccompiler::Error),
}

/// Confines the calling thread, and the threads that it starts, for good.
///
/// Limits on resources hold for the whole process, so call it before there is a second thread.
pub fn confine(limits: &Limits, reach: &Reach<'_>) -> Result<(), Error> {
    limit(limits)?;
    match reach {
        Reach::Everything => return Ok(()),
        Reach::Network {
            cache,
            job,
            read_all,
        } => {
            let files = Files {
                read: RESOLVER.iter().map(Path::new).collect(),
                write: vec![cache, job],
                read_all: *read_all,
            };
            restrict(&files, AccessNet::BindTcp.into())?;
        }
        Reach::Job(job) => {
            let files = Files {
                read: MACHINE.iter().map(Path::new).chain([*job]).collect(),
                write: vec![],
                read_all: false,
            };
            restrict(&files, AccessNet::from_all(ABI::V4))?;
        }
    }
    syscalls::filter(matches!(reach, Reach::Network { .. }))?;
    Ok(())
}

fn limit(limits: &Limits) -> Result<(), Error> {
    for (name, resource, most) in [
        ("the address space", Resource::AS, limits.memory),
        ("the size of a file", Resource::FSIZE, limits.file),
        ("open files", Resource::NOFILE, OPEN_FILES),
        ("threads and processes", Resource::NPROC, TASKS),
        ("core dumps", Resource::CORE, 0),
        ("processor time", Resource::CPU, limits.seconds),
    ] {
        let set = || {
            let hard = resource.get_hard()?;
            let soft = most.min(hard);
            // At the hard limit of time the kernel kills as it does for memory; the soft one
            // has a signal of its own.
            let hard = match resource {
                Resource::CPU => soft.saturating_add(GRACE).min(hard),
                _ => soft,
            };
            resource.set(soft, hard)
        };
        set().map_err(|error| Error::Limit(name, error))?;
    }
    Ok(())
}

/// Files that stay within reach.
struct Files<'a> {
    read: Vec<&'a Path>,
    write: Vec<&'a Path>,
    read_all: bool,
}

/// Denies all files but those, the use `net` of TCP, and signals and sockets of others.
fn restrict(files: &Files<'_>, net: BitFlags<AccessNet>) -> Result<(), Error> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    let write = read
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir
        | AccessFs::RemoveFile
        | AccessFs::RemoveDir
        | AccessFs::Refer;
    let root = files.read_all.then_some(Path::new("/"));
    let status = ruleset(net)?
        .create()?
        .add_rules(path_beneath_rules(&files.read, read))?
        .add_rules(path_beneath_rules(root, read))?
        .add_rules(path_beneath_rules(&files.write, write))?
        .restrict_self()?;
    enforced(&status)
}

/// What is denied unless a rule allows it: files on every kernel that isolates, the rest where
/// the kernel has it.
fn ruleset(net: BitFlags<AccessNet>) -> Result<Ruleset, RulesetError> {
    Ruleset::default()
        // The first version that knows of links and renames between directories.
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::from_all(ABI::V2))?
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI::V5))?
        .handle_access(net)?
        .scope(Scope::from_all(ABI::V6))
}

fn enforced(status: &RestrictionStatus) -> Result<(), Error> {
    if status.ruleset == RulesetStatus::NotEnforced {
        return Err(Error::NotEnforced);
    }
    Ok(())
}

/// What this kernel has to isolate a process with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// Enough, with this version of Landlock.
    Isolates(String),
    /// Too little, and what is missing.
    Lacks(String),
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Isolates(abi) => write!(
                f,
                "Landlock (version {abi}) and seccomp: workers are isolated"
            ),
            Self::Lacks(what) => write!(f, "none: {what}"),
        }
    }
}

/// Tries what isolates a worker, on a thread that ends thereafter.
pub(crate) fn probe() -> Kernel {
    let tried = std::thread::Builder::new().spawn(|| {
        let abi = try_landlock().map_err(|error| error.to_string())?;
        syscalls::filter(true).map_err(|error| format!("seccomp: {error}"))?;
        Ok(abi)
    });
    let tried = tried.map_err(|error| format!("cannot try: {error}"));
    match tried.and_then(|thread| thread.join().unwrap_or_else(|_| Err("it panicked".into()))) {
        Ok(abi) => Kernel::Isolates(abi),
        Err(what) => Kernel::Lacks(what),
    }
}

/// The version of Landlock, enforced on this thread.
fn try_landlock() -> Result<String, String> {
    let trial = || {
        Ruleset::default()
            .handle_access(AccessFs::from_all(ABI::V2))?
            .create()?
            .restrict_self()
    };
    let status = trial().map_err(|error| format!("Landlock: {error}"))?;
    match status.landlock {
        LandlockStatus::Available { effective_abi, .. } if effective_abi >= ABI::V2 => {
            enforced(&status).map_err(|error| error.to_string())?;
            Ok(effective_abi.to_string())
        }
        LandlockStatus::Available { .. } => Err("Landlock is older than version 2".to_owned()),
        LandlockStatus::NotEnabled => Err("Landlock is not enabled at boot".to_owned()),
        LandlockStatus::NotImplemented => Err("this kernel has no Landlock".to_owned()),
    }
}
