//! Upgrades of the runtime by referenda of the track root.

use super::{super::sanity::in_preset, *};
use frame_system::{Call, Error};
use sp_core::{
    storage::well_known_keys::CODE,
    traits::{Externalities, ReadRuntimeVersion, ReadRuntimeVersionExt},
};

/// Tells versions of what isn't wasm: the first byte is the version of the specification.
struct FirstByte;

impl ReadRuntimeVersion for FirstByte {
    fn read_runtime_version(
        &self,
        code: &[u8],
        _: &mut dyn Externalities,
    ) -> Result<Vec<u8>, String> {
        let spec_version = code.first().copied().ok_or("no code")?.into();
        let version = sp_version::RuntimeVersion {
            spec_version,
            ..VERSION
        };
        Ok(version.encode())
    }
}

/// A runtime of this version, longer than what a referendum carries in itself.
fn code(version: u8) -> Vec<u8> {
    vec![version; 1_000]
}

fn with_versions(test: impl FnOnce()) {
    let mut chain = sp_io::TestExternalities::default();
    chain.register_extension(ReadRuntimeVersionExt::new(FirstByte));
    in_preset(&mut chain, "development", || {
        System::set_block_number(1);
        test();
    });
}

fn stored() -> Option<Vec<u8>> {
    sp_io::storage::get(CODE).map(|code| code.to_vec())
}

fn apply(code: Vec<u8>) -> DispatchResult {
    // Anybody may bring the code that was authorized.
    let apply = Call::<Runtime>::apply_authorized_upgrade { code };
    call(&account(VOTERS[0]), apply)
}

#[test]
fn an_authorized_upgrade_should_be_applied_with_the_code_that_was_voted_on() {
    with_versions(|| {
        let code_hash = BlakeTwo256::hash(&code(2));
        assert_noop!(apply(code(2)), Error::<Runtime>::NothingAuthorized);
        let authorize = Call::<Runtime>::authorize_upgrade { code_hash };
        assert_ok!(carry(root_origin(), authorize));
        let authorized = System::authorized_upgrade();
        assert!(authorized.is_some_and(|upgrade| *upgrade.code_hash() == code_hash));
        assert_noop!(apply(code(3)), Error::<Runtime>::Unauthorized);
        assert_ok!(apply(code(2)));
        assert_eq!(stored(), Some(code(2)));
    });
}

#[test]
fn an_upgrade_should_be_set_from_a_preimage() {
    with_versions(|| {
        let set = Call::<Runtime>::set_code { code: code(2) };
        assert_ok!(carry(root_origin(), set));
        assert_eq!(stored(), Some(code(2)));
    });
}

#[test]
fn an_upgrade_to_no_later_version_should_change_nothing() {
    with_versions(|| {
        let before = stored();
        let set = Call::<Runtime>::set_code { code: code(1) };
        let refused = carry(root_origin(), set);
        let why = Error::<Runtime>::SpecVersionNeedsToIncrease;
        assert_eq!(refused, Err(why.into()));
        assert_eq!(stored(), before);
    });
}

#[test]
fn no_other_track_should_upgrade() {
    with_versions(|| {
        let code_hash = BlakeTwo256::hash(&code(2));
        for origin in super::refusals::ORIGINS {
            let authorize = Call::<Runtime>::authorize_upgrade { code_hash };
            let refused = carry(custom(origin), authorize);
            assert_eq!(refused, Err(DispatchError::BadOrigin), "{origin:?}");
        }
    });
}
