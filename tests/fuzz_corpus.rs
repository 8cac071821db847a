//! Guards against a fuzz finding that comes back: every input of the committed corpus goes
//! through the body of its target. The fuzzer itself is not needed.

#[path = "../fuzz/fuzz_targets/common/mod.rs"]
mod fuzz;

use std::fs;
use std::path::Path;

fn replay(target: &str, body: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let seeds =
        fs::read_dir(&corpus).expect("a corpus").map(|entry| entry.expect("an entry").path());
    let seeds: Vec<_> =
        seeds.filter(|path| path.extension().is_some_and(|e| e == "seed")).collect();
    assert!(!seeds.is_empty(), "no seeds in {}", corpus.display());
    for seed in seeds {
        println!("{}", seed.display());
        body(&fs::read(&seed).expect("a seed"));
    }
}

#[test]
fn open() {
    replay("open", fuzz::open);
}

#[test]
fn lookup() {
    replay("lookup", fuzz::lookup);
}

#[test]
fn patch() {
    replay("patch", fuzz::patch);
}

#[cfg(all(feature = "fsst", feature = "zstd"))]
#[test]
fn packed() {
    replay("packed", fuzz::packed);
}

#[test]
fn build_then_read() {
    replay("build_then_read", fuzz::build_then_read);
}
