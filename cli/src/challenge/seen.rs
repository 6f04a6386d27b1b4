//! What the chain shows of a claim before it is committed to.

use super::{
    bond::{self, Terms, Weighed},
    rows::{self, Case},
};
use crate::{
    chain::{At, api, fetch, id, number, task, time},
    ledger::{self, RootOwner},
    mark::{self, Mark},
    runs, tasks, views,
};
use anyhow::Result;
use arena_primitives::{
    AccountId, Balance, BlockNumber, CaseId, Claim, Hash, Role, Round, ScoreOutcome, TaskId,
    TaskSpec, TimeParameters, Venue,
    time::{MINUTES_PER_DAY, blocks},
};

/// Rows that decide whether a claim becomes a case.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    /// The task.
    pub(super) task: views::Task,
    /// The block of all this.
    pub(super) now: BlockNumber,
    /// About when the challenge phase begins, while it is to come.
    pub(super) begins: Option<BlockNumber>,
    /// Who accuses.
    pub(super) challenger: AccountId,
    /// Whether it is a validator of the task.
    pub(super) is_validator: bool,
    /// Whether the accused was convicted in the task.
    pub(super) is_convicted: bool,
    /// Open cases of the task.
    pub(super) cases: Vec<(CaseId, Case)>,
    /// What the claim is about.
    pub(super) about: About,
    /// What governance and genesis say of cases.
    pub(super) terms: Terms,
    /// What the bond depends on, without the open cases.
    pub(super) weighed: Weighed,
    /// What of the challenger's balance can be held.
    pub(super) holdable: Balance,
}

/// What a claim is about.
#[derive(Clone, Debug)]
pub(super) enum About {
    /// A model that is like an earlier one.
    Duplicate {
        /// The accused's model and whose it is.
        model: Model,
        /// Whose the earlier one is.
        earlier: Option<RootOwner>,
        /// Whether the task compares models.
        compares: bool,
    },
    /// A model with a mark.
    Watermark {
        /// The accused's model and whose it is.
        model: Model,
        /// The challenger's registered keys.
        marks: Vec<Mark>,
    },
    /// A training.
    Training {
        /// With what the accused stands.
        current: Option<Hash>,
        /// Whether the task asks for registration.
        is_asked: bool,
        /// Leaves that the accused's heartbeats counted.
        leaves: u32,
    },
    /// A score.
    Score {
        /// Whose the scored model is.
        owner: Option<AccountId>,
        /// With what the challenger stands.
        own: Option<Hash>,
        /// Whether the accused's score is kept.
        is_kept: bool,
    },
}

/// A model of the accused.
#[derive(Clone, Debug)]
pub(super) struct Model {
    /// With what the accused stands.
    pub(super) current: Option<Hash>,
    /// Whose the claim's model is.
    pub(super) owner: Option<RootOwner>,
}

/// Reads what decides about a claim.
pub(super) async fn seen(
    at: &At,
    task_id: TaskId,
    challenger: AccountId,
    claim: &Claim,
) -> Result<Seen> {
    let task = task(at, task_id).await?;
    let spec = tasks::spec(at, task_id).await?;
    let clock = time(at).await?;
    let position = ledger::position(at, Venue::Task(task_id), &challenger).await?;
    let key = (task_id, id(claim.accused()));
    let convicted = fetch(at, api::storage().arena_challenges().convicted(), key).await?;
    Ok(Seen {
        now: number(at),
        begins: begins(&task, &spec, &clock),
        is_validator: position.is_some_and(|position| position.role == Role::Validator),
        is_convicted: convicted.is_some_and(|()| true),
        cases: rows::open_cases(at, Some(task_id)).await?,
        about: about(at, task_id, &spec, &challenger, claim).await?,
        terms: bond::terms(at, &clock)?,
        weighed: bond::weighed(at, task_id, claim).await?,
        holdable: bond::holdable(at, &challenger).await?,
        challenger,
        task,
    })
}

async fn about(
    at: &At,
    task: TaskId,
    spec: &TaskSpec,
    challenger: &AccountId,
    claim: &Claim,
) -> Result<About> {
    let model = async |model: &Hash| -> Result<Model> {
        Ok(Model {
            current: current(at, task, claim.accused()).await?,
            owner: ledger::owner(at, task, *model).await?,
        })
    };
    Ok(match claim {
        Claim::Duplicate {
            model: root,
            earlier,
            ..
        } => About::Duplicate {
            model: model(root).await?,
            earlier: ledger::owner(at, task, *earlier).await?,
            compares: spec.likeness.is_some(),
        },
        Claim::Watermark { model: root, .. } => About::Watermark {
            model: model(root).await?,
            marks: mark::marks(at, task, challenger).await?,
        },
        Claim::ProofOfLearning { trainer } => About::Training {
            current: current(at, task, trainer).await?,
            is_asked: spec.registered,
            leaves: runs::counted_leaves(at, task, trainer).await?,
        },
        Claim::Score {
            validator,
            round,
            model: root,
        } => About::Score {
            owner: ledger::owner(at, task, *root)
                .await?
                .map(|owner| owner.trainer),
            own: current(at, task, challenger).await?,
            is_kept: is_kept(at, task, *round, validator, root).await?,
        },
    })
}

/// Whether a validator's score of a model is kept.
async fn is_kept(
    at: &At,
    task: TaskId,
    round: Round,
    validator: &AccountId,
    model: &Hash,
) -> Result<bool> {
    let models = rows::round_models(at, task, round).await?;
    let reveal = rows::reveal(at, task, round, validator).await?;
    let outcomes = reveal.map(|reveal| reveal.outcomes).unwrap_or_default();
    let mut revealed = models.iter().zip(outcomes);
    Ok(revealed
        .any(|(root, outcome)| root == model && matches!(outcome, Some(ScoreOutcome::Scored(_)))))
}

/// The model with which a trainer stands.
pub(super) async fn current(at: &At, task: TaskId, trainer: &AccountId) -> Result<Option<Hash>> {
    let standing = ledger::standing(at, task, trainer).await?;
    Ok(standing.map(|standing| standing.current.manifest_root))
}

/// About when the challenge phase begins: rounds start as soon as the one before ends, final
/// validation and the phase itself when the one before is settled.
fn begins(task: &views::Task, spec: &TaskSpec, clock: &TimeParameters) -> Option<BlockNumber> {
    let last = task.live.iter().max_by_key(|live| live.round)?;
    let Some(left) = task.rounds.checked_sub(last.round) else {
        return Some(last.schedule.settle);
    };
    let count = |minutes: u32| blocks(minutes, clock.blocks_per_day);
    let rounds = count(spec.round_minutes).saturating_mul(left);
    let validation = count(spec.final_days.saturating_mul(MINUTES_PER_DAY));
    let windows = clock.windows.total().saturating_mul(2);
    let rest = rounds.saturating_add(validation).saturating_add(windows);
    Some(last.schedule.closes.saturating_add(rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template;
    use arena_primitives::{
        Metric, ShardState, TaskPhase,
        time::{RoundPhase, Schedule, Windows},
    };

    #[test]
    fn challenge_phase_should_begin_after_all_rounds_and_their_windows() {
        let windows = Windows {
            gap: 1,
            publish: 2,
            seed: 3,
            commit: 8,
            reveal: 4,
        };
        let clock = TimeParameters {
            slot_millis: 500,
            epoch_slots: 10,
            blocks_per_day: 20,
            windows,
            unbonding_minutes: 1,
            commission_notice_minutes: 1,
            challenge_days: 5,
        };
        let json = template::template(template::Preset::Default, template::Kind::Digits);
        let mut spec = json.into_spec(std::path::Path::new(".")).unwrap();
        (spec.round_minutes, spec.final_days) = (MINUTES_PER_DAY, 2);
        let mut task = views::Task {
            id: 0,
            name: String::new(),
            creator: AccountId::from([0; 32]),
            spec_hash: Hash::zero(),
            metric: Metric::Accuracy,
            phase: TaskPhase::Submission,
            open_round: None,
            last_settled: None,
            rounds: 3,
            live: Vec::new(),
            phase_ends: None,
            paused: false,
        };
        assert_eq!(begins(&task, &spec, &clock), None);
        for (round, expected) in [(2, 120 + 20 + 40 + 36), (3, 120 + 40 + 36), (4, 138)] {
            task.live = vec![views::LiveRound {
                round,
                schedule: Schedule::new(100, 20, &windows),
                phase: RoundPhase::Submissions,
                shard: ShardState::Open,
            }];
            assert_eq!(begins(&task, &spec, &clock), Some(expected), "{round}");
        }
    }
}
