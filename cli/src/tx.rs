//! Signing, sending, and waiting until a transaction is in a block.

use crate::{
    chain::{At, Chain, Config},
    fail,
    out::Out,
};
use anyhow::{Context, Result, anyhow};
use arena_primitives::{AccountId, Hash};
use serde::Serialize;
use subxt::{
    config::DefaultExtrinsicParamsBuilder,
    error::TransactionEventsError,
    extrinsics::ExtrinsicEvents,
    transactions::{
        Payload, SubmittableTransaction, TransactionInBlock, TransactionInvalid, TransactionStatus,
        ValidationResult,
    },
};
use subxt_signer::sr25519::Keypair;

/// Blocks for which a transaction can enter a block.
const MORTAL_BLOCKS: u64 = 64;

type Client = subxt::client::OnlineClientAtBlockImpl<Config>;

/// Where a transaction ended up.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Receipt {
    /// Hash of the transaction.
    pub(crate) transaction: Hash,
    /// Hash of its block.
    pub(crate) block_hash: Hash,
    /// Number of its block.
    pub(crate) block: u32,
    /// Whether the block was finalized when this was written.
    pub(crate) finalized: bool,
}

/// A transaction in its block.
pub(crate) struct Included {
    /// Where.
    pub(crate) receipt: Receipt,
    /// What it caused.
    pub(crate) events: ExtrinsicEvents<Config>,
}

/// Who signs, and how long is waited.
pub(crate) struct Sender<'a> {
    /// The connection.
    pub(crate) chain: &'a Chain,
    /// Whose signature.
    pub(crate) signer: Keypair,
    /// Wait for finality instead of a best block.
    pub(crate) finalized: bool,
}

/// The account of a key.
pub(crate) fn account(signer: &Keypair) -> AccountId {
    AccountId::from(signer.public_key().0)
}

impl Sender<'_> {
    /// Whose transactions these are.
    pub(crate) fn account(&self) -> AccountId {
        account(&self.signer)
    }

    /// Sends a call and waits for it.
    pub(crate) async fn send(&self, call: &impl Payload) -> Result<Included> {
        let signed = self.sign(call).await?;
        check(&self.chain.best().await?, &signed).await?;
        self.watch(signed).await
    }

    /// Sends a call and shows where it went.
    pub(crate) async fn send_and_show(&self, out: Out, call: &impl Payload) -> Result<()> {
        let included = self.send(call).await?;
        out.show(&included.receipt, human)
    }

    async fn sign(&self, call: &impl Payload) -> Result<SubmittableTransaction<Config, Client>> {
        let who = crate::chain::id(&self.account());
        // Of the pool, not of a block: a transaction may wait there already.
        let nonce = self
            .chain
            .legacy()
            .system_account_next_index(&who)
            .await
            .context("can't ask for the account's next number")?;
        let params = DefaultExtrinsicParamsBuilder::<Config>::new()
            .nonce(nonce)
            .mortal(MORTAL_BLOCKS)
            .build();
        // Born in a finalized block, which no fork can take away.
        let at = self.chain.finalized().await?;
        at.transactions()
            .create_signed(call, &self.signer, params)
            .await
            .map_err(fail::extrinsic)
    }

    async fn watch(&self, signed: SubmittableTransaction<Config, Client>) -> Result<Included> {
        let mut progress = signed.submit_and_watch().await.map_err(fail::extrinsic)?;
        while let Some(status) = progress.next().await {
            match status
                .context("lost sight of the transaction; look for it before sending it again")?
            {
                TransactionStatus::InBestBlock(block) if !self.finalized => {
                    return self.included(block).await;
                }
                TransactionStatus::InFinalizedBlock(block) => return self.included(block).await,
                TransactionStatus::Error { message }
                | TransactionStatus::Invalid { message }
                | TransactionStatus::Dropped { message } => {
                    return Err(fail::pool_message(&message));
                }
                TransactionStatus::Validated
                | TransactionStatus::Broadcasted
                | TransactionStatus::NoLongerInBestBlock
                | TransactionStatus::InBestBlock(_) => {}
            }
        }
        Err(anyhow!(
            "the node stopped telling about the transaction; look whether it took effect"
        ))
    }

    async fn included(&self, block: TransactionInBlock<Config, Client>) -> Result<Included> {
        let events = block
            .wait_for_success()
            .await
            .map_err(|error| match error {
                TransactionEventsError::ExtrinsicFailed(error) => fail::dispatch(&error),
                other => anyhow!(
                    "the transaction is in block {:?}, but its events can't be read: {other}",
                    block.block_hash()
                ),
            })?;
        let at = block
            .at()
            .await
            .context("can't read the transaction's block")?;
        let receipt = Receipt {
            transaction: Hash::from(block.extrinsic_hash().0),
            block_hash: Hash::from(block.block_hash().0),
            block: crate::chain::number(&at),
            finalized: self.finalized,
        };
        Ok(Included { receipt, events })
    }
}

/// Asks the best block whether the pool would take it: its answers have names.
async fn check(best: &At, signed: &SubmittableTransaction<Config, Client>) -> Result<()> {
    let again = best.transactions().from_bytes(signed.encoded().to_vec());
    match again.validate().await.map_err(fail::extrinsic)? {
        ValidationResult::Valid(_) => Ok(()),
        // Behind another one of the same account that waits in the pool.
        ValidationResult::Invalid(TransactionInvalid::Future) => Ok(()),
        ValidationResult::Invalid(reason) => Err(fail::invalid(&reason)),
        ValidationResult::Unknown(reason) => Err(fail::unknown(&reason)),
    }
}

/// A receipt for people.
pub(crate) fn human(receipt: &Receipt) -> String {
    let state = if receipt.finalized {
        "finalized"
    } else {
        "in a best block"
    };
    format!(
        "✓ {state}: block {} ({:?})",
        receipt.block, receipt.block_hash
    )
}
