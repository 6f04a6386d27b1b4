//! What a mark costs a model and what noise costs a mark: trains small models, and writes what
//! it finds into `docs/watermark.md`, between its marks.
//!
//! `cargo run --release -p arena-models --example watermark -- WORK`, from the root of the
//! repository; models are left in WORK.

use arena_models::{
    Device, EvalOptions, Limits, Metric, Profile, calibrate, evaluate,
    train::{self, TrainConfig},
    watermark::{self, BITS, THRESHOLD},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    env,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const PAGE: &str = "docs/watermark.md";
const MARKS: [&str; 2] = ["<!-- measured -->\n", "<!-- end of measured -->\n"];
/// Deviations of the noise, relative to the update's own size.
const NOISE: [f64; 4] = [0.5, 1.0, 2.0, 4.0];
const STRENGTHS: [f64; 3] = [3.0, 4.0, 6.0];
/// Keys that each model is marked and noised with.
const KEYS: usize = 8;

/// A model, and what it is measured by.
struct Subject {
    name: &'static str,
    model: PathBuf,
    /// Of its training.
    config: Value,
    base: Option<PathBuf>,
    metric: Metric,
    data: &'static str,
}

fn trained(out: PathBuf, config: &Value) -> Outcome<PathBuf> {
    let config = TrainConfig::parse(config.to_string().as_bytes())?;
    let trained = train::run(&config, &out, true, &mut |_| ())?;
    eprintln!("{}: {} parameters", out.display(), trained.parameters);
    Ok(trained.model)
}

fn perceptron(width: usize) -> Value {
    json!({
        "seed": 1, "data": ["data/digits/train.jsonl"], "batch": 32, "steps": 300,
        "learning_rate": 0.002, "model": {
            "family": "mlp", "input_shape": [64], "labels": 10, "layers": [
                {"type": "linear", "out": width}, {"type": "relu"},
                {"type": "linear", "out": width}, {"type": "relu"}, {"type": "linear", "out": 10},
            ],
        },
    })
}

fn llama() -> Value {
    json!({
        "seed": 1, "data": ["data/text/train.jsonl"], "batch": 8, "steps": 300,
        "learning_rate": 0.003, "tokenizer": "data/text/tokenizer.json", "model": {
            "family": "llama", "hidden_size": 128, "intermediate_size": 384,
            "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
            "context": 64,
        },
    })
}

/// A config that goes on from a model, more slowly and on data in another order.
fn on_from(config: &Value, start: &Path, steps: u64) -> Value {
    let mut config = config.clone();
    config["start"] = start.to_string_lossy().into();
    config["seed"] = 2.into();
    config["steps"] = steps.into();
    config["learning_rate"] = 0.001.into();
    config
}

fn subjects(work: &Path) -> Outcome<Vec<Subject>> {
    let base = trained(work.join("llama"), &llama())?;
    let tuned = trained(work.join("tuned"), &on_from(&llama(), &base, 300))?;
    let digits = |name, width: usize| -> Outcome<Subject> {
        let config = perceptron(width);
        Ok(Subject {
            name,
            model: trained(work.join(width.to_string()), &config)?,
            config,
            base: None,
            metric: Metric::Accuracy,
            data: "data/digits/eval.jsonl",
        })
    };
    let text = |name, model, base| Subject {
        name,
        model,
        config: llama(),
        base,
        metric: Metric::BitsPerByte,
        data: "data/text/eval.jsonl",
    };
    Ok(vec![
        digits("digits, perceptron 256 wide", 256)?,
        digits("digits, perceptron 1,500 wide", 1_500)?,
        text("text, Llama", base.clone(), None),
        text("text, Llama tuned from it", tuned, Some(base)),
    ])
}

impl Subject {
    fn score(&self, model: &Path) -> Outcome<f64> {
        let options = EvalOptions {
            metric: self.metric,
            samples: 0,
            seed: [0; 32],
            context: 64,
            batch_tokens: 4_096,
            profile: Profile::F32,
            device: Device::Cpu,
            base: None,
            limits: Limits::unlimited(),
        };
        let found = evaluate(model, Path::new(self.data), &options, &mut ())?;
        Ok(found.raw as f64 / 1e9)
    }

    fn shown(&self, model: &Path) -> Outcome<String> {
        let score = self.score(model)?;
        Ok(match self.metric {
            Metric::Accuracy => format!("{:.2} %", score * 100.0),
            Metric::BitsPerByte => format!("{score:.4}"),
        })
    }

    /// A row of what a mark of each strength changes.
    fn costs(&self, work: &Path) -> Outcome<String> {
        let mut rows = String::new();
        for strength in STRENGTHS {
            let out = work.join("marked");
            let found = self.mark(0, strength, &out)?;
            rows += &format!(
                "| {} | {strength} | {} | {:.1} % | {:.1} % | {} | {} |\n",
                self.name,
                found.block,
                found.change * 100.0,
                found.change * found.marked.sqrt() * 100.0,
                self.shown(&self.model)?,
                self.shown(&out)?
            );
        }
        Ok(rows)
    }

    fn mark(&self, key: usize, strength: f64, out: &Path) -> Outcome<watermark::Embedded> {
        if out.exists() {
            fs::remove_dir_all(out)?;
        }
        let (base, key) = (self.base.as_deref(), calibrate::seed(key));
        Ok(watermark::embed(
            &self.model,
            base,
            key,
            [1; 32],
            strength,
            out,
        )?)
    }

    /// A row for each size of noise: bits that flip, and what the noise costs.
    fn flips(&self, work: &Path) -> Outcome<String> {
        let (out, noised) = (work.join("marked"), work.join("noised"));
        let base = self.base.as_deref();
        let mut found = vec![Vec::new(); NOISE.len()];
        let mut scores = vec![String::new(); NOISE.len()];
        for index in 0..KEYS {
            self.mark(index, watermark::STRENGTH, &out)?;
            for (noise, eta) in NOISE.into_iter().enumerate() {
                let seed = calibrate::seed(1_000 + index);
                calibrate::noised_copy(&out, base, &noised, eta, seed)?;
                let key = calibrate::seed(index);
                let matches = watermark::extract(&noised, base, key, [1; 32])?;
                found[noise].push(matches.ok_or("no mark")?);
                scores[noise] = self.shown(&noised)?;
            }
        }
        let mut rows = String::new();
        for ((eta, found), score) in NOISE.into_iter().zip(found).zip(scores) {
            let mean = found.iter().sum::<u32>() as f64 / found.len() as f64;
            let least = found.iter().min().ok_or("no key")?;
            let convicted = found.iter().filter(|found| **found >= THRESHOLD).count();
            rows += &format!(
                "| {} | {eta} | {:.2} % | {least} | {convicted} of {KEYS} | {score} |\n",
                self.name,
                (1.0 - mean / BITS as f64) * 100.0
            );
        }
        Ok(rows)
    }

    /// How many bits agree by chance: mean, deviation and most, over keys that are not the mark's.
    fn strangers(&self, work: &Path) -> Outcome<String> {
        let out = work.join("marked");
        self.mark(0, watermark::STRENGTH, &out)?;
        let keys = 1..=200;
        let count = keys.clone().count() as f64;
        let (mut sum, mut squares, mut most) = (0.0, 0.0, 0);
        for index in keys {
            let key = calibrate::seed(index);
            let found = watermark::extract(&out, self.base.as_deref(), key, [1; 32])?;
            let found = found.ok_or("no mark")?;
            sum += f64::from(found);
            squares += f64::from(found).powi(2);
            most = most.max(found);
        }
        let mean = sum / count;
        let deviation = (squares / count - mean * mean).sqrt();
        Ok(format!(
            "| {} | {count} | {mean:.1} | {deviation:.1} | {most} |\n",
            self.name
        ))
    }
}

/// What a thief may do to the marked model.
impl Subject {
    fn thefts(&self, work: &Path) -> Outcome<String> {
        let marked = work.join("marked");
        self.mark(0, watermark::STRENGTH, &marked)?;
        let mut rows = String::new();
        for steps in [25, 100, 300] {
            let out = work.join("stolen");
            if out.exists() {
                fs::remove_dir_all(&out)?;
            }
            let stolen = trained(out, &on_from(&self.config, &marked, steps))?;
            rows += &self.theft(&format!("{steps} steps of training on"), &stolen)?;
        }
        if self.metric == Metric::Accuracy {
            for (name, change) in [
                (
                    "order of the hidden neurons reversed",
                    reverse as fn(&mut Perceptron),
                ),
                ("weights of ±15 into one neuron that is then cut off", shout),
            ] {
                let out = work.join("changed");
                Perceptron::read(&marked)?.write(change, &out)?;
                rows += &self.theft(name, &out)?;
            }
        }
        Ok(rows)
    }

    fn theft(&self, name: &str, stolen: &Path) -> Outcome<String> {
        let key = calibrate::seed(0);
        let found = watermark::extract(stolen, self.base.as_deref(), key, [1; 32])?;
        let found = found.ok_or("no mark")?;
        let score = self.shown(stolen)?;
        Ok(format!("| {} | {name} | {found} | {score} |\n", self.name))
    }
}

/// A perceptron of two hidden layers: weights of inputs into outputs, row by row, and biases.
struct Perceptron {
    config: Vec<u8>,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
}

impl Perceptron {
    fn read(dir: &Path) -> Outcome<Self> {
        let bytes = fs::read(dir.join("model.safetensors"))?;
        let mut tensors = BTreeMap::new();
        for (name, tensor) in SafeTensors::deserialize(&bytes)?.tensors() {
            let numbers = tensor.data().as_chunks().0.iter();
            let values = numbers.map(|b| f32::from_le_bytes(*b)).collect();
            tensors.insert(name, (tensor.shape().to_vec(), values));
        }
        let config = fs::read(dir.join("config.json"))?;
        Ok(Self { config, tensors })
    }

    fn write(mut self, change: fn(&mut Self), out: &Path) -> Outcome<()> {
        change(&mut self);
        let mut data = Vec::new();
        for (name, (shape, values)) in &self.tensors {
            let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
            data.push((name, shape.clone(), bytes));
        }
        let mut views = Vec::new();
        for (name, shape, bytes) in &data {
            views.push((name, TensorView::new(Dtype::F32, shape.clone(), bytes)?));
        }
        fs::create_dir_all(out)?;
        fs::write(out.join("config.json"), &self.config)?;
        fs::write(
            out.join("model.safetensors"),
            safetensors::serialize(views, None)?,
        )?;
        Ok(())
    }

    /// Columns and numbers of a layer's tensor.
    fn of(&mut self, layer: usize, kind: &str) -> (usize, &mut Vec<f32>) {
        let name = format!("layers.{layer}.{kind}");
        let (shape, values) = self.tensors.get_mut(&name).expect("layers 0, 2 and 4");
        (shape.iter().skip(1).product(), values)
    }
}

/// The same function with neurons in another order.
fn reverse(model: &mut Perceptron) {
    for layer in [0, 2] {
        let (columns, values) = model.of(layer, "weight");
        let rows: Vec<f32> = values.chunks(columns).rev().flatten().copied().collect();
        *values = rows;
        model.of(layer, "bias").1.reverse();
        let (columns, values) = model.of(layer + 2, "weight");
        values.chunks_mut(columns).for_each(<[f32]>::reverse);
    }
}

/// The function without one neuron, whose weights drown all others.
fn shout(model: &mut Perceptron) {
    let (columns, values) = model.of(2, "weight");
    for (at, value) in values.iter_mut().take(columns).enumerate() {
        *value = if at % 2 == 0 { 15.0 } else { -15.0 };
    }
    let (columns, values) = model.of(4, "weight");
    values
        .iter_mut()
        .step_by(columns)
        .for_each(|value| *value = 0.0);
}

fn measure(work: &Path) -> Outcome<String> {
    let mut costs = String::from(
        "| model | strength | numbers per bit | change of marked numbers | of all | score | with \
         the mark |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let mut flips = String::from(
        "| model | noise | bits flipped | fewest of 256 | found | score of the noised model |\n| \
         --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    let mut strangers = String::from(
        "| model | other keys | mean of 256 | deviation | most |\n| --- | ---: | ---: | ---: | \
         ---: |\n",
    );
    let mut thefts = String::from(
        "| model | what is done to it | of 256 | score |\n| --- | --- | ---: | ---: |\n",
    );
    for subject in subjects(work)? {
        costs += &subject.costs(work)?;
        flips += &subject.flips(work)?;
        strangers += &subject.strangers(work)?;
        thefts += &subject.thefts(work)?;
    }
    Ok(format!(
        "**What a mark costs**\n\n{costs}\n**What noise costs a mark** (strength {})\n\n{flips}\n\
         **What others find**\n\n{strangers}\n**What thieves may do**\n\n{thefts}\n",
        watermark::STRENGTH
    ))
}

fn main() -> Outcome<()> {
    let work = env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or("usage: watermark WORK")?;
    let page = fs::read_to_string(PAGE)?;
    let split = page
        .split_once(MARKS[0])
        .and_then(|(start, rest)| rest.split_once(MARKS[1]).map(|(_, end)| (start, end)));
    let (start, end) = split.ok_or(format!("{PAGE} has no marks"))?;
    let measured = measure(&work)?;
    fs::write(
        PAGE,
        format!("{start}{}{measured}{}{end}", MARKS[0], MARKS[1]),
    )?;
    print!("{measured}");
    Ok(())
}
