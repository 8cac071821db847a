//! Guards against a house that loses its walls: a reader that begins to use the builder, a format
//! module that opens files, unsafe code in yet another file, a file that grows without end, an
//! on-disk struct with a field whose size or byte order depends on the machine. None of these
//! breaks a build, and each is cheap to undo only on the day it happens. The sources are read as
//! text, without comments, strings and test modules.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each top-level module may import from the crate.
const MODULES: &[(&str, &[&str])] = &[
    ("error", &[]),
    ("format", &["error"]),
    ("limits", &["error"]),
    ("build", &["format", "limits", "error"]),
    ("read", &["format", "limits", "sigbus", "error"]),
    ("verify", &["read", "format", "limits", "error"]),
    ("live", &["read", "error"]),
    ("sigbus", &["error"]),
    ("publish", &["build", "verify", "error"]),
];

/// What some modules may import from elsewhere; the others are free.
const CRATES: &[(&str, &[&str])] = &[
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

/// The files that may hold unsafe code.
const UNSAFE: &[&str] = &["src/read/map.rs", "src/read/simd.rs", "src/sigbus.rs", "src/live.rs"];

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

    /// Tokens of the code that ships.
    fn tokens(&self) -> Vec<String> {
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

/// The library's files, without those that hold tests alone.
fn library() -> Vec<Source> {
    let all = sources("src");
    let tests: BTreeSet<String> = all.iter().flat_map(test_files).collect();
    assert!(all.len() > 20, "{} files found in src", all.len());
    all.into_iter()
        .filter(|source| !source.path.starts_with("src/bin/") && !tests.contains(&source.path))
        .collect()
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
            names.insert(name.trim().replace('-', "_"));
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
    let tokens = source.tokens();
    let mut faults = Vec::new();
    let found = tokens.iter().any(|token| token == "unsafe" || token == "unsafe_code");
    if found && !UNSAFE.contains(&source.path.as_str()) {
        faults.push(format!("{}: unsafe code belongs in {UNSAFE:?}", source.path));
    }
    let lines: Vec<&str> = source.text.lines().collect();
    for (i, line) in lines.iter().enumerate() {
        let code = tokens_of_line(line);
        let justified = |token: &String| token == "{" || token == "impl";
        if !code.windows(2).any(|pair| pair[0] == "unsafe" && justified(&pair[1])) {
            continue;
        }
        let above = lines[..i].iter().rev().map(|line| line.trim());
        let comment = |line: &&str| line.starts_with("//") || line.starts_with("#[");
        if !above.take_while(comment).any(|line| line.starts_with("// SAFETY: ")) {
            faults.push(format!("{}:{}: unsafe without a SAFETY comment", source.path, i + 1));
        }
    }
    faults
}

/// A program has to call `Table::open`, which is unsafe, and says why it may; nothing else.
fn caller_faults(source: &Source) -> Vec<String> {
    let mut faults = unsafe_faults(source);
    faults.retain(|fault| fault.contains("SAFETY"));
    if source.tokens().windows(2).any(|pair| pair[0] == "unsafe" && pair[1] != "{") {
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
    let programs = ["src/bin", "benches", "examples"].map(sources);
    assert_none(programs.iter().flatten().flat_map(outsider_faults).collect());
}

#[test]
fn unsafe_code_stays_in_its_files() {
    const { assert!(UNSAFE.len() <= 4) };
    let library = library();
    // The names above are names of files, as far as these exist.
    assert!(library.iter().any(|source| source.path == UNSAFE[0]));
    assert_none(library.iter().flat_map(unsafe_faults).collect());
    let programs = ["src/bin", "benches", "examples"].map(sources);
    assert_none(programs.iter().flatten().flat_map(caller_faults).collect());
}

#[test]
fn files_are_short() {
    let all = library().into_iter().chain(sources("src/bin"));
    assert_none(all.flat_map(|source| length_faults(&source)).collect());
}

#[test]
fn disk_structs_depend_on_no_machine() {
    let library = library();
    let count: usize = library.iter().map(|source| disk_structs(&source.tokens()).len()).sum();
    assert!(count >= 5, "{count} on-disk structs found");
    assert_none(library.iter().flat_map(disk_faults).collect());
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
        ("src/build/table.rs", "use crate::{error, read::Table};"),
        ("src/build/table.rs", "fn f() { crate::read::Table::new() }"),
        ("src/build/table.rs", "use super::super::read;"),
        ("src/build/mod.rs", "use super::read::Table;"),
        ("src/read/open.rs", "use crate::build::Builder;"),
        ("src/read/open.rs", "/* /* */ */ use crate::verify;"),
        ("src/read/open.rs", "const A: char = '\"'; use crate::verify; const B: &str = \"\";"),
        ("src/read/open.rs", "const A: &str = r#\"\"\"#; use crate::verify; fn f<'a>() {}"),
        ("src/verify.rs", "use crate::build::Builder;"),
        ("src/attic.rs", "use std::fmt;"),
    ] {
        assert!(!imports(path, text).is_empty(), "{path} may say {text}");
    }
    for (path, text) in [
        ("src/error.rs", "use std::io;"),
        ("src/format/node.rs", "use super::{order::head, u16_at};\nuse crate::error::OpenError;"),
        ("src/format/node.rs", "// use std::fs;\nconst A: &str = \"use std::fs\";"),
        ("src/format/node.rs", "#[cfg(test)]\nmod tests { use crate::build; fn f(_: Vec<u8>) {} }"),
        ("src/build/table.rs", "use super::index;\nuse crate::format::{hash, meta};"),
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
    assert_none(unsafe_faults(&Source::new(UNSAFE[0], block)));
    assert_eq!(unsafe_faults(&Source::new(UNSAFE[0], bare)).len(), 1);
    assert_eq!(unsafe_faults(&Source::new("src/read/open.rs", block)).len(), 1);
    assert_none(unsafe_faults(&Source::new("src/lib.rs", "//! unsafe { no }")));

    assert_none(caller_faults(&Source::new("examples/a.rs", block)));
    assert_eq!(caller_faults(&Source::new("examples/a.rs", bare)).len(), 1);
    assert_eq!(caller_faults(&Source::new("examples/a.rs", "unsafe fn f() {}")).len(), 1);

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
