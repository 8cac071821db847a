//! Guards against a dependency that came without a word: each crate in a manifest stands in
//! docs/dependencies.md with a reason, and no crate stands there that is gone.

use std::collections::BTreeSet;
use std::path::Path;

/// A part of the document, and the manifests whose dependencies it lists.
const PARTS: [(&str, &[&str]); 3] = [
    ("The library", &["Cargo.toml"]),
    ("The program", &["cli/Cargo.toml"]),
    ("The bindings", &["bindings/c/Cargo.toml", "bindings/python/Cargo.toml"]),
];

/// The crates that a manifest's users compile: what only tests need is not among them.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            inside = ["dependencies", "build-dependencies"]
                .iter()
                .any(|kind| section == *kind || section.ends_with(&format!(".{kind}")));
            inside &= !section.starts_with("workspace");
        } else if inside && line.starts_with(|c: char| c.is_ascii_lowercase()) {
            let name = line.split(['=', '.', ' ']).next().unwrap_or_default();
            found.insert(name.to_owned());
        }
    }
    found
}

/// The crates in the first column of a part's table. Each row has a reason.
fn documented(document: &str, part: &str) -> BTreeSet<String> {
    let (_, rest) = document.split_once(&format!("## {part}\n")).expect("the part");
    let table = rest.split("\n## ").next().unwrap_or_default();
    let rows = table.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        assert!(cells.len() == 5 && cells[2].len() > 10, "{row}");
        cells[1].split(", ").map(|name| name.trim_matches('`').to_owned()).collect::<Vec<_>>()
    })
    .collect()
}

#[test]
fn every_dependency_has_its_reason() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |file: &str| std::fs::read_to_string(root.join(file));
    let document = read("docs/dependencies.md").expect("the document");
    for (part, manifests) in PARTS {
        // The package of the library has neither the program nor the bindings.
        let texts: Vec<String> = manifests.iter().filter_map(|file| read(file).ok()).collect();
        if texts.is_empty() {
            continue;
        }
        let used: BTreeSet<String> = texts.iter().flat_map(|text| dependencies(text)).collect();
        assert!(used.len() > 3, "{used:?}");
        assert_eq!(documented(&document, part), used, "{part}");
    }
}
