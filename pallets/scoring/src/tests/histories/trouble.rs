//! Chance, what it brings, and how a duty may end.

use sp_core::H256;

/// SplitMix64.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.word() % n
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn hash(&mut self) -> H256 {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.word().to_le_bytes());
        }
        H256(bytes)
    }
}

macro_rules! listed {
    ($(#[$doc:meta])* $name:ident { $($(#[$line:meta])* $variant:ident,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum $name { $($(#[$line])* $variant,)* }

        impl $name {
            pub(super) const ALL: &[$name] = &[$($name::$variant,)*];
        }
    };
}

listed! {
    /// What goes wrong.
    Trouble {
        /// Another branch becomes the best.
        Reorg,
        /// A branch that was left becomes the best again.
        Back,
        /// The best number falls.
        Shorter,
        /// The seed changes in the commit window.
        SeedChanged,
        /// The seed changes in the reveal window.
        SeedChangedLate,
        /// A transaction that was in a block isn't valid on the new branch.
        WrongBranch,
        /// A transaction that was in a block is lost with it.
        DroppedByReorg,
        /// The pool loses a transaction.
        PoolLost,
        /// A block takes none of the transactions that wait.
        Full,
        /// Many blocks at once, with no run between.
        Jump,
        /// No run for a block.
        Skip,
        /// Two runs for a block, one after the other.
        Twice,
        /// Two runs for a block, neither of which sees what the other does.
        AtOnce,
        /// A run that acts when the chain has moved on.
        Late,
        /// The node stops.
        CrashBeforeKeep,
        /// The node stops.
        CrashBeforeSend,
        /// The node stops.
        CrashAfterSend,
        /// The node loses its local storage.
        StorageLost,
        /// The executor loses its queue.
        QueueLost,
        /// The executor is away for some blocks.
        Dead,
        /// The executor doesn't answer in time.
        NoAnswer,
        /// A job fails by the model's fault.
        ModelFault,
        /// A job fails, and may succeed later.
        Passing,
        /// A job fails for want of memory.
        Memory,
        /// A job can't be executed.
        Unsupported,
        /// A job's value is impossible.
        Impossible,
        /// Finality is far behind.
        NoFinality,
    }
}

listed! {
    /// How a duty ended.
    Ending {
        /// Committed and revealed, each model with an outcome of its own.
        Scored,
        /// Committed and revealed, with skips.
        Skipped,
        /// Nothing was to be scored.
        NotDrawn,
        /// No run came to its end in the commit window.
        NeverRan,
        /// All that did were on a branch that was left.
        RanElsewhere,
        /// The round's shard was not open.
        NoData,
        /// There was no executor.
        NoExecutor,
        /// Models were without outcome, and no run came late in the window.
        StillScoring,
        /// The commitment was lost on its way.
        CommitLost,
        /// Blocks had no room for it, or were there before it.
        CommitNoRoom,
        /// Other duties of the key waited, in the last block.
        CommitHeld,
        /// No run came to its end in the reveal window.
        RevealNeverRan,
        /// All that did were on a branch that was left.
        RevealElsewhere,
        /// The record is gone.
        RecordLost,
        /// The reveal was lost on its way.
        RevealLost,
        /// Blocks had no room for it, or were there before it.
        RevealNoRoom,
        /// Other duties of the key waited, in the last block.
        RevealHeld,
        /// A model was published.
        Published,
        /// No block of the branch took the commitment to it.
        NotSubmitted,
        /// No run came to its end in the publish window.
        PublishNeverRan,
        /// All that did were on a branch that was left.
        PublishElsewhere,
        /// The commitment was not final.
        PublishNotFinal,
        /// What was left to publish is gone.
        PublicationLost,
        /// The publication was lost on its way.
        PublishLost,
        /// Blocks had no room for it, or were there before it.
        PublishNoRoom,
        /// Other duties of the key waited, in the last block.
        PublishHeld,
    }
}

/// Chance, and what it has brought.
pub(super) struct Troubles {
    pub(super) dice: Dice,
    /// Percentage of each.
    rates: Vec<u64>,
    /// One bit for each that happened.
    pub(super) seen: u64,
}

impl Troubles {
    /// Most troubles don't happen in a history; which ones do is up to chance.
    pub(super) fn new(mut dice: Dice) -> Self {
        let most = if dice.chance(50) { 8 } else { 50 };
        let mut rate = |_| u64::from(dice.chance(25)) * (1 + dice.below(most));
        let mut rates: Vec<u64> = Trouble::ALL.iter().map(&mut rate).collect();
        if dice.chance(40) {
            // Full for long, so that duties wait for each other.
            rates[Trouble::Full as usize] = 70;
        }
        Troubles {
            dice,
            rates,
            seen: 0,
        }
    }

    pub(super) fn hits(&mut self, trouble: Trouble) -> bool {
        let hit = self.dice.chance(self.rates[trouble as usize]);
        if hit {
            self.mark(trouble);
        }
        hit
    }

    pub(super) fn mark(&mut self, trouble: Trouble) {
        self.seen |= 1 << trouble as u64;
    }
}
