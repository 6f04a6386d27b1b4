#![doc = include_str!("../README.md")]

mod cache;
pub mod cli;
mod doctor;
mod download;
mod evaluate;
mod fault;
mod fetch;
mod losses;
mod metrics;
mod mirror;
mod queue;
mod scoring;
mod server;
mod sketch;
mod store;
mod supervisor;
mod token;
mod worker;

pub use queue::SubmitError;
pub use server::{Config, DEFAULT_CACHE_BYTES, DEFAULT_MEMORY_BYTES, Server};
pub use token::Token;
