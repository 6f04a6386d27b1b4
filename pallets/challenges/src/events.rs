//! What the pallet tells of.

use frame_support::pallet_macros::pallet_section;

/// A part of the pallet.
#[pallet_section]
mod challenges_events {
    #[pallet::event]
    #[pallet::generate_deposit(pub(crate) fn deposit_event)]
    pub enum Event<T: Config> {
        /// Somebody will accuse somebody.
        CaseCommitted {
            /// The task.
            task: TaskId,
            /// Who accuses.
            challenger: AccountId,
            /// Hides the claim.
            commitment: H256,
            /// What is held.
            bond: Balance,
            /// The first block that is too late to open it.
            until: BlockNumber,
        },
        /// A commitment led to no case.
        CommitmentEnded {
            /// The task.
            task: TaskId,
            /// Whose.
            challenger: AccountId,
            /// Which.
            commitment: H256,
            /// What it cost.
            lost: Balance,
            /// Why its claim can't be tried; `None` where it was not opened in time.
            because: Option<DispatchError>,
        },
        /// Somebody is accused.
        CaseOpened {
            /// The case.
            case: CaseId,
            /// The task.
            task: TaskId,
            /// The claim.
            claim: Claim,
            /// Who accuses.
            challenger: AccountId,
            /// What is held.
            bond: Balance,
        },
        /// Somebody says the same.
        CaseJoined {
            /// The case.
            case: CaseId,
            /// Who accuses.
            challenger: AccountId,
            /// What is held.
            bond: Balance,
        },
        /// The accused answered.
        Responded {
            /// The case.
            case: CaseId,
        },
        /// A jury was drawn.
        JuryDrawn {
            /// The case.
            case: CaseId,
            /// Whether it is that of the appeal.
            appeal: bool,
            /// Who sits.
            jurors: Vec<AccountId>,
        },
        /// A juror committed to its vote.
        VoteCommitted {
            /// The case.
            case: CaseId,
            /// Who.
            juror: AccountId,
        },
        /// A juror revealed its vote.
        VoteRevealed {
            /// The case.
            case: CaseId,
            /// Who.
            juror: AccountId,
            /// Its vote.
            vote: Vote,
        },
        /// A juror gave no vote.
        JurorAbsent {
            /// The case.
            case: CaseId,
            /// Who.
            juror: AccountId,
            /// What it lost of its own stake.
            slashed: Balance,
        },
        /// A jury decided.
        VerdictReached {
            /// The case.
            case: CaseId,
            /// Whether it is that of the appeal, which is final.
            appeal: bool,
            /// What it decided.
            verdict: Vote,
        },
        /// A verdict goes to a second jury.
        Appealed {
            /// The case.
            case: CaseId,
            /// Who asked for it.
            appellant: AccountId,
            /// What is held.
            bond: Balance,
        },
        /// A case is over.
        CaseClosed {
            /// The case.
            case: CaseId,
            /// The task.
            task: TaskId,
            /// Who was accused.
            accused: AccountId,
            /// How it ended.
            verdict: Verdict,
            /// Rewards that were taken of the accused.
            forfeited: Balance,
            /// Own stake that was slashed of the accused.
            slashed: Balance,
            /// What challengers got, their bonds left out.
            to_challengers: Balance,
            /// Fees of jurors.
            to_jurors: Balance,
        },
        /// A training was registered.
        RunRegistered {
            /// The task.
            task: TaskId,
            /// Whose.
            trainer: AccountId,
            /// Which of the trainer's runs.
            number: u32,
            /// Root of the manifest over its config and all that it reads.
            recipe: H256,
        },
        /// The seed of a training is known.
        RunSeeded {
            /// The task.
            task: TaskId,
            /// Whose.
            trainer: AccountId,
            /// Which of the trainer's runs.
            number: u32,
            /// The seed.
            seed: H256,
        },
        /// A training goes on.
        Heartbeat {
            /// The task.
            task: TaskId,
            /// Whose.
            trainer: AccountId,
            /// Which of the trainer's runs.
            number: u32,
            /// Leaves of its log.
            leaves: u32,
            /// Their root.
            root: H256,
        },
        /// The key of a mark was committed to.
        MarkRegistered {
            /// The task.
            task: TaskId,
            /// Whose.
            owner: AccountId,
            /// The hash of the key.
            commitment: H256,
        },
    }
}
