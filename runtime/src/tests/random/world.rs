//! The chain that random calls are sent to, with what its users' nodes remember.

use super::{checks, dice::Dice, shadow::Shadow};
use crate::{
    configs::governance::{RuntimeParameters, dynamic_params},
    tests::sanity::with_patched_preset,
    *,
};
use arena_primitives::{
    CaseId, Claim, Role, Round, ScoreEntries, TaskId, Venue, Vote,
    hash::{Domain, hash},
};
use frame_support::{assert_ok, traits::OnFinalize};
use pallet_arena_tasks::Task;
use serde_json::json;
use sp_consensus_babe::digests::{CompatibleDigestItem, PreDigest, SecondaryPlainPreDigest};
use sp_core::{H256, Pair, crypto::Ss58Codec, ed25519, sr25519};
use sp_keyring::Sr25519Keyring;
use sp_runtime::{
    Digest, DigestItem,
    traits::{Dispatchable, Header as _},
};
use std::{collections::BTreeMap, ops::Range};

/// Users.
pub(super) const PEOPLE: usize = 40;
/// What each of them has at genesis.
const WEALTH: Balance = 6_000 * UNIT;
/// Which of them do what, mostly; a few do several things.
pub(super) const CREATORS: Range<usize> = 0..6;
pub(super) const AUTHORS: Range<usize> = 4..11;
pub(super) const TRAINERS: Range<usize> = 9..23;
pub(super) const VALIDATORS: Range<usize> = 21..33;
pub(super) const DELEGATORS: Range<usize> = 30..39;
/// Tasks that are alive at once, as long as nobody wants more.
pub(super) const TASKS: usize = 9;
/// Calls in a block, on average.
const CALLS_PER_BLOCK: u64 = 14;
/// Slots of a session.
const SESSION: u64 = 10;

/// What a call leaves in its sender's memory when it succeeds.
pub(super) enum Memo {
    Nothing,
    Staked(Venue, AccountId),
    Delegated(Venue, AccountId, AccountId),
    Proposed(H256, AccountId),
    Key(UsedKey),
    Model(Duty, H256, H256),
    Scores(Duty, Scores),
    Claimed(Claimed),
    Ballot(Voting, Ballot),
}

/// Of whom something is due.
pub(super) type Duty = (TaskId, Round, AccountId);

/// A claim that was committed to.
#[derive(Clone)]
pub(super) struct Claimed {
    pub(super) challenger: AccountId,
    pub(super) task: TaskId,
    pub(super) claim: Claim,
    pub(super) nonce: H256,
    pub(super) commitment: H256,
}

/// A case, whether it is appealed, and a juror.
pub(super) type Voting = (CaseId, bool, AccountId);

/// What a juror committed to.
#[derive(Clone)]
pub(super) struct Ballot {
    pub(super) vote: Vote,
    pub(super) nonce: H256,
}

/// What a validator committed to: entries, samples root, nonce.
pub(super) type Scores = (ScoreEntries, H256, H256);

/// An operator, its key, the key's proof.
pub(super) type UsedKey = (AccountId, AccountId, sr25519::Signature);

/// The chain's users and what they remember.
pub(super) struct World {
    pub(super) dice: Dice,
    pub(super) people: Vec<AccountId>,
    /// Positions that were taken; some are gone.
    pub(super) positions: Vec<(Venue, AccountId)>,
    /// Positions that may be owed something.
    pub(super) earners: Vec<(Venue, AccountId)>,
    /// Venue, operator, delegator; some are gone.
    pub(super) delegations: Vec<(Venue, AccountId, AccountId)>,
    pub(super) proposals: Vec<(H256, AccountId)>,
    pub(super) keys: Vec<UsedKey>,
    /// Root and nonce of the last model that was submitted.
    pub(super) models: BTreeMap<Duty, (H256, H256)>,
    pub(super) scores: BTreeMap<Duty, Scores>,
    pub(super) claims: Vec<Claimed>,
    pub(super) ballots: BTreeMap<Voting, Ballot>,
    pub(super) shadow: Shadow,
    pub(super) specs: u32,
    /// The open block's author, as BABE counts authorities.
    pub(super) author: u32,
}

/// Runs `test` on a chain whose users are made of `seed`.
pub(super) fn in_world<R>(seed: u64, test: impl FnOnce(&mut World) -> R) -> R {
    checks::watch_log();
    with_patched_preset("development", patch(), || {
        set_parameters();
        let mut world = World {
            dice: Dice::new(seed),
            people: people(),
            positions: Vec::new(),
            earners: Vec::new(),
            delegations: Vec::new(),
            proposals: Vec::new(),
            keys: Vec::new(),
            models: Default::default(),
            scores: Default::default(),
            claims: Vec::new(),
            ballots: Default::default(),
            shadow: Shadow::at_genesis(),
            specs: 0,
            author: 0,
        };
        for (who, position) in ArenaStaking::positions(Venue::Network) {
            assert!(position.own > 0);
            world.note(Memo::Staked(Venue::Network, who));
        }
        world.next_block().expect("the first block");
        test(&mut world)
    })
}

fn people() -> Vec<AccountId> {
    let account = |i: usize| hash(Domain::Job, &("random user", i as u32)).0.into();
    (0..PEOPLE).map(account).collect()
}

/// A seed of a session key.
fn key_seed(i: usize) -> [u8; 32] {
    hash(Domain::Job, &("session key", i as u32)).0
}

/// The genesis of `development` with more people, more authors, fewer seats and shorter days.
fn patch() -> serde_json::Value {
    let people = people();
    let address = |who: &AccountId| who.to_ss58check();
    let known = Sr25519Keyring::well_known().map(|key| (key.to_account_id(), 1_000_000 * UNIT));
    let rich = people.iter().map(|who| (who.clone(), WEALTH));
    let balances: Vec<_> = known
        .chain(rich)
        .map(|(who, amount)| json!([address(&who), amount as u64]))
        .collect();
    let keys: Vec<_> = AUTHORS
        .map(|i| {
            let babe = sr25519::Pair::from_seed(&key_seed(i)).public();
            let keys = SessionKeys {
                grandpa: ed25519::Pair::from_seed(&key_seed(i)).public().into(),
                babe: babe.into(),
                authority_discovery: babe.into(),
            };
            json!([address(&people[i]), address(&people[i]), keys])
        })
        .collect();
    let authors: Vec<_> = AUTHORS
        .take(4)
        .map(|i| json!([address(&people[i]), (500 * UNIT) as u64]))
        .collect();
    json!({
        "arenaChallenges": { "juries": { "first": 3, "appeal": 4 } },
        "balances": { "balances": balances },
        "session": { "keys": keys },
        "arenaStaking": {
            "time": {
                "epochSlots": SESSION,
                "blocksPerDay": 20,
                "windows": { "gap": 1, "publish": 3, "seed": 2, "commit": 9, "reveal": 5 },
                "unbondingMinutes": 4_320,
                "commissionNoticeMinutes": 720,
            },
            "limits": { "seatsAuthors": 6, "seatsValidators": 7, "seatsTrainers": 8 },
            "network": authors,
        },
    })
}

/// Times and prices that let proposals expire, cases lapse and results go within the run.
fn set_parameters() {
    use dynamic_params::{scoring, tasks};
    let parameters = [
        RuntimeParameters::Tasks(tasks::Parameters::ProposalDeposit(
            tasks::ProposalDeposit,
            Some(10 * UNIT),
        )),
        RuntimeParameters::Tasks(tasks::Parameters::ProposalLifetime(
            tasks::ProposalLifetime,
            Some(2 * 1_440),
        )),
        RuntimeParameters::Scoring(scoring::Parameters::ResultKeep(
            scoring::ResultKeep,
            Some(2 * 1_440),
        )),
    ];
    let all = parameters.into_iter().chain(case_parameters());
    for key_value in all {
        let set = pallet_parameters::Call::set_parameter { key_value };
        assert_ok!(RuntimeCall::Parameters(set).dispatch(RuntimeOrigin::root()));
    }
}

/// Windows of a few blocks, and prices that many can pay.
fn case_parameters() -> [RuntimeParameters; 7] {
    use dynamic_params::challenges::*;
    // Of twenty in a day.
    let blocks = |count: u32| Some(count * 72);
    [
        Parameters::OpenWithin(OpenWithin, blocks(4)),
        Parameters::RespondWithin(RespondWithin, blocks(6)),
        Parameters::VoteWithin(VoteWithin, blocks(6)),
        Parameters::RevealWithin(RevealWithin, blocks(4)),
        Parameters::AppealWithin(AppealWithin, blocks(5)),
        Parameters::JurorFee(JurorFee, Some(UNIT)),
        Parameters::RunDeposit(RunDeposit, Some(2 * UNIT)),
    ]
    .map(RuntimeParameters::Challenges)
}

pub(super) fn now() -> BlockNumber {
    System::block_number()
}

pub(super) fn task_of(id: TaskId) -> Option<Task> {
    pallet_arena_tasks::Tasks::<Runtime>::get(id)
}

impl World {
    /// One of these people, now and then another.
    pub(super) fn one(&mut self, crowd: Range<usize>) -> AccountId {
        let whole = self.dice.chance(6) || self.dice.slips();
        let range = if whole { 0..self.people.len() } else { crowd };
        let i = range.start + self.dice.below(range.len() as u64) as usize;
        self.people[i].clone()
    }

    /// One of these people who fits.
    pub(super) fn one_who(
        &mut self,
        crowd: Range<usize>,
        fits: impl FnMut(&AccountId) -> bool,
    ) -> Option<AccountId> {
        let whole = self.dice.chance(6);
        let range = if whole { 0..self.people.len() } else { crowd };
        self.dice.one_of(&self.people[range], fits)
    }

    /// A task that fits, of those that are not pruned.
    pub(super) fn task(&mut self, mut fits: impl FnMut(TaskId, &Task) -> bool) -> Option<TaskId> {
        if self.dice.slips() {
            let next = pallet_arena_tasks::NextTaskId::<Runtime>::get();
            return Some(self.dice.below(u64::from(next) + 1) as TaskId);
        }
        let active = pallet_arena_tasks::Active::<Runtime>::get();
        self.dice.one_of(&active, |id| {
            task_of(*id).is_some_and(|task| fits(*id, &task))
        })
    }

    /// Who took a position in a task.
    pub(super) fn operators(&self, task: TaskId) -> Vec<AccountId> {
        let of_task = self
            .positions
            .iter()
            .filter(|(venue, _)| *venue == Venue::Task(task));
        of_task.map(|(_, who)| who.clone()).collect()
    }

    /// Who took a position in a task, has this role there, and fits.
    pub(super) fn operator(
        &mut self,
        task: TaskId,
        role: Role,
        mut fits: impl FnMut(&AccountId) -> bool,
    ) -> Option<AccountId> {
        use arena_primitives::traits::Stakes;
        let operators = self.operators(task);
        let venue = Venue::Task(task);
        self.dice.one_of(&operators, |who| {
            ArenaStaking::role(venue, who) == Some(role) && fits(who)
        })
    }

    /// What the sender of a call that succeeded remembers.
    pub(super) fn note(&mut self, memo: Memo) {
        match memo {
            Memo::Nothing => {}
            Memo::Staked(venue, who) => {
                for list in [&mut self.positions, &mut self.earners] {
                    if !list.contains(&(venue, who.clone())) {
                        list.push((venue, who.clone()));
                    }
                }
            }
            Memo::Delegated(venue, operator, who) => {
                let row = (venue, operator, who);
                if !self.delegations.contains(&row) {
                    self.delegations.push(row);
                }
            }
            Memo::Proposed(hash, who) => self.proposals.push((hash, who)),
            Memo::Key(used) => self.keys.push(used),
            Memo::Model(duty, root, nonce) => drop(self.models.insert(duty, (root, nonce))),
            Memo::Scores(duty, scores) => drop(self.scores.insert(duty, scores)),
            Memo::Claimed(claimed) => self.claims.push(claimed),
            Memo::Ballot(voting, ballot) => drop(self.ballots.insert(voting, ballot)),
        }
    }

    /// Forgets what is gone.
    pub(super) fn tidy(&mut self) {
        use arena_primitives::traits::Rounds;
        let has_position = |(venue, who): &(Venue, AccountId)| {
            pallet_arena_staking::Positions::<Runtime>::contains_key(venue, who)
        };
        self.positions.retain(has_position);
        self.earners.retain(|row| {
            has_position(row)
                || pallet_arena_rewards::Earned::<Runtime>::contains_key(row.0, &row.1)
        });
        self.delegations.retain(|(venue, operator, who)| {
            ArenaDelegation::delegation(*venue, operator, who).is_some()
        });
        self.proposals
            .retain(|(hash, _)| pallet_arena_tasks::Proposals::<Runtime>::contains_key(hash));
        let alive = |duty: &Duty| ArenaTasks::info(duty.0, duty.1).is_some();
        self.models.retain(|duty, _| alive(duty));
        self.scores.retain(|duty, _| alive(duty));
        self.claims.retain(|claimed| {
            use pallet_arena_challenges::Commitments;
            Commitments::<Runtime>::contains_key(&claimed.challenger, claimed.commitment)
        });
        self.ballots.retain(|(case, ..), _| {
            pallet_arena_challenges::OpenCases::<Runtime>::contains_key(case)
        });
        let surplus = self.keys.len().saturating_sub(60);
        self.keys.drain(..surplus);
    }

    /// Ends the block now and then.
    pub(super) fn pass_time(&mut self) -> checks::Verdict {
        if self.dice.below(CALLS_PER_BLOCK) == 0 {
            self.next_block()?;
        }
        Ok(())
    }

    /// One block: its digest, all hooks, its inherent. What ends it comes first, since calls
    /// are sent to an open block.
    pub(super) fn next_block(&mut self) -> checks::Verdict {
        let n = now() + 1;
        if n > 1 {
            AllPalletsWithSystem::on_finalize(now());
        }
        let before = self.shadow.before_block(n);
        // As BABE leaves it of a block with a VRF output.
        let vrf = self.dice.bytes();
        pallet_babe::AuthorVrfRandomness::<Runtime>::put(Some(vrf));
        self.author = self.next_author();
        let digest = Digest {
            logs: vec![DigestItem::babe_pre_digest(PreDigest::SecondaryPlain(
                SecondaryPlainPreDigest {
                    authority_index: self.author,
                    slot: u64::from(n).into(),
                },
            ))],
        };
        let parent = self.dice.hash();
        let header = Header::new(n, H256::zero(), H256::zero(), parent, digest);
        Executive::initialize_block(&header);
        let moment = u64::from(n) * ArenaStaking::time().slot_millis;
        assert_ok!(Timestamp::set(RuntimeOrigin::none(), moment));
        frame_system::BlockHash::<Runtime>::remove(n.saturating_sub(300));
        self.shadow.after_block(before);
        checks::after_call(self)
    }

    /// Who writes the next block: an authority that is not disabled.
    fn next_author(&mut self) -> u32 {
        let authorities = Session::validators().len() as u32;
        let disabled = Session::disabled_validators();
        let able: Vec<u32> = (0..authorities).filter(|i| !disabled.contains(i)).collect();
        self.dice.any(&able).unwrap_or(0)
    }
}
