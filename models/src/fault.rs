//! What can be wrong with a model, and how it is told.

use std::fmt;

/// Class of a [`ModelError`].
///
/// All but [`Fault::Unstable`], [`Fault::Data`], [`Fault::Device`], [`Fault::Memory`] and
/// [`Fault::Io`] are the model's own and the same on every honest machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A file is not what the manifest says.
    HashMismatch,
    /// The manifest is malformed, or the directory is not what it describes.
    Manifest,
    /// The family is unknown, not allowed, or can't be measured with the metric.
    Architecture,
    /// `config.json` is malformed or contradicts the tensors.
    Config,
    /// `tokenizer.json` is malformed, not the pinned one, or doesn't fit the vocabulary.
    Tokenizer,
    /// More parameters or bytes than allowed.
    TooLarge,
    /// A weight is not finite, or a loss in the exact profile.
    NonFinite,
    /// A loss is not finite in a profile that rounds as the machine does: another machine may
    /// find a number; not the model's fault for certain.
    Unstable,
    /// The weights file is malformed or not safetensors.
    Weights,
    /// The data are malformed; not the model's fault.
    Data,
    /// The device that is to compute isn't there, can't compute the profile, or failed; not the
    /// model's fault.
    Device,
    /// This machine ran out of memory; not the model's fault.
    Memory,
    /// This machine couldn't read or write; not the model's fault.
    Io,
}

impl Fault {
    /// Whether the model is to blame, so that every honest machine finds the same.
    pub fn is_models(self) -> bool {
        !matches!(
            self,
            Self::Unstable | Self::Data | Self::Device | Self::Memory | Self::Io
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HashMismatch => "file differs from its manifest",
            Self::Manifest => "manifest refused",
            Self::Architecture => "architecture refused",
            Self::Config => "config refused",
            Self::Tokenizer => "tokenizer refused",
            Self::TooLarge => "model too large",
            Self::NonFinite => "value not finite",
            Self::Unstable => "loss not finite on this machine",
            Self::Weights => "weights refused",
            Self::Data => "data malformed",
            Self::Device => "device failed",
            Self::Memory => "out of memory",
            Self::Io => "file not readable or writable",
        })
    }
}

/// A refusal: its class, and what, where and what to do in words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{fault}: {detail}")]
pub struct ModelError {
    /// Class.
    pub fault: Fault,
    /// Explanation for a person.
    pub detail: String,
}

impl ModelError {
    /// An error of class `fault`.
    pub fn new(fault: Fault, detail: impl Into<String>) -> Self {
        Self {
            fault,
            detail: detail.into(),
        }
    }

    /// The error of an evaluation that was not computed on CPUs: there an operation fails for
    /// the device's sake, not for that of a model whose config was checked.
    pub(crate) fn off_the_cpu(self) -> Self {
        if self.fault == Fault::Config && self.detail.starts_with(UNCOMPUTED) {
            return Self {
                fault: Fault::Device,
                ..self
            };
        }
        self
    }

    /// An I/O error at `path`.
    pub(crate) fn io(path: &std::path::Path, error: &std::io::Error) -> Self {
        let fault = match error.kind() {
            std::io::ErrorKind::OutOfMemory => Fault::Memory,
            _ => Fault::Io,
        };
        Self::new(fault, format!("{}: {error}", path.display()))
    }
}

/// How an operation that failed is told; [`ModelError::off_the_cpu`] finds it.
const UNCOMPUTED: &str = "the model can't be computed";

/// A kernel that refuses shapes checked before: the config describes no computable model.
impl From<candle_core::Error> for ModelError {
    fn from(error: candle_core::Error) -> Self {
        if crate::kernels::is_starved(&error) {
            return Self::new(Fault::Memory, error.to_string());
        }
        Self::new(Fault::Config, format!("{UNCOMPUTED}: {error}"))
    }
}
