//! What is read of an update under a key.

use super::{
    BITS, Key, Owner,
    places::{self, Place},
    update::{Carrier, Update},
};
use crate::ModelError;

/// Bit of a message: 1 is a sum above 0.
pub(super) type Message = [bool; BITS];

/// An update's entries at the places that a key draws.
pub(super) struct Reading {
    pub(super) carriers: Vec<Carrier>,
    /// Ascending.
    pub(super) places: Vec<Place>,
    /// In units of 2^-40, by place.
    pub(super) entries: Vec<i64>,
}

impl Reading {
    /// `None` where the update has too few numbers for a mark.
    pub(super) fn of(update: &Update, key: Key) -> Result<Option<Self>, ModelError> {
        let carriers = update.carriers();
        let total = carriers.iter().map(|carrier| carrier.length as u64).sum();
        let Some(block) = places::block(total) else {
            return Ok(None);
        };
        let places = places::draw(key, total, block);
        let mut entries = Vec::with_capacity(places.len());
        for carrier in &carriers {
            let places = &places[carrier.range(&places)];
            entries.extend(update.entries(carrier, places)?);
        }
        update.check_rest(&carriers)?;
        Ok(Some(Self {
            carriers,
            places,
            entries,
        }))
    }

    /// The sum of each bit, exact: no order of the entries changes it.
    pub(super) fn sums(&self) -> [i128; BITS] {
        let mut sums = [0; BITS];
        for (place, entry) in self.places.iter().zip(&self.entries) {
            sums[place.index()] += place.signed(i128::from(*entry));
        }
        sums
    }

    /// Bits that are those of `message`.
    pub(super) fn matches(&self, message: &Message) -> u32 {
        let sums = self.sums();
        let equal = sums
            .iter()
            .zip(message)
            .filter(|(sum, bit)| (**sum > 0) == **bit);
        equal.count() as u32
    }

    /// Numbers of all carriers.
    pub(super) fn total(&self) -> u64 {
        self.carriers
            .iter()
            .map(|carrier| carrier.length as u64)
            .sum()
    }

    /// Σ of squares of the entries.
    pub(super) fn energy(&self) -> f64 {
        self.entries
            .iter()
            .map(|entry| (*entry as f64).powi(2))
            .sum()
    }
}

/// What the mark of `owner` says: the first 256 bits of BLAKE2b-512 of the account and `msg`.
pub(super) fn message(owner: &Owner) -> Message {
    let hash = blake2b_simd::State::new()
        .update(owner)
        .update(b"msg")
        .finalize();
    let mut message = [false; BITS];
    for (bit, byte) in message.chunks_mut(8).zip(hash.as_bytes()) {
        for (place, bit) in bit.iter_mut().enumerate() {
            *bit = byte >> place & 1 == 1;
        }
    }
    message
}
