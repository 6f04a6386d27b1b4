//! Config of the plain classifiers; `schema/classifier.schema.json` is the same in JSON Schema.

use super::{TensorSpec, check_size, refuse};
use crate::ModelError;
use serde::{Deserialize, Serialize};

const MAX_LAYERS: usize = 256;
const MAX_DIMENSION: usize = 1 << 24;
/// Most numbers between two layers, per sample.
const MAX_ACTIVATIONS: usize = 1 << 26;
const MAX_KERNEL: usize = 1_024;

/// `model_type` of a [`Classifier`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClassifierKind {
    /// Linear layers and activations on flattened features.
    #[serde(rename = "arena_mlp")]
    Mlp,
    /// Convolutions on `[channels, height, width]`, then as [`ClassifierKind::Mlp`].
    #[serde(rename = "arena_cnn")]
    Cnn,
}

/// A classifier as a list of layers; the last one gives one number per label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Classifier {
    /// Family.
    pub model_type: ClassifierKind,
    /// Version of this format: 1.
    pub version: u32,
    /// Shape of one sample's features.
    pub input_shape: Vec<usize>,
    /// Layers in order; the tensors of the i-th are `layers.{i}.weight` and `layers.{i}.bias`.
    pub layers: Vec<Layer>,
    /// Classes.
    pub labels: usize,
}

/// One layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// `x·Wᵀ + b`, weight `[out, in]`.
    Linear {
        /// Outputs.
        out: usize,
    },
    /// `max(x, 0)`.
    Relu {},
    /// GELU in its tanh approximation.
    Gelu {},
    /// Hyperbolic tangent.
    Tanh {},
    /// Square convolution, weight `[out, in, kernel, kernel]`.
    Conv2d {
        /// Output channels.
        out: usize,
        /// Side of the window.
        kernel: usize,
        /// Step of the window.
        stride: usize,
        /// Zeros added at each side.
        padding: usize,
    },
    /// Largest value of each square window; windows that don't fit whole are left out.
    #[serde(rename = "max_pool2d")]
    MaxPool2d {
        /// Side of the window.
        kernel: usize,
        /// Step of the window.
        stride: usize,
    },
    /// `[channels, height, width]` to one dimension.
    Flatten {},
}

impl Classifier {
    /// Numbers in one sample's features.
    pub fn features(&self) -> usize {
        self.input_shape
            .iter()
            .fold(1, |product, d| product.saturating_mul(*d))
    }

    /// Checks the config and lists its tensors.
    pub(crate) fn tensors(&self) -> Result<Vec<TensorSpec>, ModelError> {
        self.check()?;
        let mut shape = match self.model_type {
            ClassifierKind::Mlp => vec![self.features()],
            ClassifierKind::Cnn => self.input_shape.clone(),
        };
        let mut specs = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            if self.model_type == ClassifierKind::Mlp && layer.is_spatial() {
                return Err(refuse(format!(
                    "config.json: layer {i} belongs in an arena_cnn"
                )));
            }
            let (next, weight) = layer
                .apply(&shape)
                .map_err(|e| refuse(format!("config.json: layer {i}: {}", e.detail)))?;
            if let Some(weight) = weight {
                let out = weight.first().copied().unwrap_or_default();
                specs.push((format!("layers.{i}.weight"), weight));
                specs.push((format!("layers.{i}.bias"), vec![out]));
            }
            shape = next;
            check_volume(&shape)?;
        }
        if shape != [self.labels] {
            return Err(refuse(format!(
                "config.json: the last layer gives {shape:?}, but there are {} labels",
                self.labels
            )));
        }
        Ok(specs)
    }

    /// Numbers that one sample is in training: its features, what each layer gives, and the
    /// patches that a convolution makes of its input.
    pub(crate) fn values(&self) -> Result<u64, ModelError> {
        let volume = |shape: &[usize]| {
            let numbers = shape.iter().map(|d| *d as u64);
            numbers.fold(1, u64::saturating_mul)
        };
        let mut shape = match self.model_type {
            ClassifierKind::Mlp => vec![self.features()],
            ClassifierKind::Cnn => self.input_shape.clone(),
        };
        let mut sum = volume(&shape);
        for layer in &self.layers {
            let (next, weight) = layer.apply(&shape)?;
            sum = sum.saturating_add(volume(&next));
            if let (Layer::Conv2d { .. }, Some(weight), [_, rest @ ..]) =
                (layer, &weight, &next[..])
            {
                let patch = volume(weight.get(1..).unwrap_or_default());
                let patches = volume(rest).saturating_mul(patch);
                sum = sum.saturating_add(patches).saturating_add(volume(&next));
            }
            shape = next;
        }
        Ok(sum)
    }

    /// Refuses pools that have no gradient here: windows must tile their input.
    pub(crate) fn check_trainable(&self) -> Result<(), ModelError> {
        let mut shape = self.input_shape.clone();
        for (i, layer) in self.layers.iter().enumerate() {
            if !layer.is_spatial() && shape.len() != 1 {
                // Activations keep the shape; a linear layer of an MLP ends the search.
                if matches!(layer, Layer::Linear { .. }) {
                    return Ok(());
                }
                continue;
            }
            if let (Layer::MaxPool2d { kernel, stride }, &[_, height, width]) = (layer, &shape[..])
                && (kernel != stride || height % kernel != 0 || width % kernel != 0)
            {
                return Err(refuse(format!(
                    "layer {i}: training takes only pools whose stride is their kernel and \
                     divides their input {height}×{width}"
                )));
            }
            shape = layer.apply(&shape)?.0;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ModelError> {
        if self.version != 1 {
            return Err(refuse(format!(
                "config.json: version {} is unknown, this release reads 1",
                self.version
            )));
        }
        check_size("number of layers", self.layers.len(), MAX_LAYERS)?;
        check_size("labels", self.labels, MAX_DIMENSION)?;
        check_size("number of dimensions", self.input_shape.len(), 8)?;
        for dimension in &self.input_shape {
            check_size("a dimension of input_shape", *dimension, MAX_DIMENSION)?;
        }
        if self.model_type == ClassifierKind::Cnn && self.input_shape.len() != 3 {
            return Err(refuse(
                "config.json: an arena_cnn has input_shape [channels, height, width]",
            ));
        }
        check_volume(&self.input_shape)
    }
}

fn check_volume(shape: &[usize]) -> Result<(), ModelError> {
    let volume = shape
        .iter()
        .fold(1usize, |product, d| product.saturating_mul(*d));
    check_size(
        "number of values between two layers",
        volume,
        MAX_ACTIVATIONS,
    )
}

impl Layer {
    fn is_spatial(&self) -> bool {
        matches!(
            self,
            Self::Conv2d { .. } | Self::MaxPool2d { .. } | Self::Flatten {}
        )
    }

    /// Output shape and the weight's shape, if it has one, for an input shape.
    fn apply(&self, shape: &[usize]) -> Result<(Vec<usize>, Option<Vec<usize>>), ModelError> {
        match (*self, shape) {
            (Self::Relu {} | Self::Gelu {} | Self::Tanh {}, _) => Ok((shape.to_vec(), None)),
            (Self::Linear { out }, &[width]) => {
                check_size("out", out, MAX_DIMENSION)?;
                Ok((vec![out], Some(vec![out, width])))
            }
            (Self::Linear { .. }, _) => Err(refuse("a linear layer needs a flatten before it")),
            (
                Self::Conv2d {
                    out,
                    kernel,
                    stride,
                    padding,
                },
                &[channels, height, width],
            ) => {
                check_size("out", out, MAX_DIMENSION)?;
                check_size("kernel", kernel, MAX_KERNEL)?;
                if padding >= kernel {
                    return Err(refuse(format!(
                        "padding {padding} is not below kernel {kernel}"
                    )));
                }
                let height = windows(height + 2 * padding, kernel, stride)?;
                let width = windows(width + 2 * padding, kernel, stride)?;
                Ok((
                    vec![out, height, width],
                    Some(vec![out, channels, kernel, kernel]),
                ))
            }
            (Self::MaxPool2d { kernel, stride }, &[channels, height, width]) => {
                let height = windows(height, kernel, stride)?;
                let width = windows(width, kernel, stride)?;
                Ok((vec![channels, height, width], None))
            }
            (Self::Flatten {}, &[_, _, _]) => Ok((vec![shape.iter().product()], None)),
            _ => Err(refuse(format!(
                "takes [channels, height, width], but gets {shape:?}"
            ))),
        }
    }
}

/// Positions of a window of `kernel` moving by `stride` over `size`.
fn windows(size: usize, kernel: usize, stride: usize) -> Result<usize, ModelError> {
    check_size("kernel", kernel, MAX_KERNEL)?;
    check_size("stride", stride, MAX_KERNEL)?;
    match size.checked_sub(kernel) {
        Some(rest) => Ok(rest / stride + 1),
        None => Err(refuse(format!(
            "kernel {kernel} is larger than its input of {size}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ModelConfig;

    fn parse(json: &str) -> Result<ModelConfig, ModelError> {
        ModelConfig::parse(json.as_bytes())
    }

    #[test]
    fn cnn_should_imply_its_tensors() {
        let config = parse(
            r#"{"model_type":"arena_cnn","version":1,"input_shape":[1,8,8],"labels":3,"layers":[
                {"type":"conv2d","out":4,"kernel":3,"stride":1,"padding":1},{"type":"relu"},
                {"type":"max_pool2d","kernel":2,"stride":2},{"type":"flatten"},
                {"type":"linear","out":3}]}"#,
        )
        .unwrap();
        let expected = [
            ("layers.0.weight", vec![4, 1, 3, 3]),
            ("layers.0.bias", vec![4]),
            ("layers.4.weight", vec![3, 64]),
            ("layers.4.bias", vec![3]),
        ];
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(n, s)| (n.to_string(), s))
            .collect();
        assert_eq!(config.tensors().unwrap(), expected);
        assert_eq!(config.parameters().unwrap(), 36 + 4 + 192 + 3);
        let ModelConfig::Classifier(written) = &config else {
            panic!("{config:?}");
        };
        assert_eq!(
            ModelConfig::parse(&serde_json::to_vec(&written).unwrap()).unwrap(),
            config
        );
    }

    #[test]
    fn absurd_configs_should_be_refused() {
        let mlp = |shape: &str, layers: &str, rest: &str| {
            let json = format!(
                r#"{{"model_type":"arena_mlp","version":1,"labels":2,"input_shape":{shape},"layers":[{layers}]{rest}}}"#
            );
            parse(&json).is_err()
        };
        let linear = r#"{"type":"linear","out":2}"#;
        assert!(!mlp("[4]", linear, ""));
        assert!(mlp("[4]", linear, r#","extra":1"#));
        assert!(mlp("[4]", linear, r#","labels":2"#));
        assert!(mlp("[4]", r#"{"type":"linear","out":3}"#, ""));
        assert!(mlp("[4]", r#"{"type":"linear","out":2,"bias":false}"#, ""));
        assert!(mlp(
            "[4]",
            r#"{"type":"relu","x":1},{"type":"linear","out":2}"#,
            ""
        ));
        assert!(mlp(
            "[4]",
            r#"{"type":"flatten"},{"type":"linear","out":2}"#,
            ""
        ));
        assert!(mlp(
            "[4]",
            r#"{"type":"linear","out":18446744073709551615}"#,
            ""
        ));
        assert!(mlp("[4294967296,4294967296]", linear, ""));
        assert!(mlp("[16777216,16777216]", linear, ""));
        assert!(mlp("[0]", linear, ""));
        assert!(mlp("[]", linear, ""));
        assert!(mlp("[4]", "", ""));
        assert!(parse(r#"{"model_type":"gpt9"}"#).is_err());
        assert!(parse("{").is_err());
    }

    #[test]
    fn windows_of_absurd_sizes_should_be_refused() {
        let most = usize::MAX;
        for (kernel, stride, padding) in [
            (most, 1, most - 1),
            (most, 1, 0),
            (3, most, 0),
            (3, 0, 0),
            (0, 1, 0),
            (3, 1, most),
            (1 << 11, 1, 1 << 10),
        ] {
            let json = format!(
                r#"{{"model_type":"arena_cnn","version":1,"input_shape":[1,8,8],"labels":2,
                "layers":[{{"type":"conv2d","out":2,"kernel":{kernel},"stride":{stride},
                "padding":{padding}}},{{"type":"flatten"}},{{"type":"linear","out":2}}]}}"#
            );
            let error = parse(&json).unwrap_err();
            assert_eq!(error.fault, crate::Fault::Config, "{json}");
        }
    }
}
