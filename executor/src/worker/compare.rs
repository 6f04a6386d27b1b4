//! Measures how far a model is from an earlier one.

use super::compute::{Run, fault, named};
use crate::{fault::of_earlier, store};
use arena_models::Device;
use arena_primitives::job::{Compare, Compared, Fault};

pub(super) fn run(run: &Run<'_>, job: &Compare) -> Result<Compared, Fault> {
    let clock = run.start_whole();
    let (model, earlier) = (run.path(store::MODEL), run.path(store::EARLIER));
    let base = run.base(&job.base);
    run.check(&model, base.as_deref())?;
    run.check(&earlier, base.as_deref()).map_err(of_earlier)?;
    let found = arena_models::compare(&model, &earlier, base.as_deref()).map_err(fault)?;
    Ok(Compared {
        distance: found.distance,
        same: found.same,
        device: named(run.args, Device::Cpu)?,
        millis: clock.millis(),
    })
}
