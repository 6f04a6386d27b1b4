//! Ways to have a log without the training.

use crate::{
    EVERY, Ground, Run, SEGMENTS,
    forgery::{Chance, Log, State},
};
use anyhow::Result;
use arena_models::train::registered;
use codec::Encode;
use std::{fs, rc::Rc};

const COUNT: usize = SEGMENTS as usize;

/// One way.
pub(crate) struct Attack {
    pub(crate) name: String,
    pub(crate) way: Way,
    /// Segments that are forged.
    pub(crate) forged: usize,
    /// Whether the norms of forged updates are committed to as they are.
    pub(crate) is_true: bool,
    /// Whether jurors check all norms before they train.
    pub(crate) checks_norms: bool,
}

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Way {
    /// An own beginning, then the end of another run.
    Splice,
    /// Leaves of another run in the middle.
    Insert,
    /// Points on a line between two own checkpoints.
    Interpolate,
    /// Another's model with noise for the initial state, and tiny updates from there.
    StolenStart,
    /// The right initial state, then another's model, and tiny updates.
    StolenTiny,
    /// Some honest steps, another's model at once or along a line, and honest steps from there.
    StolenJump,
    /// Noise on single checkpoints; each makes two segments wrong.
    Noise,
}

/// All of them.
pub(crate) fn all() -> Vec<Attack> {
    let mut attacks = Vec::new();
    let mut add = |name: &str, way, forged, is_true| {
        attacks.push(Attack {
            name: name.into(),
            way,
            forged,
            is_true,
            checks_norms: false,
        });
    };
    add("spliced, end of another run", Way::Splice, 64, true);
    for forged in [6, 13, 26] {
        add("spliced, middle of another run", Way::Insert, forged, false);
    }
    for forged in [2, 6, 13, 26, 64] {
        add(
            "skipped, line between two checkpoints",
            Way::Interpolate,
            forged,
            false,
        );
    }
    add(
        "skipped, line between two checkpoints",
        Way::Interpolate,
        26,
        true,
    );
    add(
        "tiny updates from a stolen model",
        Way::StolenStart,
        COUNT,
        true,
    );
    add(
        "tiny updates after a right start",
        Way::StolenTiny,
        COUNT,
        false,
    );
    add("jump to a stolen model", Way::StolenJump, 1, true);
    add("jump to a stolen model", Way::StolenJump, 1, false);
    add("line to a stolen model", Way::StolenJump, 26, true);
    add("line to a stolen model", Way::StolenJump, 26, false);
    for forged in [2, 6, 26] {
        add("noise on checkpoints", Way::Noise, forged, true);
    }
    let jump = |attack: &&mut Attack| attack.way == Way::StolenJump && !attack.is_true;
    let checked: Vec<Attack> = (attacks.iter_mut().filter(jump))
        .map(|attack| Attack {
            name: attack.name.clone(),
            checks_norms: true,
            ..*attack
        })
        .collect();
    attacks.extend(checked);
    attacks
}

impl Attack {
    /// A forged log of `run`.
    pub(crate) fn log(&self, ground: &Ground, run: &Run, other: &Run, name: &str) -> Result<Log> {
        let mut chance = Chance::new(name);
        let mut log = match self.way {
            Way::Splice => splice(run, other, COUNT - self.forged, COUNT + 1),
            Way::Insert => {
                let first = 1 + chance.below(COUNT - self.forged - 1);
                splice(run, other, first, first + self.forged)
            }
            Way::Interpolate => self.interpolate(run, &mut chance)?,
            Way::StolenStart => tiny(run, other, 0, &mut chance)?,
            Way::StolenTiny => tiny(run, other, 1, &mut chance)?,
            Way::StolenJump => self.jump(ground, run, other, &mut chance)?,
            Way::Noise => self.noise(run, &mut chance)?,
        };
        match self.is_true {
            true => log.measure(log.forged.clone())?,
            false => log.understate(),
        }
        Ok(log)
    }

    fn interpolate(&self, run: &Run, chance: &mut Chance) -> Result<Log> {
        let mut log = run.log.clone();
        let first = 1 + chance.below(COUNT - self.forged - 1);
        let (from, to) = (&run.log.states[first], &run.log.states[first + self.forged]);
        for i in 1..self.forged {
            let state = from.towards(to, i as f32 / self.forged as f32)?;
            log.put(first + i, state);
        }
        log.forge(numbered(first..first + self.forged));
        Ok(log)
    }

    /// Has the shipped training go on from a checkpoint that none led to.
    fn jump(&self, ground: &Ground, run: &Run, other: &Run, chance: &mut Chance) -> Result<Log> {
        let mut log = run.log.clone();
        let first = 1 + chance.below(COUNT - self.forged - 1);
        let stolen = &other.log.states[COUNT].weights;
        let from = Rc::clone(&run.log.states[first]);
        let target = from.with_weights(stolen).noised(1e-3, chance)?;
        for i in 1..=self.forged {
            let state = from.towards(&target, i as f32 / self.forged as f32)?;
            log.put(first + i, state);
        }
        let landed = first + self.forged;
        log.leaves.truncate(landed + 1);
        let dir = ground.path("forger");
        write(&log, run, &dir)?;
        let done = registered::run(&ground.recipe, run.seed, &dir, EVERY, true, &mut |_| ())?;
        let trained = Log::read(&dir, done.leaves.clone());
        fs::remove_dir_all(&dir)?;
        log = trained?;
        log.forge(numbered(first..landed));
        Ok(log)
    }

    fn noise(&self, run: &Run, chance: &mut Chance) -> Result<Log> {
        let mut log = run.log.clone();
        while log.forged.len() < self.forged {
            let at = 2 + chance.below(COUNT - 3);
            let both = numbered(at - 1..at + 1);
            if both.iter().any(|segment| log.forged.contains(segment)) {
                continue;
            }
            log.put(at, run.log.states[at].noised(1e-4, chance)?);
            log.forge(both);
        }
        Ok(log)
    }
}

fn numbered(segments: std::ops::Range<usize>) -> Vec<u32> {
    segments.filter_map(|at| u32::try_from(at).ok()).collect()
}

/// The leaves between `first` and `end` are another run's.
fn splice(run: &Run, other: &Run, first: usize, end: usize) -> Log {
    let mut log = run.log.clone();
    for at in first + 1..end {
        log.leaves[at] = other.log.leaves[at];
        log.states[at] = Rc::clone(&other.log.states[at]);
    }
    log.forge(numbered(first..end.min(COUNT)));
    log
}

/// From leaf `first` on all are another's model with ever less noise.
fn tiny(run: &Run, other: &Run, first: usize, chance: &mut Chance) -> Result<Log> {
    let mut log = run.log.clone();
    let stolen: &State = &other.log.states[COUNT];
    for at in first..=COUNT {
        let size = 1e-4 * (COUNT - at) as f32 / COUNT as f32;
        log.put(at, stolen.noised(size, chance)?);
    }
    log.forge(numbered(0..COUNT));
    Ok(log)
}

/// Writes what a training can go on from: the last checkpoint, and the leaves up to it.
fn write(log: &Log, run: &Run, dir: &std::path::Path) -> Result<()> {
    fs::create_dir_all(dir.join("objects"))?;
    fs::copy(run.dir.join("run"), dir.join("run"))?;
    let leaves: Vec<u8> = log.leaves.iter().flat_map(Encode::encode).collect();
    fs::write(dir.join("leaves.scale"), leaves)?;
    for (leaf, state) in log.leaves.iter().zip(&log.states) {
        fs::write(registered::object(dir, &leaf.weights), &state.weights)?;
        fs::write(registered::object(dir, &leaf.optimizer), &state.optimizer)?;
    }
    Ok(())
}
