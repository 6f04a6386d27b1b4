//! Who takes part in the trials, as what.

use crate::{
    demo::plan::{Plan, Trainer, Validator},
    spec::{Kind, Preset, Spec},
};
use serde_json::{Value, json};

/// Trains as registered.
pub const HONEST: &str = "//Trainer1";
/// Writes the honest model otherwise.
pub const COPIER: &str = "//Trainer2";
/// Adds noise of a tenth to the honest model.
pub const BLURRER: &str = "//Trainer3";
/// Registers a training and has no log of it.
pub const SILENT: &str = "//Trainer4";
/// Ends its log with another model.
pub const SPLICER: &str = "//Trainer5";
/// Marks its model.
pub const MARKER: &str = "//Trainer6";
/// Adds noise as large as itself to the marked model.
pub const THIEF: &str = "//Trainer7";
/// Copies the honest model, and belongs to who accuses it.
pub const SELF_ACCUSED: &str = "//Trainer8";
/// Trains as registered, and is accused by who bought the jury.
pub const INNOCENT: &str = "//Trainer9";
/// Trains as registered and opens its log, of whose checkpoints its mirror has none.
pub const MUTE: &str = "//Trainer12";
/// Trains an adapter.
pub const ADAPTER: &str = "//Trainer10";
/// Has the same adapter by other factors.
pub const GAUGER: &str = "//Trainer11";

/// Accuses the honest training.
pub const ACCUSER: &str = "//Validator1";
/// Accuses the other trainings.
pub const SECOND_ACCUSER: &str = "//Validator2";
/// Accuses its own copy. It has no service key, so that it sits on no jury: what it owns changes
/// by its case alone.
pub const SELF_ACCUSER: &str = "//Owner";
/// Accuses the innocent, and pays jurors.
pub const BRIBER: &str = "//Validator3";
/// Accuses the training whose mirror is mute.
pub const THIRD_ACCUSER: &str = "//Validator4";
/// Reveals scores that it made up.
pub const LIAR: &str = "//Validator5";
/// Has a service key that no node has.
pub const NO_SHOW: &str = "//Juror7";
/// Authors the blocks, and sits on juries.
pub const AUTHOR: &str = "//Alice";

/// Validators of both tasks.
pub const VALIDATORS: [&str; 5] = [ACCUSER, SECOND_ACCUSER, BRIBER, THIRD_ACCUSER, LIAR];
/// Validators of the network alone: jurors, where a task has few validators of its own.
pub const JURORS: [&str; 7] = [
    "//Juror1", "//Juror2", "//Juror3", "//Juror4", "//Juror5", "//Juror6", NO_SHOW,
];
/// Tokens that each juror of the network stakes there.
pub const JUROR_STAKE: u32 = 100;
/// Tokens of the one that doesn't show up: enough to be drawn in all but one run of a hundred.
pub const NO_SHOW_STAKE: u32 = 200;

/// Length of a round: 42 blocks of the development chain, the most that fits its unbonding period.
const ROUND_MINUTES: u32 = 1_500;
/// Length of the challenge phase: 320 blocks, of which a case with an appeal takes up to 172.
const CHALLENGE_DAYS: u32 = 8;
const TRAINER_STAKE: u32 = 50;
/// Tokens that each validator of a task stakes there.
pub const VALIDATOR_STAKE: u32 = 100;

fn plan(spec: Spec, creator: &'static str, trainers: &[&'static str]) -> Plan {
    let trainers = trainers.iter().map(|suri| Trainer {
        suri,
        stake: TRAINER_STAKE,
        models: Vec::new(),
        by_node: false,
    });
    let validators = VALIDATORS.map(|suri| Validator {
        suri,
        stake: VALIDATOR_STAKE,
    });
    Plan {
        spec,
        creator,
        trainers: trainers.collect(),
        validators: validators.into(),
        delegations: Vec::new(),
    }
}

fn spec(name: &str, kind: Kind, samples: u32, more: Vec<(&'static str, Value)>) -> Spec {
    let mut fields = vec![
        ("/profile", json!("exact-cpu-f32")),
        ("/round_minutes", json!(ROUND_MINUTES)),
        ("/challenge_days", json!(CHALLENGE_DAYS)),
    ];
    fields.extend(more);
    Spec {
        name: name.into(),
        kind,
        preset: Preset::Ours,
        rounds: 2,
        samples,
        sealed: false,
        fields,
    }
}

/// Digits, whose models must have been registered.
pub fn digits() -> Plan {
    let trainers = [
        HONEST,
        COPIER,
        BLURRER,
        SILENT,
        SPLICER,
        MARKER,
        THIEF,
        SELF_ACCUSED,
        INNOCENT,
        MUTE,
    ];
    let more = vec![("/registered", json!(true))];
    plan(
        spec("Registered digits", Kind::Digits, 200, more),
        "//Alice",
        &trainers,
    )
}

/// Adapters on a base with this root, served from these mirrors.
pub fn adapters(root: &str, uris: &[String]) -> Plan {
    let base = json!({"manifest_root": root, "uris": uris});
    let more = vec![("/model/base", base)];
    plan(
        spec("Adapters", Kind::Language, 30, more),
        "//Bob",
        &[ADAPTER, GAUGER],
    )
}
