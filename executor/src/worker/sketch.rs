//! Sketches a model's update, and hashes what it computes with.

use super::compute::{Run, fault, named};
use crate::store;
use arena_models::Device;
use arena_primitives::job::{Fault, Sketch, Sketched};

pub(super) fn run(run: &Run<'_>, job: &Sketch) -> Result<Sketched, Fault> {
    let clock = run.start_whole();
    let (model, base) = (run.path(store::MODEL), run.base(&job.base));
    run.check(&model, base.as_deref())?;
    let sketch = arena_models::sketch::sketch(&model, base.as_deref(), job.seed).map_err(fault)?;
    let canonical = arena_models::canonical_hash(&model).map_err(fault)?;
    Ok(Sketched {
        sketch,
        canonical,
        device: named(run.args, Device::Cpu)?,
        millis: clock.millis(),
    })
}
