//! Who may decide what, and how long it takes (protocol section 8).

pub mod origins;
pub mod parameters;
pub mod tracks;
