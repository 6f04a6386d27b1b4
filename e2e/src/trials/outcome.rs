//! How cases ended, by their events.

use super::chronicle::{Chronicle, Event};
use anyhow::Result;

/// One jury.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Instance {
    /// Its seats.
    pub seats: usize,
    /// Votes to convict.
    pub convict: usize,
    /// Votes to acquit.
    pub acquit: usize,
    /// What it decided.
    pub verdict: Option<String>,
}

impl Instance {
    /// Seats that said nothing.
    pub fn absent(&self) -> usize {
        self.seats.saturating_sub(self.convict + self.acquit)
    }
}

/// A juror that said nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absence {
    /// In which case.
    pub case: u32,
    /// Who, in hex digits.
    pub juror: String,
    /// What it lost, in base units.
    pub slashed: u128,
    /// In which block.
    pub block: u32,
}

/// One case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The block that opened it.
    pub opened: Option<u32>,
    /// The block that closed it.
    pub closed: Option<u32>,
    /// Whether the accused answered.
    pub responded: bool,
    /// The first jury, and that of the appeal.
    pub instances: Vec<Instance>,
    /// How it ended.
    pub verdict: Option<String>,
    /// Rewards that the accused lost, in base units.
    pub forfeited: u128,
    /// Own stake that it lost.
    pub slashed: u128,
    /// What challengers got.
    pub to_challengers: u128,
    /// What jurors got.
    pub to_jurors: u128,
}

impl Outcome {
    /// Of one case.
    pub fn of(chronicle: &Chronicle<'_>, case: u32) -> Result<Self> {
        let mut outcome = Self::default();
        let events = chronicle.events.iter();
        for event in events.filter(|event| event.case() == Some(case)) {
            outcome.add(event)?;
        }
        Ok(outcome)
    }

    fn add(&mut self, event: &Event) -> Result<()> {
        match event.event.as_str() {
            "CaseOpened" => self.opened = Some(event.block),
            "Responded" => self.responded = true,
            "JuryDrawn" => self.instances.push(Instance {
                seats: event.accounts("jurors").len(),
                ..Instance::default()
            }),
            "VoteRevealed" => {
                let convicts = event.text("vote")? == "Convict";
                if let Some(instance) = self.instances.last_mut() {
                    let votes = if convicts {
                        &mut instance.convict
                    } else {
                        &mut instance.acquit
                    };
                    *votes += 1;
                }
            }
            "VerdictReached" => {
                let verdict = event.text("verdict")?.to_owned();
                if let Some(instance) = self.instances.last_mut() {
                    instance.verdict = Some(verdict);
                }
            }
            "CaseClosed" => {
                self.closed = Some(event.block);
                self.verdict = Some(event.text("verdict")?.to_owned());
                self.forfeited = event.amount("forfeited")?;
                self.slashed = event.amount("slashed")?;
                self.to_challengers = event.amount("to_challengers")?;
                self.to_jurors = event.amount("to_jurors")?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Convict, acquit and absent of the seats, for each jury.
    pub fn votes(&self) -> String {
        let juries = self.instances.iter().filter(|one| one.verdict.is_some());
        let each: Vec<String> = juries
            .map(|one| {
                let (convict, acquit, absent) = (one.convict, one.acquit, one.absent());
                format!("{convict}/{acquit}/{absent} of {}", one.seats)
            })
            .collect();
        if each.is_empty() {
            "–".into()
        } else {
            each.join(", then ")
        }
    }
}

/// All jurors that said nothing.
pub fn absences(chronicle: &Chronicle<'_>) -> Result<Vec<Absence>> {
    let events = chronicle.events.iter();
    let absent = events.filter(|event| event.event == "JurorAbsent");
    absent
        .map(|event| {
            Ok(Absence {
                case: event.case().unwrap_or_default(),
                juror: event.text("juror")?.to_owned(),
                slashed: event.amount("slashed")?,
                block: event.block,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Arena;
    use serde_json::{Value, json};
    use std::path::Path;

    fn event(block: u32, name: &str, fields: Value) -> Event {
        Event {
            block,
            event: name.into(),
            fields,
        }
    }

    fn overturned() -> Vec<Event> {
        let vote = |block, juror: &str, vote: &str| {
            let fields = json!({"case": "4", "juror": juror, "vote": vote});
            event(block, "VoteRevealed", fields)
        };
        let verdict = |block, verdict: &str| {
            let fields = json!({"case": "4", "appeal": block > 40, "verdict": verdict});
            event(block, "VerdictReached", fields)
        };
        vec![
            event(10, "CaseOpened", json!({"case": "4"})),
            event(
                13,
                "JuryDrawn",
                json!({"case": "4", "jurors": ["a", "b", "c"]}),
            ),
            vote(20, "a", "Convict"),
            event(
                20,
                "VoteRevealed",
                json!({"case": "5", "juror": "z", "vote": "Acquit"}),
            ),
            vote(21, "b", "Convict"),
            event(
                30,
                "JurorAbsent",
                json!({"case": "4", "juror": "c", "slashed": "7"}),
            ),
            verdict(30, "Convict"),
            event(43, "JuryDrawn", json!({"case": "4", "jurors": ["d", "e"]})),
            vote(44, "d", "Acquit"),
            vote(44, "e", "Acquit"),
            verdict(45, "Acquit"),
            event(
                45,
                "CaseClosed",
                json!({
                    "case": "4", "verdict": "Acquitted", "forfeited": "0", "slashed": "0",
                    "to_challengers": "0", "to_jurors": "340282366920938463463374607431768211455",
                }),
            ),
        ]
    }

    #[test]
    fn outcome_should_count_the_votes_of_each_jury() {
        let arena = Arena::new(Path::new("arena"), "ws://127.0.0.1:1", Path::new("."));
        let mut chronicle = Chronicle::new(&arena, 0);
        chronicle.events = overturned();
        let outcome = Outcome::of(&chronicle, 4).unwrap();
        assert_eq!(outcome.votes(), "2/0/1 of 3, then 0/2/0 of 2");
        assert_eq!((outcome.opened, outcome.closed), (Some(10), Some(45)));
        assert_eq!(outcome.verdict.as_deref(), Some("Acquitted"));
        assert_eq!(outcome.to_jurors, u128::MAX);
        assert!(!outcome.responded);
        let first = outcome.instances[0].verdict.as_deref();
        assert_eq!(first, Some("Convict"));
        assert_eq!(Outcome::of(&chronicle, 5).unwrap().votes(), "–");
        let absent = absences(&chronicle).unwrap();
        assert_eq!((absent.len(), absent[0].slashed), (1, 7));
    }
}
