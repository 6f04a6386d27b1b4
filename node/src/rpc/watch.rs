//! Subscriptions: what finalized blocks changed, found once for all subscribers.

use super::refusal::{Problem, problem};
use arena_primitives::{Hash, Round, TaskId};
use arena_runtime::opaque::Block;
use arena_runtime_api::{ArenaApi, SettledView, TaskStateView};
use futures::{StreamExt, stream::BoxStream};
use jsonrpsee::{
    PendingSubscriptionSink, SubscriptionMessage, SubscriptionSink, core::SubscriptionResult,
};
use sc_rpc::SubscriptionTaskExecutor;
use serde::Serialize;
use sp_api::{ApiError, ProvideRuntimeApi};
use sp_blockchain::HeaderBackend;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::broadcast::{self, Receiver, Sender, error::RecvError};

/// Subscriptions of this namespace that one connection can have.
pub(crate) const MAX_SUBSCRIPTIONS: u32 = 8;
/// Messages that wait for a reader; who is further behind is dropped.
const BACKLOG: usize = 256;
/// How long a reader may leave the connection's own buffer full.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rounds of a task that are told of after one block; no more can have been settled in it.
const MAX_ROUNDS: usize = 8;

/// Where finalized blocks come from.
pub(crate) trait Head {
    /// Their hashes, as they come; some may be skipped.
    fn finalized(&self) -> BoxStream<'static, Hash>;
}

type States = BTreeMap<TaskId, TaskStateView>;

fn by_task(states: Vec<TaskStateView>) -> States {
    states
        .into_iter()
        .map(|state| (state.task, state))
        .collect()
}

/// What changed: states that are new or other than before, and tasks that are gone.
fn changes(before: &States, now: &States) -> (Vec<TaskStateView>, Vec<TaskId>) {
    let changed = now
        .iter()
        .filter(|(id, state)| before.get(id) != Some(*state));
    let gone = before.keys().filter(|id| !now.contains_key(id));
    (
        changed.map(|(_, state)| *state).collect(),
        gone.copied().collect(),
    )
}

/// Rounds that were settled since, oldest first.
fn settled_since(before: Option<&TaskStateView>, now: &TaskStateView) -> Vec<Round> {
    // Enrolment has nothing to settle.
    let last = before.and_then(|before| before.last_settled).unwrap_or(0);
    let rounds = last.saturating_add(1)..=now.last_settled.unwrap_or(0);
    rounds.take(MAX_ROUNDS).collect()
}

/// Watches the chain while somebody listens.
pub(crate) struct Watch<C> {
    client: Arc<C>,
    executor: SubscriptionTaskExecutor,
    /// What subscribers know; `None` while nobody listens.
    known: Mutex<Option<States>>,
    running: Mutex<bool>,
    tasks: Sender<TaskStateView>,
    rounds: Sender<SettledView>,
    /// Subscriptions by connection.
    open: Mutex<HashMap<usize, u32>>,
}

/// One of a connection's subscriptions.
struct Place<'a> {
    open: &'a Mutex<HashMap<usize, u32>>,
    connection: usize,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut open = lock(self.open);
        let left = open.get(&self.connection).map_or(0, |count| count - 1);
        if left == 0 {
            open.remove(&self.connection);
        } else {
            open.insert(self.connection, left);
        }
    }
}

/// What is behind a lock is whole after each step, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<C> Watch<C>
where
    C: ProvideRuntimeApi<Block, Api: ArenaApi<Block>>
        + HeaderBackend<Block>
        + Head
        + Send
        + Sync
        + 'static,
{
    pub(crate) fn new(client: Arc<C>, executor: SubscriptionTaskExecutor) -> Arc<Self> {
        Arc::new(Watch {
            client,
            executor,
            known: Mutex::new(None),
            running: Mutex::new(false),
            tasks: broadcast::channel(BACKLOG).0,
            rounds: broadcast::channel(BACKLOG).0,
            open: Mutex::new(HashMap::new()),
        })
    }

    /// Sends rounds of one task, or of all, as they are settled.
    pub(crate) async fn rounds(
        self: &Arc<Self>,
        pending: PendingSubscriptionSink,
        task: Option<TaskId>,
    ) -> SubscriptionResult {
        let feed = self.rounds.subscribe();
        let wanted = move |round: &SettledView| task.is_none_or(|task| round.task == task);
        self.serve(pending, feed, wanted).await
    }

    /// Sends states of tasks as they change.
    pub(crate) async fn tasks(
        self: &Arc<Self>,
        pending: PendingSubscriptionSink,
    ) -> SubscriptionResult {
        let feed = self.tasks.subscribe();
        self.serve(pending, feed, |_| true).await
    }

    async fn serve<T: Clone + Serialize + Send + Sync + 'static>(
        self: &Arc<Self>,
        pending: PendingSubscriptionSink,
        feed: Receiver<T>,
        wanted: impl Fn(&T) -> bool + Send,
    ) -> SubscriptionResult {
        let Some(_place) = self.take_place(pending.connection_id().0) else {
            pending
                .reject(problem(Problem::TooManySubscriptions, None))
                .await;
            return Ok(());
        };
        self.begin();
        let sink = pending.accept().await?;
        forward(sink, feed, wanted).await
    }

    fn take_place(&self, connection: usize) -> Option<Place<'_>> {
        let mut open = lock(&self.open);
        let count = open.entry(connection).or_default();
        if *count >= MAX_SUBSCRIPTIONS {
            return None;
        }
        *count += 1;
        Some(Place {
            open: &self.open,
            connection,
        })
    }

    /// From the last finalized block on nothing is missed.
    fn begin(self: &Arc<Self>) {
        let mut running = lock(&self.running);
        if !*running {
            *running = true;
            let watch = self.clone();
            let blocks = self.client.finalized();
            self.executor.spawn_blocking(
                "arena-watch",
                Some("rpc"),
                Box::pin(async move { watch.run(blocks).await }),
            );
        }
        drop(running);
        let at = self.client.info().finalized_hash;
        let mut known = lock(&self.known);
        if known.is_none() {
            match self.client.runtime_api().task_states(at) {
                Ok(states) => *known = Some(by_task(states)),
                Err(error) => log::warn!("subscriptions begin with the next block: {error}"),
            }
        }
    }

    async fn run(self: Arc<Self>, mut blocks: BoxStream<'static, Hash>) {
        while let Some(at) = blocks.next().await {
            let listened = self.tasks.receiver_count() + self.rounds.receiver_count() > 0;
            let mut known = lock(&self.known);
            if !listened {
                *known = None;
            } else if let Err(error) = self.step(&mut known, at) {
                // The next block says what this one did.
                log::warn!("block {at:?} can't be read for subscribers: {error}");
            }
        }
        *lock(&self.running) = false;
    }

    fn step(&self, known: &mut Option<States>, at: Hash) -> Result<(), ApiError> {
        let now = by_task(self.client.runtime_api().task_states(at)?);
        let Some(before) = known.as_ref() else {
            *known = Some(now);
            return Ok(());
        };
        let (mut changed, gone) = changes(before, &now);
        for id in gone {
            // It is over: its last state isn't among the active ones.
            changed.extend(self.last_state(at, id)?);
        }
        for state in changed {
            for round in settled_since(before.get(&state.task), &state) {
                if let Ok(settled) = self.client.runtime_api().settled(at, state.task, round)? {
                    // Nobody may listen.
                    let _ = self.rounds.send(settled);
                }
            }
            if before.get(&state.task) != Some(&state) {
                let _ = self.tasks.send(state);
            }
        }
        *known = Some(now);
        Ok(())
    }

    fn last_state(&self, at: Hash, id: TaskId) -> Result<Option<TaskStateView>, ApiError> {
        let task = self.client.runtime_api().task(at, id)?;
        Ok(task.map(|task| TaskStateView {
            task: id,
            phase: task.phase,
            open_round: task.open_round.unwrap_or_default(),
            last_settled: task.last_settled,
            paused: task.paused,
        }))
    }
}

/// Sends what is wanted until the reader leaves, or is too far behind.
async fn forward<T: Clone + Serialize>(
    sink: SubscriptionSink,
    mut feed: Receiver<T>,
    wanted: impl Fn(&T) -> bool,
) -> SubscriptionResult {
    loop {
        let item = tokio::select! {
            () = sink.closed() => return Ok(()),
            item = feed.recv() => item,
        };
        match item {
            Ok(item) if wanted(&item) => {
                let message = SubscriptionMessage::from_json(&item)?;
                if sink.send_timeout(message, PATIENCE).await.is_err() {
                    return Err(Problem::SlowReader.message().into());
                }
            }
            Ok(_) => {}
            Err(RecvError::Lagged(_)) => return Err(Problem::SlowReader.message().into()),
            Err(RecvError::Closed) => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_primitives::TaskPhase;

    fn state(task: TaskId, last_settled: Option<Round>) -> TaskStateView {
        TaskStateView {
            task,
            phase: TaskPhase::Submission,
            open_round: 1,
            last_settled,
            paused: false,
        }
    }

    #[test]
    fn changes_should_name_what_is_new_other_or_gone_and_nothing_else() {
        let before = by_task(vec![state(1, None), state(2, Some(0)), state(3, None)]);
        let now = by_task(vec![state(1, None), state(2, Some(1)), state(4, None)]);
        let (changed, gone) = changes(&before, &now);
        assert_eq!(changed, [state(2, Some(1)), state(4, None)]);
        assert_eq!(gone, [3]);
        assert_eq!(changes(&now, &now), (Vec::new(), Vec::new()));
    }

    #[test]
    fn rounds_should_be_told_once_and_enrolment_never() {
        let enrolled = state(1, Some(0));
        assert!(settled_since(None, &enrolled).is_empty());
        assert_eq!(settled_since(Some(&enrolled), &state(1, Some(2))), [1, 2]);
        assert!(settled_since(Some(&state(1, Some(2))), &state(1, Some(2))).is_empty());
    }
}
