//! The connection to a node: blocks, storage and the runtime's own API.

use crate::views;
use anyhow::{Context, Result, anyhow};
use arena_primitives::{AccountId, Round, TaskId, TimeParameters, Venue};
use codec::{Decode, Encode};
use subxt::{
    client::{Blocks, OnlineClient, OnlineClientAtBlock},
    config::{RpcConfigFor, substrate::DigestItem},
    error::{RuntimeApiError, StorageError},
    rpcs::{LegacyRpcMethods, RpcClient},
    storage::{Address, PrefixOf},
    utils::H256,
};

/// What is generated from the runtime's metadata.
#[allow(unreachable_pub, reason = "generated")]
#[subxt::subxt(
    runtime_metadata_path = "metadata.scale",
    substitute_type(
        path = "arena_primitives::types::Venue",
        with = "::subxt::utils::Static<::arena_primitives::Venue>"
    ),
    substitute_type(
        path = "arena_primitives::types::Role",
        with = "::subxt::utils::Static<::arena_primitives::Role>"
    ),
    substitute_type(
        path = "arena_primitives::spec::TaskSpec",
        with = "::subxt::utils::Static<::arena_primitives::TaskSpec>"
    ),
    substitute_type(
        path = "arena_primitives::shard::Shard",
        with = "::subxt::utils::Static<::arena_primitives::Shard>"
    ),
    substitute_type(
        path = "arena_primitives::challenge::Claim",
        with = "::subxt::utils::Static<::arena_primitives::Claim>"
    ),
    substitute_type(
        path = "arena_primitives::challenge::Vote",
        with = "::subxt::utils::Static<::arena_primitives::Vote>"
    ),
    substitute_type(
        path = "arena_primitives::challenge::LogLeaf",
        with = "::subxt::utils::Static<::arena_primitives::LogLeaf>"
    ),
    substitute_type(
        path = "arena_primitives::challenge::ProvenLoss",
        with = "::subxt::utils::Static<::arena_primitives::ProvenLoss>"
    ),
    substitute_type(
        path = "sp_arithmetic::per_things::Perbill",
        with = "::subxt::utils::Static<::sp_runtime::Perbill>"
    )
)]
pub mod api {}

/// How the chain encodes what all Substrate chains have.
pub(crate) type Config = subxt::SubstrateConfig;
/// BABE, as headers name it.
const BABE: [u8; 4] = *b"BABE";
/// One block's state.
pub(crate) type At = OnlineClientAtBlock<Config>;
/// Calls of every node that need no metadata.
pub(crate) type Legacy = LegacyRpcMethods<RpcConfigFor<Config>>;

/// A connection.
pub(crate) struct Chain {
    client: OnlineClient<Config>,
    legacy: Legacy,
}

impl Chain {
    /// Connects to a node.
    pub(crate) async fn connect(url: &str) -> Result<Self> {
        let rpc = RpcClient::from_insecure_url(url).await.with_context(|| {
            format!("can't reach a node at {url}; start one, or name another with --url")
        })?;
        let client = OnlineClient::from_rpc_client(rpc.clone())
            .await
            .with_context(|| format!("the node at {url} doesn't answer as a node should"))?;
        Ok(Chain {
            client,
            legacy: Legacy::new(rpc),
        })
    }

    /// Calls that need no metadata.
    pub(crate) fn legacy(&self) -> &Legacy {
        &self.legacy
    }

    /// The last finalized block.
    pub(crate) async fn finalized(&self) -> Result<At> {
        self.client
            .at_current_block()
            .await
            .context("can't read the last finalized block")
    }

    /// The best block: what one's own last transaction has already changed.
    pub(crate) async fn best(&self) -> Result<At> {
        let hash = self
            .legacy
            .chain_get_block_hash(None)
            .await
            .context("can't ask for the best block")?
            .ok_or_else(|| anyhow!("the node has no best block; let it start up"))?;
        self.at_hash(hash).await
    }

    /// A block by its hash.
    pub(crate) async fn at_hash(&self, hash: H256) -> Result<At> {
        self.client
            .at_block(hash)
            .await
            .with_context(|| format!("can't read block {hash:?}"))
    }

    /// A block of the finalized chain by its number.
    pub(crate) async fn at_number(&self, number: u32) -> Result<At> {
        self.client
            .at_block(number)
            .await
            .with_context(|| format!("can't read block {number}; ask an archive node (--url)"))
    }

    /// A block of the best chain by its number, finalized or not.
    pub(crate) async fn best_at_number(&self, number: u32) -> Result<At> {
        let hash = self
            .legacy
            .chain_get_block_hash(Some(u64::from(number).into()))
            .await
            .with_context(|| format!("can't ask for block {number}"))?
            .ok_or_else(|| anyhow!("the best chain has no block {number} any more; ask again"))?;
        self.at_hash(hash).await
    }

    /// Which of its session's authors made a block of the best chain.
    pub(crate) async fn author_index(&self, number: u32) -> Result<Option<u32>> {
        let asked = || format!("can't read the header of block {number}");
        let hash = self
            .legacy
            .chain_get_block_hash(Some(u64::from(number).into()));
        let hash = hash.await.with_context(asked)?;
        let header = self.legacy.chain_get_header(hash).await;
        let header = header.with_context(asked)?.with_context(asked)?;
        Ok(header.digest.logs.iter().find_map(|item| match item {
            // Whatever claimed the slot, one byte says what, and the index follows.
            DigestItem::PreRuntime(BABE, data) => {
                let index = data.get(1..)?.first_chunk::<4>()?;
                Some(u32::from_le_bytes(*index))
            }
            _ => None,
        }))
    }

    /// Best blocks as they come.
    pub(crate) async fn best_blocks(&self) -> Result<Blocks<Config>> {
        self.client
            .stream_best_blocks()
            .await
            .context("can't follow best blocks")
    }

    /// Finalized blocks as they come.
    pub(crate) async fn finalized_blocks(&self) -> Result<Blocks<Config>> {
        self.client
            .stream_blocks()
            .await
            .context("can't follow finalized blocks")
    }
}

/// The number of a block.
pub(crate) fn number(at: &At) -> u32 {
    u32::try_from(at.block_number()).unwrap_or(u32::MAX)
}

/// An account as generated code names it.
pub(crate) fn id(account: &AccountId) -> subxt::utils::AccountId32 {
    let bytes: &[u8; 32] = account.as_ref();
    subxt::utils::AccountId32(*bytes)
}

/// The same content in another type of the same layout.
pub(crate) fn recode<T: Decode>(value: &impl Encode) -> Result<T> {
    decode(&value.encode())
}

/// Decodes all of the bytes.
pub(crate) fn decode<T: Decode>(mut bytes: &[u8]) -> Result<T> {
    let value = T::decode(&mut bytes).context("the chain's answer doesn't decode")?;
    anyhow::ensure!(
        bytes.is_empty(),
        "the chain's answer is longer than expected"
    );
    Ok(value)
}

/// Reads one value of storage, or its default.
pub(crate) async fn fetch<A: Address, T: Decode>(
    at: &At,
    address: A,
    key: A::KeyParts,
) -> Result<Option<T>> {
    let name = format!("{}.{}", address.pallet_name(), address.entry_name());
    let value = at
        .storage()
        .try_fetch(address, key)
        .await
        .map_err(|e| storage_error(at, &name, e))?;
    value
        .map(|value| decode(value.bytes()).with_context(|| name))
        .transpose()
}

/// Reads all values below a key, each with the bytes of its own key.
pub(crate) async fn rows<A: Address, K: PrefixOf<A::KeyParts>, T: Decode>(
    at: &At,
    address: A,
    prefix: K,
) -> Result<Vec<(Vec<u8>, T)>> {
    let name = format!("{}.{}", address.pallet_name(), address.entry_name());
    let mut entries = at
        .storage()
        .iter(address, prefix)
        .await
        .map_err(|e| storage_error(at, &name, e))?;
    let mut found = Vec::new();
    while let Some(entry) = entries.next().await {
        let entry = entry.map_err(|e| storage_error(at, &name, e))?;
        let value = decode(entry.value().bytes()).with_context(|| name.clone())?;
        found.push((entry.key_bytes().to_vec(), value));
    }
    Ok(found)
}

/// Reads all keys below a key.
pub(crate) async fn keys<A: Address, K: PrefixOf<A::KeyParts>>(
    at: &At,
    address: A,
    prefix: K,
) -> Result<Vec<Vec<u8>>> {
    let name = format!("{}.{}", address.pallet_name(), address.entry_name());
    let mut entries = at
        .storage()
        .iter(address, prefix)
        .await
        .map_err(|e| storage_error(at, &name, e))?;
    let mut found = Vec::new();
    while let Some(entry) = entries.next().await {
        found.push(
            entry
                .map_err(|e| storage_error(at, &name, e))?
                .key_bytes()
                .to_vec(),
        );
    }
    Ok(found)
}

/// The account at the end of a storage key.
pub(crate) fn last_account(key: &[u8]) -> Result<AccountId> {
    let tail: [u8; 32] = key
        .last_chunk::<32>()
        .copied()
        .ok_or_else(|| anyhow!("a storage key is shorter than an account"))?;
    Ok(AccountId::from(tail))
}

/// The number at the end of a storage key.
pub(crate) fn last_u32(key: &[u8]) -> Result<u32> {
    let tail = key.last_chunk::<4>().copied();
    tail.map(u32::from_le_bytes)
        .ok_or_else(|| anyhow!("a storage key is shorter than a number"))
}

/// The track of referenda at the end of a storage key.
pub(crate) fn last_track(key: &[u8]) -> Result<u16> {
    let tail = key.last_chunk::<2>().copied();
    tail.map(u16::from_le_bytes)
        .ok_or_else(|| anyhow!("a storage key is shorter than a track"))
}

fn storage_error(at: &At, name: &str, error: StorageError) -> anyhow::Error {
    let hint = match &error {
        StorageError::IncompatibleCodegen
        | StorageError::PalletNameNotFound(_)
        | StorageError::StorageEntryNotFound { .. } => OTHER_RUNTIME,
        _ => "ask again, or ask an archive node for old blocks (--url)",
    };
    anyhow!(
        "can't read {name} at block {}: {error}; {hint}",
        at.block_number()
    )
}

/// What to do about a runtime that the generated code doesn't fit.
pub(crate) const OTHER_RUNTIME: &str =
    "the chain runs another runtime than this release knows; use the release that fits it";

/// Calls the runtime's own API.
async fn ask<P: subxt::runtime_apis::Payload, T: Decode>(at: &At, call: P) -> Result<T> {
    let apis = at.runtime_apis();
    let failed = |error: RuntimeApiError, name: &str| {
        let hint = match &error {
            RuntimeApiError::CannotCallApi(_) => "ask again, or ask an archive node (--url)",
            _ => OTHER_RUNTIME,
        };
        anyhow!(
            "can't call {name} at block {}: {error}; {hint}",
            at.block_number()
        )
    };
    let name = apis.encode_name(&call);
    apis.validate(&call).map_err(|e| failed(e, &name))?;
    let args = apis.encode_args(&call).map_err(|e| failed(e, &name))?;
    let bytes = apis
        .call_raw(&name, Some(&args))
        .await
        .map_err(|e| failed(e, &name))?;
    decode(&bytes).with_context(|| name)
}

/// Rows per page of a list.
const PAGE: u32 = 100;

/// All tasks.
pub(crate) async fn tasks(at: &At) -> Result<Vec<views::Task>> {
    let mut all: Vec<views::Task> = Vec::new();
    let mut from = 0;
    loop {
        let call = api::runtime_apis().arena_api().tasks(from, PAGE);
        let page: Vec<views::Task> = ask(at, call).await?;
        let Some(last) = page.last() else {
            return Ok(all);
        };
        from = last.id.saturating_add(1);
        all.extend(page);
    }
}

/// One task, or what to do if there is none.
pub(crate) async fn task(at: &At, id: TaskId) -> Result<views::Task> {
    let found: Option<views::Task> = ask(at, api::runtime_apis().arena_api().task(id)).await?;
    found.ok_or_else(|| anyhow!("there is no task {id}; `arena task list` names all"))
}

/// A settled round.
pub(crate) async fn result(at: &At, task: TaskId, round: Round) -> Result<Option<views::Result>> {
    ask(at, api::runtime_apis().arena_api().result(task, round)).await
}

/// All settled rounds of a task whose results are still kept, oldest first.
pub(crate) async fn results(at: &At, task: &views::Task) -> Result<Vec<views::Result>> {
    let mut all = Vec::new();
    for round in 1..=task.last_settled.unwrap_or(0) {
        all.extend(result(at, task.id, round).await?);
    }
    Ok(all)
}

/// A position.
pub(crate) async fn position(
    at: &At,
    venue: Venue,
    operator: &AccountId,
) -> Result<Option<views::Position>> {
    ask(
        at,
        api::runtime_apis()
            .arena_api()
            .position(venue.into(), id(operator)),
    )
    .await
}

/// What an operator has earned and not claimed, its delegators' part not counted.
pub(crate) async fn operator_earnings(
    at: &At,
    venue: Venue,
    operator: &AccountId,
) -> Result<views::Earnings> {
    let api = api::runtime_apis().arena_api();
    ask(at, api.operator_earnings(venue.into(), id(operator))).await
}

/// What a delegator has earned and not claimed.
pub(crate) async fn delegator_earnings(
    at: &At,
    venue: Venue,
    operator: &AccountId,
    who: &AccountId,
) -> Result<views::Earnings> {
    let api = api::runtime_apis().arena_api();
    let asked = api.delegator_earnings(venue.into(), id(operator), id(who));
    ask(at, asked).await
}

/// Time as genesis set it.
pub(crate) async fn time(at: &At) -> Result<TimeParameters> {
    ask(at, api::runtime_apis().arena_api().time()).await
}

/// What governance can set, and what it is now.
pub(crate) async fn parameters(at: &At) -> Result<Vec<views::Parameter>> {
    ask(at, api::runtime_apis().arena_api().governed()).await
}
