//! The worker's contact with the world: keystore, local storage, executor and pool.

use super::decide::{Action, Ballot, Duty, Question, Unserved, Window, decide};
use crate::{Answer, Answers, Call, Case, CaseState, Config, Facts, OpenCases, Runs};
use alloc::{string::String, vec::Vec};
use arena_offchain::{
    Before, Executor, Line, Shelf, Signer, TARGET,
    jobs::{artifact, evaluate, limits, texts},
    signers,
};
use arena_primitives::{
    AccountId, BlockNumber, CaseId, Claim, DataSource, LogLeaf, Role, TaskId, TaskSpec, Uris,
    Venue, drawn_segments,
    job::{Artifact, ReplaySegments, Segment},
    mark_key,
    traits::{Rounds, Stakes, TaskStates, Venues},
};
use codec::{Codec, Decode, Encode};
use frame_support::traits::Get;
use sp_core::H256;

/// Prefix of the keys of ballots.
const BALLOT_PREFIX: &[u8] = b"arena::ballot";
/// Prefix of the keys of what is asked.
const ASKED_PREFIX: &[u8] = b"arena::asked";
/// Trainers, the largest first, whose mirrors tell whether the line is up.
const OTHERS: usize = 8;
/// What is kept of cases.
const SHELF: Shelf<CaseId> = Shelf::new(b"arena::cases");
/// How long what is kept outlives its window, which a reorganisation may undo.
const KEEP: BlockNumber = 256;

/// What is kept of a case while the executor is asked. The first one of a jury stays: jobs with
/// other hosts in them would be other jobs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Asked {
    /// What the jury was drawn by.
    draw: H256,
    /// As [`Duty::others`].
    others: Vec<String>,
    /// As [`Duty::unserved`].
    unserved: Unserved,
}

/// One run, after block `n`, when the workers of other pallets have run.
pub fn run<T: Config>(n: BlockNumber) {
    // What is sent now is checked, and included, as of the next block.
    let next = n.saturating_add(1);
    SHELF.clean_up(n, |case| !OpenCases::<T>::contains_key(case));
    for mut signer in signers::<T, T::AuthorityId, T::ServiceKeys>(Before::OtherWorkers) {
        serve::<T>(next, &mut signer);
    }
}

/// All duties of one key: reveals first, since they can't wait.
fn serve<T: Config>(next: BlockNumber, signer: &mut Signer<T>) {
    let mut duties = duties_of::<T>(&signer.operator);
    duties.sort_by_key(|duty| (duty.window != Window::Reveal, duty.case));
    let mut line = None;
    for mut duty in duties {
        duty.ballot = SHELF.load(&key(BALLOT_PREFIX, &duty));
        if duty.wants_answers() {
            if line.is_none() {
                line = Executor::named().map(Line::new);
            }
            ask::<T>(next, &mut duty, line.as_mut());
        }
        // Random, not derived from the key: sr25519 signatures are randomised.
        let nonce = H256(sp_io::offchain::random_seed());
        for action in decide(next, &duty, nonce) {
            act::<T>(signer, &duty, action, line.as_mut());
        }
    }
}

/// Asks the executor, and keeps what it says that nobody serves.
fn ask<T: Config>(next: BlockNumber, duty: &mut Duty, line: Option<&mut Line>) {
    let Some(line) = line else {
        log::warn!(
            target: TARGET,
            "no executor is set: case {} is voted on without its evidence", duty.case,
        );
        return;
    };
    let key = key(ASKED_PREFIX, duty);
    let found: Option<Asked> = SHELF.load(&key);
    let known = found.filter(|asked| asked.draw == duty.draw);
    let is_new = known.is_none();
    let (others, unserved) = match known {
        Some(asked) => (asked.others, asked.unserved),
        None => (others::<T>(duty), Unserved::new()),
    };
    duty.others = others.clone();
    duty.unserved = unserved;
    duty.answers = Some(line.statuses(&duty.jobs()));
    if duty.note_unserved(next) || is_new {
        let asked = Asked {
            draw: duty.draw,
            others,
            unserved: duty.unserved.clone(),
        };
        keep_until(duty, &key, |_| asked);
    }
}

fn act<T: Config>(signer: &mut Signer<T>, duty: &Duty, action: Action, line: Option<&mut Line>) {
    let case = duty.case;
    let call = match action {
        Action::Post(job) => {
            if let Some(line) = line {
                line.post(&job);
            }
            return;
        }
        Action::Commit(ballot) => {
            let Some(ballot) = keep(duty, ballot) else {
                log::debug!(target: TARGET, "another run writes the same ballot");
                return;
            };
            let commitment = duty.commitment(&ballot);
            Call::commit_vote { case, commitment }
        }
        Action::Reveal(Ballot { vote, nonce, .. }) => Call::reveal_vote { case, vote, nonce },
    };
    signer.send::<Call<T>, T::AuthorityId>(call.into());
}

fn key(prefix: &[u8], duty: &Duty) -> Vec<u8> {
    let mut key = prefix.to_vec();
    (duty.case, duty.appeal, &duty.juror).encode_to(&mut key);
    key
}

/// Keeps the ballot unless one of the same jury is there, and returns what is there then. `None`
/// if it can't be known.
fn keep(duty: &Duty, ballot: Ballot) -> Option<Ballot> {
    keep_until(
        duty,
        &key(BALLOT_PREFIX, duty),
        |found: Option<Ballot>| match found {
            Some(found) if found.draw == ballot.draw => found,
            _ => ballot,
        },
    )
}

/// Keeps what `choose` makes of what is there, until some time after the window.
fn keep_until<V: Codec>(duty: &Duty, key: &[u8], choose: impl FnOnce(Option<V>) -> V) -> Option<V> {
    let Window::Commit { until, .. } = duty.window else {
        return None;
    };
    SHELF.keep(key, duty.case, until.saturating_add(KEEP), choose)
}

/// What the best state shows of an operator's duties in all open cases.
pub(crate) fn duties_of<T: Config>(juror: &AccountId) -> Vec<Duty> {
    OpenCases::<T>::iter()
        .filter_map(|(id, case)| duty::<T>(id, &case, juror))
        .collect()
}

fn duty<T: Config>(id: CaseId, case: &Case, juror: &AccountId) -> Option<Duty> {
    let (jury, window) = match &case.state {
        CaseState::Committing { jury, since, until } => {
            let (opens, until) = (*since, *until);
            (jury, Window::Commit { opens, until })
        }
        CaseState::Revealing { jury, .. } => (jury, Window::Reveal),
        _ => return None,
    };
    let seat = jury.seats.iter().find(|seat| seat.juror == *juror)?;
    let spec = T::Rounds::spec(case.task)?;
    let appeal = case.appeal.is_some();
    Some(Duty {
        case: id,
        appeal,
        draw: jury.draw,
        juror: juror.clone(),
        window,
        question: question::<T>(id, case, &jury.draw, &spec)?,
        accused: case.accused().clone(),
        task: case.task,
        committed: seat.commitment,
        revealed: seat.vote.is_some(),
        ballot: None,
        answers: None,
        others: Vec::new(),
        unserved: Unserved::new(),
        spec,
    })
}

/// Mirrors that the accused doesn't keep: of the task's data and base, and of the models of other
/// trainers, the largest first, so that a few of its own don't push the others out.
fn others<T: Config>(duty: &Duty) -> Vec<String> {
    let data = match &duty.spec.data {
        DataSource::Public(data) => texts(&data.uris),
        DataSource::Sealed(_) => Vec::new(),
    };
    let base = duty.spec.model.base.iter();
    let base = base.flat_map(|base| texts(&base.uris));
    let trainers = largest_trainers::<T>(duty.task, &duty.accused);
    let models = trainers.into_iter().filter_map(|trainer| {
        let model = T::Tasks::model(duty.task, &trainer)?;
        texts(&T::Rounds::uris(duty.task, &model)?)
            .into_iter()
            .next()
    });
    data.into_iter().chain(base).chain(models).collect()
}

fn largest_trainers<T: Config>(task: TaskId, accused: &AccountId) -> Vec<AccountId> {
    let venue = Venue::Task(task);
    let Some(round) = T::Venues::current_round(venue) else {
        return Vec::new();
    };
    let mut trainers = T::Stakes::all(venue, Role::Trainer, round);
    trainers.retain(|trainer| trainer.operator != *accused);
    trainers.sort_by(|a, b| (b.stake.own, &b.operator).cmp(&(a.stake.own, &a.operator)));
    let largest = trainers.into_iter().take(OTHERS);
    largest.map(|trainer| trainer.operator).collect()
}

fn question<T: Config>(id: CaseId, case: &Case, draw: &H256, spec: &TaskSpec) -> Option<Question> {
    let model = |root: H256| artifact(root, &T::Rounds::uris(case.task, &root).unwrap_or_default());
    match (&case.claim, &case.facts) {
        (
            Claim::Duplicate {
                model: accused,
                earlier,
                ..
            },
            _,
        ) => Some(Question::Duplicate {
            model: model(*accused),
            earlier: model(*earlier),
        }),
        (
            Claim::Watermark {
                model: accused,
                salt,
                ..
            },
            _,
        ) => {
            let owner = case.challengers.first()?.who.clone();
            Some(Question::Watermark {
                model: model(*accused),
                key: mark_key(case.task, &owner, salt),
                owner,
            })
        }
        (Claim::ProofOfLearning { trainer }, _) => {
            let Answer::Training { leaves, uris } = Answers::<T>::get(id)? else {
                return None;
            };
            let accused = model(T::Tasks::model(case.task, trainer)?);
            replay::<T>(case, draw, spec, accused, &leaves, &uris)
        }
        (
            Claim::Score { model: scored, .. },
            Facts::Score {
                raw, data, seed, ..
            },
        ) => {
            let Answer::Score { samples, losses } = Answers::<T>::get(id)? else {
                return None;
            };
            Some(Question::Score {
                evaluate: evaluate(spec, data, *seed, model(*scored)),
                losses: losses.into_inner(),
                samples,
                raw: *raw,
            })
        }
        _ => None,
    }
}

/// The drawn segments of a training, as its trainer opened its log.
fn replay<T: Config>(
    case: &Case,
    draw: &H256,
    spec: &TaskSpec,
    model: Artifact,
    leaves: &[LogLeaf],
    uris: &Uris,
) -> Option<Question> {
    let run = Runs::<T>::get(case.task, case.accused())?;
    // Checkpoints lie beside the recipe's manifest and files.
    let mirrors = texts(uris);
    let segments = drawn_segments(draw, leaves, T::Sampling::get())
        .into_iter()
        .filter_map(|place| {
            let place = usize::try_from(place).ok()?;
            let (from, to) = (*leaves.get(place)?, *leaves.get(place.checked_add(1)?)?);
            Some(Segment { from, to })
        });
    Some(Question::ProofOfLearning(ReplaySegments {
        recipe: Artifact {
            manifest_root: run.recipe,
            uris: mirrors.clone(),
        },
        model,
        seed: run.seed.known()?.0,
        steps: run.steps,
        uris: mirrors,
        checkpoint_bytes: run.checkpoint_bytes,
        leaves: leaves.to_vec(),
        segments: segments.collect(),
        last: *leaves.last()?,
        limits: limits(&spec.model),
    }))
}
