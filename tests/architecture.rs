//! Guards against a house that loses its walls: a reader that begins to use the builder, a format
//! module that opens files, files that import each other in a circle, methods far from their type,
//! unsafe code in yet another file, a file that grows without end, an on-disk struct with a field
//! whose size or byte order depends on the machine. None of these breaks a build, and each is cheap
//! to undo only on the day it happens. The sources are read as text, without comments, strings and
//! test modules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What each top-level module may import from the crate.
const MODULES: &[(&str, &[&str])] = &[
    ("build_id", &[]),
    ("error", &["build_id"]),
    ("format", &["build_id", "error"]),
    ("codec", &["format"]),
    ("limits", &["error"]),
    ("file", &["build_id", "format", "error"]),
    ("write", &["build_id", "codec", "file", "format", "limits", "error"]),
    ("read", &["build_id", "codec", "file", "format", "limits", "sigbus", "error"]),
    ("verify", &["codec", "read", "format", "limits", "error"]),
    ("merge", &["build_id", "codec", "read", "write", "format", "error"]),
    ("live", &["build_id", "read", "file", "format", "error"]),
    ("sigbus", &["error"]),
    ("manifest", &["build_id", "file", "format", "error"]),
    ("publish", &["build_id", "file", "format", "manifest", "error"]),
    (
        "set",
        &[
            "build_id", "codec", "live", "read", "verify", "write", "publish", "manifest",
            "format", "error",
        ],
    ),
];

/// What some modules may import from elsewhere; the others are free.
const CRATES: &[(&str, &[&str])] = &[
    ("build_id", &["std"]),
    ("error", &["std"]),
    ("format", &["std", "zerocopy", "crc32fast", "xxhash_rust"]),
    ("limits", &["std"]),
    ("sigbus", &["std", "libc", "rustix"]),
];

/// What `format` must do without: parts of std with files, processes, threads or an allocator …
const IMPURE: &[&str] = &[
    "boxed",
    "collections",
    "env",
    "ffi",
    "fs",
    "io",
    "net",
    "os",
    "path",
    "process",
    "rc",
    "string",
    "sync",
    "thread",
    "time",
    "vec",
];
/// … and what the prelude has of an allocator.
const ALLOCATES: &[&str] = &["Vec", "String", "Box", "vec", "to_vec", "to_owned", "to_string"];

/// The storeys of each folder, from the lowest up: a file or folder imports from lower storeys of
/// its folder only. `.` is the folder's own file, `mod.rs` or the file of its name.
const STOREYS: &[(&str, &[&[&str]])] = &[
    (
        "src",
        &[
            &["build_id"],
            &["error"],
            &["format", "limits", "sigbus"],
            &["codec", "file"],
            &["manifest", "read", "write"],
            &["publish"],
            &["live", "verify", "merge"],
            &["set"],
        ],
    ),
    (
        "src/error",
        &[
            &["kind", "shown"],
            &["read"],
            &["open"],
            &["build", "set"],
            &["merge", "publish"],
            &["io_error"],
            &["."],
        ],
    ),
    (
        "src/format",
        &[
            &["."],
            &["hasher", "meta", "order", "packing", "patch", "record", "sums", "types"],
            &["header"],
            &["index"],
            &["layout"],
        ],
    ),
    ("src/format/types", &[&["."], &["key", "value"]]),
    ("src/format/index", &[&["hash", "line", "tree"], &["."]]),
    ("src/sigbus", &[&["registry"], &["."]]),
    (
        "src/read",
        &[
            &["simd", "map", "parallel", "place", "guess", "range", "first_touch"],
            &["pages"],
            &["view"],
            &["index"],
            &["search"],
            &["get"],
            &["walk"],
            &["table"],
            &["packing", "types"],
            &["among", "ordered", "stats", "metadata", "value", "warm", "typed"],
            &["open", "owned", "residency"],
            &["packed"],
            &["locate"],
            &["."],
        ],
    ),
    (
        "src/read/simd",
        &[
            &["form", "prefetch"],
            &["portable", "sse2", "neon"],
            &["avx2", "avx512"],
            &["set"],
            &["."],
        ],
    ),
    (
        "src/read/map",
        &[
            &["file", "proven", "room"],
            &["private", "reading"],
            &["mapping", "no_mapping"],
            &["large"],
            &["bytes"],
            &["."],
        ],
    ),
    ("src/read/index", &[&["hash", "line", "tree"], &["."]]),
    (
        "src/read/get",
        &[
            &["decoded", "shape", "thorough"],
            &["optimistic"],
            &["checked"],
            &["kernels"],
            &["in_flight"],
            &["by_line", "by_order"],
            &["stages"],
            &["many"],
            &["."],
        ],
    ),
    (
        "src/read/walk",
        &[
            &["backward", "windows"],
            &["state"],
            &["cursor", "iter", "prefix", "values"],
            &["counts", "lockstep", "parts", "paused", "prefixes"],
            &["."],
        ],
    ),
    ("src/read/typed", &[&["asked", "walk"], &["."]]),
    ("src/read/packed", &[&["cursor", "iter"], &["prefixes"], &["."]]),
    (
        "src/live",
        &[
            &["location", "retire", "helper", "hook", "status"],
            &["handle"],
            &["tables"],
            &["."],
            &["packed", "typed"],
        ],
    ),
    (
        "src/verify",
        &[
            &["content", "progress", "zeros"],
            &["hashed", "indexes"],
            &["packed", "records"],
            &["."],
        ],
    ),
    (
        "src/merge",
        &[
            &["options", "source"],
            &["walk"],
            &["batch", "unpacked"],
            &["any_table"],
            &["sources"],
            &["diff"],
            &["combine", "patch", "salvage"],
            &["."],
        ],
    ),
    (
        "src/publish",
        &[
            &["version"],
            &["content"],
            &["filling", "guard"],
            &["copy"],
            &["versions"],
            &["new_set", "staging"],
            &["."],
        ],
    ),
    ("src/manifest", &[&["digest", "hex"], &["shard"], &["partition", "json"], &["."]]),
    (
        "src/set",
        &[
            &["filling", "plan", "shard"],
            &["shards"],
            &["job", "many", "verify", "walk"],
            &["reader", "write"],
            &["table_set"],
            &["packed", "typed"],
            &["sets"],
            &["live"],
            &["."],
        ],
    ),
    ("src/set/write", &[&["finishing"], &["builder"], &["typed"], &["."]]),
    ("src/set/packed", &[&["iter"], &["."]]),
    ("src/set/typed", &[&["value"], &["walk"], &["."]]),
    ("src/set/live", &[&["."], &["packed", "typed"]]),
    (
        "src/write",
        &[
            &["budget", "pool", "progress", "sample", "scratch", "summary"],
            &["reread", "settings", "spool", "value_stream"],
            &["sink"],
            &["index", "sections", "sort"],
            &["table"],
            &["relayout"],
            &["packing"],
            &["duplicates"],
            &["collect", "presort"],
            &["builder"],
            &["typed"],
            &["options"],
            &["."],
        ],
    ),
    ("src/write/index", &[&["hash", "line", "tree"], &["."]]),
    ("src/write/index/hash", &[&["form"], &["group", "parts"], &["."]]),
    ("src/write/index/tree", &[&["nodes"], &["."]]),
    ("src/write/packing", &[&["batch"], &["."]]),
    ("src/write/scratch", &[&["head"], &["."]]),
    ("src/write/sink", &[&["output"], &["thread"], &["."]]),
    (
        "src/write/sort",
        &[&["entry", "memory"], &["slot", "run"], &["order", "merge"], &["arena"], &["."]],
    ),
    (
        "src/file",
        &[
            &["io", "reading"],
            &["standing", "integrity"],
            &["directory"],
            &["target"],
            &["lock"],
            &["temporary", "pointer"],
            &["unpublished"],
            &["."],
        ],
    ),
    ("src/file/integrity", &[&["disk"], &["."]]),
    (
        "src/codec",
        &[
            &["bad"],
            &["buffer", "compression"],
            &["fsst", "keys", "zstd"],
            &["decoder", "encoder"],
            &["."],
        ],
    ),
    ("src/codec/keys", &[&["intervals"], &["."], &["train"]]),
];

/// The faces of the reader may have methods in these files as well, public ones only: their own, and
/// those of foreign traits.
const FACES: &[(&str, &[&str])] = &[
    (
        "Table",
        &[
            "src/read/locate.rs",
            "src/read/metadata.rs",
            "src/read/open.rs",
            "src/read/owned.rs",
            "src/read/ordered.rs",
            "src/read/residency.rs",
            "src/read/stats.rs",
            "src/read/typed.rs",
            "src/read/warm.rs",
            "src/verify.rs",
            "src/merge/options.rs",
            "src/merge/salvage.rs",
        ],
    ),
    ("PackedTable", &["src/read/locate.rs"]),
];

/// The files with unsafe operations.
const OPERATIONS: &[&str] = &[
    "src/read/map/bytes.rs",
    "src/read/map/mapping.rs",
    "src/read/map/proven.rs",
    "src/read/simd/avx2.rs",
    "src/read/simd/avx512.rs",
    "src/read/simd/neon.rs",
    "src/read/simd/set.rs",
    "src/read/simd/prefetch.rs",
    "src/read/simd/sse2.rs",
    "src/sigbus.rs",
];

/// The files that only hand a promise of their caller on: an `unsafe fn` around one call.
const PROMISES: &[&str] = &[
    "src/live.rs",
    "src/live/handle.rs",
    "src/live/packed.rs",
    "src/live/tables.rs",
    "src/live/typed.rs",
    "src/read/open.rs",
    "src/read/packed.rs",
    "src/set/live.rs",
    "src/set/live/packed.rs",
    "src/set/live/typed.rs",
    "src/set/packed.rs",
    "src/set/sets.rs",
    "src/set/shards.rs",
    "src/set/table_set.rs",
    "src/set/typed.rs",
];

/// The file of the binary with a function that runs before `main`.
const BEFORE_MAIN: &str = "cli/src/closed.rs";

/// Most lines of a file, its tests not counted.
const LINES: usize = 500;

// ---------------------------------------------------------------------------------------------
// Reading sources

/// A source file by its path from the package's root, with `/` between the parts.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The module path within the crate: `src/read/mod.rs` and `src/read.rs` are `["read"]`.
    fn module(&self) -> Vec<&str> {
        let inner = self.path.trim_start_matches("src/").trim_end_matches(".rs");
        inner.split('/').filter(|part| !["mod", "lib"].contains(part)).collect()
    }

    /// Tokens of the code that ships, without the bodies of exported macros: what those expand to
    /// stands in other crates.
    fn tokens(&self) -> Vec<String> {
        without_exported_macros(self.tokens_with_macros())
    }

    /// Tokens of the code that ships.
    fn tokens_with_macros(&self) -> Vec<String> {
        without_tests(tokens(&self.text))
    }
}

/// All Rust files of this package below `directory`.
fn sources(directory: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting = vec![root.join(directory)];
    let mut found = Vec::new();
    while let Some(path) = waiting.pop() {
        let Ok(entries) = std::fs::read_dir(&path) else { continue };
        let mut paths: Vec<PathBuf> =
            entries.map(|entry| entry.expect("a directory entry").path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                // The rivals' programs are a package of their own, with foreign functions.
                if !path.join("Cargo.toml").exists() {
                    waiting.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("a source file");
                let path = path.strip_prefix(root).expect("a path in the package");
                let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
                found.push(Source::new(&parts.join("/"), &text));
            }
        }
    }
    found
}

/// A file that the map of ARCHITECTURE.md leaves out. It names a file by its path below the folder
/// of its module, and the file of a module by its whole path.
fn unnamed(source: &Source, map: &str) -> Option<String> {
    let path = source.path.trim_end_matches(".rs");
    let name = match path.trim_start_matches("src/").split_once('/') {
        // `mod.rs` is the list of its folder.
        _ if path.ends_with("/mod") => return None,
        Some((_, below)) => format!("`{below}`"),
        None => format!("`{}`", source.path),
    };
    (!map.contains(&name)).then(|| format!("ARCHITECTURE.md does not name {}", source.path))
}

/// The library's files, without those that hold tests alone.
fn library() -> Vec<Source> {
    let all = sources("src");
    let tests: BTreeSet<String> = all.iter().flat_map(test_files).collect();
    assert!(all.len() > 20, "{} files found in src", all.len());
    all.into_iter().filter(|source| !tests.contains(&source.path)).collect()
}

/// Files of modules that are declared `#[cfg(test)] mod name;`.
fn test_files(source: &Source) -> Vec<String> {
    let tokens = tokens(&source.text);
    let directory = match source.path.rsplit_once('/') {
        Some((directory, "mod.rs" | "lib.rs" | "main.rs")) => directory.to_owned(),
        _ => source.path.trim_end_matches(".rs").to_owned(),
    };
    let mut files = Vec::new();
    for (start, end) in test_items(&tokens) {
        if tokens[end - 1] == ";"
            && let Some(at) = tokens[start..end].iter().position(|token| token == "mod")
        {
            let name = &tokens[start + at + 1];
            files.push(format!("{directory}/{name}.rs"));
            files.push(format!("{directory}/{name}/mod.rs"));
        }
    }
    files
}

/// Identifiers, `::` and single characters; without comments, strings, characters and lifetimes.
fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let (mut tokens, mut i) = (Vec::new(), 0);
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    while i < chars.len() {
        let c = chars[i];
        if c == '/' && at(i + 1) == '/' {
            while i < chars.len() && chars[i] != '\n' {
                i += 1;
            }
        } else if c == '/' && at(i + 1) == '*' {
            let mut depth = 0;
            while i < chars.len() {
                match (at(i), at(i + 1)) {
                    ('/', '*') => (depth, i) = (depth + 1, i + 2),
                    ('*', '/') => (depth, i) = (depth - 1, i + 2),
                    _ => i += 1,
                }
                if depth == 0 {
                    break;
                }
            }
        } else if c == '"' {
            i = string_end(&chars, i + 1);
            tokens.push("\"\"".to_owned());
        } else if c == '\'' {
            // A character has its quote after one or an escape; a lifetime has none.
            if at(i + 1) == '\\' {
                i += 3;
                while i < chars.len() && chars[i] != '\'' {
                    i += 1;
                }
                i += 1;
            } else if at(i + 2) == '\'' {
                i += 3;
            } else {
                i += 1;
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
            }
        } else if c.is_alphanumeric() || c == '_' {
            let start = i;
            while at(i).is_alphanumeric() || at(i) == '_' {
                i += 1;
            }
            let word: String = chars[start..i].iter().collect();
            let hashes = (i..).take_while(|&i| at(i) == '#').count();
            if ["r", "br", "cr"].contains(&word.as_str()) && at(i + hashes) == '"' {
                let end = format!("\"{}", "#".repeat(hashes));
                let rest: String = chars[i + hashes + 1..].iter().collect();
                let len = rest.find(&end).map_or(rest.len(), |at| at + end.len());
                i += hashes + 1 + rest[..len].chars().count();
                tokens.push("\"\"".to_owned());
            } else if !(["b", "c"].contains(&word.as_str()) && ['"', '\''].contains(&at(i))) {
                tokens.push(word);
            }
        } else if c == ':' && at(i + 1) == ':' {
            tokens.push("::".to_owned());
            i += 2;
        } else {
            if !c.is_whitespace() {
                tokens.push(c.to_string());
            }
            i += 1;
        }
    }
    tokens
}

fn string_end(chars: &[char], mut i: usize) -> usize {
    while i < chars.len() && chars[i] != '"' {
        i += if chars[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

/// Where the bracket that opens at `open` closes.
fn closing(tokens: &[String], open: usize) -> usize {
    let mut depth = 0;
    for (i, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return i;
        }
    }
    tokens.len() - 1
}

/// Items under `#[cfg(test)]` or `#[cfg(all(test, …))]`, first token and the one after the last.
fn test_items(tokens: &[String]) -> Vec<(usize, usize)> {
    let mut items = Vec::new();
    let mut i = 0;
    while i + 3 < tokens.len() {
        if tokens[i] != "#" || tokens[i + 1] != "[" || tokens[i + 2] != "cfg" {
            i += 1;
            continue;
        }
        let end = closing(tokens, i + 1);
        let condition = &tokens[i + 2..end];
        let tests_only = condition.get(2).is_some_and(|token| token == "test")
            || condition.get(2).is_some_and(|token| token == "all")
                && condition.iter().any(|token| token == "test");
        if !tests_only {
            i = end;
            continue;
        }
        let mut at = end + 1;
        while !["{", ";"].contains(&tokens[at].as_str()) && at + 1 < tokens.len() {
            at = if ["(", "["].contains(&tokens[at].as_str()) { closing(tokens, at) } else { at };
            at += 1;
        }
        let after = if tokens[at] == "{" { closing(tokens, at) } else { at } + 1;
        items.push((i, after));
        i = after;
    }
    items
}

fn without_tests(tokens: Vec<String>) -> Vec<String> {
    let items = test_items(&tokens);
    let tested = |i: &usize| items.iter().any(|(start, end)| (*start..*end).contains(i));
    (0..tokens.len()).filter(|i| !tested(i)).map(|i| tokens[i].clone()).collect()
}

fn without_exported_macros(tokens: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        kept.push(tokens[i].clone());
        if kept.ends_with(&["#", "[", "macro_export", "]"].map(str::to_owned)) {
            let open = tokens[i..].iter().position(|token| token == "{");
            i = open.map_or(i, |open| closing(&tokens, i + open));
        }
        i += 1;
    }
    kept
}

/// The paths that begin at `at`, with groups taken apart: `a::{b, c::d}` are `a::b` and `a::c::d`.
fn paths_at(tokens: &[String], at: usize) -> Vec<Vec<&str>> {
    let Some(first) = tokens.get(at) else { return Vec::new() };
    if first == "{" {
        let end = closing(tokens, at);
        let mut starts = vec![at + 1];
        let mut i = at + 1;
        while i < end {
            if tokens[i] == "{" {
                i = closing(tokens, i);
            } else if tokens[i] == "," {
                starts.push(i + 1);
            }
            i += 1;
        }
        return starts
            .into_iter()
            .filter(|&start| start < end)
            .flat_map(|start| paths_at(tokens, start))
            .collect();
    }
    if tokens.get(at + 1).is_some_and(|token| token == "::") {
        let mut rest = paths_at(tokens, at + 2);
        if rest.is_empty() {
            rest.push(Vec::new());
        }
        for path in &mut rest {
            path.insert(0, first);
        }
        return rest;
    }
    vec![vec![first]]
}

/// All paths of more than one part, and those of `use`.
fn paths(tokens: &[String]) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    for i in 0..tokens.len() {
        let before = i.checked_sub(1).map_or("", |i| &tokens[i]);
        let starts = before != "::"
            && (before == "use" || tokens.get(i + 1).is_some_and(|token| token == "::"));
        let name = tokens[i].starts_with(|c: char| c.is_alphabetic() || c == '_');
        if starts && (name || tokens[i] == "{") {
            found.extend(paths_at(tokens, i));
        } else if tokens[i] == "::" && ["use", "{", "(", "&", "<"].contains(&before) {
            // `::name`, an external crate said plainly.
            found.extend(paths_at(tokens, i + 1));
        }
    }
    found
}

/// The crates that Cargo.toml names, as the code spells them.
fn dependencies() -> BTreeSet<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let text = std::fs::read_to_string(manifest).expect("the manifest");
    let mut names = BTreeSet::from(["std", "core", "alloc"].map(str::to_owned));
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with('[') {
            inside = line.trim_end_matches(']').ends_with("dependencies");
        } else if inside && let Some((name, _)) = line.split_once('=') {
            let name = name.trim().trim_end_matches(".workspace");
            names.insert(name.replace('-', "_"));
        }
    }
    assert!(names.contains("zerocopy"), "the manifest was read");
    names
}

// ---------------------------------------------------------------------------------------------
// The rules: each takes a file and says what is wrong with it

fn rule<'r>(rules: &'r [(&str, &'r [&'r str])], module: &str) -> Option<&'r [&'r str]> {
    rules.iter().find(|(name, _)| *name == module).map(|&(_, allowed)| allowed)
}

/// Where a path leads inside the crate: the top-level module, if it is another one.
fn crate_module<'p>(module: &[&str], path: &[&'p str]) -> Option<&'p str> {
    let parents = path.iter().take_while(|part| **part == "super").count();
    let target = match path[0] {
        "crate" => path.get(1)?,
        // As many parents as the file is deep, and the path has left its top-level module.
        "super" if parents >= module.len() => path.get(parents)?,
        _ => return None,
    };
    (*target != module[0]).then_some(*target)
}

fn import_faults(source: &Source, dependencies: &BTreeSet<String>) -> Vec<String> {
    let module = source.module();
    let Some(&top) = module.first() else { return Vec::new() };
    let Some(allowed) = rule(MODULES, top) else {
        return vec![format!("{}: no import rule for the module {top}", source.path)];
    };
    let crates = rule(CRATES, top);
    let tokens = source.tokens();
    let mut faults = Vec::new();
    for path in paths(&tokens) {
        let said = path.join("::");
        match crate_module(&module, &path) {
            Some(target) if !allowed.contains(&target) => {
                faults.push(format!("{}: {top} must not import {said}", source.path));
            }
            _ => {}
        }
        if dependencies.contains(path[0]) && crates.is_some_and(|known| !known.contains(&path[0])) {
            faults.push(format!("{}: {top} must not use the crate {said}", source.path));
        }
        let std = ["std", "core", "alloc"].contains(&path[0]);
        if top == "format" && std && path.get(1).is_some_and(|part| IMPURE.contains(part)) {
            faults.push(format!("{}: format is pure, {said} is not", source.path));
        }
    }
    if top == "format" {
        let found = tokens.iter().filter(|token| ALLOCATES.contains(&token.as_str()));
        faults.extend(found.map(|token| format!("{}: format allocates: {token}", source.path)));
    }
    faults
}

/// lib.rs holds docs, attributes, `mod`, `pub use` and the README's doctest, nothing else.
fn lib_faults(source: &Source) -> Vec<String> {
    let tokens = source.tokens();
    let mut faults = Vec::new();
    let mut i = 0;
    while i < tokens.len() {
        if tokens[i] == "#" {
            let open = if tokens[i + 1] == "!" { i + 2 } else { i + 1 };
            i = closing(&tokens, open) + 1;
            continue;
        }
        let end = tokens[i..].iter().position(|token| token == ";").map_or(tokens.len(), |n| i + n);
        let item = &tokens[i..end];
        let module = item.len() == 2 && item[0] == "mod";
        let reexport = item.len() > 2 && item[0] == "pub" && item[1] == "use";
        // The one item: rustdoc runs the README's code through it.
        let readme = item == ["struct", "Readme"];
        // The one public module: its functions are named by it.
        let sigbus = item == ["pub", "mod", "sigbus"];
        if !module && !reexport && !readme && !sigbus {
            faults.push(format!("{}: more than mod and pub use: {}", source.path, item.join(" ")));
        }
        i = end + 1;
    }
    faults
}

/// Programs outside the library see its public API only. The compiler keeps them to it unless
/// they take its files in by path.
fn outsider_faults(source: &Source) -> Vec<String> {
    let tokens = source.tokens();
    let path_attribute = tokens.windows(3).any(|t| t[0] == "[" && t[1] == "path" && t[2] == "=");
    let include = tokens.windows(2).any(|t| t[0] == "include" && t[1] == "!");
    let mut faults = Vec::new();
    if path_attribute || include {
        faults.push(format!("{}: takes in a file by its path", source.path));
    }
    faults
}

fn unsafe_faults(source: &Source) -> Vec<String> {
    let tokens = source.tokens_with_macros();
    let mut faults = Vec::new();
    let found = tokens.iter().any(|token| token == "unsafe" || token == "unsafe_code");
    let path = source.path.as_str();
    if found && !OPERATIONS.contains(&path) && !PROMISES.contains(&path) {
        faults.push(format!("{path}: unsafe code belongs in {OPERATIONS:?}"));
    }
    if PROMISES.contains(&path) {
        faults.extend(promise_faults(source, &tokens));
    }
    let lines: Vec<&str> = source.text.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        let code = tokens_of_line(line);
        let justified = |token: &String| token == "{" || token == "impl";
        if !code.windows(2).any(|pair| pair[0] == "unsafe" && justified(&pair[1])) {
            continue;
        }
        let above = lines[..i].iter().rev().map(|line| line.trim());
        // Above the statement, which may begin on the line before.
        let above = above.skip_while(|line| line.ends_with('='));
        let comment = |line: &&str| line.starts_with("//") || line.starts_with("#[");
        if !above.take_while(comment).any(|line| line.starts_with("// SAFETY: ")) {
            faults.push(format!("{}:{}: unsafe without a SAFETY comment", source.path, i + 1));
        }
    }
    faults
}

/// A file that hands a promise on has unsafe functions, and blocks of one expression without
/// pointers and intrinsics.
fn promise_faults(source: &Source, tokens: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for (i, pair) in tokens.windows(2).enumerate() {
        if pair[0] != "unsafe" {
            continue;
        }
        let single = match pair[1].as_str() {
            "fn" => true,
            "{" => {
                let block = &tokens[i + 2..closing(tokens, i + 1)];
                let operation = ["*", ";", "ptr", "NonNull", "arch", "libc", "transmute"];
                !block.iter().any(|token| operation.contains(&token.as_str()))
            }
            _ => false,
        };
        if !single {
            faults.push(format!("{}: more than an unsafe call handed on", source.path));
        }
    }
    faults
}

/// A program has to call `Table::open`, which is unsafe, and says why it may; nothing else.
fn caller_faults(source: &Source) -> Vec<String> {
    let mut faults = unsafe_faults(source);
    faults.retain(|fault| fault.contains("SAFETY"));
    // `#[ctor(unsafe)]`: the promise of a function that runs before `main`.
    let early = |pair: &[String]| pair[1] == ")" && source.path == BEFORE_MAIN;
    let tokens = source.tokens();
    let mut pairs = tokens.windows(2).filter(|pair| pair[0] == "unsafe");
    if pairs.any(|pair| pair[1] != "{" && !early(pair)) {
        faults.push(format!("{}: unsafe code other than a call", source.path));
    }
    faults
}

fn tokens_of_line(line: &str) -> Vec<String> {
    if line.trim_start().starts_with("//") { Vec::new() } else { tokens(line) }
}

fn length_faults(source: &Source) -> Vec<String> {
    // Tests stand last in a file.
    let lines = source.text.lines().take_while(|line| {
        let test = line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test");
        !test
    });
    let count = lines.count();
    let long = count > LINES;
    long.then(|| format!("{}: {count} lines, {LINES} at most", source.path)).into_iter().collect()
}

/// Structs that lie on disk consist of bytes and little-endian numbers, and derive `Unaligned`,
/// which proves that they have no alignment.
fn disk_faults(source: &Source) -> Vec<String> {
    let tokens = source.tokens();
    let mut faults = Vec::new();
    for word in ["to_ne_bytes", "from_ne_bytes"] {
        if tokens.iter().any(|token| token == word) {
            faults.push(format!("{}: {word}", source.path));
        }
    }
    let structs = disk_structs(&tokens);
    let names: Vec<&str> = structs.iter().map(|found| found.name).collect();
    for found in &structs {
        if source.module().first() != Some(&"format") {
            faults.push(format!("{}: {} belongs in format", source.path, found.name));
        }
        if !found.derives.iter().any(|token| token == "Unaligned") {
            faults.push(format!("{}: {} is not Unaligned", source.path, found.name));
        }
        for (field, kind) in &found.fields {
            // The length of an array is a constant of the code, not a field.
            let element = if kind[0] == "[" { &kind[1] } else { &kind[0] };
            let allowed = ["u8", "U16", "U32", "U64", "U128"];
            if !allowed.contains(&element.as_str()) && !names.contains(&element.as_str()) {
                faults.push(format!("{}: {}.{field} is {element}", source.path, found.name));
            }
        }
    }
    faults
}

struct DiskStruct<'t> {
    name: &'t str,
    derives: &'t [String],
    /// Name and type of each field.
    fields: Vec<(&'t str, &'t [String])>,
}

/// Structs under `#[repr(C…)]`.
fn disk_structs(tokens: &[String]) -> Vec<DiskStruct<'_>> {
    let mut found = Vec::new();
    for i in 0..tokens.len() {
        let repr = tokens[i..].iter().take(5).map(String::as_str);
        if !repr.eq(["#", "[", "repr", "(", "C"]) {
            continue;
        }
        let Some(at) = tokens[i..].iter().position(|token| token == "struct").map(|n| i + n) else {
            continue;
        };
        // The attributes before it, back to the item before.
        let ends = |token: &String| [";", "}"].contains(&token.as_str());
        let start = tokens[..i].iter().rposition(ends).map_or(0, |end| end + 1);
        let open = at + 2;
        let end = closing(tokens, open);
        let mut fields = Vec::new();
        let mut j = open + 1;
        while j < end {
            if tokens[j] == ":" {
                let from = j + 1;
                let mut to = from;
                while to < end && tokens[to] != "," {
                    to = if ["[", "(", "{"].contains(&tokens[to].as_str()) {
                        closing(tokens, to)
                    } else {
                        to
                    } + 1;
                }
                fields.push((tokens[j - 1].as_str(), &tokens[from..to]));
                j = to;
            }
            j += 1;
        }
        found.push(DiskStruct { name: &tokens[at + 1], derives: &tokens[start..at], fields });
    }
    found
}

// ---------------------------------------------------------------------------------------------
// Storeys and homes: rules on all files together

/// What one file says that concerns others.
struct File {
    path: String,
    module: Vec<String>,
    tokens: Vec<String>,
    /// How deep in inline modules each token stands.
    depths: Vec<usize>,
    /// Types, traits and aliases that the file defines.
    defines: BTreeSet<String>,
    /// Items of `use`: the name in this file, the path, and how deep it stands.
    uses: Vec<(String, Vec<String>, usize)>,
}

/// The library as a whole.
struct Library {
    files: Vec<File>,
    by_module: BTreeMap<Vec<String>, usize>,
}

impl Library {
    fn new(sources: &[Source]) -> Self {
        let files: Vec<File> = sources
            .iter()
            .map(|source| {
                let tokens = source.tokens();
                let depths = inline_depths(&tokens);
                let defines = defined_types(&tokens);
                let mut uses = Vec::new();
                for i in 0..tokens.len() {
                    if tokens[i] == "use" {
                        let mut items = Vec::new();
                        use_items(&tokens, i + 1, &[], &mut items);
                        uses.extend(items.into_iter().map(|(name, path)| (name, path, depths[i])));
                    }
                }
                let module = source.module().into_iter().map(str::to_owned).collect();
                File { path: source.path.clone(), module, tokens, depths, defines, uses }
            })
            .collect();
        let by_module = (0..files.len()).map(|i| (files[i].module.clone(), i)).collect();
        Self { files, by_module }
    }

    /// The file in which the item of a path stands, said in `file` at this depth of inline modules:
    /// re-exports are followed.
    fn resolve(&self, file: usize, path: &[String], depth: usize) -> Option<usize> {
        let mut module = self.files[file].module.clone();
        let mut rest = path;
        let mut depth = depth;
        match path.first()?.as_str() {
            "crate" => {
                module.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    match depth {
                        0 => drop(module.pop()),
                        _ => depth -= 1,
                    }
                    rest = &rest[1..];
                }
            }
            first => {
                module.push(first.to_owned());
                if !self.by_module.contains_key(&module) {
                    return None;
                }
                rest = &rest[1..];
            }
        }
        self.descend(module, rest)
    }

    fn descend(&self, mut module: Vec<String>, path: &[String]) -> Option<usize> {
        let mut rest = path;
        while let Some(name) = rest.first() {
            module.push(name.clone());
            if !self.by_module.contains_key(&module) {
                module.pop();
                break;
            }
            rest = &rest[1..];
        }
        let file = *self.by_module.get(&module)?;
        if let Some(name) = rest.first()
            && !self.files[file].defines.contains(name)
            && let Some((_, path, depth)) =
                self.files[file].uses.iter().find(|use_| use_.0 == *name && use_.2 == 0)
            && path.first() != Some(name)
        {
            return self.resolve(file, path, *depth).or(Some(file));
        }
        Some(file)
    }

    /// Files that a file imports from.
    fn imports(&self, file: usize) -> BTreeSet<usize> {
        let File { tokens, depths, uses, .. } = &self.files[file];
        let mut found = BTreeSet::new();
        for (_, path, depth) in uses {
            found.extend(self.resolve(file, path, *depth));
        }
        for i in 0..tokens.len() {
            let before = i.checked_sub(1).map_or("", |i| &tokens[i]);
            let starts = before != "::" && tokens.get(i + 1).is_some_and(|token| token == "::");
            if starts && ["crate", "super", "self"].contains(&tokens[i].as_str()) {
                for path in paths_at(tokens, i) {
                    let path: Vec<String> = path.into_iter().map(str::to_owned).collect();
                    found.extend(self.resolve(file, &path, depths[i]));
                }
            }
        }
        found.remove(&file);
        // The root is a list of names, not a file with items of its own.
        found.retain(|&target| !self.files[target].module.is_empty());
        found
    }

    /// Where a type's name that stands in a file was defined, if in another file.
    fn home(&self, file: usize, path: &[&str]) -> Option<usize> {
        let name = *path.last()?;
        if self.files[file].defines.contains(name) {
            return None;
        }
        let imported = self.files[file].uses.iter().find(|use_| use_.0 == path[0]);
        let home = match (imported, path) {
            (Some((_, whole, depth)), [_]) => self.resolve(file, whole, *depth)?,
            (_, []) => return None,
            (Some((_, whole, depth)), [_, rest @ ..]) => {
                let rest = rest.iter().map(|part| (*part).to_owned());
                let whole: Vec<String> = whole.iter().cloned().chain(rest).collect();
                self.resolve(file, &whole, *depth)?
            }
            (None, [_]) => return None,
            (None, path) => {
                let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
                self.resolve(file, &path, 0)?
            }
        };
        let original = imported.and_then(|(_, whole, _)| whole.last());
        let defined = |name: &str| self.files[home].defines.contains(name);
        let known = defined(name) || original.is_some_and(|name| defined(name));
        (known && home != file).then_some(home)
    }
}

/// How deep in inline modules each token stands.
fn inline_depths(tokens: &[String]) -> Vec<usize> {
    let mut depths = vec![0; tokens.len()];
    for i in 0..tokens.len() {
        if tokens[i] == "mod" && tokens.get(i + 2).is_some_and(|token| token == "{") {
            for depth in &mut depths[i + 2..closing(tokens, i + 2)] {
                *depth += 1;
            }
        }
    }
    depths
}

fn defined_types(tokens: &[String]) -> BTreeSet<String> {
    let kinds = ["struct", "enum", "union", "trait", "type"];
    let defines = |pair: &[String]| {
        let name = pair[1].starts_with(char::is_alphabetic);
        (kinds.contains(&pair[0].as_str()) && name).then(|| pair[1].clone())
    };
    tokens.windows(2).filter_map(defines).collect()
}

/// The items of a `use` from `at` on, by the name that they get.
fn use_items(
    tokens: &[String],
    at: usize,
    prefix: &[String],
    found: &mut Vec<(String, Vec<String>)>,
) {
    let Some(first) = tokens.get(at) else { return };
    if first == "{" {
        let end = closing(tokens, at);
        let mut start = at + 1;
        let mut i = at + 1;
        while i <= end {
            if tokens[i] == "{" {
                i = closing(tokens, i);
            } else if tokens[i] == "," || i == end {
                if start < i {
                    use_items(tokens, start, prefix, found);
                }
                start = i + 1;
            }
            i += 1;
        }
        return;
    }
    let path = [prefix, std::slice::from_ref(first)].concat();
    match tokens.get(at + 1).map(String::as_str) {
        Some("::") => use_items(tokens, at + 2, &path, found),
        Some("as") => found.push((tokens[at + 2].clone(), path)),
        _ if first == "self" => {
            found.push((prefix.last().cloned().unwrap_or_default(), prefix.to_vec()));
        }
        _ => found.push((first.clone(), path)),
    }
}

/// The files that import each other in a circle.
fn files_in_circles(library: &Library) -> Vec<String> {
    let files = 0..library.files.len();
    let imports: Vec<Vec<usize>> =
        files.map(|file| library.imports(file).into_iter().collect()).collect();
    let reaches = |from: usize| {
        let (mut seen, mut waiting) = (BTreeSet::new(), imports[from].clone());
        while let Some(file) = waiting.pop() {
            if seen.insert(file) {
                waiting.extend(&imports[file]);
            }
        }
        seen
    };
    let reached: Vec<_> = (0..imports.len()).map(reaches).collect();
    let mut faults = Vec::new();
    for file in (0..imports.len()).filter(|&file| reached[file].contains(&file)) {
        let others = imports[file].iter().filter(|&&other| reached[other].contains(&file));
        let others: Vec<&str> = others.map(|&other| library.files[other].path.as_str()).collect();
        faults.push(format!("{} is in a circle with {others:?}", library.files[file].path));
    }
    faults
}

/// The storey of a folder's part; `None` if the folder's list lacks it.
fn storey(folder: &str, part: &str) -> Option<usize> {
    let (_, storeys) = STOREYS.iter().find(|(name, _)| *name == folder)?;
    storeys.iter().position(|storey| storey.contains(&part))
}

/// Whether an import goes down in the folder where the two files part, and how it is said.
fn climbs(from: &File, to: &File) -> Option<String> {
    let shared = from.module.iter().zip(&to.module).take_while(|(a, b)| a == b).count();
    let folder = [&["src".to_owned()], &from.module[..shared]].concat().join("/");
    let part = |file: &File| file.module.get(shared).map_or(".", |part| part).to_owned();
    let (above, below) = (part(from), part(to));
    match (storey(&folder, &above), storey(&folder, &below)) {
        (Some(above), Some(below)) if above > below => None,
        (Some(_), Some(_)) => Some(format!("{folder}: {above} must not import {below}")),
        (None, _) => Some(format!("{folder}: no storey for {above}")),
        (_, None) => Some(format!("{folder}: no storey for {below}")),
    }
}

fn storey_faults(library: &Library) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, file) in library.files.iter().enumerate().filter(|(_, f)| !f.module.is_empty()) {
        for target in library.imports(number) {
            let target = &library.files[target];
            if let Some(fault) = climbs(file, target) {
                faults.push(format!("{fault} ({} imports {})", file.path, target.path));
            }
        }
    }
    faults
}

/// An `impl` block: its trait, if it has one, its type, and its body.
struct Impl<'t> {
    of_trait: Option<Vec<&'t str>>,
    of_type: Vec<&'t str>,
    body: (usize, usize),
}

/// Where the angle bracket that opens at `open` closes.
fn closing_angle(tokens: &[String], open: usize) -> usize {
    let mut depth = 0;
    let mut i = open;
    while i < tokens.len() {
        match tokens[i].as_str() {
            "<" => depth += 1,
            ">" if tokens[i - 1] != "-" => depth -= 1,
            "(" | "[" | "{" => i = closing(tokens, i),
            _ => {}
        }
        if depth == 0 {
            return i;
        }
        i += 1;
    }
    tokens.len() - 1
}

/// The path of a type at `at`, references taken off; empty if there is none.
fn type_path(tokens: &[String], at: usize) -> Vec<&str> {
    let mut i = at;
    while ["&", "mut", "dyn"].contains(&tokens[i].as_str()) {
        i += 1;
    }
    let mut path = Vec::new();
    while tokens[i].starts_with(|c: char| c.is_alphabetic() || c == '_') && tokens[i] != "impl" {
        path.push(tokens[i].as_str());
        if tokens[i + 1] != "::" {
            break;
        }
        i += 2;
    }
    path
}

fn impls(tokens: &[String]) -> Vec<Impl<'_>> {
    let mut found = Vec::new();
    for i in 0..tokens.len() {
        let before = i.checked_sub(1).map_or(";", |i| &tokens[i]);
        if tokens[i] != "impl" || !["}", ";", "]", "{", "unsafe"].contains(&before) {
            continue;
        }
        let mut at = i + 1;
        if tokens[at] == "<" {
            at = closing_angle(tokens, at) + 1;
        }
        let first = at;
        let mut of_trait = None;
        while tokens[at] != "{" {
            if tokens[at] == "<" {
                at = closing_angle(tokens, at);
            } else if tokens[at] == "for" && of_trait.is_none() {
                of_trait = Some(at + 1);
            }
            at += 1;
        }
        let of_type = type_path(tokens, of_trait.unwrap_or(first));
        let of_trait = of_trait.map(|_| type_path(tokens, first));
        found.push(Impl { of_trait, of_type, body: (at, closing(tokens, at)) });
    }
    found
}

/// Spans of the bodies of traits.
fn trait_bodies(tokens: &[String]) -> Vec<(usize, usize)> {
    let at = (0..tokens.len()).filter(|&i| tokens[i] == "trait");
    at.filter_map(|i| {
        let open = (i..tokens.len()).find(|&j| ["{", ";"].contains(&tokens[j].as_str()))?;
        (tokens[open] == "{").then(|| (open, closing(tokens, open)))
    })
    .collect()
}

/// A method stands in the file of its type: in `impl X` as well as in a function whose first
/// argument is an `X`. A trait of the crate may be implemented in the trait's file, and one from
/// elsewhere in a file below the type's.
fn home_faults(library: &Library) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, file) in library.files.iter().enumerate() {
        let tokens = &file.tokens;
        let (path, defines) = (&file.path, &file.defines);
        let blocks = impls(tokens);
        for block in &blocks {
            let Some(&name) = block.of_type.last() else { continue };
            if defines.contains(name) {
                continue;
            }
            let home = library.home(number, &block.of_type);
            let Some(home) = home.map(|home| &library.files[home]) else { continue };
            let face =
                FACES.iter().any(|(face, files)| name == *face && files.contains(&path.as_str()));
            let lives_here = match &block.of_trait {
                Some(of_trait) => {
                    let here = of_trait.last().is_some_and(|name| defines.contains(*name));
                    let foreign = library.home(number, of_trait).is_none();
                    here || foreign && (face || file.module.starts_with(&home.module))
                }
                None => {
                    let (start, end) = block.body;
                    let public = (start..end)
                        .filter(|&i| {
                            tokens[i] == "fn" && !["(", "&", ":"].contains(&tokens[i - 1].as_str())
                        })
                        .all(|i| {
                            let outermost = depth_in(tokens, start, i) == 1;
                            let before = if tokens[i - 1] == "unsafe" { i - 2 } else { i - 1 };
                            !outermost || tokens[before] == "pub"
                        });
                    face && public
                }
            };
            if !lives_here {
                faults.push(format!("{path}: impl {name} belongs in {}", home.path));
            }
        }
        let mut bodies = trait_bodies(tokens);
        bodies.extend(blocks.iter().map(|block| block.body));
        for i in (0..tokens.len()).filter(|&i| tokens[i] == "fn") {
            if bodies.iter().any(|&(start, end)| (start..end).contains(&i)) || i + 2 >= tokens.len()
            {
                continue;
            }
            let mut open = i + 2;
            if tokens[open] == "<" {
                open = closing_angle(tokens, open) + 1;
            }
            if tokens[open] != "(" {
                continue;
            }
            let end = closing(tokens, open);
            let Some(colon) = (open..end).find(|&j| tokens[j] == ":") else { continue };
            let of_type = type_path(tokens, colon + 1);
            let Some(&name) = of_type.last() else { continue };
            if let Some(home) = library.home(number, &of_type) {
                let home = &library.files[home].path;
                faults
                    .push(format!("{path}: fn {} is a method of {name}, of {home}", tokens[i + 1]));
            }
        }
    }
    faults
}

/// How many braces are open at `at`, counted from `start`, which opens the first.
fn depth_in(tokens: &[String], start: usize, at: usize) -> usize {
    let open = tokens[start..at].iter().filter(|token| *token == "{").count();
    open - tokens[start..at].iter().filter(|token| *token == "}").count()
}

// ---------------------------------------------------------------------------------------------
// The tests

fn assert_none(faults: Vec<String>) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn modules_import_what_they_may() {
    let dependencies = dependencies();
    assert_none(library().iter().flat_map(|s| import_faults(s, &dependencies)).collect());
}

#[test]
fn lib_rs_is_a_list() {
    let library = library();
    let lib = library.iter().find(|source| source.path == "src/lib.rs").expect("lib.rs");
    assert_none(lib_faults(lib));
}

#[test]
fn programs_use_the_public_api() {
    let programs =
        ["cli/src", "bindings/c/src", "bindings/python/src", "benches", "examples"].map(sources);
    assert_none(programs.iter().flatten().flat_map(outsider_faults).collect());
}

#[test]
fn unsafe_code_stays_in_its_files() {
    const { assert!(OPERATIONS.len() <= 10 && PROMISES.len() <= 15) };
    let library = library();
    // The names above are names of files, and each has unsafe code.
    for path in OPERATIONS.iter().chain(PROMISES) {
        let source = library.iter().find(|source| source.path == *path);
        let tokens = source.map(Source::tokens).unwrap_or_default();
        assert!(tokens.iter().any(|token| token == "unsafe"), "{path} has no unsafe code");
    }
    assert_none(library.iter().flat_map(unsafe_faults).collect());
    let programs = ["cli/src", "benches", "examples"].map(sources);
    assert_none(programs.iter().flatten().flat_map(caller_faults).collect());
}

#[test]
fn files_import_from_lower_storeys() {
    let library = Library::new(&library());
    let imports: usize = (0..library.files.len()).map(|file| library.imports(file).len()).sum();
    assert!(imports > 200, "{imports} imports found");
    assert_none(storey_faults(&library));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    assert_none(files_in_circles(&Library::new(&library())));
}

/// The edge to C is unsafe by nature; each block says why it may, and no file needs another one that
/// needs it.
#[test]
fn the_c_library_keeps_the_rules() {
    let mut sources = sources("bindings/c/src");
    assert!(sources.len() > 15, "{} files found", sources.len());
    let justified = |fault: &String| fault.contains("SAFETY");
    // The tests' calls never reach an argument.
    let shipped = sources.iter().filter(|source| !source.path.ends_with("/panic_tests.rs"));
    assert_none(shipped.flat_map(unsafe_faults).filter(justified).collect());
    for source in &mut sources {
        source.path = source.path.replace("bindings/c/", "");
    }
    let library = Library::new(&sources);
    let imports: usize = (0..library.files.len()).map(|file| library.imports(file).len()).sum();
    assert!(imports > 40, "{imports} imports found");
    assert_none(files_in_circles(&library));
}

#[test]
fn methods_stand_in_the_file_of_their_type() {
    assert_none(home_faults(&Library::new(&library())));
}

#[test]
fn the_map_names_every_file() {
    let map = include_str!("../ARCHITECTURE.md");
    let missing = library().iter().filter_map(|source| unnamed(source, map)).collect();
    assert_none(missing);
}

#[test]
fn files_are_short() {
    let programs = ["cli/src", "bindings/c/src"].map(sources);
    let all = library().into_iter().chain(programs.into_iter().flatten());
    assert_none(all.flat_map(|source| length_faults(&source)).collect());
}

#[test]
fn disk_structs_depend_on_no_machine() {
    let library = library();
    let count: usize = library.iter().map(|source| disk_structs(&source.tokens()).len()).sum();
    assert!(count >= 5, "{count} on-disk structs found");
    assert_none(library.iter().flat_map(disk_faults).collect());
}

#[test]
fn the_rule_on_the_map_bites() {
    let map = "`src/live.rs` follows a path; in `src/read/`: `walk/iter`";
    for (path, faults) in [
        ("src/live.rs", 0),
        ("src/error.rs", 1),
        ("src/read/walk/iter.rs", 0),
        ("src/read/walk/cursor.rs", 1),
        ("src/read/walk/mod.rs", 0),
    ] {
        let found = unnamed(&Source::new(path, ""), map);
        assert_eq!(found.into_iter().count(), faults, "{path}");
    }
}

/// Every rule sees what it forbids, also where it hides, and lets pass what it allows.
#[test]
fn the_rules_bite() {
    let dependencies = dependencies();
    let imports = |path: &str, text: &str| import_faults(&Source::new(path, text), &dependencies);
    for (path, text) in [
        ("src/error.rs", "use zerocopy::U16;"),
        ("src/error.rs", "use crate::format::MAX_KEY;"),
        ("src/error.rs", "use super::format;"),
        ("src/format/node.rs", "use std::fs::File;"),
        ("src/limits.rs", "use rustix::fs;"),
        ("src/format/node.rs", "use std::{cmp, io::Read};"),
        ("src/format/node.rs", "fn f() -> Vec<u8> { todo!() }"),
        ("src/format/node.rs", "use rayon::prelude::*;"),
        ("src/format/mod.rs", "use super::read;"),
        ("src/write/table.rs", "use crate::{error, read::Table};"),
        ("src/write/table.rs", "fn f() { crate::read::Table::new() }"),
        ("src/write/table.rs", "use super::super::read;"),
        ("src/write/mod.rs", "use super::read::Table;"),
        ("src/read/open.rs", "use crate::write::Builder;"),
        ("src/read/open.rs", "/* /* */ */ use crate::verify;"),
        ("src/read/open.rs", "const A: char = '\"'; use crate::verify; const B: &str = \"\";"),
        ("src/read/open.rs", "const A: &str = r#\"\"\"#; use crate::verify; fn f<'a>() {}"),
        ("src/verify.rs", "use crate::write::Builder;"),
        ("src/publish.rs", "use crate::write::Builder;"),
        ("src/file/integrity.rs", "use crate::read::Table;"),
        ("src/attic.rs", "use std::fmt;"),
    ] {
        assert!(!imports(path, text).is_empty(), "{path} may say {text}");
    }
    for (path, text) in [
        ("src/error.rs", "use std::io;"),
        ("src/format/node.rs", "use super::{order::head, u16_at};\nuse crate::error::OpenError;"),
        ("src/format/node.rs", "// use std::fs;\nconst A: &str = \"use std::fs\";"),
        ("src/format/node.rs", "#[cfg(test)]\nmod tests { use crate::write; fn f(_: Vec<u8>) {} }"),
        ("src/write/table.rs", "use super::index;\nuse crate::format::{hash, meta};"),
        ("src/write/table.rs", "use crate::file::Unpublished;"),
        ("src/read/mod.rs", "mod open;\npub use open::OpenOptions;"),
        ("src/verify.rs", "use crate::{error, format, read::Table};"),
    ] {
        assert_none(imports(path, text));
    }
    let lib = |text: &str| lib_faults(&Source::new("src/lib.rs", text));
    assert_none(lib("//! Docs.\n#![warn(x)]\nmod a;\n#[cfg(unix)]\nmod b;\npub use a::{C, D};"));
    for text in ["fn f() {}", "pub mod a;", "use a::B;", "mod a { fn f() {} }"] {
        assert!(!lib(text).is_empty(), "lib.rs may say {text}");
    }
    let outsider = |text: &str| outsider_faults(&Source::new("examples/a.rs", text));
    assert!(!outsider("#[path = \"../src/format/mod.rs\"]\nmod format;").is_empty());
    assert!(!outsider("include!(\"../src/error.rs\");").is_empty());
    assert_none(outsider("use graven::Table;\nconst A: &str = include_str!(\"a\");"));

    let block = "fn f() {\n    // SAFETY: it is.\n    unsafe { g() }\n}";
    let bare = "fn f() {\n    // It is safe.\n    unsafe { g() }\n}";
    assert_none(unsafe_faults(&Source::new(OPERATIONS[0], block)));
    let broken = "fn f() {\n    // SAFETY: it is.\n    let a =\n        unsafe { g() };\n}";
    assert_none(unsafe_faults(&Source::new(OPERATIONS[0], broken)));
    assert_eq!(unsafe_faults(&Source::new(OPERATIONS[0], bare)).len(), 1);
    assert_eq!(unsafe_faults(&Source::new("src/read/table.rs", block)).len(), 1);
    assert_none(unsafe_faults(&Source::new("src/lib.rs", "//! unsafe { no }")));
    let exported = format!("#[macro_export]\nmacro_rules! m {{ () => {{ {block} }} }}");
    assert_eq!(unsafe_faults(&Source::new("src/read/table.rs", &exported)).len(), 1);
    // A macro's paths are those of the crate that uses it; what follows it is not.
    let exported = "#[macro_export]\nmacro_rules! m { () => { use $crate::read; } }";
    assert_none(imports("src/format/node.rs", exported));
    assert_eq!(imports("src/format/node.rs", &format!("{exported}\nuse crate::read;")).len(), 1);

    assert_none(caller_faults(&Source::new("examples/a.rs", block)));
    assert_eq!(caller_faults(&Source::new("examples/a.rs", bare)).len(), 1);
    assert_eq!(caller_faults(&Source::new("examples/a.rs", "unsafe fn f() {}")).len(), 1);
    let early = "#[ctor(unsafe)]\nfn f() {}";
    assert_none(caller_faults(&Source::new(BEFORE_MAIN, early)));
    assert_eq!(caller_faults(&Source::new("examples/a.rs", early)).len(), 1);

    let handed_on = |text: &str| unsafe_faults(&Source::new(PROMISES[0], text)).len();
    let call = "// SAFETY: it is.\nunsafe { Bytes::map(file, access) }?;";
    assert_eq!(handed_on(&format!("unsafe fn open() {{\n{call}\n}}")), 0);
    for operation in ["*place", "NonNull::from(a).as_ref()", "f(); g()", "arch::_mm_pause()"] {
        let block = format!("fn f() {{\n// SAFETY: it is.\nunsafe {{ {operation} }}\n}}");
        assert_eq!(handed_on(&block), 1, "a promise may be {operation}");
    }
    assert_eq!(handed_on("// SAFETY: it is.\nunsafe impl Send for A {}"), 1);

    let long = "fn f() {}\n".repeat(LINES + 1);
    assert_eq!(length_faults(&Source::new("src/a.rs", &long)).len(), 1);
    assert_none(length_faults(&Source::new("src/a.rs", &format!("#[cfg(test)]\n{long}"))));

    let disk = |fields: &str| {
        let text = format!("#[derive(Unaligned)]\n#[repr(C)]\nstruct A {{ {fields} }}");
        disk_faults(&Source::new("src/format/a.rs", &text))
    };
    assert_none(disk("/// Doc.\n pub(crate) a: [u8; 8], b: U32, c: [U64; BINS], d: u8"));
    for field in ["a: usize", "a: u32", "a: [u64; 2]", "a: U16, b: i8", "a: NonZero<u8>"] {
        assert!(!disk(field).is_empty(), "a struct may hold {field}");
    }
    assert!(
        !disk_faults(&Source::new("src/read/a.rs", "#[repr(C)]\nstruct A { a: u8 }")).is_empty()
    );
    let test_file = Source::new("src/format/mod.rs", "#[cfg(test)]\nmod doc_test;\nmod hash;");
    assert!(test_files(&test_file).contains(&"src/format/doc_test.rs".to_owned()));
    assert_eq!(test_files(&test_file).len(), 2);
}

/// A library of files with one definition each, and more text.
fn small_library(more: &[(&str, &str)]) -> Library {
    let mut texts = BTreeMap::from([
        ("src/lib.rs", "mod read;"),
        ("src/read/mod.rs", "mod view; mod table; mod warm; mod index; pub use table::Table;"),
        ("src/read/view.rs", "pub struct View; impl View { fn f(&self) {} }"),
        (
            "src/read/table.rs",
            "use super::view::View; pub struct Table(View); impl Table { fn f() {} }",
        ),
        ("src/read/warm.rs", "use super::table::Table; impl Table { pub fn warm(&self) {} }"),
        ("src/read/index/mod.rs", "pub mod tree; pub mod line;"),
        ("src/read/index/tree.rs", "use super::super::view::View; pub struct Tree<'t>(&'t View);"),
        ("src/read/index/line.rs", "pub trait Ask {} pub struct Line;"),
    ]);
    texts.extend(more.iter().copied());
    let sources: Vec<Source> =
        texts.into_iter().map(|(path, text)| Source::new(path, text)).collect();
    Library::new(&sources)
}

/// A storey or a circle is seen however the import is written.
#[test]
fn the_rules_on_storeys_bite() {
    assert_none(storey_faults(&small_library(&[])));
    assert_none(files_in_circles(&small_library(&[])));
    for (path, text) in [
        ("src/read/view.rs", "use super::table::Table;"),
        ("src/read/view.rs", "use crate::read::{index::tree::Tree, table};"),
        // Through a re-export of the folder's own file.
        ("src/read/view.rs", "use crate::read::Table;"),
        ("src/read/view.rs", "fn f() { super::table::Table::f() }"),
        ("src/read/index/line.rs", "use super::tree::Tree;"),
        ("src/read/index/line.rs", "use super::super::warm;"),
        ("src/read/index/line.rs", "mod inner { use super::super::tree::Tree; }"),
        ("src/read/stairs.rs", "use super::view::View;"),
    ] {
        let faults = storey_faults(&small_library(&[(path, text)]));
        assert!(!faults.is_empty(), "{path} may say {text}");
    }
    let down =
        [("src/read/index/line.rs", "use super::super::view::View; mod a { use super::B; }")];
    assert_none(storey_faults(&small_library(&down)));
    let circle = small_library(&[
        ("src/read/index/line.rs", "use super::super::place::Place;"),
        ("src/read/place.rs", "use super::warm::Warm;"),
        ("src/read/warm.rs", "use crate::read::index::line::Line as Row;"),
    ]);
    assert_eq!(files_in_circles(&circle).len(), 3);
}

/// A method far from its type is seen, also as a function, a generic one and one of an alias.
#[test]
fn the_rule_on_homes_bites() {
    assert_none(home_faults(&small_library(&[])));
    for (path, text) in [
        ("src/read/index/tree.rs", "use super::super::view::View; impl View { fn g(&self) {} }"),
        ("src/read/index/tree.rs", "use crate::read::view; impl view::View { fn g(&self) {} }"),
        ("src/read/index/tree.rs", "use super::line::Line; impl<'t, T: Fn() -> u8> Line { }"),
        ("src/read/index/tree.rs", "use super::super::view::View; fn f(view: &View, a: u8) {}"),
        (
            "src/read/index/tree.rs",
            "use super::super::view::View as V; fn f<A>(view: &'t mut V) {}",
        ),
        ("src/read/index/tree.rs", "fn f(table: crate::read::Table) {}"),
        ("src/read/index/tree.rs", "use super::super::view::View; impl Clone for View {}"),
        ("src/read/view.rs", "use super::table::Table; impl Clone for Table {}"),
        // The face, but not in one of its files, or not with a public method.
        ("src/read/view.rs", "use super::table::Table; impl Table { pub fn g() {} }"),
        (
            "src/read/warm.rs",
            "use super::table::Table; impl Table { pub(crate) fn g() { h(); } fn i() {} }",
        ),
    ] {
        let faults = home_faults(&small_library(&[(path, text)]));
        assert!(!faults.is_empty(), "{path} may say {text}");
    }
    for (path, text) in [
        ("src/read/index/tree.rs", "use super::line::Ask; pub struct Tree; impl Ask for Tree {}"),
        ("src/read/index/line.rs", "use super::tree::Tree; pub trait Ask {} impl Ask for Tree {}"),
        ("src/read/view/text.rs", "use super::View; impl std::fmt::Display for View {}"),
        ("src/read/index/tree.rs", "fn f(bytes: &[u8], view: &View) -> impl Iterator { todo!() }"),
        (
            "src/read/warm.rs",
            "use super::table::Table; impl Table { pub fn g(f: fn(u8)) { h(); } }",
        ),
        ("src/read/warm.rs", "use super::table::Table; impl IntoIterator for Table {}"),
        ("src/read/warm.rs", "use std::fs::Metadata; fn f(metadata: &Metadata) {}"),
    ] {
        assert_none(home_faults(&small_library(&[(path, text)])));
    }
}
