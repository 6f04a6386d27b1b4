//! The AIArena node.
#![allow(
    clippy::result_large_err,
    reason = "errors of the node's start are the SDK's own"
)]

mod chain_spec;
mod cli;
mod command;
mod executor;
mod genesis;
mod rpc;
mod service;

fn main() -> sc_cli::Result<()> {
    command::run()
}
