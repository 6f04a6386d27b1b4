//! What tasks draw, and bounties.

use super::*;

#[test]
fn tasks_should_draw_by_counted_stake_and_time() {
    build_and_execute(|| {
        open(1, 100, 300);
        open(2, 100, 100);
        at(11);
        about(draw(1), 10 * BLOCK * 3 / 4);
        at(21);
        about(draw(1), 10 * BLOCK * 3 / 4);
        about(draw(2), 20 * BLOCK / 4);
        assert_eq!(draw(1), 0);
        Rewards::to_treasury(Rewards::totals().in_flight);
    });
}

#[test]
fn a_change_of_counted_stake_should_count_from_its_block() {
    build_and_execute(|| {
        open(1, 100, 100);
        open(2, 100, 100);
        at(11);
        Rewards::set_counted(2, 300);
        at(21);
        about(draw(1), 10 * BLOCK / 2 + 10 * BLOCK / 4);
        about(draw(2), 10 * BLOCK / 2 + 10 * BLOCK * 3 / 4);
    });
}

#[test]
fn what_exceeds_max_share_should_not_be_minted() {
    build_and_execute(|| {
        open(1, 30, 100);
        let before = Balances::total_issuance();
        at(11);
        assert_eq!(draw(1), 3 * BLOCK);
        assert_eq!(Balances::total_issuance() - before, 3 * BLOCK);
        assert_eq!(Rewards::totals().minted, 3 * BLOCK);
        at(12);
        assert_eq!(draw(1), BLOCK * 3 / 10); // no rest from before
    });
}

#[test]
fn enrolment_should_give_no_room_below_max_share() {
    build_and_execute(|| {
        open(1, 30, 0);
        at(11);
        Rewards::set_counted(1, 100);
        at(13);
        assert_eq!(draw(1), 2 * BLOCK * 3 / 10);
    });
}

#[test]
fn time_without_counted_stake_should_lapse() {
    build_and_execute(|| {
        open(1, 100, 0);
        at(11);
        Rewards::set_counted(1, 50);
        at(13);
        about(Rewards::drawable(1), 2 * BLOCK);
        about(draw(1), 2 * BLOCK);
        Rewards::set_counted(1, 0);
        at(99);
        assert_eq!(draw(1), 0);
    });
}

#[test]
fn lapse_should_let_go_of_what_could_be_drawn() {
    build_and_execute(|| {
        open(1, 100, 50);
        at(11);
        about(Rewards::due(1, 1).emission, 10 * BLOCK);
        Rewards::lapse(1);
        System::assert_last_event(Event::Lapsed { task: 1 }.into());
        assert_eq!(draw(1), 0);
        at(12);
        about(draw(1), BLOCK);
    });
}

#[test]
fn what_is_due_should_not_grow_until_it_is_drawn() {
    build_and_execute(|| {
        open(1, 100, 50);
        assert_ok!(Rewards::top_up(1, &account(9), 10 * UNIT));
        at(11);
        let due = Rewards::due(1, 2);
        at(14);
        assert_eq!(
            <Rewards as TaskRewards>::draw(1, due),
            due.emission + 5 * UNIT
        );
        about(due.emission, 10 * BLOCK);
        about(Rewards::due(1, 1).emission, 3 * BLOCK);
        Rewards::to_treasury(Rewards::totals().in_flight);
    });
}

#[test]
fn a_bounty_that_went_back_should_not_be_drawn() {
    build_and_execute(|| {
        open(1, 100, 50);
        assert_ok!(Rewards::top_up(1, &account(9), 10 * UNIT));
        at(11);
        let due = Rewards::due(1, 2);
        assert_eq!(due.bounty, 5 * UNIT);
        Rewards::release(1, &account(9));
        assert_eq!(<Rewards as TaskRewards>::draw(1, due), due.emission);
        Rewards::to_treasury(due.emission);
    });
}

#[test]
fn a_bounty_should_be_spread_over_rounds_and_the_rest_go_back() {
    build_and_execute(|| {
        open(1, 100, 0);
        assert_ok!(Rewards::top_up(1, &account(9), 90 * UNIT));
        assert_eq!(draw_of(1, 3), 30 * UNIT);
        assert_eq!(Rewards::bounty(1), 60 * UNIT);
        assert_ok!(Rewards::top_up(1, &account(8), 40 * UNIT));
        assert_eq!(draw_of(1, 2), 50 * UNIT);
        let totals = Rewards::totals();
        assert_eq!(
            (totals.minted, totals.bounties, totals.in_flight),
            (0, 80 * UNIT, 80 * UNIT)
        );
        Rewards::to_treasury(80 * UNIT);
        assert_eq!(ToTreasury::get(), 80 * UNIT);
        let before = Balances::balance(&account(9));
        Rewards::release(1, &account(9));
        assert_eq!(Balances::balance(&account(9)) - before, 50 * UNIT);
        assert_eq!((Rewards::bounty(1), draw(1)), (0, 0));
    });
}

#[test]
fn a_bounty_that_cannot_go_back_should_go_to_the_treasury() {
    build_and_execute(|| {
        open(1, 100, 0);
        assert_ok!(Rewards::top_up(1, &account(9), ED - 1));
        Rewards::release(1, &account(99)); // an account that does not exist
        assert_eq!(ToTreasury::get(), ED - 1);
    });
}

#[test]
fn top_up_should_be_refused_when_it_does_not_fit() {
    build_and_execute(|| {
        open(1, 100, 0);
        let top_up = |task, amount| Rewards::top_up(task, &account(9), amount);
        assert_noop!(top_up(1, 0), Error::<Test>::ZeroAmount);
        assert_noop!(top_up(2, UNIT), Error::<Test>::UnknownTask);
        assert_noop!(top_up(1, 10_000 * UNIT), TokenError::NotExpendable);
        Rewards::release(1, &account(9));
        assert_noop!(top_up(1, UNIT), Error::<Test>::UnknownTask);
    });
}

#[test]
fn two_tasks_should_never_draw_more_than_is_emitted() {
    build_and_execute(|| {
        open(1, 100, 7_919);
        open(2, 100, 104_729);
        let mut sum = 0;
        for block in 2..100 {
            at(block);
            Rewards::set_counted(1, u128::from(block) * 31 + 1);
            sum += draw(1) + if block % 3 == 0 { draw(2) } else { 0 };
        }
        sum += draw(2);
        assert!(sum <= 98 * BLOCK && sum + 1_000 > 98 * BLOCK, "{sum}");
    });
}

#[test]
fn tasks_that_are_unknown_should_do_nothing() {
    build_and_execute(|| {
        Rewards::set_counted(5, 100);
        Rewards::lapse(5);
        assert_eq!(
            (draw(5), Rewards::drawable(5), Rewards::bounty(5)),
            (0, 0, 0)
        );
        Rewards::release(5, &account(1));
        assert_eq!(Rewards::locked(5, &account(1)), 0);
        assert_eq!(Rewards::forfeit(5, &account(1), &[]), Taken::default());
        Rewards::to_treasury(UNIT); // of nothing drawn
        assert_eq!(ToTreasury::get(), 0);
    });
}
