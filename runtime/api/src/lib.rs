//! What nodes, dApps and the command line ask of the chain: one versioned runtime API.
//!
//! Balances are decimal strings in JSON, scores are Perbill, blocks are numbers. The second
//! version has all that the JSON-RPC namespace `arena` serves; what a call reads is bounded by
//! constants of this crate and of the pallets, never by the caller's numbers.
#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;

mod amount;
mod parameters;
#[cfg(feature = "reference")]
pub mod reference;
mod refusal;
mod stake;
mod tasks;
mod work;

pub use amount::Amount;
pub use parameters::*;
pub use refusal::Refusal;
pub use stake::*;
pub use tasks::*;
pub use work::*;

use alloc::vec::Vec;
use arena_primitives::{AccountId, CaseId, Hash, Round, TaskId, TaskPhase, TimeParameters, Venue};

/// Most rows of one answer.
pub const MAX_PAGE: u32 = 100;

/// Most rows of storage that one answer looks through for those that it lists.
pub const MAX_SCAN: u32 = 256;

/// Most results of rounds that one answer reads: they are the largest rows.
pub const MAX_RESULTS: u32 = 16;

sp_api::decl_runtime_apis! {
    /// Everything that is asked of the arena.
    #[api_version(1)]
    pub trait ArenaApi {
        /// Tasks from this number on, at most [`MAX_PAGE`].
        fn tasks(from: TaskId, limit: u32) -> Vec<TaskView>;
        /// One task.
        fn task(task: TaskId) -> Option<TaskView>;
        /// A settled round.
        fn result(task: TaskId, round: Round) -> Option<ResultView>;
        /// Which models a validator is drawn for, once the seed is known: trainer and root.
        fn drawn(task: TaskId, round: Round, validator: AccountId) -> Vec<(AccountId, Hash)>;
        /// A position.
        fn position(venue: Venue, operator: AccountId) -> Option<PositionView>;
        /// Positions of a venue, ordered by account, after `after`, at most [`MAX_PAGE`].
        fn positions(venue: Venue, after: Option<AccountId>, limit: u32) -> Vec<PositionView>;
        /// What an operator has earned in a venue, delegators' part not counted; of who has left
        /// the venue too.
        fn operator_earnings(venue: Venue, operator: AccountId) -> EarningsView;
        /// What a delegator has earned in a position.
        fn delegator_earnings(
            venue: Venue,
            operator: AccountId,
            who: AccountId,
        ) -> EarningsView;
        /// Time, as genesis set it.
        fn time() -> TimeParameters;

        /// Whether there is such a venue.
        #[api_version(2)]
        fn is_venue(venue: Venue) -> bool;
        /// Tasks from this number on, of one phase or of all.
        #[api_version(2)]
        fn tasks_in(
            from: TaskId,
            limit: u32,
            phase: Option<TaskPhase>,
        ) -> Result<TasksPage, Refusal>;
        /// Where active tasks stand.
        #[api_version(2)]
        fn task_states() -> Vec<TaskStateView>;
        /// A round, alive or settled.
        #[api_version(2)]
        fn round(task: TaskId, round: Round) -> Result<RoundStateView, Refusal>;
        /// A settled round without its rows.
        #[api_version(2)]
        fn settled(task: TaskId, round: Round) -> Result<SettledView, Refusal>;
        /// Models of a settled round, or of the last one, the best first, from a place on.
        #[api_version(2)]
        fn leaderboard(
            task: TaskId,
            round: Option<Round>,
            from: u32,
            limit: u32,
        ) -> Result<LeaderboardPage, Refusal>;
        /// What a trainer committed to and published.
        #[api_version(2)]
        fn submission(task: TaskId, trainer: AccountId) -> Result<SubmissionView, Refusal>;
        /// Delegations of an account. Looks through [`MAX_SCAN`] positions at most.
        #[api_version(2)]
        fn delegations(
            who: AccountId,
            after: Option<PositionKey>,
            limit: u32,
        ) -> Result<DelegationsPage, Refusal>;
        /// Positions of an operator. Looks through [`MAX_SCAN`] venues at most.
        #[api_version(2)]
        fn stakes(
            operator: AccountId,
            after: Option<Venue>,
            limit: u32,
        ) -> Result<StakesPage, Refusal>;
        /// What of an account unbonds, own stake and delegated.
        #[api_version(2)]
        fn unbonding(who: AccountId) -> Vec<UnbondingView>;
        /// Validators of a venue with their effective stake, ordered by account.
        #[api_version(2)]
        fn validators(
            venue: Venue,
            after: Option<AccountId>,
            limit: u32,
        ) -> Result<ValidatorsPage, Refusal>;
        /// How concentrated the weight of a venue's validators is.
        #[api_version(2)]
        fn concentration(venue: Venue) -> Result<ConcentrationView, Refusal>;
        /// What an operator has to do now and next.
        #[api_version(2)]
        fn duties(operator: AccountId) -> DutiesView;
        /// Open cases of a task.
        #[api_version(2)]
        fn challenges(task: TaskId) -> Result<Vec<CaseView>, Refusal>;
        /// An open case.
        #[api_version(2)]
        fn challenge(case: CaseId) -> Result<CaseView, Refusal>;
        /// What governs the chain now.
        #[api_version(2)]
        fn parameters() -> ParametersView;
        /// What governance can set, within which bounds, and what it is now.
        #[api_version(2)]
        fn governed() -> Vec<ParameterView>;
        /// What a position earned by round, from a round on. Reads [`MAX_RESULTS`] results at
        /// most.
        #[api_version(2)]
        fn yields(
            venue: Venue,
            operator: AccountId,
            from: Round,
            limit: u32,
        ) -> Result<YieldsPage, Refusal>;
        /// What an operator lost or may lose.
        #[api_version(2)]
        fn slashes(operator: AccountId) -> SlashesView;
    }
}
