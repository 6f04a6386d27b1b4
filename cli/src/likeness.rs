//! When models of a task count as alike, as JSON.

use crate::{amount::Nano, spec::fraction};
use anyhow::Result;
use arena_primitives::LikenessRule;
use serde::{Deserialize, Serialize};

/// When models count as alike (protocol section 7).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LikenessJson {
    /// Most of 256 bits in which the sketches of a match differ.
    pub(crate) match_bits: u16,
    /// Most of 256 bits in which the sketches of a flag differ.
    pub(crate) flag_bits: u16,
    /// Farthest that a copy is from the earlier model, a fraction.
    pub(crate) copy_distance: Nano,
}

impl LikenessJson {
    /// What a spec that says nothing of it asks for.
    pub(crate) fn default_rule() -> Option<Self> {
        Some(Self::from_rule(LikenessRule::DEFAULT))
    }

    /// The rule that the chain votes on.
    pub(crate) fn into_rule(self) -> Result<LikenessRule> {
        Ok(LikenessRule {
            match_bits: self.match_bits,
            flag_bits: self.flag_bits,
            copy_distance: fraction("likeness.copy_distance", self.copy_distance)?,
        })
    }

    /// The JSON form of a rule.
    pub(crate) fn from_rule(rule: LikenessRule) -> Self {
        LikenessJson {
            match_bits: rule.match_bits,
            flag_bits: rule.flag_bits,
            copy_distance: Nano(rule.copy_distance.deconstruct().into()),
        }
    }
}
