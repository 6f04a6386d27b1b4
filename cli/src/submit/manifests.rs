//! Manifests beside the files that they name.

use crate::fail::bad_input;
use anyhow::{Context, Result};
use arena_models::{Manifest, manifest};
use arena_primitives::{Hash, job::MAX_RECIPE_BYTES};
use std::{fs, path::Path};

/// Writes `manifest.scale` beside the files of a model and returns its root.
pub(crate) fn write_manifest(folder: &Path) -> Result<Hash> {
    write_within(folder, u64::MAX)
}

/// Writes the manifest of a recipe, which is no larger than what jurors fetch; returns its root.
pub(crate) fn write_recipe(folder: &Path) -> Result<Hash> {
    write_within(folder, MAX_RECIPE_BYTES)
}

fn write_within(folder: &Path, most: u64) -> Result<Hash> {
    let manifest = Manifest::of_dir(folder)
        .map_err(|why| bad_input(format!("the files in {}: {why}", folder.display())))?;
    if manifest.files.is_empty() {
        return Err(bad_input(format!("{} has no files", folder.display())));
    }
    let total = manifest.total_bytes();
    if total > most {
        return Err(bad_input(format!(
            "the files in {} have {total} bytes; jurors fetch {most} at the most, and convict \
             whoever trained with more: train on fewer data",
            folder.display()
        )));
    }
    let path = folder.join(manifest::FILE_NAME);
    fs::write(&path, manifest.encode())
        .with_context(|| format!("can't write {}", path.display()))?;
    Ok(Hash::from(manifest.root()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_should_be_refused_beyond_the_most_bytes() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("train.jsonl"), [7; 10]).unwrap();
        let told = write_within(folder.path(), 9).unwrap_err().to_string();
        assert!(told.contains("have 10 bytes; jurors fetch 9"), "{told}");
        assert!(!folder.path().join(manifest::FILE_NAME).exists());
        assert!(write_within(folder.path(), 10).is_ok());
    }
}
