//! Duties: calls that an operator's node sends with its service key (protocol section 1).
//!
//! A duty that is due costs nothing, has one fixed priority, and is tagged by call, task, round
//! and key, so that a key can't queue copies. A duty that would fail is refused in the pool with
//! the number of a [`DutyRefusal`](arena_primitives::DutyRefusal); the call's body checks the
//! same again.

use crate::{ArenaChallenges, ArenaScoring, ArenaTasks, RuntimeCall, RuntimeOrigin};
use alloc::vec;
use arena_primitives::{
    AccountId,
    traits::{DutyCalls, DutyCheck},
};
use codec::{Decode, DecodeWithMemTracking, Encode};
use frame_support::{dispatch::GetDispatchInfo, weights::Weight};
use scale_info::{StaticTypeInfo, TypeInfo};
use sp_runtime::{
    DispatchResult,
    traits::{
        AsSystemOriginSigner, DispatchInfoOf, Implication, PostDispatchInfoOf,
        TransactionExtension, TransactionExtensionMetadata, ValidateResult,
    },
    transaction_validity::{
        InvalidTransaction, TransactionSource, TransactionValidityError, ValidTransaction,
    },
};

/// Priority of every duty, equal among duties: what a tip buys stays below it, whatever the tip.
pub const DUTY_PRIORITY: u64 = u64::MAX;

/// Blocks for which a duty stays in a pool.
pub const DUTY_LONGEVITY: u64 = 64;

/// Calls that are free when they are due, and refused when they aren't.
fn is_duty(call: &RuntimeCall) -> bool {
    matches!(
        call,
        RuntimeCall::ArenaTasks(
            pallet_arena_tasks::Call::publish { .. } | pallet_arena_tasks::Call::open_shard { .. }
        ) | RuntimeCall::ArenaScoring(
            pallet_arena_scoring::Call::commit_scores { .. }
                | pallet_arena_scoring::Call::reveal_scores { .. }
        ) | RuntimeCall::ArenaChallenges(
            pallet_arena_challenges::Call::commit_vote { .. }
                | pallet_arena_challenges::Call::reveal_vote { .. }
        )
    )
}

impl DutyCalls for RuntimeCall {
    fn check_duty(&self, signer: &AccountId) -> Option<DutyCheck> {
        match self {
            RuntimeCall::ArenaTasks(call) => ArenaTasks::check_duty(signer, call),
            RuntimeCall::ArenaScoring(call) => ArenaScoring::check_duty(signer, call),
            RuntimeCall::ArenaChallenges(call) => ArenaChallenges::check_duty(signer, call),
            _ => None,
        }
    }
}

/// Skips `S`, which takes the fee, for duties that are due.
///
/// On the wire and in the metadata it is `S`: clients need not know of it.
#[derive(Encode, Decode, DecodeWithMemTracking, Clone, PartialEq, Eq, Debug)]
pub struct FreeIfDuty<S>(pub S);

impl<S: StaticTypeInfo> TypeInfo for FreeIfDuty<S> {
    type Identity = S;

    fn type_info() -> scale_info::Type {
        S::type_info()
    }
}

/// Whether the wrapped extension runs.
pub enum Fee<T> {
    /// It does, with this of its own.
    Due(T),
    /// It doesn't.
    Free,
}

impl<S: TransactionExtension<RuntimeCall>> TransactionExtension<RuntimeCall> for FreeIfDuty<S> {
    const IDENTIFIER: &'static str = S::IDENTIFIER;
    type Implicit = S::Implicit;
    type Val = Fee<S::Val>;
    type Pre = Fee<S::Pre>;

    fn implicit(&self) -> Result<Self::Implicit, TransactionValidityError> {
        self.0.implicit()
    }

    fn metadata() -> vec::Vec<TransactionExtensionMetadata> {
        S::metadata()
    }

    fn weight(&self, call: &RuntimeCall) -> Weight {
        if is_duty(call) {
            // The check does what the body does before it writes.
            call.get_dispatch_info().call_weight
        } else {
            self.0.weight(call)
        }
    }

    fn validate(
        &self,
        origin: RuntimeOrigin,
        call: &RuntimeCall,
        info: &DispatchInfoOf<RuntimeCall>,
        len: usize,
        self_implicit: Self::Implicit,
        inherited_implication: &impl Implication,
        source: TransactionSource,
    ) -> ValidateResult<Self::Val, RuntimeCall> {
        let duty = origin
            .as_system_origin_signer()
            .and_then(|who| call.check_duty(who));
        match duty {
            Some(Ok(tag)) => {
                let validity = ValidTransaction {
                    priority: DUTY_PRIORITY,
                    provides: vec![tag.encode()],
                    longevity: DUTY_LONGEVITY,
                    propagate: true,
                    ..Default::default()
                };
                Ok((validity, Fee::Free, origin))
            }
            Some(Err(refusal)) => Err(InvalidTransaction::Custom(refusal as u8).into()),
            None => {
                let (mut validity, val, origin) = self.0.validate(
                    origin,
                    call,
                    info,
                    len,
                    self_implicit,
                    inherited_implication,
                    source,
                )?;
                validity.priority = validity.priority.min(DUTY_PRIORITY.saturating_sub(1));
                Ok((validity, Fee::Due(val), origin))
            }
        }
    }

    fn prepare(
        self,
        val: Self::Val,
        origin: &RuntimeOrigin,
        call: &RuntimeCall,
        info: &DispatchInfoOf<RuntimeCall>,
        len: usize,
    ) -> Result<Self::Pre, TransactionValidityError> {
        match val {
            Fee::Due(val) => self.0.prepare(val, origin, call, info, len).map(Fee::Due),
            Fee::Free => Ok(Fee::Free),
        }
    }

    fn post_dispatch_details(
        pre: Self::Pre,
        info: &DispatchInfoOf<RuntimeCall>,
        post_info: &PostDispatchInfoOf<RuntimeCall>,
        len: usize,
        result: &DispatchResult,
    ) -> Result<Weight, TransactionValidityError> {
        match pre {
            Fee::Due(pre) => S::post_dispatch_details(pre, info, post_info, len, result),
            Fee::Free => Ok(Weight::zero()),
        }
    }
}
