//! Guards against a promise of SECURITY.md that nothing holds: each names its tests, file and function,
//! and they are there.

use std::path::{Path, PathBuf};

/// The file to which a name in brackets leads.
fn place(name: &str) -> PathBuf {
    let (file, _) = name.split_once("::").unwrap_or((name, ""));
    let (kind, rest) = file.split_once('/').unwrap_or(("", file));
    PathBuf::from(match kind {
        "cli" => format!("cli/tests/{rest}.rs"),
        "c" => format!("bindings/c/tests/{rest}.c"),
        "fuzz" => format!("fuzz/fuzz_targets/{rest}.rs"),
        "bench" => format!("benches/{rest}.rs"),
        "loom" => format!("tests/loom/src/{rest}.rs"),
        "lib" => format!("src/{rest}.rs"),
        "c-lib" => format!("bindings/c/src/{rest}.rs"),
        _ => format!("tests/{file}.rs"),
    })
}

/// Whether a name stands for a test: fuzz targets and benchmarks are files, all others name a
/// function of theirs.
fn is_test(root: &Path, name: &str) -> bool {
    let Ok(text) = std::fs::read_to_string(root.join(place(name))) else { return false };
    match name.split_once("::") {
        Some((file, function)) => {
            let keyword = if file.starts_with("c/") { "void" } else { "fn" };
            text.contains(&format!("{keyword} {function}("))
        }
        None => ["fuzz/", "bench/"].iter().any(|kind| name.starts_with(kind)),
    }
}

#[test]
fn every_promise_names_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("SECURITY.md")).expect("the promises");
    let (_, model) = text.split_once("## Threat model").expect("the promises");
    let (model, _) = model.split_once("## Not promised").expect("what is not promised");
    // The package of the library has neither the program nor the bindings, nor the models.
    let is_here = |path: &Path| {
        let models = Path::new("tests/loom");
        let part = path.components().next().expect("a part of the repository");
        root.join(part).exists() && (!path.starts_with(models) || root.join(models).exists())
    };
    let mut promises = 0;
    for line in model.lines().filter(|line| line.ends_with(']')) {
        let (_, names) = line.rsplit_once('[').expect("names in brackets");
        for name in names.trim_end_matches(']').split(", ") {
            assert!(!is_here(&place(name)) || is_test(root, name), "{name} is no test: {line}");
            promises += 1;
        }
    }
    assert!(promises > 60, "only {promises} names");
    for section in model.split("\n### ").skip(1) {
        assert!(section.contains(']'), "no test holds any of: {section}");
    }
}
