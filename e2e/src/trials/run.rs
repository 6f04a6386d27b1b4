//! The trials from their first to their last step.

use super::{
    cast::{INNOCENT, NO_SHOW, SELF_ACCUSED, SELF_ACCUSER},
    chronicle::Chronicle,
    court::{Case, Court},
    outcome::{Outcome, absences},
    recipes::{self, Prepared},
    rounds::{self, Rounds},
    rows::{self, Row},
    stage::{Stage, most_nodes},
    trainings::Trainings,
};
use crate::{
    bins::Programs,
    cli::number,
    demo::{plan::Plan, report::tokens},
    poll,
    progress::Progress,
    rpc::Rpc,
};
use anyhow::{Context, Result, anyhow, bail};
use serde_json::json;
use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// A case with a full jury's silence and an appeal takes 172 blocks of half a second.
const CLOSED_WITHIN: Duration = Duration::from_secs(180);
const FINALIZED_WITHIN: Duration = Duration::from_secs(60);
const VERIFIED_WITHIN: Duration = Duration::from_secs(120);
const PERIOD: Duration = Duration::from_secs(2);
/// Nodes for each processor, so that blocks come in time.
const NODES_PER_PROCESSOR: usize = 3;
/// Fewest nodes: author, liar, and four for all other validators.
const FEWEST_NODES: usize = 6;

/// What the trials are told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The programs.
    pub programs: Programs,
    /// The checkout's data.
    pub data: PathBuf,
    /// Where everything is written.
    pub base: PathBuf,
    /// How many nodes.
    pub nodes: usize,
    /// Where the result goes.
    pub json: Option<PathBuf>,
}

/// As many nodes as this machine's processors keep up with.
pub fn default_nodes() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    (processors * NODES_PER_PROCESSOR).clamp(FEWEST_NODES, most_nodes())
}

/// A directory for one run.
pub fn default_base() -> PathBuf {
    let name = format!("arena-trials-{}", std::process::id());
    std::env::temp_dir().join(name)
}

/// A case, with its number if it could be opened.
#[derive(Clone, Debug)]
struct Opened {
    number: Option<u32>,
    case: Case,
}

impl Opened {
    /// What failed is told, and the table shows what came of it.
    fn new(court: &Court<'_>, case: Case, number: Result<u32>) -> Self {
        if let Err(error) = &number {
            court.say(format!("not opened: {}: {error:#}", case.claim));
        }
        Self {
            number: number.ok(),
            case,
        }
    }
}

/// What an owner had before and after it accused itself, in base units.
#[derive(Clone, Copy, Debug)]
struct Owned {
    before: u128,
    after: u128,
}

/// Runs the trials; an error says what didn't hold.
pub fn run(options: &Options) -> Result<()> {
    let progress = Progress::start();
    let done = play(options, &progress);
    progress.finish();
    let (rows, owned) = done?;
    println!("{}", rows::table(&rows));
    println!(
        "who accused itself had {} tokens before and {} after",
        tokens(&owned.before.to_string()),
        tokens(&owned.after.to_string())
    );
    say_nodes(options.nodes);
    if let Some(path) = &options.json {
        write(path, &rows, owned, options.nodes)?;
    }
    let failures = rows.iter().filter(|row| !row.holds).count();
    if failures > 0 {
        bail!("{failures} of {} outcomes are not as expected", rows.len());
    }
    if owned.after >= owned.before {
        bail!("who accused itself lost nothing");
    }
    println!("all outcomes are as expected ({:.0} s)", progress.seconds());
    Ok(())
}

fn say_nodes(nodes: usize) {
    let apart = most_nodes();
    println!("{nodes} nodes, each with an executor of its own");
    if nodes < apart {
        println!("some validators share a node and its executor; with {apart} nodes none would");
    }
}

fn write(path: &Path, rows: &[Row], owned: Owned, nodes: usize) -> Result<()> {
    let result = json!({
        "rows": rows,
        "self_challenge": {
            "before": owned.before.to_string(), "after": owned.after.to_string(),
        },
        "nodes": nodes,
        "nodes_with_each_juror_apart": most_nodes(),
    });
    fs::write(path, serde_json::to_vec_pretty(&result)?)
        .with_context(|| format!("can't write {}", path.display()))
}

fn play(options: &Options, progress: &Progress) -> Result<(Vec<Row>, Owned)> {
    progress.say(format!(
        "starting {} nodes, each with an executor",
        options.nodes
    ));
    let (stage, prepared) = prepare(options)?;
    progress.say("the chain runs; proposing tasks");
    let (plans, tasks) = stage.open_tasks(&options.programs, &options.data, &prepared)?;
    let ([digits_plan, adapters_plan], [digits, adapters]) = (&plans[..], &tasks[..]) else {
        bail!("two tasks were proposed, not {}", tasks.len());
    };
    let rpc = stage.cluster.rpc()?;
    let from = rpc.best_block()?;
    let trainings = Trainings::new(&stage, *digits);
    let court = Court {
        stage: &stage,
        rpc,
        digits: *digits,
        adapters: *adapters,
        trainings: &trainings,
        progress,
        executor: options.programs.executor.clone(),
    };
    progress.say("tasks are approved; trainers register and train");
    trainings.register(digits_plan, &options.data)?;
    trainings.train(&prepared)?;
    progress.say("models are trained; two rounds of submissions");
    let liar = thread::scope(|scope| {
        let text = scope.spawn(|| follow_adapters(&court, adapters_plan, &prepared));
        let liar = follow_digits(&court, digits_plan, &prepared);
        text.join()
            .map_err(|_| anyhow!("the task of adapters panicked"))??;
        liar
    })?;
    let (mut opened, before) = bring(&court)?;
    opened.insert(0, liar);
    let owned = Owned {
        before,
        after: close(&court, from, &opened)?,
    };
    let rows = collect(&court, from, &opened)?;
    verify(&court)?;
    Ok((rows, owned))
}

/// Has all that was paid computed again: rounds in which copies rank below what they copy, and
/// what juries took.
fn verify(court: &Court<'_>) -> Result<()> {
    court.say("computing all payouts again");
    let args = format!("verify --task {} --task {}", court.digits, court.adapters);
    let args = args.split_whitespace().map(Into::into).collect();
    let verified = court.stage.cluster.arena.run_args(args, VERIFIED_WITHIN)?;
    let compared = number(&verified, "compared")?;
    court.say(format!("{compared} values are as they should be"));
    Ok(())
}

/// Trains what needs no chain while the chain starts.
fn prepare(options: &Options) -> Result<(Stage, Prepared)> {
    thread::scope(|scope| {
        let models =
            scope.spawn(|| recipes::prepare(&options.programs, &options.data, &options.base));
        let stage = Stage::set(&options.programs, &options.base, options.nodes);
        let models = models.join().map_err(|_| anyhow!("a training panicked"))?;
        Ok((stage?, models?))
    })
}

fn follow_adapters(court: &Court<'_>, plan: &Plan, prepared: &Prepared) -> Result<()> {
    let mut rounds = Rounds::new(court.stage, plan, court.adapters, court.progress)?;
    let mut earlier = Vec::new();
    for (round, entries) in (1..).zip(rounds::adapters(prepared)) {
        let submitted = rounds.submit(round, &entries)?;
        rounds::published(std::mem::replace(&mut earlier, submitted))?;
    }
    rounds.settled(2)?;
    rounds::published(earlier)?;
    rounds.challenge()
}

/// Follows the task of classifiers to its challenge phase; on the way, who made up its scores in
/// the first round is accused.
fn follow_digits(court: &Court<'_>, plan: &Plan, prepared: &Prepared) -> Result<Opened> {
    let stage = court.stage;
    let mut rounds = Rounds::new(stage, plan, court.digits, court.progress)?;
    let first = rounds.submit(1, &rounds::first(court.trainings, prepared))?;
    let stolen = rounds::second(stage, court.trainings)?;
    let second = rounds.submit(2, &stolen)?;
    rounds::published(first)?;
    rounds.settled(1)?;
    court.say("the first round is settled; who made up scores is accused");
    let liar = court.liar()?;
    let number = court.open_and_answer(&liar);
    let opened = Opened::new(court, liar, number);
    rounds::seat_self_accuser(stage, court.digits)?;
    rounds.settled(2)?;
    rounds::published(second)?;
    rounds.challenge()?;
    Ok(opened)
}

/// Opens all cases of the challenge phase: the one with the bought jury first, while the nodes
/// have nothing else to do. Also what the owner has that accuses itself.
fn bring(court: &Court<'_>) -> Result<(Vec<Opened>, u128)> {
    let bought = court.bought()?;
    let number = court.open_bought(&bought);
    let bought = Opened::new(court, bought, number);
    let before = court.owned(&[SELF_ACCUSED, SELF_ACCUSER])?;
    let lists = court.others()?;
    let opened = thread::scope(|scope| {
        let appeal = scope.spawn(|| bought.number.map(|case| court.appeal(case, INNOCENT)));
        let opened = poll::side_by_side(lists.len(), lists, |cases| {
            let open = |case: Case| {
                let number = court.open_and_answer(&case);
                Opened::new(court, case, number)
            };
            Ok(cases.into_iter().map(open).collect::<Vec<_>>())
        });
        let appeal = appeal.join().map_err(|_| anyhow!("the appeal panicked"))?;
        if let Some(Err(error)) = appeal {
            court.say(format!("no appeal: {error:#}"));
        }
        opened
    })?;
    let mut opened: Vec<Opened> = opened.into_iter().flatten().collect();
    opened.insert(0, bought);
    Ok((opened, before))
}

/// Waits until all cases are closed; what the owner has then that accused itself. Of a case that
/// stays open the table tells.
fn close(court: &Court<'_>, from: u32, opened: &[Opened]) -> Result<u128> {
    let mut chronicle = Chronicle::new(&court.stage.cluster.arena, from);
    let closed = poll::every(PERIOD, "all verdicts", CLOSED_WITHIN, || {
        for event in chronicle.update()? {
            if let ("CaseClosed", Some(case)) = (event.event.as_str(), event.case()) {
                let verdict = event.text("verdict")?.to_lowercase();
                court.say(format!("case {case}: {verdict}"));
            }
        }
        let mut numbers = opened.iter().filter_map(|one| one.number);
        let all = numbers.all(|case| chronicle.of_case(case, "CaseClosed").next().is_some());
        Ok(all.then_some(()))
    });
    if let Err(error) = closed {
        court.say(format!("{error:#}"));
    }
    court.owned(&[SELF_ACCUSED, SELF_ACCUSER])
}

/// The table, of finalized blocks.
fn collect(court: &Court<'_>, from: u32, opened: &[Opened]) -> Result<Vec<Row>> {
    let best = court.rpc.best_block()?;
    poll::until("the verdicts to be finalized", FINALIZED_WITHIN, || {
        let finalized = court.rpc.finalized_block().ok();
        Ok(finalized.filter(|block| *block >= best).map(|_| ()))
    })?;
    let mut chronicle = Chronicle::new(&court.stage.cluster.arena, from);
    chronicle.update()?;
    let mut rows = Vec::new();
    for Opened { number, case } in opened {
        let outcome = number.map(|number| Outcome::of(&chronicle, number));
        let outcome = outcome.transpose()?.unwrap_or_default();
        let seconds = seconds(&court.rpc, &outcome)?;
        let named = (*number, case.kind, case.claim);
        rows.push(Row::of_case(named, case.expected, &outcome, seconds));
    }
    let absences = absences(&chronicle)?;
    let of_no_show = absences
        .iter()
        .filter(|absence| court.stage.name(&absence.juror) == NO_SHOW);
    rows.push(Row::of_juror(&of_no_show.collect::<Vec<_>>()));
    for absence in &absences {
        let juror = court.stage.name(&absence.juror);
        if juror != NO_SHOW {
            court.say(format!(
                "case {}: {juror} said nothing either",
                absence.case
            ));
        }
    }
    Ok(rows)
}

/// From a case's opening to its end, by the slots of the blocks.
fn seconds(rpc: &Rpc, outcome: &Outcome) -> Result<f64> {
    let (Some(opened), Some(closed)) = (outcome.opened, outcome.closed) else {
        return Ok(0.0);
    };
    let slots = rpc.slot(closed)?.saturating_sub(rpc.slot(opened)?);
    Ok((slots * rpc.slot_millis()?) as f64 / 1_000.0)
}
