//! Validators' duties.

use super::{Sent, challenges::loss_roots, service_key};
use crate::{
    tests::random::world::{Memo, Scores, World, now},
    *,
};
use arena_primitives::{
    EarlierSketches, InfraFault, Metric, MinerFault, Role, Round, ScoreEntries, ScoreEntry,
    ScoreOutcome, TaskId, Venue,
    hash::{Domain, hash, low_u64},
    time::RoundPhase,
    traits::{Rounds, Stakes},
};
use pallet_arena_scoring::{Call, Commits, Reveals, scores_commitment};
use sp_core::H256;

/// A closed round in this phase.
fn round_in(world: &mut World, phase: RoundPhase) -> Option<(TaskId, Round)> {
    let closed = ArenaTasks::closed_rounds();
    let info = world
        .dice
        .one_of(&closed, |info| info.schedule.phase(now()) == phase)?;
    Some((info.task, info.round))
}

/// What a model is worth, and how a validator sees that.
fn outcome(world: &mut World, metric: Metric, root: &H256) -> ScoreOutcome {
    if world.dice.slips() {
        return ScoreOutcome::Scored(u64::MAX);
    }
    let worth = low_u64(&hash(Domain::Job, root));
    if worth.is_multiple_of(11) {
        return ScoreOutcome::Invalid(MinerFault::NonFinite);
    }
    match world.dice.below(40) {
        0 => ScoreOutcome::Skipped(InfraFault::Timeout),
        1 => ScoreOutcome::Skipped(InfraFault::Memory),
        2 => ScoreOutcome::Invalid(MinerFault::TooLarge),
        _ => {
            let raw = match metric {
                Metric::Accuracy => 200_000_000 + worth % 700_000_000,
                Metric::BitsPerByte => 1_000_000_000 + worth % 6_000_000_000,
            };
            let noise = if world.dice.chance(70) {
                0
            } else {
                world.dice.below(40_000_000)
            };
            ScoreOutcome::Scored(raw + noise)
        }
    }
}

/// A model's sketch, where the task asks for one: some are near each other.
fn sketch(task: TaskId, root: &H256) -> Option<[u8; 32]> {
    ArenaTasks::spec(task)?.likeness?;
    let mut sketch = hash(Domain::Sketch, &(low_u64(root) % 3)).0;
    sketch[0] = root.0[0];
    Some(sketch)
}

/// Sketches of what the round compares with.
fn earlier(task: TaskId, round: Round) -> EarlierSketches {
    let earlier = ArenaScoring::earlier(task, round);
    let sketches = earlier
        .iter()
        .map(|model| sketch(task, &model.manifest_root));
    EarlierSketches::truncate_from(sketches.collect())
}

fn measure(world: &mut World, task: TaskId, round: Round, validator: &AccountId) -> Scores {
    let metric = ArenaTasks::spec(task).map_or(Metric::Accuracy, |spec| spec.metric);
    let mut entries: Vec<_> = ArenaScoring::drawn(task, round, validator)
        .into_iter()
        .map(|(_, manifest_root)| ScoreEntry {
            manifest_root,
            outcome: outcome(world, metric, &manifest_root),
            sketch: sketch(task, &manifest_root),
        })
        .collect();
    if world.dice.slips() {
        entries.pop();
    }
    let entries = ScoreEntries::truncate_from(entries);
    // Who committed to nothing can't prove its losses.
    let samples_root = if world.dice.chance(10) {
        world.dice.hash()
    } else {
        let roots = loss_roots(validator, round, entries.len() as u32);
        hash(Domain::Samples, &roots)
    };
    (entries, samples_root, world.dice.hash())
}

pub(super) fn commit_scores(world: &mut World) -> Option<Sent> {
    let (task, round) = round_in(world, RoundPhase::Commit)?;
    let validator = world.operator(task, Role::Validator, |who| {
        ArenaStaking::counted(Venue::Task(task), who, round).is_some()
            && !Commits::<Runtime>::contains_key((task, round, who))
    })?;
    if ArenaScoring::seed(task, round).is_none() && !world.dice.wrong {
        return None;
    }
    let key = service_key(world, &validator)?;
    let scores = measure(world, task, round, &validator);
    let (entries, samples_root, nonce) = &scores;
    let commitment = scores_commitment(
        &validator,
        task,
        round,
        entries,
        &earlier(task, round),
        *samples_root,
        *nonce,
    );
    let call = Call::commit_scores {
        task,
        round,
        commitment,
    };
    Some(Sent::signed(key, call).noting(Memo::Scores((task, round, validator), scores)))
}

pub(super) fn reveal_scores(world: &mut World) -> Option<Sent> {
    let phase = |task, round| ArenaTasks::info(task, round).map(|i| i.schedule.phase(now()));
    let due: Vec<_> = world.scores.keys().cloned().collect();
    let duty = world.dice.one_of(&due, |(task, round, validator)| {
        phase(*task, *round) == Some(RoundPhase::Reveal)
            && !Reveals::<Runtime>::contains_key((task, round, validator))
    })?;
    let (task, round, validator) = &duty;
    let key = service_key(world, validator)?;
    let (entries, samples_root, mut nonce) = world.scores.get(&duty)?.clone();
    if world.dice.slips() {
        nonce = world.dice.hash();
    }
    let call = Call::reveal_scores {
        task: *task,
        round: *round,
        entries,
        earlier: earlier(*task, *round),
        samples_root,
        nonce,
    };
    Some(Sent::signed(key, call))
}
