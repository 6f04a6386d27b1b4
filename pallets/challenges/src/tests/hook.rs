//! What the hook does with little room.

use super::*;
use crate::{WeightInfo, units};
use frame_support::weights::Weight;

/// A block whose hook has `limit`.
fn block(limit: Weight) -> Weight {
    System::set_block_number(System::block_number() + 1);
    Challenges::tick(System::block_number(), limit)
}

#[test]
fn the_hook_should_leave_for_the_next_block_what_does_not_fit() {
    run(|| {
        let case = open(VAL, copy());
        to(state(case).due() - 1);
        let least = <() as WeightInfo>::step_beacon();
        for _ in 0..3 {
            assert!(block(least).all_lte(least));
            assert!(matches!(state(case), CaseState::Drawing { .. }));
        }
        let late = System::block_number();
        pass(1);
        assert!(matches!(state(case), CaseState::Committing { .. }));
        assert_eq!(
            state(case).due(),
            late + 1 + 6,
            "jurors have the whole window"
        );
    });
}

#[test]
fn a_late_draw_should_be_that_of_its_own_blocks() {
    let drawn = |late: u32| {
        let mut draw = H256::zero();
        run(|| {
            let case = open(VAL, copy());
            to(state(case).due() - 1);
            for _ in 0..late {
                block(<() as WeightInfo>::step_beacon());
            }
            pass(1);
            draw = state(case).jury().expect("a jury").draw;
        });
        draw
    };
    assert_eq!(drawn(0), drawn(5));
}

#[test]
fn the_hook_should_use_no_more_than_it_has() {
    run(|| {
        for n in VAL..VAL + 6 {
            commit(n, &copy());
        }
        let step = <() as WeightInfo>::step_expire();
        let always = <() as WeightInfo>::step_beacon() + <() as WeightInfo>::step_look() * 6;
        pass(Challenges::open_window() - 1);
        let limit = always + step * 2;
        assert!(block(limit).all_lte(limit));
        let left = Commitments::<Test>::iter().count();
        assert!((3..6).contains(&left), "{left} are left");
        pass(1);
        assert_eq!(Commitments::<Test>::iter().count(), 0);
    });
}

#[test]
fn every_unit_should_fit_a_hook_that_has_nothing_else_to_do() {
    for (what, weight) in units::largest_units::<Test>() {
        assert!(weight.all_lte(MaxTickWeight::get()), "{what}");
    }
}
