//! The glue: what pallets ask of each other. Wired in one file of the runtime,
//! `configs/arena.rs`. Behaviour is loose, types are concrete.
//!
//! `impl for ()` stands for "nothing there": it is what a pallet's own tests use for the
//! neighbours that they don't look at.

use crate::{
    duty::*,
    round::*,
    spec::{PublicData, TaskSpec},
    time::Windows,
    types::*,
};
use alloc::vec::Vec;
use codec::{Decode, Encode, MaxEncodedLen};
use scale_info::TypeInfo;
use sp_core::H256;
use sp_runtime::{DispatchError, DispatchResult, Perbill};

/// Why an operator can't take or keep a position; mapped to an error of staking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VenueRefusal {
    /// There is no such venue.
    Unknown,
    /// It has ended.
    Ended,
    /// A task's creator takes no role in it.
    Creator,
    /// The venue takes no operators of this role.
    Role,
    /// It was convicted there.
    Convicted,
}

/// Venues, as tasks know them (and `Network`, as the session does). Implemented in the runtime
/// over tasks and session.
pub trait Venues {
    /// The round that is open now: a change of stake made now counts from the next one.
    fn current_round(venue: Venue) -> Option<Round>;
    /// The last round whose rewards have been paid; `None` before the first.
    fn last_settled(venue: Venue) -> Option<Round>;
    /// May `who` take `role` there?
    fn admits(venue: Venue, role: Role, who: &AccountId) -> Result<(), VenueRefusal>;
    /// Stake that comes now will be counted by a round.
    fn takes_stake(venue: Venue) -> bool;
    /// The venue has ended, or never was: its stake is free at once.
    fn ended(venue: Venue) -> bool;
    /// Own stake of this role stays until the venue has ended.
    fn locks_own(venue: Venue, role: Role) -> bool;
}

impl Venues for () {
    fn current_round(_: Venue) -> Option<Round> {
        None
    }
    fn last_settled(_: Venue) -> Option<Round> {
        None
    }
    fn admits(_: Venue, _: Role, _: &AccountId) -> Result<(), VenueRefusal> {
        Err(VenueRefusal::Unknown)
    }
    fn takes_stake(_: Venue) -> bool {
        false
    }
    fn ended(_: Venue) -> bool {
        true
    }
    fn locks_own(_: Venue, _: Role) -> bool {
        false
    }
}

/// Time as genesis set it. Implemented by staking.
pub trait Clock {
    /// Blocks in `minutes` of a day, rounded up.
    fn blocks(minutes: u32) -> BlockNumber;
    /// The windows of a round.
    fn windows() -> Windows;
    /// For how many blocks stake that leaves can still be taken.
    fn unbonding() -> BlockNumber;
    /// The least length of a task's challenge phase, in days.
    fn challenge_days() -> u32;
}

/// One operator in one venue, as one round counts it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Counted {
    /// Who.
    pub operator: AccountId,
    /// What it does there.
    pub role: Role,
    /// Own and delegated stake that the round sees.
    pub stake: StakeSnapshot,
    /// What the operator takes of its delegators' part.
    pub commission: Perbill,
}

/// Positions. Implemented by staking.
pub trait Stakes {
    /// The role that `who` has in the venue.
    fn role(venue: Venue, who: &AccountId) -> Option<Role>;
    /// `who` as `round` counts it; `None` without a position or without own stake then.
    fn counted(venue: Venue, who: &AccountId, round: Round) -> Option<Counted>;
    /// Everybody of that role, as `round` counts them, ordered by account; at most the venue's
    /// seats.
    fn all(venue: Venue, role: Role, round: Round) -> Vec<Counted>;
    /// Takes `amount` (or what there is) of own stake for a fault and returns what was taken;
    /// it goes where slashes go.
    fn slash_own(venue: Venue, who: &AccountId, amount: Balance) -> Balance;
    /// The same, but `payees` are paid of it first, in their order, as far as it goes.
    fn slash_own_for(
        venue: Venue,
        who: &AccountId,
        amount: Balance,
        payees: &[(AccountId, Balance)],
    ) -> Taken;
    /// Takes the seat of who stays away: its stake counts no more from the next round on, until
    /// it takes a seat again. Returns whether it had one.
    fn chill(venue: Venue, who: &AccountId) -> bool;
}

/// Service keys. Implemented by staking.
pub trait ServiceKeys {
    /// Whose key this is.
    fn operator_of(key: &AccountId) -> Option<AccountId>;
    /// The key of an operator.
    fn key_of(operator: &AccountId) -> Option<AccountId>;
}

/// What all delegators have in one position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DelegatedTotals {
    /// Stake.
    pub amount: Balance,
    /// Shares in it. A share is worth `amount / shares`; slashes lower `amount` alone.
    pub shares: Balance,
}

/// Delegated totals of positions; called by delegation alone, implemented by staking.
pub trait DelegatedStake {
    /// Adds to a position's delegated stake, counted from the next round, and returns the shares
    /// that were issued for it: `amount · shares / stake`, rounded down, or `amount` where there
    /// were none. Refused where a share has lost nine tenths or more of its worth.
    fn add(venue: Venue, operator: &AccountId, amount: Balance) -> Result<Balance, DispatchError>;
    /// Takes `shares` from it, counted from the next round, and returns what they were worth,
    /// rounded down; the last share takes all that is left.
    fn remove(
        venue: Venue,
        operator: &AccountId,
        shares: Balance,
    ) -> Result<Balance, DispatchError>;
    /// What is delegated now.
    fn totals(venue: Venue, operator: &AccountId) -> DelegatedTotals;
}

/// Delegated stake that is leaving. Implemented by delegation, called by staking when it slashes
/// delegated stake.
pub trait LeavingStake {
    /// Takes `fraction` of what left the position in `since` or a later round and still unbonds.
    /// Returns what was taken, rounded down. Holds are cut when each delegator next acts.
    fn slash(venue: Venue, operator: &AccountId, since: Round, fraction: Perbill) -> Balance;
}

impl LeavingStake for () {
    fn slash(_: Venue, _: &AccountId, _: Round, _: Perbill) -> Balance {
        0
    }
}

/// Whether a position's rewards can be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PayoutState {
    /// Not yet.
    Locked,
    /// Yes, all of them.
    Free,
    /// Those up to this value of the accumulator: what later rounds paid is not free yet.
    FreeTo(u128),
    /// Never: a challenge took them.
    Forfeited,
}

/// Rewards per share of delegated stake, in Q64. Implemented by rewards, used by delegation.
pub trait DelegatorRewards {
    /// The accumulator now.
    fn current(venue: Venue, operator: &AccountId) -> u128;
    /// Its value after `round` was paid, if that round moved it.
    fn at(venue: Venue, operator: &AccountId, round: Round) -> Option<u128>;
    /// Whether claims pay.
    fn state(venue: Venue, operator: &AccountId) -> PayoutState;
    /// Pays a delegator out of what the position's delegators are owed.
    fn pay(venue: Venue, operator: &AccountId, who: &AccountId, amount: Balance) -> DispatchResult;
}

/// What a round may draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode, TypeInfo, MaxEncodedLen)]
pub struct Due {
    /// Of emission.
    pub emission: Balance,
    /// Of the task's bounty.
    pub bounty: Balance,
}

/// What a fault cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// In all.
    pub total: Balance,
    /// What of it went to those who were named; the rest is burned.
    pub paid: Balance,
}

/// Where tasks and scoring make money move. Implemented by rewards.
pub trait TaskRewards {
    /// A task begins; it may draw at most `max_share` of the emission.
    fn open(task: TaskId, max_share: Perbill);
    /// The most that a task of this share can draw of the emission of so many blocks.
    fn largest_draw(max_share: Perbill, blocks: BlockNumber) -> Balance;
    /// The stake that draws for the task from now on; 0 stops it.
    fn set_counted(task: TaskId, counted: Balance);
    /// Ends the period for which the task may draw, and returns what it may draw for a round that
    /// is settled from now on: emission up to this block, and this round's part of the bounty
    /// (`bounty / rounds_left`). Nothing is minted yet.
    fn due(task: TaskId, rounds_left: u32) -> Due;
    /// Mints what is due and takes its bounty; returns what the reward account holds more for
    /// the round. A bounty that went back to its creator meanwhile is not drawn.
    fn draw(task: TaskId, due: Due) -> Balance;
    /// The round is not paid: what was due is not minted, its bounty stays.
    fn lapse(task: TaskId);
    /// Of what was drawn, `amount` is owed to a position: the operator's part and its
    /// delegators' part by `counted`. A trainer's is free when the task has ended, a validator's
    /// two rounds later at the latest then.
    fn pay(task: TaskId, round: Round, counted: &Counted, amount: Balance) -> DispatchResult;
    /// Of what was drawn, `amount` goes to the treasury.
    fn to_treasury(amount: Balance);
    /// Adds to a task's bounty, out of `who`'s account.
    fn top_up(task: TaskId, who: &AccountId, amount: Balance) -> DispatchResult;
    /// The task has ended: what its positions earned is free, what is left of its bounty goes
    /// back to `creator`.
    fn release(task: TaskId, creator: &AccountId);
    /// What a position, with its delegators, has earned and not been paid.
    fn locked(task: TaskId, operator: &AccountId) -> Balance;
    /// A challenge took a position's rewards: of them `payees` are paid in their order, as far as
    /// they go, and the rest is burned. Returns what was taken in all, and what was paid.
    fn forfeit(task: TaskId, operator: &AccountId, payees: &[(AccountId, Balance)]) -> Taken;
}

/// Live rounds and their models. Implemented by tasks, used by scoring.
pub trait Rounds {
    /// Rounds that take submissions or wait to be settled, in any order; at most two for each of
    /// the active tasks. Enrolment is none of them.
    fn live_rounds() -> Vec<RoundInfo>;
    /// Those of them that have closed for submissions.
    fn closed_rounds() -> Vec<RoundInfo>;
    /// One live round.
    fn info(task: TaskId, round: Round) -> Option<RoundInfo>;
    /// What was voted on.
    fn spec(task: TaskId) -> Option<TaskSpec>;
    /// The models of a round, ordered by trainer; final from the start of its seed phase.
    fn models(task: TaskId, round: Round) -> RoundModels;
    /// What the round is scored on; `None` while its shard isn't open.
    fn data(task: TaskId, round: Round) -> Option<PublicData>;
    /// What a trainer committed to in a round and hasn't published, and in which block.
    fn commitment(task: TaskId, round: Round, trainer: &AccountId) -> Option<(H256, BlockNumber)>;
    /// The block of the first commitment to a model, of those that were published.
    fn committed_at(task: TaskId, manifest_root: &H256) -> Option<BlockNumber>;
    /// Mirrors of a model.
    fn uris(task: TaskId, manifest_root: &H256) -> Option<Uris>;
    /// How many rounds, this one included, are still to be paid.
    fn rounds_left(task: TaskId, round: Round) -> u32;
    /// The round was paid; its rows can go and the next phase may begin.
    fn settled(task: TaskId, round: Round);
}

/// The call that makes a model public. Implemented by tasks, sent by scoring's offchain worker.
pub trait Publishing<Call> {
    /// Publishes in the round of `task` whose window is open.
    fn publish(task: TaskId, publication: Publication) -> Call;
}

/// Settlement results. Implemented by scoring, used by tasks and challenges.
pub trait Results {
    /// What stays of a settled round.
    fn result(task: TaskId, round: Round) -> Option<RoundResult>;
    /// A round of the task is being settled, in steps: some of it may be paid already.
    fn settling(task: TaskId) -> bool;
    /// What a validator revealed of one model, as long as it can be challenged; `None` where it
    /// gave no score.
    fn disclosed(
        task: TaskId,
        round: Round,
        validator: &AccountId,
        model: &H256,
    ) -> Option<Disclosed>;
    /// What the round was scored on, with the seed of its subset of samples: as long as scores of
    /// it can be challenged.
    fn ground(task: TaskId, round: Round) -> Option<(PublicData, H256)>;
    /// How near the model comes to an earlier one, by the last settled round that says so.
    fn likeness(task: TaskId, model: &H256) -> Option<ModelLikeness>;
    /// The task has ended: results of its rounds can be pruned after their keep.
    fn ended(task: TaskId);
}

impl Results for () {
    fn settling(_: TaskId) -> bool {
        false
    }
    fn result(_: TaskId, _: Round) -> Option<RoundResult> {
        None
    }
    fn disclosed(_: TaskId, _: Round, _: &AccountId, _: &H256) -> Option<Disclosed> {
        None
    }
    fn ground(_: TaskId, _: Round) -> Option<(PublicData, H256)> {
        None
    }
    fn likeness(_: TaskId, _: &H256) -> Option<ModelLikeness> {
        None
    }
    fn ended(_: TaskId) {}
}

/// Open cases. Implemented by challenges, used by tasks.
pub trait Cases {
    /// A task with an open case can't be closed.
    fn open_cases(task: TaskId) -> u32;
    /// Was the operator convicted of a fault in a task that has not ended yet?
    fn is_convicted(task: TaskId, operator: &AccountId) -> bool;
    /// Is a case open against it? Until it is over nothing that it earned is paid.
    fn is_accused(task: TaskId, operator: &AccountId) -> bool;
    /// The task was closed or cancelled.
    fn ended(task: TaskId);
}

impl Cases for () {
    fn open_cases(_: TaskId) -> u32 {
        0
    }
    fn is_convicted(_: TaskId, _: &AccountId) -> bool {
        false
    }
    fn is_accused(_: TaskId, _: &AccountId) -> bool {
        false
    }
    fn ended(_: TaskId) {}
}

/// Registered trainings. Implemented by challenges, used by tasks.
pub trait Runs {
    /// Had the trainer a live run in the task before `block`? In a task that asks for one, only
    /// then is its commitment taken.
    fn registered_before(task: TaskId, trainer: &AccountId, block: BlockNumber) -> bool;
}

impl Runs for () {
    fn registered_before(_: TaskId, _: &AccountId, _: BlockNumber) -> bool {
        true
    }
}

/// Where a task stands. Implemented by tasks, used by challenges.
pub trait TaskStates {
    /// The phase of a task that was approved.
    fn phase(task: TaskId) -> Option<TaskPhase>;
    /// Until when the phase lasts, where it ends by the clock.
    fn phase_ends(task: TaskId) -> Option<BlockNumber>;
    /// The last model of `trainer` that was published in the task.
    fn model(task: TaskId, trainer: &AccountId) -> Option<H256>;
    /// Who committed first to a model, of those who published it, and in which block.
    fn owner(task: TaskId, manifest_root: &H256) -> Option<(AccountId, BlockNumber)>;
}

/// The VRF output of the parent of the block being executed.
pub trait BlockVrf {
    /// `None` where the parent carried none.
    fn parent() -> Option<H256>;
}

/// A duty's check: the same function stands before the pool and in the call's body.
pub type DutyCheck = Result<DutyTag, DutyRefusal>;

/// Calls that operators' nodes send with service keys. Implemented by the runtime's call enum
/// over the pallets, used by the transaction extension that takes no fee for them.
pub trait DutyCalls {
    /// `None` if this is no duty.
    fn check_duty(&self, signer: &AccountId) -> Option<DutyCheck>;
}

/// Where slashed and burned money is told of. Implemented by rewards.
pub trait Burned {
    /// `amount` left circulation.
    fn note(amount: Balance);
}

impl Burned for () {
    fn note(_: Balance) {}
}
