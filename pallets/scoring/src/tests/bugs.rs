//! Units of work of a settlement that are taken twice, as if the stored cursor had been written
//! wrongly between two pages: the invariants must see it, whatever follows.

use super::{
    pages::{case, prepare, smallest_limit},
    *,
};
use crate::{Settlement, Settling, Stage, invariants};
use arena_primitives::Balance;
use frame_support::{storage::with_transaction, weights::Weight};
use sp_runtime::{DispatchError, TransactionOutcome};

/// The unit that was taken last, and what it paid.
fn last_payment(state: &Settlement) -> Option<(Stage, Balance)> {
    let trainer = |next: u32| {
        let paid = state.models.get(next as usize)?.reward;
        Some((Stage::Trainers { next }, paid))
    };
    let validator = |next: u32| {
        let paid = state.validators.get(next as usize)?.reward;
        Some((Stage::Validators { next }, paid))
    };
    match state.stage {
        Stage::Trainers { next } => trainer(next.checked_sub(1)?),
        Stage::Validators { next: 0 } => trainer(state.models.len().checked_sub(1)? as u32),
        Stage::Validators { next } => validator(next - 1),
        Stage::Forget { .. } | Stage::Finish => {
            validator(state.validators.len().checked_sub(1)? as u32)
        }
        Stage::Scores { .. }
        | Stage::Sketches { .. }
        | Stage::Likeness { .. }
        | Stage::Draw
        | Stage::Pots { .. } => None,
    }
}

/// The pot that was shared last.
fn last_pot(state: &Settlement) -> Option<Stage> {
    let Stage::Pots { next } = state.stage else {
        return None;
    };
    let next = next.checked_sub(1)?;
    let model = state.models.get(next as usize)?;
    (state.drawn > 0 && model.consensus.is_some()).then_some(Stage::Pots { next })
}

/// Goes back to `stage`, takes one more page of `limit`, and undoes all of that. Whether the
/// invariants saw it, and how many payments the page made.
fn rewound(stage: Stage, limit: Weight) -> (bool, usize) {
    let neighbours = with(|n| n.clone());
    let outcome = with_transaction::<_, DispatchError, _>(|| {
        Settling::<Test>::mutate(|state| state.as_mut().expect("a settlement").stage = stage);
        Scoring::tick(SCHEDULE.settle, limit);
        TransactionOutcome::Rollback(Ok(invariants::check::<Test>().is_err()))
    });
    let paid = with(|n| n.payments.len());
    with(|n| *n = neighbours.clone());
    let seen = outcome.expect("no dispatch");
    (seen, paid - neighbours.payments.len())
}

/// Settles rounds page by page, and lets `bug` look at each boundary between two pages.
fn at_each_boundary(mut bug: impl FnMut(&Settlement)) {
    for seed in 1..=60 {
        let case = case(seed);
        run(|| {
            prepare(&case);
            System::set_block_number(SCHEDULE.settle);
            while with(|n| n.alive) {
                Scoring::tick(SCHEDULE.settle, smallest_limit());
                invariants::check::<Test>().expect("sound");
                if let Some(state) = Settling::<Test>::get() {
                    bug(&state);
                }
            }
        });
    }
}

#[test]
fn a_unit_paid_twice_between_two_pages_should_be_caught() {
    let mut victims = 0;
    at_each_boundary(|state| {
        let Some((stage, _)) = last_payment(state).filter(|(_, paid)| *paid > 0) else {
            return;
        };
        // One more page, and all that is left in one.
        for limit in [smallest_limit(), Weight::MAX] {
            let (seen, payments) = rewound(stage, limit);
            assert!(seen, "{stage:?} was taken twice, and nobody saw it");
            // Rewards refuse what is not left of the draw.
            victims += u32::from(payments > 0);
        }
    });
    println!("{victims} units were paid twice");
    assert!(victims >= 100, "{victims} units");
}

#[test]
fn a_pot_shared_twice_between_two_pages_should_be_caught() {
    let (mut victims, mut caught) = (0, 0);
    at_each_boundary(|state| {
        let Some(stage) = last_pot(state) else { return };
        let (seen, _) = rewound(stage, smallest_limit());
        victims += 1;
        caught += u32::from(seen);
    });
    println!("{caught} of {victims} pots that were shared twice were seen");
    assert!(victims >= 50, "{victims} pots");
    // What is left of the pots before can hide it from the sum, and a draw from the count.
    assert!(caught * 3 >= victims * 2, "{caught} of {victims} pots");
}
