//! Duties before the pool: free, first, tagged, and refused by name.

use super::{
    cases::{
        JURORS, MARKER, await_commitments, await_reveals, commit_vote, jurors, mark_claim,
        open_case, reveal_vote, with_challenged,
    },
    journey::*,
    sanity::with_preset,
};
use crate::*;
use arena_primitives::{
    DutyRefusal, EarlierSketches, ScoreEntries, ScoreEntry, ScoreOutcome, Vote,
    hash::{Domain, preimage},
    time::RoundPhase,
};
use frame_support::{assert_ok, dispatch::GetDispatchInfo};
use pallet_transaction_payment::ChargeTransactionPayment;
use sp_core::{H256, Pair, sr25519};
use sp_runtime::{
    traits::{DispatchTransaction, TransactionExtension},
    transaction_validity::{
        InvalidTransaction, TransactionSource, TransactionValidityError, ValidTransaction,
    },
};

/// What the pool says of a duty, through the extension that stands in the fee's place.
fn pool(signer: &AccountId, call: &RuntimeCall) -> Result<ValidTransaction, InvalidTransaction> {
    pool_with_tip(signer, call, 0)
}

fn pool_with_tip(
    signer: &AccountId,
    call: &RuntimeCall,
    tip: Balance,
) -> Result<ValidTransaction, InvalidTransaction> {
    let extension = duty::FreeIfDuty(ChargeTransactionPayment::<Runtime>::from(tip));
    let info = call.get_dispatch_info();
    let origin = RuntimeOrigin::signed(signer.clone());
    match extension.validate_only(origin, call, &info, 200, TransactionSource::External, 0) {
        Ok((validity, ..)) => Ok(validity),
        Err(TransactionValidityError::Invalid(reason)) => Err(reason),
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn a_duty_should_be_free_first_and_tagged_and_refused_by_name_when_it_is_not_due() {
    with_preset("development", || {
        System::set_block_number(1);
        let task = approve_task();
        enrol(task);
        submit_and_publish(task, 1);
        let signer = service_account(VALIDATORS[0]);
        let commitment = H256::repeat_byte(3);
        let commit: RuntimeCall = pallet_arena_scoring::Call::commit_scores {
            task,
            round: 1,
            commitment,
        }
        .into();
        let custom = |refusal: DutyRefusal| Err(InvalidTransaction::Custom(refusal as u8));
        assert_eq!(pool(&signer, &commit), custom(DutyRefusal::WrongPhase));
        run_until("the commit window", || {
            phase_of(task, 1) == Some(RoundPhase::Commit)
        });

        assert_eq!(
            Balances::free_balance(&signer),
            0,
            "a service key needs no balance"
        );
        let validity = pool(&signer, &commit).expect("is due");
        assert_eq!(validity.priority, duty::DUTY_PRIORITY);
        assert_eq!(validity.provides.len(), 1);
        let batch: RuntimeCall = pallet_utility::Call::batch {
            calls: vec![commit.clone()],
        }
        .into();
        assert_eq!(pool(&signer, &batch), Err(InvalidTransaction::Payment));
        let stranger = account(DELEGATOR);
        assert_eq!(
            pool(&stranger, &commit),
            custom(DutyRefusal::NotAServiceKey)
        );
        assert_ok!(call(&signer, commit.clone()));
        assert_eq!(pool(&signer, &commit), custom(DutyRefusal::AlreadyDone));
    });
}

fn refused(refusal: DutyRefusal) -> Result<ValidTransaction, InvalidTransaction> {
    Err(InvalidTransaction::Custom(refusal as u8))
}

#[test]
fn a_vote_should_be_free_and_tagged_when_it_is_due_and_refused_by_name_when_it_is_not() {
    with_challenged(|task| {
        let case = open_case(MARKER, task, mark_claim(TRAINERS[0]));
        let any = commit_vote(case, JURORS[0], Vote::Convict);
        let key = service_account(JURORS[0]);
        assert_eq!(pool(&key, &any), refused(DutyRefusal::WrongPhase));
        await_commitments(case);
        let jury = jurors(case);
        let juror = jury[0];
        let commit = commit_vote(case, juror, Vote::Convict);
        let signer = service_account(juror);
        assert_eq!(
            Balances::free_balance(&signer),
            0,
            "a vote needs no balance"
        );
        let validity = pool(&signer, &commit).expect("is due");
        assert_eq!(validity.priority, duty::DUTY_PRIORITY);
        assert_eq!(validity.provides.len(), 1);
        let not_a_key = refused(DutyRefusal::NotAServiceKey);
        assert_eq!(pool(&account(juror), &commit), not_a_key);
        let party = service_account(MARKER);
        assert_eq!(pool(&party, &commit), refused(DutyRefusal::NotInRole));
        let unknown = commit_vote(case + 1, juror, Vote::Convict);
        assert_eq!(pool(&signer, &unknown), refused(DutyRefusal::UnknownRound));
        let reveal = reveal_vote(case, Vote::Convict);
        assert_eq!(pool(&signer, &reveal), refused(DutyRefusal::WrongPhase));
        for key in &jury {
            duty(*key, commit_vote(case, *key, Vote::Convict));
        }
        assert_eq!(pool(&signer, &commit), refused(DutyRefusal::AlreadyDone));

        await_reveals(case);
        let turned = reveal_vote(case, Vote::Acquit);
        assert_eq!(pool(&signer, &turned), refused(DutyRefusal::Mismatch));
        assert!(pool(&signer, &reveal).is_ok_and(|validity| validity.provides.len() == 1));
        duty(juror, reveal.clone());
        assert_eq!(pool(&signer, &reveal), refused(DutyRefusal::AlreadyDone));
    });
}

#[test]
fn a_service_key_should_be_refused_after_its_rotation() {
    with_preset("development", || {
        System::set_block_number(1);
        let task = approve_task();
        enrol(task);
        submit_and_publish(task, 1);
        run_until("the commit window", || {
            phase_of(task, 1) == Some(RoundPhase::Commit)
        });
        let commit = RuntimeCall::from(pallet_arena_scoring::Call::commit_scores {
            task,
            round: 1,
            commitment: H256::repeat_byte(3),
        });
        let operator = account(VALIDATORS[0]);
        let (old, new) = (service_account(VALIDATORS[0]), sr25519::Pair::generate().0);
        assert!(pool(&old, &commit).is_ok());
        let rotate = pallet_arena_staking::Call::set_service_key {
            key: new.public().into(),
            proof: new.sign(&preimage(Domain::ServiceKeyProof, &operator)),
        };
        assert_ok!(call(&operator, rotate));
        // From the next block on, so that what is in the pool is not cut off within a block.
        assert!(pool(&old, &commit).is_ok());
        let next = System::block_number() + 1;
        run_until("the next block", || System::block_number() == next);
        let refused = Err(InvalidTransaction::Custom(
            DutyRefusal::NotAServiceKey as u8,
        ));
        assert_eq!(pool(&old, &commit), refused);
        assert!(call(&old, commit.clone()).is_err());
        assert!(pool(&new.public().into(), &commit).is_ok());
    });
}

#[test]
fn a_commitment_should_be_bound_to_the_branch_whose_seed_drew() {
    with_preset("development", || {
        System::set_block_number(1);
        let task = approve_task();
        enrol(task);
        submit_and_publish(task, 1);
        run_until("the commit window", || {
            phase_of(task, 1) == Some(RoundPhase::Commit)
        });
        // The first block whose state shows the seed: the worker signs after it.
        let first = System::block_number();
        assert!(ArenaScoring::seed(task, 1).is_some());
        let last_of_seed = first - 1;
        let extension = configs::system::duty_extension(0);
        let signed = |branch: H256| {
            frame_system::BlockHash::<Runtime>::insert(last_of_seed, branch);
            extension.implicit().expect("the era's block is known")
        };
        let (here, there) = (H256::repeat_byte(1), H256::repeat_byte(2));
        assert_eq!(signed(here), signed(here));
        assert_ne!(signed(here), signed(there));
    });
}

#[test]
fn no_tip_should_buy_a_place_before_a_duty() {
    with_preset("development", || {
        System::set_block_number(1);
        let remark: RuntimeCall = frame_system::Call::remark { remark: vec![] }.into();
        let tip = Balances::free_balance(account(CREATOR)) / 2;
        assert!(tip > 1_000_000 * UNIT);
        let paid = pool_with_tip(&account(CREATOR), &remark, tip).expect("can pay");
        assert!(paid.priority < duty::DUTY_PRIORITY, "{}", paid.priority);
    });
}

#[test]
fn the_weight_of_a_duty_should_hold_its_check_and_its_body() {
    let reveal = |count: usize| -> RuntimeCall {
        let entry = ScoreEntry {
            manifest_root: H256::zero(),
            outcome: ScoreOutcome::Scored(0),
            sketch: None,
        };
        pallet_arena_scoring::Call::reveal_scores {
            task: 0,
            round: 1,
            entries: ScoreEntries::truncate_from(vec![entry; count]),
            earlier: EarlierSketches::default(),
            samples_root: H256::zero(),
            nonce: H256::zero(),
        }
        .into()
    };
    let extension = duty::FreeIfDuty(ChargeTransactionPayment::<Runtime>::from(0));
    for count in [0, 256] {
        let call = reveal(count);
        let body = call.get_dispatch_info().call_weight;
        assert_eq!(extension.weight(&call), body);
        assert_eq!(
            call.get_dispatch_info().class,
            frame_support::dispatch::DispatchClass::Operational
        );
    }
    assert!(extension.weight(&reveal(256)).ref_time() > extension.weight(&reveal(0)).ref_time());
}
