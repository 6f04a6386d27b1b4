//! Events of many blocks, in the order of the chain.

use crate::{
    chain::{Chain, Config},
    out,
};
use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use std::ops::RangeInclusive;

/// Blocks that are read at once.
pub(crate) const AT_ONCE: usize = 16;

/// One event of a block.
pub(crate) type Event<'a> = subxt::events::Event<'a, Config>;

/// What `pick` makes of the events of the best chain's blocks, each with the number of its block.
pub(crate) async fn events<T>(
    chain: &Chain,
    blocks: RangeInclusive<u32>,
    pick: impl Fn(&Event<'_>) -> Result<Option<T>>,
) -> Result<Vec<(u32, T)>> {
    let length = blocks.end().saturating_sub(*blocks.start());
    let bar = out::bar(
        u64::from(length) + 1,
        "reading blocks {bar:30} {pos}/{len} [{eta} left]",
    );
    let mut all = Vec::new();
    let mut read = stream::iter(blocks)
        .map(|block| of_block(chain, block, &pick))
        .buffered(AT_ONCE);
    while let Some(found) = read.try_next().await? {
        bar.inc(1);
        all.extend(found);
    }
    bar.finish_and_clear();
    Ok(all)
}

async fn of_block<T>(
    chain: &Chain,
    block: u32,
    pick: &impl Fn(&Event<'_>) -> Result<Option<T>>,
) -> Result<Vec<(u32, T)>> {
    let at = chain.best_at_number(block).await?;
    let all = at.events().fetch().await.with_context(|| {
        format!("can't read events of block {block}; ask an archive node (--url)")
    })?;
    let mut found = Vec::new();
    for event in all.iter() {
        let picked = event
            .map_err(anyhow::Error::from)
            .and_then(|event| pick(&event))
            .with_context(|| format!("an event of block {block} doesn't decode"))?;
        found.extend(picked.map(|picked| (block, picked)));
    }
    Ok(found)
}
