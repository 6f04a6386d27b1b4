//! Functions of one number, by polynomials, and sums of rows.

/// Numbers that are summed side by side; one order of summation everywhere.
const LANES: usize = 16;

/// Moved into a closure it makes the compiler hold that to be called once.
pub(super) struct Once;

/// Runs what is given with the widest vectors of this machine. They hold more numbers at a time,
/// and give each the same operations: nothing is fused or reordered.
///
/// A macro, for all of it must be inlined into the function that has these vectors, or it is
/// compiled for the least of machines: the closure by its attribute, what it calls by theirs,
/// and a closure that could be called again would be called through a shim that has none.
macro_rules! wide {
    ($work:expr) => {{
        let once = $crate::kernels::math::Once;
        pulp::Arch::new().dispatch(
            #[inline(always)]
            || {
                let _moved = once;
                $work
            },
        )
    }};
}
pub(super) use wide;

/// Whether this machine multiplies and adds in one step, with one rounding; only for what need
/// not be the same everywhere.
pub(super) fn fuses() -> bool {
    !matches!(pulp::Arch::new(), pulp::Arch::Scalar)
}

/// `a·b + c`, rounded once if it is fused.
#[inline(always)]
fn multiply_add<const FUSED: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// eˣ = s·2ⁿ for |x| < 89: s and n.
#[inline(always)]
fn reduced<const FUSED: bool>(x: f32) -> (f32, i32) {
    // x = n·ln 2 + r with |r| ≤ ln 2 / 2. Adding 1.5·2²³ rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    // 0.693359375: 9 bits, so that n times it is exact.
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let fma = multiply_add::<FUSED>;
    let shifted = fma(x, std::f32::consts::LOG2_E, ROUND);
    let n = shifted - ROUND;
    let r = fma(n, -LN2_LOW, fma(n, -LN2_HIGH, x));
    // Minimax on |r| ≤ ln 2 / 2, after the Cephes library's expf.
    let mut p = 1.987_569_2e-4_f32;
    p = fma(p, r, 1.398_2e-3);
    p = fma(p, r, 8.333_452e-3);
    p = fma(p, r, 4.166_579_6e-2);
    p = fma(p, r, 1.666_666_5e-1);
    p = fma(p, r, 0.5);
    let series = fma(p, r * r, r) + 1.0;
    let exponent = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    (series, exponent)
}

/// eˣ, within 2 units in the last place; 0 below −87.3, infinite above 88.7.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    let bounded = if x > 88.8 { 88.8 } else { x };
    let bounded = if bounded < -87.4 { -87.4 } else { bounded };
    let (series, exponent) = reduced::<false>(bounded);
    // 2ⁿ in two factors, for n = 128 is no number of its own.
    let half = exponent >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    let value = series * power(half) * power(exponent.wrapping_sub(half));
    // A NaN fails every comparison, and goes through the polynomial.
    let value = if x < -87.3 { 0.0 } else { value };
    if x > 88.72 { f32::INFINITY } else { value }
}

/// eˣ of what is not above 0, with the same bits as [`exp`] has unless it is fused.
#[inline(always)]
fn exp_of_negative<const FUSED: bool>(x: f32) -> f32 {
    let bounded = if x < -87.4 { -87.4 } else { x };
    let (series, exponent) = reduced::<FUSED>(bounded);
    let value = series * f32::from_bits((exponent.wrapping_add(127) as u32) << 23);
    if x < -87.3 { 0.0 } else { value }
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(super) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh(x: f32) -> f32 {
    // Near 0 the quotient below loses digits.
    let square = x * x;
    let mut p = -5.704_988_7e-3_f32;
    p = p * square + 2.063_909e-2;
    p = p * square - 5.373_971_6e-2;
    p = p * square + 1.333_144_2e-1;
    p = p * square - 3.333_328e-1;
    let near = p * square * x + x;
    let far = 1.0 - 2.0 / (exp(2.0 * x) + 1.0);
    if x.abs() < 0.625 { near } else { far }
}

/// `Σ f(aᵢ, bᵢ)`, in lanes that are added from left to right at the end, in f64.
#[inline(always)]
fn sum_by(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let mut lanes = [0.0f32; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (at, a) in a.iter().enumerate() {
        let b = &b[at];
        for i in 0..LANES {
            lanes[i] += f(a[i], b[i]);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(f(*a, *b)));
    let rest: f64 = rest.sum();
    lanes.iter().map(|lane| f64::from(*lane)).sum::<f64>() + rest
}

/// `Σ aᵢ·bᵢ`.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f64 {
    sum_by(a, b, |a, b| a * b)
}

/// `Σ aᵢ`.
#[inline(always)]
pub(super) fn sum(a: &[f32]) -> f64 {
    sum_by(a, a, |a, _| a)
}

/// The largest value, or a NaN if there is one, so that it reaches the loss and is found there.
#[inline(always)]
pub(super) fn largest(row: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let pick = |max: f32, v: f32| if v <= max { max } else { v };
    // What is not a number never becomes the greatest again by a later comparison: it is
    // carried through a sum instead.
    let mut poison = [0.0f32; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut last = f32::NEG_INFINITY;
    let mut spoiled = 0.0f32;
    for v in rest {
        last = pick(last, *v);
        spoiled += v * 0.0;
    }
    for chunk in chunks {
        for i in 0..LANES {
            lanes[i] = if chunk[i] > lanes[i] {
                chunk[i]
            } else {
                lanes[i]
            };
            poison[i] += chunk[i] * 0.0;
        }
    }
    let spoiled = poison.iter().fold(spoiled, |sum, p| sum + p);
    let max = lanes.iter().fold(last, |max, v| pick(max, *v));
    // Infinities spoil it too; a row with one has no loss that is finite.
    if spoiled.is_nan() { f32::NAN } else { max }
}

/// `Σ exp(xᵢ − max)`.
#[inline(always)]
pub(super) fn sum_of_exponentials<const FUSED: bool>(row: &[f32], max: f32) -> f64 {
    sum_by(row, row, |v, _| exp_of_negative::<FUSED>(v - max))
}

/// Turns a row into `exp((x − max) · scale)`, for a scale above 0; returns the sum.
#[inline(always)]
pub(super) fn exponentials<const FUSED: bool>(row: &mut [f32], max: f32, scale: f32) -> f64 {
    for v in row.iter_mut() {
        *v = exp_of_negative::<FUSED>((*v - max) * scale);
    }
    sum(row)
}
