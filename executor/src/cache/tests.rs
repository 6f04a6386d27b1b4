use super::*;
use arena_models::{Manifest, manifest::FileEntry};
use std::time::Duration;

struct Fixture {
    _dir: tempfile::TempDir,
    cache: Cache,
}

fn fixture(budget: u64) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::open(dir.path(), budget).unwrap();
    Fixture { _dir: dir, cache }
}

fn digest(content: &[u8]) -> [u8; 32] {
    *blake3::hash(content).as_bytes()
}

/// Puts a file there that was used `age` seconds ago.
fn put(cache: &Cache, content: &[u8], age: u64) -> [u8; 32] {
    let digest = digest(content);
    let _guard = cache.lock(&digest).unwrap();
    let mut part = cache.part(&digest, content.len() as u64).unwrap();
    part.append(content).unwrap();
    let path = cache.keep(part, &digest).unwrap();
    let then = SystemTime::now() - Duration::from_secs(age);
    File::open(path).unwrap().set_modified(then).unwrap();
    digest
}

/// Makes room for a file that never comes.
fn make_room(cache: &Cache, bytes: u64) -> io::Result<()> {
    let other = digest(b"another file");
    let _guard = cache.lock(&other)?;
    cache.part(&other, bytes)?.discard()
}

/// A model of these weights: its root.
fn model(cache: &Cache, weights: &[u8], age: u64) -> [u8; 32] {
    let blake3 = put(cache, weights, age);
    let entry = |path: &str, size, blake3| FileEntry {
        path: path.to_owned(),
        size,
        blake3,
    };
    let files = vec![
        entry("README.md", 9, [9; 32]),
        entry("model.safetensors", weights.len() as u64, blake3),
    ];
    let manifest = Manifest { files };
    let root = manifest.root();
    let _guard = cache.lock(&root).unwrap();
    cache.keep_manifest(&root, &manifest.encode()).unwrap();
    root
}

#[test]
fn room_should_be_made_by_the_least_recently_used() {
    let f = fixture(250);
    // Of equal hashes' first bits none: each has a lock of its own.
    let [old, used] = [(1, 300), (2, 400)].map(|(byte, age)| put(&f.cache, &[byte; 100], age));
    assert!(f.cache.find(&used, 100).unwrap().is_some());
    let new = put(&f.cache, &[3; 50], 100);
    make_room(&f.cache, 50).unwrap();
    assert!(f.cache.find(&old, 100).unwrap().is_none());
    assert!(f.cache.find(&used, 100).unwrap().is_some());
    assert!(f.cache.find(&new, 50).unwrap().is_some());
    let error = make_room(&f.cache, 251).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    assert!(error.to_string().contains("raise --cache-bytes"), "{error}");
}

#[test]
fn find_should_remove_a_damaged_file() {
    let f = fixture(250);
    let digest = put(&f.cache, b"content", 0);
    fs::write(f.cache.blob(&digest), b"c0ntent").unwrap();
    assert!(f.cache.has(&digest, 7));
    assert!(f.cache.find(&digest, 7).unwrap().is_none());
    assert!(!f.cache.blob(&digest).exists());
}

#[test]
fn part_should_resume_with_the_hash_of_what_is_there() {
    let f = fixture(250);
    let digest = digest(b"onetwo");
    f.cache.part(&digest, 6).unwrap().append(b"one").unwrap();
    let mut part = f.cache.part(&digest, 6).unwrap();
    assert_eq!(part.len(), 3);
    part.append(b"two").unwrap();
    assert_eq!(part.digest(), digest);
    // What is longer than the file can't be its beginning.
    part.append(b"three").unwrap();
    assert_eq!(f.cache.part(&digest, 6).unwrap().len(), 0);
}

#[test]
fn download_under_way_should_count_with_what_it_will_take_and_stay() {
    let f = fixture(1000);
    let one = digest(b"one");
    let lock = f.cache.lock(&one).unwrap();
    let mut part = f.cache.part(&one, 900).unwrap();
    part.append(b"on").unwrap();
    let error = make_room(&f.cache, 200).unwrap_err();
    assert!(error.to_string().contains("other downloads 900"), "{error}");
    make_room(&f.cache, 100).unwrap();
    // Left by a process that was killed, it is a file like others.
    drop(lock);
    make_room(&f.cache, 998).unwrap();
    assert_eq!(f.cache.part(&one, 900).unwrap().len(), 2);
    make_room(&f.cache, 999).unwrap();
    assert_eq!(f.cache.part(&one, 900).unwrap().len(), 0);
}

#[test]
fn file_that_is_being_linked_should_stay() {
    let f = fixture(250);
    let old = put(&f.cache, &[1; 100], 300);
    let new = put(&f.cache, &[2; 100], 100);
    let lock = f.cache.lock(&old).unwrap();
    make_room(&f.cache, 100).unwrap();
    assert!(f.cache.has(&old, 100) && !f.cache.has(&new, 100));
    drop(lock);
}

#[test]
fn bases_should_go_last_and_pinned_models_never() {
    let f = fixture(3000);
    let [base, hand] = [1, 2].map(|byte| model(&f.cache, &[byte; 1000], 500));
    let other = put(&f.cache, &[3; 400], 1);
    f.cache.pin(&base, Pin::Base).unwrap();
    f.cache.pin(&hand, Pin::Hand).unwrap();
    // A job that takes it for a base changes nothing.
    f.cache.pin(&hand, Pin::Base).unwrap();
    assert_eq!(f.cache.pinned(&hand), Some(Pin::Hand));
    make_room(&f.cache, 700).unwrap();
    assert!(!f.cache.has(&other, 400));
    let there = |cache: &Cache, root: [u8; 32]| {
        let contents = cache.contents().unwrap();
        let model = contents.models.into_iter().find(|model| model.root == root);
        model.map(|model| (model.pin, model.bytes_there, model.files))
    };
    assert_eq!(there(&f.cache, base), Some((Some(Pin::Base), 1000, 1)));
    make_room(&f.cache, 1500).unwrap();
    // Without its files, the base's manifest may stay or go; its pin is gone.
    assert!(there(&f.cache, base).is_none_or(|(pin, bytes, _)| (pin, bytes) == (None, 0)));
    assert_eq!(there(&f.cache, hand), Some((Some(Pin::Hand), 1000, 1)));
    let error = make_room(&f.cache, 2500).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::QuotaExceeded);
    assert!(error.to_string().contains("cache unpin"), "{error}");
    assert_eq!(there(&f.cache, hand), Some((Some(Pin::Hand), 1000, 1)));
    assert!(f.cache.unpin(&hand).unwrap());
    assert!(!f.cache.unpin(&hand).unwrap());
    make_room(&f.cache, 2500).unwrap();
    assert!(there(&f.cache, hand).is_none_or(|(_, bytes, _)| bytes == 0));
}

#[test]
fn evict_should_leave_what_is_held_and_say_what_went() {
    let f = fixture(10_000);
    let base = model(&f.cache, &[1; 1000], 500);
    f.cache.pin(&base, Pin::Base).unwrap();
    let [old, new] = [(2, 300), (3, 200)].map(|(byte, age)| put(&f.cache, &[byte; 100], age));
    let contents = f.cache.contents().unwrap();
    assert_eq!((contents.bytes, contents.held_bytes), (1200, 1000));
    assert_eq!((contents.other_files, contents.other_bytes), (2, 200));
    let manifest = fs::metadata(f.cache.dir.join(MANIFESTS).join(hex::encode(base)))
        .unwrap()
        .len();
    let freed = f.cache.evict(1100 + manifest).unwrap();
    assert_eq!((freed.files, freed.bytes), (1, 100));
    assert!(!f.cache.has(&old, 100) && f.cache.has(&new, 100));
    f.cache.evict(0).unwrap();
    assert!(!f.cache.has(&new, 100));
    assert_eq!(f.cache.contents().unwrap().bytes, 1000);
}

#[test]
fn manifest_should_be_known_by_its_root_until_it_is_damaged() {
    let f = fixture(10_000);
    let root = model(&f.cache, b"weights", 0);
    assert!(f.cache.manifest(&root).unwrap().is_some());
    assert!(f.cache.manifest(&[0; 32]).unwrap().is_none());
    let path = f.cache.dir.join(MANIFESTS).join(hex::encode(root));
    fs::write(&path, "another").unwrap();
    assert!(f.cache.manifest(&root).unwrap().is_none());
    assert!(!path.exists());
}

#[test]
fn budget_should_be_known_to_who_looks_from_outside() {
    let f = fixture(12345);
    let dir = f.cache.dir.clone();
    let seen = Cache::existing(&dir, 1).unwrap().unwrap();
    assert_eq!(seen.budget(), 12345);
    assert!(Cache::existing(&dir.join("blobs"), 1).unwrap().is_none());
}
