//! JSON-RPC of a node, over HTTP.

use crate::poll;
use anyhow::{Context, Result, anyhow};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// One node's RPC.
#[derive(Clone, Debug)]
pub struct Rpc {
    url: String,
    agent: ureq::Agent,
}

/// One task, as `arena_task` answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Task {
    /// Its number.
    pub id: u32,
    /// For people.
    pub name: String,
    /// Where it stands.
    pub phase: String,
    /// The round that takes submissions or stake.
    pub open_round: Option<u32>,
    /// The last settled round.
    pub last_settled: Option<u32>,
    /// Live rounds.
    #[serde(default)]
    pub live: Vec<LiveRound>,
}

/// A live round.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LiveRound {
    /// Its number.
    pub round: u32,
    /// First blocks of its windows.
    pub schedule: BTreeMap<String, u32>,
    /// Where it stands.
    pub phase: String,
}

/// A settled round, as `arena_result` answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoundResult {
    /// Settled in this block.
    pub settled_at: u32,
    /// Why nothing was paid.
    pub unpaid: Option<String>,
    /// Its models.
    pub models: Vec<Model>,
}

/// A model in a settled round.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// Whose.
    pub trainer: String,
    /// Which.
    pub manifest_root: String,
    /// `"Scored"`, `{"Invalid": reason}` or `{"Skipped": reason}`.
    pub status: Value,
    /// In the metric's unit.
    pub raw: Option<u64>,
}

#[derive(Deserialize)]
struct TasksPage {
    tasks: Vec<Task>,
}

#[derive(Deserialize)]
struct Position {
    owed: String,
}

impl Rpc {
    /// The RPC on this port of this machine.
    pub fn new(port: u16) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .proxy(None)
            .build()
            .into();
        Self {
            url: format!("http://127.0.0.1:{port}"),
            agent,
        }
    }

    /// Calls a method.
    pub fn call<T: DeserializeOwned>(&self, method: &str, params: Value) -> Result<T> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut response = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json")
            .send(request.to_string())
            .with_context(|| format!("{method}: no answer from {}", self.url))?;
        let body = response.body_mut().read_to_string()?;
        let mut answer: Value =
            serde_json::from_str(&body).with_context(|| format!("{method}: {body}"))?;
        if let Some(error) = answer.get("error") {
            return Err(anyhow!("{method}: {error}"));
        }
        let result = answer.get_mut("result").map_or(Value::Null, Value::take);
        serde_json::from_value(result).with_context(|| format!("{method}: unexpected answer"))
    }

    /// What the node answers to any bytes.
    pub fn raw(&self, body: &[u8]) -> Result<String> {
        let mut response = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json")
            .send(body)?;
        Ok(response.body_mut().read_to_string()?)
    }

    /// Number of the best block.
    pub fn best_block(&self) -> Result<u32> {
        number(&self.call::<Value>("chain_getHeader", json!([]))?)
    }

    /// Number of the last finalized block.
    pub fn finalized_block(&self) -> Result<u32> {
        let hash: String = self.call("chain_getFinalizedHead", json!([]))?;
        number(&self.call::<Value>("chain_getHeader", json!([hash]))?)
    }

    /// How many peers the node has.
    pub fn peers(&self) -> Result<u64> {
        let health: Value = self.call("system_health", json!([]))?;
        health
            .get("peers")
            .and_then(Value::as_u64)
            .context("system_health without peers")
    }

    /// The first hundred tasks.
    pub fn tasks(&self) -> Result<Vec<Task>> {
        let page: TasksPage = self.call("arena_tasks", json!([0, 100]))?;
        Ok(page.tasks)
    }

    /// One task.
    pub fn task(&self, id: u32) -> Result<Task> {
        self.call("arena_task", json!([id]))
    }

    /// A settled round.
    pub fn result(&self, task: u32, round: u32) -> Result<Option<RoundResult>> {
        self.call("arena_result", json!([task, round]))
    }

    /// What an operator has to claim, in base units.
    pub fn owed_to_operator(&self, venue: &Value, operator: &str) -> Result<u128> {
        let position: Option<Position> = self.call("arena_position", json!([venue, operator]))?;
        Ok(position
            .map(|position| position.owed.parse())
            .transpose()?
            .unwrap_or_default())
    }

    /// What a delegator has to claim, in base units.
    pub fn owed_to_delegator(&self, venue: &Value, operator: &str, who: &str) -> Result<u128> {
        let earned: Value = self.call("arena_delegatorEarnings", json!([venue, operator, who]))?;
        let owed = earned.get("owed").and_then(Value::as_str);
        Ok(owed
            .context("arena_delegatorEarnings without owed")?
            .parse()?)
    }

    /// Length of a slot in milliseconds.
    pub fn slot_millis(&self) -> Result<u64> {
        let time: Value = self.call("arena_time", json!([]))?;
        time.get("slotMillis")
            .and_then(Value::as_u64)
            .context("arena_time without slotMillis")
    }

    /// The slot that a block was authored in.
    pub fn slot(&self, block: u32) -> Result<u64> {
        let hash: Option<String> = self.call("chain_getBlockHash", json!([block]))?;
        let hash = hash.with_context(|| format!("no block {block}"))?;
        let header: Value = self.call("chain_getHeader", json!([hash]))?;
        let logs = header.pointer("/digest/logs").and_then(Value::as_array);
        logs.into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .find_map(babe_slot)
            .with_context(|| format!("block {block} names no slot"))
    }

    /// Waits until a block of this number is the best one.
    pub fn wait_for_block(&self, block: u32, within: Duration) -> Result<()> {
        poll::until(&format!("block {block}"), within, || {
            Ok(self
                .best_block()
                .ok()
                .filter(|best| *best >= block)
                .map(|_| ()))
        })
    }
}

fn number(header: &Value) -> Result<u32> {
    let text = header
        .get("number")
        .and_then(Value::as_str)
        .context("a header without number")?;
    Ok(u32::from_str_radix(text.trim_start_matches("0x"), 16)?)
}

/// The slot in a pre-runtime digest of BABE: after the engine's name and the length come the
/// kind of slot, the author's index, and the slot.
fn babe_slot(log: &str) -> Option<u64> {
    let payload = hex::decode(log.strip_prefix("0x0642414245")?).ok()?;
    let prefix = match payload.first()? & 3 {
        0 => 1,
        1 => 2,
        _ => 4,
    };
    let slot = payload.get(prefix + 5..prefix + 13)?;
    Some(u64::from_le_bytes(slot.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn babe_slot_should_read_short_and_long_digests_and_nothing_else() {
        let content = "0200000000".to_owned() + "0807060504030201";
        let short = format!("0x0642414245{}{content}", "34");
        let long = format!("0x0642414245{}{content}{}", "b501", "00".repeat(96));
        assert_eq!(babe_slot(&short), Some(0x0102_0304_0506_0708));
        assert_eq!(babe_slot(&long), Some(0x0102_0304_0506_0708));
        assert_eq!(babe_slot("0x0561757261"), None);
    }
}
