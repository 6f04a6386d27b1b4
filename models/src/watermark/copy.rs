//! A copy of a model's directory that appears whole or not at all.

use crate::{Fault, ModelError, manifest, train::output::remove};
use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

/// A copy that is not finished; what is left of it goes away when it is dropped.
pub(super) struct Copy {
    partial: PathBuf,
    out: PathBuf,
}

impl Copy {
    /// Copies every file of `dir` beside `out` but for the manifest, which is that of the old
    /// weights. `out` must not exist yet.
    pub(super) fn new(dir: &Path, out: &Path) -> Result<Self, ModelError> {
        let refuse = |what: &str| {
            let detail = format!("{}: {what}; name a new directory", out.display());
            Err(ModelError::new(Fault::Io, detail))
        };
        if out.exists() {
            return refuse("is there already");
        }
        let Some(name) = out.file_name() else {
            return refuse("is no directory's name");
        };
        let parent = match out.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(|e| ModelError::io(parent, &e))?;
        let real = |path: &Path| path.canonicalize().map_err(|e| ModelError::io(path, &e));
        if real(parent)?.starts_with(real(dir)?) {
            return refuse("lies within the model's own directory");
        }
        let mut partial = name.to_owned();
        partial.push(".partial");
        let copy = Self {
            partial: parent.join(partial),
            out: out.to_owned(),
        };
        remove(&copy.partial, fs::remove_dir_all(&copy.partial))?;
        copy_files(dir, &copy.partial, true)?;
        Ok(copy)
    }

    /// Where it is until it is finished.
    pub(super) fn dir(&self) -> &Path {
        &self.partial
    }

    /// Gives it its name.
    pub(super) fn finish(self) -> Result<(), ModelError> {
        fs::rename(&self.partial, &self.out).map_err(|e| ModelError::io(&self.out, &e))
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // It may have its name already, and what can't be removed is replaced by the next copy.
        let _ = fs::remove_dir_all(&self.partial);
    }
}

fn copy_files(from: &Path, to: &Path, is_top: bool) -> Result<(), ModelError> {
    fs::create_dir_all(to).map_err(|e| ModelError::io(to, &e))?;
    for entry in fs::read_dir(from).map_err(|e| ModelError::io(from, &e))? {
        let path = entry.map_err(|e| ModelError::io(from, &e))?.path();
        let name = path.file_name().unwrap_or_default();
        if is_top && name == manifest::FILE_NAME {
            continue;
        }
        let target = to.join(name);
        if path.is_dir() {
            copy_files(&path, &target, false)?;
            continue;
        }
        // Not `fs::copy`: a file that must not be written to is to have a copy that may be.
        let written = || {
            let mut file = File::create(&target)?;
            io::copy(&mut File::open(&path)?, &mut file)?;
            file.sync_all()
        };
        written().map_err(|e| ModelError::io(&path, &e))?;
    }
    Ok(())
}
