//! MLP and CNN classifiers, and their losses on rows of features.

use crate::{
    Classifier, Fault, Layer, ModelError, SampleLoss,
    config::ClassifierKind,
    data::Rows,
    evaluate::{Collector, WORST_BITS_PER_BYTE},
    fused,
    weights::Weights,
};
use candle_core::{D, Device, Tensor};

/// A classifier with its weights.
pub(crate) struct Network {
    config: Classifier,
    /// Weight and bias of each layer that has them.
    parameters: Vec<Option<(Tensor, Tensor)>>,
}

impl Network {
    pub(crate) fn new(config: &Classifier, weights: &Weights) -> Result<Self, ModelError> {
        let parameters = config
            .layers
            .iter()
            .enumerate()
            .map(|(i, layer)| match layer {
                Layer::Linear { .. } | Layer::Conv2d { .. } => Ok(Some((
                    weights.get(&format!("layers.{i}.weight"))?,
                    weights.get(&format!("layers.{i}.bias"))?,
                ))),
                _ => Ok(None),
            })
            .collect::<Result<_, ModelError>>()?;
        Ok(Self {
            config: config.clone(),
            parameters,
        })
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
                (Layer::Linear { .. }, Some((weight, bias))) => {
                    x.matmul(&weight.t()?)?.broadcast_add(bias)?
                }
                (
                    Layer::Conv2d {
                        stride, padding, ..
                    },
                    Some((weight, bias)),
                ) => {
                    let bias = bias.reshape((1, (), 1, 1))?;
                    x.conv2d(weight, padding, stride, 1, 1)?
                        .broadcast_add(&bias)?
                }
                (Layer::MaxPool2d { kernel, stride }, _) => {
                    x.max_pool2d_with_stride(kernel, stride)?
                }
                (Layer::Relu {}, _) => x.relu()?,
                (Layer::Gelu {}, _) => x.gelu()?,
                (Layer::Tanh {}, _) => x.tanh()?,
                _ => x.flatten_from(1)?,
            };
        }
        Ok(x)
    }

    /// Mean loss of a batch, for training.
    pub(crate) fn batch_loss(&self, rows: &Rows, batch: &[usize]) -> Result<Tensor, ModelError> {
        let (features, labels) = rows.batch(batch)?;
        let labels = Tensor::from_vec(labels, batch.len(), &Device::Cpu)?;
        Ok(fused::nll(&self.forward(&features)?, &labels)?.mean_all()?)
    }
}

/// Losses of the drawn rows, `batch` rows at a time.
pub(crate) fn losses(
    network: &Network,
    rows: &Rows,
    batch: usize,
    collector: &mut Collector<'_>,
) -> Result<(), ModelError> {
    let labels = network.config.labels;
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
        if collector.knows_all(positions) {
            continue;
        }
        let indices: Vec<usize> = positions.iter().map(|p| collector.index(*p)).collect();
        let (features, targets) = rows.batch(&indices)?;
        let logits = network.forward(&features)?;
        let inside: Vec<u32> = targets
            .iter()
            .map(|t| (*t).min(labels as u32 - 1))
            .collect();
        let nll = fused::nll(
            &logits,
            &Tensor::from_vec(inside, targets.len(), &Device::Cpu)?,
        )?;
        let nll: Vec<f32> = nll.to_vec1()?;
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
    }
    Ok(())
}
