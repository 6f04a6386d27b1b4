//! Accounts, their money and their stakes.

use super::plan::{Plan, VALIDATORS, VOTE, VOTERS};
use crate::{
    cli::{Action, Arena, number},
    cluster::Cluster,
    poll,
};
use anyhow::{Context, Result};
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// Accounts that hold the supply of a development chain.
const RICH: [&str; 12] = [
    "//Alice",
    "//Bob",
    "//Charlie",
    "//Dave",
    "//Eve",
    "//Ferdie",
    "//Alice//stash",
    "//Bob//stash",
    "//Charlie//stash",
    "//Dave//stash",
    "//Eve//stash",
    "//Ferdie//stash",
];
/// Tokens that each account gets.
const POCKET: u32 = 1_000;
const APPROVED_WITHIN: Duration = Duration::from_secs(120);

/// Addresses by secret URI.
pub type Addresses = BTreeMap<String, String>;

/// The addresses of everybody in these plans, and of the author.
pub fn addresses(arena: &Arena, plans: &[Plan]) -> Result<Addresses> {
    let mut suris: BTreeSet<&str> = everybody(plans);
    suris.insert("//Alice");
    addresses_of(arena, suris)
}

/// The addresses of these secret URIs.
pub fn addresses_of(arena: &Arena, suris: BTreeSet<&str>) -> Result<Addresses> {
    let found = poll::side_by_side(4, suris.into_iter().collect(), |suri| {
        Ok((suri.to_owned(), arena.address(suri)?))
    })?;
    Ok(found.into_iter().collect())
}

/// The address of a secret URI.
pub fn address<'a>(addresses: &'a Addresses, suri: &str) -> Result<&'a str> {
    addresses
        .get(suri)
        .map(String::as_str)
        .with_context(|| format!("no address of {suri}"))
}

/// Operators and delegators of these plans.
pub fn everybody(plans: &[Plan]) -> BTreeSet<&'static str> {
    plans
        .iter()
        .flat_map(|plan| {
            let delegators = plan.delegations.iter().map(|delegation| delegation.suri);
            plan.operators().into_iter().chain(delegators)
        })
        .collect()
}

/// Gives everybody some tokens, from several rich accounts at once.
pub fn fund(arena: &Arena, plans: &[Plan], addresses: &Addresses) -> Result<()> {
    fund_all(arena, everybody(plans), addresses)
}

/// As [`fund`], for these secret URIs.
pub fn fund_all(arena: &Arena, suris: BTreeSet<&str>, addresses: &Addresses) -> Result<()> {
    let transfers = suris.into_iter().zip(RICH.iter().cycle());
    let transfers = transfers.map(|(suri, rich)| {
        let to = address(addresses, suri)?;
        Ok(Action::new(
            rich,
            format!("transfer --to {to} --amount {POCKET}"),
        ))
    });
    arena.batch(transfers.collect::<Result<_>>()?)?;
    Ok(())
}

/// The secret URI of an operator's service key.
pub fn service_key(suri: &str) -> String {
    format!("{suri}//service")
}

/// Registers the service key of every operator, and of creators of sealed data; a validator's goes into a node of its own, and
/// that of a trainer whose node publishes into the first.
pub fn set_service_keys(cluster: &Cluster, plans: &[Plan]) -> Result<()> {
    let sealed = plans.iter().filter(|plan| plan.spec.sealed);
    let creators = sealed.map(|plan| plan.creator);
    let who: BTreeSet<_> = plans
        .iter()
        .flat_map(Plan::operators)
        .chain(creators)
        .collect();
    let actions = who.into_iter().map(|suri| {
        let mut args = format!("service-key set --key-suri {}", service_key(suri));
        let validator = VALIDATORS.iter().position(|other| other.suri == suri);
        let mut trainers = plans.iter().flat_map(|plan| &plan.trainers);
        let by_node = trainers.any(|trainer| trainer.suri == suri && trainer.by_node);
        if let Some(index) = validator.or(by_node.then_some(0)) {
            let node = cluster.nodes.get(index % cluster.nodes.len().max(1));
            args += &format!(" --insert {}", node.context("no node for a key")?.url());
        }
        Ok(Action::new(suri, args))
    });
    cluster.arena.batch(actions.collect::<Result<_>>()?)?;
    Ok(())
}

/// Where the spec of the plan with this number is written.
pub fn spec_path(cluster: &Cluster, index: usize) -> std::path::PathBuf {
    cluster.base.join(format!("spec-{index}.json"))
}

/// Proposes the task of each plan and votes for it; the tasks' numbers once they are approved.
pub fn propose_and_vote(
    cluster: &Cluster,
    data: &std::path::Path,
    plans: &[Plan],
    max_share: u32,
) -> Result<Vec<u32>> {
    let mut proposals = Vec::new();
    for (index, plan) in plans.iter().enumerate() {
        let path = spec_path(cluster, index);
        plan.spec.write(&cluster.arena, data, &path)?;
        let args = format!("propose --max-share {max_share} --spec {}", path.display());
        proposals.push(Action::new(plan.creator, args));
    }
    let mut votes = Vec::new();
    for proposed in cluster.arena.batch(proposals)? {
        let referendum = number(&proposed, "referendum")?;
        votes.extend(VOTERS.map(|voter| {
            let args = format!("vote --referendum {referendum} --amount {VOTE} --conviction 1");
            Action::new(voter, args)
        }));
    }
    cluster.arena.batch(votes)?;
    plans
        .iter()
        .map(|plan| wait_for_task(cluster, &plan.spec.name))
        .collect()
}

fn wait_for_task(cluster: &Cluster, name: &str) -> Result<u32> {
    let rpc = cluster.rpc()?;
    poll::until(
        &format!("the approval of {name:?}"),
        APPROVED_WITHIN,
        || {
            let tasks = rpc.tasks().unwrap_or_default();
            Ok(tasks
                .into_iter()
                .find(|task| task.name == name)
                .map(|task| task.id))
        },
    )
}

/// Stakes and delegations of all plans.
pub fn stake(arena: &Arena, plans: &[Plan], tasks: &[u32], addresses: &Addresses) -> Result<()> {
    let (mut stakes, mut delegations) = (Vec::new(), Vec::new());
    for (plan, task) in plans.iter().zip(tasks) {
        let mut stake = |suri: &str, role: &str, amount: u32| {
            let args = format!("stake --venue task:{task} --role {role} --amount {amount}");
            stakes.push(Action::new(suri, args));
        };
        for trainer in &plan.trainers {
            stake(trainer.suri, "trainer", trainer.stake);
        }
        for validator in &plan.validators {
            stake(validator.suri, "validator", validator.stake);
        }
        for delegation in &plan.delegations {
            let operator = address(addresses, delegation.operator)?;
            let amount = delegation.stake;
            let args =
                format!("delegate --venue task:{task} --operator {operator} --amount {amount}");
            delegations.push(Action::new(delegation.suri, args));
        }
    }
    arena.batch(stakes)?;
    arena.batch(delegations)?;
    Ok(())
}

/// One account's claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// Secret URI.
    pub suri: String,
    /// `network` or `task:N`.
    pub venue: String,
    /// The operator that the account delegated to.
    pub operator: Option<String>,
}

/// Everybody's claims, and the author's.
pub fn claims(plans: &[Plan], tasks: &[u32], addresses: &Addresses) -> Result<Vec<Claim>> {
    let claim = |suri: &str, venue: &str, operator: Option<&str>| Claim {
        suri: suri.into(),
        venue: venue.into(),
        operator: operator.map(Into::into),
    };
    let mut claims = vec![claim("//Alice", "network", None)];
    for (plan, task) in plans.iter().zip(tasks) {
        let venue = format!("task:{task}");
        claims.extend(
            plan.operators()
                .into_iter()
                .map(|suri| claim(suri, &venue, None)),
        );
        for delegation in &plan.delegations {
            let operator = address(addresses, delegation.operator)?;
            claims.push(claim(delegation.suri, &venue, Some(operator)));
        }
    }
    Ok(claims)
}

impl Claim {
    /// What is owed, in base units.
    pub fn owed(&self, rpc: &crate::rpc::Rpc, addresses: &Addresses) -> Result<u128> {
        let venue = match self.venue.strip_prefix("task:") {
            Some(task) => json!({"task": task.parse::<u32>()?}),
            None => json!("network"),
        };
        let who = address(addresses, &self.suri)?;
        match &self.operator {
            Some(operator) => rpc.owed_to_delegator(&venue, operator, who),
            None => rpc.owed_to_operator(&venue, who),
        }
    }

    /// The command that claims it.
    pub fn action(&self) -> Action {
        let operator = self
            .operator
            .as_ref()
            .map(|operator| format!(" --operator {operator}"));
        let args = format!(
            "claim --venue {}{}",
            self.venue,
            operator.unwrap_or_default()
        );
        Action::new(&self.suri, args)
    }
}
