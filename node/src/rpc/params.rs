//! Arguments that say what is wrong with them.

use arena_primitives::{AccountId, Venue};
use arena_runtime_api::PositionKey;
use serde::{Deserialize, Deserializer, de::Error};
use sp_core::crypto::Ss58Codec;

/// An account by its SS58 address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account(pub(crate) AccountId);

impl<'de> Deserialize<'de> for Account {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        AccountId::from_ss58check(&text).map(Account).map_err(|why| {
            D::Error::custom(format!(
                "not the SS58 address of an account: {why:?}; copy it whole, as `arena` prints it"
            ))
        })
    }
}

/// Names a position.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct PositionParam {
    venue: Venue,
    operator: Account,
}

impl From<PositionParam> for PositionKey {
    fn from(param: PositionParam) -> Self {
        PositionKey {
            venue: param.venue,
            operator: param.operator.0,
        }
    }
}
