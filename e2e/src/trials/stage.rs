//! The chain of the trials: its nodes, accounts and tasks.

use super::{
    cast::{
        self, AUTHOR, JUROR_STAKE, JURORS, LIAR, NO_SHOW, NO_SHOW_STAKE, SELF_ACCUSER, VALIDATORS,
    },
    liar::Liar,
    recipes::Prepared,
};
use crate::{
    bins::Programs,
    cli::{Action, text},
    cluster::{Cluster, Node},
    demo::{
        people::{self, Addresses, address, service_key},
        plan::{MAX_SHARE, Plan},
    },
    poll,
    process::Process,
};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    time::Duration,
};

/// Number of the liar's node; followers come after it.
const LIAR_NODE: usize = 1;
/// Nodes that are there whatever is asked for: the author's and the liar's.
const FIXED: usize = 2;
const MANIFEST_WITHIN: Duration = Duration::from_secs(30);

/// A running chain.
#[derive(Debug)]
pub struct Stage {
    /// Its nodes.
    pub cluster: Cluster,
    /// Everybody's addresses by secret URI.
    pub addresses: Addresses,
    /// Secret URIs by account, in hex digits as events have them.
    pub names: BTreeMap<String, String>,
    /// By secret URI, on which node an operator's service key is.
    pub seats: BTreeMap<&'static str, usize>,
    _liar: Liar,
}

/// Who needs a node, but for author and liar.
fn shared() -> Vec<&'static str> {
    let all = VALIDATORS.into_iter().chain(JURORS);
    all.filter(|suri| *suri != LIAR && *suri != NO_SHOW)
        .collect()
}

/// Nodes with which no two validators share one: the most that are of use.
pub fn most_nodes() -> usize {
    FIXED + shared().len()
}

/// Which key is on which of `nodes` nodes. The keys that share nodes are spread evenly.
fn seats(nodes: usize) -> BTreeMap<&'static str, usize> {
    let followers = nodes.saturating_sub(FIXED).max(1);
    let spread = shared().into_iter().zip((0..followers).cycle());
    let spread = spread.map(|(suri, follower)| (suri, FIXED + follower));
    spread.chain([(AUTHOR, 0), (LIAR, LIAR_NODE)]).collect()
}

fn everybody() -> BTreeSet<&'static str> {
    let plans = [cast::digits(), cast::adapters("", &[])];
    let mut all = people::everybody(&plans);
    all.extend(JURORS);
    all.insert(SELF_ACCUSER);
    all
}

impl Stage {
    /// Starts `nodes` nodes, funds everybody and registers service keys; the validators of the
    /// network stake.
    pub fn set(programs: &Programs, base: &Path, nodes: usize) -> Result<Self> {
        fs::create_dir_all(base.join("logs"))
            .with_context(|| format!("can't create directories in {}", base.display()))?;
        let liar = Liar::start(programs, base, LIAR_NODE)?;
        let remotes = BTreeMap::from([(LIAR_NODE, liar.remote.clone())]);
        let cluster = Cluster::start_with(programs, base, nodes, &remotes)?;
        let mut suris = everybody();
        suris.insert(AUTHOR);
        let addresses = people::addresses_of(&cluster.arena, suris.clone())?;
        people::fund_all(&cluster.arena, everybody(), &addresses)?;
        let stage = Self {
            addresses,
            names: names(&cluster, suris)?,
            seats: seats(nodes),
            cluster,
            _liar: liar,
        };
        stage.register_keys()?;
        let stakes = JURORS.iter().map(|suri| {
            let amount = if *suri == NO_SHOW {
                NO_SHOW_STAKE
            } else {
                JUROR_STAKE
            };
            let args = format!("stake --venue network --role validator --amount {amount}");
            Action::new(suri, args)
        });
        stage.cluster.arena.batch(stakes.collect())?;
        Ok(stage)
    }

    /// Registers everybody's service key; those of validators go into their nodes, but for the
    /// one of who doesn't show up.
    fn register_keys(&self) -> Result<()> {
        let operators = self.addresses.keys().filter(|suri| *suri != SELF_ACCUSER);
        let actions = operators.map(|suri| {
            let mut args = format!("service-key set --key-suri {}", service_key(suri));
            if let Some(seat) = self.seats.get(suri.as_str()) {
                args += &format!(" --insert {}", self.node(*seat)?.url());
            }
            Ok(Action::new(suri, args))
        });
        let actions = actions.collect::<Result<_>>()?;
        self.cluster.arena.batch(actions)?;
        Ok(())
    }

    fn node(&self, index: usize) -> Result<&Node> {
        let node = self.cluster.nodes.get(index);
        node.with_context(|| format!("no node {index}"))
    }

    /// Gets both tasks approved, and everybody stakes. The plans and the tasks' numbers.
    pub fn open_tasks(
        &self,
        programs: &Programs,
        data: &Path,
        prepared: &Prepared,
    ) -> Result<(Vec<Plan>, Vec<u32>)> {
        let root = manifest_root(programs, &self.cluster.base, &prepared.base)?;
        let uri = format!("file://{}", prepared.base.display());
        let plans = vec![cast::digits(), cast::adapters(&root, &[uri])];
        let tasks = people::propose_and_vote(&self.cluster, data, &plans, MAX_SHARE)?;
        people::stake(&self.cluster.arena, &plans, &tasks, &self.addresses)?;
        Ok((plans, tasks))
    }

    /// An account's address.
    pub fn address(&self, suri: &str) -> Result<&str> {
        address(&self.addresses, suri)
    }

    /// Who an account of an event is, or the account.
    pub fn name(&self, account: &str) -> String {
        let known = self.names.get(account);
        known.cloned().unwrap_or_else(|| account.into())
    }

    /// Processes of all nodes but the author's.
    pub fn followers(&self) -> Vec<u32> {
        let followers = self.cluster.nodes.iter().skip(1);
        followers.filter_map(Node::pid).collect()
    }
}

fn names(cluster: &Cluster, suris: BTreeSet<&str>) -> Result<BTreeMap<String, String>> {
    let found = poll::side_by_side(4, suris.into_iter().collect(), |suri| {
        let key = cluster.arena.run(format!("key inspect --suri {suri}"))?;
        Ok((text(&key, "publicHex")?, suri.to_owned()))
    })?;
    Ok(found.into_iter().collect())
}

/// Writes the manifest of a model's directory; its root.
fn manifest_root(programs: &Programs, base: &Path, model: &Path) -> Result<String> {
    let logs = base.join("logs");
    let (log, out) = (logs.join("manifest.log"), logs.join("manifest.json"));
    let mut command = Command::new(&programs.executor);
    command
        .arg("manifest")
        .arg(model)
        .args(["--write", "--json"]);
    Process::spawn_with_output("arena-executor manifest", &mut command, &log, &out)?
        .succeed(MANIFEST_WITHIN)?;
    let found: Value = serde_json::from_slice(&fs::read(&out)?)?;
    text(&found, "root")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seats_should_leave_author_and_liar_alone_and_the_absent_without_a_node() {
        for nodes in [3, 7, most_nodes()] {
            let seats = seats(nodes);
            assert_eq!((seats[AUTHOR], seats[LIAR]), (0, LIAR_NODE));
            assert!(!seats.contains_key(NO_SHOW));
            assert!(seats.values().all(|seat| *seat < nodes));
            let alone = seats.values().filter(|seat| **seat <= LIAR_NODE);
            assert_eq!(alone.count(), 2);
            assert_eq!(seats.len(), 2 + shared().len());
        }
        let apart: BTreeSet<usize> = seats(most_nodes()).into_values().collect();
        assert_eq!(apart.len(), most_nodes());
    }
}
