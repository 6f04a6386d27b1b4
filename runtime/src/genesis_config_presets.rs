//! Genesis presets: development, local and production-like.
//!
//! Every key in them is a well-known development key (`//Alice` and so on): whoever starts a
//! chain for others writes its own.

use crate::{
    AccountId, BABE_GENESIS_EPOCH_CONFIG, Balance, BalancesConfig, RuntimeGenesisConfig,
    SessionKeys, SudoConfig, UNIT, configs::system::EXISTENTIAL_DEPOSIT,
};
use alloc::{vec, vec::Vec};
use arena_primitives::{
    TimeParameters,
    time::{MINUTES_PER_DAY, Windows},
};
use frame_support::build_struct_json_patch;
use pallet_arena_challenges::JurySizes;
use pallet_arena_staking::StakeLimits;
use serde_json::Value;
use sp_consensus_babe::AuthorityId as BabeId;
use sp_consensus_grandpa::AuthorityId as GrandpaId;
use sp_genesis_builder::{DEV_RUNTIME_PRESET, LOCAL_TESTNET_RUNTIME_PRESET, PresetId};
use sp_keyring::{Ed25519Keyring, Sr25519Keyring};
use sp_runtime::Perbill;

/// Preset shaped like production: its times, sizes and stakes, no sudo, development keys.
pub const PRODUCTION_LIKE_PRESET: &str = "production";

/// All tokens at genesis.
pub const SUPPLY: Balance = 100_000_000 * UNIT;
/// Emission per day, as in the paper.
pub const EMISSION_PER_DAY: Balance = 1_074 * UNIT;
/// Part of it for block authors.
pub const NETWORK_SHARE: Perbill = Perbill::from_percent(20);

struct Preset {
    authors: Vec<Sr25519Keyring>,
    author_stake: Balance,
    time: TimeParameters,
    limits: StakeLimits,
    juries: JurySizes,
    sudo: Option<AccountId>,
}

fn session_keys(author: Sr25519Keyring) -> SessionKeys {
    let grandpa = match author {
        Sr25519Keyring::Alice => Ed25519Keyring::Alice,
        Sr25519Keyring::Bob => Ed25519Keyring::Bob,
        Sr25519Keyring::Charlie => Ed25519Keyring::Charlie,
        _ => Ed25519Keyring::Dave,
    };
    SessionKeys {
        grandpa: GrandpaId::from(grandpa.public()),
        babe: BabeId::from(author.public()),
        authority_discovery: author.public().into(),
    }
}

/// The supply, in equal parts for the well-known accounts; the first takes what is left over
/// after the existential deposits that rewards and treasury give their accounts.
fn balances() -> Vec<(AccountId, Balance)> {
    let accounts: Vec<AccountId> = Sr25519Keyring::well_known()
        .map(|key| key.to_account_id())
        .collect();
    let count = Balance::try_from(accounts.len()).unwrap_or(1).max(1);
    let part = SUPPLY.checked_div(count).unwrap_or(0);
    let reserved = EXISTENTIAL_DEPOSIT.saturating_mul(2);
    let rest = SUPPLY.checked_rem(count).unwrap_or(0);
    accounts
        .into_iter()
        .enumerate()
        .map(|(i, account)| {
            let first = part.saturating_add(rest).saturating_sub(reserved);
            (account, if i == 0 { first } else { part })
        })
        .collect()
}

fn genesis(preset: Preset) -> Value {
    let operator = |key: &Sr25519Keyring| key.to_account_id();
    build_struct_json_patch!(RuntimeGenesisConfig {
        balances: BalancesConfig {
            balances: balances()
        },
        babe: pallet_babe::GenesisConfig {
            epoch_config: BABE_GENESIS_EPOCH_CONFIG
        },
        session: pallet_session::GenesisConfig {
            keys: preset
                .authors
                .iter()
                .map(|key| (operator(key), operator(key), session_keys(*key)))
                .collect::<Vec<_>>(),
        },
        arena_staking: pallet_arena_staking::GenesisConfig {
            time: preset.time,
            limits: preset.limits,
            network: preset
                .authors
                .iter()
                .map(|key| (operator(key), preset.author_stake))
                .collect::<Vec<_>>(),
        },
        arena_rewards: pallet_arena_rewards::GenesisConfig {
            emission_per_day: EMISSION_PER_DAY,
            network_share: NETWORK_SHARE,
        },
        arena_challenges: pallet_arena_challenges::GenesisConfig {
            juries: preset.juries,
        },
        sudo: SudoConfig { key: preset.sudo },
    })
}

/// Juries of chains with few validators.
const SMALL_JURIES: JurySizes = JurySizes {
    first: 3,
    appeal: 5,
};

/// Limits of chains where tokens are play money.
fn small_limits() -> StakeLimits {
    StakeLimits {
        min_own_author: 100 * UNIT,
        min_own_validator: 10 * UNIT,
        min_own_trainer: UNIT,
        seats_authors: 8,
        seats_validators: 32,
        seats_trainers: 32,
        min_authors: 1,
        min_delegation: UNIT,
        commission_cap: Perbill::from_percent(50),
        max_leverage: 20,
        slash_deferral_minutes: MINUTES_PER_DAY,
    }
}

fn small_time(slot_millis: u64, windows: Windows) -> TimeParameters {
    TimeParameters {
        slot_millis,
        epoch_slots: 20,
        blocks_per_day: 40,
        windows,
        // Longer than from the beginning of a round to its settlement, so that who commits can't
        // be gone before it must reveal.
        unbonding_minutes: 2 * 1_440,
        commission_notice_minutes: 1_440,
        // Days are seconds here: cases fit into few of them or many, as their tasks want them.
        challenge_days: 1,
    }
}

/// One author, blocks of half a second, a day of twenty seconds.
fn development() -> Value {
    genesis(Preset {
        authors: vec![Sr25519Keyring::Alice],
        author_stake: 1_000 * UNIT,
        time: small_time(
            500,
            Windows {
                gap: 1,
                publish: 4,
                seed: 2,
                commit: 20,
                reveal: 10,
            },
        ),
        limits: small_limits(),
        juries: SMALL_JURIES,
        sudo: Some(Sr25519Keyring::Alice.to_account_id()),
    })
}

/// Two authors, blocks of two seconds, the shortest windows.
fn local() -> Value {
    genesis(Preset {
        authors: vec![Sr25519Keyring::Alice, Sr25519Keyring::Bob],
        author_stake: 1_000 * UNIT,
        time: small_time(
            2_000,
            Windows {
                gap: 1,
                publish: 2,
                seed: 2,
                commit: 8,
                reveal: 4,
            },
        ),
        limits: small_limits(),
        juries: SMALL_JURIES,
        sudo: Some(Sr25519Keyring::Alice.to_account_id()),
    })
}

/// Production's times and sizes.
fn production_like() -> Value {
    let blocks_per_day = 14_400;
    genesis(Preset {
        authors: vec![
            Sr25519Keyring::Alice,
            Sr25519Keyring::Bob,
            Sr25519Keyring::Charlie,
            Sr25519Keyring::Dave,
        ],
        author_stake: 20_000 * UNIT,
        time: TimeParameters {
            slot_millis: 6_000,
            epoch_slots: 600,
            blocks_per_day,
            windows: Windows {
                gap: 100,
                publish: 1_200,
                seed: 16,
                commit: 7_200,
                reveal: 3_600,
            },
            unbonding_minutes: 7 * 1_440,
            commission_notice_minutes: 1_440,
            challenge_days: 5,
        },
        limits: StakeLimits {
            min_own_author: 10_000 * UNIT,
            min_own_validator: 1_000 * UNIT,
            min_own_trainer: 100 * UNIT,
            seats_authors: 100,
            seats_validators: 512,
            seats_trainers: 256,
            min_authors: 4,
            min_delegation: UNIT,
            commission_cap: Perbill::from_percent(50),
            max_leverage: 20,
            slash_deferral_minutes: 2 * MINUTES_PER_DAY,
        },
        juries: JurySizes {
            first: 11,
            appeal: 31,
        },
        sudo: None,
    })
}

/// The preset of this name.
pub fn get_preset(id: &PresetId) -> Option<Vec<u8>> {
    let json = match id.as_ref() {
        DEV_RUNTIME_PRESET => development(),
        LOCAL_TESTNET_RUNTIME_PRESET => local(),
        PRODUCTION_LIKE_PRESET => production_like(),
        _ => return None,
    };
    serde_json::to_string(&json)
        .ok()
        .map(|text| text.into_bytes())
}

/// Names of all presets.
pub fn preset_names() -> Vec<PresetId> {
    vec![
        PresetId::from(DEV_RUNTIME_PRESET),
        PresetId::from(LOCAL_TESTNET_RUNTIME_PRESET),
        PresetId::from(PRODUCTION_LIKE_PRESET),
    ]
}
