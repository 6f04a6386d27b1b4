#![doc = include_str!("../README.md")]

mod cache;
pub mod cli;
mod client;
mod compare;
mod directory;
mod doctor;
mod download;
mod evaluate;
mod fault;
mod fetch;
mod losses;
mod memory;
mod metrics;
mod mirror;
#[cfg(test)]
#[path = "../tests/common/mirror.rs"]
mod mock;
mod needs;
mod queue;
pub mod sandbox;
mod scoring;
mod server;
mod size;
mod sketch;
mod store;
mod supervisor;
mod token;
mod wanted;
mod worker;

pub use queue::SubmitError;
pub use server::{Config, DEFAULT_CACHE_BYTES, DEFAULT_MEMORY_BYTES, Server};
pub use token::Token;
