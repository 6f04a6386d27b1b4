//! The 256 probes of a matrix: their signs, and exact sums of values under them.
//!
//! The signs u_j over rows are independent. Those over columns are
//! v_j = (−1)^popcount(j & place), times signs that all probes share: each v_j alone is
//! uniform, and a Hadamard transform finds a row's 256 sums in eight additions each.

use super::{BITS, Seed};
use rayon::prelude::*;

/// Rows that one block of u covers.
const ROWS: usize = 64;
/// Columns that one block of v covers.
const COLUMNS: usize = 256;
/// Columns of one transform, so that its tables stay in a core's first cache.
const STRIP: usize = 1 << 12;
/// Rows of one job of a thread, whose sums fit 64 bits.
const TILE: usize = 1 << 5;
/// Bytes of the stream of signs for a block of v: 32 of signs, one of the turn, the rest spare.
const STREAM: usize = 64;

/// Largest size of a value: twice 16 in units of 2^-40.
const VALUE: i64 = 1 << 45;
/// What 64 bits hold bounds all of the above.
const _: () = assert!((i64::MAX / VALUE) as usize / STRIP >= TILE);

/// Exact sums, one per probe.
pub(super) type Sums = [i128; BITS];
/// Bit i of the j-th number is the sign of u_j at the block's row i; 1 is +1.
type RowBlock = [u64; BITS];

/// Signs of v in a block.
struct ColumnBlock {
    /// 0 for plus, all ones for minus: (x ^ m) − m is ±x.
    masks: [i64; COLUMNS],
    /// Place of the first column; the others follow, around.
    turn: usize,
}

/// The probes of one matrix.
pub(super) struct Probes {
    rows: blake3::OutputReader,
    columns: blake3::OutputReader,
}

/// A part of a matrix: whole rows, or columns from a multiple of 256 of a single row.
pub(super) struct Part<'a> {
    /// Row by row.
    pub(super) values: &'a [i64],
    /// Values per row, above 0.
    pub(super) width: usize,
    pub(super) first_row: usize,
    pub(super) first_column: usize,
}

impl Probes {
    /// Of the tensor `name` with `rows` and `columns`.
    pub(super) fn new(seed: &Seed, name: &str, rows: usize, columns: usize) -> Self {
        let stream = |side: u8| {
            let mut hasher = blake3::Hasher::new_keyed(seed);
            hasher.update(b"arena/sketch/1");
            hasher.update(&[side]);
            hasher.update(&(rows as u64).to_le_bytes());
            hasher.update(&(columns as u64).to_le_bytes());
            hasher.update(name.as_bytes());
            hasher.finalize_xof()
        };
        Self {
            rows: stream(0),
            columns: stream(1),
        }
    }

    /// Signs of u from row `64·index`.
    fn row_block(&self, index: usize) -> RowBlock {
        let mut bytes = [0; BITS * 8];
        let mut reader = self.rows.clone();
        reader.set_position(index as u64 * bytes.len() as u64);
        reader.fill(&mut bytes);
        let mut block = [0; BITS];
        for (number, bytes) in block.iter_mut().zip(bytes.chunks_exact(8)) {
            *number = bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
        }
        block
    }

    /// Signs of v for `width` columns from `256·first`.
    fn column_blocks(&self, first: usize, width: usize) -> Vec<ColumnBlock> {
        let mut reader = self.columns.clone();
        reader.set_position(first as u64 * STREAM as u64);
        let mut block = || {
            let mut bytes = [0; STREAM];
            reader.fill(&mut bytes);
            let plus = |i: usize| i64::from(bytes[i / 8] >> (i % 8) & 1);
            ColumnBlock {
                masks: std::array::from_fn(|i| plus(i) - 1),
                turn: usize::from(bytes[COLUMNS / 8]),
            }
        };
        (0..width.div_ceil(COLUMNS)).map(|_| block()).collect()
    }

    /// Σ over `part` of u_j\[row\]·value·v_j\[column\], for every probe j.
    pub(super) fn bilinear(&self, part: &Part<'_>) -> Sums {
        let height = part.values.len() / part.width;
        let (first, end) = (part.first_row / ROWS, part.first_row + height);
        let signs: Vec<RowBlock> = (first..end.div_ceil(ROWS))
            .into_par_iter()
            .map(|i| self.row_block(i))
            .collect();
        let strips = part.width.div_ceil(STRIP);
        let tile = |index: usize| {
            let (left, top) = (index % strips * STRIP, index / strips * TILE);
            let right = part.width.min(left + STRIP);
            let blocks = self.column_blocks((part.first_column + left) / COLUMNS, right - left);
            let (mut sums, mut total) = ([0; BITS], [0; BITS]);
            for row in top..height.min(top + TILE) {
                let line = &part.values[row * part.width..(row + 1) * part.width];
                transform(&line[left..right], &blocks, &mut sums);
                let at = part.first_row + row - first * ROWS;
                add_signed(&mut total, &sums, &signs[at / ROWS], at % ROWS);
            }
            total.map(i128::from)
        };
        (0..strips * height.div_ceil(TILE))
            .into_par_iter()
            .map(tile)
            .reduce(|| [0; BITS], added)
    }

    /// Of each line of `width` values: Σ value·v_j\[position\], for every probe j.
    pub(super) fn by_columns(&self, values: &[i64], width: usize) -> Vec<Sums> {
        summed(values, width, STRIP, |strip, lines, totals| {
            let (left, right) = (strip * STRIP, width.min((strip + 1) * STRIP));
            let blocks = self.column_blocks(left / COLUMNS, right - left);
            let mut sums = [0; BITS];
            for (total, line) in totals.iter_mut().zip(lines) {
                transform(&line[left..right], &blocks, &mut sums);
                *total = added(*total, sums.map(i128::from));
            }
        })
    }

    /// Of each line of `width` values: Σ value·u_j\[position\], for every probe j.
    pub(super) fn by_rows(&self, values: &[i64], width: usize) -> Vec<Sums> {
        summed(values, width, ROWS, |block, lines, totals| {
            let (left, right) = (block * ROWS, width.min((block + 1) * ROWS));
            let signs = self.row_block(block);
            for (total, line) in totals.iter_mut().zip(lines) {
                let mut sums = [0; BITS];
                for (position, value) in line[left..right].iter().enumerate() {
                    add_signed(&mut sums, &[*value; BITS], &signs, position);
                }
                *total = added(*total, sums.map(i128::from));
            }
        })
    }
}

/// Calls `add` for every `step` positions of all lines, on all threads, and adds up.
fn summed(
    values: &[i64],
    width: usize,
    step: usize,
    add: impl Fn(usize, std::slice::ChunksExact<'_, i64>, &mut [Sums]) + Sync,
) -> Vec<Sums> {
    let zeros = || vec![[0; BITS]; values.len().checked_div(width).unwrap_or(0)];
    (0..width.div_ceil(step))
        .into_par_iter()
        .fold(zeros, |mut totals, index| {
            add(index, values.chunks_exact(width), &mut totals);
            totals
        })
        .reduce(zeros, |a, b| {
            a.into_iter().zip(b).map(|(a, b)| added(a, b)).collect()
        })
}

/// `sums[j]` = Σ value·v_j for at most 4,096 columns.
///
/// Here and below nothing wraps, by the assertion at [`VALUE`]; a check at every addition
/// would cost more than the addition.
fn transform(line: &[i64], blocks: &[ColumnBlock], sums: &mut [i64; BITS]) {
    sums.fill(0);
    for (values, block) in line.chunks(COLUMNS).zip(blocks) {
        let ahead = values.len().min(COLUMNS - block.turn);
        let (values, around) = values.split_at(ahead);
        let (masks, more) = block.masks.split_at(ahead);
        add_masked(&mut sums[block.turn..], values, masks);
        add_masked(sums, around, more);
    }
    hadamard(sums);
}

fn add_masked(sums: &mut [i64], values: &[i64], masks: &[i64]) {
    for ((sum, value), mask) in sums.iter_mut().zip(values).zip(masks) {
        *sum = sum.wrapping_add((value ^ mask).wrapping_sub(*mask));
    }
}

/// Turns x into Σ over i of (−1)^popcount(j & i)·x_i for every j.
fn hadamard(x: &mut [i64; BITS]) {
    let mut half = 1;
    while half < BITS {
        for pair in x.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (a, b) in low.iter_mut().zip(high) {
                (*a, *b) = (a.wrapping_add(*b), a.wrapping_sub(*b));
            }
        }
        half *= 2;
    }
}

/// Adds each value with its probe's sign at `position`.
fn add_signed(total: &mut [i64; BITS], values: &[i64; BITS], signs: &RowBlock, position: usize) {
    for ((total, value), signs) in total.iter_mut().zip(values).zip(signs) {
        let mask = ((signs >> position & 1) as i64).wrapping_sub(1);
        *total = total.wrapping_add((value ^ mask).wrapping_sub(mask));
    }
}

/// Sums of integers are the same in whatever order threads add them.
pub(super) fn added(mut a: Sums, b: Sums) -> Sums {
    for (a, b) in a.iter_mut().zip(b) {
        *a += b;
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEED: Seed = [5; 32];

    fn row_sign(probes: &Probes, j: usize, row: usize) -> i128 {
        2 * i128::from(probes.row_block(row / ROWS)[j] >> (row % ROWS) & 1) - 1
    }

    fn column_sign(probes: &Probes, j: usize, column: usize) -> i128 {
        let block = &probes.column_blocks(column / COLUMNS, 1)[0];
        let place = (column % COLUMNS + block.turn) % COLUMNS;
        let common = 2 * i128::from(block.masks[column % COLUMNS]) + 1;
        match (j & place).count_ones() % 2 {
            0 => common,
            _ => -common,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn sums_should_equal_their_definition_in_any_parts(
            height in 1usize..300, width in 1usize..600, cut in 0usize..300, noise: u64,
            edge: bool,
        ) {
            let value = |i: usize| {
                let v = (noise ^ i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) as i64 >> 18;
                if edge { VALUE * v.signum() } else { v }
            };
            let values: Vec<i64> = (0..height * width).map(value).collect();
            let probes = Probes::new(&SEED, "x", height, width);
            let cut = cut.min(height);
            let part = |from: usize, to: usize| probes.bilinear(&Part {
                values: &values[from * width..to * width], width, first_row: from, first_column: 0,
            });
            let sums = added(part(0, cut), part(cut, height));
            let by_columns = probes.by_columns(&values, width);
            let by_rows = probes.by_rows(&values, width);
            for j in [0, 1, 77, 255] {
                let v: Vec<i128> = (0..width).map(|c| column_sign(&probes, j, c)).collect();
                let dot = |r: usize, signs: &dyn Fn(usize) -> i128| -> i128 {
                    (0..width).map(|c| signs(c) * i128::from(values[r * width + c])).sum()
                };
                for r in [0, height - 1] {
                    prop_assert_eq!(by_columns[r][j], dot(r, &|c| v[c]));
                    prop_assert_eq!(by_rows[r][j], dot(r, &|c| row_sign(&probes, j, c)));
                }
                let wanted: i128 =
                    (0..height).map(|r| row_sign(&probes, j, r) * dot(r, &|c| v[c])).sum();
                prop_assert_eq!(sums[j], wanted);
            }
        }
    }

    #[test]
    fn sums_should_not_wrap_where_all_signs_agree() {
        let (height, width) = (40, STRIP + 300);
        let probes = Probes::new(&SEED, "x", height, width);
        // Probe 0 has no Hadamard sign, so that values can follow all of its signs.
        let sign = |i: usize| {
            (row_sign(&probes, 0, i / width) * column_sign(&probes, 0, i % width)) as i64
        };
        let values: Vec<i64> = (0..height * width).map(|i| VALUE * sign(i)).collect();
        let part = Part {
            values: &values,
            width,
            first_row: 0,
            first_column: 0,
        };
        let most = i128::from(VALUE) * (height * width) as i128;
        assert_eq!(probes.bilinear(&part)[0], most);
    }

    #[test]
    fn bilinear_should_take_a_row_in_parts() {
        let values: Vec<i64> = (0..700).map(|i| i * i - 70_000).collect();
        let probes = Probes::new(&SEED, "x", 1, 700);
        let part = |from: usize, to: usize| {
            let values = &values[from..to];
            probes.bilinear(&Part {
                values,
                width: to - from,
                first_row: 0,
                first_column: from,
            })
        };
        assert_eq!(added(part(0, 512), part(512, 700)), part(0, 700));
    }

    #[test]
    fn signs_should_depend_on_seed_name_and_shape_and_be_fair() {
        let of = |seed, name, rows, columns| {
            let probes = Probes::new(seed, name, rows, columns);
            let block = &probes.column_blocks(0, 1)[0];
            (probes.row_block(0), block.masks, block.turn)
        };
        let one = of(&SEED, "x", 2, 3);
        assert_eq!(one, of(&SEED, "x", 2, 3));
        for other in [
            of(&[6; 32], "x", 2, 3),
            of(&SEED, "y", 2, 3),
            of(&SEED, "x", 3, 2),
        ] {
            assert!(one.0 != other.0 && one.1 != other.1);
        }
        let probes = Probes::new(&SEED, "x", 2, 3);
        let ones: u32 = (0..32)
            .flat_map(|i| probes.row_block(i))
            .map(u64::count_ones)
            .sum();
        // 524,288 coins, deviation 362.
        assert!(ones.abs_diff(262_144) < 1_500, "{ones}");
        let blocks = probes.column_blocks(0, 256 * 256);
        let minus: i64 = blocks.iter().flat_map(|b| b.masks).map(i64::abs).sum();
        assert!(minus.abs_diff(32_768) < 520, "{minus}");
        let turns: std::collections::BTreeSet<usize> = blocks.iter().map(|b| b.turn).collect();
        // 256·(1 − 1/e) of 256 places.
        assert!((130..195).contains(&turns.len()), "{}", turns.len());
        assert_ne!(probes.row_block(0), probes.row_block(1));
    }
}
