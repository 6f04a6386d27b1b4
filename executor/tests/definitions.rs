//! What `arena-models` and the chain's types define each for themselves, as neither may know the
//! other.

use arena_models::{train::registered, watermark};
use arena_primitives::{LogLeaf, MAX_LOG_LEAVES, WATERMARK_BITS};
use codec::{Decode, Encode};

#[test]
fn leaf_of_a_log_should_be_the_same_for_trainers_and_for_the_chain() {
    let leaf = registered::LogLeaf {
        step: 1,
        weights: [2; 32],
        optimizer: [3; 32],
        update: 4,
    };
    let on_chain = LogLeaf {
        step: 1,
        weights: [2; 32],
        optimizer: [3; 32],
        update: 4,
    };
    assert_eq!(leaf.encode(), on_chain.encode());
    assert_eq!(LogLeaf::decode(&mut &leaf.encode()[..]), Ok(on_chain));
}

#[test]
fn bounds_should_be_the_same_for_models_and_for_the_chain() {
    assert_eq!(registered::MAX_LEAVES, u64::from(MAX_LOG_LEAVES));
    assert_eq!(watermark::THRESHOLD, WATERMARK_BITS);
}
