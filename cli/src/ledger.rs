//! Rows of storage that the runtime's API doesn't answer for, as this release decodes them.

use crate::{
    amount::Amount,
    chain::{At, api, fetch, id, keys, last_account, rows},
    told::Place,
    views::Seat,
};
use anyhow::{Context, Result};
use arena_primitives::{
    AccountId, Balance, BlockNumber, EarlierModel, Hash, PublicData, Role, Round, StakeSnapshot,
    TaskId, Uris, Venue,
    hash::{Domain, hash},
};
use codec::{Decode, Input};
use sp_runtime::Perbill;

/// A position in staking.
#[derive(Clone, Debug, Decode)]
pub(crate) struct Position {
    /// What it does there.
    pub(crate) role: Role,
    _seat: Seat,
    _own: Balance,
    _delegated: Balance,
    _shares: Balance,
    commission: Perbill,
    /// The commission that takes its place, and when.
    pub(crate) pending_commission: Option<(Perbill, BlockNumber)>,
    /// When it got its seat.
    pub(crate) registered_at: BlockNumber,
    _since: Option<Round>,
    /// From which round on it was worth how much, ascending.
    pub(crate) history: Vec<(Round, StakeSnapshot)>,
}

impl Position {
    /// What a round counts; `None` without own stake then.
    pub(crate) fn counted_in(&self, round: Round) -> Option<StakeSnapshot> {
        let seen = self.history.iter().rev().find(|(from, _)| *from <= round);
        seen.map(|(_, snapshot)| *snapshot)
            .filter(|snapshot| snapshot.own > 0)
    }

    /// The commission in force at a block.
    pub(crate) fn commission_at(&self, block: BlockNumber) -> Perbill {
        self.pending_commission
            .filter(|(_, from)| *from <= block)
            .map_or(self.commission, |(commission, _)| commission)
    }
}

/// All positions of a venue, ordered by account.
pub(crate) async fn positions(at: &At, venue: Venue) -> Result<Vec<(AccountId, Position)>> {
    let found = rows(
        at,
        api::storage().arena_staking().positions(),
        (venue.into(),),
    )
    .await?;
    let mut all = found
        .into_iter()
        .map(|(key, position)| Ok((last_account(&key)?, position)))
        .collect::<Result<Vec<(AccountId, Position)>>>()?;
    all.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(all)
}

/// One position.
pub(crate) async fn position(
    at: &At,
    venue: Venue,
    operator: &AccountId,
) -> Result<Option<Position>> {
    fetch(
        at,
        api::storage().arena_staking().positions(),
        (venue.into(), id(operator)),
    )
    .await
}

/// What one account has in one position.
#[derive(Clone, Debug)]
pub(crate) struct Delegation {
    /// Where.
    pub(crate) venue: Venue,
    /// Behind whom.
    pub(crate) operator: AccountId,
    /// Whose.
    pub(crate) who: AccountId,
}

/// Bytes of a storage key before the first part: pallet, entry, and a 128-bit hash.
const FIRST_PART: usize = 16 + 16 + 16;

/// All delegations of the chain. Its keys can't be looked up by delegator.
pub(crate) async fn delegations(at: &At) -> Result<Vec<Delegation>> {
    let found = keys(at, api::storage().arena_delegation().delegations(), ()).await?;
    found
        .iter()
        .map(|key| {
            let mut place = key.get(FIRST_PART..).unwrap_or_default();
            let (venue, operator) = <(Venue, AccountId)>::decode(&mut place)
                .context("a delegation's key doesn't decode")?;
            Ok(Delegation {
                venue,
                operator,
                who: last_account(key)?,
            })
        })
        .collect()
}

/// The books of rewards: sums since genesis, and two levels.
#[derive(Clone, Copy, Debug, Default, Decode)]
pub(crate) struct Books {
    /// Emission that was minted.
    pub(crate) minted: Amount,
    /// Bounty that was drawn for rounds.
    pub(crate) bounties: Amount,
    /// Owed to positions of tasks, claimed or not.
    pub(crate) rewards: Amount,
    /// Owed to positions of `Network`, claimed or not.
    pub(crate) authors: Amount,
    /// Of what was drawn, sent to the treasury.
    pub(crate) treasury: Amount,
    /// Forfeited or slashed.
    pub(crate) burned: Amount,
    /// Left over by divisions.
    pub(crate) dust: Amount,
    /// Drawn for a round whose settlement still goes on.
    pub(crate) in_flight: Amount,
}

/// The books of rewards.
pub(crate) async fn books(at: &At) -> Result<Books> {
    Ok(fetch(at, api::storage().arena_rewards().totals(), ())
        .await?
        .unwrap_or_default())
}

/// The beginning of a row, of which the rest isn't looked at.
struct Head<T>(T);

impl<T: Decode> Decode for Head<T> {
    fn decode<I: Input>(input: &mut I) -> Result<Self, codec::Error> {
        let head = T::decode(input)?;
        if let Some(rest) = input.remaining_len()? {
            input.read(&mut vec![0; rest])?;
        }
        Ok(Head(head))
    }
}

/// What is owed to an operator and to its delegators.
pub(crate) async fn owed(at: &At, (venue, operator): &Place) -> Result<(Balance, Balance)> {
    let key = ((*venue).into(), id(operator));
    let found: Option<Head<_>> = fetch(at, api::storage().arena_rewards().earned(), key).await?;
    Ok(found.map_or((0, 0), |Head(owed)| owed))
}

/// A challenge took what the position earned.
pub(crate) async fn is_forfeited(at: &At, (venue, operator): &Place) -> Result<bool> {
    let key = ((*venue).into(), id(operator));
    let found: Option<()> = fetch(at, api::storage().arena_rewards().forfeited(), key).await?;
    Ok(found.is_some())
}

/// What a venue's positions earned is free.
pub(crate) async fn is_released(at: &At, venue: Venue) -> Result<bool> {
    let key = (venue.into(),);
    let found: Option<()> = fetch(at, api::storage().arena_rewards().released(), key).await?;
    Ok(found.is_some())
}

/// How much is minted.
#[derive(Clone, Copy, Debug, Decode)]
pub(crate) struct Rate {
    /// In a day.
    pub(crate) per_day: Balance,
    /// Authors' part of it.
    pub(crate) network_share: Perbill,
}

impl Rate {
    /// Authors' part of a day, rounded down.
    pub(crate) fn authors_per_day(&self) -> Balance {
        self.network_share.mul_floor(self.per_day)
    }

    /// Tasks' part of a day: the rest.
    pub(crate) fn tasks_per_day(&self) -> Balance {
        self.per_day.saturating_sub(self.authors_per_day())
    }
}

/// How much is minted.
pub(crate) async fn rate(at: &At) -> Result<Rate> {
    fetch(at, api::storage().arena_rewards().rate(), ())
        .await?
        .context("the chain has no rate of emission")
}

/// Limits of stake and seats.
#[derive(Clone, Debug, Decode)]
struct Limits {
    _min_own: [Balance; 3],
    _seats_authors: u32,
    _seats_validators: u32,
    seats_trainers: u32,
    _min_authors: u32,
    _min_delegation: Balance,
    _commission_cap: Perbill,
    _max_leverage: u32,
    _slash_deferral_minutes: u32,
}

/// Most trainers of a task.
pub(crate) async fn seats_of_trainers(at: &At) -> Result<u32> {
    let limits: Option<Limits> = fetch(at, api::storage().arena_staking().limits(), ()).await?;
    let limits = limits.context("the chain has no limits of seats")?;
    Ok(limits.seats_trainers)
}

/// The session.
pub(crate) async fn session(at: &At) -> Result<Round> {
    let found = fetch(at, api::storage().session().current_index(), ()).await?;
    Ok(found.unwrap_or_default())
}

/// The authors of the session, in the order in which blocks name them.
pub(crate) async fn session_validators(at: &At) -> Result<Vec<AccountId>> {
    let found = fetch(at, api::storage().session().validators(), ()).await?;
    Ok(found.unwrap_or_default())
}

/// The round that is being settled.
pub(crate) async fn settling(at: &At) -> Result<Option<(TaskId, Round)>> {
    let found: Option<Head<_>> = fetch(at, api::storage().arena_scoring().settling(), ()).await?;
    Ok(found.map(|Head(round)| round))
}

/// All tokens there are.
pub(crate) async fn issuance(at: &At) -> Result<Amount> {
    Ok(fetch(at, api::storage().balances().total_issuance(), ())
        .await?
        .unwrap_or_default())
}

/// A commitment that is not published.
#[derive(Clone, Debug, Decode)]
pub(crate) struct Submission {
    /// What was committed to.
    pub(crate) commitment: Hash,
    /// In this block.
    pub(crate) _at: BlockNumber,
}

/// A trainer's commitment in a round.
pub(crate) async fn submission(
    at: &At,
    task: TaskId,
    round: Round,
    trainer: &AccountId,
) -> Result<Option<Submission>> {
    fetch(
        at,
        api::storage().arena_tasks().submissions(),
        (task, round, id(trainer)),
    )
    .await
}

/// A model with the first round that counts it.
#[derive(Clone, Copy, Debug, Decode)]
pub(crate) struct Dated {
    /// The model.
    pub(crate) manifest_root: Hash,
    /// The first round that counts it.
    pub(crate) from_round: Round,
}

/// A trainer's published models.
#[derive(Clone, Copy, Debug, Decode)]
pub(crate) struct Standing {
    /// The newest.
    pub(crate) current: Dated,
    /// The one before.
    pub(crate) previous: Option<Dated>,
}

impl Standing {
    /// The model that a round counts.
    pub(crate) fn of_round(&self, round: Round) -> Option<Hash> {
        let dated = [Some(self.current), self.previous];
        dated
            .into_iter()
            .flatten()
            .find(|d| d.from_round <= round)
            .map(|d| d.manifest_root)
    }
}

/// A trainer's published models in a task.
pub(crate) async fn standing(
    at: &At,
    task: TaskId,
    trainer: &AccountId,
) -> Result<Option<Standing>> {
    fetch(
        at,
        api::storage().arena_tasks().models(),
        (task, id(trainer)),
    )
    .await
}

/// Whose a model is, and where it can be fetched.
#[derive(Clone, Debug, Decode)]
pub(crate) struct RootOwner {
    /// Whose.
    pub(crate) trainer: AccountId,
    /// In this block.
    pub(crate) committed_at: BlockNumber,
    /// Mirrors.
    pub(crate) uris: Uris,
}

/// Whose a model is; `None` if it was never published.
pub(crate) async fn owner(at: &At, task: TaskId, root: Hash) -> Result<Option<RootOwner>> {
    let key = (task, subxt::utils::H256(root.0));
    fetch(at, api::storage().arena_tasks().roots(), key).await
}

/// Mirrors of a model, as text.
pub(crate) async fn mirrors(at: &At, task: TaskId, root: Hash) -> Result<Vec<String>> {
    Ok(owner(at, task, root).await?.map_or_else(Vec::new, |owner| {
        owner
            .uris
            .iter()
            .map(|uri| String::from_utf8_lossy(uri).into_owned())
            .collect()
    }))
}

/// The evaluation data of a round of a task with sealed data; `None` before it is open and after
/// settlement.
pub(crate) async fn shard(at: &At, task: TaskId, round: Round) -> Result<Option<PublicData>> {
    fetch(at, api::storage().arena_tasks().shards(), (task, round)).await
}

/// The making of a round's seed.
#[derive(Clone, Debug, Decode)]
pub(crate) struct SeedState {
    /// Over the blocks of the seed phase so far.
    acc: Hash,
    _blocks: u32,
    /// There once the seed is complete.
    total: Option<Balance>,
    /// The models that the round's are compared with.
    pub(crate) earlier: Vec<EarlierModel>,
}

impl SeedState {
    /// The seed of the round's evaluation samples; `None` before it is complete.
    pub(crate) fn of_samples(&self, task: TaskId, round: Round) -> Option<Hash> {
        self.total?;
        let seed = hash(Domain::Seed, &(self.acc, task, round));
        Some(hash(Domain::Samples, &seed))
    }
}

/// How far a round's seed is; `None` before its first block and after settlement.
pub(crate) async fn seed(at: &At, task: TaskId, round: Round) -> Result<Option<SeedState>> {
    fetch(at, api::storage().arena_scoring().seeds(), (task, round)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seed_of_samples_should_be_that_of_the_protocol_once_complete() {
        let state = |total| SeedState {
            acc: Hash::repeat_byte(7),
            _blocks: 1,
            total,
            earlier: Vec::new(),
        };
        // blake2b-256("arena/samples/1" ‖ blake2b-256("arena/seed/1" ‖ acc ‖ 3u32 ‖ 2u32))
        let expected = "42a16eb6c22da589336becd9683a789dd75148579d967a5f7ec4cc1d0d1734c6";
        let found = state(Some(5)).of_samples(3, 2).map(hex::encode);
        assert_eq!(found.as_deref(), Some(expected));
        assert_eq!(state(None).of_samples(3, 2), None);
    }
}
