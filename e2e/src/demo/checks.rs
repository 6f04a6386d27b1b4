//! What has to hold at the end of the demo.

use super::{
    people::{Addresses, address},
    plan::{Model, Plan},
    report::{Conservation, Report, Task, amount},
};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;

/// Everything that doesn't hold, one line each.
pub fn failures(
    report: &Report,
    plans: &[Plan],
    ids: &[u32],
    addresses: &Addresses,
) -> Vec<String> {
    let mut found = Vec::new();
    let mut note = |what: &str, result: Result<()>| {
        if let Err(error) = result {
            found.push(format!("{what}: {error:#}"));
        }
    };
    for (plan, id) in plans.iter().zip(ids) {
        let name = &plan.spec.name;
        let Some(task) = report.tasks.iter().find(|task| task.id == *id) else {
            note(name, Err(anyhow::anyhow!("not in the report")));
            continue;
        };
        note(name, closed(task));
        note(name, rounds(task, plan));
        note(name, distinct_scores(task));
        note(name, better_model(task, plan, addresses));
        note(name, broken_models(task, plan, addresses));
        note(name, rewards(task, plan, addresses));
        note(name, validators(task, plan));
        note(name, delegators(task, plan));
    }
    note("conservation", conservation(&report.conservation));
    note(
        "authors",
        positive(&report.conservation.authors, "no reward"),
    );
    found
}

fn closed(task: &Task) -> Result<()> {
    ensure!(
        task.state.eq_ignore_ascii_case("closed"),
        "its state is {}",
        task.state
    );
    Ok(())
}

fn positive(reward: &str, otherwise: &str) -> Result<()> {
    ensure!(amount(reward)? > 0, "{otherwise}");
    Ok(())
}

fn rounds(task: &Task, plan: &Plan) -> Result<()> {
    let last = plan.spec.rounds + 1;
    for round in 1..=last {
        let count = task
            .models
            .iter()
            .filter(|model| model.round == round)
            .count();
        let wanted = plan.trainers.len();
        ensure!(
            count == wanted,
            "round {round} has {count} models instead of {wanted}"
        );
    }
    if let Some(skipped) = task.models.iter().find(|model| model.status == "Skipped") {
        bail!(
            "the model of {} in round {} was skipped: {:?}",
            skipped.trainer,
            skipped.round,
            skipped.reason
        );
    }
    Ok(())
}

fn distinct_scores(task: &Task) -> Result<()> {
    let scores: BTreeSet<_> = task.models.iter().filter_map(|model| model.score).collect();
    ensure!(
        scores.iter().filter(|score| **score > 0).count() >= 2,
        "all models score the same"
    );
    Ok(())
}

/// A model that replaced another one has to be the better one.
fn better_model(task: &Task, plan: &Plan, addresses: &Addresses) -> Result<()> {
    for trainer in plan
        .trainers
        .iter()
        .filter(|trainer| trainer.models.len() > 1)
    {
        let who = address(addresses, trainer.suri)?;
        let score = |round| {
            let model = task
                .models
                .iter()
                .find(|m| m.trainer == who && m.round == round);
            model
                .and_then(|model| model.score)
                .with_context(|| format!("{} has no score in round {round}", trainer.suri))
        };
        for rounds in trainer.models.windows(2) {
            if let [(first, _), (second, _)] = rounds {
                let (before, after) = (score(*first)?, score(*second)?);
                ensure!(
                    after > before,
                    "{}'s model of round {second} scores {after}, that of round {first} {before}",
                    trainer.suri
                );
            }
        }
    }
    Ok(())
}

fn broken_models(task: &Task, plan: &Plan, addresses: &Addresses) -> Result<()> {
    for trainer in &plan.trainers {
        let who = address(addresses, trainer.suri)?;
        let broken = trainer
            .models
            .iter()
            .any(|(_, model)| matches!(model, Model::Broken(_)));
        for model in task.models.iter().filter(|model| model.trainer == who) {
            let (suri, round) = (trainer.suri, model.round);
            let is_invalid = model.status == "Invalid";
            ensure!(
                is_invalid == broken,
                "{suri} in round {round} is {}",
                model.status
            );
            ensure!(
                !broken || model.reason.is_some(),
                "{suri} is invalid for no reason"
            );
            ensure!(
                !broken || amount(&model.reward)? == 0,
                "{suri}'s broken model was paid"
            );
        }
    }
    Ok(())
}

/// Every trainer with a sound model earned something over all rounds.
fn rewards(task: &Task, plan: &Plan, addresses: &Addresses) -> Result<()> {
    for trainer in &plan.trainers {
        if trainer
            .models
            .iter()
            .any(|(_, model)| matches!(model, Model::Broken(_)))
        {
            continue;
        }
        let who = address(addresses, trainer.suri)?;
        let models = task.models.iter().filter(|model| model.trainer == who);
        let rewards = models
            .map(|model| amount(&model.reward))
            .collect::<Result<Vec<_>>>()?;
        ensure!(
            rewards.iter().any(|reward| *reward > 0),
            "{} has no reward",
            trainer.suri
        );
    }
    Ok(())
}

fn validators(task: &Task, plan: &Plan) -> Result<()> {
    let (found, wanted) = (task.validators.len(), plan.validators.len());
    ensure!(found == wanted, "{found} validators instead of {wanted}");
    task.validators.iter().try_for_each(|validator| {
        ensure!(
            validator.distance.is_some(),
            "{} has no distance",
            validator.account
        );
        positive(
            &validator.reward,
            &format!("{} has no reward", validator.account),
        )
    })
}

fn delegators(task: &Task, plan: &Plan) -> Result<()> {
    let (found, wanted) = (task.delegators.len(), plan.delegations.len());
    ensure!(found == wanted, "{found} delegators instead of {wanted}");
    task.delegators.iter().try_for_each(|delegator| {
        positive(
            &delegator.reward,
            &format!("{} has no reward", delegator.account),
        )
    })
}

fn conservation(sums: &Conservation) -> Result<()> {
    let minted = amount(&sums.minted)?;
    let parts = [&sums.rewards, &sums.authors, &sums.treasury, &sums.dust];
    let sum = parts.into_iter().try_fold(0, |sum: u128, part| {
        anyhow::Ok(sum.checked_add(amount(part)?).context("too much")?)
    })?;
    ensure!(
        minted == sum,
        "{minted} minted, but {sum} to rewards, authors, treasury and dust"
    );
    let signed = |text: &str| anyhow::Ok(i128::try_from(amount(text)?)?);
    let grown = signed(&sums.issuance_after)? - signed(&sums.issuance_before)?;
    let net = signed(&sums.minted)? - signed(&sums.burned)?;
    ensure!(
        grown == net,
        "issuance grew by {grown}, minted less burned is {net}"
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sums() -> Conservation {
        let text = |n: u32| n.to_string();
        Conservation {
            minted: text(10),
            rewards: text(5),
            authors: text(2),
            treasury: text(2),
            dust: text(1),
            burned: text(4),
            issuance_before: text(100),
            issuance_after: text(106),
        }
    }

    #[test]
    fn conservation_should_be_exact() {
        assert!(conservation(&sums()).is_ok());
        assert!(
            conservation(&Conservation {
                dust: "2".into(),
                ..sums()
            })
            .is_err()
        );
        assert!(
            conservation(&Conservation {
                issuance_after: "107".into(),
                ..sums()
            })
            .is_err()
        );
        assert!(
            conservation(&Conservation {
                minted: "-10".into(),
                ..sums()
            })
            .is_err()
        );
    }
}
