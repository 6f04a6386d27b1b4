//! Transaction fees: what they are and where they go.

use crate::*;
use frame_support::{
    parameter_types,
    traits::{ConstU8, ConstU128, fungible::Credit, tokens::imbalance::ResolveTo},
    weights::ConstantMultiplier,
};
use pallet_transaction_payment::{FungibleAdapter, Multiplier, TargetedFeeAdjustment};
use sp_runtime::{FixedPointNumber, Perquintill};

/// Money on its way into the treasury.
pub type ToTreasury = ResolveTo<TreasuryAccount, Balances>;

/// The treasury's account.
pub struct TreasuryAccount;
impl frame_support::traits::TypedGet for TreasuryAccount {
    type Type = AccountId;
    fn get() -> AccountId {
        Treasury::account_id()
    }
}

/// Credit of the native token.
pub type NativeCredit = Credit<AccountId, Balances>;

/// Base units per picosecond of execution: an empty transaction costs about a thousandth of a
/// token.
const FEE_PER_REF_TIME: Balance = 8;
/// Base units per byte: a kilobyte costs about a thousandth of a token.
const FEE_PER_BYTE: Balance = 1_000_000;

parameter_types! {
    /// Above this fullness of blocks fees rise, below it they fall.
    pub const TargetBlockFullness: Perquintill = Perquintill::from_percent(25);
    pub AdjustmentVariable: Multiplier = Multiplier::saturating_from_rational(75, 1_000_000);
    pub MinimumMultiplier: Multiplier = Multiplier::saturating_from_rational(1, 10);
    pub MaximumMultiplier: Multiplier = Multiplier::saturating_from_integer(1_000);
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type OnChargeTransaction =
        FungibleAdapter<Balances, pallet_arena_rewards::DealWithFees<Runtime>>;
    type WeightToFee = ConstantMultiplier<Balance, ConstU128<FEE_PER_REF_TIME>>;
    type LengthToFee = ConstantMultiplier<Balance, ConstU128<FEE_PER_BYTE>>;
    type FeeMultiplierUpdate = TargetedFeeAdjustment<
        Self,
        TargetBlockFullness,
        AdjustmentVariable,
        MinimumMultiplier,
        MaximumMultiplier,
    >;
    type OperationalFeeMultiplier = ConstU8<5>;
    type WeightInfo = pallet_transaction_payment::weights::SubstrateWeight<Runtime>;
}
