//! Convolution as a product of matrices.

use super::{Kernels, Linear, are_ours, flat, values, zeros};
use candle_core::{CpuStorage, CustomOp1, Device, Error, Layout, Result, Shape, Tensor};

/// Square patches of images as rows.
#[derive(Clone, Copy)]
struct Patches {
    channels: usize,
    height: usize,
    width: usize,
    kernel: usize,
    stride: usize,
    padding: usize,
}

impl Patches {
    fn out(&self, size: usize) -> usize {
        (size + 2 * self.padding).saturating_sub(self.kernel) / self.stride + 1
    }

    /// Calls `f` with the place in the rows and the place in the images of each number that is
    /// in both; what lies in the padding is in the rows alone.
    fn each(&self, images: usize, mut f: impl FnMut(usize, usize)) {
        let (rows, columns) = (self.out(self.height), self.out(self.width));
        let mut at = 0;
        for image in 0..images {
            for y in 0..rows {
                for x in 0..columns {
                    for channel in 0..self.channels {
                        let plane = (image * self.channels + channel) * self.height;
                        for dy in 0..self.kernel {
                            let row = (y * self.stride + dy).checked_sub(self.padding);
                            for dx in 0..self.kernel {
                                let column = (x * self.stride + dx).checked_sub(self.padding);
                                if let (Some(row), Some(column)) = (row, column)
                                    && row < self.height
                                    && column < self.width
                                {
                                    f(at, (plane + row) * self.width + column);
                                }
                                at += 1;
                            }
                        }
                    }
                }
            }
        }
    }

    fn length(&self) -> usize {
        self.channels * self.kernel * self.kernel
    }
}

impl CustomOp1 for Patches {
    fn name(&self) -> &'static str {
        "patches"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (images, channels, height, width) = layout.shape().dims4()?;
        if (channels, height, width) != (self.channels, self.height, self.width) {
            return Err(Error::msg("images of another shape"));
        }
        let pixels = values(storage, layout)?;
        let rows = images * self.out(height) * self.out(width);
        let mut out = zeros(rows * self.length())?;
        self.each(images, |at, from| out[at] = pixels[from]);
        Ok((CpuStorage::F32(out), (rows, self.length()).into()))
    }

    fn bwd(&self, arg: &Tensor, _: &Tensor, gradient: &Tensor) -> Result<Option<Tensor>> {
        let gradient = flat(gradient)?;
        let mut out = zeros(arg.elem_count())?;
        self.each(arg.dim(0)?, |at, from| out[from] += gradient[at]);
        Tensor::from_vec(out, arg.shape(), &Device::Cpu).map(Some)
    }
}

/// Convolution of images `[n, channels, height, width]` with a weight
/// `[out, channels, kernel, kernel]`, and its bias.
pub(crate) fn conv2d(
    kernels: Kernels,
    x: &Tensor,
    layer: &Linear,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    if !are_ours(x.device()) {
        return composed(x, layer, stride, padding);
    }
    let (images, channels, height, width) = x.dims4()?;
    let (outer, _, kernel, _) = layer.weight().dims4()?;
    let patches = Patches {
        channels,
        height,
        width,
        kernel,
        stride: stride.max(1),
        padding,
    };
    let weight = layer.weight().reshape((outer, patches.length()))?;
    let matrix = Linear::new(weight, layer.bias().cloned());
    let rows = x.contiguous()?.apply_op1(patches)?;
    matrix
        .apply(kernels, &rows)?
        .reshape((images, patches.out(height), patches.out(width), outer))?
        .permute((0, 3, 1, 2))?
        .contiguous()
}

/// The same with candle's operations.
pub(super) fn composed(
    x: &Tensor,
    layer: &Linear,
    stride: usize,
    padding: usize,
) -> Result<Tensor> {
    let x = x.to_dtype(layer.weight().dtype())?;
    let images = x.conv2d(layer.weight(), padding, stride.max(1), 1, 1)?;
    match layer.bias() {
        Some(bias) => images.broadcast_add(&bias.reshape((1, bias.elem_count(), 1, 1))?),
        None => Ok(images),
    }
}
