//! How far apart sketches are: trains small models from one base, and writes what it finds
//! into `docs/sketch.md` (between its marks) and `docs/sketch.svg`.
//!
//! `cargo run --release -p arena-models --example sketch -- WORK`, from the root of the
//! repository; models are left in WORK.

use arena_models::{
    calibrate::{self, CHANCES, Calibration, Class, THRESHOLDS},
    sketch,
    train::{self, TrainConfig},
};
use serde_json::{Value, json};
use std::{
    env,
    error::Error,
    f64::consts::PI,
    fs,
    path::{Path, PathBuf},
};

type Outcome<T> = Result<T, Box<dyn Error>>;

const SEEDS: usize = 64;
const MODELS: u64 = 6;
const PAGE: &str = "docs/sketch.md";
const PLOT: &str = "docs/sketch.svg";
const MARKS: [&str; 2] = ["<!-- measured -->\n", "<!-- end of measured -->\n"];

/// A base and what is trained from it.
struct Family {
    name: &'static str,
    config: Value,
    /// Steps of the base, and of each model from it.
    steps: [u64; 2],
}

fn families() -> [Family; 2] {
    let digits = json!({
        "seed": 0, "data": ["data/digits/train.jsonl"], "batch": 32, "learning_rate": 0.003,
        "model": {
            "family": "mlp", "input_shape": [64], "labels": 10,
            "layers": [
                {"type": "linear", "out": 64}, {"type": "relu"}, {"type": "linear", "out": 64},
                {"type": "relu"}, {"type": "linear", "out": 10},
            ],
        },
    });
    let text = json!({
        "seed": 0, "data": ["data/text/train.jsonl"], "batch": 8, "learning_rate": 0.003,
        "tokenizer": "data/text/tokenizer.json",
        "model": {
            "family": "llama", "hidden_size": 64, "intermediate_size": 192,
            "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
            "context": 64,
        },
    });
    [
        Family {
            name: "digits, perceptron",
            config: digits,
            steps: [60, 150],
        },
        Family {
            name: "text, Llama",
            config: text,
            steps: [200, 150],
        },
    ]
}

impl Family {
    /// Trains in `out` with `changes` to the config; a finished training is kept.
    fn train(&self, out: PathBuf, changes: Value) -> Outcome<PathBuf> {
        let mut config = self.config.clone();
        for (key, value) in changes.as_object().into_iter().flatten() {
            config[key] = value.clone();
        }
        let config = TrainConfig::parse(config.to_string().as_bytes())?;
        let trained = train::run(&config, &out, true, &mut |_| ())?;
        eprintln!("{}: {} parameters", out.display(), trained.parameters);
        Ok(trained.model)
    }

    fn base(&self, work: &Path) -> Outcome<PathBuf> {
        let changes = json!({"steps": self.steps[0], "data_fraction": 0.5});
        self.train(work.join("base"), changes)
    }

    /// Models of seeds of their own, on `fraction` of the data.
    fn models(&self, work: &Path, base: &Path, fraction: f64) -> Outcome<Vec<PathBuf>> {
        (1..=MODELS)
            .map(|seed| {
                let changes = json!({
                    "seed": seed, "start": base, "data_fraction": fraction,
                    "steps": self.steps[1], "learning_rate": 0.001,
                });
                self.train(work.join(format!("{fraction}-{seed}")), changes)
            })
            .collect()
    }

    /// What somebody makes of another's model by training it on.
    fn trained_on(&self, work: &Path, base: &Path, model: &Path, steps: u64) -> Outcome<Class> {
        let changes = json!({"seed": 99, "start": model, "steps": steps, "learning_rate": 0.001});
        let copy = self.train(work.join(format!("on-{steps}")), changes)?;
        let mut distances = Vec::new();
        for index in 0..SEEDS {
            let of = |dir: &Path| sketch::sketch(dir, Some(base), calibrate::seed(index));
            distances.push(sketch::distance(&of(model)?, &of(&copy)?));
        }
        Ok(Class {
            name: format!("copy, steps trained on: {steps}"),
            distances,
        })
    }

    /// Distances of all kinds of pairs, and what thresholds follow.
    fn measure(&self, work: &Path) -> Outcome<(Vec<Class>, String)> {
        let base = self.base(work)?;
        let halves = self.models(work, &base, 0.5)?;
        let wholes = self.models(work, &base, 1.0)?;
        let by_halves = compare(&halves, Some(&base), work)?;
        let by_wholes = compare(&wholes, Some(&base), work)?;
        let unrelated = compare(&self.unrelated(work)?, None, work)?;
        let mut classes = by_halves.copies.clone();
        for steps in [1, 5, 25] {
            classes.push(self.trained_on(work, &base, &halves[0], steps)?);
        }
        let (order, half) = (
            "independent, same data in another order",
            "independent, half of the data each",
        );
        let mut advice = String::new();
        for (name, found) in [(order, by_wholes), (half, by_halves)] {
            advice += &suggestion(name, &found);
            let class = found.independent();
            classes.push(Class {
                name: name.into(),
                ..class
            });
        }
        let name = "no base, other initial weights".into();
        classes.push(Class {
            name,
            ..unrelated.independent()
        });
        Ok((classes, advice))
    }

    fn unrelated(&self, work: &Path) -> Outcome<Vec<PathBuf>> {
        (1..=2)
            .map(|seed| {
                let changes = json!({"seed": 100 + seed, "steps": self.steps[0]});
                self.train(work.join(format!("unrelated-{seed}")), changes)
            })
            .collect()
    }
}

fn compare(models: &[PathBuf], base: Option<&Path>, work: &Path) -> Outcome<Calibration> {
    let models: Vec<&Path> = models.iter().map(PathBuf::as_path).collect();
    Ok(calibrate::calibrate(
        &models,
        base,
        SEEDS,
        work,
        &mut |_, _| (),
    )?)
}

/// Thresholds that the closest of independent models get below by chance alone.
fn suggestion(name: &str, found: &Calibration) -> String {
    let bits = |chance| {
        found
            .threshold(chance)
            .map_or("none".into(), |t| t.to_string())
    };
    let [matches, flags] = CHANCES;
    let closest = found.closest().map_or(0.0, Class::mean);
    format!(
        "Suggested where models are {name} (closest pair: {closest:.1} bits): match {}, flag {}.\n\n",
        bits(matches),
        bits(flags)
    )
}

/// What coins say of updates at a known angle.
fn expected() -> String {
    let [low, high] = THRESHOLDS;
    let mut text = format!(
        "| updates | cosine | mean | ≤ {low} | ≤ {high} |\n| --- | ---: | ---: | ---: | ---: |\n"
    );
    let noise = calibrate::NOISE.map(|eta| (format!("noise {eta}"), eta.atan().cos()));
    let given = [0.98, 0.95, 0.9, 0.8, 0.6, 0.4, 0.0].map(|c| ("given".to_owned(), c));
    for (name, cosine) in noise.into_iter().chain(given) {
        let differs = cosine.acos() / PI;
        let share = |threshold| percent(calibrate::tail(differs, threshold));
        let mean = differs * sketch::BITS as f64;
        text += &format!(
            "| {name} | {cosine:.3} | {mean:.1} | {} | {} |\n",
            share(low),
            share(high)
        );
    }
    text
}

fn percent(share: f64) -> String {
    if share < 1e-4 {
        format!("{share:.0e}")
    } else {
        format!("{:.2} %", share * 100.0)
    }
}

const LEFT: f64 = 270.0;
const SCALE: f64 = 3.6;
const ROW: f64 = 30.0;
const BITS_SHOWN: u32 = 160;

/// One line of bars per class: how often each distance was found.
fn plot(panels: &[(&str, Vec<Class>)]) -> String {
    let x = |bits: f64| LEFT + bits * SCALE;
    let rows: usize = panels.iter().map(|(_, classes)| classes.len() + 2).sum();
    let (width, height) = (x(f64::from(BITS_SHOWN)) + 20.0, rows as f64 * ROW + 30.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    let mut y = 0.0;
    for (name, classes) in panels {
        y += ROW;
        svg += &format!("<text x=\"8\" y=\"{y}\" font-weight=\"bold\">{name}</text>\n");
        let bottom = y + ROW * classes.len() as f64 + 4.0;
        for threshold in THRESHOLDS {
            let at = x(f64::from(threshold) + 0.5);
            svg += &format!(
                "<line x1=\"{at}\" x2=\"{at}\" y1=\"{y}\" y2=\"{bottom}\" stroke=\"#c33\" \
                 stroke-dasharray=\"4 3\"/>\n<text x=\"{at}\" y=\"{}\" fill=\"#c33\" \
                 text-anchor=\"middle\">{threshold}</text>\n",
                y - 4.0
            );
        }
        for class in classes {
            y += ROW;
            svg += &bars(class, y, &x);
        }
        for bits in (0..=BITS_SHOWN).step_by(20) {
            svg += &format!(
                "<text x=\"{}\" y=\"{}\" fill=\"#666\" text-anchor=\"middle\">{bits}</text>\n",
                x(f64::from(bits)),
                y + 18.0
            );
        }
        y += ROW;
    }
    svg += &format!(
        "<text x=\"{}\" y=\"{}\" fill=\"#666\" text-anchor=\"middle\">bits that differ, of 256</text>\n</svg>\n",
        x(f64::from(BITS_SHOWN) / 2.0),
        height - 8.0
    );
    svg
}

fn bars(class: &Class, y: f64, x: &dyn Fn(f64) -> f64) -> String {
    let mut svg = format!(
        "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n",
        LEFT - 8.0,
        y - 4.0,
        class.name
    );
    let count = |bits: u32| {
        class
            .distances
            .iter()
            .filter(|d| **d / 2 == bits / 2)
            .count()
    };
    let most = (0..=BITS_SHOWN).map(count).max().unwrap_or(0).max(1) as f64;
    for bits in (0..=BITS_SHOWN).step_by(2).filter(|bits| count(*bits) > 0) {
        let tall = (ROW - 6.0) * count(bits) as f64 / most;
        svg += &format!(
            "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" fill=\"#36c\"/>\n",
            x(f64::from(bits)),
            y - tall,
            2.0 * SCALE - 0.8
        );
    }
    svg
}

fn main() -> Outcome<()> {
    let work = env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or("usage: sketch WORK")?;
    let page = fs::read_to_string(PAGE)?;
    let split = page
        .split_once(MARKS[0])
        .and_then(|(start, rest)| rest.split_once(MARKS[1]).map(|(_, end)| (start, end)));
    let (start, end) = split.ok_or(format!("{PAGE} has no marks"))?;
    let mut measured = String::new();
    let mut panels = Vec::new();
    for (index, family) in families().iter().enumerate() {
        let (classes, advice) = family.measure(&work.join(index.to_string()))?;
        let table = calibrate::table(&classes, THRESHOLDS);
        measured += &format!("**{}**\n\n{table}\n{advice}", family.name);
        panels.push((family.name, classes));
    }
    measured += &format!("**Coins**\n\n{}\n", expected());
    fs::write(PLOT, plot(&panels))?;
    fs::write(
        PAGE,
        format!("{start}{}{measured}{}{end}", MARKS[0], MARKS[1]),
    )?;
    print!("{measured}");
    Ok(())
}
