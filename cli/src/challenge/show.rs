//! What cases there are, where they stand, and how they ended.

use super::{
    losses,
    rows::{self, Answer, Appeal, Case, Challenger, Facts, Jury, State, Verdict},
};
use crate::{
    amount::Amount,
    blocks,
    chain::{At, Chain, decode, number},
    fail::bad_input,
    names,
    out::{self, Out},
    spec,
};
use anyhow::Result;
use arena_models::LossRow;
use arena_primitives::{AccountId, CaseId, Claim, ClaimKind, TaskId};
use serde::Serialize;

/// An open case.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenView {
    case: CaseId,
    task: TaskId,
    kind: ClaimKind,
    accused: AccountId,
    claim: Claim,
    facts: Facts,
    challengers: Vec<Challenger>,
    fee: Amount,
    phase: &'static str,
    until: u32,
    appeal: Option<Appeal>,
    verdict: Option<&'static str>,
    jury: Option<Jury>,
    answer: Option<AnswerView>,
    block: u32,
    next: String,
}

/// What the accused answered.
#[derive(Serialize)]
#[serde(untagged)]
enum AnswerView {
    Training { leaves: usize, uris: Vec<String> },
    Score { samples: u32, losses: Vec<LossRow> },
}

/// A case that is over.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClosedView {
    case: CaseId,
    task: TaskId,
    accused: AccountId,
    phase: &'static str,
    verdict: &'static str,
    forfeited: Amount,
    slashed: Amount,
    to_challengers: Amount,
    to_jurors: Amount,
    closed_at: u32,
}

/// Lists open cases.
pub(super) async fn list(out: Out, chain: &Chain, task: Option<TaskId>) -> Result<()> {
    let at = chain.best().await?;
    let mut all = Vec::new();
    for (number, case) in rows::open_cases(&at, task).await? {
        all.push(open_view(&at, number, case).await?);
    }
    out.show(&all, |all| {
        let mut table = out::table([
            "case", "task", "claim", "accused", "bonds", "phase", "until", "votes",
        ]);
        for case in all {
            let bonds = case.challengers.iter().map(|one| one.bond);
            table.add_row([
                case.case.to_string(),
                case.task.to_string(),
                names::claim_kind(case.kind).to_string(),
                names::short(&case.accused),
                bonds.fold(Amount(0), Amount::plus).to_string(),
                phase(case),
                case.until.to_string(),
                case.jury.as_ref().map(votes).unwrap_or_default(),
            ]);
        }
        table.to_string()
    })
}

/// Shows a case, open or not.
pub(super) async fn show(out: Out, chain: &Chain, case: CaseId) -> Result<()> {
    let at = chain.best().await?;
    if let Some(found) = rows::find(&at, case).await? {
        return out.show(&open_view(&at, case, found).await?, human_open);
    }
    if case >= rows::next_case(&at).await? {
        return Err(bad_input(format!(
            "there is no case {case}; `arena challenge list` names those that are open"
        )));
    }
    out.note(format!("case {case} is over: looking for its end"));
    let closed = blocks::events(chain, 0..=number(&at), |event| closed(event, case)).await?;
    let Some((block, mut view)) = closed.into_iter().next_back() else {
        return Err(bad_input(format!(
            "no block up to {} closed case {case}; ask an archive node (--url)",
            number(&at)
        )));
    };
    view.closed_at = block;
    out.show(&view, human_closed)
}

async fn open_view(at: &At, case: CaseId, row: Case) -> Result<OpenView> {
    let answer = rows::answer(at, case).await?.map(|answer| match answer {
        Answer::Training { leaves, uris } => AnswerView::Training {
            leaves: leaves.len(),
            uris: spec::texts(&uris),
        },
        Answer::Score { samples, losses } => AnswerView::Score {
            samples,
            losses: losses.iter().map(losses::row).collect(),
        },
    });
    Ok(OpenView {
        case,
        task: row.task,
        kind: row.claim.kind(),
        accused: row.claim.accused().clone(),
        phase: row.state.phase(),
        until: row.state.until(),
        verdict: verdict(&row.state),
        jury: row.state.jury().cloned(),
        answer,
        block: number(at),
        next: next(case, &row),
        claim: row.claim,
        facts: row.facts,
        challengers: row.challengers,
        fee: row.fee,
        appeal: row.appeal,
    })
}

fn verdict(state: &State) -> Option<&'static str> {
    match state {
        State::Appealable { verdict, .. } => Some(names::vote(*verdict)),
        State::Ending { verdict, .. } => Some(verdict.text()),
        _ => None,
    }
}

/// Reads the end of a case, as this release encodes it.
fn closed(event: &blocks::Event<'_>, wanted: CaseId) -> Result<Option<ClosedView>> {
    if (event.pallet_name(), event.event_name()) != ("ArenaChallenges", "CaseClosed") {
        return Ok(None);
    }
    type Fields = (CaseId, TaskId, AccountId, Verdict, [Amount; 4]);
    let (case, task, accused, verdict, moved): Fields = decode(event.field_bytes())?;
    let [forfeited, slashed, to_challengers, to_jurors] = moved;
    Ok((case == wanted).then_some(ClosedView {
        case,
        task,
        accused,
        phase: "closed",
        verdict: verdict.text(),
        forfeited,
        slashed,
        to_challengers,
        to_jurors,
        closed_at: 0,
    }))
}

/// What comes next in an open case, and when.
pub(super) fn next(case: CaseId, row: &Case) -> String {
    let until = row.state.until();
    match &row.state {
        State::Drawing { .. } if row.appeal.is_some() => {
            format!("a second jury is drawn in block {until}")
        }
        State::Drawing { .. } => format!(
            "its jury is drawn in block {until}; before, others can join: \
             arena challenge join --case {case}"
        ),
        State::Responding { .. } => format!(
            "the accused answers before block {until}, or is convicted: \
             arena challenge respond --case {case}"
        ),
        State::Committing { .. } => format!("jurors commit to their votes before block {until}"),
        State::Revealing { .. } => format!("jurors reveal their votes before block {until}"),
        State::Appealable { .. } => format!(
            "who lost can appeal before block {until}, when the verdict is final: \
             arena challenge appeal --case {case}"
        ),
        State::Ending { .. } => format!("what is held goes back in block {until}"),
    }
}

fn phase(view: &OpenView) -> String {
    match view.appeal {
        Some(_) => format!("{}, on appeal", view.phase),
        None => view.phase.into(),
    }
}

/// How many of a jury have committed and revealed.
fn votes(jury: &Jury) -> String {
    let seats = jury.seats.iter();
    let committed = seats.clone().filter(|seat| seat.commitment.is_some());
    let revealed = seats.filter(|seat| seat.vote.is_some());
    format!(
        "{} of {} committed, {} revealed",
        committed.count(),
        jury.seats.len(),
        revealed.count()
    )
}

fn human_open(view: &OpenView) -> String {
    let bonds: Vec<String> = view
        .challengers
        .iter()
        .map(|one| format!("{} ({})", one.who, one.bond))
        .collect();
    let table = out::pairs([
        ("case", view.case.to_string()),
        ("task", view.task.to_string()),
        ("claim", names::claim_kind(view.kind).into()),
        ("accused", view.accused.to_string()),
        ("challengers (bonds)", bonds.join("\n")),
        ("paid for each vote", view.fee.to_string()),
        ("phase", phase(view)),
        ("verdict so far", out::or_dash(view.verdict)),
        (
            "answered",
            out::or_dash(view.answer.as_ref().map(|_| "yes")),
        ),
        ("next", view.next.clone()),
    ]);
    match &view.jury {
        Some(jury) => format!("{table}\n{}", seats(jury)),
        None => table,
    }
}

fn seats(jury: &Jury) -> String {
    let mut table = out::table(["juror", "venue", "own stake", "committed", "vote"]);
    for seat in &jury.seats {
        table.add_row([
            seat.juror.to_string(),
            names::venue(seat.venue),
            seat.own.to_string(),
            out::or_dash(seat.commitment.map(|_| "yes")),
            out::or_dash(seat.vote.map(names::vote)),
        ]);
    }
    table.to_string()
}

fn human_closed(view: &ClosedView) -> String {
    out::pairs([
        ("case", view.case.to_string()),
        ("task", view.task.to_string()),
        ("accused", view.accused.to_string()),
        ("verdict", view.verdict.into()),
        ("in block", view.closed_at.to_string()),
        ("rewards taken", view.forfeited.to_string()),
        ("own stake slashed", view.slashed.to_string()),
        ("to challengers", view.to_challengers.to_string()),
        ("to jurors", view.to_jurors.to_string()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::claim::Accusation;
    use arena_primitives::{Hash, PublicData, Venue, Vote};
    use serde_json::json;

    fn jury() -> Jury {
        Jury {
            draw: Hash::zero(),
            seats: vec![rows::Seat {
                juror: AccountId::from([3; 32]),
                venue: Venue::Task(0),
                own: Amount(5),
                commitment: Some(Hash::repeat_byte(4)),
                vote: Some(Vote::Convict),
            }],
        }
    }

    fn case(state: State) -> Case {
        let accused = AccountId::from([2; 32]);
        Case {
            task: 0,
            claim: Accusation::ProofOfLearning.claim(accused, Hash::zero()),
            facts: Facts::Training {},
            challengers: vec![Challenger {
                who: AccountId::from([1; 32]),
                bond: Amount(1_000),
            }],
            fee: Amount(10),
            appeal: None,
            state,
        }
    }

    #[test]
    fn next_should_name_the_block_that_is_too_late() {
        let drawing = case(State::Drawing { ready: 9 });
        assert!(next(7, &drawing).contains("in block 10; before"));
        let responding = case(State::Responding {
            jury: jury(),
            until: 20,
        });
        let told = next(7, &responding);
        assert!(told.contains("before block 20") && told.contains("respond --case 7"));
        let mut appealed = case(State::Drawing { ready: 9 });
        appealed.appeal = Some(Appeal {
            appellant: AccountId::from([1; 32]),
            bond: Amount(1),
            verdict: Vote::Acquit,
            jury: jury(),
        });
        assert!(!next(7, &appealed).contains("join"));
    }

    #[test]
    fn json_should_have_the_names_that_the_readme_gives() {
        let facts = Facts::Score {
            owner: None,
            raw: 1,
            samples_root: Hash::zero(),
            place: 0,
            models: 4,
            data: PublicData {
                blake3: [0; 32],
                bytes: 1,
                uris: Default::default(),
                samples: 1,
            },
            seed: Hash::zero(),
        };
        let facts = serde_json::to_value(facts).unwrap();
        assert_eq!(facts["samplesRoot"], json!(Hash::zero()));
        assert_eq!(
            serde_json::to_value(Facts::Watermark {}).unwrap(),
            json!({})
        );
        let seat = serde_json::to_value(jury()).unwrap()["seats"][0].clone();
        assert_eq!(seat["venue"], json!({"task": 0}));
        assert_eq!(seat["vote"], "convict");
        assert_eq!(seat["own"], "5");
        for verdict in [Verdict::Convicted, Verdict::Moot] {
            assert_eq!(serde_json::to_value(verdict).unwrap(), verdict.text());
        }
    }

    #[test]
    fn votes_should_be_counted_by_seat() {
        assert_eq!(votes(&jury()), "1 of 1 committed, 1 revealed");
    }
}
