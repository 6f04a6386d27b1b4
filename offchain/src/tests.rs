use crate::{Shelf, TARGET};
use sp_core::offchain::{OffchainDbExt, testing::TestOffchainExt};

const SHELF: Shelf<u32> = Shelf::new(b"index");

fn node(test: impl FnOnce()) {
    let mut ext = sp_io::TestExternalities::default();
    ext.register_extension(OffchainDbExt::new(TestOffchainExt::new().0));
    ext.execute_with(test);
}

#[test]
fn shelf_should_keep_the_first_of_two_writers() {
    node(|| {
        let first = |new: u8| move |found: Option<u8>| found.unwrap_or(new);
        assert_eq!(SHELF.keep(b"a", 7, 10, first(1)), Some(1));
        assert_eq!(SHELF.keep(b"a", 7, 10, first(2)), Some(1));
        assert_eq!(SHELF.load::<u8>(b"a"), Some(1));
        assert_eq!(SHELF.len(), 1);
    });
}

#[test]
fn shelf_should_remove_what_is_past_its_block_and_gone() {
    node(|| {
        for (key, of) in [(b"a", 1), (b"b", 2)] {
            SHELF.keep(key, of, 10, |_: Option<u8>| 5);
        }
        SHELF.clean_up(10, |_| true);
        assert_eq!(SHELF.len(), 2, "not past it");
        SHELF.clean_up(11, |of| *of == 1);
        assert_eq!(SHELF.load::<u8>(b"a"), None);
        assert_eq!(SHELF.load::<u8>(b"b"), Some(5));
        SHELF.clean_up(11, |_| true);
        assert!(SHELF.is_empty());
    });
}

#[test]
fn shelf_should_tell_each_thing_once() {
    node(|| {
        assert!(!SHELF.tell_once(b"a", 0), "{TARGET}: it is not listed");
        assert!(SHELF.list(b"a", 1, 10));
        assert!(SHELF.tell_once(b"a", 0));
        assert!(!SHELF.tell_once(b"a", 0));
        assert!(SHELF.tell_once(b"a", 1));
    });
}

#[test]
fn what_does_not_decode_should_count_as_not_there() {
    node(|| {
        SHELF.keep(b"a", 1, 10, |_: Option<u8>| 5);
        assert_eq!(SHELF.load::<(u64, u64)>(b"a"), None);
        let kept = SHELF.keep(b"a", 1, 10, |found: Option<(u64, u64)>| {
            assert_eq!(found, None);
            (3, 4)
        });
        assert_eq!(kept, Some((3, 4)));
    });
}
