//! How the offchain worker asks and sends.

use super::{
    decide::{done, duty},
    *,
};
use frame_support::traits::Hooks;
use sp_core::offchain::{
    OffchainDbExt, OffchainWorkerExt, TransactionPoolExt,
    testing::{PendingRequest, TestOffchainExt, TestTransactionPoolExt},
};
use sp_keystore::{Keystore, KeystoreExt, testing::MemoryKeystore};
use sp_runtime::offchain::storage::StorageValueRef;

fn request(method: &str, path: String, body: Vec<u8>, response: Vec<u8>) -> PendingRequest {
    PendingRequest {
        method: method.into(),
        uri: format!("http://127.0.0.1:9/{path}"),
        headers: vec![("authorization".into(), "Bearer secret".into())],
        body,
        sent: true,
        response: Some(response),
        ..Default::default()
    }
}

#[test]
fn worker_should_ask_commit_keep_and_reveal() {
    let (offchain, state) = TestOffchainExt::new();
    let (pool, pooled) = TestTransactionPoolExt::new();
    let keystore = MemoryKeystore::new();
    let public = keystore
        .sr25519_generate_new(arena_primitives::service_key::KEY_TYPE, None)
        .unwrap();
    let mut ext = ext();
    ext.register_extension(OffchainDbExt::new(offchain.clone()));
    ext.register_extension(OffchainWorkerExt::new(offchain));
    ext.register_extension(TransactionPoolExt::new(pool));
    ext.register_extension(KeystoreExt::new(keystore));
    let account_of_key = arena_primitives::AccountId::new(public.0);
    let sent = || -> Vec<RuntimeCall> {
        pooled
            .write()
            .transactions
            .drain(..)
            .map(|bytes| Extrinsic::decode(&mut &bytes[..]).unwrap().function)
            .collect()
    };
    run_in(ext, || {
        with(|n| n.keys.insert(account_of_key.clone(), account(21)));
        let origin = || RuntimeOrigin::signed(account_of_key.clone());
        go_to(SCHEDULE.commit);
        Scoring::offchain_worker(SCHEDULE.commit);
        assert!(sent().is_empty(), "nothing without an executor");

        let executor = Executor {
            url: b"http://127.0.0.1:9/".to_vec(),
            token: b"secret".to_vec(),
        };
        StorageValueRef::persistent(EXECUTOR_KEY).set(&executor);
        let mut duty = duty();
        duty.seed = Scoring::samples_seed(0, 1);
        for job in duty.jobs() {
            let path = format!("jobs/{:x}", job.id());
            let answer = JobStatus::Queued.encode();
            state
                .write()
                .expect_request(request("GET", path, vec![], answer));
        }
        Scoring::offchain_worker(SCHEDULE.commit);
        assert!(sent().is_empty(), "jobs are queued");

        for job in duty.jobs() {
            let path = format!("jobs/{:x}", job.id());
            let answer = done(900_000_000).encode();
            state
                .write()
                .expect_request(request("GET", path, vec![], answer));
        }
        Scoring::offchain_worker(SCHEDULE.commit);
        let first = sent();
        assert!(matches!(
            first.as_slice(),
            [RuntimeCall::Scoring(Call::commit_scores {
                task: 0,
                round: 1,
                ..
            })]
        ));
        // Not in a block yet: the same commitment again, with no question to the executor.
        Scoring::offchain_worker(SCHEDULE.commit + 1);
        assert_eq!(sent(), first);
        let RuntimeCall::Scoring(Call::commit_scores { commitment, .. }) = first[0] else {
            unreachable!()
        };
        assert_ok!(Scoring::commit_scores(origin(), 0, 1, commitment));
        Scoring::offchain_worker(SCHEDULE.commit + 2);
        assert!(sent().is_empty());

        go_to(SCHEDULE.reveal);
        Scoring::offchain_worker(SCHEDULE.reveal);
        let mut calls = sent();
        let Some(RuntimeCall::Scoring(Call::reveal_scores {
            entries,
            samples_root,
            nonce,
            ..
        })) = calls.pop()
        else {
            panic!("no reveal")
        };
        assert_ok!(Scoring::reveal_scores(
            origin(),
            0,
            1,
            entries,
            samples_root,
            nonce
        ));
    });
}

#[test]
fn line_should_post_a_job_with_its_token() {
    let (offchain, state) = TestOffchainExt::new();
    let mut ext = ext();
    ext.register_extension(OffchainWorkerExt::new(offchain));
    ext.execute_with(|| {
        let job = duty().jobs().remove(0);
        state
            .write()
            .expect_request(request("POST", "jobs".into(), job.encode(), vec![]));
        let executor = Executor {
            url: b"http://127.0.0.1:9".to_vec(),
            token: b"secret".to_vec(),
        };
        crate::offchain::edge::Line::new(executor).post(&job);
    });
}
