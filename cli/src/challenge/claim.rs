//! Claims as they are typed.

use arena_primitives::{AccountId, Claim, ClaimKind, Hash, Round};

/// What somebody is accused of, as it is typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Accusation {
    /// A copy.
    Duplicate {
        /// The model; `None` for the current one.
        model: Option<Hash>,
        /// The model that was first.
        earlier: Hash,
    },
    /// A mark.
    Watermark {
        /// The model; `None` for the current one.
        model: Option<Hash>,
        /// Opens the mark's commitment.
        salt: Hash,
    },
    /// A training.
    ProofOfLearning,
    /// A score.
    Score {
        /// In which round.
        round: Round,
        /// The model.
        model: Hash,
    },
}

impl Accusation {
    /// The kind alone.
    pub(super) fn kind(&self) -> ClaimKind {
        match self {
            Self::Duplicate { .. } => ClaimKind::Duplicate,
            Self::Watermark { .. } => ClaimKind::Watermark,
            Self::ProofOfLearning => ClaimKind::ProofOfLearning,
            Self::Score { .. } => ClaimKind::Score,
        }
    }

    /// The claim; `current` is the model where none was named.
    pub(super) fn claim(&self, accused: AccountId, current: Hash) -> Claim {
        match *self {
            Self::Duplicate { model, earlier } => Claim::Duplicate {
                trainer: accused,
                model: model.unwrap_or(current),
                earlier,
            },
            Self::Watermark { model, salt } => Claim::Watermark {
                trainer: accused,
                model: model.unwrap_or(current),
                salt,
            },
            Self::ProofOfLearning => Claim::ProofOfLearning { trainer: accused },
            Self::Score { round, model } => Claim::Score {
                validator: accused,
                round,
                model,
            },
        }
    }

    /// Whether `claim` says this of `accused`, of whichever model where none was named.
    pub(super) fn is(&self, accused: &AccountId, claim: &Claim) -> bool {
        let model = model_of(claim).unwrap_or_default();
        self.claim(accused.clone(), model) == *claim
    }
}

/// The accused trainer's model, where a claim is about one.
pub(super) fn model_of(claim: &Claim) -> Option<Hash> {
    match claim {
        Claim::Duplicate { model, .. } | Claim::Watermark { model, .. } => Some(*model),
        Claim::ProofOfLearning { .. } | Claim::Score { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accusations() -> [Accusation; 4] {
        let hash = Hash::repeat_byte(2);
        [
            Accusation::Duplicate {
                model: None,
                earlier: hash,
            },
            Accusation::Watermark {
                model: Some(Hash::repeat_byte(9)),
                salt: hash,
            },
            Accusation::ProofOfLearning,
            Accusation::Score {
                round: 3,
                model: hash,
            },
        ]
    }

    #[test]
    fn claims_should_survive_json_and_name_their_kind() {
        for accusation in accusations() {
            let claim = accusation.claim(AccountId::from([1; 32]), Hash::repeat_byte(9));
            assert_eq!(claim.kind(), accusation.kind());
            let json = serde_json::to_value(&claim).unwrap();
            assert_eq!(json["kind"], crate::names::claim_kind(claim.kind()));
            assert_eq!(serde_json::from_value::<Claim>(json).unwrap(), claim);
        }
    }

    #[test]
    fn accusation_should_know_its_claim_and_no_other() {
        let accused = AccountId::from([1; 32]);
        for (place, accusation) in accusations().into_iter().enumerate() {
            for (other, claimed) in accusations().into_iter().enumerate() {
                let claim = claimed.claim(accused.clone(), Hash::repeat_byte(9));
                assert_eq!(accusation.is(&accused, &claim), place == other);
                assert!(!accusation.is(&AccountId::from([7; 32]), &claim));
            }
        }
        // The model that was current when the file was written.
        let earlier = accusations()[0].claim(accused.clone(), Hash::repeat_byte(4));
        assert!(accusations()[0].is(&accused, &earlier));
        let marked = Accusation::Watermark {
            model: None,
            salt: Hash::repeat_byte(2),
        };
        let other = marked.claim(accused.clone(), Hash::repeat_byte(4));
        assert!(!accusations()[1].is(&accused, &other));
    }
}
