use crate::{
    configs::arena::MaxTickWeight,
    genesis_config_presets::{SUPPLY, get_preset, preset_names},
    governance::tracks::TracksInfo,
    *,
};
use frame_support::{dispatch::GetDispatchInfo, genesis_builder_helper::build_state};
use pallet_referenda::TracksInfo as _;
use sp_keyring::Sr25519Keyring;
use sp_runtime::traits::Dispatchable;

/// Runs `test` on the genesis state of a preset.
pub(super) fn with_preset<R>(name: &str, test: impl FnOnce() -> R) -> R {
    with_patched_preset(name, serde_json::json!({}), test)
}

/// Runs `test` on the genesis state of a preset, with these values in place of its own.
pub(super) fn with_patched_preset<R>(
    name: &str,
    patch: serde_json::Value,
    test: impl FnOnce() -> R,
) -> R {
    let mut chain = sp_io::TestExternalities::default();
    in_patched_preset(&mut chain, name, patch, test)
}

/// Runs `test` on the genesis state of a preset, in this environment.
pub(super) fn in_preset<R>(
    chain: &mut sp_io::TestExternalities,
    name: &str,
    test: impl FnOnce() -> R,
) -> R {
    in_patched_preset(chain, name, serde_json::json!({}), test)
}

fn in_patched_preset<R>(
    chain: &mut sp_io::TestExternalities,
    name: &str,
    patch: serde_json::Value,
    test: impl FnOnce() -> R,
) -> R {
    let json = get_preset(&name.into()).expect("the preset exists");
    chain.execute_with(|| {
        build_state::<RuntimeGenesisConfig>(full_config(&json, patch)).expect("the preset builds");
        test()
    })
}

/// A preset is a patch of the default genesis.
fn full_config(preset: &[u8], patch: serde_json::Value) -> alloc::vec::Vec<u8> {
    let mut full = serde_json::to_value(RuntimeGenesisConfig::default()).expect("serializes");
    merge(&mut full, serde_json::from_slice(preset).expect("is JSON"));
    merge(&mut full, patch);
    serde_json::to_vec(&full).expect("serializes")
}

fn merge(into: &mut serde_json::Value, from: serde_json::Value) {
    match (into, from) {
        (serde_json::Value::Object(into), serde_json::Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(serde_json::Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}

#[test]
fn every_preset_should_build_with_the_whole_supply_and_authors_with_stake() {
    for name in preset_names() {
        with_preset(name.as_ref(), || {
            assert_eq!(Balances::total_issuance(), SUPPLY, "{name:?}");
            assert!(!Session::validators().is_empty(), "{name:?}");
            assert_eq!(
                Session::validators().len(),
                Babe::authorities().len(),
                "{name:?}"
            );
            let time = ArenaStaking::time();
            assert!(time.windows.total() <= time.blocks_per_day, "{name:?}");
            assert!(ArenaChallenges::jury_sizes().are_possible(), "{name:?}");
            pallet_arena_staking::invariants::check::<Runtime>().expect("staking");
            pallet_arena_rewards::invariants::check::<Runtime>().expect("rewards");
        });
    }
}

#[test]
fn session_keys_should_be_replaced_and_never_purged() {
    with_preset("production", || {
        let author = Session::validators().first().cloned().expect("an author");
        let purge = RuntimeCall::from(pallet_session::Call::purge_keys {});
        let batch = RuntimeCall::from(pallet_utility::Call::batch_all {
            calls: vec![purge.clone()],
        });
        for call in [purge, batch] {
            let refused = call.dispatch(RuntimeOrigin::signed(author.clone()));
            let filtered = frame_system::Error::<Runtime>::CallFiltered;
            assert_eq!(refused.map_err(|e| e.error), Err(filtered.into()));
        }
        assert!(pallet_session::NextKeys::<Runtime>::contains_key(&author));
    });
}

#[test]
fn only_test_presets_should_have_sudo() {
    with_preset("development", || {
        assert!(pallet_sudo::Key::<Runtime>::get().is_some())
    });
    with_preset("local_testnet", || {
        assert!(pallet_sudo::Key::<Runtime>::get().is_some())
    });
    with_preset("production", || {
        assert!(pallet_sudo::Key::<Runtime>::get().is_none())
    });
}

#[test]
fn presets_should_share_one_runtime_and_differ_in_time() {
    let slot = |name| with_preset(name, Babe::slot_duration);
    assert_eq!(
        (
            slot("development"),
            slot("local_testnet"),
            slot("production")
        ),
        (500, 2_000, 6_000)
    );
}

#[test]
fn call_should_stay_small() {
    assert!(
        core::mem::size_of::<RuntimeCall>() <= 1_024,
        "box the large arguments"
    );
}

#[test]
fn transfer_should_cost_between_a_tenth_of_a_milli_and_a_hundredth() {
    with_preset("development", || {
        let call = RuntimeCall::Balances(pallet_balances::Call::transfer_keep_alive {
            dest: Sr25519Keyring::Bob.to_account_id().into(),
            value: UNIT,
        });
        let fee = TransactionPayment::compute_fee(150, &call.get_dispatch_info(), 0);
        assert!(fee > MILLI / 10 && fee < 10 * MILLI, "{fee}");
    });
}

#[test]
fn tracks_should_be_sorted_and_have_no_empty_period() {
    for name in ["development", "production"] {
        with_preset(name, || {
            assert_eq!(TracksInfo::check_integrity(), Ok(()));
            for track in TracksInfo::tracks() {
                assert!(track.info.prepare_period > 0 && track.info.confirm_period > 0);
                assert!(track.info.decision_period > track.info.confirm_period);
            }
        });
    }
}

#[test]
fn settlement_of_the_paper_should_take_a_few_pages_that_fit_their_share() {
    use pallet_arena_scoring::WeightInfo as _;
    type Info = pallet_arena_scoring::weights::SubstrateWeight<Runtime>;
    // `integrity_test` shows that each unit of work fits; this, that they are worth their pages.
    let (models, validators) = (153u64, 456u64);
    let all = [
        Info::step_begin(),
        Info::step_score(456).saturating_mul(models),
        Info::step_draw(153),
        Info::step_pot(456).saturating_mul(models),
        Info::step_trainer().saturating_mul(models),
        Info::step_paid().saturating_mul(validators),
        Info::step_finish(153, 456),
    ]
    .into_iter()
    .fold(Weight::zero(), Weight::saturating_add);
    let pages = all.ref_time().div_ceil(MaxTickWeight::get().ref_time());
    assert!((2..=40).contains(&pages), "{pages} pages of {all:?}");
}

#[test]
fn pallet_indices_should_not_move() {
    use frame_support::traits::PalletInfoAccess;
    let indices = [
        (System::name(), System::index(), 0),
        (Balances::name(), Balances::index(), 4),
        (ArenaStaking::name(), ArenaStaking::index(), 10),
        (ArenaDelegation::name(), ArenaDelegation::index(), 11),
        (ArenaRewards::name(), ArenaRewards::index(), 12),
        (ArenaTasks::name(), ArenaTasks::index(), 13),
        (ArenaScoring::name(), ArenaScoring::index(), 14),
        (ArenaChallenges::name(), ArenaChallenges::index(), 15),
        (Sudo::name(), Sudo::index(), 50),
    ];
    for (name, index, pinned) in indices {
        assert_eq!(index, pinned, "{name}");
    }
}

#[test]
fn calls_of_nodes_should_keep_their_indices() {
    use arena_primitives::{EarlierSketches, ScoreEntries, Vote};
    use pallet_arena_challenges::Call as Cases;
    use pallet_arena_scoring::Call as Scores;
    use sp_core::H256;
    let (task, round, case, hash) = (0, 1, 0, H256::zero());
    let commit = Scores::commit_scores {
        task,
        round,
        commitment: hash,
    };
    let reveal = Scores::reveal_scores {
        task,
        round,
        entries: ScoreEntries::default(),
        earlier: EarlierSketches::default(),
        samples_root: hash,
        nonce: hash,
    };
    let vote = Cases::commit_vote {
        case,
        commitment: hash,
    };
    let opened = Cases::reveal_vote {
        case,
        vote: Vote::Acquit,
        nonce: hash,
    };
    let pinned: [(RuntimeCall, [u8; 2]); 4] = [
        (commit.into(), [14, 0]),
        (reveal.into(), [14, 1]),
        (vote.into(), [15, 5]),
        (opened.into(), [15, 6]),
    ];
    for (call, indices) in pinned {
        assert_eq!(codec::Encode::encode(&call)[..2], indices, "{call:?}");
    }
}

#[test]
fn command_line_should_be_generated_from_this_runtime() {
    let committed = include_bytes!("../../../cli/metadata.scale");
    assert!(
        native_metadata() == committed[..],
        "the runtime changed: run scripts/metadata.sh and commit cli/metadata.scale"
    );
}
