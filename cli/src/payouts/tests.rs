use super::*;
use crate::{amount::Amount, told::Event};

const STAKE: StakeSnapshot = StakeSnapshot {
    own: 100,
    delegated: 300,
    shares: 300,
};

fn place() -> Place {
    (Venue::Task(1), AccountId::from([1; 32]))
}

fn pay() -> Pay {
    Pay {
        round: 1,
        operator: place().1,
        role: Role::Validator,
        stake: STAKE,
        commission: Perbill::from_percent(10),
        amount: 4_000,
    }
}

fn result() -> views::Result {
    views::Result {
        task: 1,
        round: 1,
        settled_at: 10,
        drawn: Amount(4_000),
        treasury: Amount(0),
        unpaid: None,
        models: vec![],
        validators: vec![],
    }
}

/// What a chain tells that books the pay as these two parts.
fn told(operator: Balance, delegators: Balance) -> Told {
    let parts = Parts {
        operator,
        delegators,
        dust: 0,
    };
    let mut told = Told::default();
    told.add(9, Event::Drawn(1, 3_000, 1_000));
    told.add(10, Event::Earned(place(), 1, parts));
    told
}

fn differences(told: &Told) -> (usize, Ledger) {
    let (mut ledger, mut comparison) = (Ledger::default(), Comparison::default());
    ledger
        .round(&mut comparison, told, &result(), vec![pay()])
        .unwrap();
    (comparison.differences(), ledger)
}

#[test]
fn round_should_find_a_wrong_a_missing_and_a_second_split() {
    // 10 % of the delegators' 3,000 are the operator's.
    assert_eq!(differences(&told(1_300, 2_700)).0, 0);
    assert_eq!(differences(&told(1_301, 2_699)).0, 1);
    assert_eq!(differences(&Told::default()).0, 1);
    let mut twice = told(1_300, 2_700);
    twice.add(11, Event::Earned(place(), 1, Parts::default()));
    assert_eq!(differences(&twice).0, 1);
}

#[test]
fn unexpected_should_find_pay_that_is_not_due_and_draws_that_do_not_add_up() {
    let found = |more: Option<Event>| {
        let mut told = told(1_300, 2_700);
        let (_, ledger) = differences(&told);
        more.into_iter().for_each(|event| told.add(10, event));
        let mut comparison = Comparison::default();
        ledger.unexpected(&mut comparison, &told);
        comparison.differences()
    };
    assert_eq!(found(None), 0);
    assert_eq!(found(Some(Event::Drawn(1, 1, 0))), 1);
    let other = (Venue::Task(1), AccountId::from([2; 32]));
    let parts = Parts::default();
    assert_eq!(found(Some(Event::Earned(other, 1, parts))), 1);
    assert_eq!(found(Some(Event::Earned(place(), 2, parts))), 1);
    // Of a task that wasn't asked for.
    let elsewhere = (Venue::Task(2), AccountId::from([2; 32]));
    assert_eq!(found(Some(Event::Earned(elsewhere, 2, parts))), 0);
}

fn forfeited(total: Balance, paid: Balance) -> Event {
    Event::Forfeited(place(), Taken { total, paid })
}

#[test]
fn what_a_challenge_took_should_be_burned_whole() {
    let mut told = Told::default();
    told.add(8, forfeited(50, 30));
    told.add(10, forfeited(4_000, 0));
    let (found, ledger) = differences(&told);
    assert_eq!((found, ledger.rewards), (0, 4_000));
    assert_eq!(ledger.late.get(&place()), Some(&4_000));
    for other in [forfeited(3_999, 0), forfeited(4_000, 1)] {
        let mut less = Told::default();
        less.add(10, other);
        assert_eq!(differences(&less).0, 1);
    }
}

#[test]
fn forfeited_should_find_what_was_taken_beside_what_was_owed() {
    let found = |operator, delegators| {
        let mut told = Told::default();
        told.add(8, forfeited(50, 30));
        told.add(10, forfeited(4_000, 0));
        let (_, ledger) = differences(&told);
        let mut comparison = Comparison::default();
        ledger.forfeited(&mut comparison, &told, &place(), (operator, delegators));
        comparison.differences()
    };
    assert_eq!(found(Some(20), Some(30)), 0);
    assert_eq!(found(Some(20), Some(31)), 1);
    assert_eq!(found(None, Some(50)), 1);
}

#[test]
fn books_should_be_the_sums_of_what_was_computed() {
    let told = told(1_300, 2_700);
    let (_, ledger) = differences(&told);
    let sums = |change: fn(&mut Books)| {
        let mut books = Books {
            minted: Amount(3_000),
            bounties: Amount(1_000),
            rewards: Amount(4_000),
            ..Books::default()
        };
        change(&mut books);
        let mut comparison = Comparison::default();
        ledger.books(&mut comparison, &told, &books);
        comparison.differences()
    };
    assert_eq!(sums(|_| ()), 0);
    assert_eq!(sums(|books| books.minted.0 += 1), 1);
    assert_eq!(sums(|books| books.bounties.0 -= 1), 1);
    assert_eq!(sums(|books| books.rewards.0 -= 1), 1);
    assert_eq!(sums(|books| books.authors.0 += 1), 1);
    assert_eq!(sums(|books| books.dust.0 += 1), 1);
}
