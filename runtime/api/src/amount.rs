//! Amounts of the token, as JSON has them.

use arena_primitives::Balance;
use codec::{Decode, Encode};
use scale_info::TypeInfo;
use serde::{Deserialize, Serialize};

/// Decimal strings for amounts, since JSON numbers lose digits past 2^53.
mod decimal {
    use alloc::string::{String, ToString};
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(amount: &u128, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&amount.to_string())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<u128, D::Error> {
        String::deserialize(from)?
            .parse()
            .map_err(|_| D::Error::custom("not a decimal amount"))
    }
}

/// An amount in base units, of which 10^12 make a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, Serialize, Deserialize)]
#[scale_info(capture_docs = "always")]
#[serde(transparent)]
pub struct Amount(#[serde(with = "decimal")] pub Balance);

impl From<Balance> for Amount {
    fn from(amount: Balance) -> Self {
        Amount(amount)
    }
}
