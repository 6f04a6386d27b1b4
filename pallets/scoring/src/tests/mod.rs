//! Behaviour of calls, settlement and the offchain worker.

use crate::{
    Call, Commits, Error, Event, Expiring, Misses, Reveals, RoundResults, Seeds,
    mock::*,
    offchain::decide::{Action, Drawn, Duty, Record, Sketching, decide},
    scores_commitment,
};
use arena_math::{
    Listed, RoundInput,
    consensus::{Aggregation, Cap},
    rewards::{RankRule, ValidatorRule},
};
use arena_offchain::{EXECUTOR_KEY, Executor, JobView};
use arena_primitives::{
    DutyRefusal, EarlierSketches, InfraFault, MinerFault, ModelStatus, ScoreEntries, ScoreEntry,
    ScoreOutcome, ShardState, Unpaid, Venue,
    job::{Evaluated, Fault, JobRequest, JobStatus, Outcome},
    traits::Results,
};
use codec::{Decode, Encode};
use frame_support::{assert_noop, assert_ok};
use sp_core::H256;
use sp_runtime::{DispatchResult, Perbill};
use std::collections::BTreeMap;

mod bugs;
mod calls;
mod decide;
mod decide_sketches;
mod edge;
mod histories;
mod pages;
mod random;
mod sealed;
mod settle;
mod silent;
mod sketches;

const NONCE: H256 = H256::repeat_byte(7);
const ROOT: H256 = H256::repeat_byte(8);

fn post(job: JobRequest) -> Action {
    Action::Post(Box::new(job))
}

fn signed(n: u8) -> RuntimeOrigin {
    RuntimeOrigin::signed(key(n))
}

fn entries(outcomes: [ScoreOutcome; 4]) -> ScoreEntries {
    let lines: Vec<ScoreEntry> = TRAINERS
        .iter()
        .zip(outcomes)
        .map(|((trainer, _), outcome)| ScoreEntry {
            manifest_root: root(&account(*trainer)),
            outcome,
            sketch: None,
        })
        .collect();
    lines.try_into().unwrap()
}

fn scored(raw: [u64; 4]) -> ScoreEntries {
    entries(raw.map(|raw| ScoreOutcome::Scored(raw * 10_000_000)))
}

fn commit(who: u8, entries: &ScoreEntries) -> DispatchResult {
    commit_all(who, entries, &EarlierSketches::default())
}

fn commit_all(who: u8, entries: &ScoreEntries, earlier: &EarlierSketches) -> DispatchResult {
    let commitment = scores_commitment(&account(who), 0, 1, entries, earlier, ROOT, NONCE);
    Scoring::commit_scores(signed(who), 0, 1, commitment)
}

fn reveal(who: u8, entries: ScoreEntries) -> DispatchResult {
    reveal_all(who, entries, EarlierSketches::default())
}

fn reveal_all(who: u8, entries: ScoreEntries, earlier: EarlierSketches) -> DispatchResult {
    Scoring::reveal_scores(signed(who), 0, 1, entries, earlier, ROOT, NONCE)
}
