//! How far apart, in bits of their sketches, a task's independent models are, and copies of
//! them with noise: what the task's thresholds are chosen by.

use crate::{
    Fault, ModelError,
    inspect::{self, CONFIG, TOKENIZER, WEIGHTS},
    is_adapter, lora,
    sketch::{
        self, Adapter, BITS, Seed,
        source::{self, PART, Stored},
    },
    train::init::normal,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs::{self, File},
    io::{BufWriter, Write as _},
    path::Path,
};

/// Noise of the copies, relative to the update.
pub const NOISE: [f64; 4] = [0.1, 0.25, 0.5, 1.0];
/// Default thresholds of a match and of a flag; those of `arena_math::sketch`.
pub const THRESHOLDS: [u32; 2] = [13, 38];
/// How often the closest independent pair may match, and be flagged, by chance.
pub const CHANCES: [f64; 2] = [1e-9, 1e-6];

/// Distances of pairs that are alike in the same way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Class {
    /// What the pairs are.
    pub name: String,
    /// One per pair and seed; in bits.
    pub distances: Vec<u32>,
}

impl Class {
    /// Mean distance; 0 of none.
    pub fn mean(&self) -> f64 {
        self.average(f64::from)
    }

    /// Standard deviation of the distances.
    pub fn deviation(&self) -> f64 {
        let mean = self.mean();
        self.average(|d| (f64::from(d) - mean).powi(2)).sqrt()
    }

    /// Share of the distances that are at most `threshold`.
    pub fn share_up_to(&self, threshold: u32) -> f64 {
        self.average(|d| f64::from(u8::from(d <= threshold)))
    }

    fn average(&self, value: impl Fn(u32) -> f64) -> f64 {
        let sum: f64 = self.distances.iter().map(|d| value(*d)).sum();
        sum / self.distances.len().max(1) as f64
    }
}

/// What [`calibrate`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calibration {
    /// Models against their own copies, one class per [`NOISE`].
    pub copies: Vec<Class>,
    /// Models against each other, one class per pair.
    pub pairs: Vec<Class>,
}

impl Calibration {
    /// All pairs of independent models in one class.
    pub fn independent(&self) -> Class {
        Class {
            name: "independent models".into(),
            distances: self
                .pairs
                .iter()
                .flat_map(|c| c.distances.clone())
                .collect(),
        }
    }

    /// The pair of independent models that is most alike.
    pub fn closest(&self) -> Option<&Class> {
        self.pairs
            .iter()
            .min_by(|a, b| a.mean().total_cmp(&b.mean()))
    }

    /// The largest threshold below which the closest pair of independent models falls at most
    /// with `chance`, each bit being a coin of its own. `None` if there is no such threshold.
    pub fn threshold(&self, chance: f64) -> Option<u32> {
        let differs = self.closest()?.mean() / BITS as f64;
        (0..BITS as u32)
            .take_while(|t| tail(differs, *t) <= chance)
            .last()
    }
}

/// Probability that at most `threshold` of 256 bits differ, if each does with `differs`.
pub fn tail(differs: f64, threshold: u32) -> f64 {
    if differs <= 0.0 {
        return 1.0;
    }
    let same = (1.0 - differs).max(1e-300);
    let mut term = same.ln() * BITS as f64;
    let mut sum = term.exp();
    for k in 1..=threshold.min(BITS as u32) {
        let left = BITS as f64 - f64::from(k) + 1.0;
        term += (left / f64::from(k) * differs / same).ln();
        sum += term.exp();
    }
    sum.min(1.0)
}

/// Seed number `index` of a calibration.
pub fn seed(index: usize) -> Seed {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"arena/calibrate/1");
    hasher.update(&(index as u64).to_le_bytes());
    *hasher.finalize().as_bytes()
}

/// Sketches `models`, all made apart from each other, and noised copies of them under `seeds`
/// seeds. Copies are written below `scratch`, one at a time. `progress` gets the sketches
/// done and their number.
pub fn calibrate(
    models: &[&Path],
    base: Option<&Path>,
    seeds: usize,
    scratch: &Path,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Calibration, ModelError> {
    let total = models.len() * seeds * (1 + NOISE.len());
    let mut done = 0;
    let mut sketches = |dir: &Path| -> Result<Vec<[u8; 32]>, ModelError> {
        let one = |index| {
            let sketch = sketch::sketch(dir, base, seed(index))?;
            done += 1;
            progress(done, total);
            Ok(sketch)
        };
        (0..seeds).map(one).collect()
    };
    let mut originals = Vec::new();
    let mut copies: Vec<Class> = NOISE
        .iter()
        .map(|eta| class(format!("copy, noise {eta}")))
        .collect();
    for (index, model) in models.iter().enumerate() {
        let original = sketches(model)?;
        for (noise, (eta, class)) in NOISE.iter().zip(&mut copies).enumerate() {
            let copy = scratch.join("copy");
            noised_copy(model, base, &copy, *eta, seed(index * NOISE.len() + noise))?;
            class
                .distances
                .extend(distances(&original, &sketches(&copy)?));
            fs::remove_dir_all(&copy).map_err(|e| ModelError::io(&copy, &e))?;
        }
        originals.push(original);
    }
    let mut pairs = Vec::new();
    for (i, a) in originals.iter().enumerate() {
        for (j, b) in originals.iter().enumerate().skip(i + 1) {
            let mut pair = class(format!("models {} and {}", i + 1, j + 1));
            pair.distances = distances(a, b);
            pairs.push(pair);
        }
    }
    Ok(Calibration { copies, pairs })
}

fn class(name: String) -> Class {
    Class {
        name,
        distances: Vec::new(),
    }
}

fn distances(a: &[[u8; 32]], b: &[[u8; 32]]) -> Vec<u32> {
    a.iter()
        .zip(b)
        .map(|(a, b)| sketch::distance(a, b))
        .collect()
}

/// Writes to `out` a copy of `dir` with Gaussian noise of `eta` times the root mean square of
/// the update on every matrix, so that the updates are at an angle of atan(eta). Each factor
/// of an adapter gets eta/√2 of its own.
pub fn noised_copy(
    dir: &Path,
    base: Option<&Path>,
    out: &Path,
    eta: f64,
    seed: Seed,
) -> Result<(), ModelError> {
    fs::create_dir_all(out).map_err(|e| ModelError::io(out, &e))?;
    let copy = |name: &str| {
        let path = dir.join(name);
        match path.exists() {
            true => fs::copy(&path, out.join(name))
                .map(drop)
                .map_err(|e| ModelError::io(&path, &e)),
            false => Ok(()),
        }
    };
    if is_adapter(dir) {
        Adapter::read(dir)?;
        let tensors = source::open(&[lora::read_header(dir)?])?;
        copy(lora::CONFIG)?;
        return write_noised(
            &tensors,
            None,
            &out.join(lora::WEIGHTS),
            eta / 2f64.sqrt(),
            seed,
        );
    }
    let open = |dir: &Path| {
        let checked = inspect::check(dir, None, &crate::Limits::unlimited())?;
        source::of(&checked)
    };
    let base = base
        .map(|base| open(base).map_err(sketch::blame_base))
        .transpose()?;
    copy(CONFIG)?;
    copy(TOKENIZER)?;
    write_noised(&open(dir)?, base.as_ref(), &out.join(WEIGHTS), eta, seed)
}

fn write_noised(
    tensors: &BTreeMap<String, Stored>,
    base: Option<&BTreeMap<String, Stored>>,
    path: &Path,
    eta: f64,
    seed: Seed,
) -> Result<(), ModelError> {
    let io = |e: std::io::Error| ModelError::io(path, &e);
    let mut rng = ChaCha20Rng::from_seed(seed);
    let mut file = BufWriter::new(File::create(path).map_err(io)?);
    file.write_all(&head(tensors)).map_err(io)?;
    for (name, tensor) in tensors {
        let before = base.and_then(|base| base.get(name));
        let deviation = match tensor.shape.len() {
            0 | 1 => 0.0,
            _ => eta * root_mean_square(tensor, before)?,
        };
        for (from, count) in parts(tensor) {
            for value in tensor.read(from, count)? {
                let noised = match deviation > 0.0 {
                    true => (f64::from(value) + deviation * normal(&mut rng)) as f32,
                    false => value,
                };
                file.write_all(&noised.to_le_bytes()).map_err(io)?;
            }
        }
    }
    file.flush().map_err(io)
}

/// Length and JSON of a safetensors file of these tensors in f32, in order of name.
fn head(tensors: &BTreeMap<String, Stored>) -> Vec<u8> {
    let mut json = serde_json::Map::new();
    let mut end = 0;
    for (name, tensor) in tensors {
        let start = end;
        end += 4 * tensor.len();
        let info = serde_json::json!({
            "dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end],
        });
        json.insert(name.clone(), info);
    }
    let json = serde_json::Value::Object(json).to_string();
    let mut head = (json.len() as u64).to_le_bytes().to_vec();
    head.extend(json.into_bytes());
    head
}

fn parts(tensor: &Stored) -> impl Iterator<Item = (usize, usize)> {
    let length = tensor.len();
    (0..length)
        .step_by(PART)
        .map(move |from| (from, PART.min(length - from)))
}

fn root_mean_square(tensor: &Stored, before: Option<&Stored>) -> Result<f64, ModelError> {
    let mut squares = 0.0;
    for (from, count) in parts(tensor) {
        let old = match before {
            Some(before) if before.shape != tensor.shape => {
                let detail = "a tensor has another shape in the base";
                return Err(ModelError::new(Fault::Config, detail));
            }
            Some(before) => before.read(from, count).map_err(sketch::blame_base)?,
            None => vec![0.0; count],
        };
        let update = tensor.read(from, count)?.into_iter().zip(old);
        squares += update
            .map(|(new, old)| (f64::from(new) - f64::from(old)).powi(2))
            .sum::<f64>();
    }
    Ok((squares / tensor.len().max(1) as f64).sqrt())
}

/// A Markdown table of `classes` with the shares below both `thresholds`.
pub fn table(classes: &[Class], thresholds: [u32; 2]) -> String {
    let [low, high] = thresholds;
    let mut text = format!(
        "| | distances | mean | deviation | least | most | ≤ {low} | ≤ {high} |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n"
    );
    for class in classes {
        let least = class.distances.iter().min().unwrap_or(&0);
        let most = class.distances.iter().max().unwrap_or(&0);
        // Writing to a string can't fail.
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} | {:.1} | {least} | {most} | {:.2} % | {:.2} % |",
            class.name,
            class.distances.len(),
            class.mean(),
            class.deviation(),
            class.share_up_to(low) * 100.0,
            class.share_up_to(high) * 100.0,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tail_should_be_the_binomial_one() {
        assert!((tail(0.5, 127) - 0.475_094).abs() < 1e-5);
        assert!((tail(0.5, 255) - 1.0).abs() < 1e-12);
        assert!((tail(0.5, 0) / 2f64.powi(-256) - 1.0).abs() < 1e-9);
        assert!((tail(1.0 / 256.0, 0) - (255.0f64 / 256.0).powi(256)).abs() < 1e-12);
        assert_eq!(tail(0.0, 0), 1.0);
        assert!(tail(1.0, 38) < 1e-300);
    }

    #[test]
    fn threshold_should_follow_the_closest_pair() {
        let class = |distance| Class {
            name: String::new(),
            distances: vec![distance; 4],
        };
        let found = |pairs: Vec<Class>| {
            let calibration = Calibration {
                copies: vec![],
                pairs,
            };
            (calibration.threshold(1e-9), calibration.threshold(1e-6))
        };
        let (matches, flags) = found(vec![class(128), class(100)]);
        assert!(
            matches < flags && flags < Some(100),
            "{matches:?} {flags:?}"
        );
        assert!(tail(100.0 / 256.0, flags.unwrap()) <= 1e-6);
        assert!(tail(100.0 / 256.0, flags.unwrap() + 1) > 1e-6);
        assert_eq!(found(vec![class(1)]), (None, None));
        assert_eq!(found(vec![]), (None, None));
    }

    #[test]
    fn class_should_sum_up_its_distances() {
        let class = Class {
            name: "x".into(),
            distances: vec![10, 13, 14, 43],
        };
        assert_eq!((class.mean(), class.share_up_to(13)), (20.0, 0.5));
        assert!((class.deviation() - 13.36).abs() < 0.01);
        let row = "| x | 4 | 20.0 | 13.4 | 10 | 43 | 50.00 % | 75.00 % |";
        assert!(table(&[class], THRESHOLDS).contains(row));
    }
}
