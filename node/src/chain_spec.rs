//! Chain specifications from the runtime's presets.

use crate::genesis;
use arena_runtime::{WASM_BINARY, genesis_config_presets::PRODUCTION_LIKE_PRESET};
use sc_service::{ChainType, GenericChainSpec, Properties};
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET};

/// A specification as this node reads it.
pub(crate) type ChainSpec = GenericChainSpec;

fn properties() -> Properties {
    let mut properties = Properties::new();
    properties.insert("tokenSymbol".into(), "ARENA".into());
    properties.insert("tokenDecimals".into(), 12.into());
    properties.insert("ss58Format".into(), 42.into());
    properties
}

/// The specification of this name, or the one in this file.
pub(crate) fn load(id: &str) -> Result<ChainSpec, String> {
    let (name, spec_id, kind, preset) = match id {
        "dev" | "development" => (
            "AIArena Development",
            "arena_dev",
            ChainType::Development,
            DEV_RUNTIME_PRESET,
        ),
        "" | "local" => (
            "AIArena Local",
            "arena_local",
            ChainType::Local,
            LOCAL_TESTNET_RUNTIME_PRESET,
        ),
        "production-like" => (
            "AIArena Production-like",
            "arena_production",
            ChainType::Live,
            PRODUCTION_LIKE_PRESET,
        ),
        path => return from_file(path),
    };
    Ok(ChainSpec::builder(runtime(WASM_BINARY)?, None)
        .with_name(name)
        .with_id(spec_id)
        .with_chain_type(kind)
        .with_protocol_id("arena")
        .with_properties(properties())
        .with_genesis_config_preset_name(preset)
        .build())
}

/// The specification in a file, if a chain could start from it.
fn from_file(path: &str) -> Result<ChainSpec, String> {
    let json = std::fs::read(path).map_err(|e| e.to_string());
    json.and_then(|json| serde_json::from_slice(&json).map_err(|e| e.to_string()))
        .and_then(|json| genesis::check(&json))
        .map_err(|why| format!("can't use the chain specification {path}: {why}"))?;
    ChainSpec::from_json_file(path.into())
}

/// The runtime that this node was built with, if it was.
fn runtime(wasm: Option<&[u8]>) -> Result<&[u8], &'static str> {
    wasm.ok_or(
        "this node was built without a runtime (SKIP_WASM_BUILD): build it again without that \
         variable, or name a chain specification file",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_without_a_runtime_should_say_how_to_get_one() {
        assert_eq!(runtime(Some(b"wasm")), Ok(&b"wasm"[..]));
        let refusal = runtime(None).unwrap_err();
        for wanted in ["SKIP_WASM_BUILD", "build it again", "chain specification"] {
            assert!(refusal.contains(wanted), "{refusal}");
        }
        for name in ["dev", "local", "production-like"] {
            let loaded = load(name).map(|_| ()).map_err(|why| why == refusal);
            let expected = WASM_BINARY.map(|_| ()).ok_or(true);
            assert_eq!(loaded, expected, "{name}");
        }
    }

    #[test]
    fn load_should_name_a_file_that_nobody_could_start_from() {
        let file = std::env::temp_dir().join(format!("arena-spec-{}.json", std::process::id()));
        let spec = r#"{"name": "n", "id": "i", "bootNodes": [], "genesis":
            {"runtimeGenesis": {"code": "0x00", "patch": {}}}}"#;
        std::fs::write(&file, spec).expect("writes");
        let path = file.display().to_string();
        let refusal = load(&path).err();
        std::fs::remove_file(&file).expect("removes");
        let wanted = format!("can't use the chain specification {path}: `arenaStaking.network`");
        assert!(refusal.is_some_and(|text| text.starts_with(&wanted)));
    }

    #[test]
    fn load_should_name_a_file_that_it_cannot_read() {
        let refusal = load("/nowhere/spec.json").err();
        assert!(refusal.is_some_and(|text| text.contains("/nowhere/spec.json")));
    }
}
