//! `docs/openrpc.json` and the reference in `docs/rpc.md`, made of the table of methods and of
//! what the runtime answers in a task's life. `ARENA_WRITE_REFERENCE=1` writes them.

use super::{cases, journey::*, sanity::with_preset};
use crate::*;
use arena_primitives::{Role, TaskId, Venue, time::RoundPhase};
use arena_runtime_api::reference::{self, Example, Method};
use serde::Serialize;
use serde_json::{Value, json};
use sp_keyring::Sr25519Keyring as Key;
use std::{collections::BTreeMap, fs, path::PathBuf, thread};

type Examples = BTreeMap<&'static str, Example>;

/// Notes what a method answers.
fn note(to: &mut Examples, method: &'static str, params: Value, result: impl Serialize) {
    let params = params.as_array().cloned().unwrap_or_default();
    let result = serde_json::to_value(result).expect("serializes");
    to.insert(method, Example { params, result });
}

fn answered<T>(answer: Result<T, arena_runtime_api::Refusal>) -> T {
    answer.expect("is answered")
}

fn of_tasks(to: &mut Examples, task: TaskId) {
    let (trainer, validator) = (account(TRAINERS[0]), account(VALIDATORS[0]));
    note(
        to,
        "tasks",
        json!([0, 10]),
        answered(views::tasks_in(0, 10, None)),
    );
    note(to, "taskStates", json!([]), views::task_states());
    note(
        to,
        "task",
        json!([task]),
        views::task(task).expect("is there"),
    );
    note(
        to,
        "round",
        json!([task, 2]),
        answered(views::round(task, 2)),
    );
    note(to, "result", json!([task, 1]), views::result(task, 1));
    let board = answered(views::leaderboard(task, None, 0, 2));
    note(to, "leaderboard", json!([task, null, 0, 2]), board);
    let submission = answered(views::submission(task, trainer.clone()));
    note(to, "submission", json!([task, trainer]), submission);
    let drawn = ArenaScoring::drawn(task, 2, &validator);
    note(to, "drawn", json!([task, 2, validator]), drawn);
    note(
        to,
        "subscribeRounds",
        json!([task]),
        answered(views::settled(task, 1)),
    );
    let state = views::task_states().into_iter().next();
    note(to, "subscribeTasks", json!([]), state.expect("is active"));
}

fn of_stake(to: &mut Examples, task: TaskId) {
    let venue = Venue::Task(task);
    let (operator, who) = (account(VALIDATORS[0]), account(DELEGATOR));
    let position = views::position(venue, &operator);
    note(to, "position", json!([venue, operator]), position);
    note(
        to,
        "positions",
        json!([venue, null, 1]),
        views::positions(venue, None, 1),
    );
    let stakes = answered(views::stakes(operator.clone(), None, 10));
    note(to, "stakes", json!([operator, null, 10]), stakes);
    let delegations = answered(views::delegations(who.clone(), None, 10));
    note(to, "delegations", json!([who, null, 10]), delegations);
    note(to, "unbonding", json!([who]), views::unbonding(who.clone()));
    let earned = views::operator_earnings(venue, &operator);
    note(to, "operatorEarnings", json!([venue, operator]), earned);
    let earned = views::delegator_earnings(venue, &operator, &who);
    note(
        to,
        "delegatorEarnings",
        json!([venue, operator, who]),
        earned,
    );
    let validators = answered(views::validators(venue, None, 10));
    note(to, "validators", json!([venue, null, 10]), validators);
    let concentration = answered(views::concentration(venue));
    note(to, "concentration", json!([venue]), concentration);
    let yields = answered(views::yields(venue, operator.clone(), 0, 10));
    note(to, "yields", json!([venue, operator, 0, 10]), yields);
}

fn of_operators(to: &mut Examples) {
    let operator = account(VALIDATORS[1]);
    note(
        to,
        "duties",
        json!([operator]),
        views::duties(operator.clone()),
    );
    note(
        to,
        "slashes",
        json!([operator]),
        views::slashes(operator.clone()),
    );
    note(to, "parameters", json!([]), views::parameters());
    note(to, "time", json!([]), ArenaStaking::time());
}

fn of_cases(to: &mut Examples, task: TaskId) {
    let case = cases::open_case(cases::MARKER, task, cases::mark_claim(TRAINERS[0]));
    cases::await_commitments(case);
    note(
        to,
        "challenges",
        json!([task]),
        answered(views::challenges(task)),
    );
    note(
        to,
        "challenge",
        json!([case]),
        answered(views::challenge(case)),
    );
}

/// What the runtime answers while round 2 takes commitments, and while a case is judged.
fn examples() -> Examples {
    let mut all = Examples::new();
    with_preset("development", || {
        System::set_block_number(1);
        let task = approve_task();
        enrol(task);
        submit_and_publish(task, 1);
        score(task, 1);
        let take = pallet_arena_delegation::Call::undelegate {
            venue: Venue::Task(task),
            operator: account(TRAINERS[0]),
            amount: 10 * UNIT,
        };
        assert!(call(&account(DELEGATOR), take).is_ok());
        submit_and_publish(task, 2);
        run_until("the commit window", || {
            phase_of(task, 2) == Some(RoundPhase::Commit)
        });
        of_tasks(&mut all, task);
        of_stake(&mut all, task);
        of_operators(&mut all);
    });
    // A chain of its own has a thread of its own.
    let of_cases = thread::spawn(|| {
        let mut all = Examples::new();
        cases::with_challenged(|task| of_cases(&mut all, task));
        all
    });
    all.append(&mut of_cases.join().expect("cases are judged"));
    all
}

fn docs() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// Writes or compares a file.
fn is_kept(name: &str, wanted: &str) -> bool {
    let path = docs().join(name);
    if std::env::var_os("ARENA_WRITE_REFERENCE").is_some() {
        fs::write(&path, wanted).expect("is written");
    }
    fs::read_to_string(path).unwrap_or_default() == wanted
}

const BEGIN: &str = "<!-- reference -->\n";

#[test]
fn reference_should_be_what_the_table_and_the_runtime_say() {
    let examples = examples();
    let methods = reference::methods();
    for Method { name, .. } in &methods {
        assert!(examples.contains_key(name), "{name} has no example");
    }
    let document = reference::document(&examples);
    let json = serde_json::to_string_pretty(&document).expect("serializes") + "\n";
    let kept = is_kept("openrpc.json", &json);
    let guide = fs::read_to_string(docs().join("rpc.md")).expect("docs/rpc.md is there");
    let (head, _) = guide
        .split_once(BEGIN)
        .expect("the guide marks its reference");
    let text = format!("{head}{BEGIN}\n{}\n", reference::markdown(&examples));
    assert!(
        kept & is_kept("rpc.md", &text),
        "the reference is old: run scripts/reference.sh and commit docs/openrpc.json and docs/rpc.md"
    );
}

#[test]
fn answers_should_fit_their_schemas() {
    let examples = examples();
    for method in reference::methods() {
        let answer = &examples[method.name].result;
        assert_eq!(
            reference::misfits(&method, answer),
            [""; 0],
            "{}",
            method.name
        );
        let broken = match answer {
            Value::Object(fields) => {
                let mut fields = fields.clone();
                fields.insert("more".into(), json!(1));
                Value::Object(fields)
            }
            _ => json!({"more": 1}),
        };
        assert!(
            !reference::misfits(&method, &broken).is_empty(),
            "{}",
            method.name
        );
    }
}

#[test]
fn examples_should_show_a_duty_a_rank_and_what_is_owed() {
    let examples = examples();
    let first = |method: &str, pointer: &str| examples[method].result.pointer(pointer).cloned();
    assert_eq!(first("duties", "/now/0/duty"), Some(json!("commit_scores")));
    assert_eq!(
        first("duties", "/next/0/duty"),
        Some(json!("reveal_scores"))
    );
    assert_eq!(
        first("leaderboard", "/leaders/0/model/rank"),
        Some(json!(1))
    );
    assert_eq!(first("challenges", "/0/stage"), Some(json!("voting")));
    assert_eq!(first("unbonding", "/0/kind"), Some(json!("delegated")));
    assert_ne!(first("stakes", "/stakes/0/earnings/owed"), Some(json!("0")));
    assert_eq!(Key::Bob, TRAINERS[0], "the guide names Bob a trainer");
    with_preset("development", || {
        let bob = views::position(Venue::Network, &account(Key::Bob));
        assert_eq!(bob.map(|p| p.role), None::<Role>);
    });
}
