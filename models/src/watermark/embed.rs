//! Putting a mark into a model.

use super::{
    BITS, Key, MIN_BLOCK, Owner, THRESHOLD,
    copy::Copy,
    factors, number,
    reading::{Message, Reading, message},
    update::{self, Carrier, Update},
};
use crate::{
    Fault, Limits, ModelError, inspect,
    sketch::source::{Stored, fixed},
};
use std::{collections::BTreeMap, fs::File, os::unix::fs::FileExt, path::Path};

/// The usual strength: noise as large as the update itself then flips 3 bits of 100,000.
pub const STRENGTH: f64 = 4.0;
/// Largest strength: no sum of an update is as far out.
const MAX_STRENGTH: f64 = 64.0;
/// Units of fixed point per 1.
const ONE: f64 = (1u64 << 40) as f64;

/// What a mark did to a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Embedded {
    /// Bits of 256 that the written model has.
    pub matches: u32,
    /// Numbers that carry one bit.
    pub block: usize,
    /// Size of the change of the marked numbers, relative to their update's.
    pub change: f64,
    /// Share of the numbers of all carriers that are marked.
    pub marked: f64,
}

/// Writes to `out`, a new directory, the model or adapter in `dir` with the mark of `owner`
/// under `key`.
///
/// Each bit's sum is moved to `strength` times its deviation (see [`STRENGTH`]) on the right
/// side of 0. All files are copied but for `manifest.scale`, and nothing but the numbers of
/// matrices that carry the mark changes: every matrix by the same share of its update's size,
/// of an adapter factors B alone. `out` appears whole, with a mark that was read back, or not at
/// all.
pub fn embed(
    dir: &Path,
    base: Option<&Path>,
    key: Key,
    owner: Owner,
    strength: f64,
    out: &Path,
) -> Result<Embedded, ModelError> {
    if !(strength > 0.0 && strength <= MAX_STRENGTH) {
        let detail =
            format!("a strength of {strength}; it must be above 0, at most {MAX_STRENGTH}");
        return Err(refuse(detail));
    }
    inspect::check(dir, base, &Limits::unlimited())?;
    let copy = Copy::new(dir, out)?;
    let update = Update::open(copy.dir(), base)?;
    let before = Reading::of(&update, key)?.ok_or_else(|| too_small(&update))?;
    let message = message(&owner);
    let goal = Goal::new(&before, &message, strength)?;
    match &update {
        Update::Whole { model, .. } => write_whole(model, &before, &goal)?,
        Update::Adapter { adapter, .. } => factors::write(adapter, &before, &goal)?,
    }
    let after = Reading::of(&Update::open(copy.dir(), base)?, key)?;
    let after = after.ok_or_else(|| too_small(&update))?;
    let found = Embedded::new(&before, &after, &message);
    if found.matches < THRESHOLD {
        return Err(refuse(format!(
            "{} of {BITS} bits are in the marked model, {THRESHOLD} are needed: its numbers are \
             too few or too coarse for this update; raise the strength, or write the model in F32",
            found.matches
        )));
    }
    copy.finish()?;
    Ok(found)
}

pub(super) fn refuse(detail: String) -> ModelError {
    ModelError::new(Fault::Config, detail)
}

fn too_small(update: &Update) -> ModelError {
    let carriers = update.carriers();
    let total: usize = carriers.iter().map(|carrier| carrier.length).sum();
    refuse(format!(
        "matrices of {} numbers and more have {total} in all; a mark needs {}",
        super::MIN_CARRIER,
        2 * BITS * MIN_BLOCK
    ))
}

impl Embedded {
    fn new(before: &Reading, after: &Reading, message: &Message) -> Self {
        let moved = after.entries.iter().zip(&before.entries);
        let moved: f64 = moved.map(|(new, old)| ((new - old) as f64).powi(2)).sum();
        Self {
            matches: after.matches(message),
            block: after.places.len() / BITS,
            change: (moved / before.energy()).sqrt(),
            marked: after.places.len() as f64 / after.total() as f64,
        }
    }
}

/// By how much each bit's sum is to move, in units of 2^-40.
pub(super) struct Goal {
    pub(super) moves: [f64; BITS],
}

impl Goal {
    fn new(reading: &Reading, message: &Message, strength: f64) -> Result<Self, ModelError> {
        let deviation = (reading.energy() / BITS as f64).sqrt();
        if deviation == 0.0 {
            return Err(refuse(
                "the update is 0 wherever a mark would be: the model is its base".into(),
            ));
        }
        let mut moves = [0.0; BITS];
        for ((to, sum), bit) in moves.iter_mut().zip(reading.sums()).zip(message) {
            let side = if *bit { 1.0 } else { -1.0 };
            *to = side * (strength * deviation - side * sum as f64).max(0.0);
        }
        Ok(Self { moves })
    }
}

/// Moves the sums by moving every number of a bit by the same share of the size of its matrix's
/// update.
fn write_whole(
    model: &BTreeMap<String, Stored>,
    reading: &Reading,
    goal: &Goal,
) -> Result<(), ModelError> {
    let sizes: Vec<f64> = reading.carriers.iter().map(|c| size(reading, c)).collect();
    let mut whole = [0.0; BITS];
    for (carrier, size) in reading.carriers.iter().zip(&sizes) {
        for place in &reading.places[carrier.range(&reading.places)] {
            whole[place.index()] += size;
        }
    }
    // What rounding left of each bit's move; the next number takes it on.
    let mut left = [0.0; BITS];
    for (carrier, size) in reading.carriers.iter().zip(&sizes) {
        let Some(tensor) = model.get(&carrier.name).filter(|_| *size > 0.0) else {
            continue;
        };
        let path = tensor.path();
        let io = |e: std::io::Error| ModelError::io(path, &e);
        let file = File::options().write(true).open(path).map_err(io)?;
        let places = &reading.places[carrier.range(&reading.places)];
        for (from, count, range) in update::parts(carrier, places) {
            let values = tensor.read(from, count)?;
            for place in &places[range] {
                let (bit, index) = (place.index(), carrier.index(place));
                let old = values[index - from];
                let wanted = left[bit] + goal.moves[bit] * size / whole[bit];
                let new = moved(old, place.signed(wanted), tensor);
                left[bit] = wanted - place.signed((fixed(new) - fixed(old)) as f64);
                if new != old {
                    file.write_all_at(&number::bytes(new, tensor.dtype), tensor.offset(index))
                        .map_err(io)?;
                }
            }
        }
        file.sync_all().map_err(io)?;
    }
    Ok(())
}

/// Root mean square of the entries that were read of a matrix.
fn size(reading: &Reading, carrier: &Carrier) -> f64 {
    let entries = &reading.entries[carrier.range(&reading.places)];
    let squares: f64 = entries.iter().map(|entry| (*entry as f64).powi(2)).sum();
    (squares / entries.len().max(1) as f64).sqrt()
}

/// The number of the tensor's type next to `old` and so many units of 2^-40; `old` where that
/// is clipped.
fn moved(old: f32, by: f64, tensor: &Stored) -> f32 {
    let new = number::nearest(f64::from(old) + by / ONE, tensor.dtype);
    match old.abs() < 16.0 && new.abs() < 16.0 {
        true => new,
        false => old,
    }
}
