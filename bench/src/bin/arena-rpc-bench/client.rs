//! JSON-RPC over one HTTP connection that is kept.

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::Duration;

/// One node's RPC.
pub(crate) struct Client {
    url: String,
    agent: ureq::Agent,
}

impl Client {
    pub(crate) fn new(port: u16) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .proxy(None)
            .build()
            .into();
        Client {
            url: format!("http://127.0.0.1:{port}"),
            agent,
        }
    }

    fn ask(&self, method: &str, params: &Value) -> Result<String> {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut response = self
            .agent
            .post(&self.url)
            .header("Content-Type", "application/json")
            .send(request.to_string())?;
        Ok(response.body_mut().read_to_string()?)
    }

    /// Calls a method; how long its answer is.
    pub(crate) fn call(&self, method: &str, params: &Value) -> Result<usize> {
        let body = self.ask(method, params)?;
        if body.contains("\"error\":") {
            bail!("{method} {params}: {body}");
        }
        Ok(body.len())
    }

    /// Calls a method; its answer.
    pub(crate) fn answer(&self, method: &str, params: &Value) -> Result<Value> {
        let mut answer: Value = serde_json::from_str(&self.ask(method, params)?)?;
        let result = answer.get_mut("result").map(Value::take);
        result.with_context(|| format!("{method} {params}: {answer}"))
    }
}
