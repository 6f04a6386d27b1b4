//! What came of it.

use crate::{
    cast::{TRAINING_SUBMISSIONS, VALIDATION_SUBMISSIONS},
    ledger::Ledger,
    play::Play,
};
use anyhow::{Result, ensure};
use arena_primitives::UNIT;
use arena_runtime::Balances;
use comfy_table::{Cell, CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use sp_io::TestExternalities;

/// One task, from the states in which it was.
#[derive(Debug, Serialize)]
pub(crate) struct Task {
    pub(crate) name: String,
    pub(crate) trainers: usize,
    pub(crate) validators: usize,
    pub(crate) delegators: usize,
    pub(crate) rounds: u32,
    pub(crate) unpaid: u32,
    pub(crate) committee: u16,
    pub(crate) submissions: u64,
    pub(crate) scores: u64,
    /// Drawn from emission, in base units.
    pub(crate) drawn: String,
}

/// Everything.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    /// From the first block to the last.
    pub(crate) wall_seconds: f64,
    pub(crate) extrinsics_per_second: f64,
    pub(crate) extrinsics: u64,
    pub(crate) submissions: u64,
    pub(crate) reveals: u64,
    pub(crate) scores: u64,
    pub(crate) issued: String,
    /// Rows of the state at the end, and their bytes, keys included.
    pub(crate) state_rows: u64,
    pub(crate) state_bytes: u64,
    pub(crate) ledger: Ledger,
    pub(crate) tasks: Vec<Task>,
}

pub(crate) fn make(
    state: &mut TestExternalities,
    plays: &[Play],
    ledger: Ledger,
    wall: f64,
) -> Result<Report> {
    let tasks: Vec<Task> = plays.iter().map(task).collect();
    let submissions = tasks.iter().map(|task| task.submissions).sum();
    let wanted: usize = plays
        .iter()
        .flat_map(|play| &play.part.submitting)
        .map(Vec::len)
        .sum();
    ensure!(
        submissions == wanted as u64,
        "{submissions} submissions were seen, {wanted} were planned"
    );
    let (state_rows, state_bytes) = state.execute_with(size);
    Ok(Report {
        wall_seconds: wall,
        extrinsics_per_second: ledger.extrinsics() as f64 / wall,
        extrinsics: ledger.extrinsics(),
        submissions,
        reveals: plays.iter().map(|play| play.seen.reveals).sum(),
        scores: tasks.iter().map(|task| task.scores).sum(),
        issued: state.execute_with(Balances::total_issuance).to_string(),
        state_rows,
        state_bytes,
        ledger,
        tasks,
    })
}

fn task(play: &Play) -> Task {
    let (part, seen) = (&play.part, &play.seen);
    Task {
        name: part.row.name.clone(),
        trainers: part.trainers.len(),
        validators: part.validators.len(),
        delegators: part.backings.len(),
        rounds: seen.rounds,
        unpaid: seen.unpaid,
        committee: part.committee,
        submissions: seen.submissions,
        scores: seen.scores,
        drawn: seen.drawn.to_string(),
    }
}

/// Rows of the state and their bytes.
fn size() -> (u64, u64) {
    let (mut rows, mut bytes) = (0, 0);
    let mut key = Vec::new();
    while let Some(next) = sp_io::storage::next_key(&key) {
        rows += 1;
        let value = sp_io::storage::get(&next).map_or(0, |value| value.len());
        bytes += (next.len() + value) as u64;
        key = next;
    }
    (rows, bytes)
}

fn number(value: impl ToString) -> Cell {
    Cell::new(value).set_alignment(CellAlignment::Right)
}

fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(UTF8_FULL_CONDENSED)
        .set_header(columns.to_vec());
    table
}

impl Report {
    pub(crate) fn print(&self) {
        println!("{}", self.of_tasks());
        println!("{}", self.of_calls());
        println!("{}", self.of_time());
        let ledger = &self.ledger;
        println!(
            "{} submissions of models (the paper: {TRAINING_SUBMISSIONS}), {} scores in {} reveals \
             (the paper: {VALIDATION_SUBMISSIONS})",
            self.submissions, self.scores, self.reveals
        );
        println!(
            "{} blocks in {:.1} minutes, {} extrinsics, {:.0} a second, at most {} in a block; {} \
             times one found its block full, and waited {} blocks at most",
            ledger.blocks,
            self.wall_seconds / 60.0,
            self.extrinsics,
            self.extrinsics_per_second,
            ledger.most_in_block,
            ledger.deferred,
            ledger.longest_wait
        );
        println!(
            "{} blocks executed again, all to the same root; the longest block took {:.0} ms",
            ledger.blocks_again,
            ledger.longest_block * 1e3
        );
        println!(
            "state: {} rows, {:.1} MB; fees: {:.2} tokens",
            self.state_rows,
            self.state_bytes as f64 / 1e6,
            ledger.fees as f64 / UNIT as f64
        );
    }

    fn of_tasks(&self) -> Table {
        let mut rows = table(&[
            "task",
            "trainers",
            "validators",
            "delegators",
            "rounds",
            "unpaid",
            "k",
            "submissions",
            "scores",
        ]);
        for task in &self.tasks {
            rows.add_row(vec![
                Cell::new(&task.name),
                number(task.trainers),
                number(task.validators),
                number(task.delegators),
                number(task.rounds),
                number(task.unpaid),
                number(task.committee),
                number(task.submissions),
                number(task.scores),
            ]);
        }
        rows
    }

    fn of_calls(&self) -> Table {
        let mut rows = table(&["call", "count", "seconds", "µs each"]);
        for (name, calls) in &self.ledger.calls {
            rows.add_row(vec![
                Cell::new(name),
                number(calls.count),
                number(format!("{:.1}", calls.seconds)),
                number(format!(
                    "{:.0}",
                    calls.seconds * 1e6 / calls.count.max(1) as f64
                )),
            ]);
        }
        rows
    }

    fn of_time(&self) -> Table {
        let spent = &self.ledger.spent;
        let mut rows = table(&["where the time went", "seconds", "%"]);
        for (what, seconds) in [
            ("extrinsics", spent.extrinsics),
            ("hooks", spent.hooks),
            ("storage roots", spent.roots),
            ("writing the state", spent.writing),
            ("deciding and signing", spent.making),
            ("reading events", spent.events),
            ("blocks executed again", spent.again),
        ] {
            rows.add_row(vec![
                Cell::new(what),
                number(format!("{seconds:.1}")),
                number(format!("{:.0}", 100.0 * seconds / self.wall_seconds)),
            ]);
        }
        rows
    }
}
