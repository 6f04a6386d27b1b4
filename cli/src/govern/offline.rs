//! The chain as its metadata tells of it, without a node.

use crate::chain::Config;
use std::sync::Arc;
use subxt::{
    client::{OfflineClient, OfflineClientAtBlock},
    config::substrate::SpecVersionForRange,
    metadata::Metadata,
};

/// A block of the chain that the generated code is made for.
pub(super) fn block() -> OfflineClientAtBlock<Config> {
    let bytes = include_bytes!("../../metadata.scale");
    let metadata = Metadata::decode_from(bytes).unwrap();
    let config = Config::builder()
        .set_metadata_for_spec_versions([(1, Arc::new(metadata))])
        .set_spec_version_for_block_ranges([SpecVersionForRange {
            block_range: 0..u64::MAX,
            spec_version: 1,
            transaction_version: 1,
        }])
        .build();
    OfflineClient::new_with_config(config)
        .at_block(0u64)
        .unwrap()
}
