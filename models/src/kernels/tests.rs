use super::*;
use candle_core::{Device, Tensor, Var};
use std::sync::Arc;

/// Numbers that are no pattern.
fn noise(count: usize, seed: f32) -> Vec<f32> {
    (0..count)
        .map(|i| (i as f32 * 1.7 + seed).sin() * 1.3)
        .collect()
}

pub(super) fn tensor(shape: &[usize], seed: f32) -> Tensor {
    let count = shape.iter().product();
    Tensor::from_vec(noise(count, seed), shape, &Device::Cpu).unwrap()
}

/// Compares a gradient with differences of the function.
fn check(shape: &[usize], f: impl Fn(&Tensor) -> Result<Tensor>) {
    let count: usize = shape.iter().product();
    let at = noise(count, 0.0);
    let value = |x: &Tensor| {
        let out = f(x).unwrap().flatten_all().unwrap();
        let n = out.elem_count();
        let weights: Vec<f32> = (0..n).map(|i| (i as f32 * 0.9 + 1.0).cos()).collect();
        (out * Tensor::from_vec(weights, n, &Device::Cpu).unwrap())
            .unwrap()
            .sum_all()
            .unwrap()
    };
    let variable = Var::from_vec(at.clone(), shape, &Device::Cpu).unwrap();
    let gradients = value(variable.as_tensor()).backward().unwrap();
    let found = flat(gradients.get(&variable).unwrap()).unwrap();
    for i in 0..count {
        let moved = |by: f32| {
            let mut x = at.clone();
            x[i] += by;
            let x = Tensor::from_vec(x, shape, &Device::Cpu).unwrap();
            value(&x).to_scalar::<f32>().unwrap()
        };
        let expected = (moved(1e-2) - moved(-1e-2)) / 2e-2;
        assert!(
            (found[i] - expected).abs() < 4e-3,
            "{i}: {} {expected}",
            found[i]
        );
    }
}

fn shape(causal: bool, window: Option<usize>, cap: Option<f32>) -> Attention {
    Attention {
        heads: 4,
        kv_heads: 2,
        width: 3,
        scale: 0.6,
        cap,
        causal,
        window,
        lengths: Arc::new(vec![3, 1, 5]),
    }
}

pub(super) fn rotary(rows: Vec<u32>) -> Rotary {
    let table = rotary_table(&[1.0, 0.3], 8, 1.5);
    Rotary::new(Arc::new(table), 2, 5, rows, &Device::Cpu).unwrap()
}

#[test]
fn gradients_should_equal_differences() {
    let weight = tensor(&[3], 0.5);
    check(&[4, 3], |x| rms_norm(x, &weight, 1e-5));
    let x = tensor(&[2, 3], 0.7);
    check(&[3], |weight| rms_norm(&x, weight, 1e-5));
    check(&[3, 4], |x| nll(x, &[2, 0, 1]));
    check(&[7], mean);
    for kind in [
        Activation::Silu,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Tanh,
    ] {
        check(&[9], |x| activate(x, kind));
        let other = tensor(&[9], 0.3);
        check(&[9], |x| gate(x, &other, kind));
        check(&[9], |x| gate(&other, x, kind));
    }
    check(&[3, 10], |x| rotate(x, &rotary(vec![0, 1, 7])));
}

#[test]
fn gradients_of_products_should_equal_differences() {
    for kernels in [Kernels::Exact, Kernels::Fast] {
        let (x, weight, bias) = (
            tensor(&[4, 3], 0.1),
            tensor(&[5, 3], 0.2),
            tensor(&[5], 0.3),
        );
        let linear =
            |weight: &Tensor, bias: Option<&Tensor>| Linear::new(weight.clone(), bias.cloned());
        check(&[4, 3], |x| linear(&weight, Some(&bias)).apply(kernels, x));
        check(&[5, 3], |w| linear(w, None).apply(kernels, &x));
        check(&[5], |b| linear(&weight, Some(b)).apply(kernels, &x));
        let images = tensor(&[2, 2, 4, 5], 0.4);
        let (kernel, bias) = (tensor(&[3, 2, 3, 3], 0.5), tensor(&[3], 0.6));
        for (stride, padding) in [(1, 0), (2, 1)] {
            let conv = |x: &Tensor, w: &Tensor| {
                conv2d(kernels, x, &linear(w, Some(&bias)), stride, padding)
            };
            check(&[2, 2, 4, 5], |x| conv(x, &kernel));
            check(&[3, 2, 3, 3], |w| conv(&images, w));
        }
    }
}

#[test]
fn turned_weights_should_give_the_same() {
    let (x, weight) = (tensor(&[5, 70], 0.1), tensor(&[40, 70], 0.2));
    let bias = tensor(&[40], 0.3);
    let linear = || Linear::new(weight.clone(), Some(bias.clone()));
    let plain = linear().apply(Kernels::Fast, &x).unwrap();
    let turned = linear().turned(Kernels::Fast).unwrap();
    assert_eq!(
        (turned.weight().dims(), turned.outputs().unwrap()),
        (&[70, 40][..], 40)
    );
    let found = turned.apply(Kernels::Fast, &x).unwrap();
    for (a, b) in flat(&plain).unwrap().iter().zip(flat(&found).unwrap()) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    // The exact kernels read rows.
    let kept = linear().turned(Kernels::Exact).unwrap();
    assert_eq!(kept.weight().dims(), [40, 70]);
}

#[test]
fn gradients_of_attention_should_equal_differences() {
    let (q, k, v) = (
        tensor(&[9, 12], 0.1),
        tensor(&[9, 6], 0.2),
        tensor(&[9, 6], 0.3),
    );
    for kernels in [Kernels::Exact, Kernels::Fast] {
        for shape in [
            shape(true, None, None),
            shape(true, Some(2), Some(1.5)),
            shape(false, None, None),
        ] {
            check(&[9, 12], |q| attend(kernels, q, &k, &v, &shape));
            check(&[9, 6], |k| attend(kernels, &q, k, &v, &shape));
            check(&[9, 6], |v| attend(kernels, &q, &k, v, &shape));
        }
    }
}

#[test]
fn convolution_should_equal_that_of_candle() {
    let (x, weight, bias) = (
        tensor(&[2, 3, 7, 6], 0.1),
        tensor(&[4, 3, 3, 3], 0.2),
        tensor(&[4], 0.3),
    );
    for (stride, padding) in [(1, 0), (1, 1), (2, 1), (3, 2)] {
        let expected = x
            .conv2d(&weight, padding, stride, 1, 1)
            .and_then(|y| y.broadcast_add(&bias.reshape((1, 4, 1, 1))?))
            .unwrap();
        let linear = Linear::new(weight.clone(), Some(bias.clone()));
        let found = conv2d(Kernels::Exact, &x, &linear, stride, padding).unwrap();
        assert_eq!(found.dims(), expected.dims());
        let pairs = flat(&found)
            .unwrap()
            .into_iter()
            .zip(flat(&expected).unwrap());
        for (a, b) in pairs {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
    }
}

/// Softmax attention in plain loops and f64.
fn reference(q: &[f32], k: &[f32], v: &[f32], shape: &Attention) -> Vec<f64> {
    let (across, kv, width) = (12, 6, shape.width);
    let mut out = vec![0.0; q.len()];
    let mut start = 0;
    for length in shape.lengths.iter() {
        for i in 0..*length {
            for head in 0..shape.heads {
                let of_kv = head / 2 * width;
                let sees = |j: usize| {
                    let in_window = shape.window.is_none_or(|window| j + window > i);
                    !shape.causal || (j <= i && in_window)
                };
                let weigh = |j: usize| {
                    let score: f64 = (0..width)
                        .map(|c| {
                            f64::from(q[(start + i) * across + head * width + c])
                                * f64::from(k[(start + j) * kv + of_kv + c])
                        })
                        .sum::<f64>()
                        * f64::from(shape.scale);
                    let capped = shape.cap.map_or(score, |cap| {
                        f64::from(cap) * (score / f64::from(cap)).tanh()
                    });
                    capped.exp()
                };
                let seen: Vec<usize> = (0..*length).filter(|j| sees(*j)).collect();
                let total: f64 = seen.iter().map(|j| weigh(*j)).sum();
                for j in seen {
                    for c in 0..width {
                        out[(start + i) * across + head * width + c] +=
                            weigh(j) / total * f64::from(v[(start + j) * kv + of_kv + c]);
                    }
                }
            }
        }
        start += length;
    }
    out
}

#[test]
fn attention_should_equal_plain_loops_by_every_kernel() {
    // More rows than a block has.
    let lengths = vec![3, 150, 1];
    let rows: usize = lengths.iter().sum();
    let (q, k, v) = (
        tensor(&[rows, 12], 0.1),
        tensor(&[rows, 6], 0.2),
        tensor(&[rows, 6], 0.3),
    );
    for base in [
        shape(true, None, None),
        shape(true, Some(7), None),
        shape(true, Some(70), Some(2.0)),
        shape(false, None, Some(2.0)),
    ] {
        let shape = Attention {
            lengths: Arc::new(lengths.clone()),
            ..base
        };
        let [qs, ks, vs] = [&q, &k, &v].map(|x| flat(x).unwrap());
        let expected = reference(&qs, &ks, &vs, &shape);
        let found = [
            attend(Kernels::Exact, &q, &k, &v, &shape).unwrap(),
            attend(Kernels::Fast, &q, &k, &v, &shape).unwrap(),
            attention::composed(&q, &k, &v, &shape, 1 << 20).unwrap(),
            // Blocks of 20 queries of the longest sequence.
            attention::composed(&q, &k, &v, &shape, 4 * 150 * 20).unwrap(),
        ];
        for found in found {
            for (a, b) in flat(&found).unwrap().iter().zip(&expected) {
                assert!((f64::from(*a) - b).abs() < 1e-5, "{a} {b} {shape:?}");
            }
        }
    }
}

#[test]
fn shapes_that_do_not_fit_should_be_refused() {
    let q = tensor(&[9, 12], 0.1);
    let k = tensor(&[9, 6], 0.2);
    let fits = shape(true, None, None);
    for shape in [
        Attention {
            lengths: Arc::new(vec![3, 5]),
            ..fits.clone()
        },
        Attention {
            kv_heads: 3,
            ..fits.clone()
        },
        Attention {
            window: Some(0),
            ..fits.clone()
        },
    ] {
        assert!(attend(Kernels::Exact, &q, &k, &k, &shape).is_err());
    }
    let values = noise(6, 0.0);
    let matrix = Matrix::new(&values, 3, 2, 2);
    assert!(product(Kernels::Fast, matrix, matrix).is_err());
    let outside = Matrix::new(&values, 3, 3, 3);
    assert!(product(Kernels::Fast, outside, outside).is_err());
}

#[test]
fn products_should_equal_sums_in_order() {
    for (m, n, k) in [(1, 1, 1), (5, 17, 3), (4, 16, 8), (33, 40, 70), (2, 3, 0)] {
        let (a, b) = (noise(m * k, 0.1), noise(n * k, 0.2));
        let left = Matrix::new(&a, m, k, k);
        let right = Matrix::new(&b, n, k, k).transposed();
        let exact = product(Kernels::Exact, left, right).unwrap();
        let fast = product(Kernels::Fast, left, right).unwrap();
        for i in 0..m {
            for j in 0..n {
                let mut sum = 0.0f32;
                for c in 0..k {
                    sum += a[i * k + c] * b[j * k + c];
                }
                assert_eq!(exact[i * n + j].to_bits(), sum.to_bits());
                assert!((fast[i * n + j] - sum).abs() < 1e-4);
            }
        }
    }
}

#[test]
fn functions_should_be_within_a_few_units_of_the_last_place() {
    let units = |found: f32, expected: f64| {
        let unit = f64::from(f32::EPSILON) * expected.abs().max(f64::from(f32::MIN_POSITIVE));
        (f64::from(found) - expected).abs() / unit
    };
    for i in -8_700..8_800 {
        let x = i as f32 * 0.01 + 0.003;
        let expected = f64::from(x).exp();
        assert!(units(math::exp(x), expected) < 2.5, "exp {x}");
        assert!(
            units(math::tanh(x * 0.1), f64::from(x * 0.1).tanh()) < 4.0,
            "tanh {x}"
        );
    }
    assert_eq!(math::exp(f32::NEG_INFINITY), 0.0);
    assert_eq!(math::exp(f32::INFINITY), f32::INFINITY);
    assert_eq!(math::exp(100.0), f32::INFINITY);
    assert_eq!(math::exp(-100.0), 0.0);
    assert_eq!(math::exp(0.0), 1.0);
    assert!(math::exp(f32::NAN).is_nan() && math::tanh(f32::NAN).is_nan());
}

#[test]
fn a_nan_should_not_vanish() {
    for at in [0, 1, 17, 39] {
        let mut row = noise(40, 0.0);
        row[at] = f32::NAN;
        assert!(math::largest(&row).is_nan());
        let logits = Tensor::from_vec(row, (1, 40), &Device::Cpu).unwrap();
        assert!(nll(&logits, &[3]).unwrap().to_vec1::<f32>().unwrap()[0].is_nan());
    }
}

#[test]
fn losses_in_chunks_should_be_those_of_all_at_once() {
    let hidden = tensor(&[5, 8], 0.1);
    let head = Linear::new(tensor(&[30, 8], 0.2), None);
    let targets = [1, 29, 0, 7, 7];
    let logits = head.apply(Kernels::Exact, &hidden).unwrap();
    let whole: Vec<f32> = nll(&logits, &targets).unwrap().to_vec1().unwrap();
    let found = nll_in_chunks(Kernels::Exact, &hidden, &head, None, &targets).unwrap();
    assert_eq!(whole, found);
    let capped = nll_in_chunks(Kernels::Exact, &hidden, &head, Some(0.5), &targets).unwrap();
    let log = 30f32.ln();
    assert!(
        capped
            .iter()
            .all(|nll| (nll - log).abs() < 1.0 && *nll != log)
    );
    assert!(nll(&logits, &[30, 0, 0, 0, 0]).is_err());
}

#[test]
fn losses_by_classes_should_be_those_of_all_at_once() {
    const CLASSES: usize = 2_500;
    let hidden = tensor(&[5, 8], 0.1);
    // Later classes have larger logits, so that sums are corrected.
    let mut weights = noise(CLASSES * 8, 0.2);
    for (i, weight) in weights.iter_mut().enumerate() {
        *weight *= 1.0 + (i / 8) as f32 * 1e-3;
    }
    let head = |weights: &[f32]| {
        let weights = Tensor::from_slice(weights, (CLASSES, 8), &Device::Cpu).unwrap();
        Linear::new(weights, None)
    };
    let targets = [0, 1023, 1024, 2048, 2499];
    for cap in [None, Some(0.5), Some(30.0)] {
        let expected =
            nll_in_chunks(Kernels::Exact, &hidden, &head(&weights), cap, &targets).unwrap();
        let turned = head(&weights).turned(Kernels::Fast).unwrap();
        for head in [head(&weights), turned] {
            let found = nll_in_chunks(Kernels::Fast, &hidden, &head, cap, &targets).unwrap();
            for (found, expected) in found.iter().zip(&expected) {
                assert!((found - expected).abs() < 1e-5 * expected.abs(), "{cap:?}");
            }
            assert!(nll_in_chunks(Kernels::Fast, &hidden, &head, cap, &[2500; 5]).is_err());
        }
    }
    for class in [0, 1024, 2499] {
        for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut weights = weights.clone();
            weights[class * 8 + 3] = wrong;
            for kernels in [Kernels::Exact, Kernels::Fast] {
                let found =
                    nll_in_chunks(kernels, &hidden, &head(&weights), None, &targets).unwrap();
                assert!(found.iter().all(|nll| nll.is_nan()), "{kernels:?} {wrong}");
            }
        }
    }
}

#[test]
fn turned_rows_should_be_columns() {
    for (rows, columns) in [(70, 45), (1, 1), (32, 33), (31, 64)] {
        let matrix = tensor(&[rows, columns], 0.4);
        let values = flat(&matrix).unwrap();
        let mut turned = Turned::new(rows, columns).unwrap();
        for part in values.chunks(columns * 33) {
            turned.push(part);
        }
        let expected = flat(&matrix.t().unwrap().contiguous().unwrap()).unwrap();
        let found = turned.finish().unwrap();
        assert_eq!(found.dims(), [columns, rows]);
        assert_eq!(flat(&found).unwrap(), expected);
    }
    let mut few = Turned::new(3, 2).unwrap();
    few.push(&[1.0, 2.0, 3.0, 4.0]);
    assert!(few.finish().is_err());
}

#[test]
fn fused_exponentials_should_be_as_near() {
    if !math::fuses() {
        return;
    }
    let row: Vec<f32> = (0..4_000).map(|i| i as f32 * -0.0217).collect();
    let plain = math::sum_of_exponentials::<false>(&row, 0.0);
    let fused = math::sum_of_exponentials::<true>(&row, 0.0);
    assert!((plain - fused).abs() < 1e-6 * plain, "{plain} {fused}");
    let mut weights = row.clone();
    math::exponentials::<true>(&mut weights, 0.0, 1.0);
    for (x, found) in row.iter().zip(&weights) {
        let expected = f64::from(*x).exp();
        // Subnormals are 0.
        assert!(
            (f64::from(*found) - expected).abs() < 3e-7 * expected + 1e-37,
            "{x}"
        );
    }
}
