//! How venues, roles, phases, votes, accounts and hashes are written on the command line.

use arena_primitives::{AccountId, ClaimKind, Hash, NumericProfile, Role, TaskPhase, Venue, Vote};
use std::str::FromStr;

/// `network` or `task:N`.
pub(crate) fn parse_venue(text: &str) -> Result<Venue, String> {
    if text == "network" {
        return Ok(Venue::Network);
    }
    text.strip_prefix("task:")
        .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        .and_then(|number| number.parse().ok())
        .map(Venue::Task)
        .ok_or_else(|| format!("{text:?} is no venue; write `network` or `task:3`"))
}

/// The text that [`parse_venue`] reads.
pub(crate) fn venue(venue: Venue) -> String {
    match venue {
        Venue::Network => "network".into(),
        Venue::Task(task) => format!("task:{task}"),
    }
}

/// `trainer` or `validator`.
pub(crate) fn parse_role(text: &str) -> Result<Role, String> {
    match text {
        "trainer" => Ok(Role::Trainer),
        "validator" => Ok(Role::Validator),
        _ => Err(format!(
            "{text:?} is no role; write `trainer` or `validator`"
        )),
    }
}

/// The text that [`parse_role`] reads.
pub(crate) fn role(role: Role) -> &'static str {
    match role {
        Role::Trainer => "trainer",
        Role::Validator => "validator",
    }
}

/// A profile as a spec writes it.
pub(crate) fn profile(profile: NumericProfile) -> &'static str {
    match profile {
        NumericProfile::ExactCpuF32 => "exact-cpu-f32",
        NumericProfile::F32 => "f32",
        NumericProfile::Bf16 => "bf16",
    }
}

/// `submission`, `final-validation`, `challenge` or `closed`.
pub(crate) fn parse_phase(text: &str) -> Result<TaskPhase, String> {
    [
        TaskPhase::Submission,
        TaskPhase::FinalValidation,
        TaskPhase::Challenge,
        TaskPhase::Closed,
    ]
    .into_iter()
    .find(|known| phase(*known) == text)
    .ok_or_else(|| {
        format!("{text:?} is no phase; write submission, final-validation, challenge or closed")
    })
}

/// The name of a phase.
pub(crate) fn phase(phase: TaskPhase) -> &'static str {
    match phase {
        TaskPhase::Submission => "submission",
        TaskPhase::FinalValidation => "final-validation",
        TaskPhase::Challenge => "challenge",
        TaskPhase::Closed => "closed",
        TaskPhase::Cancelled => "cancelled",
    }
}

/// `convict` or `acquit`.
pub(crate) fn parse_vote(text: &str) -> Result<Vote, String> {
    [Vote::Convict, Vote::Acquit]
        .into_iter()
        .find(|known| vote(*known) == text)
        .ok_or_else(|| format!("{text:?} is no vote; write `convict` or `acquit`"))
}

/// The text that [`parse_vote`] reads.
pub(crate) fn vote(vote: Vote) -> &'static str {
    match vote {
        Vote::Convict => "convict",
        Vote::Acquit => "acquit",
    }
}

/// The name of a kind of claims, as JSON has it too.
pub(crate) fn claim_kind(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Duplicate => "duplicate",
        ClaimKind::Watermark => "watermark",
        ClaimKind::ProofOfLearning => "proof_of_learning",
        ClaimKind::Score => "score",
    }
}

/// 64 hex digits, after `0x` or without it.
pub(crate) fn parse_hash(text: &str) -> Result<Hash, String> {
    crate::spec::hex32(text).map(Hash::from).ok_or_else(|| {
        format!("{text:?} is no hash of 32 bytes; write 64 hex digits, e.g. of a model's root")
    })
}

/// An SS58 address or `0x` and 64 hex digits.
pub(crate) fn parse_account(text: &str) -> Result<AccountId, String> {
    AccountId::from_str(text)
        .map_err(|why| format!("{text:?} is no address ({why}); write an SS58 address or 0x…"))
}

/// The first and last characters of an address: enough to tell accounts apart in a table.
pub(crate) fn short(account: &AccountId) -> String {
    let full = account.to_string();
    match (full.get(..6), full.get(full.len().saturating_sub(6)..)) {
        (Some(head), Some(tail)) if full.len() > 14 => format!("{head}…{tail}"),
        _ => full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn venue_should_read_what_it_writes_and_nothing_else() {
        for known in [Venue::Network, Venue::Task(0), Venue::Task(u32::MAX)] {
            assert_eq!(parse_venue(&venue(known)), Ok(known));
        }
        for bad in [
            "",
            "Network",
            "task",
            "task:",
            "task:-1",
            "task:+1",
            "task:4294967296",
            "3",
        ] {
            assert!(parse_venue(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn phase_should_name_what_can_be_waited_for() {
        assert_eq!(
            parse_phase("final-validation"),
            Ok(TaskPhase::FinalValidation)
        );
        assert!(parse_phase("cancelled").is_err());
    }

    #[test]
    fn votes_and_kinds_should_be_named_as_in_json() {
        for known in [Vote::Convict, Vote::Acquit] {
            assert_eq!(parse_vote(vote(known)), Ok(known));
            assert_eq!(serde_json::to_value(known).unwrap(), vote(known));
        }
        assert!(parse_vote("guilty").is_err());
        for kind in [
            ClaimKind::Duplicate,
            ClaimKind::Watermark,
            ClaimKind::ProofOfLearning,
            ClaimKind::Score,
        ] {
            assert_eq!(serde_json::to_value(kind).unwrap(), claim_kind(kind));
        }
    }

    #[test]
    fn hash_should_take_all_digits_with_and_without_a_prefix() {
        let digits = "11".repeat(32);
        let expected = Ok(Hash::repeat_byte(0x11));
        assert_eq!(parse_hash(&digits), expected);
        assert_eq!(parse_hash(&format!("0x{digits}")), expected);
        for bad in ["", "0x", &digits[2..], "zz"] {
            assert!(parse_hash(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn account_should_read_addresses_and_hex() {
        let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
        let hex = "0xd43593c715fdd31c61141abd04a99fd6822c8558854ccde39a5684e7a56da27d";
        assert_eq!(parse_account(alice), parse_account(hex));
        assert!(parse_account("5Grwva").is_err());
    }
}
