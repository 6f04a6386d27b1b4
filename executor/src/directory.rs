//! What a model directory given by hand may be, checked before a file of it is opened.
//!
//! Bounded by the number of files that a manifest takes: of a directory with a hundred thousand
//! entries, about two thousand are looked at.

use anyhow::{Context, Result, bail, ensure};
use arena_models::manifest::{FILE_NAME, MAX_FILES};
use std::{fs, os::unix::fs::FileTypeExt, path::Path};

/// Deepest directory that is looked into.
const DEEPEST: usize = 16;

/// Refuses what a validator could not fetch: too many files, links, pipes, sockets, devices.
pub(crate) fn check(dir: &Path) -> Result<()> {
    let meta = fs::metadata(dir)
        .with_context(|| format!("cannot look at {}; is the path right?", dir.display()))?;
    ensure!(
        meta.is_dir(),
        "{} is not a directory; name the one with the model's files",
        dir.display()
    );
    let mut budget = Budget {
        files: MAX_FILES,
        folders: MAX_FILES,
    };
    walk(dir, dir, 0, &mut budget)
}

/// What may still come.
struct Budget {
    files: usize,
    folders: usize,
}

fn walk(top: &Path, dir: &Path, depth: usize, budget: &mut Budget) -> Result<()> {
    ensure!(
        depth <= DEEPEST,
        "{}: directories are nested more than {DEEPEST} deep; flatten them",
        dir.display()
    );
    let entries = fs::read_dir(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", dir.display()))?;
        let path = entry.path();
        let kind = entry
            .file_type()
            .with_context(|| format!("cannot look at {}", path.display()))?;
        if kind.is_dir() {
            spend(&mut budget.folders, top)?;
            walk(top, &path, depth + 1, budget)?;
        } else if kind.is_file() {
            if depth > 0 || entry.file_name() != FILE_NAME {
                spend(&mut budget.files, top)?;
            }
        } else {
            bail!("{}: {}", path.display(), odd(kind));
        }
    }
    Ok(())
}

fn spend(left: &mut usize, top: &Path) -> Result<()> {
    match left.checked_sub(1) {
        Some(less) => {
            *left = less;
            Ok(())
        }
        None => bail!(
            "{} has more than {MAX_FILES} files or folders, the most that a manifest takes; \
             leave only the model's own there",
            top.display()
        ),
    }
}

fn odd(kind: fs::FileType) -> &'static str {
    if kind.is_symlink() {
        "is a symbolic link, and validators fetch files only; copy the directory with cp -rL"
    } else if kind.is_fifo() {
        "is a pipe, not a file; remove it"
    } else if kind.is_socket() {
        "is a socket, not a file; remove it"
    } else {
        "is a device, not a file; remove it"
    }
}

/// Refuses evaluation data that is no file: a pipe would be waited for.
pub(crate) fn check_file(path: &Path) -> Result<()> {
    let meta = fs::metadata(path)
        .with_context(|| format!("cannot look at {}; is the path right?", path.display()))?;
    ensure!(
        meta.is_file(),
        "{} is not a file; name the file with the samples",
        path.display()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::{fs::symlink, net::UnixListener};

    fn refusal(dir: &Path) -> String {
        format!("{:#}", check(dir).unwrap_err())
    }

    #[test]
    fn directory_should_be_refused_for_what_is_no_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        fs::create_dir(dir.join("folder")).unwrap();
        fs::write(dir.join("folder/file"), "x").unwrap();
        check(dir).unwrap();
        symlink("folder/file", dir.join("link")).unwrap();
        assert!(refusal(dir).contains("link: is a symbolic link"));
        fs::remove_file(dir.join("link")).unwrap();
        symlink("..", dir.join("folder/up")).unwrap();
        assert!(refusal(dir).contains("up: is a symbolic link"));
        fs::remove_file(dir.join("folder/up")).unwrap();
        let socket = UnixListener::bind(dir.join("socket")).unwrap();
        assert!(refusal(dir).contains("is a socket"));
        drop(socket);
        fs::remove_file(dir.join("socket")).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(dir.join("config.json"))
            .status();
        assert!(made.unwrap().success());
        assert!(refusal(dir).contains("config.json: is a pipe"));
        assert!(refusal(&dir.join("folder/file")).contains("is not a directory"));
        assert!(refusal(&dir.join("absent")).contains("is the path right?"));
        assert!(check_file(&dir.join("config.json")).is_err());
        assert!(check_file(dir).is_err());
    }

    #[test]
    fn directory_should_be_refused_for_more_than_a_manifest_takes() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..MAX_FILES {
            fs::write(dir.path().join(n.to_string()), "").unwrap();
        }
        fs::write(dir.path().join(FILE_NAME), "").unwrap();
        check(dir.path()).unwrap();
        fs::write(dir.path().join("more"), "").unwrap();
        assert!(refusal(dir.path()).contains("more than 1024 files"));
        let folders = tempfile::tempdir().unwrap();
        for n in 0..=MAX_FILES {
            fs::create_dir(folders.path().join(n.to_string())).unwrap();
        }
        assert!(refusal(folders.path()).contains("more than 1024 files or folders"));
        let deep = tempfile::tempdir().unwrap();
        let parts = vec!["x"; DEEPEST + 1].join("/");
        fs::create_dir_all(deep.path().join(parts)).unwrap();
        assert!(refusal(deep.path()).contains("nested"));
    }
}
