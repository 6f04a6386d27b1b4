//! What state a case is in, and which moves are legal there.

use crate::types::{MAX_JURY, Verdict};
use arena_primitives::{AccountId, Balance, BlockNumber, Venue, Vote};
use codec::{Decode, Encode, MaxEncodedLen};
use frame_support::{BoundedVec, traits::ConstU32};
use scale_info::TypeInfo;
use sp_core::H256;

/// A juror in a case.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Seat {
    /// Who.
    pub juror: AccountId,
    /// Where its stake is.
    pub venue: Venue,
    /// Its own stake there when it was drawn; what its penalties are counted by.
    pub own: Balance,
    /// What it committed to.
    pub commitment: Option<H256>,
    /// What it revealed.
    pub vote: Option<Vote>,
}

/// The jurors of one instance, in the order in which they were drawn.
pub type Seats = BoundedVec<Seat, ConstU32<MAX_JURY>>;

/// A jury.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Jury {
    /// What it was drawn by; segments and samples too.
    pub draw: H256,
    /// Its jurors.
    pub seats: Seats,
}

impl Jury {
    /// Who revealed a vote.
    pub fn voters(&self) -> impl Iterator<Item = &Seat> {
        self.seats.iter().filter(|seat| seat.vote.is_some())
    }

    /// Two thirds of all seats convict; who is absent acquits.
    pub fn verdict(&self) -> Vote {
        let convicts = self.seats.iter().filter(|s| s.vote == Some(Vote::Convict));
        let (convicts, seats) = (convicts.count(), self.seats.len());
        if seats > 0 && convicts.saturating_mul(3) >= seats.saturating_mul(2) {
            Vote::Convict
        } else {
            Vote::Acquit
        }
    }

    fn seat(&mut self, juror: &AccountId) -> Result<&mut Seat, Refusal> {
        let mut seats = self.seats.iter_mut();
        seats
            .find(|seat| seat.juror == *juror)
            .ok_or(Refusal::NotAJuror)
    }
}

/// Where a case stands. A window takes what it is for in blocks before `until`.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub enum CaseState {
    /// What draws the jury is being collected. The first instance takes challengers.
    #[codec(index = 0)]
    Drawing {
        /// The last block that counts.
        ready: BlockNumber,
    },
    /// The accused is to answer.
    #[codec(index = 1)]
    Responding {
        /// Who will judge.
        jury: Jury,
        /// Who is silent until then is convicted.
        until: BlockNumber,
    },
    /// Jurors commit to their votes.
    #[codec(index = 2)]
    Committing {
        /// The jury.
        jury: Jury,
        /// The first block of the move.
        since: BlockNumber,
        /// The first block that is too late.
        until: BlockNumber,
    },
    /// Jurors reveal them.
    #[codec(index = 3)]
    Revealing {
        /// The jury.
        jury: Jury,
        /// The first block that is too late.
        until: BlockNumber,
    },
    /// The first jury has decided.
    #[codec(index = 4)]
    Appealable {
        /// The jury.
        jury: Jury,
        /// What it decided.
        verdict: Vote,
        /// The first block that is too late for an appeal.
        until: BlockNumber,
    },
    /// The case is over without a verdict of its own; what is held goes back in the next block.
    #[codec(index = 5)]
    Ending {
        /// The jury, if there was one.
        jury: Option<Jury>,
        /// Why.
        verdict: Verdict,
        /// When that goes on.
        at: BlockNumber,
    },
}

/// Why a juror's call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Votes are not committed to now.
    NotCommitting,
    /// Votes are not revealed now.
    NotRevealing,
    /// It has no seat.
    NotAJuror,
    /// It committed before.
    AlreadyCommitted,
    /// It revealed before.
    AlreadyRevealed,
    /// It didn't commit.
    NoCommitment,
    /// It committed to something else.
    WrongCommitment,
}

impl CaseState {
    /// The block in which time moves the case on, unless a call does before.
    pub fn due(&self) -> BlockNumber {
        match self {
            Self::Drawing { ready } => ready.saturating_add(1),
            Self::Responding { until, .. }
            | Self::Committing { until, .. }
            | Self::Revealing { until, .. }
            | Self::Appealable { until, .. } => *until,
            Self::Ending { at, .. } => *at,
        }
    }

    /// The jury of the present instance, once it is drawn.
    pub fn jury(&self) -> Option<&Jury> {
        match self {
            Self::Drawing { .. } => None,
            Self::Responding { jury, .. }
            | Self::Committing { jury, .. }
            | Self::Revealing { jury, .. }
            | Self::Appealable { jury, .. } => Some(jury),
            Self::Ending { jury, .. } => jury.as_ref(),
        }
    }

    /// Whether it is over but for what is held.
    pub fn is_ending(&self) -> bool {
        matches!(self, Self::Ending { .. })
    }

    /// The accused has answered: the jury begins. `None` where no answer is due.
    pub fn answered(&self, now: BlockNumber, window: BlockNumber) -> Option<Self> {
        match self {
            Self::Responding { jury, until } if now < *until => Some(Self::Committing {
                jury: jury.clone(),
                since: now,
                until: now.saturating_add(window),
            }),
            _ => None,
        }
    }

    /// Takes a juror's commitment. When all have committed, the window ends with this block.
    pub fn commit(
        &mut self,
        juror: &AccountId,
        commitment: H256,
        now: BlockNumber,
    ) -> Result<(), Refusal> {
        let Self::Committing { jury, until, .. } = self else {
            return Err(Refusal::NotCommitting);
        };
        if now >= *until {
            return Err(Refusal::NotCommitting);
        }
        let seat = jury.seat(juror)?;
        if seat.commitment.is_some() {
            return Err(Refusal::AlreadyCommitted);
        }
        seat.commitment = Some(commitment);
        if jury.seats.iter().all(|seat| seat.commitment.is_some()) {
            *until = now.saturating_add(1);
        }
        Ok(())
    }

    /// Takes a juror's vote with what it must have committed to. When all who committed have
    /// revealed, the window ends with this block.
    pub fn reveal(
        &mut self,
        juror: &AccountId,
        vote: Vote,
        commitment: H256,
        now: BlockNumber,
    ) -> Result<(), Refusal> {
        let Self::Revealing { jury, until } = self else {
            return Err(Refusal::NotRevealing);
        };
        if now >= *until {
            return Err(Refusal::NotRevealing);
        }
        let seat = jury.seat(juror)?;
        let committed = seat.commitment.ok_or(Refusal::NoCommitment)?;
        if seat.vote.is_some() {
            return Err(Refusal::AlreadyRevealed);
        }
        if committed != commitment {
            return Err(Refusal::WrongCommitment);
        }
        seat.vote = Some(vote);
        let done = |seat: &Seat| seat.commitment.is_none() || seat.vote.is_some();
        if jury.seats.iter().all(done) {
            *until = now.saturating_add(1);
        }
        Ok(())
    }

    /// Over without a verdict of its own.
    pub fn end(&mut self, verdict: Verdict, now: BlockNumber) {
        *self = Self::Ending {
            jury: self.jury().cloned(),
            verdict,
            at: now.saturating_add(1),
        };
    }
}
