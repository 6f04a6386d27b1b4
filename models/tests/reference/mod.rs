//! Fixtures of `scripts/parity/generate.py`, and the losses that the reference implementation
//! gives their samples.
#![allow(dead_code, reason = "each test file takes what it needs")]

use arena_models::{Device, EvalOptions, Limits, Metric, Profile, SampleLoss, Sink, evaluate};
use serde::Deserialize;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// `expected.json` of a fixture.
#[derive(Deserialize)]
pub(crate) struct Expected {
    pub(crate) family: String,
    /// Directory of the model or adapter, from that of the fixture.
    pub(crate) model: PathBuf,
    /// Directory of an adapter's base, from that of the fixture.
    pub(crate) base: Option<PathBuf>,
    pub(crate) metric: String,
    pub(crate) runs: Vec<Run>,
}

/// A data file, and what the reference makes of its samples.
#[derive(Deserialize)]
pub(crate) struct Run {
    pub(crate) data: String,
    pub(crate) context: usize,
    pub(crate) nll: f64,
    pub(crate) samples: Vec<Sample>,
}

#[derive(Deserialize)]
pub(crate) struct Sample {
    pub(crate) nll: f64,
    pub(crate) tokens: u32,
    pub(crate) bytes: u32,
    pub(crate) correct: Option<bool>,
}

/// Keeps all losses.
#[derive(Default)]
struct Losses(Vec<SampleLoss>);

impl Sink for Losses {
    fn start(&mut self, _total: usize) -> Vec<SampleLoss> {
        Vec::new()
    }
    fn sample(&mut self, loss: &SampleLoss) {
        self.0.push(*loss);
    }
}

/// Names and expectations of all fixtures below `root`.
pub(crate) fn fixtures(root: &Path) -> Vec<(String, Expected)> {
    let mut found: Vec<(String, Expected)> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("expected.json").is_file())
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let bytes = fs::read(path.join("expected.json")).unwrap();
            (name, serde_json::from_slice(&bytes).unwrap())
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

/// Losses of a run's samples, in the data's order.
pub(crate) fn losses(
    folder: &Path,
    expected: &Expected,
    run: &Run,
    (profile, device): (Profile, Device),
    batch: usize,
) -> Result<Vec<SampleLoss>, String> {
    let options = EvalOptions {
        metric: match expected.metric.as_str() {
            "accuracy" => Metric::Accuracy,
            _ => Metric::BitsPerByte,
        },
        samples: 0,
        seed: [0; 32],
        context: run.context,
        batch_tokens: match batch {
            1 => 1,
            _ => batch * run.context,
        },
        profile,
        device,
        base: expected.base.as_ref().map(|base| folder.join(base)),
        limits: Limits::unlimited(),
    };
    let data = folder.join("../data").join(&run.data);
    let mut sink = Losses::default();
    evaluate(&folder.join(&expected.model), &data, &options, &mut sink)
        .map_err(|error| error.to_string())?;
    sink.0.sort_by_key(|loss| loss.index);
    Ok(sink.0)
}

/// Relative difference; a sample with nothing to predict has a loss of 0 on both sides.
pub(crate) fn relative(found: f64, expected: f64) -> f64 {
    if expected == 0.0 {
        return found.abs();
    }
    (found - expected).abs() / expected.abs()
}
