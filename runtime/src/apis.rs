//! What nodes ask of the runtime.

use crate::*;
use alloc::vec::Vec;
use arena_primitives::{CaseId, Round, TaskId, TaskPhase, TimeParameters, Venue};
use arena_runtime_api::{
    CaseView, ConcentrationView, DelegationsPage, DutiesView, EarningsView, LeaderboardPage,
    ParameterView, ParametersView, PositionKey, PositionView, Refusal, ResultView, RoundStateView,
    SettledView, SlashesView, StakesPage, SubmissionView, TaskStateView, TaskView, TasksPage,
    UnbondingView, ValidatorsPage, YieldsPage,
};
use codec::Encode;
use frame_support::{
    genesis_builder_helper::{build_state, get_preset},
    traits::{Get, KeyOwnerProofSystem},
    weights::Weight,
};
use pallet_grandpa::AuthorityId as GrandpaId;
use sp_api::impl_runtime_apis;
use sp_authority_discovery::AuthorityId as AuthorityDiscoveryId;
use sp_core::OpaqueMetadata;
use sp_runtime::{
    ApplyExtrinsicResult,
    traits::{Block as BlockT, NumberFor},
    transaction_validity::{TransactionSource, TransactionValidity},
};
use sp_session::OpaqueGeneratedSessionKeys;

impl_runtime_apis! {
    impl sp_api::Core<Block> for Runtime {
        fn version() -> RuntimeVersion {
            VERSION
        }

        fn execute_block(block: <Block as BlockT>::LazyBlock) {
            Executive::execute_block(block)
        }

        fn initialize_block(header: &Header) -> sp_runtime::ExtrinsicInclusionMode {
            Executive::initialize_block(header)
        }
    }

    impl sp_api::Metadata<Block> for Runtime {
        fn metadata() -> OpaqueMetadata {
            OpaqueMetadata::new(Runtime::metadata().into())
        }

        fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
            Runtime::metadata_at_version(version)
        }

        fn metadata_versions() -> Vec<u32> {
            Runtime::metadata_versions()
        }
    }

    impl frame_support::view_functions::runtime_api::RuntimeViewFunction<Block> for Runtime {
        fn execute_view_function(
            id: frame_support::view_functions::ViewFunctionId,
            input: Vec<u8>,
        ) -> Result<Vec<u8>, frame_support::view_functions::ViewFunctionDispatchError> {
            Runtime::execute_view_function(id, input)
        }
    }

    impl sp_block_builder::BlockBuilder<Block> for Runtime {
        fn apply_extrinsic(extrinsic: <Block as BlockT>::Extrinsic) -> ApplyExtrinsicResult {
            Executive::apply_extrinsic(extrinsic)
        }

        fn finalize_block() -> Header {
            Executive::finalize_block()
        }

        fn inherent_extrinsics(
            data: sp_inherents::InherentData,
        ) -> Vec<<Block as BlockT>::Extrinsic> {
            data.create_extrinsics()
        }

        fn check_inherents(
            block: <Block as BlockT>::LazyBlock,
            data: sp_inherents::InherentData,
        ) -> sp_inherents::CheckInherentsResult {
            data.check_extrinsics(&block)
        }
    }

    impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
        fn validate_transaction(
            source: TransactionSource,
            tx: <Block as BlockT>::Extrinsic,
            block_hash: <Block as BlockT>::Hash,
        ) -> TransactionValidity {
            Executive::validate_transaction(source, tx, block_hash)
        }
    }

    impl sp_offchain::OffchainWorkerApi<Block> for Runtime {
        fn offchain_worker(header: &Header) {
            Executive::offchain_worker(header)
        }
    }

    impl sp_session::SessionKeys<Block> for Runtime {
        fn generate_session_keys(
            owner: Vec<u8>,
            seed: Option<Vec<u8>>,
        ) -> OpaqueGeneratedSessionKeys {
            SessionKeys::generate(&owner, seed).into()
        }

        fn decode_session_keys(
            encoded: Vec<u8>,
        ) -> Option<Vec<(Vec<u8>, sp_core::crypto::KeyTypeId)>> {
            SessionKeys::decode_into_raw_public_keys(&encoded)
        }
    }

    impl sp_consensus_babe::BabeApi<Block> for Runtime {
        fn configuration() -> sp_consensus_babe::BabeConfiguration {
            let epoch_config = Babe::epoch_config().unwrap_or(BABE_GENESIS_EPOCH_CONFIG);
            sp_consensus_babe::BabeConfiguration {
                slot_duration: Babe::slot_duration(),
                epoch_length: configs::consensus::EpochDuration::get(),
                c: epoch_config.c,
                authorities: Babe::authorities().to_vec(),
                randomness: Babe::randomness(),
                allowed_slots: epoch_config.allowed_slots,
            }
        }

        fn current_epoch_start() -> sp_consensus_babe::Slot {
            Babe::current_epoch_start()
        }

        fn current_epoch() -> sp_consensus_babe::Epoch {
            Babe::current_epoch()
        }

        fn next_epoch() -> sp_consensus_babe::Epoch {
            Babe::next_epoch()
        }

        fn generate_key_ownership_proof(
            _slot: sp_consensus_babe::Slot,
            authority_id: sp_consensus_babe::AuthorityId,
        ) -> Option<sp_consensus_babe::OpaqueKeyOwnershipProof> {
            Historical::prove((sp_consensus_babe::KEY_TYPE, authority_id))
                .map(|proof| proof.encode())
                .map(sp_consensus_babe::OpaqueKeyOwnershipProof::new)
        }

        fn submit_report_equivocation_unsigned_extrinsic(
            equivocation_proof: sp_consensus_babe::EquivocationProof<Header>,
            key_owner_proof: sp_consensus_babe::OpaqueKeyOwnershipProof,
        ) -> Option<()> {
            let key_owner_proof = key_owner_proof.decode()?;
            Babe::submit_unsigned_equivocation_report(equivocation_proof, key_owner_proof)
        }
    }

    impl sp_consensus_grandpa::GrandpaApi<Block> for Runtime {
        fn grandpa_authorities() -> sp_consensus_grandpa::AuthorityList {
            Grandpa::grandpa_authorities()
        }

        fn current_set_id() -> sp_consensus_grandpa::SetId {
            Grandpa::current_set_id()
        }

        fn submit_report_equivocation_unsigned_extrinsic(
            equivocation_proof: sp_consensus_grandpa::EquivocationProof<
                <Block as BlockT>::Hash,
                NumberFor<Block>,
            >,
            key_owner_proof: sp_consensus_grandpa::OpaqueKeyOwnershipProof,
        ) -> Option<()> {
            let key_owner_proof = key_owner_proof.decode()?;
            Grandpa::submit_unsigned_equivocation_report(equivocation_proof, key_owner_proof)
        }

        fn generate_key_ownership_proof(
            _set_id: sp_consensus_grandpa::SetId,
            authority_id: GrandpaId,
        ) -> Option<sp_consensus_grandpa::OpaqueKeyOwnershipProof> {
            Historical::prove((sp_consensus_grandpa::KEY_TYPE, authority_id))
                .map(|proof| proof.encode())
                .map(sp_consensus_grandpa::OpaqueKeyOwnershipProof::new)
        }
    }

    impl sp_authority_discovery::AuthorityDiscoveryApi<Block> for Runtime {
        fn authorities() -> Vec<AuthorityDiscoveryId> {
            AuthorityDiscovery::authorities()
        }
    }

    impl frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId, Nonce> for Runtime {
        fn account_nonce(account: AccountId) -> Nonce {
            System::account_nonce(account)
        }
    }

    impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentApi<Block, Balance>
        for Runtime
    {
        fn query_info(
            uxt: <Block as BlockT>::Extrinsic,
            len: u32,
        ) -> pallet_transaction_payment_rpc_runtime_api::RuntimeDispatchInfo<Balance> {
            TransactionPayment::query_info(uxt, len)
        }

        fn query_fee_details(
            uxt: <Block as BlockT>::Extrinsic,
            len: u32,
        ) -> pallet_transaction_payment::FeeDetails<Balance> {
            TransactionPayment::query_fee_details(uxt, len)
        }

        fn query_weight_to_fee(weight: Weight) -> Balance {
            TransactionPayment::weight_to_fee(weight)
        }

        fn query_length_to_fee(length: u32) -> Balance {
            TransactionPayment::length_to_fee(length)
        }
    }

    impl sp_genesis_builder::GenesisBuilder<Block> for Runtime {
        fn build_state(config: Vec<u8>) -> sp_genesis_builder::Result {
            build_state::<RuntimeGenesisConfig>(config)
        }

        fn get_preset(id: &Option<sp_genesis_builder::PresetId>) -> Option<Vec<u8>> {
            get_preset::<RuntimeGenesisConfig>(id, genesis_config_presets::get_preset)
        }

        fn preset_names() -> Vec<sp_genesis_builder::PresetId> {
            genesis_config_presets::preset_names()
        }
    }

    #[cfg(feature = "runtime-benchmarks")]
    impl frame_benchmarking::Benchmark<Block> for Runtime {
        fn benchmark_metadata(extra: bool) -> (
            Vec<frame_benchmarking::BenchmarkList>,
            Vec<frame_support::traits::StorageInfo>,
        ) {
            crate::benchmarking::metadata(extra)
        }

        fn dispatch_benchmark(
            config: frame_benchmarking::BenchmarkConfig,
        ) -> Result<Vec<frame_benchmarking::BenchmarkBatch>, alloc::string::String> {
            crate::benchmarking::dispatch(config)
        }
    }

    #[api_version(2)]
    impl arena_runtime_api::ArenaApi<Block> for Runtime {
        fn tasks(from: TaskId, limit: u32) -> Vec<TaskView> {
            views::tasks(from, limit)
        }

        fn task(task: TaskId) -> Option<TaskView> {
            views::task(task)
        }

        fn result(task: TaskId, round: Round) -> Option<ResultView> {
            views::result(task, round)
        }

        fn drawn(task: TaskId, round: Round, validator: AccountId) -> Vec<(AccountId, Hash)> {
            ArenaScoring::drawn(task, round, &validator)
        }

        fn position(venue: Venue, operator: AccountId) -> Option<PositionView> {
            views::position(venue, &operator)
        }

        fn positions(
            venue: Venue,
            after: Option<AccountId>,
            limit: u32,
        ) -> Vec<PositionView> {
            views::positions(venue, after, limit)
        }

        fn operator_earnings(venue: Venue, operator: AccountId) -> EarningsView {
            views::operator_earnings(venue, &operator)
        }

        fn delegator_earnings(
            venue: Venue,
            operator: AccountId,
            who: AccountId,
        ) -> EarningsView {
            views::delegator_earnings(venue, &operator, &who)
        }

        fn time() -> TimeParameters {
            ArenaStaking::time()
        }

        fn is_venue(venue: Venue) -> bool {
            views::is_venue(venue)
        }

        fn tasks_in(
            from: TaskId,
            limit: u32,
            phase: Option<TaskPhase>,
        ) -> Result<TasksPage, Refusal> {
            views::tasks_in(from, limit, phase)
        }

        fn task_states() -> Vec<TaskStateView> {
            views::task_states()
        }

        fn round(task: TaskId, round: Round) -> Result<RoundStateView, Refusal> {
            views::round(task, round)
        }

        fn settled(task: TaskId, round: Round) -> Result<SettledView, Refusal> {
            views::settled(task, round)
        }

        fn leaderboard(
            task: TaskId,
            round: Option<Round>,
            from: u32,
            limit: u32,
        ) -> Result<LeaderboardPage, Refusal> {
            views::leaderboard(task, round, from, limit)
        }

        fn submission(task: TaskId, trainer: AccountId) -> Result<SubmissionView, Refusal> {
            views::submission(task, trainer)
        }

        fn delegations(
            who: AccountId,
            after: Option<PositionKey>,
            limit: u32,
        ) -> Result<DelegationsPage, Refusal> {
            views::delegations(who, after, limit)
        }

        fn stakes(
            operator: AccountId,
            after: Option<Venue>,
            limit: u32,
        ) -> Result<StakesPage, Refusal> {
            views::stakes(operator, after, limit)
        }

        fn unbonding(who: AccountId) -> Vec<UnbondingView> {
            views::unbonding(who)
        }

        fn validators(
            venue: Venue,
            after: Option<AccountId>,
            limit: u32,
        ) -> Result<ValidatorsPage, Refusal> {
            views::validators(venue, after, limit)
        }

        fn concentration(venue: Venue) -> Result<ConcentrationView, Refusal> {
            views::concentration(venue)
        }

        fn duties(operator: AccountId) -> DutiesView {
            views::duties(operator)
        }

        fn challenges(task: TaskId) -> Result<Vec<CaseView>, Refusal> {
            views::challenges(task)
        }

        fn challenge(case: CaseId) -> Result<CaseView, Refusal> {
            views::challenge(case)
        }

        fn parameters() -> ParametersView {
            views::parameters()
        }

        fn yields(
            venue: Venue,
            operator: AccountId,
            from: Round,
            limit: u32,
        ) -> Result<YieldsPage, Refusal> {
            views::yields(venue, operator, from, limit)
        }

        fn slashes(operator: AccountId) -> SlashesView {
            views::slashes(operator)
        }

        fn governed() -> Vec<ParameterView> {
            governance::parameters::all()
        }
    }
}
