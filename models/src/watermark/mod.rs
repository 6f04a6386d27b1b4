//! A mark in a model's weight update that nobody finds without its key.
//!
//! The key draws 256 sets of numbers with signs; the signs of their sums are the bits of a
//! message that the owner's account gives. [`embed`] turns those that differ, by as little as
//! withstands noise of the update's own size. The README has the definition to the bit;
//! `docs/watermark.md` what a mark proves.

mod copy;
mod embed;
mod factors;
mod number;
mod places;
mod reading;
mod update;

use crate::ModelError;
use reading::{Reading, message};
use std::path::Path;
use update::Update;

pub use embed::{Embedded, STRENGTH, embed};

/// Bits of a mark.
pub const BITS: usize = 256;
/// Bits that must agree for a mark to be found; of a model that has no mark they do with a
/// chance of 2^-75.
pub const THRESHOLD: u32 = 205;
/// Most numbers that carry one bit.
pub const MAX_BLOCK: usize = 4_096;
/// Fewest numbers that carry one bit; an update that has fewer has no mark.
pub const MIN_BLOCK: usize = 64;
/// Fewest numbers of a matrix that carries a mark.
pub const MIN_CARRIER: usize = 4_096;

/// Draws the places of a mark: the hash of a secret, so that it can't be chosen to fit a model.
pub type Key = [u8; 32];
/// Account whose mark it is.
pub type Owner = [u8; 32];

/// How many of 256 bits of the mark of `owner` under `key` are in the model or LoRA adapter in
/// `dir`; [`THRESHOLD`] of them are a mark. `None` where the update has too few numbers to
/// carry one.
///
/// Without a base, the weights are their own update; an adapter needs its base, and has the mark
/// of its merged model. The same on every machine, whatever way the weights are written. Refuses
/// what isn't an update of `base` ([`Fault::Config`](crate::Fault::Config)) and weights that are
/// not finite; a base that is malformed itself is [`Fault::Data`](crate::Fault::Data).
pub fn extract(
    dir: &Path,
    base: Option<&Path>,
    key: Key,
    owner: Owner,
) -> Result<Option<u32>, ModelError> {
    let reading = Reading::of(&Update::open(dir, base)?, key)?;
    Ok(reading.map(|reading| reading.matches(&message(&owner))))
}
