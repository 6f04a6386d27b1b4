//! Plays attacks against honest play on the real runtime, natively.
//!
//! A [`config::Config`] names the chain, its people and the attacks. [`run::compare`] plays one
//! attack twice with one seed, honestly and as an attack, and tells what changed. Calls are
//! dispatched with the origins that they have on a chain, every block runs the hooks of the
//! arena's pallets, and what somebody gained is read from balances. Signatures of extrinsics,
//! fees and the making of blocks are left out.

#![forbid(unsafe_code)]

pub mod attack;
mod cast;
mod chain;
pub mod chance;
pub mod config;
mod game;
mod grind;
mod habits;
mod play;
pub mod report;
pub mod run;
mod scenes;
