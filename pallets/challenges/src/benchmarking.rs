//! What is measured of this pallet. The documentation of a benchmark becomes that of its weight.
