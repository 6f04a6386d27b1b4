//! Failures as people read them: what happened, where, and what to do next.

use anyhow::{Error, anyhow};
use arena_primitives::DutyRefusal;
use subxt::{
    error::{DispatchError, ExtrinsicError},
    transactions::{TransactionInvalid, TransactionUnknown},
};

/// The input was wrong: exit code 2, like a command line that doesn't parse.
#[derive(Debug)]
pub(crate) struct BadInput(pub(crate) String);

impl std::fmt::Display for BadInput {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadInput {}

/// An error with exit code 2.
pub(crate) fn bad_input(text: impl Into<String>) -> Error {
    Error::new(BadInput(text.into()))
}

/// The name and meaning of a duty's refusal.
pub(crate) fn duty_refusal(code: u8) -> Option<(DutyRefusal, &'static str)> {
    const ALL: [(DutyRefusal, &str); 8] = [
        (
            DutyRefusal::NotAServiceKey,
            "the signer is nobody's service key; register it first",
        ),
        (
            DutyRefusal::UnknownRound,
            "there is no such task, round or open case",
        ),
        (
            DutyRefusal::WrongPhase,
            "the window is not open; `arena status`, or `arena challenge show`, shows when it is",
        ),
        (
            DutyRefusal::NotInRole,
            "the operator has no such role in the task, or no seat in the jury",
        ),
        (
            DutyRefusal::AlreadyDone,
            "it was done before; nothing is left to do",
        ),
        (
            DutyRefusal::Mismatch,
            "it matches no commitment; use the state file that was written with it",
        ),
        (
            DutyRefusal::BadContent,
            "the content is malformed; check URIs and sizes",
        ),
        (
            DutyRefusal::NoData,
            "the round's evaluation data is not open",
        ),
    ];
    ALL.into_iter().find(|(refusal, _)| *refusal as u8 == code)
}

/// Why a transaction can't enter the pool.
pub(crate) fn invalid(reason: &TransactionInvalid) -> Error {
    let text = match reason {
        TransactionInvalid::Payment => {
            "the account can't pay the fee; send it tokens with `arena transfer`".into()
        }
        TransactionInvalid::Stale => "its number was used before; send it again".into(),
        TransactionInvalid::BadProof => {
            "its signature doesn't hold; is the node on the same chain and release?".into()
        }
        TransactionInvalid::ExhaustsResources => "blocks are full; send it again later".into(),
        TransactionInvalid::Custom(code) => custom(*code),
        other => format!("{other:?}"),
    };
    anyhow!("the pool refused the transaction: {text}")
}

/// Why a transaction's validity is not known.
pub(crate) fn unknown(reason: &TransactionUnknown) -> Error {
    anyhow!("the node can't tell whether the transaction is valid: {reason:?}; send it again")
}

fn custom(code: u8) -> String {
    match duty_refusal(code) {
        Some((refusal, meaning)) => format!("{refusal:?}: {meaning}"),
        None => format!("Custom({code}), a code that this release doesn't know"),
    }
}

/// What a pool says in its own words, with the names of refusals.
pub(crate) fn pool_message(message: &str) -> Error {
    let digits = message
        .split_once("Custom error: ")
        .map(|(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    let code = digits.and_then(|count| {
        let (_, rest) = message.split_once("Custom error: ")?;
        rest.get(..count)?.parse::<u8>().ok()
    });
    match code {
        Some(code) => anyhow!("the pool refused the transaction: {}", custom(code)),
        None => anyhow!("the pool refused the transaction: {message}"),
    }
}

/// Why a call failed in its block, with the docs of the error.
pub(crate) fn dispatch(error: &DispatchError) -> Error {
    let DispatchError::Module(module) = error else {
        return anyhow!("the call failed: {error}");
    };
    match module.details() {
        Ok(details) => {
            let docs = details.variant.docs.join(" ");
            let name = format!("{}::{}", details.pallet.name(), details.variant.name);
            anyhow!("the call failed: {name}: {}", docs.trim())
        }
        Err(_) => anyhow!("the call failed: {module}"),
    }
}

/// Why a transaction could not be made or sent.
pub(crate) fn extrinsic(error: ExtrinsicError) -> Error {
    match error {
        ExtrinsicError::IncompatibleCodegen
        | ExtrinsicError::PalletNameNotFound(_)
        | ExtrinsicError::CallNameNotFound { .. } => {
            anyhow!(
                "can't make the transaction: {error}; {}",
                crate::chain::OTHER_RUNTIME
            )
        }
        other => pool_message(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_should_have_names_in_the_pool_and_in_messages() {
        assert_eq!(
            duty_refusal(3).map(|(refusal, _)| refusal),
            Some(DutyRefusal::WrongPhase)
        );
        assert!(duty_refusal(0).is_none() && duty_refusal(9).is_none());
        let told = pool_message("Invalid Transaction: Custom error: 5").to_string();
        assert!(told.contains("AlreadyDone"), "{told}");
        let told = invalid(&TransactionInvalid::Custom(99)).to_string();
        assert!(told.contains("Custom(99)"), "{told}");
    }
}
