//! Tracks as the chain has them, and the origins that they speak as.

use super::{args::Track, curve::Curve};
use crate::chain::{At, Config, api, decode};
use anyhow::{Context, Result, anyhow};
use api::runtime_types as types;
use clap::ValueEnum;
use codec::Decode;
use subxt::client::{ClientAtBlock, OfflineClientAtBlockT};
use types::arena_runtime::{OriginCaller, governance::origins::pallet::Origin};

/// A track's rules.
#[derive(Clone, Debug, Decode)]
pub(super) struct Rules {
    /// Its number.
    pub(super) id: u16,
    name: String,
    _max_deciding: u32,
    /// What the decision costs until it is made.
    pub(super) decision_deposit: u128,
    _prepare_period: u32,
    /// Blocks of the decision, at most.
    pub(super) decision_period: u32,
    _confirm_period: u32,
    _min_enactment_period: u32,
    /// Least part of ayes among votes.
    pub(super) min_approval: Curve,
    /// Least part of ayes, without conviction, among all tokens.
    pub(super) min_support: Curve,
}

impl Rules {
    /// What people call it.
    pub(super) fn name(&self) -> &str {
        self.name.trim_end_matches('\0')
    }
}

/// All tracks.
pub(super) fn all<C: OfflineClientAtBlockT<Config>>(
    at: &ClientAtBlock<Config, C>,
) -> Result<Vec<Rules>> {
    let constant = api::constants().referenda().tracks();
    let bytes = at.constants().entry_bytes(constant);
    decode(&bytes.context("can't read the tracks of referenda")?)
}

/// A track's rules.
pub(super) fn rules(at: &At, id: u16) -> Result<Rules> {
    let found = all(at)?.into_iter().find(|rules| rules.id == id);
    found.ok_or_else(|| anyhow!("the chain has no track {id} of referenda"))
}

/// The number of a track.
pub(super) fn number(track: Track) -> u16 {
    track as u16
}

/// The name of a track, as the command line writes it.
pub(super) fn name(id: u16) -> String {
    let known = Track::value_variants().iter();
    let found = known.copied().find(|track| number(*track) == id);
    found
        .and_then(|track| track.to_possible_value())
        .map_or_else(|| format!("track {id}"), |value| value.get_name().into())
}

/// What a track's referenda speak as.
pub(super) fn origin(track: Track) -> OriginCaller {
    let custom = match track {
        Track::Root => {
            return OriginCaller::system(types::frame_support::dispatch::RawOrigin::Root);
        }
        Track::TaskApproval => Origin::TaskApprover,
        Track::Parameters => Origin::ParameterAdmin,
        Track::Treasury => Origin::Spender,
        Track::CancelSlash => Origin::SlashCanceller,
        Track::TaskGuard => Origin::TaskGuardian,
        Track::ReferendumCanceller => Origin::ReferendumCanceller,
        Track::ReferendumKiller => Origin::ReferendumKiller,
    };
    OriginCaller::Origins(custom)
}

#[cfg(test)]
mod tests {
    use super::{super::offline, *};

    #[test]
    fn tracks_should_have_the_names_and_numbers_of_the_chain() {
        let chain = all(&offline::block()).unwrap();
        for rules in &chain {
            assert_eq!(rules.name(), name(rules.id));
            assert!(rules.decision_deposit > 0 && rules.decision_period > 0);
            let end = rules.min_approval.threshold(1_000_000_000);
            assert!((500_000_000..520_000_000).contains(&end), "{end}");
        }
        assert_eq!(Track::value_variants().len(), chain.len());
        assert_eq!(name(99), "track 99");
    }
}
