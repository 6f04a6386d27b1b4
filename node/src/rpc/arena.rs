//! The `arena` namespace: typed JSON of the runtime's `ArenaApi`, and nothing computed here.
//!
//! Every method takes an optional block hash last; without one it answers for the best block.
//! `docs/rpc.md` says what each of them answers, and which errors there are.

use super::{
    params::{Account, PositionParam},
    refusal::{Problem, answered, problem},
    watch::{Head, Watch},
};
use arena_primitives::{CaseId, Hash, Round, TaskId, TaskPhase, TimeParameters, Venue};
use arena_runtime::opaque::Block;
use arena_runtime_api::{
    ArenaApi as RuntimeArenaApi, CaseView, ConcentrationView, DelegationsPage, DutiesView,
    EarningsView, LeaderboardPage, MAX_PAGE, ParametersView, PositionView, Refusal, ResultView,
    RoundStateView, SlashesView, StakesPage, SubmissionView, TaskStateView, TaskView, TasksPage,
    UnbondingView, ValidatorsPage, YieldsPage,
};
use jsonrpsee::{
    PendingSubscriptionSink,
    core::{RpcResult, SubscriptionResult, async_trait},
    proc_macros::rpc,
};
use sp_api::{ApiError, ApiExt, ApiRef, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use std::sync::Arc;

/// Trainer and manifest root of a model.
type Drawn = (arena_primitives::AccountId, Hash);

/// Methods of the namespace.
#[rpc(server, namespace = "arena")]
pub(crate) trait ArenaApi {
    #[method(name = "tasks", blocking)]
    fn tasks(
        &self,
        from: TaskId,
        limit: u32,
        phase: Option<TaskPhase>,
        at: Option<Hash>,
    ) -> RpcResult<TasksPage>;

    #[method(name = "taskStates", blocking)]
    fn task_states(&self, at: Option<Hash>) -> RpcResult<Vec<TaskStateView>>;

    #[method(name = "task", blocking)]
    fn task(&self, task: TaskId, at: Option<Hash>) -> RpcResult<TaskView>;

    #[method(name = "round", blocking)]
    fn round(&self, task: TaskId, round: Round, at: Option<Hash>) -> RpcResult<RoundStateView>;

    #[method(name = "result", blocking)]
    fn result(&self, task: TaskId, round: Round, at: Option<Hash>)
    -> RpcResult<Option<ResultView>>;

    #[method(name = "leaderboard", blocking)]
    fn leaderboard(
        &self,
        task: TaskId,
        round: Option<Round>,
        from: u32,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<LeaderboardPage>;

    #[method(name = "submission", blocking)]
    fn submission(
        &self,
        task: TaskId,
        trainer: Account,
        at: Option<Hash>,
    ) -> RpcResult<SubmissionView>;

    #[method(name = "drawn", blocking)]
    fn drawn(
        &self,
        task: TaskId,
        round: Round,
        validator: Account,
        at: Option<Hash>,
    ) -> RpcResult<Vec<Drawn>>;

    #[method(name = "position", blocking)]
    fn position(
        &self,
        venue: Venue,
        operator: Account,
        at: Option<Hash>,
    ) -> RpcResult<Option<PositionView>>;

    #[method(name = "positions", blocking)]
    fn positions(
        &self,
        venue: Venue,
        after: Option<Account>,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<Vec<PositionView>>;

    #[method(name = "stakes", blocking)]
    fn stakes(
        &self,
        operator: Account,
        after: Option<Venue>,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<StakesPage>;

    #[method(name = "delegations", blocking)]
    fn delegations(
        &self,
        who: Account,
        after: Option<PositionParam>,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<DelegationsPage>;

    #[method(name = "unbonding", blocking)]
    fn unbonding(&self, who: Account, at: Option<Hash>) -> RpcResult<Vec<UnbondingView>>;

    #[method(name = "operatorEarnings", blocking)]
    fn operator_earnings(
        &self,
        venue: Venue,
        operator: Account,
        at: Option<Hash>,
    ) -> RpcResult<EarningsView>;

    #[method(name = "delegatorEarnings", blocking)]
    fn delegator_earnings(
        &self,
        venue: Venue,
        operator: Account,
        who: Account,
        at: Option<Hash>,
    ) -> RpcResult<EarningsView>;

    #[method(name = "validators", blocking)]
    fn validators(
        &self,
        venue: Venue,
        after: Option<Account>,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<ValidatorsPage>;

    #[method(name = "concentration", blocking)]
    fn concentration(&self, venue: Venue, at: Option<Hash>) -> RpcResult<ConcentrationView>;

    #[method(name = "duties", blocking)]
    fn duties(&self, operator: Account, at: Option<Hash>) -> RpcResult<DutiesView>;

    #[method(name = "challenges", blocking)]
    fn challenges(&self, task: TaskId, at: Option<Hash>) -> RpcResult<Vec<CaseView>>;

    #[method(name = "challenge", blocking)]
    fn challenge(&self, case: CaseId, at: Option<Hash>) -> RpcResult<CaseView>;

    #[method(name = "yields", blocking)]
    fn yields(
        &self,
        venue: Venue,
        operator: Account,
        from: Round,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<YieldsPage>;

    #[method(name = "slashes", blocking)]
    fn slashes(&self, operator: Account, at: Option<Hash>) -> RpcResult<SlashesView>;

    #[method(name = "parameters", blocking)]
    fn parameters(&self, at: Option<Hash>) -> RpcResult<ParametersView>;

    #[method(name = "time", blocking)]
    fn time(&self, at: Option<Hash>) -> RpcResult<TimeParameters>;

    #[subscription(
        name = "subscribeRounds" => "rounds",
        unsubscribe = "unsubscribeRounds",
        item = SettledView
    )]
    async fn subscribe_rounds(&self, task: Option<TaskId>) -> SubscriptionResult;

    #[subscription(
        name = "subscribeTasks" => "taskState",
        unsubscribe = "unsubscribeTasks",
        item = TaskStateView
    )]
    async fn subscribe_tasks(&self) -> SubscriptionResult;
}

/// Forwards to the runtime.
pub(crate) struct Arena<C> {
    client: Arc<C>,
    watch: Arc<Watch<C>>,
}

type Api<'a, C> = ApiRef<'a, <C as ProvideRuntimeApi<Block>>::Api>;

impl<C> Arena<C>
where
    C: ProvideRuntimeApi<Block, Api: RuntimeArenaApi<Block> + ApiExt<Block>>
        + HeaderBackend<Block>
        + Head,
{
    pub(crate) fn new(client: Arc<C>, watch: Arc<Watch<C>>) -> Self {
        Arena { client, watch }
    }

    fn at(&self, at: Option<Hash>) -> RpcResult<Hash> {
        let Some(at) = at else {
            return Ok(self.client.info().best_hash);
        };
        match self.client.number(at) {
            Ok(Some(_)) => Ok(at),
            _ => Err(problem(Problem::UnknownBlock, Some(format!("{at:?}")))),
        }
    }

    fn ask<T>(
        &self,
        at: Option<Hash>,
        call: impl FnOnce(Api<'_, C>, Hash) -> Result<T, ApiError>,
    ) -> RpcResult<T> {
        let at = self.at(at)?;
        call(self.client.runtime_api(), at).map_err(|error| {
            let version = self.client.runtime_api();
            let version = version.api_version::<dyn RuntimeArenaApi<Block>>(at);
            match version {
                Ok(Some(version)) if version < 2 => {
                    problem(Problem::OldRuntime, Some(error.to_string()))
                }
                Ok(_) => problem(Problem::Runtime, Some(error.to_string())),
                Err(_) => problem(Problem::NoState, Some(error.to_string())),
            }
        })
    }

    /// What the runtime answers or refuses.
    fn try_ask<T>(
        &self,
        at: Option<Hash>,
        call: impl FnOnce(Api<'_, C>, Hash) -> Result<Result<T, Refusal>, ApiError>,
    ) -> RpcResult<T> {
        answered(self.ask(at, call)?)
    }

    /// What the runtime answers of a venue that there is.
    fn ask_of<T>(
        &self,
        venue: Venue,
        at: Option<Hash>,
        call: impl FnOnce(Api<'_, C>, Hash) -> Result<T, ApiError>,
    ) -> RpcResult<T> {
        // One block for both questions.
        let at = Some(self.at(at)?);
        if !self.ask(at, |api, at| api.is_venue(at, venue))? {
            return answered(Err(Refusal::UnknownTask));
        }
        self.ask(at, call)
    }
}

#[async_trait]
impl<C> ArenaApiServer for Arena<C>
where
    C: ProvideRuntimeApi<Block, Api: RuntimeArenaApi<Block> + ApiExt<Block>>
        + HeaderBackend<Block>
        + Head
        + Send
        + Sync
        + 'static,
{
    fn tasks(
        &self,
        from: TaskId,
        limit: u32,
        phase: Option<TaskPhase>,
        at: Option<Hash>,
    ) -> RpcResult<TasksPage> {
        self.try_ask(at, |api, at| api.tasks_in(at, from, limit, phase))
    }

    fn task_states(&self, at: Option<Hash>) -> RpcResult<Vec<TaskStateView>> {
        self.ask(at, |api, at| api.task_states(at))
    }

    fn task(&self, task: TaskId, at: Option<Hash>) -> RpcResult<TaskView> {
        self.try_ask(at, |api, at| {
            Ok(api.task(at, task)?.ok_or(Refusal::UnknownTask))
        })
    }

    fn round(&self, task: TaskId, round: Round, at: Option<Hash>) -> RpcResult<RoundStateView> {
        self.try_ask(at, |api, at| api.round(at, task, round))
    }

    fn result(
        &self,
        task: TaskId,
        round: Round,
        at: Option<Hash>,
    ) -> RpcResult<Option<ResultView>> {
        self.ask_of(Venue::Task(task), at, |api, at| api.result(at, task, round))
    }

    fn leaderboard(
        &self,
        task: TaskId,
        round: Option<Round>,
        from: u32,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<LeaderboardPage> {
        self.try_ask(at, |api, at| api.leaderboard(at, task, round, from, limit))
    }

    fn submission(
        &self,
        task: TaskId,
        trainer: Account,
        at: Option<Hash>,
    ) -> RpcResult<SubmissionView> {
        self.try_ask(at, |api, at| api.submission(at, task, trainer.0))
    }

    fn drawn(
        &self,
        task: TaskId,
        round: Round,
        validator: Account,
        at: Option<Hash>,
    ) -> RpcResult<Vec<Drawn>> {
        self.ask_of(Venue::Task(task), at, |api, at| {
            api.drawn(at, task, round, validator.0)
        })
    }

    fn position(
        &self,
        venue: Venue,
        operator: Account,
        at: Option<Hash>,
    ) -> RpcResult<Option<PositionView>> {
        self.ask_of(venue, at, |api, at| api.position(at, venue, operator.0))
    }

    fn positions(
        &self,
        venue: Venue,
        after: Option<Account>,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<Vec<PositionView>> {
        if limit == 0 || limit > MAX_PAGE {
            return answered(Err(Refusal::LimitOutOfRange));
        }
        let after = after.map(|account| account.0);
        self.ask_of(venue, at, |api, at| api.positions(at, venue, after, limit))
    }

    fn stakes(
        &self,
        operator: Account,
        after: Option<Venue>,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<StakesPage> {
        self.try_ask(at, |api, at| api.stakes(at, operator.0, after, limit))
    }

    fn delegations(
        &self,
        who: Account,
        after: Option<PositionParam>,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<DelegationsPage> {
        let after = after.map(Into::into);
        self.try_ask(at, |api, at| api.delegations(at, who.0, after, limit))
    }

    fn unbonding(&self, who: Account, at: Option<Hash>) -> RpcResult<Vec<UnbondingView>> {
        self.ask(at, |api, at| api.unbonding(at, who.0))
    }

    fn operator_earnings(
        &self,
        venue: Venue,
        operator: Account,
        at: Option<Hash>,
    ) -> RpcResult<EarningsView> {
        self.ask_of(venue, at, |api, at| {
            api.operator_earnings(at, venue, operator.0)
        })
    }

    fn delegator_earnings(
        &self,
        venue: Venue,
        operator: Account,
        who: Account,
        at: Option<Hash>,
    ) -> RpcResult<EarningsView> {
        self.ask_of(venue, at, |api, at| {
            api.delegator_earnings(at, venue, operator.0, who.0)
        })
    }

    fn validators(
        &self,
        venue: Venue,
        after: Option<Account>,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<ValidatorsPage> {
        let after = after.map(|account| account.0);
        self.try_ask(at, |api, at| api.validators(at, venue, after, limit))
    }

    fn concentration(&self, venue: Venue, at: Option<Hash>) -> RpcResult<ConcentrationView> {
        self.try_ask(at, |api, at| api.concentration(at, venue))
    }

    fn duties(&self, operator: Account, at: Option<Hash>) -> RpcResult<DutiesView> {
        self.ask(at, |api, at| api.duties(at, operator.0))
    }

    fn challenges(&self, task: TaskId, at: Option<Hash>) -> RpcResult<Vec<CaseView>> {
        self.try_ask(at, |api, at| api.challenges(at, task))
    }

    fn challenge(&self, case: CaseId, at: Option<Hash>) -> RpcResult<CaseView> {
        self.try_ask(at, |api, at| api.challenge(at, case))
    }

    fn yields(
        &self,
        venue: Venue,
        operator: Account,
        from: Round,
        limit: u32,
        at: Option<Hash>,
    ) -> RpcResult<YieldsPage> {
        self.try_ask(at, |api, at| api.yields(at, venue, operator.0, from, limit))
    }

    fn slashes(&self, operator: Account, at: Option<Hash>) -> RpcResult<SlashesView> {
        self.ask(at, |api, at| api.slashes(at, operator.0))
    }

    fn parameters(&self, at: Option<Hash>) -> RpcResult<ParametersView> {
        self.ask(at, |api, at| api.parameters(at))
    }

    fn time(&self, at: Option<Hash>) -> RpcResult<TimeParameters> {
        self.ask(at, |api, at| api.time(at))
    }

    async fn subscribe_rounds(
        &self,
        pending: PendingSubscriptionSink,
        task: Option<TaskId>,
    ) -> SubscriptionResult {
        self.watch.rounds(pending, task).await
    }

    async fn subscribe_tasks(&self, pending: PendingSubscriptionSink) -> SubscriptionResult {
        self.watch.tasks(pending).await
    }
}
