//! Checks of the runtime as a whole that catch disasters in a few lines each.

mod duties;
mod journey;
mod random;
mod sanity;
