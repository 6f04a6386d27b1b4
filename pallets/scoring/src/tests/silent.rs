//! The offchain worker beside an executor that takes requests and never answers, and a clock that
//! jumps.

use super::{
    edge::{committed, set_executor, worker_over},
    *,
};
use frame_support::traits::{Hooks, UnfilteredDispatchable};
use sp_core::{
    OpaquePeerId,
    offchain::{
        Externalities, HttpError, HttpRequestId, HttpRequestStatus, OpaqueNetworkState, Timestamp,
    },
};
use std::sync::{
    Arc,
    atomic::{AtomicU16, AtomicU64, Ordering},
};

#[derive(Clone, Default)]
struct Silent {
    requests: Arc<AtomicU16>,
    millis: Arc<AtomicU64>,
}

impl Externalities for Silent {
    fn is_validator(&self) -> bool {
        true
    }
    fn network_state(&self) -> Result<OpaqueNetworkState, ()> {
        Err(())
    }
    fn timestamp(&mut self) -> Timestamp {
        Timestamp::from_unix_millis(self.millis.load(Ordering::SeqCst))
    }
    fn sleep_until(&mut self, _: Timestamp) {}
    fn random_seed(&mut self) -> [u8; 32] {
        [7; 32]
    }
    fn http_request_start(&mut self, _: &str, _: &str, _: &[u8]) -> Result<HttpRequestId, ()> {
        Ok(HttpRequestId(self.requests.fetch_add(1, Ordering::SeqCst)))
    }
    fn http_request_add_header(&mut self, _: HttpRequestId, _: &str, _: &str) -> Result<(), ()> {
        Ok(())
    }
    fn http_request_write_body(
        &mut self,
        _: HttpRequestId,
        _: &[u8],
        _: Option<Timestamp>,
    ) -> Result<(), HttpError> {
        Ok(())
    }
    fn http_response_wait(
        &mut self,
        ids: &[HttpRequestId],
        deadline: Option<Timestamp>,
    ) -> Vec<HttpRequestStatus> {
        let deadline = deadline.expect("nothing is waited for without an end");
        self.millis.store(deadline.unix_millis(), Ordering::SeqCst);
        ids.iter()
            .map(|_| HttpRequestStatus::DeadlineReached)
            .collect()
    }
    fn http_response_headers(&mut self, _: HttpRequestId) -> Vec<(Vec<u8>, Vec<u8>)> {
        Vec::new()
    }
    fn http_response_read_body(
        &mut self,
        _: HttpRequestId,
        _: &mut [u8],
        _: Option<Timestamp>,
    ) -> Result<usize, HttpError> {
        Err(HttpError::DeadlineReached)
    }
    fn set_authorized_nodes(&mut self, _: Vec<OpaquePeerId>, _: bool) {}
}

#[test]
fn worker_should_ask_a_silent_executor_once_a_block_and_skip_in_the_end() {
    let network = Silent::default();
    worker_over(network.clone(), |sent| {
        go_to(SCHEDULE.commit);
        set_executor();
        let mut run = |n| {
            let before = network.requests.load(Ordering::SeqCst);
            let began = network.millis.load(Ordering::SeqCst);
            Scoring::offchain_worker(n);
            let asked = network.requests.load(Ordering::SeqCst) - before;
            assert_eq!(asked, 1, "block {n}");
            let waited = network.millis.load(Ordering::SeqCst) - began;
            assert!(waited <= 10_000, "{waited} ms in block {n}");
            sent()
        };
        assert!(run(SCHEDULE.commit).is_empty());
        // The clock jumps ahead, and back.
        for millis in [1 << 40, 1] {
            network.millis.store(millis, Ordering::SeqCst);
            assert!(run(SCHEDULE.commit + 1).is_empty());
        }
        let last_call = SCHEDULE.reveal - 2;
        assert!(run(last_call - 2).is_empty());
        let commitment = committed(&run(last_call - 1));
        assert_ok!(Scoring::commit_scores(signed(21), 0, 1, commitment));
        go_to(SCHEDULE.reveal);
        // What is kept needs no executor.
        let before = network.requests.load(Ordering::SeqCst);
        Scoring::offchain_worker(SCHEDULE.reveal);
        assert_eq!(network.requests.load(Ordering::SeqCst), before);
        let calls = sent();
        let [RuntimeCall::Scoring(call @ Call::reveal_scores { entries, .. })] = &calls[..] else {
            panic!("no reveal: {calls:?}")
        };
        let skipped = ScoreOutcome::Skipped(InfraFault::Timeout);
        assert!(!entries.is_empty() && entries.iter().all(|line| line.outcome == skipped));
        assert_ok!(call.clone().dispatch_bypass_filter(signed(21)));
    });
}
