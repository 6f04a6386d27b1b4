//! What the tests share: one small digits or language task with three validators.
#![allow(dead_code, reason = "each test uses a part of it")]

use arena_e2e::{
    bins::{self, Programs},
    cluster::Cluster,
    demo::{
        journey::Journey,
        people::{self, Addresses},
        plan::{Delegation, Model, Plan, Trainer, VALIDATORS},
    },
    process::Process,
    progress::Progress,
    spec::{Kind, Preset, Spec},
    train,
};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// A chain with one approved task, everybody staked.
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) plan: Plan,
    pub(crate) task: u32,
    pub(crate) addresses: Addresses,
    pub(crate) progress: Progress,
    // Removed after the processes have ended.
    pub(crate) dir: TempDir,
}

pub(crate) fn programs() -> Programs {
    Programs::find(None).unwrap()
}

pub(crate) fn data() -> PathBuf {
    bins::data_dir()
}

/// One submission round of these models, one trainer each.
pub(crate) fn plan(kind: Kind, samples: u32, models: [&'static str; 2]) -> Plan {
    let trainers = ["//Trainer1", "//Trainer2"].into_iter().zip(models);
    Plan {
        spec: Spec {
            name: "Test".into(),
            kind,
            preset: Preset::Ours,
            rounds: 1,
            samples,
            sealed: false,
            fields: Vec::new(),
        },
        creator: "//Alice",
        trainers: trainers
            .map(|(suri, model)| Trainer {
                suri,
                stake: 20,
                models: vec![(1, Model::Trained(model))],
                by_node: false,
            })
            .collect(),
        validators: VALIDATORS.to_vec(),
        delegations: vec![
            Delegation {
                suri: "//Delegator1",
                operator: "//Trainer1",
                stake: 10,
            },
            Delegation {
                suri: "//Delegator2",
                operator: "//Validator1",
                stake: 10,
            },
        ],
    }
}

impl Stage {
    /// Trains, starts the chain, and gets the task approved and staked for.
    pub(crate) fn set(plan: Plan) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let programs = programs();
        train::train_all(&programs, &data(), dir.path(), &plan.configs()).unwrap();
        let cluster = Cluster::start(&programs, dir.path(), VALIDATORS.len()).unwrap();
        let plans = [plan];
        let addresses = people::addresses(&cluster.arena, &plans).unwrap();
        people::fund(&cluster.arena, &plans, &addresses).unwrap();
        people::set_service_keys(&cluster, &plans).unwrap();
        let tasks = people::propose_and_vote(&cluster, &data(), &plans, 50).unwrap();
        people::stake(&cluster.arena, &plans, &tasks, &addresses).unwrap();
        let [plan] = plans;
        let task = tasks[0];
        Self {
            cluster,
            plan,
            task,
            addresses,
            progress: Progress::start(),
            dir,
        }
    }

    pub(crate) fn journey(&self) -> Journey<'_> {
        Journey::new(&self.plan, self.task, &self.cluster, &self.progress).unwrap()
    }

    /// Starts what opens the task's shards, and puts them into a directory.
    pub(crate) fn open_shards(&self, served: &Path) -> Process {
        let spec = people::spec_path(&self.cluster, 0);
        let seal = Spec::sealed_dir(&spec).join("seal.json");
        let args = [
            "dataset".into(),
            "open".into(),
            "--task".into(),
            self.task.to_string(),
            "--seal".into(),
            seal.display().to_string(),
            "--publish".into(),
            served.display().to_string(),
            "--uri".into(),
            format!("file://{}", served.display()),
            "--service-suri".into(),
            people::service_key(self.plan.creator),
        ];
        self.cluster.arena.background(args.to_vec()).unwrap()
    }

    /// The report on the task from finalized state.
    pub(crate) fn report(&self) -> serde_json::Value {
        let path = self.dir.path().join("report.json");
        let command = format!("report --task {} --out {}", self.task, path.display());
        self.cluster.arena.run(command).unwrap();
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }
}
