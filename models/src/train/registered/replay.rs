//! Training segments of a log again.

use super::{
    LogLeaf,
    course::Course,
    form::{Checkpoint, Form, Forms},
};
use crate::{Fault, Limits, ModelError, inspect, weights::read_tensor};
use safetensors::Dtype;
use std::{
    fs::File,
    io::Read,
    path::Path,
    sync::{Mutex, PoisonError},
};

/// The training between two leaves of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Its first checkpoint. With step 0 it must be what the seed gives.
    pub from: LogLeaf,
    /// Its last one.
    pub to: LogLeaf,
}

/// What is found of a segment; the same on every machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// All of it is as committed.
    Same,
    /// Training it again gives another checkpoint, or its update another norm.
    Differs {
        /// Its first step.
        from: u64,
    },
    /// The initial state is not what the seed gives.
    WrongStart,
    /// A checkpoint's file is not the leaf's, malformed, or not finite.
    BadCheckpoint {
        /// Its step.
        step: u64,
    },
}

/// What came of training a segment again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    /// How it ended.
    pub finding: Finding,
    /// Steps that were trained again.
    pub steps: u64,
}

/// Trains segments of one run again.
pub struct Replayer {
    course: Course,
    /// The weights that a norm was checked with last, by their hash: the next segment begins with
    /// them.
    last: Mutex<Option<([u8; 32], Vec<u8>)>>,
}

impl Replayer {
    /// Reads the recipe. An error whose fault is the model's
    /// ([`Fault::is_models`]) is the recipe's: it is malformed, can't be trained, is beyond the
    /// limits or has not so many `steps`.
    pub fn new(
        recipe: &Path,
        seed: [u8; 32],
        steps: u64,
        limits: &Limits,
    ) -> Result<Self, ModelError> {
        // The data are the recipe's own.
        let blamed = |error: ModelError| match error.fault {
            Fault::Data => ModelError::new(Fault::Config, error.detail),
            _ => error,
        };
        let course = Course::open(recipe, seed, limits).map_err(blamed)?;
        if course.steps != steps {
            let detail = format!("the recipe has {} steps, not {steps}", course.steps);
            return Err(ModelError::new(Fault::Config, detail));
        }
        Ok(Self {
            course,
            last: Mutex::new(None),
        })
    }

    /// Bytes of both files of a checkpoint; one of another size is malformed.
    pub fn checkpoint_bytes(&self) -> u64 {
        let Forms { weights, optimizer } = &self.course.forms;
        weights.size().saturating_add(optimizer.size())
    }

    /// Bytes that training it needs in memory at the most, as they are counted for
    /// [`super::MAX_MEMORY`].
    pub fn memory(&self) -> u64 {
        self.course.memory
    }

    /// Trains the segment again from the two files of its first checkpoint, and compares what
    /// comes of it with its second leaf, bit for bit.
    pub fn replay(
        &self,
        segment: &Segment,
        weights: &Path,
        optimizer: &Path,
    ) -> Result<Replayed, ModelError> {
        if segment.from.step == 0 && self.begin()?.leaf(0, 0) != segment.from {
            return Ok(at_once(Finding::WrongStart));
        }
        let forms = &self.course.forms;
        self.again(segment, || {
            let weights = read(&forms.weights, &segment.from.weights, weights)?;
            let optimizer = read(&forms.optimizer, &segment.from.optimizer, optimizer)?;
            let both = weights.zip(optimizer);
            Ok(both.map(|(weights, optimizer)| Checkpoint { weights, optimizer }))
        })
    }

    /// The same of a segment that begins with step 0: its first checkpoint is what the seed
    /// gives, and needs no file.
    pub fn replay_start(&self, segment: &Segment) -> Result<Replayed, ModelError> {
        let step = segment.from.step;
        if step != 0 {
            return Ok(at_once(Finding::BadCheckpoint { step }));
        }
        let first = self.begin()?;
        match first.leaf(0, 0) == segment.from {
            true => self.again(segment, || Ok(Some(first))),
            false => Ok(at_once(Finding::WrongStart)),
        }
    }

    /// The initial state.
    fn begin(&self) -> Result<Checkpoint, ModelError> {
        self.course.forms.encode(0, &self.course.start()?)
    }

    /// The weights that a norm was checked with last, which are forgotten here.
    fn take_last(&self) -> Option<([u8; 32], Vec<u8>)> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn again(
        &self,
        segment: &Segment,
        first: impl FnOnce() -> Result<Option<Checkpoint>, ModelError>,
    ) -> Result<Replayed, ModelError> {
        let Segment { from, to } = *segment;
        self.take_last();
        if to.step <= from.step || to.step > self.course.steps {
            return Ok(at_once(Finding::Differs { from: from.step }));
        }
        let Some(checkpoint) = first()? else {
            return Ok(at_once(Finding::BadCheckpoint { step: from.step }));
        };
        let found = match self.train(&checkpoint, from.step, to.step) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(at_once(Finding::BadCheckpoint { step: from.step })),
            // Whoever trained it came no further either.
            Err(error) if error.fault.is_models() => {
                return Ok(at_once(Finding::Differs { from: from.step }));
            }
            Err(error) => return Err(error),
        };
        let finding = match found == to {
            true => Finding::Same,
            false => Finding::Differs { from: from.step },
        };
        Ok(Replayed {
            finding,
            steps: to.step - from.step,
        })
    }

    /// The leaf that training from a checkpoint comes to; `None` if it is malformed.
    fn train(
        &self,
        from: &Checkpoint,
        first: u64,
        end: u64,
    ) -> Result<Option<LogLeaf>, ModelError> {
        let forms = &self.course.forms;
        let Some(mut optimizer) = forms.decode(from)? else {
            return Ok(None);
        };
        let task = self.course.task(&optimizer)?;
        self.course
            .advance(&task, &mut optimizer, (first, end), &mut |_, _| ())?;
        let after = forms.encode(end, &optimizer)?;
        let update = forms.update(&from.weights, &after.weights);
        Ok(Some(after.leaf(end, update)))
    }

    /// Compares the committed norm of a segment's update with that between its two files of
    /// weights, without training: a wrong norm would hide a segment from those drawn for their
    /// large updates. Segments in their order have each file read once.
    pub fn check_update(
        &self,
        segment: &Segment,
        before: &Path,
        after: &Path,
    ) -> Result<Finding, ModelError> {
        let Segment { from, to } = segment;
        let known = self.take_last().filter(|(hash, _)| *hash == from.weights);
        let before = match known {
            Some((_, file)) => Some(file),
            None => self.weights(from, before)?,
        };
        let Some(before) = before else {
            return Ok(Finding::BadCheckpoint { step: from.step });
        };
        let Some(after) = self.weights(to, after)? else {
            return Ok(Finding::BadCheckpoint { step: to.step });
        };
        let found = self.course.forms.update(&before, &after);
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((to.weights, after));
        Ok(match found == to.update {
            true => Finding::Same,
            false => Finding::Differs { from: from.step },
        })
    }

    /// The file of a leaf's weights; `None` if it is not the leaf's, malformed or not finite.
    fn weights(&self, leaf: &LogLeaf, path: &Path) -> Result<Option<Vec<u8>>, ModelError> {
        let form = &self.course.forms.weights;
        let file = read(form, &leaf.weights, path)?;
        Ok(file.filter(|file| form.numbers(file).is_some()))
    }
}

/// What needed no training to be found.
fn at_once(finding: Finding) -> Replayed {
    Replayed { finding, steps: 0 }
}

/// A file of a checkpoint; `None` if it is of another size or another hash.
fn read(form: &Form, hash: &[u8; 32], path: &Path) -> Result<Option<Vec<u8>>, ModelError> {
    let io = |e| ModelError::io(path, &e);
    let mut file = File::open(path).map_err(io)?;
    if file.metadata().map_err(io)?.len() != form.size() {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(usize::try_from(form.size()).unwrap_or(0));
    (&mut file)
        .take(form.size())
        .read_to_end(&mut bytes)
        .map_err(io)?;
    Ok((blake3::hash(&bytes).as_bytes() == hash).then_some(bytes))
}

/// Whether the tensors of the model in `dir` are the weights of a log's last leaf, as f32.
pub fn is_model(last: &LogLeaf, dir: &Path) -> Result<bool, ModelError> {
    let checked = match inspect::check(dir, None, &Limits::unlimited()) {
        Err(error) if error.fault.is_models() => return Ok(false),
        checked => checked?,
    };
    let form = Forms::new(&checked.config)?.weights;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&form.header);
    for (name, _) in form.tensors() {
        let is_it = |found: &str| checked.config.listed_as(found).as_deref() == Some(name);
        let found = checked.shards.iter().find_map(|(path, header)| {
            let (_, info) = header.tensors.iter().find(|(found, _)| is_it(found))?;
            Some((path, header.data_start, info))
        });
        let Some((path, start, info)) = found else {
            return Ok(false);
        };
        if info.dtype != Dtype::F32 {
            return Ok(false);
        }
        let file = File::open(path).map_err(|e| ModelError::io(path, &e))?;
        let values = read_tensor(&file, path, start, info)?;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        hasher.update(&bytes);
    }
    Ok(*hasher.finalize().as_bytes() == last.weights)
}
