//! What a set maps, and when.

use super::super::{common, numbered, open, open_with, quick, write};
use graven::{SetBuildOptions, SetOptions, TableSet};
use std::fs;
use std::path::Path;

/// Mappings of this process below a directory.
pub(super) fn mappings(directory: &Path) -> usize {
    let name = directory.to_str().unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    maps.lines().filter(|line| line.contains(name)).count()
}

#[cfg(target_os = "linux")]
#[test]
fn a_shard_is_mapped_when_it_is_asked() {
    let dir = tempfile::tempdir().unwrap();
    write(&quick().shard_entries(1), dir.path(), &numbered(1000));
    let set = open(dir.path());
    assert_eq!(set.manifest().shards.len(), 1000);
    assert_eq!((set.len(), set.rank("").unwrap()), (1000, 0));
    assert_eq!(mappings(set.path()), 0);
    assert_eq!(set.get("00000500").unwrap().unwrap(), 500u32.to_le_bytes());
    assert_eq!(mappings(set.path()), 1);
    assert_eq!(set.count("00000100".."00000200").unwrap(), 100);
    assert_eq!(mappings(set.path()), 3);
    drop(set);
}

/// Eight shards of 4 MiB.
fn large(path: &Path) -> SetBuildOptions {
    let options = quick().shard_entries(1);
    let entries: Vec<_> = (0..8u8).map(|i| (vec![i], vec![i; 4 << 20])).collect();
    write(&options, path, &entries);
    options
}

fn ask_all(set: &TableSet) {
    for key in 0..8u8 {
        let value = set.get([key]).unwrap().unwrap();
        assert!(value.len() == 4 << 20 && value[1 << 20] == key);
    }
}

#[test]
fn no_more_is_mapped_than_the_bound_allows() {
    let dir = tempfile::tempdir().unwrap();
    large(dir.path());
    let most = 10 << 20;
    let set = open_with(&SetOptions::new().max_mapped_bytes(most), dir.path()).unwrap();
    for _ in 0..3 {
        ask_all(&set);
        assert!((4 << 20..=most).contains(&set.mapped_bytes()), "{}", set.mapped_bytes());
    }
    if cfg!(target_os = "linux") {
        assert_eq!(mappings(set.path()), 2);
    }
    // What was let go stays readable for those that hold it.
    let held = set.get([0]).unwrap().unwrap();
    ask_all(&set);
    assert!(held.iter().all(|&byte| byte == 0));
    // The shard that is asked again and again stays.
    let hot = |set: &TableSet| set.get([0]).unwrap().unwrap();
    // Held, so that no other mapping of the shard gets its addresses.
    let before = hot(&set);
    for key in 1..8u8 {
        hot(&set);
        set.get([key]).unwrap();
    }
    let after = hot(&set);
    assert!(std::ptr::eq(&before[..], &after[..]), "the shard that is used most was let go");
}

const LIMITED: &str = "GRAVEN_TEST_LIMITED_SET";

/// The set has 32 MiB, and the process room for 20 more.
#[cfg(target_os = "linux")]
#[test]
fn a_set_larger_than_the_address_space_answers() {
    let dir = tempfile::tempdir().unwrap();
    large(dir.path());
    common::run_child("sets::mapping::limited_child", LIMITED, dir.path());
}

#[cfg(target_os = "linux")]
#[test]
fn limited_child() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    let Some(path) = std::env::var_os(LIMITED) else { return };
    let path = Path::new(&path);
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let space = (common::field(&status, "VmSize") << 10) + (20 << 20);
    setrlimit(Resource::As, Rlimit { current: Some(space), maximum: Some(space) }).unwrap();
    // All shards at once do not fit …
    let set = open(path);
    let tables: Vec<_> = (0..8).map(|shard| set.table(shard)).collect();
    assert!(tables.iter().any(Result::is_err), "the limit does not bite");
    drop(tables);
    // … and one after the other they do, with and without a bound.
    for most in [None, Some(9 << 20)] {
        let set = open_with(&SetOptions::new().max_mapped_bytes(most), path).unwrap();
        ask_all(&set);
        ask_all(&set);
        assert_eq!(set.iter().map(|item| item.unwrap().1.len()).sum::<usize>(), 8 * (4 << 20));
        // Absent keys keep no shard.
        let absent: Vec<_> = (0..8u8).map(|shard| [shard, 0]).collect();
        assert!(set.get_many(&absent).unwrap().iter().all(Option::is_none));
    }
}
