//! The module against the reference, and against the real runtime, natively, over the genesis
//! of the development preset.

use super::{
    arena::{Arena, ArenaApiServer},
    watch::{Head, MAX_SUBSCRIPTIONS, Watch},
};
use arena_primitives::{BlockNumber, Hash};
use arena_runtime::{
    RuntimeGenesisConfig, apis, genesis_config_presets::get_preset, opaque::Block,
};
use arena_runtime_api::reference::{Problem, methods};
use futures::stream::BoxStream;
use jsonrpsee::{RpcModule, core::server::MethodsError};
use serde_json::{Value, json};
use sp_api::{
    ApiError, ApiRef, CallApiAt, CallApiAtParams, CallContext, ConstructRuntimeApi,
    ProvideRuntimeApi,
};
use sp_blockchain::{BlockStatus, HeaderBackend, Info};
use sp_core::testing::TaskExecutor;
use sp_externalities::Extensions;
use sp_runtime::{BuildStorage, Storage, traits::BlakeTwo256};
use sp_state_machine::InMemoryBackend;
use std::{collections::BTreeSet, sync::Arc};

const GENESIS: Hash = Hash::repeat_byte(7);

/// A chain of one block.
struct Genesis {
    storage: Storage,
}

impl Genesis {
    fn new() -> Self {
        let patch = get_preset(&"development".into()).unwrap();
        let mut full = serde_json::to_value(RuntimeGenesisConfig::default()).unwrap();
        merge(&mut full, serde_json::from_slice(&patch).unwrap());
        let config: RuntimeGenesisConfig = serde_json::from_value(full).unwrap();
        let storage = config.build_storage().unwrap();
        Genesis { storage }
    }
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

impl CallApiAt<Block> for Genesis {
    type StateBackend = InMemoryBackend<BlakeTwo256>;

    fn call_api_at(&self, params: CallApiAtParams<Block>) -> Result<Vec<u8>, ApiError> {
        let mut state = sp_io::TestExternalities::new(self.storage.clone());
        let call = || apis::api::dispatch(params.function, &params.arguments);
        state
            .execute_with(call)
            .ok_or_else(|| ApiError::UnknownBlock("no such function".into()))
    }

    fn runtime_version_at(
        &self,
        _: Hash,
        _: CallContext,
    ) -> Result<sp_version::RuntimeVersion, ApiError> {
        Ok(arena_runtime::VERSION)
    }

    fn state_at(&self, _: Hash) -> Result<Self::StateBackend, ApiError> {
        unreachable!("no proofs are asked for")
    }

    fn initialize_extensions(&self, _: Hash, _: &mut Extensions) -> Result<(), ApiError> {
        Ok(())
    }
}

impl ProvideRuntimeApi<Block> for Genesis {
    type Api = <apis::RuntimeApi as ConstructRuntimeApi<Block, Genesis>>::RuntimeApi;

    fn runtime_api(&self) -> ApiRef<'_, Self::Api> {
        apis::RuntimeApi::construct_runtime_api(self)
    }
}

impl Head for Genesis {
    fn finalized(&self) -> BoxStream<'static, Hash> {
        Box::pin(futures::stream::pending())
    }
}

impl HeaderBackend<Block> for Genesis {
    fn header(&self, _: Hash) -> sp_blockchain::Result<Option<arena_runtime::Header>> {
        Ok(None)
    }

    fn info(&self) -> Info<Block> {
        Info {
            best_hash: GENESIS,
            best_number: 0,
            genesis_hash: GENESIS,
            finalized_hash: GENESIS,
            finalized_number: 0,
            finalized_state: None,
            number_leaves: 1,
            block_gap: None,
        }
    }

    fn status(&self, _: Hash) -> sp_blockchain::Result<BlockStatus> {
        Ok(BlockStatus::InChain)
    }

    fn number(&self, hash: Hash) -> sp_blockchain::Result<Option<BlockNumber>> {
        Ok((hash == GENESIS).then_some(0))
    }

    fn hash(&self, _: BlockNumber) -> sp_blockchain::Result<Option<Hash>> {
        Ok(Some(GENESIS))
    }
}

fn module() -> RpcModule<Arena<Genesis>> {
    let client = Arc::new(Genesis::new());
    let watch = Watch::new(client.clone(), Arc::new(TaskExecutor::new()));
    Arena::new(client, watch).into_rpc()
}

/// The code of what comes back; 0 for an answer.
async fn code(module: &RpcModule<Arena<Genesis>>, method: &str, params: &Value) -> i32 {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let (answer, _) = module
        .raw_json_request(&request.to_string(), 1)
        .await
        .unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    let code = answer.pointer("/error/code").and_then(Value::as_i64);
    code.map_or(0, |code| i32::try_from(code).unwrap())
}

fn openrpc() -> Value {
    serde_json::from_str(include_str!("../../../docs/openrpc.json")).unwrap()
}

#[test]
fn module_should_have_the_methods_of_the_reference_and_no_other() {
    let registered: BTreeSet<String> = module().method_names().map(Into::into).collect();
    let table: BTreeSet<String> = methods().iter().flat_map(|method| method.names()).collect();
    assert_eq!(registered, table);
    let document = openrpc();
    let documented = document["methods"].as_array().unwrap().iter();
    let documented: BTreeSet<&str> = documented.filter_map(|one| one["name"].as_str()).collect();
    let names = methods();
    let names: BTreeSet<String> = names.iter().map(|method| method.full_name()).collect();
    assert!(
        documented
            .iter()
            .copied()
            .eq(names.iter().map(String::as_str))
    );
}

/// Genesis has no task, so that what names one is refused; but all of it is understood, by
/// position and by name.
#[tokio::test]
async fn examples_should_be_understood_by_position_and_by_name() {
    let module = module();
    for method in openrpc()["methods"].as_array().unwrap() {
        let name = method["name"].as_str().unwrap();
        if method.get("x-subscription").is_some() {
            continue;
        }
        let params = method
            .pointer("/examples/0/params")
            .unwrap()
            .as_array()
            .unwrap();
        let values: Value = params.iter().map(|param| param["value"].clone()).collect();
        let named = params.iter().map(|param| {
            let name = param["name"].as_str().unwrap();
            (name.to_owned(), param["value"].clone())
        });
        let named = Value::Object(named.collect());
        let found = code(&module, name, &values).await;
        assert!(
            found == 0 || (9_010..9_020).contains(&found),
            "{name}: {found}"
        );
        assert_eq!(code(&module, name, &named).await, found, "{name} by name");
    }
}

#[tokio::test]
async fn bad_arguments_should_be_refused_with_the_codes_of_the_guide() {
    let module = module();
    let alice = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY";
    let unknown = json!(Hash::repeat_byte(8));
    let cases = [
        ("arena_task", json!([0]), 9_010),
        ("arena_result", json!([u32::MAX, 0]), 9_010),
        ("arena_position", json!([{"task": 5}, alice]), 9_010),
        ("arena_challenge", json!([0]), 9_012),
        (
            "arena_yields",
            json!([
                "network",
                "5C4hrfjw9DjXZTzV3MwzrrAr9P1MJhSrvWGWqi1eSuyUpnhM",
                0,
                1
            ]),
            9_013,
        ),
        ("arena_tasks", json!([0, 101]), 9_015),
        ("arena_positions", json!(["network", null, 0]), 9_015),
        ("arena_tasks", json!([1, 1]), 9_016),
        ("arena_parameters", json!([unknown]), 9_002),
        ("arena_task", json!([-1]), -32_602),
        ("arena_task", json!([4_294_967_296_u64]), -32_602),
        ("arena_task", json!([]), -32_602),
        ("arena_duties", json!(["Alice"]), -32_602),
        ("arena_duties", json!([7]), -32_602),
        ("arena_position", json!(["nowhere", alice]), -32_602),
        ("arena_tasks", json!([0, 1, "Sleeping"]), -32_602),
        ("arena_parameters", json!(["0x12"]), -32_602),
        ("arena_nothing", json!([]), -32_601),
    ];
    for (method, params, wanted) in cases {
        assert_eq!(
            code(&module, method, &params).await,
            wanted,
            "{method} {params}"
        );
    }
    assert_eq!(code(&module, "arena_tasks", &json!([0, 1])).await, 0);
    assert_eq!(
        code(&module, "arena_tasks", &json!([0, 100, null, GENESIS])).await,
        0
    );
}

#[tokio::test]
async fn wrong_addresses_should_be_told_what_is_wrong() {
    let module = module();
    let wrong = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQZ";
    let refused = module.call::<_, Value>("arena_duties", [wrong]).await;
    let Err(MethodsError::JsonRpc(error)) = refused else {
        panic!("{refused:?}");
    };
    let data = error.data().map(ToString::to_string).unwrap_or_default();
    assert!(data.contains("Invalid checksum"), "{data}");
}

#[tokio::test]
async fn subscriptions_should_be_bounded_and_free_their_place() {
    let module = module();
    let mut open = Vec::new();
    for _ in 0..MAX_SUBSCRIPTIONS {
        open.push(
            module
                .subscribe_unbounded("arena_subscribeTasks", [(); 0])
                .await
                .unwrap(),
        );
    }
    let refused = module
        .subscribe_unbounded("arena_subscribeRounds", [0])
        .await;
    let Err(MethodsError::JsonRpc(error)) = refused else {
        panic!("one too many was taken");
    };
    assert_eq!(error.code(), Problem::TooManySubscriptions.code());
    let subscription = open.pop().unwrap();
    drop(subscription);
    // Freed by the task that served it.
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
        let again = module
            .subscribe_unbounded("arena_subscribeRounds", [0])
            .await;
        if again.is_ok() {
            return;
        }
    }
    panic!("the place was not freed");
}
