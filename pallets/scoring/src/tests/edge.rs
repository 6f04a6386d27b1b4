//! How the offchain worker asks and sends.

use super::{
    decide::{done, duty},
    *,
};
use crate::SeedState;
use arena_offchain::Before;
use arena_primitives::{FINALIZED_KEY, Publication, traits::Publishing};
use core::cell::RefCell;
use frame_support::traits::{Hooks, UnfilteredDispatchable};
use sp_core::offchain::{
    Externalities, OffchainDbExt, OffchainWorkerExt, TransactionPoolExt,
    testing::{PendingRequest, TestOffchainExt, TestTransactionPoolExt},
};
use sp_keystore::{Keystore, KeystoreExt, testing::MemoryKeystore};
use sp_runtime::{generic, offchain::storage::StorageValueRef};

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
    worker_over(offchain, |sent| test(&network, sent));
}

/// The same over another network.
pub(super) fn worker_over(
    network: impl Externalities + 'static,
    test: impl FnOnce(&mut dyn FnMut() -> Vec<RuntimeCall>),
) {
    sender_over(network, |sent| {
        test(&mut || sent().into_iter().map(|sent| sent.function).collect());
    });
}

/// The same with all that is sent of a transaction.
fn sender_over(
    network: impl Externalities + 'static,
    test: impl FnOnce(&mut dyn FnMut() -> Vec<Extrinsic>),
) {
    let (offchain, _) = TestOffchainExt::new();
    let (pool, pooled) = TestTransactionPoolExt::new();
    let keystore = MemoryKeystore::new();
    let public = keystore
        .sr25519_generate_new(arena_primitives::service_key::KEY_TYPE, None)
        .unwrap();
    let mut ext = ext();
    ext.register_extension(OffchainDbExt::new(offchain));
    ext.register_extension(OffchainWorkerExt::new(network));
    ext.register_extension(TransactionPoolExt::new(pool));
    ext.register_extension(KeystoreExt::new(keystore));
    run_in(ext, || {
        let key = arena_primitives::AccountId::new(public.0);
        with(|n| n.keys.insert(key, account(21)));
        test(&mut || {
            let sent = core::mem::take(&mut pooled.write().transactions);
            let decode = |bytes: &Vec<u8>| Extrinsic::decode(&mut &bytes[..]).unwrap();
            sent.iter().map(decode).collect()
        });
    });
}

pub(super) fn set_executor() {
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
pub(super) fn committed(calls: &[RuntimeCall]) -> H256 {
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

thread_local! {
    static WARNED: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// What the worker warns of, on this thread.
struct Warnings;

impl log::Log for Warnings {
    fn enabled(&self, metadata: &log::Metadata) -> bool {
        metadata.level() <= log::Level::Warn
    }
    fn log(&self, record: &log::Record) {
        if self.enabled(record.metadata()) {
            WARNED.with_borrow_mut(|warned| warned.push(record.args().to_string()));
        }
    }
    fn flush(&self) {}
}

impl Warnings {
    fn listen() -> Self {
        // Tests of one process share it.
        if log::set_logger(&Warnings).is_ok() {
            log::set_max_level(log::LevelFilter::Warn);
        }
        Warnings
    }

    fn count(&self, what: &str) -> usize {
        WARNED.with_borrow(|warned| warned.iter().filter(|line| line.contains(what)).count())
    }
}

fn publication() -> Publication {
    Publication {
        manifest_root: ROOT,
        uris: uris(),
        nonce: NONCE,
    }
}

/// Runs the worker after block `n`, of which `finalized` is the last that is final.
fn run_after(n: u32, finalized: u32) {
    System::set_block_number(n);
    StorageValueRef::persistent(FINALIZED_KEY).set(&(finalized, H256::repeat_byte(3)));
    Scoring::offchain_worker(n);
}

#[test]
fn worker_should_publish_what_is_kept_once_its_commitment_is_final() {
    worker(|_, sent| {
        let trainer = account(21);
        let kept = publication();
        let key = Publication::storage_key(0, 1, &trainer);
        let store = || StorageValueRef::persistent(&key);
        store().set(&kept);
        let row = (0, 1, trainer.clone());
        let made = (kept.commitment(&trainer), SCHEDULE.closes);
        with(|n| n.commitments.insert(row.clone(), made));
        let call: RuntimeCall = Table::publish(0, kept.clone());
        for n in SCHEDULE.opens..SCHEDULE.seed {
            run_after(n, made.1);
            let in_window = (SCHEDULE.publish..SCHEDULE.seed).contains(&(n + 1));
            let expected = if in_window {
                vec![call.clone()]
            } else {
                vec![]
            };
            assert_eq!(sent(), expected, "after block {n}");
        }
        let last = SCHEDULE.seed - 2;
        run_after(last, made.1 - 1);
        assert!(
            sent().is_empty(),
            "on another branch the root could be taken"
        );
        let hash_here = |byte| {
            frame_system::BlockHash::<Test>::insert(made.1, H256::repeat_byte(byte));
        };
        hash_here(4);
        run_after(last, made.1);
        assert!(sent().is_empty(), "another branch is final");
        hash_here(3);
        run_after(last, made.1);
        assert_eq!(sent(), vec![call.clone()]);
        StorageValueRef::persistent(FINALIZED_KEY).clear();
        Scoring::offchain_worker(last);
        assert_eq!(sent(), vec![call], "the gap stands for finality");
        // Another commitment, or none, since it is published.
        with(|n| n.commitments.insert(row.clone(), (ROOT, 1)));
        run_after(last, made.1);
        assert!(sent().is_empty());
        with(|n| n.commitments.remove(&row));
        run_after(last, made.1);
        assert!(sent().is_empty());
        // What can't be read is left alone, and said once.
        let warnings = Warnings::listen();
        store().set(&7u8);
        for _ in 0..2 {
            run_after(last, made.1);
            assert!(sent().is_empty());
            assert_eq!(warnings.count("doesn't decode"), 1);
        }
    });
}

#[test]
fn worker_should_say_once_that_a_window_was_missed() {
    worker(|_, sent| {
        let trainer = account(21);
        let key = Publication::storage_key(0, 1, &trainer);
        StorageValueRef::persistent(&key).set(&publication());
        let made = (publication().commitment(&trainer), SCHEDULE.opens);
        let row = (0, 1, trainer.clone());
        with(|n| n.commitments.insert(row.clone(), made));
        let warnings = Warnings::listen();
        let missed = || warnings.count("was not published");
        run_after(SCHEDULE.commit - 2, SCHEDULE.opens);
        assert_eq!(
            missed(),
            0,
            "a reorganisation may lead back into the window"
        );
        for n in [SCHEDULE.commit - 1, SCHEDULE.commit, SCHEDULE.reveal] {
            run_after(n, n);
            assert_eq!(missed(), 1, "after block {n}");
        }
        assert!(sent().is_empty());
    });
}

#[test]
fn worker_should_forget_what_it_kept_long_after_its_round_is_gone() {
    worker(|_, sent| {
        let key = Publication::storage_key(0, 1, &account(21));
        let store = || StorageValueRef::persistent(&key);
        store().set(&publication());
        // The task is cancelled while its round takes submissions.
        run_after(SCHEDULE.opens, 1);
        with(|n| n.alive = false);
        let until = SCHEDULE.settle + 256;
        run_after(until, 1);
        assert_eq!(store().get(), Ok(Some(publication())), "a fork may want it");
        run_after(until + 1, 1);
        assert_eq!(store().get::<Publication>(), Ok(None));
        let index = StorageValueRef::persistent(b"arena::index").get();
        assert_eq!(index, Ok(Some(Vec::<()>::new())), "the list is empty");
        assert!(sent().is_empty());
    });
}

#[test]
fn what_the_pool_would_refuse_should_take_no_nonce_from_what_follows() {
    sender_over(TestOffchainExt::new().0, |sent| {
        let signers = arena_offchain::signers::<Test, crate::crypto::ServiceKey, Table>;
        let publication: RuntimeCall = Table::publish(0, publication());
        let commitment = Call::commit_scores {
            task: 0,
            round: 1,
            commitment: H256::zero(),
        };
        let commitment = RuntimeCall::from(commitment);
        let mut sent_of = |calls: [&RuntimeCall; 2], before| {
            let mut signer = signers(before).pop().unwrap();
            for call in calls {
                signer.send::<Call<Test>, crate::crypto::ServiceKey>(call.clone());
            }
            let nonce = |sent: Extrinsic| match sent.preamble {
                generic::Preamble::Signed(_, nonce, _) => (sent.function, nonce),
                other => panic!("{other:?}"),
            };
            sent().into_iter().map(nonce).collect::<Vec<_>>()
        };
        let both = [&publication, &commitment];
        go_to(SCHEDULE.commit);
        let numbered = [(publication.clone(), 0), (commitment.clone(), 1)];
        assert_eq!(sent_of(both, Before::Nothing), numbered);
        with(|n| n.no_publication = Some(DutyRefusal::WrongPhase));
        // Another worker of the same block sends after those two, whatever was refused to it.
        assert_eq!(
            sent_of(both, Before::OtherWorkers),
            [(commitment.clone(), 2)]
        );
        assert_eq!(sent_of(both, Before::Nothing), [(commitment.clone(), 0)]);
        // It is the next block that counts.
        System::set_block_number(SCHEDULE.commit - 1);
        assert_eq!(sent_of(both, Before::Nothing), [(commitment.clone(), 0)]);
        System::set_block_number(SCHEDULE.reveal - 1);
        assert!(sent_of(both, Before::Nothing).is_empty());
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
        arena_offchain::Line::new(executor).post(&job);
    });
}
