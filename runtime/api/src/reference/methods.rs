//! The table of methods.

use super::{Method, Problem, Subscription};
use crate::*;
use arena_primitives::{AccountId, CaseId, Hash, Round, TaskId, TaskPhase, TimeParameters, Venue};

const TASK: &str = "The task's number.";
const VENUE: &str = "`\"network\"`, or `{\"task\": 3}`.";
const OPERATOR: &str = "The operator's address.";
const LIMIT: &str = "Most rows of the page, from 1 to 100.";
const AFTER: &str = "The `next` of the page before; left out for the first page.";

const UNKNOWN_TASK: Problem = Problem::Refused(Refusal::UnknownTask);
const UNKNOWN_ROUND: Problem = Problem::Refused(Refusal::UnknownRound);
const UNKNOWN_CASE: Problem = Problem::Refused(Refusal::UnknownCase);
const UNKNOWN_POSITION: Problem = Problem::Refused(Refusal::UnknownPosition);
const NOT_SETTLED: Problem = Problem::Refused(Refusal::NotSettled);
const LIMIT_OUT_OF_RANGE: Problem = Problem::Refused(Refusal::LimitOutOfRange);
const BEYOND_END: Problem = Problem::Refused(Refusal::BeyondEnd);

fn of_tasks() -> Vec<Method> {
    vec![
        Method::new::<TasksPage>("tasks", "Tasks by number, of one phase or of all.")
            .with::<TaskId>("from", "The first number of the page.")
            .with::<u32>("limit", LIMIT)
            .maybe::<TaskPhase>("phase", "Only tasks in this phase.")
            .refuses(&[LIMIT_OUT_OF_RANGE, BEYOND_END]),
        Method::new::<Vec<TaskStateView>>("taskStates", "Where each active task stands, in short."),
        Method::new::<TaskView>("task", "One task.")
            .with::<TaskId>("task", TASK)
            .refuses(&[UNKNOWN_TASK]),
        Method::new::<RoundStateView>("round", "A round, alive or settled.")
            .with::<TaskId>("task", TASK)
            .with::<Round>("round", "The round; 0 is enrolment.")
            .refuses(&[UNKNOWN_TASK, UNKNOWN_ROUND]),
        Method::new::<Option<ResultView>>(
            "result",
            "All rows of a settled round; null where it isn't settled or is kept no more.",
        )
        .with::<TaskId>("task", TASK)
        .with::<Round>("round", "The round.")
        .refuses(&[UNKNOWN_TASK]),
    ]
}

fn of_models() -> Vec<Method> {
    vec![
        Method::new::<LeaderboardPage>("leaderboard", "Models of a settled round, the best first.")
            .with::<TaskId>("task", TASK)
            .maybe::<Round>(
                "round",
                "The round; null for the last one that was settled.",
            )
            .with::<u32>("from", "The first place of the page, from 0.")
            .with::<u32>("limit", LIMIT)
            .refuses(&[
                UNKNOWN_TASK,
                UNKNOWN_ROUND,
                NOT_SETTLED,
                LIMIT_OUT_OF_RANGE,
                BEYOND_END,
            ]),
        Method::new::<SubmissionView>(
            "submission",
            "What a trainer committed to and published in a task.",
        )
        .with::<TaskId>("task", TASK)
        .with::<AccountId>("trainer", "The trainer's address.")
        .refuses(&[UNKNOWN_TASK]),
        Method::new::<Vec<(AccountId, Hash)>>(
            "drawn",
            "The models that a validator is drawn for in a round, as trainer and manifest root. \
             Empty before the seed is known and after settlement.",
        )
        .with::<TaskId>("task", TASK)
        .with::<Round>("round", "The round.")
        .with::<AccountId>("validator", "The validator's address.")
        .refuses(&[UNKNOWN_TASK]),
    ]
}

fn of_stake() -> Vec<Method> {
    vec![
        Method::new::<Option<PositionView>>(
            "position",
            "An operator's position in a venue, or null.",
        )
        .with::<Venue>("venue", VENUE)
        .with::<AccountId>("operator", OPERATOR)
        .refuses(&[UNKNOWN_TASK]),
        Method::new::<Vec<PositionView>>(
            "positions",
            "Positions of a venue that its next round counts, by account. A page that is full is \
             followed by what comes after its last operator.",
        )
        .with::<Venue>("venue", VENUE)
        .maybe::<AccountId>(
            "after",
            "The last operator of the page before; null for the first page.",
        )
        .with::<u32>("limit", LIMIT)
        .refuses(&[UNKNOWN_TASK, LIMIT_OUT_OF_RANGE]),
        Method::new::<StakesPage>(
            "stakes",
            "An operator's positions in all venues with what it can claim, and its service key.",
        )
        .with::<AccountId>("operator", OPERATOR)
        .maybe::<Venue>("after", AFTER)
        .with::<u32>("limit", LIMIT)
        .refuses(&[LIMIT_OUT_OF_RANGE, BEYOND_END]),
    ]
}

fn of_accounts() -> Vec<Method> {
    vec![
        Method::new::<DelegationsPage>(
            "delegations",
            "Delegations of an account with what it can claim. A page looks through 256 positions \
             at most, so that it can be empty though others follow: go on until `next` is null.",
        )
        .with::<AccountId>("who", "The delegator's address.")
        .maybe::<PositionKey>("after", AFTER)
        .with::<u32>("limit", LIMIT)
        .refuses(&[LIMIT_OUT_OF_RANGE]),
        Method::new::<Vec<UnbondingView>>(
            "unbonding",
            "What of an account unbonds: own stake and delegated, 64 rows at most.",
        )
        .with::<AccountId>("who", "The account's address."),
        Method::new::<EarningsView>(
            "operatorEarnings",
            "What an operator has earned in a venue and not claimed.",
        )
        .with::<Venue>("venue", VENUE)
        .with::<AccountId>("operator", OPERATOR)
        .refuses(&[UNKNOWN_TASK]),
        Method::new::<EarningsView>(
            "delegatorEarnings",
            "What a delegator has earned in a position and not claimed.",
        )
        .with::<Venue>("venue", VENUE)
        .with::<AccountId>("operator", OPERATOR)
        .with::<AccountId>("who", "The delegator's address.")
        .refuses(&[UNKNOWN_TASK]),
    ]
}

fn of_validators() -> Vec<Method> {
    vec![
        Method::new::<ValidatorsPage>(
            "validators",
            "Validators of a venue with their effective stake, by account.",
        )
        .with::<Venue>("venue", VENUE)
        .maybe::<AccountId>("after", AFTER)
        .with::<u32>("limit", LIMIT)
        .refuses(&[UNKNOWN_TASK, LIMIT_OUT_OF_RANGE]),
        Method::new::<ConcentrationView>(
            "concentration",
            "How concentrated the weight of a venue's validators is (docs/concentration.md).",
        )
        .with::<Venue>("venue", VENUE)
        .refuses(&[UNKNOWN_TASK]),
    ]
}

fn of_operators() -> Vec<Method> {
    vec![
        Method::new::<DutiesView>("duties", "What an operator has to do now and next.")
            .with::<AccountId>("operator", OPERATOR),
        Method::new::<Vec<CaseView>>("challenges", "Open cases of a task, 16 at most.")
            .with::<TaskId>("task", TASK)
            .refuses(&[UNKNOWN_TASK]),
        Method::new::<CaseView>("challenge", "One open case.")
            .with::<CaseId>("case", "The case's number.")
            .refuses(&[UNKNOWN_CASE]),
        Method::new::<YieldsPage>(
            "yields",
            "What a position earned, round by round, the oldest first. A page looks through 16 \
             rounds of a task, or 100 sessions.",
        )
        .with::<Venue>("venue", VENUE)
        .with::<AccountId>("operator", OPERATOR)
        .with::<Round>(
            "from",
            "The first round of the page; in `network` a session.",
        )
        .with::<u32>("limit", LIMIT)
        .refuses(&[
            UNKNOWN_TASK,
            UNKNOWN_POSITION,
            LIMIT_OUT_OF_RANGE,
            BEYOND_END,
        ]),
        Method::new::<SlashesView>(
            "slashes",
            "What an operator lost or may lose, as far as the chain's state still has it.",
        )
        .with::<AccountId>("operator", OPERATOR),
        Method::new::<ParametersView>("parameters", "What governs the chain now."),
        Method::new::<TimeParameters>("time", "Slots, days and windows, as genesis set them."),
    ]
}

fn subscriptions() -> Vec<Method> {
    let rounds = Subscription {
        notification: "rounds",
        unsubscribe: "unsubscribeRounds",
    };
    let tasks = Subscription {
        notification: "taskState",
        unsubscribe: "unsubscribeTasks",
    };
    let mut all = vec![
        Method::new::<SettledView>(
            "subscribeRounds",
            "Rounds as they are settled in finalized blocks. arena_leaderboard has their rows.",
        )
        .maybe::<TaskId>("task", "Only rounds of this task."),
        Method::new::<TaskStateView>(
            "subscribeTasks",
            "Tasks whose state changed in finalized blocks.",
        ),
    ];
    for (method, names) in all.iter_mut().zip([rounds, tasks]) {
        method.subscription = Some(names);
        method.problems = vec![Problem::TooManySubscriptions, Problem::SlowReader];
    }
    all
}

/// All methods. Each but subscriptions takes a block hash last.
pub fn methods() -> Vec<Method> {
    let calls = [
        of_tasks(),
        of_models(),
        of_stake(),
        of_accounts(),
        of_validators(),
        of_operators(),
    ]
    .into_iter()
    .flatten();
    let at_block = |method: Method| {
        method
            .maybe::<Hash>("at", "As of this block; left out for the best one.")
            .refuses(&[
                Problem::Runtime,
                Problem::UnknownBlock,
                Problem::NoState,
                Problem::OldRuntime,
            ])
    };
    calls.map(at_block).chain(subscriptions()).collect()
}
