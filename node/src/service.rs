//! Puts the node together.

use crate::{
    cli::ExecutorArgs,
    executor::Executor,
    rpc::{FullDeps, GrandpaDeps, create_full},
};
use arena_runtime::{apis::RuntimeApi, opaque::Block};
use codec::Encode;
use futures::{FutureExt, StreamExt};
use sc_client_api::{Backend, BlockBackend, BlockchainEvents};
use sc_consensus_babe::{BabeLink, BabeWorkerHandle, SlotProportion};
use sc_consensus_grandpa::{GrandpaBlockImport, LinkHalf, SharedVoterState};
use sc_network::{Event, Litep2pNetworkBackend, NetworkBackend, NetworkEventStream, config};
use sc_service::{
    Configuration, Error as ServiceError, PartialComponents, RpcHandlers, TaskManager,
    WarpSyncConfig,
};
use sc_telemetry::{Telemetry, TelemetryWorker};
use sc_transaction_pool::TransactionPoolHandle;
use sc_transaction_pool_api::OffchainTransactionPoolFactory;
use sp_blockchain::HeaderBackend;
use sp_consensus_babe::inherents::BabeCreateInherentDataProviders;
use sp_core::offchain::{OffchainStorage, STORAGE_PREFIX};
use sp_runtime::traits::Header;
use std::{sync::Arc, time::Duration};

/// Executes runtimes: standard host functions only.
pub(crate) type Executor_ = sc_executor::WasmExecutor<sp_io::SubstrateHostFunctions>;
/// Client.
pub(crate) type FullClient = sc_service::TFullClient<Block, RuntimeApi, Executor_>;
/// Database.
pub(crate) type FullBackend = sc_service::TFullBackend<Block>;
/// Fork choice.
pub(crate) type FullSelectChain = sc_consensus::LongestChain<FullBackend, Block>;
type Grandpa = GrandpaBlockImport<FullBackend, Block, FullClient, FullSelectChain>;
type BabeImport = sc_consensus_babe::BabeBlockImport<
    Block,
    FullClient,
    Grandpa,
    BabeCreateInherentDataProviders<Block>,
    FullSelectChain,
>;
type Pool = TransactionPoolHandle<Block, FullClient>;

/// Blocks between two justifications that are kept for others.
const JUSTIFICATION_PERIOD: u32 = 512;

/// What is left to be used once, besides the common parts.
pub(crate) struct Rest {
    block_import: BabeImport,
    babe_link: BabeLink<Block>,
    babe_worker: BabeWorkerHandle<Block>,
    grandpa_link: LinkHalf<Block, FullClient, FullSelectChain>,
    telemetry: Option<Telemetry>,
}

type Partial = PartialComponents<
    FullClient,
    FullBackend,
    FullSelectChain,
    sc_consensus::DefaultImportQueue<Block>,
    Pool,
    Rest,
>;

fn telemetry(config: &Configuration) -> Result<Option<(TelemetryWorker, Telemetry)>, ServiceError> {
    let endpoints = config
        .telemetry_endpoints
        .clone()
        .filter(|list| !list.is_empty());
    let Some(endpoints) = endpoints else {
        return Ok(None);
    };
    let worker = TelemetryWorker::new(16)?;
    let telemetry = worker.handle().new_telemetry(endpoints);
    Ok(Some((worker, telemetry)))
}

/// The parts that subcommands need too.
pub(crate) fn new_partial(config: &Configuration) -> Result<Partial, ServiceError> {
    let telemetry = telemetry(config)?;
    let executor = sc_service::new_wasm_executor(&config.executor);
    let (client, backend, keystore_container, task_manager) =
        sc_service::new_full_parts::<Block, RuntimeApi, _>(
            config,
            telemetry.as_ref().map(|(_, telemetry)| telemetry.handle()),
            executor,
            vec![],
        )?;
    let client = Arc::new(client);
    let telemetry = telemetry.map(|(worker, telemetry)| {
        task_manager
            .spawn_handle()
            .spawn("telemetry", None, worker.run());
        telemetry
    });
    let select_chain = sc_consensus::LongestChain::new(backend.clone());
    let pool = Arc::from(
        sc_transaction_pool::Builder::new(
            task_manager.spawn_essential_handle(),
            client.clone(),
            config.role.is_authority().into(),
        )
        .with_options(config.transaction_pool.clone())
        .with_prometheus(config.prometheus_registry())
        .build(),
    );

    let (grandpa_import, grandpa_link) = sc_consensus_grandpa::block_import(
        client.clone(),
        JUSTIFICATION_PERIOD,
        &client,
        select_chain.clone(),
        telemetry.as_ref().map(|telemetry| telemetry.handle()),
    )?;
    let babe_config = sc_consensus_babe::configuration(&*client)?;
    let slot_duration = babe_config.slot_duration();
    let inherents: BabeCreateInherentDataProviders<Block> =
        Arc::new(move |_, ()| async move { Ok(inherent_data(slot_duration)) }.boxed());
    let (block_import, babe_link) = sc_consensus_babe::block_import(
        babe_config,
        grandpa_import.clone(),
        client.clone(),
        inherents,
        select_chain.clone(),
        OffchainTransactionPoolFactory::new(pool.clone()),
    )?;
    let (import_queue, babe_worker) =
        sc_consensus_babe::import_queue(sc_consensus_babe::ImportQueueParams {
            link: babe_link.clone(),
            block_import: block_import.clone(),
            justification_import: Some(Box::new(grandpa_import)),
            client: client.clone(),
            slot_duration,
            spawner: &task_manager.spawn_essential_handle(),
            registry: config.prometheus_registry(),
            telemetry: telemetry.as_ref().map(|telemetry| telemetry.handle()),
        })?;

    Ok(PartialComponents {
        client,
        backend,
        task_manager,
        keystore_container,
        select_chain,
        import_queue,
        transaction_pool: pool,
        other: Rest {
            block_import,
            babe_link,
            babe_worker,
            grandpa_link,
            telemetry,
        },
    })
}

fn inherent_data(
    slot_duration: sp_consensus_babe::SlotDuration,
) -> (
    sp_consensus_babe::inherents::InherentDataProvider,
    sp_timestamp::InherentDataProvider,
) {
    let timestamp = sp_timestamp::InherentDataProvider::from_system_time();
    let slot = sp_consensus_babe::inherents::InherentDataProvider::from_timestamp_and_slot_duration(
        *timestamp,
        slot_duration,
    );
    (slot, timestamp)
}

type Net = Litep2pNetworkBackend;

/// A running node.
pub(crate) fn new_full(
    mut config: Configuration,
    executor_args: ExecutorArgs,
) -> Result<TaskManager, ServiceError> {
    let executor = Executor::from_args(&executor_args, config.base_path.path())?;
    // A port that is taken is an error: who asked for it would look in vain for the node there.
    let mut rpc_addresses = Vec::new();
    for endpoint in config.rpc.addr.iter_mut().flatten() {
        endpoint.retry_random_port = false;
        rpc_addresses.push(endpoint.listen_addr.to_string());
    }
    if matches!(
        config.network.network_backend,
        config::NetworkBackendType::Libp2p
    ) {
        return Err(ServiceError::Other(
            "--network-backend libp2p: this node speaks litep2p only; leave the flag out".into(),
        ));
    }
    let Partial {
        client,
        backend,
        mut task_manager,
        import_queue,
        keystore_container,
        select_chain,
        transaction_pool,
        other:
            Rest {
                block_import,
                babe_link,
                babe_worker,
                grandpa_link,
                mut telemetry,
            },
    } = new_partial(&config)?;

    let metrics =
        <Net as NetworkBackend<Block, arena_primitives::Hash>>::register_notification_metrics(
            config.prometheus_registry(),
        );
    let mut net_config =
        config::FullNetworkConfiguration::<Block, arena_primitives::Hash, Net>::new(
            &config.network,
            config.prometheus_registry().cloned(),
        );
    let genesis_hash = client
        .block_hash(0)?
        .ok_or_else(|| ServiceError::Other("the database has no genesis block".into()))?;
    let grandpa_protocol =
        sc_consensus_grandpa::protocol_standard_name(&genesis_hash, &config.chain_spec);
    let (grandpa_config, grandpa_notifications) =
        sc_consensus_grandpa::grandpa_peers_set_config::<Block, Net>(
            grandpa_protocol.clone(),
            metrics.clone(),
            net_config.peer_store_handle(),
        );
    net_config.add_notification_protocol(grandpa_config);
    let warp_sync = Arc::new(sc_consensus_grandpa::warp_proof::NetworkProvider::new(
        backend.clone(),
        grandpa_link.shared_authority_set().clone(),
        vec![],
    ));
    let (network, system_rpc_tx, tx_handler_controller, sync_service, _bitswap) =
        sc_service::build_network(sc_service::BuildNetworkParams {
            config: &config,
            net_config,
            client: client.clone(),
            transaction_pool: transaction_pool.clone(),
            spawn_handle: task_manager.spawn_handle(),
            spawn_essential_handle: task_manager.spawn_essential_handle(),
            import_queue,
            block_announce_validator_builder: None,
            warp_sync_config: Some(WarpSyncConfig::WithProvider(warp_sync)),
            block_relay: None,
            metrics,
            gap_sync_body_policy: None,
        })?;

    spawn_offchain(
        &config,
        &task_manager,
        &client,
        &backend,
        &keystore_container,
        &transaction_pool,
        &network,
        executor,
    )?;

    let role = config.role;
    let force_authoring = config.force_authoring;
    let node_name = config.network.node_name.clone();
    let enable_grandpa = !config.disable_grandpa;
    let prometheus = config.prometheus_registry().cloned();
    let public_addresses = config.network.public_addresses.clone();
    let discovery_cache = config.network.net_config_path.clone();
    let allow_non_globals = config.network.allow_non_globals_in_dht;
    let shared_voter_state = SharedVoterState::empty();

    let rpc_builder = {
        let client = client.clone();
        let pool = transaction_pool.clone();
        let select_chain = select_chain.clone();
        let keystore = keystore_container.keystore();
        let shared_voter_state = shared_voter_state.clone();
        let shared_authority_set = grandpa_link.shared_authority_set().clone();
        let justification_stream = grandpa_link.justification_stream();
        let finality_provider = sc_consensus_grandpa::FinalityProofProvider::new_for_service(
            backend.clone(),
            Some(shared_authority_set.clone()),
        );
        Box::new(move |subscriptions| {
            create_full(FullDeps {
                client: client.clone(),
                pool: pool.clone(),
                select_chain: select_chain.clone(),
                keystore: keystore.clone(),
                babe_worker: babe_worker.clone(),
                grandpa: GrandpaDeps {
                    shared_voter_state: shared_voter_state.clone(),
                    shared_authority_set: shared_authority_set.clone(),
                    justification_stream: justification_stream.clone(),
                    finality_provider: finality_provider.clone(),
                },
                subscriptions,
            })
            .map_err(Into::into)
        })
    };
    let _: RpcHandlers = sc_service::spawn_tasks(sc_service::SpawnTasksParams {
        config,
        client: client.clone(),
        backend,
        task_manager: &mut task_manager,
        keystore: keystore_container.keystore(),
        transaction_pool: transaction_pool.clone(),
        rpc_builder,
        network: network.clone(),
        system_rpc_tx,
        tx_handler_controller,
        sync_service: sync_service.clone(),
        telemetry: telemetry.as_mut(),
        tracing_execute_block: None,
    })
    .map_err(|error| {
        ServiceError::Other(format!(
            "RPC can't be served on {}: {error}; if the port is taken, stop what listens there or \
             choose another one with --rpc-port",
            rpc_addresses.join(", ")
        ))
    })?;

    if role.is_authority() {
        let slot_duration = babe_link.config().slot_duration();
        let proposer = sc_basic_authorship::ProposerFactory::new(
            task_manager.spawn_handle(),
            client.clone(),
            transaction_pool.clone(),
            prometheus.as_ref(),
            telemetry.as_ref().map(|telemetry| telemetry.handle()),
        );
        let babe = sc_consensus_babe::start_babe(sc_consensus_babe::BabeParams {
            keystore: keystore_container.keystore(),
            client: client.clone(),
            select_chain,
            env: proposer,
            block_import,
            sync_oracle: sync_service.clone(),
            justification_sync_link: sync_service.clone(),
            create_inherent_data_providers: move |_, ()| async move { Ok(inherent_data(slot_duration)) },
            force_authoring,
            backoff_authoring_blocks: None::<()>,
            babe_link,
            block_proposal_slot_portion: SlotProportion::new(0.5),
            max_block_proposal_slot_portion: None,
            telemetry: telemetry.as_ref().map(|telemetry| telemetry.handle()),
        })?;
        task_manager
            .spawn_essential_handle()
            .spawn_blocking("babe", Some("block-authoring"), babe);

        let events = network
            .event_stream("authority-discovery")
            .filter_map(|event| async move {
                match event {
                    Event::Dht(event) => Some(event),
                    _ => None,
                }
            });
        let (worker, _) = sc_authority_discovery::new_worker_and_service_with_config(
            sc_authority_discovery::WorkerConfig {
                publish_non_global_ips: allow_non_globals,
                public_addresses,
                persisted_cache_directory: discovery_cache,
                ..Default::default()
            },
            client,
            Arc::new(network.clone()),
            Box::pin(events),
            sc_authority_discovery::Role::PublishAndDiscover(keystore_container.keystore()),
            prometheus.clone(),
            task_manager.spawn_handle(),
        );
        task_manager
            .spawn_handle()
            .spawn("authority-discovery", Some("networking"), worker.run());
    }

    if enable_grandpa {
        let voter = sc_consensus_grandpa::run_grandpa_voter(sc_consensus_grandpa::GrandpaParams {
            config: sc_consensus_grandpa::Config {
                // Short slots want votes to travel as fast.
                gossip_duration: Duration::from_millis(333),
                justification_generation_period: JUSTIFICATION_PERIOD,
                name: Some(node_name),
                observer_enabled: false,
                keystore: role.is_authority().then(|| keystore_container.keystore()),
                local_role: role,
                telemetry: telemetry.as_ref().map(|telemetry| telemetry.handle()),
                protocol_name: grandpa_protocol,
            },
            link: grandpa_link,
            network,
            sync: sync_service,
            notification_service: grandpa_notifications,
            voting_rule: sc_consensus_grandpa::VotingRulesBuilder::default().build(),
            prometheus_registry: prometheus,
            shared_voter_state,
            telemetry: telemetry.as_ref().map(|telemetry| telemetry.handle()),
            offchain_tx_pool_factory: OffchainTransactionPoolFactory::new(transaction_pool),
        })?;
        task_manager
            .spawn_essential_handle()
            .spawn_blocking("grandpa-voter", None, voter);
    }
    Ok(task_manager)
}

/// Writes number and hash of each finalized block for the offchain worker.
async fn note_finality(client: Arc<FullClient>, mut storage: impl OffchainStorage) {
    // Before the first block is read, so that none falls between.
    let notes = client.finality_notification_stream();
    let info = client.info();
    let first = (info.finalized_number, info.finalized_hash);
    let blocks = notes.map(|note| (*note.header.number(), note.hash));
    let mut blocks = futures::stream::iter([first]).chain(blocks);
    while let Some(block) = blocks.next().await {
        storage.set(
            STORAGE_PREFIX,
            arena_primitives::FINALIZED_KEY,
            &block.encode(),
        );
    }
}

#[allow(
    clippy::too_many_arguments,
    reason = "the parts of one node, passed once"
)]
fn spawn_offchain(
    config: &Configuration,
    task_manager: &TaskManager,
    client: &Arc<FullClient>,
    backend: &Arc<FullBackend>,
    keystore: &sc_service::KeystoreContainer,
    pool: &Arc<Pool>,
    network: &Arc<dyn sc_network::service::traits::NetworkService>,
    executor: Executor,
) -> Result<(), ServiceError> {
    let Some(mut storage) = backend.offchain_storage() else {
        return Err(ServiceError::Other(
            "the database has no offchain storage".into(),
        ));
    };
    executor.publish(&mut storage);
    task_manager.spawn_handle().spawn(
        "finality-notes",
        Some("offchain-worker"),
        note_finality(client.clone(), storage.clone()),
    );
    if let Executor::Own(own) = executor {
        task_manager
            .spawn_handle()
            .spawn("executor", Some("executor"), own.supervise(storage));
    }
    if !config.offchain_worker.enabled {
        return Ok(());
    }
    let workers = sc_offchain::OffchainWorkers::new(sc_offchain::OffchainWorkerOptions {
        runtime_api_provider: client.clone(),
        keystore: Some(keystore.keystore()),
        offchain_db: backend.offchain_storage(),
        transaction_pool: Some(OffchainTransactionPoolFactory::new(pool.clone())),
        network_provider: Arc::new(network.clone()),
        is_validator: config.role.is_authority(),
        enable_http_requests: true,
        custom_extensions: |_| vec![],
    })?;
    task_manager.spawn_handle().spawn(
        "offchain-workers-runner",
        Some("offchain-worker"),
        workers
            .run(client.clone(), task_manager.spawn_handle())
            .boxed(),
    );
    Ok(())
}
