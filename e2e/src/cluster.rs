//! Nodes with their executors on one machine.

use crate::{
    bins::Programs,
    cli::Arena,
    executor::Executor,
    poll,
    process::{self, Known, Process},
    rpc::Rpc,
};
use anyhow::{Context, Result, bail};
use std::{
    collections::BTreeMap,
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

/// How long a node may take from its start until it answers.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long nodes may take to find each other.
const PEERS_WITHIN: Duration = Duration::from_secs(60);

/// What a node does for the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duty {
    /// Authors blocks and keeps all states.
    Author,
    /// Follows the chain and scores models.
    Follower,
}

/// One node: its process comes and goes, its base path stays.
#[derive(Debug)]
pub struct Node {
    /// For logs.
    pub name: String,
    /// Its `--base-path`.
    pub base: PathBuf,
    rpc_port: u16,
    arguments: Vec<String>,
    program: PathBuf,
    log: PathBuf,
    process: Option<Process>,
    /// What the process left behind when it was killed.
    orphans: Vec<Known>,
}

/// A development chain: one author, and followers that score.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes; the first one authors.
    pub nodes: Vec<Node>,
    /// The command line, speaking to the first node.
    pub arena: Arena,
    /// Directory of everything that the cluster writes.
    pub base: PathBuf,
}

/// An executor that a node doesn't start itself.
#[derive(Clone, Debug)]
pub struct Remote {
    /// Where it listens.
    pub url: String,
    /// File with its bearer token.
    pub token_file: PathBuf,
}

/// A port of this machine that nobody uses now.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

impl Node {
    fn new(
        programs: &Programs,
        base: &Path,
        index: usize,
        boot: Option<&str>,
        remote: Option<&Remote>,
    ) -> Result<Self> {
        let name = node_name(index)?;
        let (rpc_port, port) = (free_port()?, free_port()?);
        let node_base = base.join(&name);
        fs::create_dir_all(&node_base)?;
        let mut arguments: Vec<String> = [
            "--chain=dev",
            "--offchain-worker=always",
            "--no-mdns",
            "--no-prometheus",
            "--no-telemetry",
        ]
        .map(Into::into)
        .into();
        arguments.extend([
            format!("--name={name}"),
            format!("--base-path={}", node_base.display()),
            format!("--rpc-port={rpc_port}"),
            format!("--listen-addr=/ip4/127.0.0.1/tcp/{port}"),
            format!("--node-key={:064x}", index + 1),
        ]);
        arguments.extend(executor_arguments(programs, remote));
        match (duty(index), boot) {
            (Duty::Author, _) => arguments.extend(
                ["--alice", "--force-authoring", "--state-pruning=archive"].map(Into::into),
            ),
            (Duty::Follower, Some(boot)) => arguments.extend([
                format!("--bootnodes={boot}"),
                format!("--reserved-nodes={boot}"),
            ]),
            (Duty::Follower, None) => bail!("a follower needs somebody to follow"),
        }
        arguments.push("--blocks-pruning=archive".into());
        Ok(Self {
            log: base.join("logs").join(format!("{name}.log")),
            program: programs.node.clone(),
            base: node_base,
            name,
            rpc_port,
            arguments,
            process: None,
            orphans: Vec::new(),
        })
    }

    /// Starts the process on the node's base path and waits until it answers.
    pub fn start(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("{} runs already", self.name);
        }
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        let mut process = Process::spawn(&self.name, &mut command, &self.log)?;
        let rpc = self.rpc();
        poll::until(&format!("{} to answer", self.name), READY_WITHIN, || {
            process.expect_alive()?;
            Ok(rpc.best_block().ok())
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// `kill -9` of the node's process alone: what it started is left to itself, as after a
    /// crash, and ended when this is dropped.
    pub fn kill(&mut self) -> Result<()> {
        let mut process = self
            .process
            .take()
            .with_context(|| format!("{} doesn't run", self.name))?;
        self.orphans.extend(process::descendants(process.pid()));
        process.kill()
    }

    /// Ends the node and its executor as an operator would.
    pub fn stop(&mut self) -> Result<()> {
        let process = self.process.take();
        process
            .with_context(|| format!("{} doesn't run", self.name))?
            .stop()
    }

    /// Its process' id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Its RPC.
    pub fn rpc(&self) -> Rpc {
        Rpc::new(self.rpc_port)
    }

    /// Where `arena` reaches it.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.rpc_port)
    }

    /// The executor's interface.
    pub fn executor(&self) -> Executor {
        Executor::of_node(&self.base)
    }

    /// The process of its executor, while both run.
    pub fn executor_process(&self) -> Option<Known> {
        let children = process::children(self.pid()?);
        children
            .into_iter()
            .find(|child| child.name.starts_with("arena-executor"))
    }

    /// Waits until its executor takes jobs.
    pub fn wait_for_executor(&self, within: Duration) -> Result<()> {
        let executor = self.executor();
        poll::until(&format!("the executor of {}", self.name), within, || {
            Ok(executor.is_ready().then_some(()))
        })
        .with_context(|| process::tail(&self.log))
    }

    /// Fails if its process ended.
    pub fn expect_alive(&mut self) -> Result<()> {
        self.process.as_mut().map_or(Ok(()), Process::expect_alive)
    }

    fn address(&self) -> Result<String> {
        let peer: String = self
            .rpc()
            .call("system_localPeerId", serde_json::json!([]))?;
        let listen = self
            .arguments
            .iter()
            .find_map(|arg| arg.strip_prefix("--listen-addr="));
        Ok(format!(
            "{}/p2p/{peer}",
            listen.context("a node without address")?
        ))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        for orphan in self.orphans.iter().filter(|orphan| orphan.is_alive()) {
            if let Err(error) = process::signal(orphan.pid, "KILL") {
                eprintln!(
                    "{} (process {}) may still run: {error:#}",
                    orphan.name, orphan.pid
                );
            }
        }
    }
}

/// Nodes that are started at a time: each compiles the runtime first.
fn starts() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn executor_arguments(programs: &Programs, remote: Option<&Remote>) -> [String; 2] {
    match remote {
        Some(Remote { url, token_file }) => [
            format!("--executor-url={url}"),
            format!("--executor-token-file={}", token_file.display()),
        ],
        None => [
            format!("--executor={}", programs.executor.display()),
            "--executor-args=--allow-file".into(),
        ],
    }
}

/// Name of the node of this number, and of its directory.
pub fn node_name(index: usize) -> Result<String> {
    let letter = u8::try_from(index)
        .ok()
        .and_then(|index| b'a'.checked_add(index))
        .filter(u8::is_ascii_lowercase);
    let letter = letter.with_context(|| format!("no letter for node {index}"))?;
    Ok(format!("node-{}", char::from(letter)))
}

fn duty(index: usize) -> Duty {
    if index == 0 {
        Duty::Author
    } else {
        Duty::Follower
    }
}

impl Cluster {
    /// Starts `count` nodes below `base`, and waits until they see each other, author, and
    /// their executors take jobs.
    pub fn start(programs: &Programs, base: &Path, count: usize) -> Result<Self> {
        Self::start_with(programs, base, count, &BTreeMap::new())
    }

    /// As [`Cluster::start`], but nodes of these numbers have executors of others.
    pub fn start_with(
        programs: &Programs,
        base: &Path,
        count: usize,
        remotes: &BTreeMap<usize, Remote>,
    ) -> Result<Self> {
        let logs = base.join("logs");
        fs::create_dir_all(&logs)
            .with_context(|| format!("can't create directories in {}", base.display()))?;
        let mut author = Node::new(programs, base, 0, None, remotes.get(&0))?;
        author.start()?;
        let boot = author.address()?;
        let arena = Arena::new(&programs.cli, &author.url(), &logs);
        let followers = poll::side_by_side(starts(), (1..count).collect(), |index| {
            let mut node = Node::new(programs, base, index, Some(&boot), remotes.get(&index))?;
            node.start()?;
            Ok(node)
        })?;
        // Neither side waits long for the other when one of them is started again.
        for follower in &followers {
            author
                .arguments
                .push(format!("--reserved-nodes={}", follower.address()?));
        }
        let mut nodes = vec![author];
        nodes.extend(followers);
        let cluster = Self {
            nodes,
            arena,
            base: base.into(),
        };
        cluster.settle_down()?;
        Ok(cluster)
    }

    /// Waits until every node has peers, blocks and an executor.
    pub fn settle_down(&self) -> Result<()> {
        for node in &self.nodes {
            let rpc = node.rpc();
            poll::until(&format!("peers of {}", node.name), PEERS_WITHIN, || {
                let peers = rpc.peers().unwrap_or_default();
                Ok((peers > 0 || self.nodes.len() < 2).then_some(()))
            })?;
            rpc.wait_for_block(1, PEERS_WITHIN)?;
            node.wait_for_executor(PEERS_WITHIN)?;
        }
        Ok(())
    }

    /// RPC of the author.
    pub fn rpc(&self) -> Result<Rpc> {
        Ok(self.first()?.rpc())
    }

    /// The author.
    pub fn first(&self) -> Result<&Node> {
        self.nodes.first().context("a cluster without nodes")
    }

    /// The node of this number; the first one authors.
    pub fn node(&mut self, index: usize) -> Result<&mut Node> {
        self.nodes
            .get_mut(index)
            .with_context(|| format!("no node {index}"))
    }

    /// Fails if a node's process ended.
    pub fn expect_alive(&mut self) -> Result<()> {
        self.nodes.iter_mut().try_for_each(Node::expect_alive)
    }

    /// Lets the nodes run on when this is dropped; their ids.
    pub fn keep(&mut self) -> Vec<u32> {
        let processes = self
            .nodes
            .iter_mut()
            .filter_map(|node| node.process.as_mut());
        processes
            .map(|process| {
                process.keep();
                process.pid()
            })
            .collect()
    }
}
