//! What a worker keeps in the node's local storage, on a list by which it is removed one day.
//!
//! Only persistent storage works on nodes. Two runs of a worker may meet; each change is one
//! that the storage makes whole or not at all.

use crate::TARGET;
use alloc::vec::Vec;
use arena_primitives::BlockNumber;
use codec::{Codec, Decode, Encode};
use core::marker::PhantomData;
use sp_runtime::offchain::storage::StorageValueRef;

/// Something that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Listed<O> {
    /// Its key.
    key: Vec<u8>,
    /// What it is of.
    of: O,
    /// It goes some time after this block, when what it is of is gone.
    until: BlockNumber,
    /// What was told of it last, as the worker numbers it.
    told: Option<u8>,
}

/// A list of what is kept, each thing of an `O`: a round, a case.
pub struct Shelf<O> {
    /// Where the list is.
    index: &'static [u8],
    of: PhantomData<O>,
}

impl<O: Codec + Clone> Shelf<O> {
    /// The list under this key.
    pub const fn new(index: &'static [u8]) -> Self {
        Shelf {
            index,
            of: PhantomData,
        }
    }

    fn listed(&self) -> Vec<Listed<O>> {
        let listed = StorageValueRef::persistent(self.index).get();
        listed.ok().flatten().unwrap_or_default()
    }

    /// Changes the list; false if another run changes it now.
    fn change(&self, change: impl FnOnce(&mut Vec<Listed<O>>)) -> bool {
        let index = StorageValueRef::persistent(self.index);
        let changed = index.mutate::<Vec<Listed<O>>, (), _>(|listed| {
            let mut listed = listed.ok().flatten().unwrap_or_default();
            change(&mut listed);
            Ok(listed)
        });
        changed.is_ok()
    }

    /// How many things are on it.
    pub fn len(&self) -> usize {
        self.listed().len()
    }

    /// Whether nothing is on it.
    pub fn is_empty(&self) -> bool {
        self.listed().is_empty()
    }

    /// Puts something on the list by which it is removed one day; true if it is there.
    pub fn list(&self, key: &[u8], of: O, until: BlockNumber) -> bool {
        if self.listed().iter().any(|listed| listed.key == key) {
            return true;
        }
        self.change(|index| {
            if !index.iter().any(|listed| listed.key == key) {
                index.push(Listed {
                    key: key.to_vec(),
                    of,
                    until,
                    told: None,
                });
            }
        })
    }

    /// Keeps what `choose` makes of what is there now, and returns it. `None` if it can't be
    /// known: another run writes at the same time.
    pub fn keep<V: Codec>(
        &self,
        key: &[u8],
        of: O,
        until: BlockNumber,
        choose: impl FnOnce(Option<V>) -> V,
    ) -> Option<V> {
        if !self.list(key, of, until) {
            return None;
        }
        StorageValueRef::persistent(key)
            .mutate::<V, (), _>(|found| Ok(choose(found.ok().flatten())))
            .ok()
    }

    /// What is kept under the key, if it decodes.
    pub fn load<V: Decode>(&self, key: &[u8]) -> Option<V> {
        StorageValueRef::persistent(key).get().ok().flatten()
    }

    /// Whether `what` is still to be told of something on the list; it is not any more then.
    /// Where two runs meet, one of them tells it, or the next run.
    pub fn tell_once(&self, key: &[u8], what: u8) -> bool {
        let untold = |listed: &Listed<O>| listed.key == key && listed.told != Some(what);
        if !self.listed().iter().any(untold) {
            return false;
        }
        let mut marked = false;
        let changed = self.change(|index| {
            if let Some(listed) = index.iter_mut().find(|listed| untold(listed)) {
                listed.told = Some(what);
                marked = true;
            }
        });
        changed && marked
    }

    /// Removes what is over: past its block, and of something that is gone.
    pub fn clean_up(&self, now: BlockNumber, is_gone: impl Fn(&O) -> bool) {
        let over = |listed: &Listed<O>| now > listed.until && is_gone(&listed.of);
        let old: Vec<Listed<O>> = self.listed().into_iter().filter(over).collect();
        if old.is_empty() {
            return;
        }
        for listed in &old {
            StorageValueRef::persistent(&listed.key).clear();
        }
        let kept = self.change(|index| {
            index.retain(|listed| !old.iter().any(|gone| gone.key == listed.key));
        });
        if !kept {
            log::debug!(target: TARGET, "another run cleans up too");
        }
    }
}
