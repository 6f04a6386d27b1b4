//! Prints the rate of a product of two 2048 × 2048 matrices in f32, in GFLOP/s, as JSON: what an
//! evaluation's speed is held against.

use candle_core::{Device, Result, Tensor};
use std::time::Instant;

const SIZE: usize = 2048;
const ROUNDS: usize = 30;
const WARM_UP: usize = 5;

fn main() -> Result<()> {
    let shape = (SIZE, SIZE);
    let a = Tensor::rand(-1f32, 1f32, shape, &Device::Cpu)?;
    let b = Tensor::rand(-1f32, 1f32, shape, &Device::Cpu)?;
    let mut seconds = Vec::new();
    for _ in 0..ROUNDS {
        let started = Instant::now();
        a.matmul(&b)?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    let mut warm = seconds.split_off(WARM_UP);
    warm.sort_by(f64::total_cmp);
    let gflops = 2.0 * (SIZE as f64).powi(3) / warm[warm.len() / 2] / 1e9;
    println!("{}", serde_json::json!({"gflops": gflops}));
    Ok(())
}
