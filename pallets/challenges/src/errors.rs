//! Why calls are refused.

use frame_support::pallet_macros::pallet_section;

/// A part of the pallet.
#[pallet_section]
mod challenges_errors {
    #[pallet::error]
    pub enum Error<T> {
        /// There is no such task, or it is over.
        TaskOver,
        /// The procedure doesn't fit into what is left of the challenge phase.
        TooLate,
        /// The challenger has this commitment already. Take another nonce.
        AlreadyCommitted,
        /// The challenger has no commitment to this claim in this task. Commit to it first.
        NoSuchCommitment,
        /// The time to open the claim has passed. Commit to it again.
        OpenedTooLate,
        /// Models are challenged in the task's challenge phase.
        NotInChallenge,
        /// The challenger can't bring such a claim. See who may in this pallet's README.
        NotEntitled,
        /// Nobody accuses itself.
        OwnCase,
        /// The accused was convicted in this task already.
        AlreadyConvicted,
        /// The accused doesn't stand with this model in the task.
        NoModel,
        /// The task knows no such earlier model.
        NoEarlierModel,
        /// The earlier model was not committed to before the other by somebody else.
        NotEarlier,
        /// The task compares no models.
        NoLikeness,
        /// The challenger registered no such mark in this task.
        NoMark,
        /// The mark was registered when the model was committed to already.
        MarkTooLate,
        /// The accused has no run with a heartbeat, and the task asks for none.
        NotRegistered,
        /// The accused revealed no score of this model in this round, or it is kept no more.
        NoScore,
        /// The score's round was settled more than two rounds ago.
        ScoreTooOld,
        /// As many cases are open in this task as there can be. Wait for one to end.
        TooManyCases,
        /// The challenger began as many open cases in this task as one can. Wait for one to end.
        TooManyOwnCases,
        /// The case has as many challengers as it can have.
        TooManyChallengers,
        /// The challenger is in this case already.
        AlreadyJoined,
        /// The jury is drawn: nobody joins any more.
        JuryDrawn,
        /// All numbers of cases or runs are used.
        NoMoreIds,
        /// There is no such case, or it is over.
        NoSuchCase,
        /// Only the accused or its service key answers.
        NotAccused,
        /// The case awaits no answer, or it is too late for one.
        NoAnswerDue,
        /// The case awaits another kind of answer.
        WrongAnswer,
        /// A URI is none that can be fetched from.
        BadUri,
        /// The accused has no run.
        NoRun,
        /// The seed of the run isn't known yet. Wait some blocks.
        NoSeed,
        /// The log doesn't have as many leaves as were registered and counted by heartbeats.
        LogNotWhole,
        /// A leaf has another step than its place in the log.
        LogNotEven,
        /// A heartbeat's root is not that of the log's first leaves.
        LogDiffers,
        /// The roots are not those that were revealed.
        RootsDiffer,
        /// A drawn loss is missing, or isn't proven.
        LossNotProven,
        /// The signer is nobody's service key. Register it with staking.
        NotAServiceKey,
        /// The operator has no seat in this jury.
        NotAJuror,
        /// Votes are not committed to now.
        NotCommitting,
        /// Votes are not revealed now.
        NotRevealing,
        /// The juror committed already; it can't change its mind.
        AlreadyVoted,
        /// The juror revealed already.
        AlreadyRevealed,
        /// The juror committed to no vote.
        NoVote,
        /// Vote and nonce don't match the commitment.
        WrongVote,
        /// There is no verdict, or it can't be appealed any more.
        NotAppealable,
        /// Only who lost appeals.
        NotTheLoser,
        /// Nothing is due in this case now.
        NothingDue,
        /// The task takes no submissions.
        NoSubmissions,
        /// The signer is no trainer of the task.
        NotATrainer,
        /// The signer has no position in the task.
        NoPosition,
        /// A case is open against the trainer. Wait for its end.
        CaseOpen,
        /// Steps must be a multiple of the steps between leaves, with at most 512 segments.
        BadSteps,
        /// The drawn segments' checkpoints would be more bytes than a juror fetches. Register
        /// smaller ones.
        TooLarge,
        /// A heartbeat was posted in this round already.
        AlreadyBeaten,
        /// A heartbeat counts more leaves than the one before.
        LogNotGrown,
        /// A heartbeat counts at most the leaves of the whole log.
        LogTooLong,
        /// The run has as many heartbeats as it can have.
        TooManyHeartbeats,
        /// The mark is registered already.
        MarkKnown,
        /// The operator has as many marks in the task as it can have.
        TooManyMarks,
    }
}
