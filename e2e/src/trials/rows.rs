//! The table of outcomes.

use super::outcome::{Absence, Outcome};
use crate::demo::report::tokens;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

/// What should come of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// The accused goes free.
    Acquitted,
    /// A jury convicts.
    Convicted,
    /// The accused is convicted because it says nothing.
    Silenced,
    /// The first jury convicts, and the one of the appeal acquits.
    Overturned,
}

impl Expected {
    fn name(self) -> &'static str {
        match self {
            Expected::Acquitted => "acquitted",
            Expected::Convicted => "convicted",
            Expected::Silenced => "convicted by silence",
            Expected::Overturned => "convicted, then acquitted",
        }
    }
}

/// How a case ended, in the words of [`Expected`] where it is one of them.
fn verdict(outcome: &Outcome) -> String {
    let first = outcome.instances.first();
    let first = first.and_then(|instance| instance.verdict.as_deref());
    let last = outcome.verdict.as_deref().unwrap_or("open");
    let expected = match (first, last) {
        (Some("Convict"), "Acquitted") => Expected::Overturned,
        (Some("Acquit"), "Acquitted") => Expected::Acquitted,
        (Some("Convict"), "Convicted") => Expected::Convicted,
        (None, "Convicted") if !outcome.responded => Expected::Silenced,
        _ => return last.to_lowercase(),
    };
    expected.name().into()
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The case, if it could be opened; of a juror that said nothing, the first one.
    pub case: Option<u32>,
    /// What kind of claim.
    pub kind: String,
    /// For people.
    pub claim: String,
    /// What should come of it.
    pub expected: String,
    /// What came of it.
    pub verdict: String,
    /// Convict, acquit and absent of the seats, for each jury.
    pub votes: String,
    /// Rewards that the accused lost, in base units.
    pub forfeited: String,
    /// Own stake that it lost.
    pub slashed: String,
    /// What challengers got.
    pub to_challengers: String,
    /// What jurors got.
    pub to_jurors: String,
    /// From the opening to the end, by the blocks' slots.
    pub seconds: f64,
    /// Whether it is as expected.
    pub holds: bool,
}

impl Row {
    /// Of a case.
    pub fn of_case(
        (case, kind, claim): (Option<u32>, &str, &str),
        expected: Expected,
        outcome: &Outcome,
        seconds: f64,
    ) -> Self {
        let verdict = verdict(outcome);
        Self {
            case,
            kind: kind.into(),
            claim: claim.into(),
            expected: expected.name().into(),
            holds: verdict == expected.name(),
            verdict,
            votes: outcome.votes(),
            forfeited: outcome.forfeited.to_string(),
            slashed: outcome.slashed.to_string(),
            to_challengers: outcome.to_challengers.to_string(),
            to_jurors: outcome.to_jurors.to_string(),
            seconds,
        }
    }

    /// Of a juror, by all the times that it said nothing.
    pub fn of_juror(absences: &[&Absence]) -> Self {
        let slashed = absences.iter().map(|absence| absence.slashed);
        let slashed = slashed.fold(0, u128::saturating_add);
        let verdict = match (absences.len(), slashed) {
            (0, _) => "never drawn".into(),
            (_, 0) => "not slashed".into(),
            (times, _) => format!("slashed {times}×"),
        };
        Self {
            case: absences.first().map(|absence| absence.case),
            kind: "juror".into(),
            claim: "a juror whose key no node has".into(),
            expected: "slashed".into(),
            verdict,
            votes: "–".into(),
            forfeited: "0".into(),
            slashed: slashed.to_string(),
            to_challengers: "0".into(),
            to_jurors: "0".into(),
            seconds: 0.0,
            holds: slashed > 0,
        }
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.case
                .map_or_else(|| "–".into(), |case| case.to_string()),
            self.kind.clone(),
            self.claim.clone(),
            self.expected.clone(),
            self.verdict.clone(),
            self.votes.clone(),
            tokens(&self.forfeited),
            tokens(&self.slashed),
            tokens(&self.to_challengers),
            tokens(&self.to_jurors),
            format!("{:.0}", self.seconds),
            if self.holds { "✓" } else { "✗" }.into(),
        ]
    }
}

/// All lines, for people.
pub fn table(rows: &[Row]) -> String {
    let header = [
        "case",
        "kind",
        "claim",
        "expected",
        "verdict",
        "convict/acquit/absent",
        "forfeited",
        "slashed",
        "to challengers",
        "to jurors",
        "seconds",
        "",
    ];
    let mut table = Table::new();
    table
        .load_preset(presets::ASCII_MARKDOWN)
        .set_header(header)
        .add_rows(rows.iter().map(Row::cells));
    for index in 6..11 {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trials::outcome::Instance;

    fn outcome(juries: &[&str], verdict: Option<&str>, responded: bool) -> Outcome {
        let instance = |verdict: &&str| Instance {
            seats: 3,
            verdict: Some((*verdict).into()),
            ..Instance::default()
        };
        Outcome {
            responded,
            instances: juries.iter().map(instance).collect(),
            verdict: verdict.map(Into::into),
            ..Outcome::default()
        }
    }

    #[test]
    fn row_should_hold_only_for_what_was_expected() {
        use Expected::{Acquitted, Convicted, Overturned, Silenced};
        let ends = [
            (
                outcome(&["Acquit"], Some("Acquitted"), true),
                Some(Acquitted),
            ),
            (
                outcome(&["Convict"], Some("Convicted"), true),
                Some(Convicted),
            ),
            (outcome(&[], Some("Convicted"), false), Some(Silenced)),
            (
                outcome(&["Convict", "Acquit"], Some("Acquitted"), false),
                Some(Overturned),
            ),
            (outcome(&[], Some("Undecided"), false), None),
            (outcome(&["Convict"], None, false), None),
        ];
        for (outcome, found) in &ends {
            for expected in [Acquitted, Convicted, Silenced, Overturned] {
                let row = Row::of_case((Some(1), "duplicate", "c"), expected, outcome, 1.0);
                assert_eq!(row.holds, *found == Some(expected), "{row:?}");
            }
        }
    }

    #[test]
    fn juror_should_hold_only_if_it_lost_something() {
        let absence = |slashed| Absence {
            case: 3,
            juror: "j".into(),
            slashed,
            block: 9,
        };
        let (some, none) = (absence(5), absence(0));
        assert!(Row::of_juror(&[&some, &none]).holds);
        assert!(!Row::of_juror(&[&none]).holds);
        assert!(!Row::of_juror(&[]).holds);
        assert_eq!(Row::of_juror(&[&some, &some]).slashed, "10");
    }
}
