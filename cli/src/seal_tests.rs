use super::*;
use crate::fail::BadInput;
use arena_primitives::shard::is_sealed;

fn args(folder: &Path) -> SealArgs {
    SealArgs {
        shard: Vec::new(),
        split: None,
        rounds: None,
        out: folder.join("sealed"),
    }
}

fn jsonl(folder: &Path, lines: usize) -> PathBuf {
    let path = folder.join("data.jsonl");
    let text: String = (0..lines)
        .map(|n| format!("{{\"text\":\"{n}\"}}\n"))
        .collect();
    fs::write(&path, text).unwrap();
    path
}

fn split(folder: &Path, lines: usize, rounds: u32) -> Result<()> {
    let mut args = args(folder);
    args.split = Some(jsonl(folder, lines));
    args.rounds = Some(rounds);
    seal(Out { json: true }, args)
}

#[test]
fn each_round_should_have_its_own_lines_and_a_proof_that_the_chain_takes() {
    let folder = tempfile::tempdir().unwrap();
    split(folder.path(), 23, 3).unwrap();
    let sealed = folder.path().join("sealed");
    let seal = Seal::read(&sealed.join(FILE_NAME)).unwrap();
    seal.check_rounds(3).unwrap();
    let mut lines = Vec::new();
    for round in 1..=4 {
        let (shard, proof, file) = seal.shard_of(round).unwrap();
        assert!(is_sealed(&seal.root(), 4, round, &shard, &proof));
        let text = fs::read_to_string(sealed.join(file)).unwrap();
        assert_eq!(*blake3::hash(text.as_bytes()).as_bytes(), shard.blake3);
        let own: Vec<String> = text.lines().map(str::to_owned).collect();
        assert!((5..=6).contains(&own.len()), "{own:?}");
        lines.extend(own);
    }
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 23);
    assert!(seal.shard_of(0).is_err() && seal.shard_of(5).is_err());
    assert!(seal.check_rounds(4).is_err());
}

#[test]
fn equal_lines_should_be_dealt_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.jsonl");
    fs::write(&path, "{\"a\":1}\n {\"a\":1}\n{\"a\":2}\n{\"a\":1}\n").unwrap();
    let mut with = args(folder.path());
    with.split = Some(path);
    with.rounds = Some(1);
    seal(Out { json: true }, with).unwrap();
    let sealed = folder.path().join("sealed");
    let text = |n: u32| fs::read_to_string(sealed.join(format!("round-{n}.jsonl"))).unwrap();
    let mut both = [text(1), text(2)];
    both.sort();
    assert_eq!(both, ["{\"a\":1}\n", "{\"a\":2}\n"]);
}

#[test]
fn lines_should_be_dealt_by_the_key() {
    let all: Vec<Vec<u8>> = (0..100u8).map(|n| vec![n]).collect();
    let lines: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    let one = dealt(&lines, 4, &[1; 32]);
    assert_eq!(one, dealt(&lines, 4, &[1; 32]));
    assert_ne!(one, dealt(&lines, 4, &[2; 32]));
    assert!(one.iter().all(|shard| shard.len() == 50));
}

#[cfg(unix)]
#[test]
fn the_seal_should_be_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    split(folder.path(), 9, 2).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let sealed = folder.path().join("sealed");
    assert_eq!(mode(&sealed), 0o700);
    assert_eq!(mode(&sealed.join(FILE_NAME)), 0o600);
}

#[test]
fn bad_data_should_be_refused_and_nothing_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |result: Result<()>, what: &str| {
        let error = result.unwrap_err();
        assert!(error.is::<BadInput>(), "{error:#}");
        assert!(format!("{error:#}").contains(what), "{error:#}");
    };
    refused(split(folder.path(), 3, 3), "fewer than the 4 shards");
    let broken = folder.path().join("broken.jsonl");
    fs::write(&broken, "{\"text\":\"a\"}\n\n{\"text\":\n").unwrap();
    let mut with = args(folder.path());
    with.split = Some(broken);
    with.rounds = Some(1);
    refused(seal(Out { json: true }, with), "sample 2 is no JSON");
    let twin = jsonl(folder.path(), 2);
    let mut with = args(folder.path());
    with.shard = vec![twin.clone(), broken_copy(folder.path()), twin];
    refused(seal(Out { json: true }, with), "shards 1 and 3 are equal");
    assert!(!folder.path().join("sealed").exists());

    split(folder.path(), 9, 2).unwrap();
    let before = fs::read(folder.path().join("sealed").join(FILE_NAME)).unwrap();
    refused(split(folder.path(), 9, 2), "is not empty");
    let after = fs::read(folder.path().join("sealed").join(FILE_NAME)).unwrap();
    assert_eq!(before, after);
}

fn broken_copy(folder: &Path) -> PathBuf {
    let path = folder.join("other");
    fs::write(&path, "something else").unwrap();
    path
}

#[test]
fn a_seal_that_was_changed_should_be_refused() {
    let folder = tempfile::tempdir().unwrap();
    split(folder.path(), 9, 2).unwrap();
    let path = folder.path().join("sealed").join(FILE_NAME);
    let text = fs::read_to_string(&path).unwrap();
    for (from, to, what) in [
        ("\"version\": 1", "\"version\": 2", "version 2"),
        ("\"bytes\": 39", "\"bytes\": 40", "restore it from a copy"),
        ("\"shards\"", "\"shard\"", "is no seal"),
    ] {
        assert!(text.contains(from), "{text}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let error = format!("{:#}", Seal::read(&path).unwrap_err());
        assert!(error.contains(what), "{error}");
    }
}
