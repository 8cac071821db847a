//! Guards against a promise of SECURITY.md that nothing holds: each names its tests, and they are
//! there.

use std::path::{Path, PathBuf};

/// Where a name in brackets leads.
fn place(name: &str) -> PathBuf {
    let (kind, rest) = name.split_once('/').unwrap_or(("", name));
    PathBuf::from(match kind {
        "cli" => format!("cli/tests/{rest}.rs"),
        "c" => format!("bindings/c/tests/{rest}.c"),
        "fuzz" => format!("fuzz/fuzz_targets/{rest}.rs"),
        "bench" => format!("benches/{rest}.rs"),
        "lib" => format!("src/{rest}.rs"),
        "c-lib" => format!("bindings/c/src/{rest}.rs"),
        _ => format!("tests/{name}.rs"),
    })
}

#[test]
fn every_promise_names_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("SECURITY.md")).expect("the promises");
    let (_, model) = text.split_once("## Threat model").expect("the promises");
    let (model, _) = model.split_once("## Not promised").expect("what is not promised");
    // The package of the library has neither the program nor the bindings.
    let is_here = |path: &Path| {
        let part = path.components().next().expect("a part of the repository");
        root.join(part).exists()
    };
    let mut promises = 0;
    for line in model.lines().filter(|line| line.ends_with(']')) {
        let (_, names) = line.rsplit_once('[').expect("names in brackets");
        for name in names.trim_end_matches(']').split(", ") {
            let path = place(name);
            assert!(!is_here(&path) || root.join(&path).is_file(), "{name} is no test: {line}");
            promises += 1;
        }
    }
    assert!(promises > 60, "only {promises} names");
    for section in model.split("\n### ").skip(1) {
        assert!(section.contains(']'), "no test holds any of: {section}");
    }
}
