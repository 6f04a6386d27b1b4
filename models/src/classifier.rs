//! MLP and CNN classifiers, and their losses on rows of features.

use crate::{
    Classifier, Fault, Layer, ModelError, SampleLoss,
    config::ClassifierKind,
    data::Rows,
    evaluate::{Collector, WORST_BITS_PER_BYTE},
    kernels::{Activation, Kernels, Linear, activate, conv2d, is_starved, mean, nll},
    weights::Weights,
};
use candle_core::{D, Device, Tensor};

/// A classifier with its weights.
pub(crate) struct Network {
    config: Classifier,
    kernels: Kernels,
    /// Of each layer that has a matrix.
    parameters: Vec<Option<Linear>>,
}

impl Network {
    pub(crate) fn new(
        config: &Classifier,
        weights: &Weights,
        kernels: Kernels,
    ) -> Result<Self, ModelError> {
        let parameters = config
            .layers
            .iter()
            .enumerate()
            .map(|(i, layer)| match layer {
                Layer::Linear { .. } | Layer::Conv2d { .. } => {
                    let linear = Linear::load(weights, &format!("layers.{i}"), true)?;
                    Ok(Some(linear.widened()?))
                }
                _ => Ok(None),
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Self {
            config: config.clone(),
            kernels,
            parameters,
        })
    }

    /// Where the weights are.
    fn device(&self) -> &Device {
        let first = self.parameters.iter().flatten().next();
        first.map_or(&Device::Cpu, |linear| linear.weight().device())
    }

    /// Logits `[n, labels]` of `[n, features]`.
    pub(crate) fn forward(&self, features: &Tensor) -> candle_core::Result<Tensor> {
        let n = features.dim(0)?;
        let mut x = match self.config.model_type {
            ClassifierKind::Mlp => features.clone(),
            ClassifierKind::Cnn => {
                let mut shape = vec![n];
                shape.extend(&self.config.input_shape);
                features.reshape(shape)?
            }
        };
        for (layer, parameters) in self.config.layers.iter().zip(&self.parameters) {
            x = match (*layer, parameters) {
                (Layer::Linear { .. }, Some(linear)) => linear.apply(self.kernels, &x)?,
                (
                    Layer::Conv2d {
                        stride, padding, ..
                    },
                    Some(linear),
                ) => conv2d(self.kernels, &x, linear, stride, padding)?,
                (Layer::MaxPool2d { kernel, stride }, _) => {
                    x.max_pool2d_with_stride(kernel, stride)?
                }
                (Layer::Relu {}, _) => activate(&x, Activation::Relu)?,
                (Layer::Gelu {}, _) => activate(&x, Activation::GeluTanh)?,
                (Layer::Tanh {}, _) => activate(&x, Activation::Tanh)?,
                _ => x.flatten_from(1)?,
            };
        }
        Ok(x)
    }

    /// Mean loss of a batch, for training.
    pub(crate) fn batch_loss(&self, rows: &Rows, batch: &[usize]) -> Result<Tensor, ModelError> {
        let (features, labels) = rows.batch(batch)?;
        Ok(mean(&nll(&self.forward(&features)?, &labels)?)?)
    }
}

/// Losses of the drawn rows, `batch` rows at a time.
pub(crate) fn losses(
    network: &Network,
    rows: &Rows,
    batch: usize,
    collector: &mut Collector<'_>,
) -> Result<(), ModelError> {
    if rows.width != network.config.features() {
        return Err(ModelError::new(
            Fault::Config,
            format!(
                "config.json: input_shape {:?} takes {} features, the data have {}",
                network.config.input_shape,
                network.config.features(),
                rows.width
            ),
        ));
    }
    for positions in collector.positions().chunks(batch.max(1)) {
        if !collector.knows_all(positions) {
            compute(network, rows, positions, collector)?;
        }
    }
    Ok(())
}

/// Computes a batch, and where memory lacks, each half of it for itself.
fn compute(
    network: &Network,
    rows: &Rows,
    positions: &[usize],
    collector: &mut Collector<'_>,
) -> Result<(), ModelError> {
    let indices: Vec<usize> = positions.iter().map(|p| collector.index(*p)).collect();
    let (features, targets) = rows.batch(&indices)?;
    match network.forward(&features.to_device(network.device())?) {
        Err(error) if is_starved(&error) && positions.len() > 1 => {
            let (one, other) = positions.split_at(positions.len() / 2);
            compute(network, rows, one, collector)?;
            compute(network, rows, other, collector)
        }
        logits => settle(&logits?, &targets, positions, collector),
    }
}

/// Takes the losses of samples, from their logits `[n, labels]` and labels.
pub(crate) fn settle(
    logits: &Tensor,
    targets: &[u32],
    positions: &[usize],
    collector: &mut Collector<'_>,
) -> Result<(), ModelError> {
    // Here, where of two that are the largest the first one wins on every machine.
    let logits = logits.to_device(&Device::Cpu)?;
    let labels = logits.dim(1)?;
    let inside: Vec<u32> = targets
        .iter()
        .map(|t| (*t).min(labels as u32 - 1))
        .collect();
    let nll: Vec<f32> = nll(&logits, &inside)?.to_vec1()?;
    let best: Vec<u32> = logits.argmax(D::Minus1)?.to_vec1()?;
    for (i, position) in positions.iter().enumerate() {
        // A label that the model has no output for can't be right, whatever it says.
        let unknown = targets[i] as usize >= labels;
        let worst = f64::from(WORST_BITS_PER_BYTE) * std::f64::consts::LN_2;
        let nll = if unknown { worst } else { f64::from(nll[i]) };
        collector.put(
            *position,
            SampleLoss {
                index: 0,
                nll,
                tokens: 1,
                bytes: 0,
                correct: best[i] == targets[i],
            },
        )?;
    }
    Ok(())
}
