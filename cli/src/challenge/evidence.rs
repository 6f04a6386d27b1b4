//! What a challenger keeps until its case is open: without the nonce nothing can be opened.

use super::claim::Accusation;
use crate::{
    names,
    state::{Kept, VERSION, short},
};
use anyhow::Result;
use arena_primitives::{AccountId, CaseId, Claim, ClaimKind, Hash, TaskId};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A claim with what hides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Evidence {
    version: u8,
    /// The task.
    pub(super) task: TaskId,
    /// Who accuses.
    pub(super) challenger: AccountId,
    /// The claim.
    pub(super) claim: Claim,
    /// What hides it until it is opened.
    pub(super) nonce: Hash,
    /// The case, once it is open.
    pub(super) case: Option<CaseId>,
}

impl Evidence {
    /// A claim that is not sent yet.
    pub(super) fn new(task: TaskId, challenger: AccountId, claim: Claim, nonce: Hash) -> Self {
        Evidence {
            version: VERSION,
            task,
            challenger,
            claim,
            nonce,
            case: None,
        }
    }

    /// What is committed to.
    pub(super) fn commitment(&self) -> Hash {
        self.claim
            .commitment(&self.challenger, self.task, &self.nonce)
    }

    /// Whether `challenger` says the same of the same with it.
    pub(super) fn is_of(
        &self,
        task: TaskId,
        challenger: &AccountId,
        accused: &AccountId,
        accusation: &Accusation,
    ) -> bool {
        self.task == task && self.challenger == *challenger && accusation.is(accused, &self.claim)
    }
}

impl Kept for Evidence {
    const OF: &'static str = "a challenge";

    fn version(&self) -> u8 {
        self.version
    }
}

/// The file of a claim unless another one is named.
pub(super) fn default_path(task: TaskId, kind: ClaimKind, accused: &AccountId) -> Result<PathBuf> {
    let bytes: &[u8; 32] = accused.as_ref();
    let short = short(bytes)?;
    let kind = names::claim_kind(kind);
    Ok(PathBuf::from(format!(
        "case-task{task}-{kind}-{short}.json"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accusation() -> Accusation {
        Accusation::Duplicate {
            model: None,
            earlier: Hash::repeat_byte(3),
        }
    }

    fn evidence() -> Evidence {
        let claim = accusation().claim(AccountId::from([2; 32]), Hash::repeat_byte(4));
        Evidence::new(5, AccountId::from([1; 32]), claim, Hash::repeat_byte(6))
    }

    #[test]
    fn evidence_should_survive_a_round_trip_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("case.json");
        assert_eq!(Evidence::find(&path).unwrap(), None);
        let mut evidence = evidence();
        evidence.write(&path).unwrap();
        evidence.case = Some(7);
        evidence.write(&path).unwrap();
        assert_eq!(Evidence::find(&path).unwrap(), Some(evidence));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn evidence_should_be_of_one_task_challenger_and_claim() {
        let (me, accused) = (AccountId::from([1; 32]), AccountId::from([2; 32]));
        let known = evidence();
        assert!(known.is_of(5, &me, &accused, &accusation()));
        assert!(!known.is_of(6, &me, &accused, &accusation()));
        assert!(!known.is_of(5, &accused, &accused, &accusation()));
        assert!(!known.is_of(5, &me, &me, &accusation()));
        let other = Accusation::ProofOfLearning;
        assert!(!known.is_of(5, &me, &accused, &other));
    }

    #[test]
    fn commitment_should_be_that_of_the_protocol() {
        let known = evidence();
        let expected = known
            .claim
            .commitment(&AccountId::from([1; 32]), 5, &Hash::repeat_byte(6));
        assert_eq!(known.commitment(), expected);
    }

    #[test]
    fn default_path_should_name_task_kind_and_accused() {
        let path = default_path(5, ClaimKind::Score, &AccountId::from([0xab; 32])).unwrap();
        assert_eq!(path, PathBuf::from("case-task5-score-abababababab.json"));
    }
}
