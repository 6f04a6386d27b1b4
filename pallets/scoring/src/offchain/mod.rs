//! The offchain worker: [`decide`] is a pure function from what is seen to what is to be done;
//! [`edge`] sees and does it.
//!
//! At every block it compares what is due with what the best state shows, and sends what is
//! missing. So it is safe to run twice, to be skipped, to restart, and on a fork.

pub mod decide;
pub mod edge;
mod jobs;

pub use arena_offchain::crypto;
pub use edge::run;
