//! Checks of the runtime as a whole that catch disasters in a few lines each.

mod cases;
mod copies;
mod duties;
mod endings;
mod governance;
mod idle;
mod journey;
mod proposals;
mod random;
mod reference;
mod sanity;
mod sealed;
mod views;
