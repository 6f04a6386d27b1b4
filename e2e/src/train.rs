//! Training of the demo's and the tests' models by `arena train`.

use crate::{bins::Programs, poll, process::Process};
use anyhow::{Context, Result};
use serde_json::Value;
use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const WITHIN: Duration = Duration::from_secs(300);
/// Trainings at a time.
const WIDTH: usize = 2;

/// Trains the models of these configs of `data`, such as `digits/mlp`, below `base`; their
/// directories are [`model_dir`]s.
pub fn train_all(programs: &Programs, data: &Path, base: &Path, names: &[&str]) -> Result<()> {
    fs::create_dir_all(base.join("logs"))?;
    poll::side_by_side(WIDTH, names.to_vec(), |name| {
        train(programs, data, base, name)
    })?;
    Ok(())
}

/// Where [`train_all`] puts a model.
pub fn model_dir(base: &Path, name: &str) -> PathBuf {
    out_dir(base, name).join("model")
}

fn out_dir(base: &Path, name: &str) -> PathBuf {
    base.join("models").join(name.replace('/', "-"))
}

fn train(programs: &Programs, data: &Path, base: &Path, name: &str) -> Result<()> {
    let path = data.join(format!("{name}.json"));
    let text = fs::read(&path).with_context(|| format!("can't read {}", path.display()))?;
    let config: Value =
        serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
    // As a person would call it: from the directory that holds `data`.
    train_config(programs, &config, data.parent().unwrap_or(data), base, name)
}

/// Trains by a config whose paths are relative to `dir`.
pub fn train_config(
    programs: &Programs,
    config: &Value,
    dir: &Path,
    base: &Path,
    name: &str,
) -> Result<()> {
    let out = out_dir(base, name);
    fs::create_dir_all(&out)?;
    let file = out.with_extension("json");
    fs::write(
        &file,
        serde_json::to_vec_pretty(&absolute(config.clone(), dir))?,
    )?;
    let log = base
        .join("logs")
        .join(format!("train-{}.log", name.replace('/', "-")));
    fs::create_dir_all(base.join("logs"))?;
    let mut command = Command::new(&programs.cli);
    command
        .args(["--json", "train", "--config"])
        .arg(&file)
        .arg("--out")
        .arg(&out);
    Process::spawn(&format!("arena train {name}"), &mut command, &log)?.succeed(WITHIN)
}

/// The config with absolute paths.
fn absolute(mut config: Value, dir: &Path) -> Value {
    let mend = |path: &mut Value| {
        if let Some(text) = path.as_str() {
            *path = dir.join(text).display().to_string().into();
        }
    };
    if let Some(data) = config.get_mut("data").and_then(Value::as_array_mut) {
        data.iter_mut().for_each(mend);
    }
    if let Some(tokenizer) = config.get_mut("tokenizer") {
        mend(tokenizer);
    }
    config
}

/// A copy of a model whose last weight is not a number.
pub fn break_model(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    let weights = to.join("model.safetensors");
    let mut file = fs::OpenOptions::new()
        .write(true)
        .open(&weights)
        .with_context(|| format!("can't write {}", weights.display()))?;
    file.seek(SeekFrom::End(-4))?;
    file.write_all(&f32::NAN.to_le_bytes())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn absolute_should_mend_paths_and_leave_a_tokenizer_to_be_trained() {
        let dir = Path::new("/data");
        let mended = absolute(json!({"data": ["a", "/b"], "tokenizer": "t"}), dir);
        assert_eq!(
            mended,
            json!({"data": ["/data/a", "/b"], "tokenizer": "/data/t"})
        );
        let trained = json!({"data": [], "tokenizer": {"train": {"vocab_size": 300}}});
        assert_eq!(absolute(trained.clone(), dir), trained);
    }

    #[test]
    fn break_model_should_change_the_last_weight_only() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir(&from).unwrap();
        fs::write(from.join("model.safetensors"), [7; 12]).unwrap();
        break_model(&from, &to).unwrap();
        let broken = fs::read(to.join("model.safetensors")).unwrap();
        assert_eq!(broken[..8], [7; 8]);
        assert!(f32::from_le_bytes(broken[8..].try_into().unwrap()).is_nan());
    }
}
