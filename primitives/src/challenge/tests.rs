use super::*;

fn leaf(step: u64, update: u64) -> LogLeaf {
    LogLeaf {
        step,
        weights: [1; 32],
        optimizer: [2; 32],
        update,
    }
}

fn log(updates: &[u64]) -> Vec<LogLeaf> {
    let first = leaf(0, 0);
    let later = (1..).zip(updates).map(|(step, update)| leaf(step, *update));
    core::iter::once(first).chain(later).collect()
}

#[test]
fn drawn_segments_should_hold_first_last_largest_and_random_ones() {
    let mut updates = vec![5; 128];
    updates[70] = 900;
    updates[71] = 800;
    let leaves = log(&updates);
    let mut seen = BTreeSet::new();
    for n in 0..200 {
        let seed = H256::from_low_u64_be(n);
        let drawn = drawn_segments(&seed, &leaves, Sampling::DEFAULT);
        assert_eq!(drawn.len(), 18, "seed {n}");
        assert!(drawn.is_sorted());
        for must in [0, 1, 2, 70, 71, 127] {
            assert!(drawn.contains(&must), "{must} with seed {n}");
        }
        seen.extend(drawn);
    }
    assert_eq!(seen.len(), 128, "every segment can be drawn");
}

#[test]
fn drawn_segments_of_a_short_log_should_be_all_of_them() {
    let seed = H256::zero();
    assert!(drawn_segments(&seed, &[], Sampling::DEFAULT).is_empty());
    assert!(drawn_segments(&seed, &log(&[]), Sampling::DEFAULT).is_empty());
    assert_eq!(drawn_segments(&seed, &log(&[1]), Sampling::DEFAULT), [0]);
    let all: Vec<u32> = (0..18).collect();
    let drawn = drawn_segments(&seed, &log(&[3; 18]), Sampling::DEFAULT);
    assert_eq!(drawn, all);
}

#[test]
fn random_segments_should_be_drawn_equally_often() {
    let leaves = log(&[5; 40]);
    let sampling = Sampling {
        largest: 0,
        random: 1,
    };
    let mut counts = [0u32; 40];
    for n in 0..38_000 {
        for segment in drawn_segments(&H256::from_low_u64_be(n), &leaves, sampling) {
            counts[segment as usize] += 1;
        }
    }
    // Expected 1,000 each with a deviation of 31.
    assert!(counts[1..39].iter().all(|n| (850..1_150).contains(n)));
}

#[test]
fn drawn_samples_should_be_distinct_and_within() {
    for n in 0..100 {
        let seed = H256::from_low_u64_be(n);
        let drawn = drawn_samples(&seed, 1_000, 8);
        assert!(drawn.len() >= 7 && drawn.is_sorted());
        assert!(drawn.iter().all(|place| *place < 1_000));
    }
    assert!(drawn_samples(&H256::zero(), 0, 8).is_empty());
    assert_eq!(drawn_samples(&H256::zero(), 1, 8), [0]);
}

#[test]
fn log_root_should_change_with_seed_order_and_every_field() {
    let leaves = log(&[3, 4, 5, 6]);
    let root = log_root(&H256::zero(), &leaves);
    assert_ne!(root, log_root(&H256::repeat_byte(1), &leaves));
    let mut turned = leaves.clone();
    turned.swap(1, 2);
    assert_ne!(root, log_root(&H256::zero(), &turned));
    assert_ne!(root, log_root(&H256::zero(), &leaves[..4]));
    for change in [
        |leaf: &mut LogLeaf| leaf.step += 1,
        |leaf: &mut LogLeaf| leaf.weights[31] ^= 1,
        |leaf: &mut LogLeaf| leaf.optimizer[0] ^= 1,
        |leaf: &mut LogLeaf| leaf.update ^= 1,
    ] {
        let mut other = leaves.clone();
        change(&mut other[3]);
        assert_ne!(root, log_root(&H256::zero(), &other));
    }
    assert_eq!(log_root(&H256::zero(), &[]), H256::zero());
}

/// Leaves, root and proofs by another way than the one that is tested.
fn losses(count: u32) -> (Vec<LossLeaf>, Vec<Vec<H256>>) {
    let leaves: Vec<LossLeaf> = (0..count)
        .map(|index| LossLeaf {
            index,
            nll: u64::from(index) << 40,
            tokens: 3,
            bytes: 9,
            correct: false,
        })
        .collect();
    let hashed = leaves.iter().map(|leaf| {
        let bytes = [&[0u8][..], &leaf.encode()].concat();
        BlakeTwo256::hash(&bytes)
    });
    let mut levels = vec![hashed.collect::<Vec<_>>()];
    while levels.last().unwrap().len() > 1 {
        let below = levels.last().unwrap();
        let above = below.chunks(2).map(|pair| match pair {
            [left, right] => {
                let bytes = [&[1u8][..], left.as_bytes(), right.as_bytes()].concat();
                BlakeTwo256::hash(&bytes)
            }
            odd => odd[0],
        });
        let above = above.collect();
        levels.push(above);
    }
    (leaves, levels)
}

fn proof(levels: &[Vec<H256>], place: u32) -> BoundedVec<H256, ConstU32<MAX_LOSS_PROOF>> {
    let mut place = place as usize;
    let mut hashes = Vec::new();
    for level in &levels[..levels.len() - 1] {
        hashes.extend(level.get(place ^ 1));
        place /= 2;
    }
    BoundedVec::try_from(hashes).unwrap()
}

#[test]
fn a_loss_should_be_proven_at_its_place_alone() {
    for count in [1, 2, 3, 5, 8, 13] {
        let (leaves, levels) = losses(count);
        let root = levels.last().unwrap()[0];
        for (place, leaf) in (0..).zip(&leaves) {
            let proven = ProvenLoss {
                leaf: *leaf,
                proof: proof(&levels, place),
            };
            for other in 0..count + 2 {
                let under = proven.is_under(&root, count, other);
                assert_eq!(under, other == place, "{place} of {count} as {other}");
            }
            assert!(!proven.is_under(&H256::zero(), count, place));
            let mut changed = proven.clone();
            changed.leaf.nll ^= 1;
            assert!(!changed.is_under(&root, count, place));
            let mut longer = proven.clone();
            longer.proof.try_push(root).unwrap();
            assert!(!longer.is_under(&root, count, place));
            let mut shorter = proven;
            if shorter.proof.pop().is_some() {
                assert!(!shorter.is_under(&root, count, place));
            }
        }
    }
}

#[test]
fn commitments_should_name_who_made_them() {
    let (ann, bob) = (AccountId::new([1; 32]), AccountId::new([2; 32]));
    let nonce = H256::repeat_byte(9);
    let claim = Claim::ProofOfLearning {
        trainer: ann.clone(),
    };
    assert_ne!(
        claim.commitment(&ann, 1, &nonce),
        claim.commitment(&bob, 1, &nonce)
    );
    let vote = |who, appeal, vote| vote_commitment(who, 3, appeal, vote, &nonce);
    let anns = vote(&ann, false, Vote::Convict);
    assert_ne!(anns, vote(&bob, false, Vote::Convict));
    assert_ne!(anns, vote(&ann, true, Vote::Convict));
    assert_ne!(anns, vote(&ann, false, Vote::Acquit));
    assert_ne!(
        mark_commitment(1, &ann, &nonce),
        mark_commitment(1, &bob, &nonce)
    );
    assert_ne!(
        mark_commitment(1, &ann, &nonce),
        mark_commitment(2, &ann, &nonce)
    );
}

#[test]
fn log_roots_should_be_the_roots_of_all_beginnings() {
    let seed = H256::repeat_byte(3);
    let leaves = log(&[7; 40]);
    let roots = log_roots(&seed, &leaves);
    assert_eq!(roots.len(), leaves.len());
    for (count, root) in (1..).zip(roots) {
        assert_eq!(root, log_root(&seed, &leaves[..count]), "{count} leaves");
    }
    assert!(log_roots(&seed, &[]).is_empty());
}
