//! Votes: conviction, delegation, locks, and what is refused.

use super::{super::sanity::with_preset, *};
use frame_support::traits::fungible::Inspect;
use governance::tracks::id;
use pallet_conviction_voting::{Call, Error};

/// How long a vote with conviction 1 is locked after its side has won: seven days.
const LOCK: BlockNumber = 7 * 40;

fn remark() -> RuntimeCall {
    frame_system::Call::remark { remark: vec![1] }.into()
}

fn guardian() -> OriginCaller {
    custom(Origin::TaskGuardian)
}

/// Ayes, nays and support.
fn tally(index: u32) -> (Balance, Balance, Balance) {
    match info(index) {
        ReferendumInfo::Ongoing(status) => {
            let tally = status.tally;
            (tally.ayes, tally.nays, tally.support)
        }
        other => panic!("{other:?}"),
    }
}

fn delegate(from: Key, to: Key, balance: Balance, conviction: Conviction) -> DispatchResult {
    let delegate = Call::<Runtime>::delegate {
        class: id::TASK_GUARD,
        to: account(to).into(),
        conviction,
        balance,
    };
    call(&account(from), delegate)
}

fn undelegate(from: Key) -> DispatchResult {
    let class = id::TASK_GUARD;
    call(&account(from), Call::<Runtime>::undelegate { class })
}

fn remove(key: Key, index: u32) -> DispatchResult {
    let class = Some(id::TASK_GUARD);
    call(&account(key), Call::<Runtime>::remove_vote { class, index })
}

fn unlock(key: Key) {
    let unlock = Call::<Runtime>::unlock {
        class: id::TASK_GUARD,
        target: account(key).into(),
    };
    assert_ok!(call(&account(key), unlock));
}

fn locked(key: Key) -> Balance {
    let locks = Balances::locks(&account(key));
    locks.iter().map(|lock| lock.amount).max().unwrap_or(0)
}

#[test]
fn conviction_should_multiply_a_vote_and_not_its_support() {
    let convictions = [
        (Conviction::None, 10),
        (Conviction::Locked1x, 100),
        (Conviction::Locked2x, 200),
        (Conviction::Locked3x, 300),
        (Conviction::Locked4x, 400),
        (Conviction::Locked5x, 500),
        (Conviction::Locked6x, 600),
    ];
    with_preset("development", || {
        System::set_block_number(1);
        let index = open(guardian(), remark());
        for (conviction, counts) in convictions {
            // The later vote of an account takes the place of the one before.
            let vote = standard(true, conviction, 100 * UNIT);
            assert_ok!(try_vote(VOTERS[0], index, vote));
            assert_eq!(tally(index), (counts * UNIT, 0, 100 * UNIT));
        }
        vote(VOTERS[0], index, false, 100 * UNIT);
        assert_eq!(tally(index), (0, 100 * UNIT, 0));
        let abstain = AccountVote::SplitAbstain {
            aye: 0,
            nay: 0,
            abstain: 100 * UNIT,
        };
        assert_ok!(try_vote(VOTERS[0], index, abstain));
        assert_eq!(tally(index), (0, 0, 100 * UNIT));
    });
}

#[test]
fn votes_should_be_refused_when_they_cannot_count() {
    with_preset("development", || {
        System::set_block_number(1);
        let index = open(guardian(), remark());
        let all = Balances::total_balance(&account(VOTERS[0]));
        let with = |balance| standard(true, Conviction::Locked6x, balance);
        assert_noop!(
            try_vote(VOTERS[0], index, with(all + 1)),
            Error::<Runtime>::InsufficientFunds
        );
        assert_noop!(
            try_vote(VOTERS[0], index + 1, with(UNIT)),
            Error::<Runtime>::NotOngoing
        );
        assert_ok!(try_vote(VOTERS[0], index, with(all)));
        assert_noop!(remove(VOTERS[1], index), Error::<Runtime>::NotVoter);
        assert_ok!(remove(VOTERS[0], index));
        assert_eq!(tally(index), (0, 0, 0));
    });
}

#[test]
fn delegated_votes_should_follow_and_leave() {
    with_preset("development", || {
        System::set_block_number(1);
        let index = open(guardian(), remark());
        let [voter, follower, ..] = VOTERS;
        assert_ok!(delegate(follower, voter, 50 * UNIT, Conviction::Locked2x));
        vote(voter, index, true, 10 * UNIT);
        assert_eq!(tally(index), (110 * UNIT, 0, 60 * UNIT));
        vote(voter, index, false, 10 * UNIT);
        assert_eq!(tally(index), (0, 110 * UNIT, 0));
        assert_ok!(undelegate(follower));
        assert_eq!(tally(index), (0, 10 * UNIT, 0));
        // Two periods for conviction 2, from when it was taken back.
        unlock(follower);
        assert_eq!(locked(follower), 50 * UNIT);
        System::set_block_number(now() + 2 * LOCK);
        unlock(follower);
        assert_eq!(locked(follower), 0);
    });
}

#[test]
fn delegation_should_be_of_one_track_and_refused_where_it_makes_no_sense() {
    with_preset("development", || {
        System::set_block_number(1);
        let index = open(guardian(), remark());
        let [voter, follower, other, ..] = VOTERS;
        let with = |from, to, balance| delegate(from, to, balance, Conviction::None);
        assert_noop!(with(voter, voter, UNIT), Error::<Runtime>::Nonsense);
        let all = Balances::total_balance(&account(follower));
        assert_noop!(
            with(follower, voter, all + 1),
            Error::<Runtime>::InsufficientFunds
        );
        assert_noop!(undelegate(follower), Error::<Runtime>::NotDelegating);
        vote(other, index, true, UNIT);
        assert_noop!(with(other, voter, UNIT), Error::<Runtime>::AlreadyVoting);
        assert_ok!(with(follower, voter, UNIT));
        assert_noop!(
            try_vote(follower, index, standard(true, Conviction::None, UNIT)),
            Error::<Runtime>::AlreadyDelegating
        );
        // Another track's referenda are its own to vote in.
        let of_root = open(root_origin(), remark());
        vote(follower, of_root, true, UNIT);
        vote(voter, of_root, false, 5 * UNIT);
        assert_eq!(tally(of_root), (UNIT, 5 * UNIT, UNIT));
    });
}

#[test]
fn what_won_should_stay_locked_as_long_as_its_conviction_says() {
    with_preset("development", || {
        System::set_block_number(1);
        let index = open(guardian(), remark());
        all_vote(index);
        let [loser, conviction] = [CREATOR, VOTERS[0]];
        vote(loser, index, false, UNIT);
        let twice = standard(true, Conviction::Locked2x, STAKE);
        assert_ok!(try_vote(conviction, index, twice));
        assert!(decide(index));
        let ended = now();
        for key in [loser, conviction, VOTERS[1]] {
            assert_ok!(remove(key, index));
            unlock(key);
        }
        assert_eq!(
            [loser, conviction, VOTERS[1]].map(locked),
            [0, STAKE, STAKE]
        );
        let transfer = pallet_balances::Call::transfer_allow_death {
            dest: account(CREATOR).into(),
            value: UNIT * 1_000_000,
        };
        assert_noop!(
            call(&account(VOTERS[1]), transfer.clone()),
            sp_runtime::TokenError::Frozen
        );
        System::set_block_number(ended + LOCK);
        unlock(conviction);
        unlock(VOTERS[1]);
        assert_eq!([conviction, VOTERS[1]].map(locked), [STAKE, 0]);
        assert_ok!(call(&account(VOTERS[1]), transfer));
        System::set_block_number(ended + 2 * LOCK);
        unlock(conviction);
        assert_eq!(locked(conviction), 0);
    });
}
