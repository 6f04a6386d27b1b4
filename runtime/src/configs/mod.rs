//! Settings of the runtime's pallets.

pub mod arena;
pub mod consensus;
pub mod fees;
pub mod governance;
pub mod system;
