//! The demo: two tasks from proposal to payout, with everything checked at the end.

pub mod checks;
pub mod journey;
pub mod people;
pub mod plan;
pub mod report;
pub mod run;
pub mod tables;

pub use run::{Options, run};
