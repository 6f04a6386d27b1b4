//! What the benches share: blocks in the runtime's wasm, chains to run them on, seeded numbers.

pub mod chain;
pub mod law;
pub mod market;
pub mod plan;
pub mod progress;
pub mod stats;
pub mod world;
