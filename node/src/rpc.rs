//! JSON-RPC: the standard namespaces, and `arena`.

mod arena;
mod params;
mod refusal;
#[cfg(test)]
mod tests;
mod watch;

use arena_primitives::{BlockNumber, Hash};
use arena_runtime::opaque::Block;
use futures::{StreamExt, stream::BoxStream};
use jsonrpsee::RpcModule;
use sc_client_api::BlockchainEvents;
use sc_consensus_babe::BabeWorkerHandle;
use sc_consensus_grandpa::{
    FinalityProofProvider, GrandpaJustificationStream, SharedAuthoritySet, SharedVoterState,
};
use sc_rpc::SubscriptionTaskExecutor;
use sc_transaction_pool_api::TransactionPool;
use sp_keystore::KeystorePtr;
use std::sync::Arc;

use crate::service::{FullBackend, FullClient, FullSelectChain};

/// What GRANDPA's methods need.
pub(crate) struct GrandpaDeps {
    pub(crate) shared_voter_state: SharedVoterState,
    pub(crate) shared_authority_set: SharedAuthoritySet<Hash, BlockNumber>,
    pub(crate) justification_stream: GrandpaJustificationStream<Block>,
    pub(crate) finality_provider: Arc<FinalityProofProvider<FullBackend, Block>>,
}

/// What all methods need.
pub(crate) struct FullDeps<P> {
    pub(crate) client: Arc<FullClient>,
    pub(crate) pool: Arc<P>,
    pub(crate) select_chain: FullSelectChain,
    pub(crate) keystore: KeystorePtr,
    pub(crate) babe_worker: BabeWorkerHandle<Block>,
    pub(crate) grandpa: GrandpaDeps,
    pub(crate) subscriptions: SubscriptionTaskExecutor,
}

impl watch::Head for FullClient {
    fn finalized(&self) -> BoxStream<'static, Hash> {
        let notes = self.finality_notification_stream();
        notes.map(|note| note.hash).boxed()
    }
}

/// All methods.
pub(crate) fn create_full<P>(
    deps: FullDeps<P>,
) -> Result<RpcModule<()>, Box<dyn std::error::Error + Send + Sync>>
where
    P: TransactionPool<Block = Block, Hash = Hash> + 'static,
{
    use arena::ArenaApiServer;
    use pallet_transaction_payment_rpc::{TransactionPayment, TransactionPaymentApiServer};
    use sc_consensus_babe_rpc::{Babe, BabeApiServer};
    use sc_consensus_grandpa_rpc::{Grandpa, GrandpaApiServer};
    use substrate_frame_rpc_system::{System, SystemApiServer};

    let FullDeps {
        client,
        pool,
        select_chain,
        keystore,
        babe_worker,
        grandpa,
        subscriptions,
    } = deps;
    let mut module = RpcModule::new(());
    module.merge(System::new(client.clone(), pool).into_rpc())?;
    module.merge(TransactionPayment::new(client.clone()).into_rpc())?;
    module.merge(Babe::new(client.clone(), babe_worker, keystore, select_chain).into_rpc())?;
    module.merge(
        Grandpa::new(
            subscriptions.clone(),
            grandpa.shared_authority_set,
            grandpa.shared_voter_state,
            grandpa.justification_stream,
            grandpa.finality_provider,
        )
        .into_rpc(),
    )?;
    let watch = watch::Watch::new(client.clone(), subscriptions);
    module.merge(arena::Arena::new(client, watch).into_rpc())?;
    Ok(module)
}
