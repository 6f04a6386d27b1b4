//! `arena`: what creators, trainers, validators, delegators and voters type.
//!
//! `args` is the command line, `chain` the connection with its generated code, `tx` signing and
//! sending; each command lives in the module that bears its subject's name.

mod amount;
mod args;
mod blocks;
mod chain;
mod challenge;
mod check;
mod events;
mod fail;
mod follow;
mod forecast;
mod govern;
mod history;
mod keys;
mod ledger;
mod likeness;
mod mark;
mod names;
mod open;
mod out;
mod payouts;
mod report;
mod runs;
mod scores;
mod seal;
mod spec;
mod split;
mod stake;
mod state;
mod status;
mod submit;
mod tasks;
mod template;
mod told;
mod train;
mod tx;
mod verify;
mod views;
mod watermark;

use anyhow::Result;
use args::{
    Cli, Command, DatasetCommand, DelegateArgs, GoalArgs, KeyCommand, ServiceKeyCommand, Signing,
    SpecCommand, SubmitArgs, TaskCommand,
};
use chain::Chain;
use clap::Parser;
use fail::BadInput;
use out::Out;
use std::process::ExitCode;
use subxt_signer::sr25519::Keypair;
use tracing_subscriber::EnvFilter;
use tx::Sender;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let out = Out { json: cli.json };
    match run(cli, out).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out.note(format!("error: {error:#}"));
            let input = error.chain().any(|cause| cause.is::<BadInput>());
            ExitCode::from(if input { 2 } else { 1 })
        }
    }
}

/// Commands that need no chain; the others go on to [`online`].
async fn run(cli: Cli, out: Out) -> Result<()> {
    match cli.command {
        Command::Key(KeyCommand::Generate) => keys::generate(out),
        Command::Key(KeyCommand::Inspect { suri }) => keys::inspect(out, &suri),
        Command::Spec(SpecCommand::Template { preset, kind }) => template::print(preset, kind),
        Command::Spec(SpecCommand::Check { file }) => template::check(out, &file),
        Command::Train(args) => train::train(out, args),
        Command::Dataset(DatasetCommand::Hash { file }) => train::hash(out, &file),
        Command::Dataset(DatasetCommand::Seal(args)) => seal::seal(out, args),
        Command::Watermark(command) => watermark::run(out, command),
        Command::Check(args) => check::check(out, &cli.url, args).await,
        Command::Dataset(DatasetCommand::Open(args)) => {
            let chain = Chain::connect(&cli.url).await?;
            let key = keys::keypair(&args.service.service_suri)?;
            let plan = open::Plan {
                task: args.task,
                seal: args.seal,
                publish: args.publish,
                bases: args.uri,
                once: args.once,
            };
            open::open(out, &cli.url, chain, key, plan).await
        }
        command => {
            let chain = Chain::connect(&cli.url).await?;
            match command {
                Command::Submit(args) => submit(out, &cli.url, &chain, args).await,
                Command::Challenge(command) => challenge::run(out, &cli.url, &chain, command).await,
                Command::Run(command) => runs::run(out, &chain, command).await,
                Command::Mark(command) => mark::run(out, &chain, command).await,
                command => online(out, &chain, command).await,
            }
        }
    }
}

fn sender<'a>(chain: &'a Chain, signing: &Signing) -> Result<Sender<'a>> {
    Ok(signed_by(
        chain,
        keys::keypair(&signing.suri)?,
        signing.finalized,
    ))
}

fn signed_by(chain: &Chain, signer: Keypair, finalized: bool) -> Sender<'_> {
    Sender {
        chain,
        signer,
        finalized,
    }
}

async fn submit(out: Out, url: &str, chain: &Chain, args: SubmitArgs) -> Result<()> {
    let operator = sender(chain, &args.signing)?;
    let key = keys::keypair(&args.service.service_suri)?;
    let service = signed_by(chain, key, args.signing.finalized);
    let plan = submit::Plan {
        task: args.task,
        model: args.model,
        uris: args.uri,
        state: args.state,
        watch: args.watch,
        node: args.node,
    };
    submit::submit(out, url, &operator, &service, plan).await
}

/// Commands that read the chain; those that sign go on to [`signed`].
async fn online(out: Out, chain: &Chain, command: Command) -> Result<()> {
    match command {
        Command::ServiceKey(ServiceKeyCommand::Show { operator }) => {
            keys::show(out, chain, operator).await
        }
        Command::Proposals => govern::proposals(out, chain).await,
        Command::Referenda => govern::referenda(out, chain).await,
        Command::Vote(args) => govern::vote(out, chain, args).await,
        Command::Referendum(command) => govern::referendum(out, chain, command).await,
        Command::Parameters => govern::parameters::show(out, chain).await,
        Command::Task(TaskCommand::List) => tasks::list(out, chain).await,
        Command::Task(TaskCommand::Show { id }) => tasks::show(out, chain, id).await,
        Command::Status {
            task,
            goal,
            timeout,
        } => status::status(out, chain, task, goal_of(&goal), timeout).await,
        Command::Leaderboard { task, round } => tasks::leaderboard(out, chain, task, round).await,
        Command::Position { venue, operator } => {
            stake::show_position(out, chain, venue.venue, operator).await
        }
        Command::Balance { address } => stake::balance(out, chain, address).await,
        Command::Report { task, out: file } => {
            report::report(out, chain, &task, file.as_deref()).await
        }
        Command::Verify { task } => verify::verify(out, chain, &task).await,
        Command::RoundSeed { task, round } => scores::round_seed(out, chain, task, round).await,
        Command::CountScores { task } => scores::count(out, chain, task).await,
        Command::Events { pallet, from, to } => {
            events::show(out, chain, pallet.as_deref(), from, to).await
        }
        command => signed(out, chain, command).await,
    }
}

fn goal_of(goal: &GoalArgs) -> status::Goal {
    match (goal.wait_for, goal.wait_settled, goal.wait_open) {
        (Some(phase), ..) => status::Goal::Phase(phase),
        (_, Some(round), _) => status::Goal::Settled(round),
        (.., Some(round)) => status::Goal::Open(round),
        (None, None, None) => status::Goal::Now,
    }
}

/// Commands that send a transaction.
async fn signed(out: Out, chain: &Chain, command: Command) -> Result<()> {
    match command {
        Command::ServiceKey(ServiceKeyCommand::Set {
            signing,
            key_suri,
            insert,
        }) => keys::set(out, &sender(chain, &signing)?, &key_suri, &insert).await,
        Command::Propose {
            spec,
            no_referendum,
            max_share,
            signing,
        } => {
            let share = (!no_referendum).then_some(max_share);
            govern::propose(out, &sender(chain, &signing)?, &spec, share).await
        }
        Command::Publish {
            state,
            service,
            finalized,
        } => {
            let key = keys::keypair(&service.service_suri)?;
            submit::publish(out, &signed_by(chain, key, finalized), &state).await
        }
        Command::Claim {
            venue,
            operator,
            signing,
        } => stake::claim(out, &sender(chain, &signing)?, venue.venue, operator).await,
        Command::ClaimAll { signing } => stake::claim_all(out, &sender(chain, &signing)?).await,
        command => staking(out, chain, command).await,
    }
}

/// Commands that move stake and tokens.
async fn staking(out: Out, chain: &Chain, command: Command) -> Result<()> {
    match command {
        Command::Stake {
            venue,
            role,
            amount,
            signing,
        } => stake::stake(out, &sender(chain, &signing)?, venue.venue, role, amount).await,
        Command::Unstake {
            venue,
            amount,
            signing,
        } => stake::unstake(out, &sender(chain, &signing)?, venue.venue, amount).await,
        Command::TakeSeat { venue, signing } => {
            stake::take_seat(out, &sender(chain, &signing)?, venue.venue).await
        }
        Command::Withdraw { signing } => stake::withdraw(out, &sender(chain, &signing)?).await,
        Command::SetCommission {
            venue,
            commission,
            signing,
        } => stake::set_commission(out, &sender(chain, &signing)?, venue.venue, commission).await,
        command => delegating(out, chain, command).await,
    }
}

/// Commands that move delegated stake and tokens.
async fn delegating(out: Out, chain: &Chain, command: Command) -> Result<()> {
    match command {
        Command::Delegate(DelegateArgs {
            venue,
            operator,
            amount,
            signing,
        }) => {
            stake::delegate(
                out,
                &sender(chain, &signing)?,
                venue.venue,
                &operator,
                amount,
            )
            .await
        }
        Command::Undelegate(DelegateArgs {
            venue,
            operator,
            amount,
            signing,
        }) => {
            stake::undelegate(
                out,
                &sender(chain, &signing)?,
                venue.venue,
                &operator,
                amount,
            )
            .await
        }
        Command::WithdrawDelegation { signing } => {
            stake::withdraw_delegation(out, &sender(chain, &signing)?).await
        }
        Command::Transfer {
            to,
            amount,
            signing,
        } => stake::transfer(out, &sender(chain, &signing)?, &to, amount).await,
        // Never printed: it holds the secret.
        _ => Err(anyhow::anyhow!(
            "this command does nothing; please report it"
        )),
    }
}
