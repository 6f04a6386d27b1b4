//! Losses of every family on an NVIDIA device, against the reference implementation's and those
//! of the CPU. `ARENA_DEVICE` names the device, `cuda:0` where it is not set;
//! `scripts/cuda-check.sh` runs this where there is one.

mod common;
mod reference;

use arena_models::{Device, EvalOptions, Evaluation, Metric, Profile, SampleLoss, evaluate};
use common::{classifiers, options};
use reference::{Expected, Run, fixtures, losses, relative};
use std::path::Path;

/// Of a sample's loss in f32, relative to the reference's. A CPU is held to 1e-5; a card sums in
/// an order of its own, and has exponentials of its own.
const F32: f64 = 1e-4;
/// Of all losses of a run in bf16, relative to the CPU's, which rounds the weights and nothing
/// else.
const BF16: f64 = 1e-2;

fn device() -> Device {
    let name = std::env::var("ARENA_DEVICE").unwrap_or("cuda:0".into());
    name.parse().unwrap()
}

fn sum(losses: &[SampleLoss]) -> f64 {
    losses.iter().map(|loss| loss.nll).sum()
}

/// The largest error of a sample in f32, and that of the sum in bf16.
fn errors(folder: &Path, expected: &Expected, run: &Run, device: Device) -> (f64, f64) {
    let find =
        |profile, device, batch| losses(folder, expected, run, (profile, device), batch).unwrap();
    let mut largest = 0f64;
    for batch in [1, 64] {
        let found = find(Profile::F32, device, batch);
        assert_eq!(found.len(), run.samples.len());
        for (loss, sample) in found.iter().zip(&run.samples) {
            let counts = (loss.tokens, loss.bytes);
            assert_eq!(counts, (sample.tokens, sample.bytes));
            largest = largest.max(relative(loss.nll, sample.nll));
        }
    }
    let theirs = sum(&find(Profile::Bf16, device, 64));
    let ours = sum(&find(Profile::Bf16, Device::Cpu, 64));
    (largest, relative(theirs, ours))
}

#[test]
#[ignore = "takes an NVIDIA device and a build with CUDA: scripts/cuda-check.sh"]
fn losses_on_a_device_should_be_those_of_the_reference() {
    let device = device();
    println!("on {}", device.describe().unwrap());
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut wrong = Vec::new();
    for (name, expected) in fixtures(&root) {
        for run in &expected.runs {
            let (f32, bf16) = errors(&root.join(&name), &expected, run, device);
            println!(
                "{name}, {}: f32 {f32:.1e}, sum in bf16 {bf16:.1e}",
                run.data
            );
            if !(f32 < F32 && bf16 < BF16) {
                wrong.push(format!("{name}, {}", run.data));
            }
        }
    }
    assert!(wrong.is_empty(), "too far apart: {wrong:?}");
}

#[test]
#[ignore = "takes an NVIDIA device and a build with CUDA: scripts/cuda-check.sh"]
fn classifiers_on_a_device_should_give_the_losses_of_the_cpu() {
    let device = device();
    for (dir, data) in classifiers() {
        for profile in [Profile::F32, Profile::Bf16] {
            let find = |device| -> Evaluation {
                let options = EvalOptions {
                    profile,
                    device,
                    ..options(Metric::Accuracy)
                };
                evaluate(dir.path(), &data, &options, &mut ()).unwrap()
            };
            let (ours, theirs) = (find(Device::Cpu), find(device));
            assert_eq!(theirs.raw, ours.raw, "{profile}");
            assert!(relative(theirs.nll_nats, ours.nll_nats) < F32, "{profile}");
        }
    }
}
