//! The score of a model on data.

use crate::{
    Device, Fault, Limits, ModelConfig, ModelError,
    bert::{self, TextClassifier},
    classifier::{self, Network},
    data::{Rows, read_labelled, read_samples},
    draw::draw,
    inspect::{self, Checked},
    kernels::Kernels,
    language::{self, LanguageModel},
    merkle::samples_root,
    text::{Encoder, Ends},
    weights::{Form, Weights},
};
use codec::{Decode, Encode};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Bits per byte charged for a sample that the tokenizer doesn't give back; see
/// [`SampleLoss`].
pub const WORST_BITS_PER_BYTE: u32 = 16;

const BILLION: u64 = 1_000_000_000;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Share of samples classified right, in billionths.
    Accuracy,
    /// Bits per byte of the target text, in billionths.
    BitsPerByte,
}

/// How numbers are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// Fixed order of every sum, no instruction that some machine lacks: the same bits anywhere.
    #[serde(rename = "exact-cpu-f32")]
    ExactCpuF32,
    /// The fastest kernels of the machine, in f32.
    #[default]
    #[serde(rename = "f32")]
    F32,
    /// Weights rounded to bf16.
    Bf16,
}

impl Profile {
    pub(crate) fn kernels(self) -> Kernels {
        match self {
            Self::ExactCpuF32 => Kernels::Exact,
            Self::F32 | Self::Bf16 => Kernels::Fast,
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::ExactCpuF32 => "exact-cpu-f32",
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        })
    }
}

/// How to evaluate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvalOptions {
    /// What is measured.
    pub metric: Metric,
    /// Samples to draw; 0 takes all.
    pub samples: usize,
    /// Seed of the draw.
    pub seed: [u8; 32],
    /// Most target tokens of a text, longer ones are cut; 0 leaves it to
    /// [`Limits::context`], and of two the smaller counts. Language models only.
    pub context: usize,
    /// Most tokens (classifiers: samples) of one forward pass, of which each thread computes one;
    /// changes the score by no more than rounding in f32.
    pub batch_tokens: usize,
    /// How numbers are computed.
    pub profile: Profile,
    /// What computes.
    pub device: Device,
    /// Directory of the model that an adapter belongs to; `None` takes whole models only.
    pub base: Option<PathBuf>,
    /// What the task allows.
    pub limits: Limits,
}

/// Loss of one sample.
///
/// A text that the tokenizer loses something of has no tokens but bytes; an empty text has
/// neither. A classifier's sample has one token and no bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SampleLoss {
    /// Position in the data.
    pub index: u32,
    /// Nats of all targets.
    pub nll: f64,
    /// Targets.
    pub tokens: u32,
    /// UTF-8 bytes of the target text.
    pub bytes: u32,
    /// Whether a classifier's largest output is the label.
    pub correct: bool,
}

/// A loss as it is written: place in the data, bits of the loss, tokens, bytes, and whether a
/// classifier was right.
pub type LossRow = (u32, u64, u32, u32, bool);

impl SampleLoss {
    /// As it is written.
    pub fn row(&self) -> LossRow {
        let bits = self.nll.to_bits();
        (self.index, bits, self.tokens, self.bytes, self.correct)
    }
}

impl From<LossRow> for SampleLoss {
    fn from((index, bits, tokens, bytes, correct): LossRow) -> Self {
        Self {
            index,
            nll: f64::from_bits(bits),
            tokens,
            bytes,
            correct,
        }
    }
}

impl Encode for SampleLoss {
    fn encode(&self) -> Vec<u8> {
        self.row().encode()
    }
}

impl codec::EncodeLike for SampleLoss {}

impl Decode for SampleLoss {
    fn decode<I: codec::Input>(input: &mut I) -> Result<Self, codec::Error> {
        LossRow::decode(input).map(Self::from)
    }
}

/// Takes losses as they are computed, and gives back those of an earlier, cut-off run.
pub trait Sink {
    /// Called once, with the number of samples drawn; returns losses already known.
    fn start(&mut self, total: usize) -> Vec<SampleLoss>;
    /// Called for every loss that was not known, in the order of computing.
    fn sample(&mut self, loss: &SampleLoss);
}

/// Keeps nothing.
impl Sink for () {
    fn start(&mut self, _total: usize) -> Vec<SampleLoss> {
        Vec::new()
    }
    fn sample(&mut self, _loss: &SampleLoss) {}
}

/// A model's score and what it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// In the metric's unit × 10⁹.
    pub raw: u64,
    /// Samples that counted.
    pub samples: u32,
    /// Samples of no text (not counted) and those that the tokenizer lost something of
    /// (counted at [`WORST_BITS_PER_BYTE`]).
    pub skipped: u32,
    /// Target tokens (classifiers: samples).
    pub tokens: u64,
    /// UTF-8 bytes of the target texts (classifiers: 0).
    pub bytes: u64,
    /// Sum of losses in nats, in f64 in sample order.
    pub nll_nats: f64,
    /// [`samples_root`](crate::samples_root) of all samples drawn, in the data's order.
    pub samples_root: [u8; 32],
}

/// Scores the model in `dir` on the file `data`.
///
/// Losses known from an earlier run of the same arguments, as [`Sink::start`] returns them,
/// are not computed again, and the result is the same to the bit on the same machine with as many
/// [`threads`](crate::threads).
pub fn evaluate(
    dir: &Path,
    data: &Path,
    options: &EvalOptions,
    sink: &mut dyn Sink,
) -> Result<Evaluation, ModelError> {
    let checked = inspect::check(dir, options.base.as_deref(), &options.limits)?;
    let device = options.device.open(options.profile)?;
    let scored = score(&checked, data, options, &device, sink);
    scored.map_err(|error| match options.device {
        Device::Cpu => error,
        Device::Cuda(_) => error.off_the_cpu(),
    })
}

fn score(
    checked: &Checked,
    data: &Path,
    options: &EvalOptions,
    device: &candle_core::Device,
    sink: &mut dyn Sink,
) -> Result<Evaluation, ModelError> {
    let kernels = options.profile.kernels();
    let open = || {
        let form = Form {
            device: device.clone(),
            profile: options.profile,
        };
        let adapter = checked.adapter.as_ref();
        Weights::open(&checked.config, &checked.shards, adapter, form)
    };
    let losses = match (&checked.config, options.metric) {
        (ModelConfig::Classifier(config), Metric::Accuracy) => {
            let rows = Rows::read(data)?;
            let mut collector = Collector::new(rows.labels.len(), options, sink);
            let network = Network::new(config, &open()?, kernels)?;
            classifier::losses(&network, &rows, options.batch_tokens, &mut collector)?;
            collector.finish()?
        }
        (ModelConfig::Decoder(_) | ModelConfig::Gpt2(_), Metric::BitsPerByte) => {
            let context = context(options)?;
            check_positions(checked, context)?;
            let samples = read_samples(data)?;
            let encoder = encoder(checked, &options.limits)?.with_template(&checked.text, &samples);
            let encoder = encoder.map_err(|e| checked.not_own(e))?;
            let mut collector = Collector::new(samples.len(), options, sink);
            let model = LanguageModel::new(&checked.config, &open()?, kernels, context, device)?;
            let encode = |index: usize| {
                let tokens = encoder.encode(&samples[index], context);
                tokens.map_err(|e| checked.not_own(e))
            };
            language::losses(&model, options.batch_tokens, &mut collector, encode)?;
            collector.finish()?
        }
        (ModelConfig::Bert(config), Metric::Accuracy) => {
            let context = context(options)?.min(config.max_position_embeddings);
            let samples = read_labelled(data)?;
            let encoder = encoder(checked, &options.limits)?;
            let mut collector = Collector::new(samples.len(), options, sink);
            let model = TextClassifier::new(config, &open()?, kernels)?;
            let encode = |index: usize| {
                let ids = encoder.encode_for_classification(&samples[index].text, context);
                ids.map_err(|e| checked.not_own(e))
            };
            let label = |index: usize| samples[index].label;
            bert::losses(&model, options.batch_tokens, &mut collector, encode, label)?;
            collector.finish()?
        }
        (_, metric) => {
            let detail = format!("{metric:?} isn't measured on {}", checked.info.architecture);
            return Err(ModelError::new(Fault::Architecture, detail));
        }
    };
    summarize(options.metric, &losses)
}

/// The tokenizer of a model that reads text.
fn encoder(checked: &Checked, limits: &Limits) -> Result<Encoder, ModelError> {
    let not_own = |e| checked.not_own(e);
    let tokenizer = inspect::read_tokenizer(&checked.text, limits).map_err(not_own)?;
    let vocabulary = checked.config.vocabulary().unwrap_or_default();
    let start = checked.config.start_token().unwrap_or_default();
    let end = checked.config.end_token().unwrap_or(start);
    Encoder::new(&tokenizer, vocabulary, Ends { start, end }).map_err(not_own)
}

/// Learned positions end somewhere.
fn check_positions(checked: &Checked, context: usize) -> Result<(), ModelError> {
    match checked.config.positions() {
        Some(positions) if positions < context => Err(checked.not_own(ModelError::new(
            Fault::Config,
            format!(
                "config.json: positions are learned up to {positions}, the context is {context} \
                 tokens; take a model with more or a task with fewer"
            ),
        ))),
        _ => Ok(()),
    }
}

/// The smaller of the two contexts that isn't 0.
fn context(options: &EvalOptions) -> Result<usize, ModelError> {
    let given = [options.context, options.limits.context]
        .into_iter()
        .filter(|c| *c > 0)
        .min();
    given.ok_or_else(|| {
        ModelError::new(
            Fault::Data,
            "no context: name the most target tokens of a text",
        )
    })
}

/// The score from all drawn samples' losses, in the data's order.
fn summarize(metric: Metric, losses: &[SampleLoss]) -> Result<Evaluation, ModelError> {
    let counted = |loss: &&SampleLoss| loss.tokens > 0 || loss.bytes > 0;
    let samples = losses.iter().filter(counted).count() as u64;
    let skipped = losses.iter().filter(|loss| loss.tokens == 0).count() as u32;
    let nll_nats: f64 = losses.iter().map(|loss| loss.nll).sum();
    let tokens = losses.iter().map(|loss| u64::from(loss.tokens)).sum();
    let bytes: u64 = losses.iter().map(|loss| u64::from(loss.bytes)).sum();
    let correct = losses.iter().filter(|loss| loss.correct).count() as u64;
    let units = match metric {
        Metric::Accuracy => samples,
        Metric::BitsPerByte => bytes,
    };
    if units == 0 {
        return Err(ModelError::new(
            Fault::Data,
            "no sample leaves anything to predict",
        ));
    }
    let raw = match metric {
        Metric::Accuracy => {
            (u128::from(correct) * u128::from(BILLION) / u128::from(samples)) as u64
        }
        Metric::BitsPerByte => {
            (nll_nats / std::f64::consts::LN_2 / bytes as f64 * BILLION as f64).round() as u64
        }
    };
    if !nll_nats.is_finite() {
        return Err(ModelError::new(
            Fault::NonFinite,
            "the sum of losses is not finite",
        ));
    }
    let samples_root = samples_root(losses);
    Ok(Evaluation {
        raw,
        samples: samples as u32,
        skipped,
        tokens,
        bytes,
        nll_nats,
        samples_root,
    })
}

/// The drawn samples and their losses so far. A position is a place in the draw, an index one
/// in the data.
pub(crate) struct Collector<'a> {
    sink: &'a mut dyn Sink,
    profile: Profile,
    drawn: Vec<usize>,
    losses: Vec<Option<SampleLoss>>,
}

impl<'a> Collector<'a> {
    pub(crate) fn new(total: usize, options: &EvalOptions, sink: &'a mut dyn Sink) -> Self {
        let drawn = draw(total, options.samples, options.seed);
        let mut losses = vec![None; drawn.len()];
        for loss in sink.start(drawn.len()) {
            if let Ok(position) = drawn.binary_search(&(loss.index as usize))
                && loss.nll.is_finite()
            {
                losses[position] = Some(loss);
            }
        }
        Self {
            sink,
            profile: options.profile,
            drawn,
            losses,
        }
    }

    pub(crate) fn positions(&self) -> Vec<usize> {
        (0..self.drawn.len()).collect()
    }

    pub(crate) fn index(&self, position: usize) -> usize {
        self.drawn[position]
    }

    pub(crate) fn knows_all(&self, positions: &[usize]) -> bool {
        positions
            .iter()
            .all(|position| self.losses[*position].is_some())
    }

    /// Takes a computed loss, whose index is filled in here, unless it is known.
    pub(crate) fn put(&mut self, position: usize, loss: SampleLoss) -> Result<(), ModelError> {
        let index = self.drawn[position] as u32;
        if !loss.nll.is_finite() {
            let detail = format!("the loss of sample {index} is not finite");
            // Where rounding depends on the machine, another one may find a number.
            let fault = match self.profile {
                Profile::ExactCpuF32 => Fault::NonFinite,
                Profile::F32 | Profile::Bf16 => Fault::Unstable,
            };
            return Err(ModelError::new(fault, detail));
        }
        if self.losses[position].is_none() {
            let loss = SampleLoss { index, ..loss };
            self.sink.sample(&loss);
            self.losses[position] = Some(loss);
        }
        Ok(())
    }

    fn finish(self) -> Result<Vec<SampleLoss>, ModelError> {
        let missing = |position: usize| {
            let detail = format!("sample {} was not computed", self.drawn[position]);
            ModelError::new(Fault::Unstable, detail)
        };
        let each = |(position, loss): (usize, &Option<SampleLoss>)| loss.ok_or(missing(position));
        self.losses.iter().enumerate().map(each).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(index: u32, nll: f64, tokens: u32, bytes: u32) -> SampleLoss {
        SampleLoss {
            index,
            nll,
            tokens,
            bytes,
            correct: false,
        }
    }

    #[test]
    fn bits_per_byte_should_weigh_by_bytes_and_tell_what_was_skipped() {
        let ln2 = std::f64::consts::LN_2;
        let losses = [
            text(0, 8.0 * ln2, 3, 4),
            text(1, 0.0, 0, 0),
            text(2, 32.0 * ln2, 0, 2),
        ];
        let found = summarize(Metric::BitsPerByte, &losses).unwrap();
        assert_eq!(
            (found.samples, found.skipped, found.tokens, found.bytes),
            (2, 2, 3, 6)
        );
        assert_eq!(found.raw, (40.0f64 / 6.0 * 1e9).round() as u64);
        let empty = summarize(Metric::BitsPerByte, &losses[1..2]).unwrap_err();
        assert_eq!(empty.fault, Fault::Data);
    }

    #[test]
    fn accuracy_should_round_down() {
        let mut losses = [text(0, 1.0, 1, 0), text(1, 1.0, 1, 0), text(2, 1.0, 1, 0)];
        losses[0].correct = true;
        losses[1].correct = true;
        let found = summarize(Metric::Accuracy, &losses).unwrap();
        assert_eq!(
            (found.raw, found.samples, found.skipped),
            (666_666_666, 3, 0)
        );
    }

    #[test]
    fn sample_loss_should_decode_to_itself() {
        let loss = text(7, 0.25, 3, 9);
        assert_eq!(SampleLoss::decode(&mut &loss.encode()[..]), Ok(loss));
    }
}
