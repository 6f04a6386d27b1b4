//! Looks for a mark in a model.

use super::compute::{Run, fault, named};
use crate::store;
use arena_models::Device;
use arena_primitives::job::{ExtractWatermark, Extracted, Fault};

pub(super) fn run(run: &Run<'_>, job: &ExtractWatermark) -> Result<Extracted, Fault> {
    let clock = run.start_whole();
    let (model, base) = (run.path(store::MODEL), run.base(&job.base));
    run.check(&model, base.as_deref())?;
    let found = arena_models::watermark::extract(&model, base.as_deref(), job.key, job.owner);
    let matches = found.map_err(fault)?;
    Ok(Extracted {
        matches,
        device: named(run.args, Device::Cpu)?,
        millis: clock.millis(),
    })
}
