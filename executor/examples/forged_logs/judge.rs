//! Juries, whose every verdict comes of training segments again.

use crate::{
    Ground, Run, SEGMENTS,
    attacks::Attack,
    forgery::{Log, State},
    statistics::{Row, undrawn},
};
use anyhow::{Result, ensure};
use arena_models::train::registered::Finding;
use arena_primitives::Sampling;
use codec::Encode;
use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
};

/// Judges logs that claim one run's seed. What was trained once is not trained again.
pub(crate) struct Judge<'a> {
    run: &'a Run,
    dir: PathBuf,
    known: HashMap<(bool, Vec<u8>), bool>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(run: &'a Run, dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        Ok(Self {
            run,
            dir: dir.to_owned(),
            known: HashMap::new(),
        })
    }

    /// Writes a file that a forger serves.
    fn serve(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.dir.join(name);
        fs::write(&path, bytes)?;
        Ok(path)
    }

    fn is_same(&mut self, log: &Log, at: u32) -> Result<bool> {
        let segment = log.segment(at);
        let key = (false, (segment.from, segment.to).encode());
        if let Some(found) = self.known.get(&key) {
            return Ok(*found);
        }
        let State { weights, optimizer } = &*log.states[at as usize];
        let weights = self.serve("weights", weights)?;
        let optimizer = self.serve("optimizer", optimizer)?;
        let replayed = self.run.replayer.replay(&segment, &weights, &optimizer)?;
        let is_same = replayed.finding == Finding::Same;
        self.known.insert(key, is_same);
        Ok(is_same)
    }

    fn norm_holds(&mut self, log: &Log, at: u32) -> Result<bool> {
        let segment = log.segment(at);
        let key = (true, (segment.from, segment.to).encode());
        if let Some(found) = self.known.get(&key) {
            return Ok(*found);
        }
        let file = |at: u32| &log.states[at as usize].weights;
        let before = self.serve("before", file(at))?;
        let after = self.serve("after", file(at + 1))?;
        let finding = self.run.replayer.check_update(&segment, &before, &after)?;
        let holds = finding == Finding::Same;
        self.known.insert(key, holds);
        Ok(holds)
    }

    /// Whether one of the drawn segments is not as committed.
    pub(crate) fn convicts(&mut self, log: &Log, seed: &[u8; 32]) -> Result<bool> {
        for at in log.drawn(seed, Sampling::DEFAULT) {
            if !self.is_same(log, at)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn some_norm_fails(&mut self, log: &Log) -> Result<bool> {
        for at in 0..SEGMENTS as u32 {
            if !self.norm_holds(log, at)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Checks that the segments that were forged are those that training again finds.
    fn check(&mut self, log: &Log) -> Result<()> {
        for at in 0..SEGMENTS as u32 {
            let is_forged = log.forged.contains(&at);
            ensure!(
                self.is_same(log, at)? != is_forged,
                "segment {at}: forged is {is_forged}"
            );
        }
        Ok(())
    }
}

/// Judges `logs` forged logs of an attack.
pub(crate) fn row(ground: &Ground, attack: &Attack, logs: usize) -> Result<Row> {
    let mut row = Row::new(attack);
    let count = ground.runs.len();
    for (index, run) in ground.runs.iter().enumerate() {
        let other = &ground.runs[(index + 1) % count];
        let mut judge = Judge::new(run, &ground.path("drawn"))?;
        for number in (index..logs).step_by(count) {
            let name = format!("{} {} {number}", attack.name, attack.forged);
            let log = attack.log(ground, run, other, &name)?;
            if number == 0 {
                judge.check(&log)?;
            }
            let seed = *blake3::hash(format!("draw of {name}").as_bytes()).as_bytes();
            let lies = attack.checks_norms && judge.some_norm_fails(&log)?;
            let caught = lies || judge.convicts(&log, &seed)?;
            row.add(predicted(attack, &log), caught);
        }
    }
    Ok(row)
}

/// The chance that a forged segment is drawn, or that a norm is false where all are checked.
fn predicted(attack: &Attack, log: &Log) -> f64 {
    let certain = Sampling {
        random: 0,
        ..Sampling::DEFAULT
    };
    let certain = log.drawn(&[0; 32], certain);
    let found = certain.iter().any(|segment| log.forged.contains(segment));
    if found || (attack.checks_norms && !attack.is_true) {
        return 1.0;
    }
    let rest = SEGMENTS as usize - certain.len();
    1.0 - undrawn(rest, log.forged.len(), Sampling::DEFAULT.random as usize)
}
