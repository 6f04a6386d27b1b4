//! The state of a chain with many tasks, each with a settled round: what a busy chain's nodes are
//! asked of. Made natively, as [`world`](crate::world) is.

use crate::{
    law::Law,
    plan::{Delegation, Rules, SHAPE, units},
    progress::Progress,
    world::{
        BLOCKS_PER_DAY, Clock, Kind, Operator, POCKET, account, author, call, delegate, delegator,
        enrol, is_settled, key, measured, model, next_block, run_until, spec, state_of, uris,
        within,
    },
};
use anyhow::{Context, Result, anyhow};
use arena_primitives::{
    AccountId, Balance, EarlierSketches, Role, Round, ScoreEntries, ScoreEntry, ScoreOutcome,
    TaskId,
    hash::{Domain, hash},
    time::{RoundPhase, Windows},
};
use arena_runtime::{ArenaScoring, ArenaTasks, RuntimeCall, RuntimeOrigin, System};
use pallet_arena_scoring::scores_commitment;
use sp_core::H256;
use sp_io::TestExternalities;
use sp_runtime::{Perbill, traits::Dispatchable};

/// The round that is settled.
pub const ROUND: Round = 1;

/// How many take part.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Tasks.
    pub tasks: u32,
    /// Trainers, each in one task.
    pub trainers: u32,
    /// Validators, each in one task.
    pub validators: u32,
    /// Accounts that delegate, each to one operator.
    pub delegators: u32,
}

/// A chain after the first round of all its tasks.
pub struct Market {
    /// What the chain has stored.
    pub state: TestExternalities,
    /// Operators by task.
    pub operators: Vec<Vec<Operator>>,
    /// Accounts that delegate.
    pub delegators: Vec<AccountId>,
}

/// Operators of a role, dealt out to tasks in turn.
fn deal(hands: &mut [Vec<Operator>], role: Role, stakes: Vec<Balance>, first: u32) {
    let count = hands.len();
    for (place, (own, index)) in stakes.into_iter().zip(first..).enumerate() {
        let operator = Operator {
            account: account(&key(Kind::Operator, index)),
            service: key(Kind::Service, index),
            role,
            own,
        };
        hands[place % count].push(operator);
    }
}

fn operators(size: &Size, law: &mut Law) -> Vec<Vec<Operator>> {
    let mut own = |count: u32, least: f64, most: f64| -> Vec<Balance> {
        let stakes = (0..count).map(|_| units(law.tail(least, SHAPE, most)));
        stakes.collect()
    };
    let trainers = own(size.trainers, 100.0, 10_000.0);
    let validators = own(size.validators, 1_000.0, 50_000.0);
    let mut hands: Vec<Vec<Operator>> = (0..size.tasks).map(|_| Vec::new()).collect();
    deal(&mut hands, Role::Trainer, trainers, 0);
    deal(&mut hands, Role::Validator, validators, size.trainers);
    hands
}

/// Who delegates in which task, behind which of its operators.
fn delegations(size: &Size, hands: &[Vec<Operator>], law: &mut Law) -> Vec<Vec<Delegation>> {
    let mut by_task: Vec<Vec<Delegation>> = hands.iter().map(|_| Vec::new()).collect();
    for who in 0..size.delegators {
        let task = who as usize % hands.len();
        let even: Vec<f64> = (1..=hands[task].len()).map(|place| place as f64).collect();
        by_task[task].push(Delegation {
            who,
            behind: law.index(&even),
            amount: units(law.tail(1.0, SHAPE, 1_000.0)),
        });
    }
    by_task
}

fn genesis(
    code: &[u8],
    hands: &[Vec<Operator>],
    delegators: &[AccountId],
) -> Result<TestExternalities> {
    let operators = hands.iter().flatten();
    let operators = operators.map(|one| (one.account.clone(), one.own + POCKET));
    let delegators = delegators
        .iter()
        .map(|who| (who.clone(), units(1_000.0) + POCKET));
    let clock = Clock {
        blocks_per_day: BLOCKS_PER_DAY,
        epoch_slots: 100_000,
        windows: Windows {
            gap: 1,
            publish: 4,
            seed: 2,
            commit: 20,
            reveal: 10,
        },
    };
    state_of(code, &clock, operators.chain(delegators))
}

fn approve(task: TaskId) -> Result<()> {
    let creator = account(&author()?);
    let spec = spec(&format!("task {task}"), 2, Rules::Default.params())?;
    let spec_hash = ArenaTasks::spec_hash(&creator, &spec);
    let spec = Box::new(spec);
    call(&creator, pallet_arena_tasks::Call::propose { spec })?;
    let max_share = Perbill::from_percent(6);
    RuntimeCall::from(pallet_arena_tasks::Call::approve {
        spec_hash,
        max_share,
    })
    .dispatch(RuntimeOrigin::root())
    .map(|_| ())
    .map_err(|e| anyhow!("approve: {:?}", e.error))
}

/// What a validator committed to: the task, who signs, and its scores.
type Committed = (TaskId, AccountId, ScoreEntries);

fn reveal(committed: Vec<Committed>, samples_root: H256, nonce: H256) -> Result<()> {
    for (task, signer, entries) in committed {
        let reveal = pallet_arena_scoring::Call::reveal_scores {
            task,
            round: ROUND,
            entries,
            earlier: EarlierSketches::default(),
            samples_root,
            nonce,
        };
        call(&signer, reveal)?;
    }
    Ok(())
}

impl Market {
    /// Lives until all tasks have settled a round.
    pub fn new(code: &[u8], size: &Size, seed: u64, progress: &Progress) -> Result<Self> {
        let mut law = Law::new(seed);
        let hands = operators(size, &mut law);
        let stakes = delegations(size, &hands, &mut law);
        let numbers = 0..size.delegators;
        let delegators: Vec<AccountId> = numbers.map(|who| account(&delegator(who))).collect();
        let mut state = genesis(code, &hands, &delegators)?;
        for (task, hand) in (0..).zip(&hands) {
            within(&mut state, || {
                System::set_block_number(1);
                approve(task)?;
                enrol(task, hand)
            })?;
            let stakes = stakes.get(task as usize).context("delegations")?;
            delegate(&mut state, task, hand, &delegators, stakes, progress)?;
        }
        progress.say("a round of all tasks");
        let mut market = Market {
            state,
            operators: hands,
            delegators,
        };
        market.publish()?;
        market.score(seed)?;
        market.settle()?;
        Ok(market)
    }

    fn publish(&mut self) -> Result<()> {
        let hands = &self.operators;
        let nonce = H256::repeat_byte(9);
        let trainers = || {
            (0..).zip(hands).flat_map(|(task, hand)| {
                let trainers = hand.iter().filter(|one| one.role == Role::Trainer);
                trainers.map(move |one| (task, one))
            })
        };
        within(&mut self.state, || {
            run_until(0, ROUND, RoundPhase::Submissions)?;
            for (task, trainer) in trainers() {
                let root = model(&trainer.account);
                let commitment = hash(Domain::Submission, &(&trainer.account, root, nonce));
                let submit = pallet_arena_tasks::Call::submit { task, commitment };
                call(&trainer.account, submit)?;
            }
            run_until(0, ROUND, RoundPhase::Publish)?;
            for (task, trainer) in trainers() {
                let publish = pallet_arena_tasks::Call::publish {
                    task,
                    manifest_root: model(&trainer.account),
                    uris: uris()?,
                    nonce,
                };
                call(&account(&trainer.service), publish)?;
            }
            Ok(())
        })
    }

    fn score(&mut self, seed: u64) -> Result<()> {
        let hands = &self.operators;
        let (samples_root, nonce) = (H256::repeat_byte(1), H256::repeat_byte(2));
        let earlier = EarlierSketches::default();
        within(&mut self.state, || {
            run_until(0, ROUND, RoundPhase::Commit)?;
            let mut law = Law::new(seed ^ 0x5c0e);
            let mut reveals: Vec<Committed> = Vec::new();
            for (task, hand) in (0..).zip(hands) {
                for one in hand.iter().filter(|one| one.role == Role::Validator) {
                    let drawn = ArenaScoring::drawn(task, ROUND, &one.account).into_iter();
                    let entries = drawn.map(|(_, manifest_root)| ScoreEntry {
                        manifest_root,
                        outcome: ScoreOutcome::Scored(measured(&manifest_root, &mut law)),
                        sketch: None,
                    });
                    let entries = ScoreEntries::truncate_from(entries.collect());
                    let who = &one.account;
                    let commitment = scores_commitment(
                        who,
                        task,
                        ROUND,
                        &entries,
                        &earlier,
                        samples_root,
                        nonce,
                    );
                    let commit = pallet_arena_scoring::Call::commit_scores {
                        task,
                        round: ROUND,
                        commitment,
                    };
                    let signer = account(&one.service);
                    call(&signer, commit)?;
                    reveals.push((task, signer, entries));
                }
            }
            run_until(0, ROUND, RoundPhase::Reveal)?;
            reveal(reveals, samples_root, nonce)
        })
    }

    fn settle(&mut self) -> Result<()> {
        let tasks = u32::try_from(self.operators.len())?;
        within(&mut self.state, || {
            for _ in 0..BLOCKS_PER_DAY {
                if (0..tasks).all(|task| is_settled(task, ROUND)) {
                    return Ok(());
                }
                next_block();
            }
            Err(anyhow!("not all tasks settled round {ROUND}"))
        })
    }

    /// The state as a chain spec, whose genesis it is.
    pub fn chain_spec(&mut self) -> Result<serde_json::Value> {
        let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
        let top = self.state.execute_with(|| {
            let mut top = serde_json::Map::new();
            let mut key = Vec::new();
            while let Some(next) = sp_io::storage::next_key(&key) {
                let value = sp_io::storage::get(&next).unwrap_or_default();
                top.insert(hex(&next), hex(&value).into());
                key = next;
            }
            top
        });
        Ok(serde_json::json!({
            "name": "Market",
            "id": "arena_market",
            "chainType": "Development",
            "bootNodes": [],
            "telemetryEndpoints": null,
            "protocolId": null,
            "properties": {},
            "codeSubstitutes": {},
            "genesis": {"raw": {"top": top, "childrenDefault": {}}},
        }))
    }
}
