//! What is measured of this pallet. The documentation of a benchmark becomes that of its weight.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::panic,
    reason = "small numbers of its own, and a benchmark that fails must stop"
)]

use crate::*;
use alloc::vec::Vec;
use arena_primitives::{AccountId, TaskId, traits::Clock};
use frame_benchmarking::v2::*;
use frame_support::traits::{EnsureOrigin, Get};
use frame_system::{Pallet as System, RawOrigin};
use sp_core::H256;

/// A task in its challenge phase.
pub struct Scene {
    /// The task.
    pub task: TaskId,
    /// Trainers with a model and rewards in it.
    pub trainers: Vec<AccountId>,
    /// Validators, who can pay for a bond each.
    pub validators: Vec<AccountId>,
}

/// Brings the neighbours where benchmarks need them. Implemented by the runtime.
pub trait BenchmarkHelper {
    /// A task in the first block of its challenge phase with as many trainers and validators as
    /// cases can be open.
    fn challenged() -> Scene;
}

/// For tests, which run no benchmarks.
impl BenchmarkHelper for () {
    fn challenged() -> Scene {
        Scene {
            task: 0,
            trainers: Vec::new(),
            validators: Vec::new(),
        }
    }
}

/// Opens `count` cases, each of a validator against a trainer.
fn open_cases<T: Config>(scene: &Scene, count: u32) {
    let pairs = scene.validators.iter().zip(&scene.trainers);
    for (validator, trainer) in pairs.take(count as usize) {
        let origin = RawOrigin::Signed(validator.clone());
        let evidence = H256::repeat_byte(9);
        let opened = Pallet::<T>::open(origin.into(), scene.task, trainer.clone(), evidence);
        assert!(opened.is_ok(), "{opened:?}");
    }
}

#[benchmarks]
mod benchmarks {
    use super::*;

    /// `open`, as the last case that fits.
    #[benchmark]
    fn open() {
        let scene = T::BenchmarkHelper::challenged();
        open_cases::<T>(&scene, MAX_OPEN_CASES - 1);
        let at = MAX_OPEN_CASES as usize - 1;
        let (validator, trainer) = (scene.validators[at].clone(), scene.trainers[at].clone());

        #[extrinsic_call]
        _(
            RawOrigin::Signed(validator),
            scene.task,
            trainer,
            H256::repeat_byte(9),
        );

        assert_eq!(CasesOf::<T>::get(scene.task).len() as u32, MAX_OPEN_CASES);
    }

    /// `resolve`, with a conviction.
    #[benchmark]
    fn convict() -> Result<(), BenchmarkError> {
        let scene = T::BenchmarkHelper::challenged();
        open_cases::<T>(&scene, MAX_OPEN_CASES);
        let origin = T::ArbiterOrigin::try_successful_origin()
            .map_err(|()| BenchmarkError::Stop("no origin decides"))?;

        #[extrinsic_call]
        resolve(origin as T::RuntimeOrigin, 0, true);

        assert!(Convicted::<T>::contains_key(scene.task, &scene.trainers[0]));
        Ok(())
    }

    /// `resolve`, with an acquittal.
    #[benchmark]
    fn acquit() -> Result<(), BenchmarkError> {
        let scene = T::BenchmarkHelper::challenged();
        open_cases::<T>(&scene, MAX_OPEN_CASES);
        let origin = T::ArbiterOrigin::try_successful_origin()
            .map_err(|()| BenchmarkError::Stop("no origin decides"))?;

        #[extrinsic_call]
        resolve(origin as T::RuntimeOrigin, 0, false);

        assert!(!OpenCases::<T>::contains_key(0));
        Ok(())
    }

    /// `expire`.
    #[benchmark]
    fn expire() {
        let scene = T::BenchmarkHelper::challenged();
        open_cases::<T>(&scene, MAX_OPEN_CASES);
        let late = T::Clock::blocks(T::DecideWithin::get()).saturating_add(1);
        let now = Pallet::<T>::now().saturating_add(late);
        System::<T>::set_block_number(now.into());
        let caller: AccountId = whitelisted_caller();

        #[extrinsic_call]
        _(RawOrigin::Signed(caller), 0);

        assert!(!OpenCases::<T>::contains_key(0));
    }
}
