//! What must outlive a crash, on disk: without its nonce a committed model can't be published, and
//! no other commitment be opened.

use anyhow::{Context, Result, anyhow, ensure};
use arena_primitives::{AccountId, Hash, Round, TaskId, submission_commitment};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

/// Version of the files.
pub(crate) const VERSION: u8 = 1;

/// A JSON file with a nonce.
pub(crate) trait Kept: Serialize + DeserializeOwned {
    /// Of what it is the state.
    const OF: &'static str;

    /// The version that the file has.
    fn version(&self) -> u8;

    /// Reads a file.
    fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("can't read the state file {}", path.display()))?;
        let state: Self = serde_json::from_str(&text)
            .with_context(|| format!("{} is no state file of {}", path.display(), Self::OF))?;
        ensure!(
            state.version() == VERSION,
            "{} has version {}, this release reads {VERSION}",
            path.display(),
            state.version()
        );
        Ok(state)
    }

    /// Reads a file if there is one.
    fn find(path: &Path) -> Result<Option<Self>> {
        if path
            .try_exists()
            .with_context(|| format!("can't look at {}", path.display()))?
        {
            Self::read(path).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Writes the file, readable by its owner alone.
    fn write(&self, path: &Path) -> Result<()> {
        write_private(path, self)
            .with_context(|| format!("can't write the state file {}", path.display()))
    }
}

/// What is needed to publish.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Submission {
    /// Version of the file.
    version: u8,
    /// The task.
    pub(crate) task: TaskId,
    /// Whose model.
    pub(crate) operator: AccountId,
    /// Which model.
    pub(crate) manifest_root: Hash,
    /// What hides it until it is published.
    pub(crate) nonce: Hash,
    /// Where it can be fetched then.
    pub(crate) uris: Vec<String>,
    /// The round in which it was committed to, once it was.
    pub(crate) round: Option<Round>,
}

impl Submission {
    /// A submission that is not sent yet.
    pub(crate) fn new(
        task: TaskId,
        operator: AccountId,
        manifest_root: Hash,
        nonce: Hash,
        uris: Vec<String>,
    ) -> Self {
        Submission {
            version: VERSION,
            task,
            operator,
            manifest_root,
            nonce,
            uris,
            round: None,
        }
    }

    /// What is committed to.
    pub(crate) fn commitment(&self) -> Hash {
        submission_commitment(&self.operator, self.manifest_root, self.nonce)
    }

    /// Whether this commits `operator` to the same model in the same task.
    pub(crate) fn is_of(&self, task: TaskId, operator: &AccountId, root: Hash) -> bool {
        self.task == task && self.operator == *operator && self.manifest_root == root
    }
}

impl Kept for Submission {
    const OF: &'static str = "a submission";

    fn version(&self) -> u8 {
        self.version
    }
}

/// Writes JSON to a file that its owner alone can read: all of it or nothing, and on disk when
/// this returns.
pub(crate) fn write_private(path: &Path, value: &impl Serialize) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut file, value)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|e| e.error)?;
    // The rename itself.
    fs::File::open(folder)?.sync_all()?;
    Ok(())
}

/// The file of a submission unless another one is named: in the working directory, since
/// everything in the model's directory belongs to the model.
pub(crate) fn default_path(task: TaskId, root: Hash) -> Result<PathBuf> {
    let short = short(&root.0)?;
    Ok(PathBuf::from(format!("submission-task{task}-{short}.json")))
}

/// The first hex digits of an account or a hash, as names of files have them.
pub(crate) fn short(bytes: &[u8]) -> Result<String> {
    let hex = hex::encode(bytes);
    let short = hex.get(..12).map(str::to_string);
    short.ok_or_else(|| anyhow!("a root is too short"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arena_primitives::hash::{Domain, hash};

    fn state() -> Submission {
        Submission::new(
            3,
            AccountId::from([1; 32]),
            Hash::repeat_byte(2),
            Hash::repeat_byte(3),
            vec!["https://example.org/m".into()],
        )
    }

    #[test]
    fn state_should_survive_a_round_trip() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        assert_eq!(Submission::find(&path).unwrap(), None);
        let mut state = state();
        state.write(&path).unwrap();
        assert_eq!(Submission::find(&path).unwrap().as_ref(), Some(&state));
        state.round = Some(2);
        state.write(&path).unwrap();
        assert_eq!(Submission::read(&path).unwrap(), state);
    }

    #[cfg(unix)]
    #[test]
    fn state_should_be_readable_by_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        state().write(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn failed_write_should_leave_the_earlier_state_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        state().write(&path).unwrap();
        // A directory in the way: the last step fails after everything was written.
        let blocked = folder.path().join("dir");
        fs::create_dir(&blocked).unwrap();
        fs::write(blocked.join("x"), "").unwrap();
        assert!(state().write(&blocked).is_err());
        assert_eq!(Submission::read(&path).unwrap(), state());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn truncated_or_foreign_files_should_be_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        let text = serde_json::to_string(&state()).unwrap();
        for bad in [
            &text[..text.len() / 2],
            "",
            "{}",
            &text.replace("\"version\":1", "\"version\":2"),
        ] {
            fs::write(&path, bad).unwrap();
            assert!(Submission::find(&path).is_err(), "{bad}");
        }
    }

    #[test]
    fn commitment_should_be_that_of_the_protocol() {
        let state = state();
        let content = (state.operator.clone(), state.manifest_root, state.nonce);
        assert_eq!(state.commitment(), hash(Domain::Submission, &content));
    }
}
