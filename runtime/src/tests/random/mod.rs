//! Random calls to the whole runtime, with everything that must hold checked on the way.
//!
//! `world.rs` is the chain and what its users remember, `calls/` makes calls of what is, mostly
//! plausible ones, `checks.rs` says what must be true, `shadow.rs` keeps a second book. All
//! chance comes from one seed: `ARENA_SEED`; `ARENA_CALLS` sets how many calls are made. Long
//! runs are many worlds of [`WORLD`] calls, each with a seed of its own.

mod bugs;
mod calls;
mod checks;
mod dice;
mod offences;
mod shadow;
mod world;

use crate::*;
use arena_primitives::traits::{DutyCalls, DutyCheck};
use calls::{By, KINDS, Sent};
use checks::{Verdict, fail};
use shadow::Lives;
use sp_runtime::{DispatchError, StateVersion, traits::Dispatchable};
use std::{sync::Mutex, time::Instant};
use world::{World, in_world};

/// Calls of a run, where nobody says how many.
const CALLS: u64 = 100_000;
/// Calls that are made to one chain: its state stays small, and so does what a failure needs to
/// be found again.
const WORLD: u64 = 10_000;
/// Everything is checked after so many calls.
const CHECK_EVERY: u64 = 50;
/// Of calls that are meant to be wrong, so many percent are looked at to have changed nothing.
const SAMPLED: u64 = 20;

/// How often each kind was sent, and how often it succeeded.
#[derive(Clone)]
struct Tally {
    sent: Vec<u64>,
    done: Vec<u64>,
    /// Failures that were seen to change nothing.
    unchanged: u64,
    lives: Lives,
}

impl Tally {
    fn new() -> Self {
        Tally {
            sent: vec![0; KINDS.len()],
            done: vec![0; KINDS.len()],
            unchanged: 0,
            lives: Lives::default(),
        }
    }

    fn calls(&self) -> u64 {
        self.sent.iter().sum()
    }

    fn successes(&self) -> u64 {
        self.done.iter().sum()
    }

    fn add(&mut self, other: &Tally) {
        let both = [(&mut self.sent, &other.sent), (&mut self.done, &other.done)];
        for (to, from) in both {
            to.iter_mut().zip(from).for_each(|(to, from)| *to += from);
        }
        self.unchanged += other.unchanged;
        self.lives.add(other.lives);
    }

    fn print(&self) {
        println!("{:<28} {:>9} {:>9}", "call", "sent", "succeeded");
        for ((kind, sent), done) in KINDS.iter().zip(&self.sent).zip(&self.done) {
            println!("{:<28} {sent:>9} {done:>9}", kind.name);
        }
        println!("{:<28} {:>9} {:>9}", "all", self.calls(), self.successes());
        println!(
            "{:?}, {} failures seen to change nothing",
            self.lives, self.unchanged
        );
    }
}

fn root() -> Vec<u8> {
    sp_io::storage::root(StateVersion::V1)
}

/// What the pool would say of a call.
fn duty(by: &By, call: &RuntimeCall) -> Option<DutyCheck> {
    match by {
        By::Signed(who) => call.check_duty(who),
        By::Approver | By::Guardian | By::Canceller | By::Root => None,
    }
}

/// A duty succeeds if and only if the pool lets it through, and then once.
fn pool_and_call_agree(
    due: Option<DutyCheck>,
    result: Result<(), DispatchError>,
    again: impl FnOnce() -> Option<DutyCheck>,
) -> Verdict {
    const NAME: &str = "pool_and_call_agree";
    match (due, result) {
        (Some(Ok(_)), Err(error)) => fail(NAME, format!("was due and failed: {error:?}")),
        (Some(Err(refusal)), Ok(())) => fail(NAME, format!("{refusal:?}, and succeeded")),
        (Some(Ok(_)), Ok(())) if matches!(again(), Some(Ok(_))) => fail(NAME, "is due twice"),
        _ => Ok(()),
    }
}

/// Sends one call, or ends the block where nobody has anything to send.
fn step(world: &mut World, tally: &mut Tally) -> Verdict {
    let Some((kind, sent)) = calls::next(world, tally.calls(), &tally.done) else {
        return world.next_block();
    };
    let Sent { by, call, memo } = sent;
    let sampled = world.dice.wrong && world.dice.chance(SAMPLED);
    let before = sampled.then(root);
    let due = duty(&by, &call);
    let result = call.clone().dispatch(by.origin());
    let result = result.map(|_| ()).map_err(|error| error.error);

    tally.sent[kind] += 1;
    tally.done[kind] += u64::from(result.is_ok());
    let verdict = pool_and_call_agree(due, result, || duty(&by, &call)).and_then(|()| match before
        .filter(|_| result.is_err())
    {
        Some(before) if root() != before => fail("failures_change_nothing", ""),
        Some(_) => {
            tally.unchanged += 1;
            Ok(())
        }
        None => Ok(()),
    });
    if result.is_ok() {
        world.note(memo);
    }
    verdict
        .and_then(|()| checks::after_call(world))
        .map_err(|reason| format!("{reason}, after {call:?} by {by:?}"))
}

/// Sends so many calls, lets time pass, reports offences, and checks.
fn run(world: &mut World, tally: &mut Tally, calls: u64) -> Verdict {
    let until = tally.calls() + calls;
    while tally.calls() < until {
        step(world, tally)?;
        if world.dice.below(300) == 0 {
            offences::report(world)?;
        }
        world.pass_time()?;
        if tally.calls().is_multiple_of(CHECK_EVERY) {
            checks::all(world)?;
            world.tidy();
        }
    }
    checks::all(world)
}

/// A world of its own: what happened in it, and what was wrong.
fn live(seed: u64, calls: u64) -> (Tally, Verdict) {
    in_world(seed, |world| {
        let mut tally = Tally::new();
        let verdict = run(world, &mut tally, calls);
        tally.lives = world.shadow.lives;
        (tally, verdict)
    })
}

/// Another seed for each world.
fn seed_of(seed: u64, world: u64) -> u64 {
    dice::Dice::new(seed.wrapping_add(world.wrapping_mul(0x0000_0001_0000_01B3))).word()
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is no number: {text}")),
    )
}

/// All worlds, on as many threads as there are processors; a failure names its seed.
fn live_all(seed: u64, calls: u64) -> Tally {
    let worlds = Mutex::new((0..calls.div_ceil(WORLD)).collect::<Vec<_>>());
    let total = Mutex::new(Tally::new());
    let work = || {
        loop {
            let Some(world) = worlds.lock().expect("no thread panics with it").pop() else {
                return;
            };
            let calls = WORLD.min(calls - world * WORLD);
            let (tally, verdict) = live(seed_of(seed, world), calls);
            if let Err(reason) = verdict {
                let at = tally.calls();
                panic!("ARENA_SEED={seed}, world {world}, call {at}: {reason}");
            }
            total.lock().expect("no thread panics with it").add(&tally);
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    total.into_inner().expect("no thread panics with it")
}

#[test]
fn random_calls_should_leave_everything_true() {
    let seed = number("ARENA_SEED").unwrap_or(1);
    let calls = number("ARENA_CALLS").unwrap_or(CALLS);
    println!("random: ARENA_SEED={seed} ARENA_CALLS={calls}");
    let start = Instant::now();
    let tally = live_all(seed, calls);
    let seconds = start.elapsed().as_secs_f64();
    tally.print();
    let (calls, done) = (tally.calls(), tally.successes());
    println!(
        "random: {calls} calls, {done} succeeded, seed {seed}, {seconds:.0} s, {:.0} calls/s",
        calls as f64 / seconds
    );
    assert!(
        done * 100 >= calls * 30,
        "{done} of {calls} calls succeeded"
    );
    // A hundred of each in a run of the usual length.
    let least = calls / 1_000;
    for (kind, done) in KINDS.iter().zip(&tally.done) {
        if !kind.succeeds() {
            continue;
        }
        assert!(
            *done >= least,
            "{} succeeded {done} times of {least}",
            kind.name
        );
    }
    assert!(tally.unchanged >= least, "too few failures were looked at");
}
