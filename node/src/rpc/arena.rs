//! The `arena` namespace: typed JSON of the runtime's `ArenaApi`, and nothing computed here.
//!
//! Every method takes an optional block hash last; without one it answers for the best block.

use crate::service::FullClient;
use arena_primitives::{AccountId, Hash, Round, TaskId, TimeParameters, Venue};
use arena_runtime::opaque::Block;
use arena_runtime_api::{ArenaApi as _, EarningsView, PositionView, ResultView, TaskView};
use jsonrpsee::{
    core::RpcResult,
    proc_macros::rpc,
    types::{ErrorObjectOwned, error::ErrorObject},
};
use sp_api::{ApiError, ApiRef, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use std::sync::Arc;

/// The runtime didn't answer.
const RUNTIME_ERROR: i32 = 9_001;

/// Methods of the namespace.
#[rpc(server, namespace = "arena")]
pub(crate) trait ArenaApi {
    /// Tasks from number `from` on, at most `limit` (100 at the most).
    #[method(name = "tasks")]
    fn tasks(&self, from: TaskId, limit: u32, at: Option<Hash>) -> RpcResult<Vec<TaskView>>;

    /// One task, or null.
    #[method(name = "task")]
    fn task(&self, task: TaskId, at: Option<Hash>) -> RpcResult<Option<TaskView>>;

    /// A settled round, or null.
    #[method(name = "result")]
    fn result(&self, task: TaskId, round: Round, at: Option<Hash>)
    -> RpcResult<Option<ResultView>>;

    /// Which models a validator is drawn for: trainer and manifest root.
    #[method(name = "drawn")]
    fn drawn(
        &self,
        task: TaskId,
        round: Round,
        validator: AccountId,
        at: Option<Hash>,
    ) -> RpcResult<Vec<(AccountId, Hash)>>;

    /// An operator's position in `"network"` or `{"task": n}`, or null.
    #[method(name = "position")]
    fn position(
        &self,
        venue: Venue,
        operator: AccountId,
        at: Option<Hash>,
    ) -> RpcResult<Option<PositionView>>;

    /// Positions of a venue, ordered by account, after `after`, at most `limit` (100 at the
    /// most).
    #[method(name = "positions")]
    fn positions(
        &self,
        venue: Venue,
        after: Option<AccountId>,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<Vec<PositionView>>;

    /// What an operator has earned in a venue and not claimed, and what of it is free.
    #[method(name = "operatorEarnings")]
    fn operator_earnings(
        &self,
        venue: Venue,
        operator: AccountId,
        at: Option<Hash>,
    ) -> RpcResult<EarningsView>;

    /// What a delegator has earned in a position and not claimed, and what of it is free.
    #[method(name = "delegatorEarnings")]
    fn delegator_earnings(
        &self,
        venue: Venue,
        operator: AccountId,
        who: AccountId,
        at: Option<Hash>,
    ) -> RpcResult<EarningsView>;

    /// Slot length, epoch, day and windows of this chain.
    #[method(name = "time")]
    fn time(&self, at: Option<Hash>) -> RpcResult<TimeParameters>;
}

/// Forwards to the runtime.
pub(crate) struct Arena {
    client: Arc<FullClient>,
}

type Api<'a> = ApiRef<'a, <FullClient as ProvideRuntimeApi<Block>>::Api>;

impl Arena {
    pub(crate) fn new(client: Arc<FullClient>) -> Self {
        Arena { client }
    }

    fn ask<T>(
        &self,
        at: Option<Hash>,
        call: impl FnOnce(Api<'_>, Hash) -> Result<T, ApiError>,
    ) -> RpcResult<T> {
        let at = at.unwrap_or_else(|| self.client.info().best_hash);
        call(self.client.runtime_api(), at).map_err(refusal)
    }
}

fn refusal(error: ApiError) -> ErrorObjectOwned {
    ErrorObject::owned(
        RUNTIME_ERROR,
        "the runtime gave no answer: the block may be unknown, or its state pruned",
        Some(error.to_string()),
    )
}

impl ArenaApiServer for Arena {
    fn tasks(&self, from: TaskId, limit: u32, at: Option<Hash>) -> RpcResult<Vec<TaskView>> {
        self.ask(at, |api, at| api.tasks(at, from, limit))
    }

    fn task(&self, task: TaskId, at: Option<Hash>) -> RpcResult<Option<TaskView>> {
        self.ask(at, |api, at| api.task(at, task))
    }

    fn result(
        &self,
        task: TaskId,
        round: Round,
        at: Option<Hash>,
    ) -> RpcResult<Option<ResultView>> {
        self.ask(at, |api, at| api.result(at, task, round))
    }

    fn drawn(
        &self,
        task: TaskId,
        round: Round,
        validator: AccountId,
        at: Option<Hash>,
    ) -> RpcResult<Vec<(AccountId, Hash)>> {
        self.ask(at, |api, at| api.drawn(at, task, round, validator))
    }

    fn position(
        &self,
        venue: Venue,
        operator: AccountId,
        at: Option<Hash>,
    ) -> RpcResult<Option<PositionView>> {
        self.ask(at, |api, at| api.position(at, venue, operator))
    }

    fn positions(
        &self,
        venue: Venue,
        after: Option<AccountId>,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<Vec<PositionView>> {
        self.ask(at, |api, at| api.positions(at, venue, after, limit))
    }

    fn operator_earnings(
        &self,
        venue: Venue,
        operator: AccountId,
        at: Option<Hash>,
    ) -> RpcResult<EarningsView> {
        self.ask(at, |api, at| api.operator_earnings(at, venue, operator))
    }

    fn delegator_earnings(
        &self,
        venue: Venue,
        operator: AccountId,
        who: AccountId,
        at: Option<Hash>,
    ) -> RpcResult<EarningsView> {
        self.ask(at, |api, at| {
            api.delegator_earnings(at, venue, operator, who)
        })
    }

    fn time(&self, at: Option<Hash>) -> RpcResult<TimeParameters> {
        self.ask(at, |api, at| api.time(at))
    }
}
