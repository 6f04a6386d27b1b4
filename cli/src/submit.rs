//! Submitting a model: commit now, publish in the round's window.

mod manifests;

pub(crate) use manifests::{write_manifest, write_recipe};

use crate::{
    chain::{At, api, number, task},
    fail::bad_input,
    follow, keys, ledger,
    out::Out,
    spec,
    state::{self, Kept, Submission},
    tx::{self, Receipt, Sender},
    views,
};
use anyhow::{Context, Result, anyhow, ensure};
use arena_primitives::{AccountId, Hash, Publication, TaskId};
use codec::Encode;
use serde::Serialize;
use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};
use subxt::{
    rpcs::{RpcClient, rpc_params},
    utils::H256,
};

/// What `submit` was told.
pub(crate) struct Plan {
    /// The task.
    pub(crate) task: TaskId,
    /// Directory of the model.
    pub(crate) model: PathBuf,
    /// Mirrors.
    pub(crate) uris: Vec<String>,
    /// Where the state is kept.
    pub(crate) state: Option<PathBuf>,
    /// Publish when the window opens.
    pub(crate) watch: bool,
    /// A node that publishes then, with the service key in its keystore.
    pub(crate) node: Option<String>,
}

/// What a submission did so far.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Submitted {
    task: TaskId,
    round: Option<u32>,
    manifest_root: Hash,
    commitment: Hash,
    state_file: PathBuf,
    published: bool,
    /// The node that will publish it.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<String>,
    /// Of the commitment; absent if it was on chain already.
    #[serde(skip_serializing_if = "Option::is_none")]
    submission: Option<Receipt>,
}

/// Commits to a model, and publishes it with `watch`, for which a node that goes away is asked
/// again at `url`.
pub(crate) async fn submit(
    out: Out,
    url: &str,
    sender: &Sender<'_>,
    service: &Sender<'_>,
    plan: Plan,
) -> Result<()> {
    spec::uris("--uri", &plan.uris).map_err(|why| bad_input(format!("{why:#}")))?;
    let operator = sender.account();
    check_service_key(sender, service).await?;
    let root = write_manifest(&plan.model)?;
    let path = match plan.state {
        Some(path) => path,
        None => state::default_path(plan.task, root)?,
    };
    let mut state = prepare(out, &path, plan.task, operator, root, plan.uris)?;
    // Before anything is sent: a crash must not lose the nonce.
    state.write(&path)?;
    // Before the commitment, so that none is made that nobody publishes.
    let node = match &plan.node {
        Some(url) => Some(keys::own_node(url).await?),
        None => None,
    };
    let receipt = commit(out, sender, &mut state, &path).await?;
    if let Some(node) = node {
        hand_over(&node, &state).await.with_context(|| {
            format!(
                "the model is committed to, but its node doesn't know how to publish it; run the \
                 same command again, or arena publish --state {}",
                path.display()
            )
        })?;
    }
    let published = plan.watch && {
        watch(out, url, service, &state).await?;
        true
    };
    let view = Submitted {
        task: state.task,
        round: state.round,
        manifest_root: root,
        commitment: state.commitment(),
        state_file: path,
        published,
        node: plan.node,
        submission: receipt,
    };
    out.show(&view, human)
}

/// Leaves a node what it needs to publish: its offchain worker does so in the round's window.
async fn hand_over(node: &RpcClient, state: &Submission) -> Result<()> {
    let round = state
        .round
        .ok_or_else(|| anyhow!("the submission has no round"))?;
    let publication = Publication {
        manifest_root: state.manifest_root,
        uris: spec::uris("uris of the state file", &state.uris)?,
        nonce: state.nonce,
    };
    let key = Publication::storage_key(state.task, round, &state.operator);
    let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
    let params = rpc_params!["PERSISTENT", hex(&key), hex(&publication.encode())];
    node.request::<()>("offchain_localStorageSet", params)
        .await
        .context("the node keeps nothing; allow it with --rpc-methods unsafe on loopback")
}

/// The state of the same submission if the file has it, else a new one.
fn prepare(
    out: Out,
    path: &Path,
    task: TaskId,
    operator: AccountId,
    root: Hash,
    uris: Vec<String>,
) -> Result<Submission> {
    match Submission::find(path)? {
        Some(mut known) if known.is_of(task, &operator, root) => {
            out.note(format!(
                "going on with {}: the same model, task and nonce",
                path.display()
            ));
            known.uris = uris;
            Ok(known)
        }
        Some(other) => Err(bad_input(format!(
            "{} is the state of another submission (task {}, root {:?}); \
             name another file with --state",
            path.display(),
            other.task,
            other.manifest_root
        ))),
        None => {
            let mut nonce = Hash::zero();
            keys::random(nonce.as_bytes_mut())?;
            Ok(Submission::new(task, operator, root, nonce, uris))
        }
    }
}

fn human(view: &Submitted) -> String {
    let sent = match &view.submission {
        Some(receipt) => tx::human(receipt),
        None => "✓ the commitment was on chain already".into(),
    };
    let round = view
        .round
        .map(|round| format!(" in round {round}"))
        .unwrap_or_default();
    let next = if view.published {
        "✓ published".to_string()
    } else if let Some(node) = &view.node {
        format!("the node at {node} publishes it in the round's window")
    } else {
        format!(
            "publish in the round's window: arena publish --state {}",
            view.state_file.display()
        )
    };
    format!(
        "{sent}\nmodel {:?} of task {}{round}\n{next}",
        view.manifest_root, view.task
    )
}

async fn check_service_key(sender: &Sender<'_>, service: &Sender<'_>) -> Result<()> {
    let operator = sender.account();
    let at = sender.chain.best().await?;
    match keys::service_key(&at, &operator).await? {
        Some(key) if key == service.account() => Ok(()),
        Some(key) => Err(bad_input(format!(
            "the service key of {operator} is {key}, not {}",
            service.account()
        ))),
        None => Err(bad_input(format!(
            "{operator} has no service key, so that nothing could be published; \
             `arena service-key set` registers one"
        ))),
    }
}

/// Sends the commitment unless the open round has it already.
async fn commit(
    out: Out,
    sender: &Sender<'_>,
    state: &mut Submission,
    path: &Path,
) -> Result<Option<Receipt>> {
    let at = sender.chain.best().await?;
    let commitment = state.commitment();
    let view = task(&at, state.task).await?;
    for live in &view.live {
        // What missed its window in an earlier round is sent again in the open one.
        if step(&view, live.round, number(&at)) == Step::Missed {
            continue;
        }
        let known = ledger::submission(&at, state.task, live.round, &state.operator).await?;
        if known.is_some_and(|known| known.commitment == commitment) {
            out.note(format!("round {} has this commitment already", live.round));
            state.round = Some(live.round);
            state.write(path)?;
            return Ok(None);
        }
    }
    let call = api::transactions()
        .arena_tasks()
        .submit(state.task, H256(commitment.0));
    let included = sender.send(&call).await?;
    let event = included
        .events
        .find_first::<api::arena_tasks::events::Submitted>()
        .transpose()?
        .ok_or_else(|| anyhow!("the submission went through without an event"))?;
    state.round = Some(event.round);
    state.write(path)?;
    Ok(Some(included.receipt))
}

/// What is to be done for a submission at a best block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// The window is not open yet.
    Wait,
    /// It is.
    Send,
    /// It was not published in time.
    Missed,
}

/// What the next block, `now + 1`, allows.
fn step(task: &views::Task, round: u32, now: u32) -> Step {
    let next = now.saturating_add(1);
    match task.live.iter().find(|live| live.round == round) {
        Some(live) if next < live.schedule.publish => Step::Wait,
        Some(live) if next < live.schedule.seed => Step::Send,
        // The stream starts with blocks before the one that took the commitment, in which the
        // round may not have been opened.
        None if task.open_round.is_some_and(|open| open < round) => Step::Wait,
        _ => Step::Missed,
    }
}

/// Publishes in the window of the round. At each best block it compares what should be with what
/// is, so that forks, restarts and a node that goes away need no special care.
async fn watch(out: Out, url: &str, service: &Sender<'_>, state: &Submission) -> Result<()> {
    let round = state
        .round
        .ok_or_else(|| anyhow!("the submission has no round; submit it again"))?;
    let mut watch = Watch {
        out,
        state,
        round,
        call: call(state)?,
        told: None,
    };
    let published = follow::best_blocks(out, url, service.chain, async |chain, at| {
        let service = Sender {
            chain,
            signer: service.signer.clone(),
            finalized: service.finalized,
        };
        watch.look(&service, at).await
    });
    ensure!(
        published.await,
        "the publish window of round {round} was missed: the model doesn't count; \
         submit it again in the open round"
    );
    Ok(())
}

/// A submission that is to be published.
struct Watch<'a> {
    out: Out,
    state: &'a Submission,
    round: u32,
    call: PublishCall,
    /// What was told last.
    told: Option<Step>,
}

impl Watch<'_> {
    /// Does what a best block asks for. Breaks off with `true` once the publication is final, with
    /// `false` once its window is missed.
    async fn look(&mut self, service: &Sender<'_>, at: &At) -> Result<ControlFlow<bool>> {
        let (state, round) = (self.state, self.round);
        if is_published(at, state, round).await? {
            let finalized = service.chain.finalized().await?;
            return Ok(match is_published(&finalized, state, round).await? {
                true => ControlFlow::Break(true),
                false => ControlFlow::Continue(()),
            });
        }
        let now = number(at);
        let next = step(&task(at, state.task).await?, round, now);
        self.tell(next, now);
        match next {
            Step::Wait => {}
            Step::Missed => return Ok(ControlFlow::Break(false)),
            // Before the commitment is final nobody may learn the root: on another fork it
            // could be taken.
            Step::Send
                if !is_committed(&service.chain.finalized().await?, state, round).await? => {}
            Step::Send => {
                if let Err(why) = service.send(&self.call).await {
                    self.out
                        .note(format!("block {now}: not published yet: {why:#}"));
                }
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Tells what is to be done, once.
    fn tell(&mut self, next: Step, now: u32) {
        if self.told == Some(next) {
            return;
        }
        self.told = Some(next);
        let window = format!("the publish window of round {}", self.round);
        self.out.note(match next {
            Step::Wait => format!("block {now}: waiting for {window}"),
            Step::Send => format!("block {now}: {window} is open"),
            Step::Missed => format!("block {now}: {window} is over"),
        });
    }
}

async fn is_committed(at: &At, state: &Submission, round: u32) -> Result<bool> {
    let known = ledger::submission(at, state.task, round, &state.operator).await?;
    Ok(known.is_some_and(|known| known.commitment == state.commitment()))
}

async fn is_published(at: &At, state: &Submission, round: u32) -> Result<bool> {
    let standing = ledger::standing(at, state.task, &state.operator).await?;
    Ok(standing.is_some_and(|standing| {
        let current = standing.current;
        current.manifest_root == state.manifest_root && current.from_round == round
    }))
}

type PublishCall = subxt::transactions::StaticPayload<api::arena_tasks::calls::Publish>;

fn call(state: &Submission) -> Result<PublishCall> {
    use api::runtime_types::bounded_collections::bounded_vec::BoundedVec;
    let uris = spec::uris("uris of the state file", &state.uris)?;
    let uris = uris
        .into_iter()
        .map(|uri| BoundedVec(uri.into_inner()))
        .collect();
    Ok(api::transactions().arena_tasks().publish(
        state.task,
        H256(state.manifest_root.0),
        BoundedVec(uris),
        H256(state.nonce.0),
    ))
}

/// What `publish` did.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Published {
    task: TaskId,
    round: u32,
    manifest_root: Hash,
    #[serde(flatten)]
    receipt: Receipt,
}

/// Publishes from a state file, now.
pub(crate) async fn publish(out: Out, service: &Sender<'_>, path: &Path) -> Result<()> {
    let state = Submission::read(path)?;
    let included = service.send(&call(&state)?).await?;
    let event = included
        .events
        .find_first::<api::arena_tasks::events::Published>()
        .transpose()?
        .ok_or_else(|| anyhow!("the publication went through without an event"))?;
    let view = Published {
        task: state.task,
        round: event.round,
        manifest_root: state.manifest_root,
        receipt: included.receipt,
    };
    out.show(&view, |view| {
        format!(
            "✓ published {:?} in round {}\n{}",
            view.manifest_root,
            view.round,
            tx::human(&view.receipt)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_primitives::{
        Metric, ShardState, TaskPhase,
        time::{RoundPhase, Schedule, Windows},
    };

    #[test]
    fn step_should_send_exactly_when_the_next_block_is_in_the_window() {
        let windows = Windows {
            gap: 2,
            publish: 3,
            seed: 2,
            commit: 8,
            reveal: 4,
        };
        let schedule = Schedule::new(10, 20, &windows);
        let task = views::Task {
            id: 0,
            name: String::new(),
            creator: AccountId::from([0; 32]),
            spec_hash: Hash::zero(),
            metric: Metric::Accuracy,
            phase: TaskPhase::Submission,
            open_round: Some(2),
            last_settled: None,
            rounds: 3,
            live: vec![views::LiveRound {
                round: 1,
                schedule,
                phase: RoundPhase::Gap,
                shard: ShardState::NotSealed,
            }],
            phase_ends: None,
            paused: false,
        };
        let sending: Vec<u32> = (0..60)
            .filter(|now| step(&task, 1, *now) == Step::Send)
            .collect();
        assert_eq!(sending, [31, 32, 33]);
        assert_eq!(step(&task, 1, 30), Step::Wait);
        assert_eq!(step(&task, 1, 34), Step::Missed);
        assert_eq!(step(&task, 2, 30), Step::Missed);
        assert_eq!(step(&task, 3, 30), Step::Wait, "round 3 is not open yet");
    }
}
