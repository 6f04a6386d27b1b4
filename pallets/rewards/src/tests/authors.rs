//! Authors' pay and fees.

use super::*;
use frame_support::traits::{
    Hooks, OnUnbalanced,
    fungible::{Balanced, Credit},
};

fn author_block(n: u8) {
    at(System::block_number() + 1);
    Author::set(Some(account(n)));
    Authorship::on_initialize(System::block_number());
    Authorship::on_finalize(System::block_number());
}

#[test]
fn an_author_should_be_paid_for_each_block_and_claim_at_any_time() {
    build_and_execute(|| {
        Positions::set(vec![
            counted(1, 100 * UNIT, 0, 0),
            counted(2, 60 * UNIT, 40 * UNIT, 50),
        ]);
        author_block(1);
        author_block(2);
        author_block(2);
        let earned = |n| Rewards::earned(Venue::Network, &account(n));
        assert_eq!(earned(1).operator_owed, 5 * UNIT);
        assert_eq!(
            (earned(2).operator_owed, earned(2).delegators_owed),
            (8 * UNIT, 2 * UNIT)
        );
        let at_session = <Rewards as DelegatorRewards>::at(Venue::Network, &account(2), 3);
        assert_eq!(at_session, Some(earned(2).acc));
        let totals = Rewards::totals();
        assert_eq!(
            (totals.minted, totals.authors, totals.rewards),
            (15 * UNIT, 15 * UNIT, 0)
        );
        assert_ok!(Rewards::claim(signed(1), Venue::Network));
        assert_ok!(<Rewards as DelegatorRewards>::pay(
            Venue::Network,
            &account(2),
            &account(9),
            UNIT
        ));
        // The row stays for its accumulator.
        assert_ok!(Rewards::claim(signed(2), Venue::Network));
        assert!(crate::Earned::<Test>::contains_key(
            Venue::Network,
            account(1)
        ));
    });
}

#[test]
fn an_author_without_a_position_should_mint_nothing() {
    build_and_execute(|| {
        let before = Balances::total_issuance();
        author_block(1);
        Positions::set(vec![counted(1, UNIT, 0, 0)]);
        Session::set(None);
        author_block(1);
        assert_eq!(Balances::total_issuance(), before);
        assert_eq!(Rewards::totals(), Books::default());
    });
}

fn fee(amount: Balance) -> Credit<arena_primitives::AccountId, Balances> {
    <Balances as Balanced<_>>::issue(amount)
}

#[test]
fn a_fifth_of_fees_should_go_to_the_author_and_the_rest_to_the_treasury() {
    build_and_execute(|| {
        Author::set(Some(account(4)));
        let before = Balances::balance(&account(4));
        DealWithFees::<Test>::on_unbalanceds([fee(10_004), fee(10_000)].into_iter());
        assert_eq!(Balances::balance(&account(4)) - before, 4_000); // floor of 4,000.8
        assert_eq!(ToTreasury::get(), 16_004);
    });
}

#[test]
fn all_of_a_fee_should_go_to_the_treasury_when_no_author_can_take_it() {
    build_and_execute(|| {
        Author::set(Some(account(99))); // below the existential deposit there
        DealWithFees::<Test>::on_unbalanced(fee(ED));
        assert_eq!(ToTreasury::get(), ED);
    });
    build_and_execute(|| {
        ToTreasury::set(0);
        Author::set(None);
        DealWithFees::<Test>::on_unbalanced(fee(77));
        assert_eq!(ToTreasury::get(), 77);
    });
}
