//! Who takes part in the demo's tasks, with what.

use crate::spec::{Kind, Preset, Spec};

/// A trainer and its models.
#[derive(Clone, Debug)]
pub struct Trainer {
    /// Secret URI.
    pub suri: &'static str,
    /// Own stake in tokens.
    pub stake: u32,
    /// Which model it submits in which round.
    pub models: Vec<(u32, Model)>,
    /// Its node publishes them, not the command line.
    pub by_node: bool,
}

/// Where a model comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Trained by this config of `data`.
    Trained(&'static str),
    /// A copy of the model that was trained by this config, with a weight that is no number.
    Broken(&'static str),
}

/// A validator; one node has its service key.
#[derive(Clone, Copy, Debug)]
pub struct Validator {
    /// Secret URI.
    pub suri: &'static str,
    /// Own stake in tokens.
    pub stake: u32,
}

/// Somebody's stake behind an operator.
#[derive(Clone, Copy, Debug)]
pub struct Delegation {
    /// Secret URI.
    pub suri: &'static str,
    /// Secret URI of the operator.
    pub operator: &'static str,
    /// Stake in tokens.
    pub stake: u32,
}

/// One task.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Its spec.
    pub spec: Spec,
    /// Secret URI of who proposes it.
    pub creator: &'static str,
    /// Who submits models.
    pub trainers: Vec<Trainer>,
    /// Who scores them.
    pub validators: Vec<Validator>,
    /// Who delegates.
    pub delegations: Vec<Delegation>,
}

/// Validators of both tasks; the first one's key is in the first node, and so on.
pub const VALIDATORS: [Validator; 3] = [
    Validator {
        suri: "//Validator1",
        stake: 120,
    },
    Validator {
        suri: "//Validator2",
        stake: 100,
    },
    Validator {
        suri: "//Validator3",
        stake: 80,
    },
];

/// Who votes, and with how many tokens.
pub const VOTERS: [&str; 4] = ["//Charlie", "//Dave", "//Eve", "//Ferdie"];
/// Tokens of each vote.
pub const VOTE: u32 = 4_000_000;
/// Share of the emission that each approval allows, in percent.
pub const MAX_SHARE: u32 = 50;

fn trainer(suri: &'static str, stake: u32, models: &[(u32, Model)]) -> Trainer {
    Trainer {
        suri,
        stake,
        models: models.to_vec(),
        by_node: false,
    }
}

fn delegation(suri: &'static str, operator: &'static str, stake: u32) -> Delegation {
    Delegation {
        suri,
        operator,
        stake,
    }
}

/// Digits, with our preset: five trainers, one of whom submits a broken model, and another
/// one a better model in round 2.
pub fn digits() -> Plan {
    use Model::{Broken, Trained};
    Plan {
        spec: Spec {
            name: "Digits".into(),
            kind: Kind::Digits,
            preset: Preset::Ours,
            rounds: 3,
            samples: 200,
            sealed: false,
            fields: Vec::new(),
        },
        creator: "//Alice",
        trainers: vec![
            trainer("//Trainer1", 50, &[(1, Trained("digits/cnn"))]),
            trainer("//Trainer2", 40, &[(1, Trained("digits/mlp"))]),
            trainer(
                "//Trainer3",
                30,
                &[
                    (1, Trained("digits/mlp-short")),
                    (2, Trained("digits/mlp-wide")),
                ],
            ),
            trainer("//Trainer4", 20, &[(1, Trained("digits/linear-few"))]),
            trainer("//Trainer5", 10, &[(1, Broken("digits/mlp"))]),
        ],
        validators: VALIDATORS.to_vec(),
        delegations: vec![
            delegation("//Delegator1", "//Trainer1", 60),
            delegation("//Delegator2", "//Trainer2", 50),
            delegation("//Delegator3", "//Trainer3", 40),
            delegation("//Delegator4", "//Validator1", 70),
            delegation("//Delegator5", "//Validator2", 30),
        ],
    }
}

/// Language models, with the paper's preset; one trainer has a better one in round 2.
pub fn language() -> Plan {
    use Model::Trained;
    Plan {
        spec: Spec {
            name: "King James English".into(),
            kind: Kind::Language,
            preset: Preset::Paper,
            rounds: 3,
            samples: 30,
            sealed: false,
            fields: Vec::new(),
        },
        creator: "//Bob",
        trainers: vec![
            trainer("//Trainer6", 50, &[(1, Trained("text/middle"))]),
            trainer(
                "//Trainer7",
                50,
                &[(1, Trained("text/narrow")), (2, Trained("text/wide"))],
            ),
        ],
        validators: VALIDATORS.to_vec(),
        delegations: vec![
            delegation("//Delegator6", "//Trainer6", 20),
            delegation("//Delegator7", "//Validator3", 60),
        ],
    }
}

impl Plan {
    /// Configs of all models that are trained.
    pub fn configs(&self) -> Vec<&'static str> {
        let models = self.trainers.iter().flat_map(|trainer| &trainer.models);
        let mut configs: Vec<_> = models
            .map(|(_, model)| match model {
                Model::Trained(config) | Model::Broken(config) => *config,
            })
            .collect();
        configs.sort_unstable();
        configs.dedup();
        configs
    }

    /// Secret URIs of the operators.
    pub fn operators(&self) -> Vec<&'static str> {
        let trainers = self.trainers.iter().map(|trainer| trainer.suri);
        trainers
            .chain(self.validators.iter().map(|validator| validator.suri))
            .collect()
    }
}
