//! Floods over WebSocket: subscriptions beyond the bound, and readers that don't read.

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use tokio_tungstenite::{connect_async, tungstenite::Message};

/// How long an answer may take.
const WITHIN: Duration = Duration::from_secs(20);
/// What the node answers to one subscription too many.
const TOO_MANY: i64 = 9_020;

/// What came of a flood.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Flood {
    /// Connections that were made.
    pub connections: u32,
    /// Connections that the node refused.
    pub refused: u32,
    /// Subscriptions that were taken.
    pub taken: u32,
    /// Subscriptions that were refused by name.
    pub too_many: u32,
}

/// Opens connections, and on each of them subscriptions, all held until the end.
pub async fn flood(url: &str, connections: u32, each: u32) -> Result<Flood> {
    let mut found = Flood::default();
    let mut open = Vec::new();
    for _ in 0..connections {
        let Ok((socket, _)) = connect_async(url).await else {
            found.refused += 1;
            continue;
        };
        found.connections += 1;
        open.push(socket);
    }
    for socket in &mut open {
        for id in 0..each {
            let method = ["arena_subscribeTasks", "arena_subscribeRounds"][id as usize % 2];
            let request = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": []});
            socket.send(Message::text(request.to_string())).await?;
        }
        let mut answers = 0;
        while answers < each {
            let message = timeout(WITHIN, socket.next()).await;
            let message = message.context("a subscription was not answered")?;
            let text = message
                .context("the node closed a connection")??
                .into_text()?;
            let answer: Value = serde_json::from_str(&text)?;
            if answer.get("id").is_none() {
                continue;
            }
            answers += 1;
            match answer.pointer("/error/code").and_then(Value::as_i64) {
                None => found.taken += 1,
                Some(TOO_MANY) => found.too_many += 1,
                Some(_) => bail!("an answer of no known kind: {answer}"),
            }
        }
    }
    Ok(found)
}
