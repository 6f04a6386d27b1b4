//! `losses`: what a validator answers with when one of its scores is challenged.

use super::cache::{Root, root, show};
use crate::{
    losses,
    store::{self, Record, Store},
};
use anyhow::{Context, Result, anyhow, ensure};
use arena_models::{SampleLoss, samples_root};
use arena_primitives::job::{Evaluated, JobId, JobKind, JobRequest, JobStatus, Outcome};
use clap::Args;
use codec::DecodeAll;
use serde_json::json;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Arguments of `losses`.
#[derive(Debug, Args)]
pub(super) struct Losses {
    /// Directory of the queue and the cache: the one that `serve` was given.
    #[arg(long, value_name = "DIR")]
    base: PathBuf,
    /// Seed of the round's samples in hex, as `arena round-seed` and `arena challenge show` print
    /// it.
    #[arg(long, value_parser = root, value_name = "SEED")]
    seed: Root,
    /// Root of the model whose losses are wanted, in hex.
    #[arg(long, value_parser = root, value_name = "ROOT")]
    model: Root,
}

/// An evaluation that ended well.
struct Found {
    ended: u64,
    id: JobId,
    evaluated: Evaluated,
}

/// Prints the losses of one model of a round, and the roots of all of them, as JSON.
pub(super) fn losses(args: &Losses) -> Result<()> {
    let jobs = args.base.join("jobs");
    ensure!(
        jobs.is_dir(),
        "{} has no jobs; name the directory that `serve` was given",
        args.base.display()
    );
    let store =
        Store::open(&args.base).with_context(|| format!("cannot read {}", jobs.display()))?;
    let found = of_round(&store, &args.seed.0)?;
    let model = found.get(&args.model.0).ok_or_else(|| {
        anyhow!(
            "no evaluation of {} with the seed {} is kept; is it another executor's, or forgotten?",
            show(&args.model.0),
            show(&args.seed.0)
        )
    })?;
    let losses = kept(&store.dir(&model.id), &model.evaluated)?;
    let roots: BTreeMap<String, String> = found
        .iter()
        .map(|(model, found)| (show(model), show(&found.evaluated.samples_root.0)))
        .collect();
    let rows: Vec<_> = losses.iter().map(SampleLoss::row).collect();
    let answer = json!({
        "seed": show(&args.seed.0),
        "model": show(&args.model.0),
        "roots": roots,
        "samples": losses.len(),
        "losses": rows,
    });
    println!("{answer}");
    Ok(())
}

/// The last evaluation of each model with this seed.
fn of_round(store: &Store, seed: &[u8; 32]) -> Result<BTreeMap<[u8; 32], Found>> {
    let mut found: BTreeMap<[u8; 32], Found> = BTreeMap::new();
    for id in store.ids().context("cannot list the jobs")? {
        let Some((model, ended, evaluated)) = evaluated(&store.dir(&id), seed)? else {
            continue;
        };
        if found.get(&model).is_none_or(|known| known.ended < ended) {
            let new = Found {
                ended,
                id,
                evaluated,
            };
            found.insert(model, new);
        }
    }
    Ok(found)
}

/// Model, end and outcome of a job, if it is an evaluation with this seed that ended well.
fn evaluated(dir: &Path, seed: &[u8; 32]) -> Result<Option<([u8; 32], u64, Evaluated)>> {
    let failed = || format!("cannot read the job in {}", dir.display());
    let request = store::read_sealed(dir, store::REQUEST).with_context(failed)?;
    let record: Option<Record> = store::read_scale(dir, store::STATUS).with_context(failed)?;
    // A job of another release is none of this round.
    let request = request.and_then(|bytes| JobRequest::decode_all(&mut &bytes[..]).ok());
    let (Some(request), Some(record)) = (request, record) else {
        return Ok(None);
    };
    Ok(match (request.kind, record.status) {
        (JobKind::Evaluate(job), JobStatus::Done(Outcome::Evaluated(evaluated)))
            if job.data.seed == *seed =>
        {
            Some((job.model.manifest_root.0, record.ended, evaluated))
        }
        _ => None,
    })
}

/// The losses of a job in the order of the data, if they are those of its outcome.
fn kept(dir: &Path, evaluated: &Evaluated) -> Result<Vec<SampleLoss>> {
    let path = dir.join(store::LOSSES);
    let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let records = losses::records::<SampleLoss>(&bytes);
    let mut losses: Vec<_> = records.into_iter().map(|record| record.loss).collect();
    losses.sort_by_key(|loss| loss.index);
    ensure!(
        samples_root(&losses) == evaluated.samples_root.0,
        "{} is damaged: its losses are not those of the job's outcome; score the model again with \
         `evaluate`",
        path.display()
    );
    Ok(losses)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{losses::Losses, store::now_millis};
    use arena_models::samples_proof;
    use arena_primitives::{
        LossLeaf, ProvenLoss,
        job::{Artifact, Data, Evaluate, Limits, Metric, NumericProfile, WIRE_VERSION},
    };
    use codec::Encode;

    fn loss(index: u32) -> SampleLoss {
        SampleLoss {
            index,
            nll: f64::from(index) * 0.1,
            tokens: index + 1,
            bytes: 3,
            correct: index.is_multiple_of(2),
        }
    }

    #[test]
    fn proofs_should_hold_on_chain_at_their_place_alone() {
        for count in 1..=9u32 {
            let losses: Vec<_> = (0..count).map(loss).collect();
            let root = samples_root(&losses).into();
            for place in 0..count {
                let (index, nll, tokens, bytes, correct) = losses[place as usize].row();
                let proof = samples_proof(&losses, place as usize).unwrap();
                let proven = ProvenLoss {
                    leaf: LossLeaf {
                        index,
                        nll,
                        tokens,
                        bytes,
                        correct,
                    },
                    proof: proof
                        .into_iter()
                        .map(Into::into)
                        .collect::<Vec<_>>()
                        .try_into()
                        .unwrap(),
                };
                for other in 0..=count {
                    assert_eq!(proven.is_under(&root, count, other), other == place);
                }
            }
        }
    }

    fn request(model: u8, seed: u8) -> JobRequest {
        JobRequest {
            version: WIRE_VERSION,
            deadline_seconds: 60,
            kind: JobKind::Evaluate(Evaluate {
                model: Artifact {
                    manifest_root: [model; 32].into(),
                    uris: Vec::new(),
                },
                base: None,
                data: Data {
                    blake3: [1; 32],
                    bytes: 1,
                    uris: Vec::new(),
                    samples: 0,
                    seed: [seed; 32],
                },
                metric: Metric::Accuracy,
                profile: NumericProfile::ExactCpuF32,
                limits: Limits {
                    architectures: Vec::new(),
                    max_parameters: 1,
                    max_bytes: 1,
                    max_seconds: 1,
                    context: 0,
                    tokenizer: None,
                },
            }),
            others: Vec::new(),
        }
    }

    /// Keeps an evaluation whose losses were found in another order than the data's.
    fn keep(store: &Store, request: &JobRequest, losses: &[SampleLoss]) {
        let evaluated = Evaluated {
            raw: 0,
            samples: 3,
            tokens: 3,
            bytes: 9,
            samples_root: samples_root(losses).into(),
            device: "cpu".into(),
            millis: 1,
        };
        let record = Record {
            posted: 1,
            ended: now_millis(),
            retry: false,
            status: JobStatus::Done(Outcome::Evaluated(evaluated)),
        };
        store
            .create(&request.id(), &request.encode(), &record)
            .unwrap();
        let file = losses::open(&store.dir(&request.id()).join(store::LOSSES)).unwrap();
        let (mut file, _) = Losses::read(file, "another release").unwrap();
        for loss in losses.iter().rev() {
            let record = losses::Record {
                millis: 1,
                loss: *loss,
            };
            file.append(&record).unwrap();
        }
    }

    #[test]
    fn losses_should_be_those_of_the_round_in_the_order_of_the_data() {
        let base = tempfile::tempdir().unwrap();
        let store = Store::open(base.path()).unwrap();
        let losses: Vec<_> = (0..3).map(loss).collect();
        keep(&store, &request(1, 7), &losses);
        keep(&store, &request(2, 7), &losses[1..]);
        keep(&store, &request(1, 8), &losses[2..]);
        let found = of_round(&store, &[7; 32]).unwrap();
        assert_eq!(found.keys().collect::<Vec<_>>(), [&[1; 32], &[2; 32]]);
        let first = &found[&[1; 32]];
        let dir = store.dir(&first.id);
        assert_eq!(kept(&dir, &first.evaluated).unwrap(), losses);
        let path = dir.join(store::LOSSES);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let refused = kept(&dir, &first.evaluated).unwrap_err().to_string();
        assert!(refused.contains("damaged"), "{refused}");
    }
}
