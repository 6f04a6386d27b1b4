//! What a juror keeps between the commitment to its vote and the vote itself.

use crate::{
    fail::bad_input,
    keys,
    state::{Kept, VERSION, short},
};
use anyhow::Result;
use arena_primitives::{AccountId, CaseId, Hash, Vote, vote_commitment};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// A seat in a jury.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SeatKey {
    /// The case.
    pub(super) case: CaseId,
    /// Whether the jury is that of the appeal.
    pub(super) appeal: bool,
    /// What the jury was drawn by.
    pub(super) draw: Hash,
    /// Whose seat it is.
    pub(super) juror: AccountId,
}

/// A vote with what hides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Ballot {
    version: u8,
    /// Whose vote where.
    pub(super) seat: SeatKey,
    /// The vote.
    pub(super) vote: Vote,
    /// What hides it until it is revealed.
    pub(super) nonce: Hash,
}

impl Ballot {
    /// What is committed to.
    pub(super) fn commitment(&self) -> Hash {
        let SeatKey {
            case,
            appeal,
            juror,
            ..
        } = &self.seat;
        vote_commitment(juror, *case, *appeal, self.vote, &self.nonce)
    }
}

impl Kept for Ballot {
    const OF: &'static str = "a vote";

    fn version(&self) -> u8 {
        self.version
    }
}

/// The ballot of the file if it is the same vote in the same jury. A new one is written first,
/// unless the chain shows a commitment, which it could not open.
pub(super) fn prepare(
    path: &Path,
    seat: SeatKey,
    vote: Vote,
    is_committed: bool,
) -> Result<Ballot> {
    let known = Ballot::find(path)?.filter(|known| known.seat == seat || is_committed);
    if let Some(known) = known {
        if known.seat == seat && known.vote == vote {
            return Ok(known);
        }
        return Err(bad_input(format!(
            "{} has another vote, of {} in case {}; name another file with --keep, or vote as it \
             says",
            path.display(),
            known.seat.juror,
            known.seat.case
        )));
    }
    if is_committed {
        return Err(bad_input(format!(
            "{} has committed to its vote in case {} already, and {} is not there; has its node \
             voted?",
            seat.juror,
            seat.case,
            path.display()
        )));
    }
    let mut nonce = Hash::zero();
    keys::random(nonce.as_bytes_mut())?;
    let ballot = Ballot {
        version: VERSION,
        seat,
        vote,
        nonce,
    };
    // Before anything is sent: a crash must not lose the nonce.
    ballot.write(path)?;
    Ok(ballot)
}

/// The file of a vote unless another one is named.
pub(super) fn default_path(seat: &SeatKey) -> Result<PathBuf> {
    let bytes: &[u8; 32] = seat.juror.as_ref();
    let short = short(bytes)?;
    let appeal = if seat.appeal { "-appeal" } else { "" };
    Ok(PathBuf::from(format!(
        "vote-case{}{appeal}-{short}.json",
        seat.case
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seat(draw: u8) -> SeatKey {
        SeatKey {
            case: 7,
            appeal: true,
            draw: Hash::repeat_byte(draw),
            juror: AccountId::from([0xab; 32]),
        }
    }

    #[test]
    fn prepare_should_keep_the_nonce_of_the_same_vote() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vote.json");
        let first = prepare(&path, seat(1), Vote::Convict, false).unwrap();
        for is_committed in [false, true] {
            let again = prepare(&path, seat(1), Vote::Convict, is_committed).unwrap();
            assert_eq!(again, first);
            let refused = prepare(&path, seat(1), Vote::Acquit, is_committed);
            assert!(refused.unwrap_err().to_string().contains("another vote"));
        }
        assert!(prepare(&path, seat(2), Vote::Acquit, true).is_err());
        // Another jury, after a fork: nobody can reveal the old one.
        let other = prepare(&path, seat(2), Vote::Acquit, false).unwrap();
        assert_ne!(other.commitment(), first.commitment());
        assert_eq!(Ballot::read(&path).unwrap(), other);
    }

    #[test]
    fn prepare_should_refuse_what_was_committed_to_without_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vote.json");
        assert!(prepare(&path, seat(1), Vote::Convict, true).is_err());
        assert!(!path.exists());
    }

    #[test]
    fn default_path_should_tell_both_juries_apart() {
        let mut key = seat(1);
        let name = |key: &SeatKey| default_path(key).unwrap();
        assert_eq!(
            name(&key),
            PathBuf::from("vote-case7-appeal-abababababab.json")
        );
        key.appeal = false;
        assert_eq!(name(&key), PathBuf::from("vote-case7-abababababab.json"));
    }
}
