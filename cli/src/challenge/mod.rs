//! Cases: how they are opened, answered, judged and shown.

pub(crate) mod args;
mod ballot;
mod bond;
mod claim;
mod evidence;
mod losses;
mod open;
mod refuse;
mod respond;
mod rows;
mod seen;
mod show;
mod vote;

pub(crate) use rows::case_of_training;

use crate::{
    amount::Amount,
    chain::{Chain, api},
    keys, mark,
    out::Out,
    sender, signed_by,
    tx::{self, Receipt, Sender},
};
use anyhow::Result;
use arena_primitives::CaseId;
use args::{ChallengeCommand, OpeningArgs, RespondArgs, VoteArgs};
use claim::Accusation;
use serde::Serialize;

/// Does what the subcommand says; a node that goes away is asked again at `url`.
pub(crate) async fn run(
    out: Out,
    url: &str,
    chain: &Chain,
    command: ChallengeCommand,
) -> Result<()> {
    use ChallengeCommand as C;
    match command {
        C::List { task } => show::list(out, chain, task).await,
        C::Show { case } => show::show(out, chain, case).await,
        C::Join(args) => join(out, &sender(chain, &args.signing)?, args.case).await,
        C::Appeal(args) => appeal(out, &sender(chain, &args.signing)?, args.case).await,
        C::Poke(args) => {
            let call = api::transactions().arena_challenges().poke(args.case);
            let sender = sender(chain, &args.signing)?;
            sender.send_and_show(out, &call).await
        }
        C::Respond(args) => respond(out, chain, args).await,
        C::Vote(args) => vote(out, url, chain, args).await,
        command => open(out, url, chain, command).await,
    }
}

/// Commands that open a case.
async fn open(out: Out, url: &str, chain: &Chain, command: ChallengeCommand) -> Result<()> {
    use ChallengeCommand as C;
    let (accused, accusation, opening) = match command {
        C::Duplicate(args) => {
            let accusation = Accusation::Duplicate {
                model: args.model,
                earlier: args.earlier,
            };
            (args.trainer, accusation, args.opening)
        }
        C::Watermark(args) => {
            let accusation = Accusation::Watermark {
                model: args.model,
                salt: mark::secret(&args.salt_file)?.salt,
            };
            (args.trainer, accusation, args.opening)
        }
        C::Learning(args) => (args.trainer, Accusation::ProofOfLearning, args.opening),
        C::Score(args) => {
            let accusation = Accusation::Score {
                round: args.round,
                model: args.model,
            };
            (args.validator, accusation, args.opening)
        }
        // Never printed: it may hold a secret.
        _ => anyhow::bail!("this command does nothing; please report it"),
    };
    let OpeningArgs {
        task,
        keep,
        signing,
    } = opening;
    let plan = open::Plan {
        task,
        accused,
        accusation,
        keep,
    };
    open::open(out, url, &sender(chain, &signing)?, plan).await
}

/// What joining or appealing holds.
#[derive(Serialize)]
struct Held {
    case: CaseId,
    bond: Amount,
    #[serde(flatten)]
    receipt: Receipt,
}

impl Held {
    fn human(&self) -> String {
        let sent = tx::human(&self.receipt);
        format!("{sent}\ncase {}: {} are held", self.case, self.bond)
    }
}

async fn join(out: Out, sender: &Sender<'_>, case: CaseId) -> Result<()> {
    let call = api::transactions().arena_challenges().join(case);
    let included = sender.send(&call).await?;
    let event = included
        .events
        .find_first::<api::arena_challenges::events::CaseJoined>();
    let view = Held {
        case,
        bond: Amount(event.transpose()?.map_or(0, |event| event.bond)),
        receipt: included.receipt,
    };
    out.show(&view, Held::human)
}

async fn appeal(out: Out, sender: &Sender<'_>, case: CaseId) -> Result<()> {
    let call = api::transactions().arena_challenges().appeal(case);
    let included = sender.send(&call).await?;
    let event = included
        .events
        .find_first::<api::arena_challenges::events::Appealed>();
    let view = Held {
        case,
        bond: Amount(event.transpose()?.map_or(0, |event| event.bond)),
        receipt: included.receipt,
    };
    out.show(&view, Held::human)
}

async fn respond(out: Out, chain: &Chain, args: RespondArgs) -> Result<()> {
    let answer = match (args.log, args.losses) {
        (Some(log), _) => respond::Answer::Log(log, args.uri),
        (None, Some(losses)) => respond::Answer::Losses(losses),
        (None, None) => anyhow::bail!("name --log or --losses"),
    };
    let sender = sender(chain, &args.signing)?;
    respond::respond(out, &sender, args.case, answer).await
}

async fn vote(out: Out, url: &str, chain: &Chain, args: VoteArgs) -> Result<()> {
    let key = keys::keypair(&args.service.service_suri)?;
    let service = signed_by(chain, key, args.finalized);
    let plan = vote::Plan {
        case: args.case,
        vote: args.vote,
        keep: args.keep,
        watch: args.watch,
    };
    vote::vote(out, url, &service, plan).await
}
