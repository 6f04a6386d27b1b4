//! The numbers that a mark is in: those of a weight update's larger matrices.

use super::{MIN_CARRIER, places::Place};
use crate::{
    Limits, ModelError, inspect, is_adapter,
    sketch::{
        self, Adapter, Module, SCALE_BITS,
        source::{self, PART, Stored, fixed},
    },
};
use std::{collections::BTreeMap, path::Path};

/// Tensors by the names that a config gives them.
type Tensors = BTreeMap<String, Stored>;

/// What was added to the weights of a base.
pub(super) enum Update {
    /// W − W₀; without a base, W₀ is 0.
    Whole {
        model: Tensors,
        base: Option<Tensors>,
    },
    /// Factors of some of the base's matrices; that of the others is 0.
    Adapter { adapter: Adapter, base: Tensors },
}

/// A matrix whose numbers may carry a mark.
pub(super) struct Carrier {
    pub(super) name: String,
    /// Number of its first entry among those of all carriers.
    first: u64,
    pub(super) length: usize,
    pub(super) columns: usize,
}

impl Carrier {
    /// Where in the matrix a place is, row-major.
    pub(super) fn index(&self, place: &Place) -> usize {
        place.at.saturating_sub(self.first) as usize
    }

    /// The places of `sorted` that are in this matrix, by where they are.
    pub(super) fn range(&self, sorted: &[Place]) -> std::ops::Range<usize> {
        let end = self.first + self.length as u64;
        let before = |limit| sorted.partition_point(|place| place.at < limit);
        before(self.first)..before(end)
    }
}

impl Update {
    /// Opens the model or adapter in `dir`, and checks that it is an update of `base`.
    pub(super) fn open(dir: &Path, base: Option<&Path>) -> Result<Self, ModelError> {
        let checked = inspect::check(dir, base, &Limits::unlimited());
        let base = base.map(source::of_base).transpose()?;
        let checked = checked?;
        match base {
            Some(base) if is_adapter(dir) => {
                let adapter = Adapter::read(dir)?;
                adapter.check_fits(&base)?;
                Ok(Self::Adapter { adapter, base })
            }
            base => {
                let model = source::of(&checked)?;
                if let Some(base) = &base {
                    sketch::check_same_tensors(&model, base)?;
                }
                Ok(Self::Whole { model, base })
            }
        }
    }

    /// In ascending order of name.
    pub(super) fn carriers(&self) -> Vec<Carrier> {
        let (Self::Whole { model: shapes, .. } | Self::Adapter { base: shapes, .. }) = self;
        let mut first = 0;
        let mut carriers = Vec::new();
        for (name, tensor) in shapes {
            let length = tensor.len();
            let Some((_, columns)) = tensor.matrix().filter(|_| length >= MIN_CARRIER) else {
                continue;
            };
            carriers.push(Carrier {
                name: name.clone(),
                first,
                length,
                columns,
            });
            first += length as u64;
        }
        carriers
    }

    /// The entries of `carrier` at `places` in units of 2^-40.
    pub(super) fn entries(
        &self,
        carrier: &Carrier,
        places: &[Place],
    ) -> Result<Vec<i64>, ModelError> {
        match self {
            Self::Whole { model, base } => {
                let before = base.as_ref().and_then(|base| base.get(&carrier.name));
                match model.get(&carrier.name) {
                    Some(tensor) => differences(tensor, before, carrier, places),
                    None => Ok(vec![0; places.len()]),
                }
            }
            Self::Adapter { adapter, .. } => match adapter.modules.get(&carrier.name) {
                Some(module) => products(module, adapter.transposed, carrier, places),
                None => Ok(vec![0; places.len()]),
            },
        }
    }

    /// Reads what carries nothing: a NaN anywhere makes a model void.
    pub(super) fn check_rest(&self, carriers: &[Carrier]) -> Result<(), ModelError> {
        let is_rest = |name: &str| carriers.iter().all(|carrier| carrier.name != name);
        match self {
            Self::Whole { model, .. } => model
                .iter()
                .filter(|(name, _)| is_rest(name))
                .try_for_each(|(_, tensor)| sketch::check_finite(tensor)),
            Self::Adapter { adapter, .. } => adapter
                .modules
                .values()
                .flat_map(|module| [&module.a, &module.b])
                .try_for_each(sketch::check_finite),
        }
    }
}

/// Parts of a matrix, with where the places in each begin and end.
pub(super) fn parts<'a>(
    carrier: &'a Carrier,
    places: &'a [Place],
) -> impl Iterator<Item = (usize, usize, std::ops::Range<usize>)> + 'a {
    (0..carrier.length).step_by(PART).map(move |from| {
        let count = PART.min(carrier.length - from);
        let before = |limit| places.partition_point(|place| carrier.index(place) < limit);
        (from, count, before(from)..before(from + count))
    })
}

/// fix(w) − fix(w₀); all values are read, so that a NaN beside the places is found too.
fn differences(
    tensor: &Stored,
    before: Option<&Stored>,
    carrier: &Carrier,
    places: &[Place],
) -> Result<Vec<i64>, ModelError> {
    let mut found = Vec::with_capacity(places.len());
    for (from, count, range) in parts(carrier, places) {
        let new = tensor.read(from, count)?;
        let old = before
            .map(|before| before.read(from, count).map_err(sketch::blame_base))
            .transpose()?;
        for place in &places[range] {
            let index = carrier.index(place) - from;
            let old = old.as_ref().map_or(0, |old| fixed(old[index]));
            found.push(fixed(new[index]) - old);
        }
    }
    Ok(found)
}

/// ⌊⌊Σ fix(b)·fix(a) / 2^40⌋·s / 2^32⌋, clipped to ±16 as weights are. Sums stay below 2^100,
/// and products with s below 2^112.
fn products(
    module: &Module,
    transposed: bool,
    carrier: &Carrier,
    places: &[Place],
) -> Result<Vec<i64>, ModelError> {
    let a = module.a.read_fixed(0, module.a.len())?;
    let b = module.b.read_fixed(0, module.b.len())?;
    let limit = i128::from(fixed(f32::MAX));
    let entry = |place: &Place| {
        let (output, input) = output_and_input(carrier, place, transposed);
        let row = b.iter().skip(output * module.rank).take(module.rank);
        let column = a.iter().skip(input).step_by(module.inputs);
        let sum: i128 = row
            .zip(column)
            .map(|(b, a)| i128::from(*b) * i128::from(*a))
            .sum();
        (((sum >> 40) * i128::from(module.scale)) >> SCALE_BITS).clamp(-limit, limit) as i64
    };
    Ok(places.iter().map(entry).collect())
}

/// The row of B and the column of A whose product an entry is.
pub(super) fn output_and_input(
    carrier: &Carrier,
    place: &Place,
    transposed: bool,
) -> (usize, usize) {
    let index = carrier.index(place);
    let (row, column) = (index / carrier.columns, index % carrier.columns);
    if transposed {
        (column, row)
    } else {
        (row, column)
    }
}
