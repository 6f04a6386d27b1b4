//! Where the programs and the data are.

use anyhow::{Result, bail};
use std::{
    env,
    path::{Path, PathBuf},
};

/// The programs that the harness starts.
#[derive(Clone, Debug)]
pub struct Programs {
    /// `arena-node`.
    pub node: PathBuf,
    /// `arena-executor`.
    pub executor: PathBuf,
    /// `arena`.
    pub cli: PathBuf,
}

impl Programs {
    /// Looks in `dir` if it is given; else beside the running program and in cargo's target
    /// directory.
    pub fn find(dir: Option<&Path>) -> Result<Self> {
        let places = match dir {
            Some(dir) => vec![dir.to_path_buf()],
            None => usual_places(),
        };
        for place in &places {
            let programs = Self::in_dir(place);
            if programs.all().iter().all(|program| program.is_file()) {
                return Ok(programs);
            }
        }
        let places: Vec<_> = places
            .iter()
            .map(|place| place.display().to_string())
            .collect();
        bail!(
            "no arena-node, arena-executor and arena in {}; build them with `cargo build \
             --release --workspace`, or name their directory",
            places.join(", ")
        )
    }

    fn in_dir(dir: &Path) -> Self {
        // Nodes are started in other directories.
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_path_buf());
        Self {
            node: dir.join("arena-node"),
            executor: dir.join("arena-executor"),
            cli: dir.join("arena"),
        }
    }

    /// All of them.
    pub fn all(&self) -> [&Path; 3] {
        [&self.node, &self.executor, &self.cli]
    }
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    places.extend(env::var_os("ARENA_BIN_DIR").map(PathBuf::from));
    // Tests run from `deps` below the programs.
    if let Ok(program) = env::current_exe() {
        places.extend(program.ancestors().skip(1).take(2).map(Path::to_path_buf));
    }
    places.extend(env::var_os("CARGO_TARGET_DIR").map(|dir| Path::new(&dir).join("release")));
    places
}

/// The checkout's `data` directory.
pub fn data_dir() -> PathBuf {
    // Test runners set it to the checkout that runs. What is compiled in may be another checkout
    // that shares the target directory.
    let package = env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    package.parent().unwrap_or(Path::new(".")).join("data")
}
