//! What computes. The one place that knows whether this build has CUDA.

use crate::{Fault, ModelError, Profile};
use serde::Serialize;
use std::{fmt, str::FromStr};

/// What computes an evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// The processors of this machine.
    #[default]
    Cpu,
    /// The NVIDIA device of this number, from 0, in the driver's order.
    Cuda(u16),
}

/// An NVIDIA device of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Gpu {
    /// `cuda:N`.
    pub device: String,
    /// As the driver names it.
    pub name: String,
    /// Major and minor compute capability.
    pub capability: (i32, i32),
    /// Memory in bytes.
    pub memory_bytes: u64,
}

impl Device {
    /// Whether this build can compute on NVIDIA devices.
    pub const HAS_CUDA: bool = cfg!(feature = "cuda");

    /// All NVIDIA devices of this machine; none in a build without CUDA.
    pub fn gpus() -> Result<Vec<Gpu>, ModelError> {
        driver::gpus()
    }

    /// The device as outcomes name it: `cpu`, or `cuda:N` and the card's name. An error where it
    /// can't compute.
    pub fn describe(self) -> Result<String, ModelError> {
        let Self::Cuda(number) = self else {
            return Ok(self.to_string());
        };
        self.open(Profile::F32)?;
        Ok(format!("{self} {}", driver::gpu(number)?.name))
    }

    /// Opens the device for a profile; never another device in its place.
    pub(crate) fn open(self, profile: Profile) -> Result<candle_core::Device, ModelError> {
        match (self, profile) {
            (Self::Cpu, _) => Ok(candle_core::Device::Cpu),
            (Self::Cuda(_), Profile::ExactCpuF32) => Err(ModelError::new(
                Fault::Device,
                format!("{profile} is computed on CPUs only; take the device cpu, not {self}"),
            )),
            (Self::Cuda(number), Profile::F32 | Profile::Bf16) => driver::open(number),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

impl FromStr for Device {
    type Err = String;

    /// `cpu`, `cuda:N`, or `cuda` for the first one.
    fn from_str(text: &str) -> Result<Self, String> {
        let number = match text.split_once(':') {
            None if text == "cpu" => return Ok(Self::Cpu),
            None if text == "cuda" => Some(0),
            Some(("cuda", number)) => number.parse().ok(),
            _ => None,
        };
        let number = number.ok_or("a device is cpu, cuda or cuda:N")?;
        Ok(Self::Cuda(number))
    }
}

#[cfg(feature = "cuda")]
mod driver {
    use super::Gpu;
    use crate::{Fault, ModelError};
    use candle_core::cuda::cudarc::driver::{CudaContext, DriverError};

    fn refuse(number: u16, error: impl std::fmt::Display) -> ModelError {
        // What follows the first line is a backtrace, where they are on.
        let error = error.to_string();
        let error = error.lines().next().unwrap_or_default();
        let detail = format!(
            "cuda:{number} can't be used: {error}; `doctor` lists the devices of this machine"
        );
        ModelError::new(Fault::Device, detail)
    }

    pub(super) fn open(number: u16) -> Result<candle_core::Device, ModelError> {
        candle_core::Device::new_cuda(number.into()).map_err(|error| refuse(number, error))
    }

    pub(super) fn gpu(number: u16) -> Result<Gpu, ModelError> {
        let look = || -> Result<Gpu, DriverError> {
            let context = CudaContext::new(number.into())?;
            Ok(Gpu {
                device: format!("cuda:{number}"),
                name: context.name()?,
                capability: context.compute_capability()?,
                memory_bytes: context.total_mem()? as u64,
            })
        };
        look().map_err(|error| refuse(number, error))
    }

    pub(super) fn gpus() -> Result<Vec<Gpu>, ModelError> {
        let count = CudaContext::device_count().map_err(|error| {
            let detail = format!("the NVIDIA driver does not answer: {error}");
            ModelError::new(Fault::Device, detail)
        })?;
        let count = u16::try_from(count).unwrap_or(0);
        (0..count).map(gpu).collect()
    }
}

#[cfg(not(feature = "cuda"))]
mod driver {
    use super::Gpu;
    use crate::{Fault, ModelError};

    fn refuse(number: u16) -> ModelError {
        let detail = format!(
            "this build has no CUDA for cuda:{number}; take arena-executor-cuda, which needs an \
             NVIDIA driver, or --device cpu, which computes the same score within the task's band"
        );
        ModelError::new(Fault::Device, detail)
    }

    pub(super) fn open(number: u16) -> Result<candle_core::Device, ModelError> {
        Err(refuse(number))
    }

    pub(super) fn gpu(number: u16) -> Result<Gpu, ModelError> {
        Err(refuse(number))
    }

    pub(super) fn gpus() -> Result<Vec<Gpu>, ModelError> {
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_should_be_a_cpu_or_a_numbered_gpu() {
        assert_eq!("cpu".parse(), Ok(Device::Cpu));
        assert_eq!("cuda".parse(), Ok(Device::Cuda(0)));
        assert_eq!("cuda:1".parse(), Ok(Device::Cuda(1)));
        for wrong in [
            "",
            "cpu:0",
            "cuda:",
            "cuda:x",
            "cuda:-1",
            "cuda:65536",
            "tpu",
        ] {
            assert!(wrong.parse::<Device>().is_err(), "{wrong}");
        }
        for device in [Device::Cpu, Device::Cuda(7)] {
            assert_eq!(device.to_string().parse(), Ok(device));
        }
    }

    #[test]
    fn exact_profile_should_be_refused_off_the_cpu() {
        let error = Device::Cuda(0).open(Profile::ExactCpuF32).unwrap_err();
        assert_eq!(error.fault, Fault::Device);
        assert!(error.detail.contains("on CPUs only"), "{error}");
        assert!(Device::Cpu.open(Profile::ExactCpuF32).is_ok());
        assert!(!Fault::Device.is_models());
    }

    #[test]
    fn device_that_is_not_there_should_be_an_error() {
        for profile in [Profile::F32, Profile::Bf16] {
            let error = Device::Cuda(u16::MAX).open(profile).unwrap_err();
            assert_eq!(error.fault, Fault::Device);
        }
        let error = Device::Cuda(u16::MAX).describe().unwrap_err();
        assert_eq!(error.fault, Fault::Device);
        assert_eq!(Device::Cpu.describe().unwrap(), "cpu");
    }
}
