//! Accuracy of classifiers.

mod common;

use arena_models::{Fault, Metric, SampleLoss, Sink, evaluate};
use common::{Model, Noise, cnn, mlp, options, rows};

#[derive(Default)]
struct Keep(Vec<SampleLoss>);

impl Sink for Keep {
    fn start(&mut self, _: usize) -> Vec<SampleLoss> {
        vec![]
    }
    fn sample(&mut self, loss: &SampleLoss) {
        self.0.push(*loss);
    }
}

fn expect(model: &Model, data: &[(Vec<f32>, u32)], logits: &[Vec<f64>]) {
    let dir = model.in_dir();
    let path = rows(dir.path(), data);
    let mut correct = 0;
    for batch_tokens in [1, 16] {
        let options = arena_models::EvalOptions {
            batch_tokens,
            ..options(Metric::Accuracy)
        };
        let mut keep = Keep::default();
        let found = evaluate(dir.path(), &path, &options, &mut keep).unwrap();
        correct = 0;
        for ((loss, logits), (_, label)) in keep.0.iter().zip(logits).zip(data) {
            let label = *label as usize;
            let nll = logits.iter().map(|l| l.exp()).sum::<f64>().ln() - logits[label];
            assert!((loss.nll - nll).abs() < 1e-5, "{} {nll}", loss.nll);
            assert_eq!(loss.correct, logits.iter().all(|l| *l <= logits[label]));
            correct += u64::from(loss.correct);
        }
        assert_eq!(found.raw, correct * 1_000_000_000 / data.len() as u64);
        assert_eq!((found.tokens, found.bytes), (data.len() as u64, 0));
    }
    assert!(correct > 0, "a test with no sample right shows little");
}

#[test]
fn mlp_should_equal_plain_loops() {
    let model = mlp();
    let mut noise = Noise(5);
    let data: Vec<_> = (0..20).map(|i| (noise.values(3, 2.0), i % 2)).collect();
    let tensor = |name: &str| &model.tensors[name].1;
    let linear = |x: &[f64], layer: usize| -> Vec<f64> {
        tensor(&format!("layers.{layer}.weight"))
            .chunks(x.len())
            .zip(tensor(&format!("layers.{layer}.bias")))
            .map(|(row, bias)| {
                row.iter()
                    .zip(x)
                    .map(|(w, x)| f64::from(*w) * x)
                    .sum::<f64>()
                    + f64::from(*bias)
            })
            .collect()
    };
    let logits: Vec<Vec<f64>> = data
        .iter()
        .map(|(features, _)| {
            let x: Vec<f64> = features.iter().map(|v| f64::from(*v)).collect();
            let hidden: Vec<f64> = linear(&x, 0).iter().map(|v| v.tanh()).collect();
            linear(&hidden, 2)
        })
        .collect();
    expect(&model, &data, &logits);
}

#[test]
fn cnn_should_equal_plain_loops() {
    let mut noise = Noise(9);
    let model = cnn(&mut noise);
    let data: Vec<_> = (0..12).map(|i| (noise.values(16, 2.0), i % 3)).collect();
    let value = |name: &str, i: usize| f64::from(model.tensors[name].1[i]);
    let pooled = |x: &[f32], channel: usize| {
        let mut best = 0.0f64;
        for (row, column) in [(0, 0), (0, 2), (2, 0), (2, 2)] {
            let mut sum = value("layers.0.bias", channel);
            for i in 0..9 {
                let (r, c) = (row + i / 3, column + i % 3);
                if (1..5).contains(&r) && (1..5).contains(&c) {
                    let pixel = f64::from(x[(r - 1) * 4 + c - 1]);
                    sum += pixel * value("layers.0.weight", channel * 9 + i);
                }
            }
            best = best.max(sum);
        }
        best
    };
    let logits: Vec<Vec<f64>> = data
        .iter()
        .map(|(x, _)| {
            (0..3)
                .map(|label| {
                    (0..2)
                        .map(|c| pooled(x, c) * value("layers.4.weight", label * 2 + c))
                        .sum::<f64>()
                        + value("layers.4.bias", label)
                })
                .collect()
        })
        .collect();
    expect(&model, &data, &logits);
}

#[test]
fn data_that_do_not_fit_should_be_told_apart() {
    let dir = mlp().in_dir();
    let with = |data: &[(Vec<f32>, u32)], metric| {
        let path = rows(dir.path(), data);
        evaluate(dir.path(), &path, &options(metric), &mut ())
    };
    let row = (vec![1.0, 2.0, 3.0], 0);
    let error = with(&[(vec![1.0], 0)], Metric::Accuracy).unwrap_err();
    assert_eq!(error.fault, Fault::Config, "{error}");
    let error = with(&[row.clone(), (vec![1.0], 0)], Metric::Accuracy).unwrap_err();
    assert_eq!(error.fault, Fault::Data, "{error}");
    let error = with(std::slice::from_ref(&row), Metric::BitsPerByte).unwrap_err();
    assert_eq!(error.fault, Fault::Architecture, "{error}");
    let unknown = with(&[(vec![1.0, 2.0, 3.0], 9)], Metric::Accuracy).unwrap();
    assert_eq!(
        unknown.raw, 0,
        "a label that the model doesn't know is never right"
    );
}
