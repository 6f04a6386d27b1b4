//! Task specs as JSON: what people write, and what the chain votes on.

use crate::{amount::Nano, seal::Seal};
use anyhow::{Context, Result, bail, ensure};
use arena_primitives::{
    Aggregation, Architecture, BaseModel, DataSource, MAX_ARCHITECTURES, Metric, ModelBounds,
    NumericProfile, PERBILL, PublicData, RankRule, RewardParams, SealedData, TaskSpec, Uris,
    WeightCap,
};
use serde::{Deserialize, Serialize};
use sp_runtime::{BoundedVec, Perbill};
use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

/// A task spec; `schema/task-spec.schema.json` describes each field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SpecJson {
    /// For people.
    pub(crate) name: String,
    /// SPDX expression.
    pub(crate) licence: String,
    /// What is measured.
    pub(crate) metric: Metric,
    /// In the metric's unit: the value that maps to score 0.
    pub(crate) worst: Nano,
    /// How it is computed.
    pub(crate) profile: NumericProfile,
    /// On what.
    pub(crate) data: DataJson,
    /// Of which models.
    pub(crate) model: ModelJson,
    /// Submission rounds.
    pub(crate) rounds: u32,
    /// Length of a round.
    pub(crate) round_minutes: u32,
    /// Length of final validation.
    pub(crate) final_days: u32,
    /// Length of the challenge phase.
    pub(crate) challenge_days: u32,
    /// How rewards are shared.
    pub(crate) rewards: RewardsJson,
    /// Models must score more than this to earn.
    pub(crate) baseline: Nano,
}

/// Evaluation data: public, by content or as a file that is here; or sealed, by its root or as a
/// seal file that is here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum DataJson {
    /// By content.
    Known(KnownData),
    /// A file, whose hash and size are computed.
    File(FileData),
    /// By the root over its shards.
    Sealed(SealedJson),
    /// The file that `arena dataset seal` wrote.
    Seal(SealPath),
}

/// Sealed data by its root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealedJson {
    /// Root over the shards, 64 hex digits.
    pub(crate) root: String,
    /// Most bytes of a shard.
    pub(crate) max_bytes: u64,
    /// Samples of its shard per round; 0 takes all.
    pub(crate) samples: u32,
}

/// Sealed data as a seal file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealPath {
    /// Path, relative to the spec's directory.
    pub(crate) seal: PathBuf,
    /// Samples of its shard per round; 0 takes all.
    pub(crate) samples: u32,
}

/// Data by content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KnownData {
    /// BLAKE3 of the file, 64 hex digits.
    pub(crate) blake3: String,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// Mirrors.
    pub(crate) uris: Vec<String>,
    /// Samples per round; 0 takes all.
    pub(crate) samples: u32,
}

/// Data as a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileData {
    /// Path, relative to the spec's directory.
    pub(crate) file: PathBuf,
    /// Mirrors.
    pub(crate) uris: Vec<String>,
    /// Samples per round; 0 takes all.
    pub(crate) samples: u32,
}

/// What a task allows of a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ModelJson {
    /// Families.
    pub(crate) architectures: Vec<Architecture>,
    /// Most parameters.
    pub(crate) max_parameters: u64,
    /// Most bytes of all files.
    pub(crate) max_bytes: u64,
    /// Longest evaluation in seconds of computing.
    pub(crate) max_seconds: u32,
    /// Longest sample in tokens; 0 where no family reads text.
    pub(crate) context: u32,
    /// BLAKE3 of the only tokenizer allowed, 64 hex digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tokenizer: Option<String>,
    /// What LoRA adapters may be submitted on; absent takes whole models only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) base: Option<BaseJson>,
}

/// The model that a task's adapters are applied to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BaseJson {
    /// Root of its manifest, 64 hex digits.
    pub(crate) manifest_root: String,
    /// Mirrors.
    pub(crate) uris: Vec<String>,
}

/// How rewards are shared (protocol section 6).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RewardsJson {
    /// `γ`, a fraction.
    pub(crate) gamma: Nano,
    /// `q`, a fraction.
    pub(crate) q: Nano,
    /// How ranks become shares.
    pub(crate) rank: RankRule,
    /// `λ` in thousandths.
    pub(crate) lambda_milli: u32,
    /// Distance that costs nothing, a fraction.
    pub(crate) band: Nano,
    /// `α_v` in thousandths.
    pub(crate) alpha_v_milli: u32,
    /// How scores become one.
    pub(crate) aggregation: Aggregation,
    /// Cap of one validator's weight.
    pub(crate) cap: WeightCap,
    /// `k`; 0 is everybody.
    pub(crate) committee: u16,
    /// Fewest scores of a submission.
    pub(crate) min_scorers: u16,
    /// Fewest models above the baseline.
    pub(crate) min_trainers: u16,
    /// Most times own stake that a position counts; 0 is no limit.
    pub(crate) max_leverage: u32,
}

impl SpecJson {
    /// Reads and checks a file; its name is part of every refusal.
    pub(crate) fn read(path: &Path) -> Result<TaskSpec> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("can't read the spec {}", path.display()))?;
        let json: SpecJson = serde_json::from_str(&text).with_context(|| {
            format!(
                "{} is no task spec; start from `arena spec template`",
                path.display()
            )
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let spec = json
            .into_spec(folder)
            .with_context(|| format!("in {}", path.display()))?;
        check(&spec).with_context(|| format!("in {}", path.display()))?;
        Ok(spec)
    }

    /// The spec that the chain votes on; files are looked for in `folder`.
    pub(crate) fn into_spec(self, folder: &Path) -> Result<TaskSpec> {
        Ok(TaskSpec {
            name: text("name", &self.name)?,
            licence: text("licence", &self.licence)?,
            metric: self.metric,
            worst: self.worst.0,
            profile: self.profile,
            data: self.data.into_source(folder, self.rounds)?,
            model: self.model.into_bounds()?,
            rounds: self.rounds,
            round_minutes: self.round_minutes,
            final_days: self.final_days,
            challenge_days: self.challenge_days,
            rewards: self.rewards.into_params()?,
            baseline: fraction("baseline", self.baseline)?,
        })
    }

    /// The JSON form of a spec.
    pub(crate) fn from_spec(spec: &TaskSpec) -> Self {
        let rewards = &spec.rewards;
        let nano = |part: Perbill| Nano(part.deconstruct().into());
        SpecJson {
            name: String::from_utf8_lossy(&spec.name).into_owned(),
            licence: String::from_utf8_lossy(&spec.licence).into_owned(),
            metric: spec.metric,
            worst: Nano(spec.worst),
            profile: spec.profile,
            data: DataJson::from_source(&spec.data),
            model: ModelJson::from_bounds(&spec.model),
            rounds: spec.rounds,
            round_minutes: spec.round_minutes,
            final_days: spec.final_days,
            challenge_days: spec.challenge_days,
            rewards: RewardsJson {
                gamma: nano(rewards.gamma),
                q: nano(rewards.q),
                rank: rewards.rank,
                lambda_milli: rewards.lambda_milli,
                band: nano(rewards.band),
                alpha_v_milli: rewards.alpha_v_milli,
                aggregation: rewards.aggregation,
                cap: rewards.cap,
                committee: rewards.committee,
                min_scorers: rewards.min_scorers,
                min_trainers: rewards.min_trainers,
                max_leverage: rewards.max_leverage,
            },
            baseline: nano(spec.baseline),
        }
    }
}

impl ModelJson {
    fn into_bounds(self) -> Result<ModelBounds> {
        let tokenizer = self.tokenizer.map(|hash| digest("model.tokenizer", &hash));
        Ok(ModelBounds {
            architectures: BoundedVec::try_from(self.architectures).map_err(|_| {
                anyhow::anyhow!("model.architectures: more than {MAX_ARCHITECTURES}")
            })?,
            max_parameters: self.max_parameters,
            max_bytes: self.max_bytes,
            max_seconds: self.max_seconds,
            context: self.context,
            tokenizer: tokenizer.transpose()?,
            base: self.base.map(BaseJson::into_base).transpose()?,
        })
    }

    fn from_bounds(bounds: &ModelBounds) -> Self {
        ModelJson {
            architectures: bounds.architectures.to_vec(),
            max_parameters: bounds.max_parameters,
            max_bytes: bounds.max_bytes,
            max_seconds: bounds.max_seconds,
            context: bounds.context,
            tokenizer: bounds.tokenizer.map(hex::encode),
            base: bounds.base.as_ref().map(|base| BaseJson {
                manifest_root: format!("{:?}", base.manifest_root),
                uris: texts(&base.uris),
            }),
        }
    }
}

impl BaseJson {
    fn into_base(self) -> Result<BaseModel> {
        let root = &self.manifest_root;
        let root = hex32(root).with_context(|| {
            format!(
                "model.base.manifest_root: {root:?} is not 64 hex digits; `arena-executor \
                 manifest` prints them for a model's directory"
            )
        })?;
        Ok(BaseModel {
            manifest_root: root.into(),
            uris: uris("model.base.uris", &self.uris)?,
        })
    }
}

impl RewardsJson {
    fn into_params(self) -> Result<RewardParams> {
        Ok(RewardParams {
            gamma: fraction("rewards.gamma", self.gamma)?,
            q: fraction("rewards.q", self.q)?,
            rank: self.rank,
            lambda_milli: self.lambda_milli,
            band: fraction("rewards.band", self.band)?,
            alpha_v_milli: self.alpha_v_milli,
            aggregation: self.aggregation,
            cap: self.cap,
            committee: self.committee,
            min_scorers: self.min_scorers,
            min_trainers: self.min_trainers,
            max_leverage: self.max_leverage,
        })
    }
}

impl DataJson {
    /// What the chain votes on; files are looked for in `folder`, a seal must be for a task of
    /// `rounds`.
    fn into_source(self, folder: &Path, rounds: u32) -> Result<DataSource> {
        Ok(match self {
            DataJson::Known(known) => DataSource::Public(PublicData {
                blake3: digest("data.blake3", &known.blake3)?,
                bytes: known.bytes,
                uris: uris("data.uris", &known.uris)?,
                samples: known.samples,
            }),
            DataJson::File(data) => {
                let (blake3, bytes) = hash_file(&folder.join(&data.file))?;
                DataSource::Public(PublicData {
                    blake3,
                    bytes,
                    uris: uris("data.uris", &data.uris)?,
                    samples: data.samples,
                })
            }
            DataJson::Sealed(data) => DataSource::Sealed(SealedData {
                root: digest("data.root", &data.root)?.into(),
                max_bytes: data.max_bytes,
                samples: data.samples,
            }),
            DataJson::Seal(data) => {
                let seal = Seal::read(&folder.join(&data.seal))?;
                seal.check_rounds(rounds).context("data.seal")?;
                DataSource::Sealed(SealedData {
                    root: seal.root(),
                    max_bytes: seal.max_bytes(),
                    samples: data.samples,
                })
            }
        })
    }

    fn from_source(data: &DataSource) -> Self {
        match data {
            DataSource::Public(data) => DataJson::Known(KnownData {
                blake3: hex::encode(data.blake3),
                bytes: data.bytes,
                uris: texts(&data.uris),
                samples: data.samples,
            }),
            DataSource::Sealed(data) => DataJson::Sealed(SealedJson {
                root: hex::encode(data.root),
                max_bytes: data.max_bytes,
                samples: data.samples,
            }),
        }
    }
}

/// BLAKE3 and size of a file.
pub(crate) fn hash_file(path: &Path) -> Result<([u8; 32], u64)> {
    let name = || format!("can't read {}", path.display());
    let mut file = fs::File::open(path).with_context(name)?;
    let mut hasher = blake3::Hasher::new();
    let mut buffer = vec![0u8; 1 << 18];
    let mut size = 0u64;
    loop {
        let read = file.read(&mut buffer).with_context(name)?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else {
            return Ok((*hasher.finalize().as_bytes(), size));
        };
        hasher.update(chunk);
        size = size.saturating_add(chunk.len() as u64);
    }
}

/// Mirrors as the chain takes them.
pub(crate) fn uris(field: &str, texts: &[String]) -> Result<Uris> {
    ensure!(!texts.is_empty(), "{field}: name at least one");
    let mut all = Uris::default();
    for uri in texts {
        ensure!(!uri.trim().is_empty(), "{field}: one is empty");
        ensure!(
            ["https://", "http://", "hf://", "file://"]
                .iter()
                .any(|s| uri.starts_with(s)),
            "{field}: {uri:?} begins with none of https://, http://, hf://, file://"
        );
        let bytes = BoundedVec::try_from(uri.clone().into_bytes())
            .map_err(|_| anyhow::anyhow!("{field}: {uri:?} is longer than 256 bytes"))?;
        all.try_push(bytes)
            .map_err(|_| anyhow::anyhow!("{field}: more than 4"))?;
    }
    Ok(all)
}

/// Mirrors as people read them.
pub(crate) fn texts(uris: &Uris) -> Vec<String> {
    uris.iter()
        .map(|uri| String::from_utf8_lossy(uri).into_owned())
        .collect()
}

fn text<S: sp_runtime::traits::Get<u32>>(field: &str, text: &str) -> Result<BoundedVec<u8, S>> {
    ensure!(!text.trim().is_empty(), "{field}: is empty");
    BoundedVec::try_from(text.as_bytes().to_vec())
        .map_err(|_| anyhow::anyhow!("{field}: longer than {} bytes", S::get()))
}

fn digest(field: &str, hash: &str) -> Result<[u8; 32]> {
    hex32(hash).with_context(|| {
        format!("{field}: {hash:?} is not 64 hex digits; `arena dataset hash` prints them")
    })
}

/// The bytes of 64 hex digits, with or without `0x`.
pub(crate) fn hex32(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0u8; 32];
    hex::decode_to_slice(text.trim_start_matches("0x"), &mut bytes).ok()?;
    Some(bytes)
}

fn fraction(field: &str, part: Nano) -> Result<Perbill> {
    match u32::try_from(part.0) {
        Ok(parts) if part.0 <= PERBILL => Ok(Perbill::from_parts(parts)),
        _ => bail!("{field}: {part} is not from 0 to 1"),
    }
}

/// What the chain would refuse, as far as it can be told without its clock.
pub(crate) fn check(spec: &TaskSpec) -> Result<()> {
    spec.check()?;
    if let DataSource::Public(data) = &spec.data {
        ensure!(
            data.blake3 != [0; 32],
            "data: still the template's; name your own file"
        );
    }
    Ok(())
}

/// What the chain takes, and its voters should think twice about.
pub(crate) fn warnings(spec: &TaskSpec) -> Vec<&'static str> {
    let mut warnings = Vec::new();
    if spec.sealed().is_none() {
        warnings.push(
            "data: public, so that whoever knows the file can train on it; \
             `arena dataset seal` seals a shard for each round",
        );
    }
    if matches!(spec.rewards.cap, WeightCap::Percentile(_)) {
        warnings.push(
            "rewards.cap: accounts that hold little move a percentile, so that stake which is \
             split into many accounts escapes it; docs/concentration.md has figures",
        );
    }
    warnings
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "schema_tests.rs"]
mod schema_tests;
