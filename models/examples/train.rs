//! Trains from a JSON config: `cargo run --release --example train -- config.json out`.
//!
//! Goes on from a checkpoint in `out` if there is one.

use arena_models::train::{self, TrainConfig};
use std::{env, error::Error, fs, path::PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1).map(PathBuf::from);
    let (Some(config), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("usage: train CONFIG.json OUT".into());
    };
    let config = TrainConfig::parse(&fs::read(config)?)?;
    let trained = train::run(&config, &out, true, &mut |p| {
        if p.step % 10 == 0 || p.step == p.steps {
            println!(
                "step {}/{} loss {:.4} after {:.1?}",
                p.step, p.steps, p.loss, p.elapsed
            );
        }
    })?;
    println!(
        "{} parameters in {}",
        trained.parameters,
        trained.model.display()
    );
    Ok(())
}
