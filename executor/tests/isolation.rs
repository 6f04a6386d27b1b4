//! A worker that really tries what it must not, and the executor around it.
//!
//! Each attack runs in a process of its own: this test binary, started again with the name of
//! an attack, which confines itself by the function that workers do. Each runs without that as
//! well, where it has to succeed: what fails anyway shows nothing.

mod common;

#[path = "isolation/attacks.rs"]
mod attacks;
#[path = "isolation/ground.rs"]
mod ground;
#[path = "isolation/kernel.rs"]
mod kernel;
#[path = "isolation/served.rs"]
mod served;

use arena_executor::sandbox::{self, Limits, Reach};
use attacks::{ATTACKS, Attack, Denied};
use ground::Ground;
use std::{
    io::Read,
    os::unix::process::ExitStatusExt,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Names what the started process does.
const CAPTIVE: &str = "ARENA_CAPTIVE";
/// How it is confined: `job`, `network` or `nothing`.
const REACH: &str = "ARENA_REACH";
const GROUND: &str = "ARENA_GROUND";
/// Exit code of an attack that succeeded, and of work that was done.
const DONE: i32 = 200;

/// What a captive may take of this machine.
const LIMITS: Limits = Limits {
    memory: 1 << 30,
    file: 1 << 20,
    seconds: 600,
};

struct Ended {
    status: ExitStatus,
    stderr: String,
}

fn run(ground: &Ground, name: &str, reach: &str) -> Ended {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "captive"])
        .env(CAPTIVE, name)
        .env(REACH, reach)
        .env(GROUND, ground.root())
        .env("VICTIM", ground.victim.id().to_string())
        .env("PORT", ground.tcp_port().to_string())
        .env("UDP_PORT", ground.udp_port().to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = String::new();
    let mut pipe = child.stderr.take().unwrap();
    pipe.read_to_string(&mut stderr).unwrap();
    Ended {
        status: child.wait().unwrap(),
        stderr,
    }
}

/// What a started process does; a test of nothing where nobody asked for it.
#[test]
#[ignore = "the other tests start it in a process of its own"]
fn captive() {
    let Ok(name) = std::env::var(CAPTIVE) else {
        return;
    };
    if name == kernel::WITHOUT_LANDLOCK {
        kernel::without_landlock();
    }
    let ground = attacks::Target::from_environment(Path::new(&std::env::var_os(GROUND).unwrap()));
    // What a worker has open before it is confined.
    let open = attacks::Open::new(&ground);
    let reach = std::env::var(REACH).unwrap();
    let (cache, job) = (ground.cache(), ground.job());
    let reach = match reach.as_str() {
        "job" => Some(Reach::Job(&job)),
        "network" => Some(Reach::Network {
            cache: &cache,
            job: &job,
            read_all: false,
        }),
        _ => None,
    };
    if let Some(reach) = reach {
        let limits = Limits {
            seconds: if name == "compute for long" {
                1
            } else {
                LIMITS.seconds
            },
            ..LIMITS
        };
        sandbox::confine(&limits, &reach).unwrap();
    }
    match attacks::run(&name, &ground, open) {
        Ok(()) => std::process::exit(DONE),
        Err(error) => {
            eprintln!("{name}: {error}");
            std::process::exit(error.raw_os_error().unwrap_or(1));
        }
    }
}

#[track_caller]
fn assert_denied(attack: &Attack, denied: Denied, ended: &Ended) {
    let (code, signal) = (ended.status.code(), ended.status.signal());
    let as_wanted = match denied {
        Denied::Errno(errno) => code == Some(errno),
        Denied::Killed(wanted) => signal == Some(wanted),
        Denied::Not => code == Some(DONE),
    };
    assert!(
        as_wanted,
        "{}: {denied:?} is wanted: {:?}: {}",
        attack.name, ended.status, ended.stderr
    );
}

fn assert_all_denied(reach: &str, how: impl Fn(&Attack) -> Denied) -> Ground {
    let mut ground = Ground::new();
    for attack in ATTACKS {
        assert_denied(attack, how(attack), &run(&ground, attack.name, reach));
    }
    ground.assert_untouched();
    ground
}

#[test]
fn worker_that_computes_should_be_denied_whatever_it_tries() {
    let ground = assert_all_denied("job", |attack| attack.computing);
    ground.assert_not_called();
}

#[test]
fn worker_that_fetches_should_be_denied_all_but_its_files_and_the_internet() {
    assert_all_denied("network", |attack| attack.fetching);
}

#[test]
fn attacks_should_succeed_where_nothing_is_confined() {
    // Otherwise their failure elsewhere would show nothing.
    for attack in ATTACKS.iter().filter(|attack| attack.anywhere) {
        // Each leaves its own mess.
        let ground = Ground::new();
        assert_denied(attack, Denied::Not, &run(&ground, attack.name, "nothing"));
    }
}

#[test]
fn limits_should_end_a_worker_by_what_names_them() {
    let ground = Ground::new();
    let ended = run(&ground, "allocate too much", "job");
    assert_eq!(ended.status.signal(), Some(libc::SIGABRT));
    assert!(
        ended.stderr.contains("memory allocation of"),
        "{}",
        ended.stderr
    );
    let ended = run(&ground, "map too much", "job");
    assert_eq!(ended.status.code(), Some(libc::ENOMEM), "{}", ended.stderr);
    let ended = run(&ground, "write too much", "job");
    assert_eq!(
        ended.status.signal(),
        Some(libc::SIGXFSZ),
        "{}",
        ended.stderr
    );
    let ended = run(&ground, "compute for long", "job");
    assert_eq!(
        ended.status.signal(),
        Some(libc::SIGXCPU),
        "{}",
        ended.stderr
    );
    let ended = run(&ground, "abort", "job");
    assert_eq!(
        ended.status.signal(),
        Some(libc::SIGABRT),
        "{}",
        ended.stderr
    );
}

#[test]
fn confined_worker_should_do_its_work() {
    let ground = Ground::new();
    let said = ground.answer();
    for (work, reach) in [("compute", "job"), ("resolve and fetch", "network")] {
        let ended = run(&ground, work, reach);
        assert_eq!(ended.status.code(), Some(DONE), "{work}: {}", ended.stderr);
    }
    ground.assert_computed();
    assert_eq!(said.recv().unwrap(), "hello");
    ground.assert_fetched();
}

#[test]
#[ignore = "prints how long it takes"]
fn confinement_costs() {
    const TIMES: u32 = 50;
    let ground = Ground::new();
    let (cache, job) = (ground.target.cache(), ground.target.job());
    let unlimited = Limits {
        memory: u64::MAX,
        file: u64::MAX,
        seconds: u64::MAX,
    };
    let microseconds = |reach: Reach<'_>| {
        // Each on a thread of its own, as it is for good.
        let took: Duration = thread::scope(|scope| {
            let once = || {
                let started = Instant::now();
                sandbox::confine(&unlimited, &reach).unwrap();
                started.elapsed()
            };
            (0..TIMES).map(|_| scope.spawn(once).join().unwrap()).sum()
        });
        took.as_secs_f64() * 1e6 / f64::from(TIMES)
    };
    println!("evaluate: {:.0} us", microseconds(Reach::Job(&job)));
    let network = Reach::Network {
        cache: &cache,
        job: &job,
        read_all: false,
    };
    println!("fetch:    {:.0} us", microseconds(network));
    let started = Instant::now();
    for _ in 0..TIMES {
        let done = Command::new(common::BINARY).arg("--version").output();
        assert!(done.unwrap().status.success());
    }
    let each = started.elapsed().as_secs_f64() * 1e6 / f64::from(TIMES);
    println!("a process from its start to its end: {each:.0} us");
}
