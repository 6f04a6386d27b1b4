//! Messages of a node's subscription, gathered while something else happens.

use anyhow::{Context, Result, bail};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Sender, channel},
    },
    thread,
    time::Duration,
};
use tokio_tungstenite::{connect_async, tungstenite::Message};

const WITHIN: Duration = Duration::from_secs(30);

/// A subscription, followed until the node ends it.
pub struct Messages {
    found: Arc<Mutex<Vec<Value>>>,
}

impl Messages {
    /// Subscribes, and returns when the node has agreed.
    pub fn follow(url: &str, method: &'static str, params: Value) -> Result<Self> {
        let found = Arc::new(Mutex::new(Vec::new()));
        let (agreed, told) = channel();
        thread::spawn({
            let (found, url) = (found.clone(), url.to_owned());
            move || {
                let runtime = tokio::runtime::Runtime::new()?;
                runtime.block_on(gather(&url, method, params, &agreed, &found))
            }
        });
        told.recv_timeout(WITHIN)
            .with_context(|| format!("{method}: no answer from {url}"))?;
        Ok(Messages { found })
    }

    /// What has come so far.
    pub fn so_far(&self) -> Vec<Value> {
        let found = self.found.lock();
        found.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn gather(
    url: &str,
    method: &str,
    params: Value,
    agreed: &Sender<()>,
    found: &Mutex<Vec<Value>>,
) -> Result<()> {
    let (mut socket, _) = connect_async(url).await?;
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    socket.send(Message::text(request.to_string())).await?;
    while let Some(message) = socket.next().await {
        let message = message?;
        // A node asks now and then whether anybody is there; that is answered by itself.
        if !message.is_text() {
            continue;
        }
        let message: Value = serde_json::from_str(&message.into_text()?)?;
        if message.get("id").is_some() {
            if message.get("error").is_some() {
                bail!("{method}: {message}");
            }
            agreed.send(())?;
        } else if let Some(result) = message.pointer("/params/result") {
            let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
            found.push(result.clone());
        }
    }
    Ok(())
}
