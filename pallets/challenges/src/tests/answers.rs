//! What the accused answers.

use super::*;
use crate::SAMPLES;
use arena_primitives::{
    ProvenLoss, drawn_samples, drawn_segments,
    hash::{Domain, hash},
};
use codec::Encode;
use sp_runtime::{
    BoundedVec,
    traits::{BlakeTwo256, Hash},
};

const STEPS: u64 = 12;
const EVERY: u64 = 2;

fn log(count: u64) -> LogLeaves {
    let leaf = |place: u64| LogLeaf {
        step: place * EVERY,
        weights: [place as u8; 32],
        optimizer: [7; 32],
        update: place % 3,
    };
    let leaves: Vec<_> = (0..count).map(leaf).collect();
    leaves.try_into().unwrap()
}

/// Ann registers a run and posts two heartbeats; then the task is in its challenge phase.
fn train() -> H256 {
    with(|n| n.phases.insert(TASK, (TaskPhase::Submission, 0)));
    let recipe = H256::repeat_byte(3);
    assert_ok!(Challenges::register_run(
        signed(ANN),
        TASK,
        recipe,
        STEPS,
        EVERY,
        100
    ));
    pass(SEED + 1);
    let seed = Runs::<Test>::get(TASK, account(ANN))
        .unwrap()
        .seed
        .known()
        .unwrap();
    for (round, leaves) in [(1, 3), (2, 7)] {
        with(|n| n.round = round);
        let root = log_root(&seed, &log(7)[..leaves]);
        assert_ok!(Challenges::heartbeat(
            by_key(ANN),
            TASK,
            leaves as u32,
            root
        ));
    }
    with(|n| n.phases.insert(TASK, (TaskPhase::Challenge, ENDS)));
    seed
}

fn accused() -> CaseId {
    let case = open(VAL, training());
    pass(SEED + 1);
    assert!(matches!(state(case), CaseState::Responding { .. }));
    case
}

fn respond(case: CaseId, leaves: LogLeaves) -> frame_support::dispatch::DispatchResult {
    Challenges::respond_training(by_key(ANN), case, leaves, uris())
}

#[test]
fn a_log_that_is_what_heartbeats_said_should_be_taken_and_judged() {
    run(|| {
        let seed = train();
        let case = accused();
        assert_ok!(respond(case, log(7)));
        let state = state(case);
        assert!(matches!(state, CaseState::Committing { .. }));
        let Question::ProofOfLearning(asked) = asked(case) else {
            panic!("another question")
        };
        let draw = state.jury().unwrap().draw;
        let sampling = Replayed::get();
        assert_eq!(
            asked.segments.len(),
            drawn_segments(&draw, &log(7), sampling).len()
        );
        assert!(
            asked
                .segments
                .iter()
                .all(|segment| segment.from.step + EVERY == segment.to.step)
        );
        assert_eq!(asked.leaves, log(7).into_inner());
        assert_eq!((asked.last.step, asked.seed), (STEPS, seed.0));
        vote(case, 1);
        until_closed(case);
        assert!(matches!(closing(case), Some((Verdict::Acquitted, _))));
        assert_eq!(Answers::<Test>::iter().count(), 0);
    });
}

#[test]
fn a_log_should_be_opened_by_the_accused_alone_and_in_time() {
    run(|| {
        train();
        let case = open(VAL, training());
        assert_noop!(respond(case, log(7)), Error::<Test>::NoAnswerDue);
        assert_noop!(respond(case + 1, log(7)), Error::<Test>::NoSuchCase);
        pass(SEED + 1);
        let by_other = Challenges::respond_training(by_key(BOB), case, log(7), uris());
        assert_noop!(by_other, Error::<Test>::NotAccused);
        let now = System::block_number();
        System::set_block_number(state(case).due());
        assert_noop!(respond(case, log(7)), Error::<Test>::NoAnswerDue);
        System::set_block_number(now);
        assert_ok!(Challenges::respond_training(
            signed(ANN),
            case,
            log(7),
            uris()
        ));
        assert_noop!(respond(case, log(7)), Error::<Test>::NoAnswerDue);
    });
}

#[test]
fn a_log_should_be_whole_even_and_what_every_heartbeat_said() {
    run(|| {
        train();
        let case = accused();
        let refused = |leaves, error: Error<Test>| {
            assert_noop!(respond(case, leaves), error);
        };
        refused(log(6), Error::LogNotWhole);
        refused(log(8), Error::LogNotWhole);
        let change = |at: usize, change: fn(&mut LogLeaf)| {
            let mut leaves = log(7).into_inner();
            change(&mut leaves[at]);
            LogLeaves::try_from(leaves).unwrap()
        };
        refused(change(3, |leaf| leaf.step += 1), Error::LogNotEven);
        refused(change(6, |leaf| leaf.update += 1), Error::LogDiffers);
        refused(change(0, |leaf| leaf.weights[0] += 1), Error::LogDiffers);
        let uri = b" ".to_vec().try_into().unwrap();
        let uris: Uris = vec![uri].try_into().unwrap();
        assert_noop!(
            Challenges::respond_training(by_key(ANN), case, log(7), uris),
            Error::<Test>::BadUri
        );
    });
}

#[test]
fn a_log_that_never_was_whole_should_not_be_taken() {
    run(|| {
        train();
        Runs::<Test>::mutate(TASK, account(ANN), |run| run.as_mut().unwrap().leaves = 3);
        Heartbeats::<Test>::mutate(TASK, account(ANN), |beats| beats.truncate(1));
        let case = accused();
        assert_noop!(respond(case, log(7)), Error::<Test>::LogNotWhole);
        assert_noop!(respond(case, log(3)), Error::<Test>::LogNotWhole);
    });
}

#[test]
fn who_has_no_run_should_have_no_answer() {
    run(|| {
        with(|n| n.spec.as_mut().unwrap().registered = true);
        let case = accused();
        assert_noop!(respond(case, log(7)), Error::<Test>::NoRun);
        with(|n| n.phases.insert(TASK, (TaskPhase::Submission, 0)));
        let early = crate::Run {
            number: 0,
            recipe: H256::zero(),
            steps: STEPS,
            every: EVERY,
            checkpoint_bytes: 1,
            at: 1,
            seed: crate::RunSeed::Awaited { ready: 1 },
            deposit: 0,
            leaves: 0,
            beaten: None,
        };
        Runs::<Test>::insert(TASK, account(ANN), early);
        assert_noop!(respond(case, log(7)), Error::<Test>::NoSeed);
        Runs::<Test>::remove(TASK, account(ANN));
    });
}

#[test]
fn silence_should_convict_without_a_vote() {
    run(|| {
        train();
        let case = accused();
        until_closed(case);
        assert_eq!(
            closing(case),
            Some((Verdict::Convicted, [REWARD, REWARD, 200, 0]))
        );
        assert!(
            VALS.skip(1)
                .take(10)
                .all(|n| free(n) == WEALTH && stake(n) == STAKE)
        );
    });
}

/// Losses of a model, with the hashes of each level of their tree.
fn losses(count: u32) -> (Vec<LossLeaf>, Vec<Vec<H256>>) {
    let leaves: Vec<_> = (0..count)
        .map(|index| LossLeaf {
            index,
            nll: u64::from(index) * 3,
            tokens: 2,
            bytes: 9,
            correct: index % 2 == 0,
        })
        .collect();
    let tagged =
        |tag: u8, parts: &[&[u8]]| BlakeTwo256::hash(&[&[tag][..], &parts.concat()].concat());
    let first = leaves.iter().map(|leaf| tagged(0, &[&leaf.encode()]));
    let mut levels: Vec<Vec<H256>> = vec![first.collect()];
    while levels.last().unwrap().len() > 1 {
        let pairs = levels.last().unwrap().chunks(2);
        let next = pairs.map(|pair| match pair {
            [left, right] => tagged(1, &[left.as_bytes(), right.as_bytes()]),
            odd => odd[0],
        });
        let next = next.collect();
        levels.push(next);
    }
    (leaves, levels)
}

fn proven(at: u32, (leaves, levels): &(Vec<LossLeaf>, Vec<Vec<H256>>)) -> ProvenLoss {
    let mut place = at as usize;
    let mut proof = Vec::new();
    for level in levels {
        proof.extend(level.get(place ^ 1).filter(|_| level.len() > 1).copied());
        place /= 2;
    }
    ProvenLoss {
        leaf: leaves[at as usize],
        proof: proof.try_into().unwrap(),
    }
}

const SAMPLED: u32 = 21;

/// A case against validator 22, whose reveal had three models, the second of them Ann's.
fn score_case() -> (CaseId, crate::LossRoots) {
    let tree = losses(SAMPLED);
    let root = tree.1.last().unwrap()[0];
    let roots = vec![H256::repeat_byte(1), root, H256::repeat_byte(2)];
    let disclosed = Disclosed {
        raw: 5,
        samples_root: hash(Domain::Samples, &roots),
        place: 1,
        models: 3,
        settled_at: Some(9),
    };
    with(|n| n.disclosed.insert((3, account(22), model(ANN)), disclosed));
    let claim = Claim::Score {
        validator: account(22),
        round: 3,
        model: model(ANN),
    };
    let case = open(VAL, claim);
    pass(SEED + 1);
    (case, BoundedVec::truncate_from(roots))
}

fn drawn(case: CaseId, samples: u32) -> crate::ProvenLosses {
    let tree = losses(SAMPLED);
    let draw = state(case).jury().unwrap().draw;
    let drawn = drawn_samples(&draw, samples, SAMPLES);
    let all = drawn.iter().map(|at| proven(*at, &tree));
    BoundedVec::truncate_from(all.collect())
}

#[test]
fn drawn_losses_should_be_taken_and_judged() {
    run(|| {
        let (case, roots) = score_case();
        let proofs = drawn(case, SAMPLED);
        let answer = Challenges::respond_score(by_key(22), case, roots, SAMPLED, proofs.clone());
        assert_ok!(answer);
        let Question::Score {
            raw,
            samples,
            losses,
            ..
        } = asked(case)
        else {
            panic!("another question")
        };
        assert_eq!((raw, samples, losses.len()), (5, SAMPLED, proofs.len()));
        with(|n| n.locked.insert((TASK, account(22)), 100));
        vote(case, 3);
        until_closed(case);
        assert_eq!(
            closing(case),
            Some((Verdict::Convicted, [100, 100, 50, 30]))
        );
        assert!(Challenges::is_convicted(TASK, &account(22)));
    });
}

#[test]
fn losses_should_be_the_drawn_ones_under_the_roots_that_were_revealed() {
    run(|| {
        let (case, roots) = score_case();
        let proofs = drawn(case, SAMPLED);
        let answer = |who: u8, roots: &crate::LossRoots, samples, proofs: &crate::ProvenLosses| {
            Challenges::respond_score(by_key(who), case, roots.clone(), samples, proofs.clone())
        };
        assert_noop!(
            answer(21, &roots, SAMPLED, &proofs),
            Error::<Test>::NotAccused
        );
        let mut others = roots.clone();
        others.pop();
        assert_noop!(
            answer(22, &others, SAMPLED, &proofs),
            Error::<Test>::RootsDiffer
        );
        let fewer = drawn(case, 8);
        assert_noop!(answer(22, &roots, 8, &fewer), Error::<Test>::LossNotProven);
        let mut short = proofs.clone();
        short.pop();
        assert_noop!(
            answer(22, &roots, SAMPLED, &short),
            Error::<Test>::LossNotProven
        );
        let mut turned = proofs.clone();
        turned.as_mut().reverse();
        assert_noop!(
            answer(22, &roots, SAMPLED, &turned),
            Error::<Test>::LossNotProven
        );
        assert_noop!(
            answer(22, &roots, 0, &Default::default()),
            Error::<Test>::LossNotProven
        );
    });
}

#[test]
fn an_answer_should_be_of_the_kind_that_is_asked() {
    run(|| {
        train();
        let case = accused();
        let none =
            Challenges::respond_score(by_key(ANN), case, Default::default(), 1, Default::default());
        assert_noop!(none, Error::<Test>::WrongAnswer);
    });
    run(|| {
        let (case, _) = score_case();
        let none = Challenges::respond_training(by_key(22), case, log(7), uris());
        assert_noop!(none, Error::<Test>::WrongAnswer);
    });
}
