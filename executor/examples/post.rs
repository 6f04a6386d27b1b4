//! Posts an evaluation to a running executor, as a node does, and waits for its outcome:
//! `post ADDRESS TOKEN_FILE MODEL_DIR DATA_FILE [DEADLINE_SECONDS]`.
//!
//! Prints JSON with the seconds from the posting to the first samples scored and to the outcome.
//! The executor must read `file://` mirrors; the model's directory gets its `manifest.scale`. A
//! job with another deadline is another job.

use anyhow::{Context, Result, bail};
use arena_primitives::job::*;
use codec::{Decode, Encode};
use std::{
    fs,
    path::Path,
    thread,
    time::{Duration, Instant},
};

const CONTEXT: u32 = 1024;
const SECONDS: u32 = 3_600;
const POLL: Duration = Duration::from_millis(2);

fn request(model: &Path, data: &Path, deadline_seconds: u32) -> Result<JobRequest> {
    let uri = |path: &Path| {
        let path = fs::canonicalize(path)?;
        anyhow::Ok(vec![format!("file://{}", path.display())])
    };
    let manifest = arena_models::Manifest::of_dir(model)?;
    fs::write(model.join("manifest.scale"), manifest.encode())?;
    let bytes = fs::read(data)?;
    let evaluate = Evaluate {
        model: Artifact {
            manifest_root: manifest.root().into(),
            uris: uri(model)?,
        },
        base: None,
        data: Data {
            blake3: *blake3::hash(&bytes).as_bytes(),
            bytes: bytes.len() as u64,
            uris: uri(data)?,
            samples: 0,
            seed: [0; 32],
        },
        metric: Metric::BitsPerByte,
        profile: NumericProfile::F32,
        limits: Limits {
            architectures: vec![Architecture::Llama],
            max_parameters: u64::MAX,
            max_bytes: u64::MAX,
            max_seconds: SECONDS,
            context: CONTEXT,
            tokenizer: None,
        },
    };
    Ok(JobRequest {
        version: WIRE_VERSION,
        deadline_seconds,
        kind: JobKind::Evaluate(evaluate),
        others: Vec::new(),
    })
}

/// Posts the job and asks until it has ended; with the seconds until samples were scored.
fn outcome(address: &str, token: &str, request: &JobRequest) -> Result<(Evaluated, Option<f64>)> {
    let started = Instant::now();
    let mut first = None;
    let agent: ureq::Agent = ureq::Agent::config_builder().proxy(None).build().into();
    let bearer = format!("Bearer {token}");
    agent
        .post(format!("http://{address}/jobs"))
        .header("Authorization", &bearer)
        .send(&request.encode()[..])?;
    let url = format!("http://{address}/jobs/{}", hex::encode(request.id()));
    loop {
        let mut answer = agent.get(&url).header("Authorization", &bearer).call()?;
        let body = answer.body_mut().read_to_vec()?;
        match JobStatus::decode(&mut &body[..])? {
            JobStatus::Done(Outcome::Evaluated(found)) => return Ok((found, first)),
            JobStatus::Done(other) => bail!("an outcome of another kind: {other:?}"),
            JobStatus::Failed(fault) => bail!("the job failed: {fault:?}"),
            JobStatus::Running { done, .. } if done > 0 && first.is_none() => {
                first = Some(started.elapsed().as_secs_f64());
            }
            JobStatus::Queued | JobStatus::Running { .. } => thread::sleep(POLL),
        }
    }
}

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (address, token, model, data, deadline) = match &args[..] {
        [address, token, model, data] => (address, token, model, data, SECONDS),
        [address, token, model, data, deadline] => (address, token, model, data, deadline.parse()?),
        _ => bail!("usage: post ADDRESS TOKEN_FILE MODEL_DIR DATA_FILE [DEADLINE_SECONDS]"),
    };
    let token = fs::read_to_string(token).with_context(|| token.clone())?;
    let request = request(Path::new(model), Path::new(data), deadline)?;
    let started = Instant::now();
    let (found, first) = outcome(address, token.trim(), &request)?;
    let seconds = started.elapsed().as_secs_f64();
    let out = serde_json::json!({
        "seconds": seconds, "first_seconds": first, "raw": found.raw, "tokens": found.tokens,
        "computing_seconds": found.millis as f64 / 1e3,
    });
    println!("{out}");
    Ok(())
}
