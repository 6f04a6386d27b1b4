//! Refuses chain specifications from which no chain could start.

use codec::Decode;
use serde_json::Value;
use sp_core::hexdisplay::HexDisplay;
use sp_io::hashing::twox_128;
use std::collections::{BTreeMap, BTreeSet};

/// Key of the runtime's code in a raw specification.
const CODE: &str = "0x3a636f6465";
const NO_CODE: &str = "it has no runtime: write a complete one, with export-chain-spec or \
                       scripts/chain-specs.sh";

/// Says what is wrong with a specification's authors and accounts, and what to change.
pub(crate) fn check(spec: &Value) -> Result<(), String> {
    if let Some(top) = spec.pointer("/genesis/raw/top") {
        return check_raw(top);
    }
    let runtime = spec
        .pointer("/genesis/runtimeGenesis")
        .ok_or("there is neither `genesis.raw.top` nor `genesis.runtimeGenesis` in it")?;
    runtime.get("code").ok_or(NO_CODE)?;
    let config = ["patch", "config"]
        .iter()
        .find_map(|name| runtime.get(name))
        .ok_or("`genesis.runtimeGenesis` has neither `patch` nor `config`")?;
    once("balances.balances", &firsts(config, "/balances/balances"))?;
    let authors = firsts(config, "/arenaStaking/network");
    if authors.is_empty() {
        return Err(
            "`arenaStaking.network` is empty, so that nobody could author a block: add the \
             authors with their stakes"
                .into(),
        );
    }
    once("arenaStaking.network", &authors)?;
    let owners = firsts(config, "/session/keys");
    once("session.keys", &owners)?;
    if let Some(author) = authors.iter().find(|author| !owners.contains(author)) {
        return Err(format!(
            "{author} of `arenaStaking.network` has no keys in `session.keys`: add them"
        ));
    }
    share_no_key(config)
}

/// The first fields of the rows at a place.
fn firsts<'a>(config: &'a Value, place: &str) -> Vec<&'a str> {
    rows(config, place)
        .filter_map(|row| row.get(0)?.as_str())
        .collect()
}

fn rows<'a>(config: &'a Value, place: &str) -> impl Iterator<Item = &'a Value> {
    let rows = config.pointer(place).and_then(Value::as_array);
    rows.into_iter().flatten()
}

fn once(place: &str, accounts: &[&str]) -> Result<(), String> {
    let mut seen = BTreeSet::new();
    match accounts.iter().find(|account| !seen.insert(**account)) {
        Some(account) => Err(format!(
            "{account} is in `{place}` twice: leave one of its rows"
        )),
        None => Ok(()),
    }
}

fn share_no_key(config: &Value) -> Result<(), String> {
    let mut holders: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for row in rows(config, "/session/keys") {
        let owner = row.get(0).and_then(Value::as_str).unwrap_or_default();
        let keys = row.get(2).and_then(Value::as_object);
        for (kind, key) in keys.into_iter().flatten() {
            let key = key.as_str().unwrap_or_default();
            if let Some(other) = holders.insert((kind, key), owner) {
                return Err(format!(
                    "{other} and {owner} share the `{kind}` key {key} in `session.keys`: give \
                     each author keys of its own"
                ));
            }
        }
    }
    Ok(())
}

fn check_raw(top: &Value) -> Result<(), String> {
    if top.get(CODE).is_none() {
        return Err(NO_CODE.into());
    }
    ["Babe", "Grandpa"]
        .iter()
        .try_for_each(|pallet| raw_authorities(top, pallet))
}

fn raw_authorities(top: &Value, pallet: &str) -> Result<(), String> {
    let prefix = [twox_128(pallet.as_bytes()), twox_128(b"Authorities")].concat();
    let key = format!("0x{}", HexDisplay::from(&prefix));
    let stored = top.get(&key).and_then(Value::as_str).unwrap_or("0x00");
    let bytes = sp_core::bytes::from_hex(stored).map_err(|e| format!("{key}: {e}"))?;
    let authorities = Vec::<([u8; 32], u64)>::decode(&mut &bytes[..])
        .map_err(|e| format!("the authorities of {pallet} at {key} can't be read: {e}"))?;
    if authorities.is_empty() {
        return Err(format!(
            "{pallet} has no authorities, so that no chain could start: write it again from a \
             specification with authors"
        ));
    }
    let distinct: BTreeSet<_> = authorities.iter().map(|(key, _)| key).collect();
    if distinct.len() < authorities.len() {
        return Err(format!(
            "two authorities of {pallet} have one key: write it again from a specification in \
             which each author has keys of its own"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use codec::Encode;
    use serde_json::json;

    fn plain() -> Value {
        let keys = |babe: &str, grandpa: &str| json!({"babe": babe, "grandpa": grandpa});
        json!({"genesis": {"runtimeGenesis": {"code": "0x00", "patch": {
            "balances": {"balances": [["a", 1], ["b", 1]]},
            "arenaStaking": {"network": [["a", 5], ["b", 5]]},
            "session": {"keys": [["a", "a", keys("1", "2")], ["b", "b", keys("3", "4")]]},
        }}}})
    }

    fn changed(place: &str, value: Value) -> Value {
        let mut spec = plain();
        let place = format!("/genesis/runtimeGenesis/patch{place}");
        *spec.pointer_mut(&place).expect("is there") = value;
        spec
    }

    #[test]
    fn check_should_take_distinct_authors_with_keys() {
        assert_eq!(check(&plain()), Ok(()));
    }

    #[test]
    fn check_should_name_what_nobody_could_start_from() {
        let refusals = [
            (changed("/arenaStaking/network", json!([])), "is empty"),
            (
                changed("/session/keys", json!([])),
                "a of `arenaStaking.network` has no keys",
            ),
            (
                changed("/session/keys/1/0", json!("a")),
                "a is in `session.keys` twice",
            ),
            (
                changed("/arenaStaking/network/0/0", json!("b")),
                "b is in `arenaStaking.network`",
            ),
            (
                changed("/balances/balances/1/0", json!("a")),
                "a is in `balances.balances` twice",
            ),
            (
                changed("/session/keys/1/2/babe", json!("1")),
                "a and b share the `babe` key 1",
            ),
            (
                json!({"genesis": {"runtimeGenesis": {}}}),
                "it has no runtime",
            ),
            (
                json!({"genesis": {"runtimeGenesis": {"code": "0x00"}}}),
                "neither `patch` nor `config`",
            ),
            (json!({}), "neither `genesis.raw.top` nor"),
        ];
        for (spec, wanted) in refusals {
            let refusal = check(&spec).expect_err(wanted);
            assert!(refusal.contains(wanted), "{refusal}");
        }
    }

    fn raw(babe: &[([u8; 32], u64)], grandpa: &[([u8; 32], u64)]) -> Value {
        let key = |pallet: &str| {
            let prefix = [twox_128(pallet.as_bytes()), twox_128(b"Authorities")].concat();
            format!("0x{}", HexDisplay::from(&prefix))
        };
        let value = |keys: &[_]| format!("0x{}", HexDisplay::from(&keys.encode()));
        let top = json!({
            CODE: "0x00", key("Babe"): value(babe), key("Grandpa"): value(grandpa),
        });
        json!({"genesis": {"raw": {"top": top}}})
    }

    #[test]
    fn check_should_look_at_the_authorities_of_a_raw_specification() {
        let (one, two) = (([1; 32], 1), ([2; 32], 1));
        assert_eq!(check(&raw(&[one, two], &[one, two])), Ok(()));
        let refusals = [
            (raw(&[], &[one]), "Babe has no authorities"),
            (raw(&[one], &[]), "Grandpa has no authorities"),
            (
                raw(&[one, two], &[one, one]),
                "two authorities of Grandpa have one key",
            ),
            (
                json!({"genesis": {"raw": {"top": {}}}}),
                "it has no runtime",
            ),
        ];
        for (spec, wanted) in refusals {
            let refusal = check(&spec).expect_err(wanted);
            assert!(refusal.contains(wanted), "{refusal}");
        }
    }
}
