//! Whole models by what is composed of candle's operations for a device, run on a CPU: what
//! differs on a card is its own kernels, and nothing of what is here.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/reference/mod.rs"]
mod reference;

use crate::{Device, EvalOptions, Evaluation, Metric, Profile, evaluate, kernels::COMPOSED};
use common::{classifiers, options};
use reference::{fixtures, losses, relative};
use std::path::Path;

/// Of a sample's loss in f32, relative to the reference's.
const F32: f64 = 1e-5;
/// Of all losses of a run in bf16, relative to those of our own kernels, which round the weights
/// and nothing else.
const BF16: f64 = 5e-3;

/// Runs `f` with all operations composed.
fn composed<T>(f: impl FnOnce() -> T) -> T {
    COMPOSED.set(true);
    let found = f();
    COMPOSED.set(false);
    found
}

#[test]
fn composed_models_should_give_the_reference_losses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let cpu = |profile| (profile, Device::Cpu);
    let (mut samples, mut largest, mut apart) = (0, 0f64, 0f64);
    for (name, expected) in fixtures(&root) {
        let folder = root.join(&name);
        for run in &expected.runs {
            let find = |profile| losses(&folder, &expected, run, cpu(profile), 64).unwrap();
            let found = composed(|| find(Profile::F32));
            assert_eq!(found.len(), run.samples.len(), "{name}");
            for (loss, sample) in found.iter().zip(&run.samples) {
                let error = relative(loss.nll, sample.nll);
                assert!(error < F32, "{name}: {} {}", loss.nll, sample.nll);
                assert_eq!((loss.tokens, loss.bytes), (sample.tokens, sample.bytes));
                largest = largest.max(error);
                samples += 1;
            }
            let sum = |losses: Vec<crate::SampleLoss>| -> f64 {
                losses.iter().map(|loss| loss.nll).sum()
            };
            let (ours, theirs) = (find(Profile::Bf16), composed(|| find(Profile::Bf16)));
            let (ours, theirs) = (sum(ours), sum(theirs));
            apart = apart.max(relative(theirs, ours));
            assert!(relative(theirs, ours) < BF16, "{name}: {theirs} {ours}");
            assert_ne!(theirs, ours, "{name}: nothing was composed");
        }
    }
    println!("{samples} samples: f32 {largest:.1e}, sums in bf16 {apart:.1e}");
    assert!(samples > 100);
}

#[test]
fn composed_classifiers_should_give_the_kernels_losses() {
    for (dir, data) in classifiers() {
        for profile in [Profile::F32, Profile::Bf16] {
            let options = EvalOptions {
                profile,
                ..options(Metric::Accuracy)
            };
            let find = || -> Evaluation { evaluate(dir.path(), &data, &options, &mut ()).unwrap() };
            let (ours, theirs) = (find(), composed(find));
            assert_eq!(theirs.raw, ours.raw);
            // Both compute in f32 what is rounded in the same way.
            assert!(relative(theirs.nll_nats, ours.nll_nats) < 1e-5);
        }
    }
}
