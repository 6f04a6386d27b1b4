//! The trials: honest people and cheats before juries, on real nodes with real executors.

pub mod adapter;
pub mod bribe;
pub mod cast;
pub mod chance;
pub mod chronicle;
pub mod copies;
pub mod court;
pub mod liar;
pub mod outcome;
pub mod recipes;
pub mod rounds;
pub mod rows;
pub mod run;
pub mod splice;
pub mod stage;
pub mod tensors;
pub mod trainings;

pub use run::{Options, run};
