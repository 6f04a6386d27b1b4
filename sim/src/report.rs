//! The table: for people, as Markdown, as JSON.

use crate::{config::Scenario, run::Trial};
use anyhow::{Context, Result, ensure};
use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde::Serialize;
use std::path::Path;

/// Where the table stands in a Markdown file.
pub const BEGIN: &str = "<!-- attacks: begin; made by scripts/attacks.sh -->";
/// Where it ends.
pub const END: &str = "<!-- attacks: end -->";
/// A gain below this, as a part of honest income, is called none.
const NOTABLE: f64 = 0.005;

/// One scenario with all of its seeds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// For `--only`.
    pub name: String,
    /// For the table.
    pub title: String,
    /// Whether attackers gain.
    pub verdict: Verdict,
    /// One for each seed.
    pub trials: Vec<Trial>,
}

/// What all seeds say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The middle of the seeds is a gain, and no seed has a loss.
    Gains,
    /// The middle of the seeds is a loss, and no seed has a gain.
    Loses,
    /// Neither.
    Unclear,
}

impl Row {
    /// Of trials that were played.
    #[must_use]
    pub fn new(scenario: &Scenario, trials: Vec<Trial>) -> Self {
        let gains = Spread::of(trials.iter().map(|trial| trial.gain));
        let verdict = if gains.least > 0.0 && gains.middle >= NOTABLE {
            Verdict::Gains
        } else if gains.most < 0.0 && gains.middle <= -NOTABLE {
            Verdict::Loses
        } else {
            Verdict::Unclear
        };
        Row {
            name: scenario.name.clone(),
            title: scenario.title.clone(),
            verdict,
            trials,
        }
    }

    fn cells(&self) -> [String; 6] {
        let spread = |of: fn(&Trial) -> f64| Spread::of(self.trials.iter().map(of));
        let gain = spread(|trial| trial.gain);
        let (changed, rounds) = self.trials.iter().fold((0, 0), |(changed, rounds), trial| {
            (changed + trial.rounds_changed, rounds + trial.rounds)
        });
        let verdict = match self.verdict {
            Verdict::Gains => "**gains**",
            Verdict::Loses => "loses",
            Verdict::Unclear => "no clear gain",
        };
        [
            self.title.clone(),
            format!(
                "{} ({} to {})",
                percent(gain.middle),
                percent(gain.least),
                percent(gain.most)
            ),
            percent(spread(|trial| trial.others_gain).middle),
            format!(
                "{changed} of {rounds} ({:.1} %)",
                f64::from(changed) / f64::from(rounds.max(1)) * 100.0
            ),
            self.ranks(),
            verdict.into(),
        ]
    }

    /// Mean rank of the attackers' best model, honest and attacking.
    fn ranks(&self) -> String {
        let mean = |of: fn(&Trial) -> Option<f64>| {
            let ranks: Vec<f64> = self.trials.iter().filter_map(of).collect();
            let count = u32::try_from(ranks.len()).unwrap_or(u32::MAX);
            (count > 0).then(|| ranks.iter().sum::<f64>() / f64::from(count))
        };
        let text = |rank: Option<f64>| rank.map_or("none".into(), |rank| format!("{rank:.2}"));
        match (
            mean(|trial| trial.honest_rank),
            mean(|trial| trial.attack_rank),
        ) {
            (None, None) => "–".into(),
            (honest, attack) => format!("{} → {}", text(honest), text(attack)),
        }
    }
}

fn percent(part: f64) -> String {
    // Not -0.0.
    format!("{:+.1} %", part * 100.0 + 0.0).replace("-0.0 %", "+0.0 %")
}

struct Spread {
    least: f64,
    middle: f64,
    most: f64,
}

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        let at = |i: usize| values.get(i).copied().unwrap_or(f64::NAN);
        let half = values.len() / 2;
        let middle = if values.len() % 2 == 1 {
            at(half)
        } else {
            f64::midpoint(at(half.saturating_sub(1)), at(half))
        };
        Spread {
            least: at(0),
            middle,
            most: at(values.len().saturating_sub(1)),
        }
    }
}

/// All rows as a Markdown table.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header([
        "attack",
        "gain: middle (range of seeds)",
        "all others",
        "rounds with another order",
        "their model's rank",
        "verdict",
    ]);
    for row in rows {
        table.add_row(row.cells());
    }
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Puts a table between the marks of a Markdown file, in place of what stands there.
pub fn write_markdown(path: &Path, table: &str) -> Result<()> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("{name}: can't be read"))?;
    let text = between_marks(&text, table).with_context(|| format!("{name} is left as it is"))?;
    std::fs::write(path, text).with_context(|| format!("{name}: can't be written"))
}

fn between_marks(text: &str, table: &str) -> Result<String> {
    let begin = text.find(BEGIN).map(|at| at + BEGIN.len());
    let begin = begin.with_context(|| format!("there is no line {BEGIN}"))?;
    let end = text.find(END);
    let end = end.with_context(|| format!("there is no line {END}"))?;
    ensure!(begin <= end, "{END} stands before {BEGIN}");
    Ok(format!("{}\n{table}\n{}", &text[..begin], &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_should_replace_only_what_stands_between_the_marks() {
        let text = format!("before\n{BEGIN}\nold\n{END}\nafter\n");
        let new = between_marks(&text, "new").expect("has marks");
        assert_eq!(new, format!("before\n{BEGIN}\nnew\n{END}\nafter\n"));
        assert!(between_marks("no marks", "new").is_err());
        assert!(between_marks(&format!("{END}{BEGIN}"), "new").is_err());
    }

    #[test]
    fn percent_should_have_a_sign_and_no_negative_zero() {
        assert_eq!(percent(0.1234), "+12.3 %");
        assert_eq!(percent(-0.5), "-50.0 %");
        assert_eq!(percent(-0.0001), "+0.0 %");
    }
}
