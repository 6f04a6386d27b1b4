//! Opening the shards of sealed evaluation data, each when its round's models are fixed.

use crate::{
    chain::{At, Chain, api, number, task},
    fail::bad_input,
    follow, keys,
    out::Out,
    seal::Seal,
    spec, tasks,
    tx::Sender,
    views,
};
use anyhow::{Context, Result, anyhow, ensure};
use arena_primitives::{Round, Shard, ShardState, TaskId, TaskPhase, shard::shard_count};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    fs,
    ops::ControlFlow,
    path::{Path, PathBuf},
};
use subxt_signer::sr25519::Keypair;

/// What `dataset open` was told.
pub(crate) struct Plan {
    /// The task.
    pub(crate) task: TaskId,
    /// The seal file; its shards lie beside it.
    pub(crate) seal: PathBuf,
    /// Where shards are put when they are opened.
    pub(crate) publish: PathBuf,
    /// Under which URIs that directory is served.
    pub(crate) bases: Vec<String>,
    /// Opens what is due now and ends.
    pub(crate) once: bool,
}

/// What was done.
#[derive(Debug, Default, Serialize)]
struct Done {
    task: TaskId,
    opened: BTreeSet<Round>,
    missed: BTreeSet<Round>,
}

/// Opens a task's shards on time until its last round is over. A node that goes away is asked
/// again; nothing is kept between runs, so that any number of them may follow each other.
pub(crate) async fn open(
    out: Out,
    url: &str,
    chain: Chain,
    key: Keypair,
    plan: Plan,
) -> Result<()> {
    let opener = Opener::new(out, &chain, &key, plan).await?;
    let mut done = Done {
        task: opener.plan.task,
        ..Done::default()
    };
    if opener.plan.once {
        let at = chain.best().await?;
        // One look, whether a round is left or not.
        let _ = opener.look(&chain, &at, &key, &mut done).await?;
    } else {
        follow::best_blocks(out, url, &chain, async |chain, at| {
            opener.look(chain, at, &key, &mut done).await
        })
        .await;
    }
    out.show(&done, human)
}

fn human(done: &Done) -> String {
    let list = |rounds: &BTreeSet<Round>| {
        let all: Vec<String> = rounds.iter().map(Round::to_string).collect();
        if all.is_empty() {
            "none".into()
        } else {
            all.join(", ")
        }
    };
    format!(
        "task {}: opened in this run: {}; missed: {}",
        done.task,
        list(&done.opened),
        list(&done.missed)
    )
}

struct Opener {
    out: Out,
    plan: Plan,
    seal: Seal,
    /// Where the seal's paths begin.
    folder: PathBuf,
}

impl Opener {
    /// Checks all that can be wrong before the first shard is due.
    async fn new(out: Out, chain: &Chain, key: &Keypair, plan: Plan) -> Result<Self> {
        let seal = Seal::read(&plan.seal).map_err(|why| bad_input(format!("{why:#}")))?;
        let at = chain.best().await?;
        let view = task(&at, plan.task).await?;
        let spec = tasks::spec(&at, plan.task).await?;
        let Some(sealed) = spec.sealed() else {
            return Err(bad_input(format!(
                "the data of task {} is public: there is nothing to open",
                plan.task
            )));
        };
        if sealed.root != seal.root() {
            return Err(bad_input(format!(
                "{} has the root {:?}, task {} was voted on with {:?}",
                plan.seal.display(),
                seal.root(),
                plan.task,
                sealed.root
            )));
        }
        seal.check_rounds(spec.rounds)
            .map_err(|why| bad_input(format!("{why:#}")))?;
        check_key(&at, &view, key).await?;
        let folder = plan.seal.parent().unwrap_or(Path::new(".")).to_path_buf();
        let opener = Opener {
            out,
            plan,
            seal,
            folder,
        };
        // What is wrong with a later shard must not keep this one closed: it is told, and can be
        // mended until the shard is due.
        let first = view.last_settled.unwrap_or(0).saturating_add(1);
        for round in first..=shard_count(spec.rounds) {
            let (shard, _, file) = opener.seal.shard_of(round)?;
            let path = opener.folder.join(file);
            let there = fs::metadata(&path).is_ok_and(|found| found.len() == shard.bytes);
            if !there {
                out.note(format!(
                    "✗ round {round}: {} is not there with {} bytes; restore it before it is due",
                    path.display(),
                    shard.bytes
                ));
            }
        }
        let (shard, ..) = opener.seal.shard_of(1)?;
        spec::uris("--uri", &opener.uris(&shard)).map_err(|why| bad_input(format!("{why:#}")))?;
        let publish = &opener.plan.publish;
        fs::create_dir_all(publish)
            .with_context(|| format!("can't make the directory {}", publish.display()))?;
        Ok(opener)
    }

    fn uris(&self, shard: &Shard) -> Vec<String> {
        let name = public_name(shard);
        let bases = self.plan.bases.iter();
        bases
            .map(|base| format!("{}/{name}", base.trim_end_matches('/')))
            .collect()
    }

    /// Opens what is due at a best block. Breaks off when the last round is over.
    async fn look(
        &self,
        chain: &Chain,
        at: &At,
        key: &Keypair,
        done: &mut Done,
    ) -> Result<ControlFlow<()>> {
        let service = Sender {
            chain,
            signer: key.clone(),
            // Who runs this once looks no second time.
            finalized: self.plan.once,
        };
        let view = task(at, self.plan.task).await?;
        let last = chain.finalized().await?;
        let (now, finalized) = (number(at), number(&last));
        for live in &view.live {
            if live.shard == ShardState::Missed && done.missed.insert(live.round) {
                self.out.note(format!(
                    "✗ round {}: its shard was not opened in time, and the bond is taken",
                    live.round
                ));
            }
        }
        for (round, is_final) in due(&view, finalized, now) {
            if !is_final {
                self.out.note(format!(
                    "✗ block {now}: finality stands at {finalized}, before the models of \
                     round {round} were fixed; it is opened all the same, or the bond is lost"
                ));
            }
            match self.open_one(&service, round).await {
                Ok(()) => {
                    done.opened.insert(round);
                }
                Err(why) if self.plan.once => return Err(why),
                Err(why) => {
                    self.out.note(format!(
                        "block {now}: round {round} is not open yet: {why:#}"
                    ));
                }
            }
        }
        // Until it is final: a fork may drop what opened a shard, which is then sent again.
        if self.plan.once || is_over(&task(&last, self.plan.task).await?) {
            return Ok(ControlFlow::Break(()));
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn open_one(&self, service: &Sender<'_>, round: Round) -> Result<()> {
        let (shard, proof, file) = self.seal.shard_of(round)?;
        let served = self.plan.publish.join(public_name(&shard));
        publish(&self.folder.join(file), &served, &shard)?;
        let uris = self.uris(&shard);
        let mirrors = spec::uris("--uri", &uris)?;
        let call = {
            use api::runtime_types::bounded_collections::bounded_vec::BoundedVec;
            let mirrors = mirrors.into_iter();
            api::transactions().arena_tasks().open_shard(
                self.plan.task,
                round,
                shard.into(),
                BoundedVec(
                    proof
                        .iter()
                        .map(|hash| subxt::utils::H256(hash.0))
                        .collect(),
                ),
                BoundedVec(mirrors.map(|uri| BoundedVec(uri.into_inner())).collect()),
            )
        };
        let included = service.send(&call).await?;
        self.out.note(format!(
            "✓ block {}: the shard of round {round} is open: {}",
            included.receipt.block,
            uris.join(", ")
        ));
        Ok(())
    }
}

/// The creator's service key signs; everybody else is told so before the first shard is due.
async fn check_key(at: &At, view: &views::Task, key: &Keypair) -> Result<()> {
    let account = crate::tx::account(key);
    match keys::service_key(at, &view.creator).await? {
        Some(known) if known == account => Ok(()),
        Some(known) => Err(bad_input(format!(
            "the service key of {}, who created the task, is {known}, not {account}",
            view.creator
        ))),
        None => Err(bad_input(format!(
            "{}, who created the task, has no service key; `arena service-key set` registers one",
            view.creator
        ))),
    }
}

/// In so many last blocks of the window a shard is opened whether its models are final or not.
const LAST_BLOCKS: u32 = 2;

/// Rounds whose shard the next block can take, once the block that fixed their models is final: on
/// another fork a model could still be published by who has seen the shard. In the window's last
/// blocks without that, which is told with it: finality may stand still for long.
fn due(view: &views::Task, finalized: u32, now: u32) -> Vec<(Round, bool)> {
    let next = now.saturating_add(1);
    let fits = |live: &views::LiveRound| {
        let takes = live.shard == ShardState::Awaited && live.schedule.takes_shard(next);
        let is_final = finalized.saturating_add(1) >= live.schedule.seed;
        let is_last = next.saturating_add(LAST_BLOCKS) >= live.schedule.shard_due();
        (takes && (is_final || is_last)).then_some((live.round, is_final))
    };
    view.live.iter().filter_map(fits).collect()
}

/// Whether no shard is to come.
fn is_over(view: &views::Task) -> bool {
    let judged =
        |live: &views::LiveRound| matches!(live.shard, ShardState::Open | ShardState::Missed);
    match view.phase {
        TaskPhase::Submission => false,
        TaskPhase::FinalValidation => view.live.iter().all(judged),
        TaskPhase::Challenge | TaskPhase::Closed | TaskPhase::Cancelled => true,
    }
}

/// How a shard is called where everybody finds it.
fn public_name(shard: &Shard) -> String {
    hex::encode(shard.blake3)
}

/// Puts a file with this content where it is served: all of it or nothing. What is there already
/// with another content, cut off for instance, is replaced.
fn publish(from: &Path, to: &Path, shard: &Shard) -> Result<()> {
    let sealed = (shard.blake3, shard.bytes);
    if to.exists() && spec::hash_file(to)? == sealed {
        return Ok(());
    }
    let failed = || format!("can't put the shard at {}", to.display());
    let folder = to.parent().ok_or_else(|| anyhow!("no directory"))?;
    let copy = tempfile::NamedTempFile::new_in(folder).with_context(failed)?;
    fs::copy(from, copy.path())
        .with_context(|| format!("can't copy {} to {}", from.display(), folder.display()))?;
    ensure!(
        spec::hash_file(copy.path())? == sealed,
        "{} is not what was sealed; restore it from a copy",
        from.display()
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // A temporary file is its owner's alone; an open shard is for everybody.
        let all = fs::Permissions::from_mode(0o644);
        fs::set_permissions(copy.path(), all).with_context(failed)?;
    }
    copy.as_file().sync_all().with_context(failed)?;
    copy.persist(to).map_err(|e| e.error).with_context(failed)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_primitives::{
        AccountId, Hash, Metric,
        time::{RoundPhase, Schedule, Windows},
    };

    fn view(shard: ShardState, phase: TaskPhase) -> views::Task {
        let windows = Windows {
            gap: 2,
            publish: 3,
            seed: 2,
            commit: 8,
            reveal: 4,
        };
        let schedule = Schedule::new(10, 20, &windows);
        assert_eq!((schedule.seed, schedule.shard_due()), (35, 39));
        views::Task {
            id: 0,
            name: String::new(),
            creator: AccountId::from([0; 32]),
            spec_hash: Hash::zero(),
            metric: Metric::Accuracy,
            phase,
            open_round: Some(2),
            last_settled: None,
            rounds: 3,
            live: vec![views::LiveRound {
                round: 1,
                schedule,
                phase: RoundPhase::Seed,
                shard,
            }],
            phase_ends: None,
            paused: false,
        }
    }

    #[test]
    fn a_shard_should_be_due_in_its_window_once_its_models_are_final() {
        let awaited = view(ShardState::Awaited, TaskPhase::Submission);
        let in_window = |finalized, is_final| -> Vec<u32> {
            let opens = |now: &u32| due(&awaited, finalized, *now) == [(1, is_final)];
            (0..60).filter(opens).collect()
        };
        assert_eq!(in_window(34, true), [34, 35, 36, 37]);
        assert!(in_window(34, false).is_empty());
        // Finality stands still: the last two blocks of the window, before block 39.
        assert_eq!(in_window(33, false), [36, 37]);
        assert!(in_window(33, true).is_empty());
        for other in [ShardState::Open, ShardState::Missed, ShardState::NotSealed] {
            assert!(due(&view(other, TaskPhase::Submission), 99, 36).is_empty());
        }
    }

    #[test]
    fn the_end_should_be_the_last_shard() {
        let over = |shard, phase| is_over(&view(shard, phase));
        assert!(!over(ShardState::Missed, TaskPhase::Submission));
        assert!(!over(ShardState::Awaited, TaskPhase::FinalValidation));
        assert!(over(ShardState::Open, TaskPhase::FinalValidation));
        assert!(over(ShardState::Missed, TaskPhase::FinalValidation));
        assert!(over(ShardState::Open, TaskPhase::Cancelled));
    }

    #[test]
    fn publish_should_copy_what_was_sealed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("a"), folder.path().join("b"));
        let shard = Shard {
            blake3: *blake3::hash(b"shard").as_bytes(),
            bytes: 5,
            salt: Hash::zero(),
        };
        fs::write(&from, "other").unwrap();
        let refused = publish(&from, &to, &shard).unwrap_err();
        assert!(refused.to_string().contains("restore"), "{refused:#}");
        assert!(!to.exists());
        fs::write(&from, "shard").unwrap();
        // What an earlier run left cut off.
        fs::write(&to, "sha").unwrap();
        for _ in 0..2 {
            publish(&from, &to, &shard).unwrap();
            assert_eq!(fs::read_to_string(&to).unwrap(), "shard");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
        assert!(publish(&from, Path::new("/nonexistent/x"), &shard).is_err());
    }
}
