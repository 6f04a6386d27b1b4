//! End-to-end harness of AIArena: real nodes, executors and command lines as processes of
//! this machine, on loopback, the demo that takes two tasks from proposal to payout, the
//! trials that put cheats and honest people before juries, and hostile requests to a node.
//!
//! Every process is known by its id, and ends with the harness; every wait has a deadline.

pub mod bins;
pub mod cli;
pub mod cluster;
pub mod demo;
pub mod executor;
pub mod hostile;
pub mod memory;
pub mod messages;
pub mod poll;
pub mod process;
pub mod progress;
pub mod rpc;
pub mod spec;
pub mod train;
pub mod trials;
