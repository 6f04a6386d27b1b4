//! How the offchain worker asks and sends.

use super::{
    decide::{done, duty},
    *,
};
use crate::SeedState;
use arena_primitives::{Publication, traits::Publishing};
use frame_support::traits::{Hooks, UnfilteredDispatchable};
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

/// A chain whose worker has a key and an executor, and what it sends.
fn worker(test: impl FnOnce(&TestOffchainExt, &mut dyn FnMut() -> Vec<RuntimeCall>)) {
    let (offchain, _) = TestOffchainExt::new();
    let network = offchain.clone();
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
    run_in(ext, || {
        let key = arena_primitives::AccountId::new(public.0);
        with(|n| n.keys.insert(key, account(21)));
        test(&network, &mut || {
            let calls = core::mem::take(&mut pooled.write().transactions);
            calls
                .iter()
                .map(|bytes| Extrinsic::decode(&mut &bytes[..]).unwrap().function)
                .collect()
        });
    });
}

fn set_executor() {
    StorageValueRef::persistent(EXECUTOR_KEY).set(&Executor {
        url: b"http://127.0.0.1:9/".to_vec(),
        token: b"secret".to_vec(),
    });
}

/// The executor will say this of each job of the round.
fn answer(network: &TestOffchainExt, status: JobStatus) {
    let mut duty = duty();
    duty.seed = Scoring::samples_seed(0, 1);
    for job in duty.jobs() {
        let path = format!("jobs/{:x}", job.id());
        let asked = request("GET", path, vec![], status.encode());
        network.0.write().expect_request(asked);
    }
}

/// The only commitment in what was sent.
fn committed(calls: &[RuntimeCall]) -> H256 {
    match calls {
        [
            RuntimeCall::Scoring(Call::commit_scores {
                task: 0,
                round: 1,
                commitment,
            }),
        ] => *commitment,
        other => panic!("{other:?}"),
    }
}

/// Sends the only call, a reveal, to the chain.
fn reveal_sent(calls: Vec<RuntimeCall>) {
    let [RuntimeCall::Scoring(call @ Call::reveal_scores { .. })] = &calls[..] else {
        panic!("no reveal: {calls:?}")
    };
    assert_ok!(call.clone().dispatch_bypass_filter(signed(21)));
}

#[test]
fn worker_should_ask_commit_keep_and_reveal() {
    worker(|network, sent| {
        go_to(SCHEDULE.commit);
        Scoring::offchain_worker(SCHEDULE.commit);
        assert!(sent().is_empty(), "nothing without an executor");

        set_executor();
        answer(network, JobStatus::Queued);
        Scoring::offchain_worker(SCHEDULE.commit);
        assert!(sent().is_empty(), "jobs are queued");

        answer(network, done(900_000_000));
        Scoring::offchain_worker(SCHEDULE.commit);
        let first = sent();
        let commitment = committed(&first);
        // Not in a block yet: the same commitment again, with no question to the executor.
        Scoring::offchain_worker(SCHEDULE.commit + 1);
        assert_eq!(sent(), first);
        assert_ok!(Scoring::commit_scores(signed(21), 0, 1, commitment));
        Scoring::offchain_worker(SCHEDULE.commit + 2);
        assert!(sent().is_empty());

        go_to(SCHEDULE.reveal);
        Scoring::offchain_worker(SCHEDULE.reveal);
        reveal_sent(sent());
    });
}

#[test]
fn worker_should_reveal_on_a_branch_that_was_left_and_came_back() {
    worker(|network, sent| {
        go_to(SCHEDULE.commit);
        set_executor();
        let here = Seeds::<Test>::get(0, 1).unwrap();
        let there = SeedState {
            acc: H256::repeat_byte(9),
            ..here.clone()
        };
        let mut commit_on = |branch: &SeedState, raw| {
            Seeds::<Test>::insert(0, 1, branch.clone());
            answer(network, done(raw));
            Scoring::offchain_worker(SCHEDULE.commit);
            committed(&sent())
        };
        let left = commit_on(&here, 900_000_000);
        assert_ne!(commit_on(&there, 800_000_000), left);

        Seeds::<Test>::insert(0, 1, here);
        assert_ok!(Scoring::commit_scores(signed(21), 0, 1, left));
        go_to(SCHEDULE.reveal);
        Scoring::offchain_worker(SCHEDULE.reveal);
        reveal_sent(sent());
    });
}

#[test]
fn worker_should_publish_what_is_kept_in_its_window_until_the_chain_shows_it() {
    worker(|_, sent| {
        let trainer = account(21);
        let kept = Publication {
            manifest_root: ROOT,
            uris: uris(),
            nonce: NONCE,
        };
        let key = Publication::storage_key(0, 1, &trainer);
        let store = || StorageValueRef::persistent(&key);
        store().set(&kept);
        let row = (0, 1, trainer.clone());
        with(|n| n.commitments.insert(row.clone(), kept.commitment(&trainer)));
        let call: RuntimeCall = Table::publish(0, kept.clone());
        let sent_after = |n: u32, sent: &mut dyn FnMut() -> Vec<RuntimeCall>| {
            System::set_block_number(n);
            Scoring::offchain_worker(n);
            sent()
        };
        for n in SCHEDULE.closes..SCHEDULE.seed {
            let in_window = (SCHEDULE.publish..SCHEDULE.seed).contains(&(n + 1));
            let expected = if in_window {
                vec![call.clone()]
            } else {
                vec![]
            };
            assert_eq!(sent_after(n, sent), expected, "after block {n}");
        }
        let last = SCHEDULE.seed - 2;
        // Another commitment, or none, since it is published.
        with(|n| n.commitments.insert(row.clone(), ROOT));
        assert!(sent_after(last, sent).is_empty());
        with(|n| n.commitments.remove(&row));
        assert!(sent_after(last, sent).is_empty());
        // What can't be read is left alone.
        store().set(&7u8);
        assert!(sent_after(last, sent).is_empty());
        store().set(&kept);
        sent_after(SCHEDULE.reveal - 2, sent);
        assert_eq!(store().get(), Ok(Some(kept)), "a fork may want it");
        sent_after(SCHEDULE.reveal, sent);
        assert_eq!(store().get::<Publication>(), Ok(None));
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
