//! Blocks in the runtime's wasm, with a clock on each call.

use crate::world;
use anyhow::{Context, Result, anyhow, ensure};
use arena_primitives::{AccountId, BlockNumber, Nonce};
use arena_runtime::{
    ArenaStaking, Babe, Block, Header, Runtime, RuntimeCall, SignedPayload, System,
    UncheckedExtrinsic, configs::system::tx_extension,
};
use codec::{Decode, Encode};
use frame_support::{traits::Get, weights::Weight};
use sc_executor::WasmExecutor;
use sp_consensus_babe::{
    BABE_ENGINE_ID, Slot,
    digests::{PreDigest, SecondaryVRFPreDigest},
    make_vrf_sign_data,
};
use sp_core::{
    H256, Pair,
    crypto::VrfSecret,
    sr25519,
    storage::well_known_keys::CODE,
    traits::{CallContext, CodeExecutor, Externalities, RuntimeCode, WrappedRuntimeCode},
};
use sp_io::{SubstrateHostFunctions, TestExternalities, hashing::blake2_256};
use sp_runtime::{
    ApplyExtrinsicResult, Digest, DigestItem, MultiAddress, MultiSignature, generic::Era,
    traits::Header as _,
};
use std::time::{Duration, Instant};

/// What compressed runtimes begin with.
const COMPRESSED: [u8; 8] = [82, 188, 83, 118, 70, 219, 142, 5];
/// The slot of the first block.
const FIRST_SLOT: u64 = 3_500_000_000;

/// The embedded runtime and what executes it: the same executor, with the same settings, as the
/// node's.
pub struct Wasm {
    executor: WasmExecutor<SubstrateHostFunctions>,
    /// As it is embedded: compressed.
    pub code: &'static [u8],
    /// Its blake2.
    pub hash: [u8; 32],
}

impl Wasm {
    /// The one that this program was built with.
    pub fn embedded() -> Result<Self> {
        let code = arena_runtime::WASM_BINARY
            .context("built with SKIP_WASM_BUILD: there is no runtime inside")?;
        ensure!(
            code.starts_with(&COMPRESSED),
            "the embedded runtime is not compressed"
        );
        Ok(Wasm {
            executor: WasmExecutor::builder().build(),
            code,
            hash: blake2_256(code),
        })
    }

    /// One call over a state, and how long it took.
    pub fn call(
        &self,
        state: &mut TestExternalities,
        method: &str,
        data: &[u8],
    ) -> Result<(Vec<u8>, Duration)> {
        let fetcher = WrappedRuntimeCode(self.code.into());
        let code = RuntimeCode {
            code_fetcher: &fetcher,
            heap_pages: None,
            hash: self.hash.to_vec(),
        };
        let mut ext = state.ext();
        let started = Instant::now();
        let context = CallContext::Onchain { import: true };
        let (done, _) = self.executor.call(&mut ext, &code, method, data, context);
        let took = started.elapsed();
        let answer = done.map_err(|e| anyhow!("{method}: {e}"))?;
        Ok((answer, took))
    }
}

/// What one block took.
#[derive(Clone, Copy)]
pub struct BlockCost {
    /// Which.
    pub number: BlockNumber,
    /// `Core_initialize_block`: all hooks.
    pub initialize: Duration,
    /// `BlockBuilder_finalize_block`: the storage root and what little else there is.
    pub finalize: Duration,
    /// The block's weight after its hooks.
    pub weight: Weight,
}

/// A chain whose blocks are executed by the wasm.
pub struct Chain<'a> {
    wasm: &'a Wasm,
    /// After the last block, or within the one that was begun.
    pub state: TestExternalities,
    author: sr25519::Pair,
    number: BlockNumber,
    slot: u64,
    slot_millis: u64,
    parent: H256,
    /// Of the last block, or of the one that was begun.
    extrinsics: Vec<UncheckedExtrinsic>,
    /// The last block's.
    header: Option<Header>,
}

impl<'a> Chain<'a> {
    /// Goes on from a state, after one block that is not measured: BABE's first.
    pub fn new(wasm: &'a Wasm, mut state: TestExternalities) -> Result<Self> {
        let (in_state, number, slot_millis) = state.execute_with(|| {
            (
                sp_io::storage::get(CODE).unwrap_or_default(),
                System::block_number(),
                ArenaStaking::time().slot_millis,
            )
        });
        ensure!(
            blake2_256(&in_state) == wasm.hash,
            "the state's `:code` is not the embedded runtime"
        );
        let mut chain = Chain {
            wasm,
            state,
            author: world::author()?,
            number,
            slot: FIRST_SLOT,
            slot_millis,
            parent: H256::repeat_byte(0xaa),
            extrinsics: Vec::new(),
            header: None,
        };
        chain.block()?;
        Ok(chain)
    }

    /// The last block.
    pub fn number(&self) -> BlockNumber {
        self.number
    }

    /// One call of the wasm, and how long it took.
    pub fn call(&mut self, method: &str, data: &[u8]) -> Result<(Vec<u8>, Duration)> {
        self.wasm.call(&mut self.state, method, data)
    }

    /// A block with nothing in it but its timestamp.
    pub fn block(&mut self) -> Result<BlockCost> {
        let (initialize, weight) = self.begin()?;
        let finalize = self.end()?;
        Ok(BlockCost {
            number: self.number,
            initialize,
            finalize,
            weight,
        })
    }

    /// Begins a block. Returns how long its hooks took and what they weigh.
    pub fn begin(&mut self) -> Result<(Duration, Weight)> {
        self.number += 1;
        self.slot += 1;
        self.extrinsics.clear();
        let header = Header::new(
            self.number,
            H256::zero(),
            H256::zero(),
            self.parent,
            Digest {
                logs: vec![self.pre_digest()],
            },
        );
        let (_, took) = self.call("Core_initialize_block", &header.encode())?;
        let weight = self.weight();
        let now = self.slot * self.slot_millis;
        let set = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now });
        self.apply(&UncheckedExtrinsic::new_bare(set))?;
        Ok((took, weight))
    }

    /// Applies an extrinsic, which must succeed.
    pub fn apply(&mut self, extrinsic: &UncheckedExtrinsic) -> Result<Duration> {
        let (applied, took) = self.try_apply(extrinsic)?;
        ensure!(applied == Ok(Ok(())), "an extrinsic failed: {applied:?}");
        Ok(took)
    }

    /// Applies an extrinsic and tells what came of it. It is in the block unless it was invalid.
    pub fn try_apply(
        &mut self,
        extrinsic: &UncheckedExtrinsic,
    ) -> Result<(ApplyExtrinsicResult, Duration)> {
        // As a node's block builder does: what is invalid leaves nothing behind.
        self.state.ext().storage_start_transaction();
        let (answer, took) = self.call("BlockBuilder_apply_extrinsic", &extrinsic.encode())?;
        let applied = ApplyExtrinsicResult::decode(&mut &answer[..])?;
        let mut ext = self.state.ext();
        let ended = if applied.is_ok() {
            ext.storage_commit_transaction()
        } else {
            ext.storage_rollback_transaction()
        };
        ended.map_err(|()| anyhow!("a transaction of the storage that nobody began"))?;
        if applied.is_ok() {
            self.extrinsics.push(extrinsic.clone());
        }
        Ok((applied, took))
    }

    /// Ends the block and writes it to the trie. Returns how long the runtime took.
    pub fn end(&mut self) -> Result<Duration> {
        let (answer, took) = self.call("BlockBuilder_finalize_block", &[])?;
        let header = Header::decode(&mut &answer[..])?;
        self.state.commit_all().map_err(|e| anyhow!(e))?;
        ensure!(
            header.state_root == *self.state.backend.root(),
            "block {}: the runtime's storage root is not the state's",
            self.number
        );
        self.parent = header.hash();
        self.header = Some(header);
        Ok(took)
    }

    /// Executes the last block, as a node does that imports it, over the state `before` it. It
    /// must come to the same root. Returns how long the runtime took.
    pub fn execute_again(&self, before: &mut TestExternalities) -> Result<Duration> {
        let header = self.header.clone().context("no block was made yet")?;
        let root = header.state_root;
        let block = Block {
            header,
            extrinsics: self.extrinsics.clone(),
        };
        let (_, took) = self
            .wasm
            .call(before, "Core_execute_block", &block.encode())?;
        before.commit_all().map_err(|e| anyhow!(e))?;
        ensure!(
            root == *before.backend.root(),
            "block {}: executed again it comes to another root",
            self.number
        );
        Ok(took)
    }

    /// Weight of the block so far.
    pub fn weight(&mut self) -> Weight {
        self.state.execute_with(|| System::block_weight().total())
    }

    /// A call signed with all that a transaction carries.
    pub fn signed(
        &mut self,
        pair: &sr25519::Pair,
        call: RuntimeCall,
    ) -> Result<UncheckedExtrinsic> {
        let who = AccountId::from(pair.public());
        let nonce = self.state.execute_with(|| System::account_nonce(&who));
        self.signed_with(pair, who, nonce, call)
    }

    /// The same, by an account whose nonce is known.
    pub fn signed_with(
        &mut self,
        pair: &sr25519::Pair,
        who: AccountId,
        nonce: Nonce,
        call: RuntimeCall,
    ) -> Result<UncheckedExtrinsic> {
        self.state.execute_with(|| {
            let extension = tx_extension(nonce, Era::Immortal, 0);
            let payload = SignedPayload::new(call, extension).map_err(|e| anyhow!("{e:?}"))?;
            let signature = payload.using_encoded(|bytes| pair.sign(bytes));
            let (call, extension, _) = payload.deconstruct();
            Ok(UncheckedExtrinsic::new_signed(
                call,
                MultiAddress::Id(who),
                MultiSignature::Sr25519(signature),
                extension,
            ))
        })
    }

    /// The author's claim to the slot, with its VRF output.
    fn pre_digest(&mut self) -> DigestItem {
        let slot = Slot::from(self.slot);
        let (randomness, epoch) = self.state.execute_with(|| {
            let epoch = pallet_babe::EpochIndex::<Runtime>::get();
            let length = <Runtime as pallet_babe::Config>::EpochDuration::get();
            let begun = *pallet_babe::GenesisSlot::<Runtime>::get() > 0;
            if begun && *slot >= *Babe::current_epoch_start() + length {
                // The block begins the next epoch.
                (pallet_babe::NextRandomness::<Runtime>::get(), epoch + 1)
            } else {
                (pallet_babe::Randomness::<Runtime>::get(), epoch)
            }
        });
        let claim = PreDigest::SecondaryVRF(SecondaryVRFPreDigest {
            authority_index: 0,
            slot,
            vrf_signature: self
                .author
                .vrf_sign(&make_vrf_sign_data(&randomness, slot, epoch)),
        });
        DigestItem::PreRuntime(BABE_ENGINE_ID, claim.encode())
    }
}
