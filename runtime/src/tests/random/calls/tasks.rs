//! Proposals, the lives of tasks, and models.

use super::{By, Sent, service_key, spare};
use crate::{
    tests::random::world::{CREATORS, Memo, PEOPLE, TASKS, World, now, task_of},
    *,
};
use arena_primitives::{
    Aggregation, Architecture, BaseModel, DataSource, LikenessRule, Metric, ModelBounds,
    NumericProfile, PublicData, RankRule, RewardParams, Role, SealedData, Shard, ShardState,
    TaskPhase, TaskSpec, Uri, Uris, Venue, WeightCap,
    hash::{Domain, hash},
    shard::{shard_count, shard_proof, shards_root},
    time::RoundPhase,
    traits::{Runs, ServiceKeys, Stakes, TaskStates},
};
use pallet_arena_tasks::{Active, Call, Models, Proposals, Roots, Submissions};
use sp_core::H256;
use sp_runtime::Perbill;

fn uris() -> Uris {
    let uri = Uri::try_from(b"file:///models".to_vec()).expect("short");
    vec![uri].try_into().expect("one")
}

fn rewards(world: &mut World) -> RewardParams {
    let dice = &mut world.dice;
    let percent = |parts: u64| Perbill::from_percent(parts as u32);
    RewardParams {
        gamma: percent(dice.below(101)),
        q: percent(40 + dice.below(60)),
        rank: if dice.chance(60) {
            RankRule::ByStake {
                depth: 1 + dice.below(30) as u16,
            }
        } else {
            RankRule::ByHead {
                alpha_milli: dice.below(2_001) as u32,
            }
        },
        lambda_milli: dice.below(80_000) as u32,
        band: Perbill::from_parts(dice.below(5_000_000) as u32),
        alpha_v_milli: dice.below(2_001) as u32,
        aggregation: dice
            .any(&[Aggregation::Median, Aggregation::Mean])
            .expect("two"),
        cap: dice
            .any(&[
                WeightCap::None,
                WeightCap::Seats(3),
                WeightCap::Seats(10),
                WeightCap::Percentile(88),
            ])
            .expect("four"),
        committee: dice.any(&[0, 0, 2, 4]).expect("four"),
        min_scorers: 1 + dice.below(2) as u16,
        min_trainers: 1 + dice.below(2) as u16,
        max_leverage: dice.any(&[0, 2, 20]).expect("three"),
    }
}

/// The shards of every sealed task of so many submission rounds.
fn shards(rounds: u32) -> Vec<Shard> {
    let shard = |n: u32| Shard {
        blake3: [n as u8; 32],
        bytes: 1_000,
        salt: H256::from_low_u64_be(n.into()),
    };
    (1..=shard_count(rounds)).map(shard).collect()
}

fn data(world: &mut World, rounds: u32) -> DataSource {
    if world.dice.chance(40) {
        return DataSource::Sealed(SealedData {
            root: shards_root(&shards(rounds)),
            max_bytes: 1_000,
            samples: 10,
        });
    }
    DataSource::Public(PublicData {
        blake3: [7; 32],
        bytes: 1_000,
        uris: uris(),
        samples: 10,
    })
}

fn spec(world: &mut World) -> TaskSpec {
    world.specs += 1;
    let rounds = 1 + world.dice.below(3) as u32;
    let accuracy = world.dice.chance(50);
    let name = format!("task {}", world.specs).into_bytes();
    TaskSpec {
        name: name.try_into().expect("short"),
        licence: b"Apache-2.0".to_vec().try_into().expect("short"),
        metric: if accuracy {
            Metric::Accuracy
        } else {
            Metric::BitsPerByte
        },
        worst: if accuracy { 100_000_000 } else { 8_000_000_000 },
        profile: NumericProfile::F32,
        data: data(world, rounds),
        model: ModelBounds {
            architectures: vec![if accuracy {
                Architecture::Mlp
            } else {
                Architecture::Llama
            }]
            .try_into()
            .expect("one"),
            max_parameters: 10_000,
            max_bytes: 1_000_000,
            max_seconds: 2,
            context: 128,
            tokenizer: None,
            base: (!accuracy).then(|| BaseModel {
                manifest_root: H256::repeat_byte(9),
                uris: uris(),
            }),
        },
        rounds,
        round_minutes: 1_440 + world.dice.below(300) as u32,
        final_days: 1,
        challenge_days: world.dice.any(&[1, 2, 3, 4]).expect("four"),
        rewards: rewards(world),
        baseline: Perbill::from_percent(world.dice.below(20) as u32),
        likeness: world.dice.chance(50).then_some(LikenessRule::DEFAULT),
        registered: world.dice.chance(20),
    }
}

/// One thing about it can't be.
fn spoilt(world: &mut World, mut spec: TaskSpec) -> TaskSpec {
    match world.dice.below(10) {
        0 => spec.name = Default::default(),
        1 => spec.licence = vec![0xFF].try_into().expect("short"),
        2 => spec.worst = u64::MAX,
        3 => spec.rounds = 0,
        4 => spec.round_minutes = 60,
        5 => spec.rewards.min_scorers = 0,
        6 => spec.rewards.lambda_milli = 88_000,
        7 => spec.rewards.cap = WeightCap::Seats(0),
        8 => spec.model.architectures = Default::default(),
        _ => spec.model.max_seconds = u32::MAX,
    }
    spec
}

pub(super) fn propose(world: &mut World) -> Option<Sent> {
    if world.proposals.len() >= 12 && !world.dice.wrong {
        return None;
    }
    let who = world.one_who(CREATORS, |who| spare(who) > 20 * UNIT)?;
    let mut spec = spec(world);
    if world.dice.slips() {
        spec = spoilt(world, spec);
    }
    let spec_hash = ArenaTasks::spec_hash(&who, &spec);
    let memo = Memo::Proposed(spec_hash, who.clone());
    Some(
        Sent::signed(
            who,
            Call::propose {
                spec: Box::new(spec),
            },
        )
        .noting(memo),
    )
}

fn expires(spec_hash: &H256) -> Option<BlockNumber> {
    Proposals::<Runtime>::get(spec_hash).map(|proposal| proposal.expires)
}

pub(super) fn withdraw_proposal(world: &mut World) -> Option<Sent> {
    let (spec_hash, who) = world
        .dice
        .one_of(&world.proposals, |(hash, _)| expires(hash).is_some())?;
    Some(Sent::signed(who, Call::withdraw_proposal { spec_hash }))
}

pub(super) fn approve(world: &mut World) -> Option<Sent> {
    let room = Active::<Runtime>::get().len() < TASKS;
    let waiting = |hash: &H256| expires(hash).is_some_and(|last| last >= now());
    let (spec_hash, _) = world
        .dice
        .one_of(&world.proposals, |(hash, _)| room && waiting(hash))?;
    let max_share = Perbill::from_percent(10 + world.dice.below(91) as u32);
    let by = if world.dice.chance(80) {
        By::Approver
    } else {
        By::Root
    };
    let call = Call::approve {
        spec_hash,
        max_share,
    };
    Some(Sent::new(by, call))
}

pub(super) fn remove_expired(world: &mut World) -> Option<Sent> {
    let late = |hash: &H256| expires(hash).is_some_and(|last| last < now());
    let (spec_hash, _) = world
        .dice
        .one_of(&world.proposals, |(hash, _)| late(hash))?;
    let anybody = world.one(0..PEOPLE);
    Some(Sent::signed(anybody, Call::remove_expired { spec_hash }))
}

pub(super) fn submit(world: &mut World) -> Option<Sent> {
    let open = |task: &pallet_arena_tasks::Task| {
        let live = task.submission_round(RoundPhase::Submissions, now())?;
        (live.round > 0).then_some(live.round)
    };
    let task = world.task(|_, task| open(task).is_some())?;
    let round = task_of(task).and_then(|t| open(&t)).unwrap_or(1);
    let again = world.dice.chance(10);
    let asks = ArenaTasks::spec(task).is_some_and(|spec| spec.registered);
    let trainer = world.operator(task, Role::Trainer, |who| {
        ArenaStaking::counted(Venue::Task(task), who, round).is_some()
            && (again || !Submissions::<Runtime>::contains_key((task, round, who)))
            && (!asks || ArenaChallenges::registered_before(task, who, now()))
    })?;
    let nonce = world.dice.hash();
    let root = if world.dice.chance(12) {
        // Several trainers may send this one: the first owns it.
        hash(Domain::Job, &(task, round))
    } else {
        let own = Models::<Runtime>::get(task, &trainer).map(|m| m.current.manifest_root);
        own.filter(|_| world.dice.chance(10))
            .unwrap_or_else(|| world.dice.hash())
    };
    let commitment = hash(Domain::Submission, &(&trainer, root, nonce));
    let memo = Memo::Model((task, round, trainer.clone()), root, nonce);
    Some(Sent::signed(trainer, Call::submit { task, commitment }).noting(memo))
}

pub(super) fn publish(world: &mut World) -> Option<Sent> {
    let publishing = |task: &pallet_arena_tasks::Task| {
        let live = task.submission_round(RoundPhase::Publish, now())?;
        Some(live.round)
    };
    let due: Vec<_> = world.models.keys().cloned().collect();
    let duty = world.dice.one_of(&due, |(task, round, trainer)| {
        task_of(*task).and_then(|t| publishing(&t)) == Some(*round)
            && Submissions::<Runtime>::contains_key((task, round, trainer))
    })?;
    let (task, _, trainer) = &duty;
    let key = service_key(world, trainer)?;
    let (mut manifest_root, nonce) = *world.models.get(&duty)?;
    if world.dice.slips() {
        manifest_root = world.dice.hash();
    }
    let owned = Roots::<Runtime>::get(task, manifest_root);
    let mirrors = if world.dice.slips() {
        Uris::default()
    } else {
        uris()
    };
    if owned.is_some_and(|owner| owner.trainer != *trainer) && world.dice.chance(80) {
        return None;
    }
    let call = Call::publish {
        task: *task,
        manifest_root,
        uris: mirrors,
        nonce,
    };
    Some(Sent::signed(key, call))
}

pub(super) fn open_shard(world: &mut World) -> Option<Sent> {
    let opens = |live: &&pallet_arena_tasks::LiveRound| {
        live.shard == ShardState::Awaited && live.schedule.takes_shard(now())
    };
    let task = world.task(|_, task| {
        ArenaStaking::key_of(&task.creator).is_some() && task.live().iter().any(|l| opens(&l))
    })?;
    let row = task_of(task)?;
    let rounds = ArenaTasks::spec(task)?.rounds;
    let live = row.live().iter().find(opens).or(row.live().last())?;
    let all = shards(rounds);
    let mut shard = all.get(live.round.checked_sub(1)? as usize)?.clone();
    if world.dice.slips() {
        shard.salt = world.dice.hash();
    }
    let mirrors = if world.dice.slips() {
        Uris::default()
    } else {
        uris()
    };
    let call = Call::open_shard {
        task,
        round: live.round,
        shard,
        proof: shard_proof(&all, live.round)?,
        uris: mirrors,
    };
    Some(Sent::signed(service_key(world, &row.creator)?, call))
}

pub(super) fn top_up(world: &mut World) -> Option<Sent> {
    let task = world.task(|id, task| {
        ArenaTasks::phase(id) == Some(TaskPhase::Submission) || !task.live().is_empty()
    })?;
    let who = world.one_who(CREATORS, |who| spare(who) > 10 * UNIT)?;
    let high = spare(&who).clamp(UNIT, 40 * UNIT);
    let amount = world.dice.amount(1, high);
    Some(Sent::signed(who, Call::top_up { task, amount }))
}

pub(super) fn cancel(world: &mut World) -> Option<Sent> {
    let task = world.task(|_, task| !task.is_over() && task.opened > 0)?;
    Some(Sent::new(guardian(world), Call::cancel { task }))
}

/// Wrong calls come more often than the guardian should: most tasks live to their end.
fn guardian(world: &mut World) -> By {
    match world.dice.below(5) {
        _ if world.dice.wrong => By::Signed(world.one(0..PEOPLE)),
        0 => By::Root,
        _ => By::Guardian,
    }
}

pub(super) fn pause(world: &mut World) -> Option<Sent> {
    let task = world.task(|_, task| !task.is_over() && !task.paused)?;
    Some(Sent::new(guardian(world), Call::pause { task }))
}

pub(super) fn resume(world: &mut World) -> Option<Sent> {
    let task = world.task(|_, task| !task.is_over() && task.paused)?;
    Some(Sent::new(guardian(world), Call::resume { task }))
}

pub(super) fn poke(world: &mut World) -> Option<Sent> {
    let task = world.task(|id, task| {
        let spec = ArenaTasks::spec(id);
        spec.is_some_and(|spec| task.due(now(), spec.rounds).is_some())
    })?;
    let anybody = world.one(0..PEOPLE);
    Some(Sent::signed(anybody, Call::poke { task }))
}
