//! Origins that a referendum can have besides root.

pub use pallet::*;

/// The pallet that carries the origins; it has no calls and no storage.
#[frame_support::pallet]
pub mod pallet {
    use frame_support::{pallet_prelude::*, traits::OriginTrait};

    /// Nothing to set.
    #[pallet::config]
    pub trait Config: frame_system::Config {}

    /// See the module.
    #[pallet::pallet]
    pub struct Pallet<T>(_);

    /// What a referendum speaks as.
    #[derive(
        PartialEq,
        Eq,
        Clone,
        Copy,
        Debug,
        Encode,
        Decode,
        DecodeWithMemTracking,
        TypeInfo,
        MaxEncodedLen,
    )]
    #[pallet::origin]
    pub enum Origin {
        /// Lets tasks in.
        #[codec(index = 0)]
        TaskApprover,
        /// Sets governed parameters.
        #[codec(index = 1)]
        ParameterAdmin,
        /// Spends from the treasury.
        #[codec(index = 2)]
        Spender,
        /// Takes back a slash.
        #[codec(index = 3)]
        SlashCanceller,
        /// Pauses, resumes or cancels one task.
        #[codec(index = 4)]
        TaskGuardian,
        /// Stops a referendum; its deposits can be taken back.
        #[codec(index = 5)]
        ReferendumCanceller,
        /// Stops a referendum; the treasury gets its deposits.
        #[codec(index = 6)]
        ReferendumKiller,
    }

    macro_rules! ensure_origin {
        ($(#[$doc:meta] $name:ident => $variant:ident;)*) => {$(
            #[$doc]
            pub struct $name;
            impl<O: OriginTrait + From<Origin>> EnsureOrigin<O> for $name
            where
                for<'a> &'a O::PalletsOrigin: TryInto<&'a Origin>,
            {
                type Success = ();

                fn try_origin(o: O) -> Result<(), O> {
                    let named = matches!(o.caller().try_into(), Ok(Origin::$variant));
                    if named { Ok(()) } else { Err(o) }
                }

                #[cfg(feature = "runtime-benchmarks")]
                fn try_successful_origin() -> Result<O, ()> {
                    Ok(O::from(Origin::$variant))
                }
            }
        )*};
    }

    ensure_origin! {
        /// [`Origin::TaskApprover`] alone.
        EnsureTaskApprover => TaskApprover;
        /// [`Origin::ParameterAdmin`] alone.
        EnsureParameterAdmin => ParameterAdmin;
        /// [`Origin::SlashCanceller`] alone.
        EnsureSlashCanceller => SlashCanceller;
        /// [`Origin::TaskGuardian`] alone.
        EnsureTaskGuardian => TaskGuardian;
        /// [`Origin::ReferendumCanceller`] alone.
        EnsureReferendumCanceller => ReferendumCanceller;
        /// [`Origin::ReferendumKiller`] alone.
        EnsureReferendumKiller => ReferendumKiller;
    }

    /// [`Origin::Spender`], up to its limit.
    pub struct EnsureSpender<Limit>(core::marker::PhantomData<Limit>);
    impl<O, Limit> EnsureOrigin<O> for EnsureSpender<Limit>
    where
        O: OriginTrait + From<Origin>,
        for<'a> &'a O::PalletsOrigin: TryInto<&'a Origin>,
        Limit: Get<arena_primitives::Balance>,
    {
        type Success = arena_primitives::Balance;

        fn try_origin(o: O) -> Result<Self::Success, O> {
            let named = matches!(o.caller().try_into(), Ok(Origin::Spender));
            if named { Ok(Limit::get()) } else { Err(o) }
        }

        #[cfg(feature = "runtime-benchmarks")]
        fn try_successful_origin() -> Result<O, ()> {
            Ok(O::from(Origin::Spender))
        }
    }
}
