//! The losses of a job, sample by sample: what a job that was interrupted resumes from, and
//! what is shown when a score is challenged.
//!
//! A file of frames, each with its length and a checksum. A frame that was cut short or
//! damaged ends the file: what follows is computed again.

use codec::{Decode, DecodeAll, Encode};
use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    marker::PhantomData,
    path::Path,
};

const CHECKSUM: usize = 4;
/// Longest frame, in bytes.
const LONGEST: usize = 4096;

/// One computed sample.
#[derive(Clone, Debug, PartialEq, Encode, Decode)]
pub(crate) struct Record<T> {
    /// Milliseconds of computing when it was found, over all runs of the job.
    pub(crate) millis: u64,
    /// What was found.
    pub(crate) loss: T,
}

/// An open file of losses.
pub(crate) struct Losses<T> {
    file: File,
    kind: PhantomData<T>,
}

/// Opens the file, new or old, to read and to append.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

impl<T: Encode + Decode> Losses<T> {
    /// Reads what is in a file that [`open`] gave.
    ///
    /// `made_by` names what decides a loss beside the job: losses of another release are
    /// not continued.
    pub(crate) fn read(mut file: File, made_by: &str) -> io::Result<(Self, Vec<Record<T>>)> {
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut rest = &bytes[..];
        let mut found = Vec::new();
        let mut valid = 0;
        if next(&mut rest).is_some_and(|frame| frame == made_by.as_bytes()) {
            found = following(&mut rest);
            valid = bytes.len() - rest.len();
        }
        file.set_len(valid as u64)?;
        file.seek(SeekFrom::End(0))?;
        let mut losses = Self {
            file,
            kind: PhantomData,
        };
        if valid == 0 {
            losses.write(made_by.as_bytes())?;
        }
        Ok((losses, found))
    }

    /// Appends one sample.
    pub(crate) fn append(&mut self, record: &Record<T>) -> io::Result<()> {
        self.write(&record.encode())
    }

    /// Makes what was appended outlive a loss of power.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    fn write(&mut self, frame: &[u8]) -> io::Result<()> {
        let length = u16::try_from(frame.len())
            .ok()
            .filter(|length| usize::from(*length) <= LONGEST)
            .ok_or_else(|| io::Error::other("a loss is too long to keep"))?;
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend_from_slice(frame);
        bytes.extend_from_slice(&checksum(frame));
        self.file.write_all(&bytes)
    }
}

/// What is in a file of losses, whoever made them.
pub(crate) fn records<T: Decode>(mut file: &[u8]) -> Vec<Record<T>> {
    match next(&mut file) {
        Some(_made_by) => following(&mut file),
        None => Vec::new(),
    }
}

/// All samples up to the first frame that is not whole, which `rest` begins with then.
fn following<T: Decode>(rest: &mut &[u8]) -> Vec<Record<T>> {
    let mut found = Vec::new();
    let mut after = *rest;
    while let Some(frame) = next(&mut after) {
        let Ok(record) = Record::decode_all(&mut &frame[..]) else {
            break;
        };
        found.push(record);
        *rest = after;
    }
    found
}

fn checksum(frame: &[u8]) -> [u8; CHECKSUM] {
    let [a, b, c, d, ..] = *blake3::hash(frame).as_bytes();
    [a, b, c, d]
}

/// The next whole frame.
fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, after) = rest.split_first_chunk::<2>()?;
    let (frame, after) = after.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    let (sum, after) = after.split_first_chunk::<CHECKSUM>()?;
    if *sum != checksum(frame) {
        return None;
    }
    *rest = after;
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(n: u64) -> Vec<Record<u32>> {
        (0..n)
            .map(|i| Record {
                millis: i,
                loss: u32::try_from(i).unwrap(),
            })
            .collect()
    }

    #[test]
    fn losses_should_resume_after_any_cut() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("losses");
        let (mut losses, found) = Losses::read(open(&path).unwrap(), "1").unwrap();
        assert!(found.is_empty());
        for record in some(3) {
            losses.append(&record).unwrap();
        }
        let whole = std::fs::read(&path).unwrap();
        let frame = 2 + 12 + CHECKSUM;
        for cut in 7..=whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let (mut losses, found) = Losses::<u32>::read(open(&path).unwrap(), "1").unwrap();
            assert_eq!(found, some(((cut - 7) / frame) as u64), "cut at {cut}");
            assert_eq!(records::<u32>(&whole[..cut]), found);
            losses.append(&some(9)[8]).unwrap();
            let (_, again) = Losses::<u32>::read(open(&path).unwrap(), "1").unwrap();
            assert_eq!(again.len(), found.len() + 1);
        }
        let (_, found) = Losses::<u32>::read(open(&path).unwrap(), "2").unwrap();
        assert!(found.is_empty());
    }
}
