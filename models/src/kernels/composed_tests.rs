//! What is composed of candle's operations for a device, run on CPUs beside our own kernels.

use super::{
    tests::{rotary, tensor},
    *,
};
use candle_core::DType;

/// Rounded to bf16.
fn half(x: &Tensor) -> Tensor {
    x.to_dtype(DType::BF16).unwrap()
}

/// Compares two tensors in f32 of one shape; `far` is relative for what is beyond 1.
fn assert_close(found: &Tensor, expected: &Tensor, far: f32, what: &str) {
    assert_eq!(found.dims(), expected.dims(), "{what}");
    let found = flat(&widened(found).unwrap()).unwrap();
    let expected = flat(expected).unwrap();
    for (i, (a, b)) in found.iter().zip(&expected).enumerate() {
        assert!(
            (a - b).abs() <= far * b.abs().max(1.0),
            "{what} {i}: {a} {b}"
        );
    }
}

#[test]
fn composed_norms_should_equal_the_kernels() {
    let x = (tensor(&[5, 7], 0.1) * 3.0).unwrap();
    let (weight, bias) = (tensor(&[7], 0.2), tensor(&[7], 0.3));
    let expected = rms_norm(&x, &weight, 1e-5).unwrap();
    let found = norm::composed_rms_norm(&x, &weight, 1e-5).unwrap();
    assert_close(&found, &expected, 1e-6, "rms");
    // Heads: rows as wide as the weight, several in each row of the tensor.
    let heads = tensor(&[5, 14], 0.4);
    let expected = rms_norm(&heads, &weight, 1e-5).unwrap();
    let found = norm::composed_rms_norm(&heads, &weight, 1e-5).unwrap();
    assert_close(&found, &expected, 1e-6, "rms of heads");
    let expected = norm::layer_norm(&x, &weight, &bias, 1e-5).unwrap();
    let found = norm::composed_layer_norm(&x, &weight, &bias, 1e-5).unwrap();
    assert_close(&found, &expected, 1e-6, "layer");
}

#[test]
fn composed_activations_should_equal_the_kernels() {
    let x = (tensor(&[4, 9], 0.1) * 4.0).unwrap();
    let up = tensor(&[4, 9], 0.2);
    for kind in [
        Activation::Silu,
        Activation::GeluTanh,
        Activation::Gelu,
        Activation::Relu,
        Activation::Tanh,
    ] {
        let what = format!("{kind:?}");
        let expected = activate(&x, kind).unwrap();
        assert_close(
            &activation::composed(&x, kind).unwrap(),
            &expected,
            2e-6,
            &what,
        );
        let expected = gate(&x, &up, kind).unwrap();
        let found = activation::composed_gate(&x, &up, kind).unwrap();
        assert_close(&found, &expected, 2e-6, &what);
    }
    let nan = Tensor::new(&[f32::NAN], &Device::Cpu).unwrap();
    let kept = activation::composed(&nan, Activation::Relu).unwrap();
    assert!(flat(&kept).unwrap()[0].is_nan());
}

#[test]
fn composed_rotation_should_equal_the_kernel() {
    // Two heads of five, of which four turn.
    let x = tensor(&[3, 10], 0.1);
    let by = rotary(vec![0, 1, 7]);
    let found = by.composed(&x).unwrap();
    assert_close(&found, &rotate(&x, &by).unwrap(), 1e-6, "rotation");
}

#[test]
fn composed_products_should_equal_the_kernels() {
    let (x, weight, bias) = (
        tensor(&[6, 8], 0.1),
        tensor(&[5, 8], 0.2),
        tensor(&[5], 0.3),
    );
    for bias in [None, Some(bias)] {
        let linear = |weight: &Tensor, bias: Option<Tensor>| Linear::new(weight.clone(), bias);
        let whole = linear(&weight, bias.clone());
        let expected = whole.apply(Kernels::Exact, &x).unwrap();
        assert_close(&whole.composed(&x).unwrap(), &expected, 1e-5, "product");
        // Some rows of a matrix that holds several.
        let part = weight.narrow(0, 1, 3).unwrap();
        let part = linear(&part, bias.as_ref().map(|b| b.narrow(0, 1, 3).unwrap()));
        let expected = expected.narrow(1, 1, 3).unwrap();
        assert_close(&part.composed(&x).unwrap(), &expected, 1e-5, "part");
        // In bf16: rounded before and after, summed in f32.
        let rounded = linear(&half(&weight), bias.as_ref().map(half));
        let found = rounded.composed(&x).unwrap();
        assert_eq!(found.dtype(), DType::BF16);
        let exact = rounded.widened().unwrap();
        let expected = exact.apply(Kernels::Exact, &widened(&half(&x)).unwrap());
        // 8 bits of a number in bf16 are kept.
        assert_close(&found, &expected.unwrap(), 1.0 / 128.0, "bf16");
    }
}

#[test]
fn composed_convolution_should_equal_the_kernel() {
    let x = tensor(&[2, 3, 7, 6], 0.1);
    let layer = Linear::new(tensor(&[4, 3, 3, 3], 0.2), Some(tensor(&[4], 0.3)));
    for (stride, padding) in [(1, 0), (1, 1), (2, 1), (3, 2)] {
        let expected = conv2d(Kernels::Exact, &x, &layer, stride, padding).unwrap();
        let found = conv::composed(&x, &layer, stride, padding).unwrap();
        assert_close(&found, &expected, 1e-5, "convolution");
    }
}

#[test]
fn composed_losses_should_equal_the_kernels() {
    let logits = (tensor(&[5, 30], 0.1) * 20.0).unwrap();
    let targets = [1, 29, 0, 7, 7];
    let expected = nll(&logits, &targets).unwrap();
    let found = nll::composed(&logits, &targets).unwrap();
    assert_close(&found, &expected, 1e-6, "losses");
    for wrong in [&[30, 0, 0, 0, 0][..], &[1, 2, 3, 4]] {
        assert!(nll::composed(&logits, wrong).is_err(), "{wrong:?}");
    }
    let hidden = tensor(&[5, 8], 0.2);
    let head = Linear::new(tensor(&[30, 8], 0.3), None);
    for cap in [None, Some(0.5)] {
        let run = || nll_in_chunks(Kernels::Exact, &hidden, &head, cap, &targets).unwrap();
        let expected = run();
        COMPOSED.set(true);
        let found = run();
        COMPOSED.set(false);
        let tensor = |values: Vec<f32>| Tensor::new(values, &Device::Cpu).unwrap();
        assert_close(&tensor(found), &tensor(expected), 1e-6, "capped losses");
    }
}

#[test]
fn composed_attention_should_multiply_in_the_type_of_the_values() {
    let shape = Attention {
        heads: 4,
        kv_heads: 2,
        width: 3,
        scale: 0.6,
        cap: None,
        causal: true,
        window: None,
        lengths: std::sync::Arc::new(vec![3, 6]),
    };
    let (q, k, v) = (
        tensor(&[9, 12], 0.1),
        tensor(&[9, 6], 0.2),
        tensor(&[9, 6], 0.3),
    );
    let expected = attend(Kernels::Exact, &q, &k, &v, &shape).unwrap();
    let found = attention::composed(&q, &k, &half(&v), &shape, 1 << 20).unwrap();
    assert_eq!(found.dtype(), DType::BF16);
    assert_close(&found, &expected, 0.03, "bf16");
}

#[test]
fn device_without_memory_should_be_told_by_its_words() {
    for (text, starved) in [
        (
            "DriverError(CUDA_ERROR_OUT_OF_MEMORY, \"out of memory\")",
            true,
        ),
        ("CublasError(CUBLAS_STATUS_ALLOC_FAILED)", true),
        (
            "DriverError(CUDA_ERROR_ILLEGAL_ADDRESS, \"an illegal …\")",
            false,
        ),
    ] {
        assert_eq!(is_starved(&Error::msg(text)), starved, "{text}");
    }
}
