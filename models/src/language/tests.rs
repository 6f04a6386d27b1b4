use super::*;
use crate::{Device as On, EvalOptions, Limits, Metric, Profile, Sink};
use std::{
    collections::HashSet,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Mutex,
};

const SAMPLES: usize = 40;
const THREADS: usize = 3;

#[derive(Default)]
struct Told(Vec<SampleLoss>);

impl Sink for Told {
    fn start(&mut self, _: usize) -> Vec<SampleLoss> {
        Vec::new()
    }
    fn sample(&mut self, loss: &SampleLoss) {
        self.0.push(*loss);
    }
}

fn options() -> EvalOptions {
    EvalOptions {
        metric: Metric::BitsPerByte,
        samples: 0,
        seed: [0; 32],
        context: 0,
        batch_tokens: 0,
        profile: Profile::F32,
        device: On::Cpu,
        base: None,
        limits: Limits::unlimited(),
    }
}

/// Samples of 7 tokens to 1, longest first.
fn drawn() -> Vec<Drawn> {
    let sample = |position: usize| {
        let ids = vec![3; 7 - position * 7 / SAMPLES];
        Drawn {
            position,
            sequence: Sequence {
                bytes: 1,
                ..Sequence::of_text(0, &ids)
            },
        }
    };
    (0..SAMPLES).map(sample).collect()
}

/// A sample's loss is its position for each token.
fn positions(batch: &[Drawn]) -> Vec<f32> {
    let of = |d: &Drawn| vec![d.position as f32; d.sequence.targets.len()];
    batch.iter().flat_map(of).collect()
}

fn starved() -> candle_core::Error {
    candle_core::Error::msg("no memory for 1 numbers")
}

/// What is told of all samples in batches of so many tokens.
fn shared(tokens: usize, compute: impl Compute) -> (Result<(), ModelError>, Vec<SampleLoss>) {
    let (drawn, mut told) = (drawn(), Told::default());
    let mut collector = Collector::new(SAMPLES, &options(), &mut told);
    let batches = batched(&drawn, tokens, &collector);
    let done = by_threads(&compute, &batches, THREADS, &mut collector);
    (done, told.0)
}

fn check(losses: &[SampleLoss]) {
    let indices: HashSet<u32> = losses.iter().map(|loss| loss.index).collect();
    assert_eq!((losses.len(), indices.len()), (SAMPLES, SAMPLES));
    for loss in losses {
        assert_eq!(loss.nll, f64::from(loss.index * loss.tokens));
    }
}

#[test]
fn losses_should_be_told_in_order_whoever_is_done_first() {
    for _ in 0..20 {
        let (done, told) = shared(9, |batch| {
            // Short batches overtake.
            std::thread::sleep(std::time::Duration::from_micros(
                batch[0].position as u64 % 3,
            ));
            Ok(positions(batch))
        });
        done.unwrap();
        check(&told);
        assert!(told.is_sorted_by_key(|loss| loss.index));
    }
}

#[test]
fn memory_that_lacks_should_be_tried_again_together_and_then_in_halves() {
    let failed = Mutex::new(HashSet::new());
    let (done, told) = shared(9, |batch| {
        let is_first = failed.lock().unwrap().insert(batch[0].position);
        match is_first && batch[0].position % 2 == 0 {
            true => Err(starved()),
            false => Ok(positions(batch)),
        }
    });
    done.unwrap();
    check(&told);
    let (done, told) = shared(20, |batch| match batch.len() > 1 {
        true => Err(starved()),
        false => Ok(positions(batch)),
    });
    done.unwrap();
    check(&told);
    let (done, told) = shared(20, |batch| match batch.iter().any(|d| d.position == 11) {
        true => Err(starved()),
        false => Ok(positions(batch)),
    });
    assert_eq!(done.unwrap_err().fault, Fault::Memory);
    assert!(told.iter().all(|loss| loss.index != 11));
}

#[test]
fn first_wrong_loss_should_be_told_of_and_nothing_after_it() {
    for _ in 0..20 {
        let (done, told) = shared(1, |batch| {
            let mut losses = positions(batch);
            if [7, 9].contains(&batch[0].position) {
                losses[0] = f32::NAN;
            }
            Ok(losses)
        });
        let error = done.unwrap_err();
        assert_eq!(error.fault, Fault::Unstable);
        assert!(error.detail.contains("sample 7"), "{}", error.detail);
        assert_eq!(told.len(), 7);
    }
}

#[test]
fn panic_of_one_thread_should_stop_the_others() {
    let computed = AtomicUsize::new(0);
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        shared(1, |batch| {
            if batch[0].position == 0 {
                std::panic::resume_unwind(Box::new("in a test"));
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
            computed.fetch_add(1, Ordering::Relaxed);
            Ok(positions(batch))
        })
    }));
    assert!(panicked.is_err());
    assert!(computed.into_inner() < SAMPLES / 2);
}
