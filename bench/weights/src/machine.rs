//! The runtime's wasm, executed over a state that counts what is read and written.

use anyhow::{Context, anyhow};
use arena_runtime::{
    RuntimeGenesisConfig,
    genesis_config_presets::{PRODUCTION_LIKE_PRESET, get_preset},
};
use codec::{Decode, Encode};
use frame_benchmarking::{BenchmarkBatch, BenchmarkConfig, BenchmarkList, BenchmarkResult};
#[cfg(feature = "runtime-benchmarks")]
use sc_client_db::BenchmarkingState;
use sc_executor::WasmExecutor;
use serde_json::Value;
use sp_core::{
    storage::Storage,
    traits::{CallContext, RuntimeCode, WrappedRuntimeCode},
};
use sp_externalities::Extensions;
use sp_keystore::{KeystoreExt, testing::MemoryKeystore};
use sp_runtime::{BuildStorage, traits::BlakeTwo256};
use sp_state_machine::{OverlayedChanges, StateMachine};

type HostFunctions = (
    sp_io::SubstrateHostFunctions,
    frame_benchmarking::benchmarking::HostFunctions,
);

/// Without the benchmarks there is no state that counts; this stands in its place.
#[cfg(not(feature = "runtime-benchmarks"))]
type State = sp_state_machine::InMemoryBackend<BlakeTwo256>;
#[cfg(feature = "runtime-benchmarks")]
type State = BenchmarkingState<BlakeTwo256>;

/// The runtime with its benchmarks, on a genesis of production's sizes.
pub(crate) struct Machine {
    executor: WasmExecutor<HostFunctions>,
    code: Vec<u8>,
    /// Counts reads and writes, which takes time.
    counting: State,
    /// Doesn't.
    plain: State,
}

/// What a run is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The benchmark's assertions.
    Verify,
    /// Reads and writes.
    Count,
    /// Time, so many times.
    Time(u32),
}

impl Machine {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let code = arena_runtime::WASM_BINARY
            .context("the runtime has no wasm: SKIP_WASM_BUILD must not be set")?;
        let genesis = genesis()?;
        Ok(Machine {
            executor: WasmExecutor::builder().build(),
            code: code.to_vec(),
            counting: state(genesis.clone(), true)?,
            plain: state(genesis, false)?,
        })
    }

    /// All benchmarks of all pallets that have any.
    pub(crate) fn benchmarks(&self) -> anyhow::Result<Vec<BenchmarkList>> {
        // The second part names storage items, for proof sizes.
        self.call(&self.plain, "Benchmark_benchmark_metadata", &false)
    }

    /// Runs a benchmark at one point.
    pub(crate) fn run(
        &self,
        mut config: BenchmarkConfig,
        purpose: Purpose,
    ) -> anyhow::Result<Vec<BenchmarkResult>> {
        config.verify = purpose == Purpose::Verify;
        config.internal_repeats = match purpose {
            Purpose::Time(times) => times,
            Purpose::Verify | Purpose::Count => 1,
        };
        let state = match purpose {
            Purpose::Count => &self.counting,
            Purpose::Verify | Purpose::Time(_) => &self.plain,
        };
        let batches: Result<Vec<BenchmarkBatch>, String> =
            self.call(state, "Benchmark_dispatch_benchmark", &config)?;
        let batches =
            batches.map_err(|error| anyhow!("at {:?}: {error}", config.selected_components))?;
        let results: Vec<_> = batches
            .into_iter()
            .flat_map(|batch| batch.results)
            .collect();
        anyhow::ensure!(!results.is_empty(), "the benchmark gave no result");
        Ok(results)
    }

    fn call<R: Decode>(
        &self,
        state: &State,
        method: &str,
        args: &impl Encode,
    ) -> anyhow::Result<R> {
        let mut overlay = OverlayedChanges::default();
        let mut extensions = Extensions::default();
        extensions.register(KeystoreExt::new(MemoryKeystore::new()));
        let fetcher = WrappedRuntimeCode(self.code.as_slice().into());
        let runtime_code = RuntimeCode {
            code_fetcher: &fetcher,
            hash: sp_io::hashing::blake2_256(&self.code).to_vec(),
            heap_pages: None,
        };
        let answer = StateMachine::new(
            state,
            &mut overlay,
            &self.executor,
            method,
            &args.encode(),
            &mut extensions,
            &runtime_code,
            CallContext::Offchain,
        )
        .execute()
        .map_err(|error| anyhow!("{method}: {error}"))?;
        // Metadata carries more behind what is asked for.
        R::decode(&mut answer.as_slice()).with_context(|| format!("{method}: the answer"))
    }
}

#[cfg(feature = "runtime-benchmarks")]
fn state(genesis: Storage, counting: bool) -> anyhow::Result<State> {
    BenchmarkingState::new(genesis, None, false, counting).map_err(|error| anyhow!(error))
}

#[cfg(not(feature = "runtime-benchmarks"))]
fn state(genesis: Storage, _: bool) -> anyhow::Result<State> {
    Ok((genesis, sp_core::storage::StateVersion::V1).into())
}

/// Production's preset: its seats are the largest there can be.
fn genesis() -> anyhow::Result<Storage> {
    let patch = get_preset(&PRODUCTION_LIKE_PRESET.into()).context("no production preset")?;
    let mut full = serde_json::to_value(RuntimeGenesisConfig::default())?;
    merge(&mut full, serde_json::from_slice(&patch)?);
    let config: RuntimeGenesisConfig = serde_json::from_value(full)?;
    config
        .build_storage()
        .map_err(|error| anyhow!("genesis: {error}"))
}

/// A preset is a patch of the default genesis.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
