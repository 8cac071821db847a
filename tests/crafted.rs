//! Guards against a field of the format that nobody checks. Each field of each struct of small tables
//! of every layout takes the values 0, 1, −1, the largest number, that of the field beside it, one
//! more and one less, with checksums that fit. Each such file must be refused, or answer every query
//! in bounded time and be seen through by `verify`, in every mode of page checks, or be on the list
//! of harmless changes with a reason. `tests/data/crafted.txt` holds what becomes of each, made anew
//! by `BLESS=1 cargo test --features fsst,zstd --test crafted`.

mod common;
mod crafted_files;

use common::craft::{Image, at};
use common::exercise::{exercise_briefly, exercise_packed, exercise_patch, open_error, read_error};
use common::python::no_python;
use common::{blessing, data, skip, stride};
use crafted_files::{Base, Field, all, craft, fields, values};
use graven::{LocatedPart, OpenOptions, PackedTable, PageChecks, Patch, Table};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Changes that neither open nor verify refuses, by field, and why they do no harm.
const HARMLESS: &[(&str, &str)] = &[
    ("header.minor", "a reader accepts any minor version"),
    ("header.hash_attempt", "says how the index was made; lookups take the seed"),
    ("header.block_records", "a bound: no block has more records than it still says"),
    ("header.line_scale: less", "gives each key the line and the tag that it had"),
    ("header.value_align_log2: 1 less", "another alignment that all values have"),
    ("header.key_type", "compared with the type that a reader asks for"),
    ("header.value_type", "compared with the type that a reader asks for"),
    ("header.byte_order", "compared with the byte order that a reader asks for"),
    ("empty header.fixed_key_len: 1", "the length of no key"),
    ("empty header.fixed_value_len", "the length of no value"),
    ("section records.flags: 0", "for readers that do not know the kind"),
    ("section tree.flags: 0", "for readers that do not know the kind"),
    ("section lines.flags: 0", "for readers that do not know the kind"),
    ("section sums.flags: 0", "for readers that do not know the kind"),
    ("section hash.flags: 1", "for readers that do not know the kind"),
    ("section stats.flags: 1", "for readers that do not know the kind"),
    ("section metadata.flags: 1", "for readers that do not know the kind"),
    ("section types.flags: 1", "for readers that do not know the kind"),
    ("patch section patch.flags: 0", "for readers that do not know the kind"),
    ("section metadata.kind", "a section of an unknown kind is ignored: there is no metadata"),
    ("section types.kind", "a section of an unknown kind is ignored: there are no types"),
    ("leaf.tails", "another separator between the same keys"),
    ("node.tails", "another separator between the same keys"),
    ("leaf.prefix", "another separator between the same keys"),
    ("leaf.prefix_len", "another separator between the same keys"),
    ("node.prefix_len", "another separator between the same keys"),
    ("record.key", "content: another key between the same neighbours"),
    ("packed-keys record.value", "content: a value as it is"),
    ("packed-fsst record.value: more", "content: another value of the same length"),
    ("patch record.value: 1", "content: a put of the empty value in place of a delete"),
    ("packed-fsst dictionary.symbol", "content: other bytes in values of the same lengths"),
    ("types", "content: the name of another type"),
    ("packing.codec_version", "a reader may ignore it"),
    ("packing.level", "a reader may ignore it"),
    ("packing.dictionary_asked", "a reader may ignore it"),
    ("patch.base", "the patch applies to another table, and that gives another build id"),
    ("patch.result", "whoever applies the patch compares the build id"),
    ("patch.value_align_log2", "the result has another build id than the patch says"),
    ("patch.hash_index", "the result has another build id than the patch says"),
    ("patch.key_type", "the result has another build id than the patch says"),
    ("patch.value_type", "the result has another build id than the patch says"),
    ("patch.byte_order", "the result has another build id than the patch says"),
];

/// One crafted file.
struct Crafted {
    base: usize,
    field: Field,
    value: (&'static str, u64),
}

/// All crafted files, in the order of bases and fields.
struct All {
    bases: Vec<Base>,
    files: Vec<Crafted>,
}

impl All {
    fn make() -> Arc<Self> {
        let bases = all();
        let mut files = Vec::new();
        for (base, Base { image, .. }) in bases.iter().enumerate() {
            for field in fields(image) {
                let values = values(image, &field).into_iter();
                files.extend(values.map(|value| Crafted { base, field: field.clone(), value }));
            }
        }
        Arc::new(Self { bases, files })
    }
}

impl Crafted {
    fn bytes(&self, bases: &[Base]) -> Vec<u8> {
        craft(&bases[self.base].image, &self.field, self.value.1)
    }

    fn name(&self, bases: &[Base]) -> String {
        format!("{} {}: {}", bases[self.base].name, self.field.name, self.value.0)
    }
}

/// What becomes of a file: `open …` and `verify …` with the error, or `harmless`.
type Outcome = String;

/// Opens a file in one mode, asks everything, and audits it.
fn try_mode(base: &str, bytes: &[u8], mode: PageChecks, path: &Path) -> Outcome {
    let options = OpenOptions::new().page_checks(mode);
    let packed = base.starts_with("packed");
    let options = options.allow_patch(base == "patch").allow_packed(packed);
    let table = match options.from_bytes(bytes.to_vec()) {
        Ok(table) => table,
        Err(error) => return format!("open {}", open_error(&error)),
    };
    if packed {
        match PackedTable::load_with(path, &options) {
            Ok(table) => exercise_packed(&table),
            Err(error) => return format!("open {}", open_error(&error)),
        }
    }
    exercise_briefly(&table);
    steps(&table, bytes);
    if let Err(error) = table.verify() {
        return format!("verify {}", read_error(&error));
    }
    if base == "patch" {
        return match Patch::new(table).and_then(|patch| exercise_patch(&patch)) {
            Ok(()) => "harmless".to_owned(),
            Err(error) => format!("patch {}", common::exercise::variant(&error)),
        };
    }
    "harmless".to_owned()
}

/// A lookup reads no more than format.md says, whatever the file says.
fn steps(table: &Table, bytes: &[u8]) {
    let header = Image::new(bytes.to_vec());
    let levels = usize::from(header.bytes[at::INDEX_LEVELS]);
    let set_aside = header.u64(at::HASH_SET_ASIDE) > 0;
    let hashed = header.bytes[at::HASH_FUNCTION] == 3;
    let leaves = header.u64(at::LEAVES);
    assert!(levels < 2 || leaves > 1 << (levels - 2), "{levels} levels of {leaves} leaves");
    let keys = table.keys().take(200).step_by(3).map_while(Result::ok).map(<[u8]>::to_vec);
    for key in keys.chain([vec![], b"k".to_vec(), vec![0xFF; 20]]) {
        let Ok(location) = table.locate(&key) else { continue };
        let count = |part| location.spans.iter().filter(|span| span.part == part).count();
        let by_order = !hashed || set_aside;
        assert!(count(LocatedPart::Bucket) <= 2 * usize::from(hashed), "buckets");
        assert!(count(LocatedPart::Compared) <= 6 * usize::from(hashed), "records of buckets");
        assert!(count(LocatedPart::Node) <= levels * usize::from(by_order), "nodes");
        assert!(count(LocatedPart::Line) <= 2 && count(LocatedPart::Block) <= 1, "lines, blocks");
    }
}

/// What becomes of a file, the same in every mode; otherwise what differs.
fn outcome(base: &str, bytes: &[u8], path: &Path) -> Outcome {
    std::fs::write(path, bytes).expect("a file");
    let first = try_mode(base, bytes, PageChecks::FirstTouch, path);
    for mode in [PageChecks::Never, PageChecks::AtOpen] {
        let other = try_mode(base, bytes, mode, path);
        // Page sums that do not fit are seen at open already, if that is asked for, or if the page
        // holds dictionaries.
        let sums = [&first, &other].iter().all(|outcome| outcome.ends_with(" Checksum"));
        if other != first && !sums {
            return format!("not the same in each mode: {first}, {other} in mode {mode:?}");
        }
    }
    first
}

/// The outcomes of every `step`th file. A panic and a hang are outcomes that none may have.
fn outcomes(all: &Arc<All>, step: usize) -> Vec<Outcome> {
    const WORKERS: usize = 2;
    let next = Arc::new(AtomicUsize::new(0));
    let (report, done) = mpsc::channel();
    for _ in 0..WORKERS {
        let (all, report, next) = (Arc::clone(all), report.clone(), Arc::clone(&next));
        std::thread::spawn(move || {
            let All { bases, files } = &*all;
            let directory = tempfile::tempdir().expect("a directory");
            let path = directory.path().join("t.grv");
            loop {
                let i = next.fetch_add(1, Relaxed);
                let Some(file) = files.get(i * step) else { return };
                let tried = catch_unwind(AssertUnwindSafe(|| {
                    outcome(bases[file.base].name, &file.bytes(bases), &path)
                }));
                let _ = report.send((i, tried.unwrap_or_else(|_| "panics".to_owned())));
            }
        });
    }
    drop(report);
    let mut found = vec!["hangs".to_owned(); all.files.len().div_ceil(step)];
    while let Ok((i, outcome)) = done.recv_timeout(Duration::from_secs(60)) {
        found[i] = outcome;
    }
    found
}

/// One line for each field: its values, by what becomes of the file.
fn listing(bases: &[Base], files: &[Crafted], outcomes: &[Outcome]) -> String {
    let mut text = String::from(
        "# What becomes of each crafted file of tests/crafted.rs: base and field, then the values by\n\
         # outcome. Made by `BLESS=1 cargo test --features fsst,zstd --test crafted`.\n",
    );
    let mut from = 0;
    while let Some(first) = files.get(from) {
        let same = |file: &Crafted| file.base == first.base && file.field.name == first.field.name;
        let end = from + files[from..].iter().take_while(|file| same(file)).count();
        let mut by_outcome: Vec<(&str, Vec<&str>)> = Vec::new();
        for (file, outcome) in files[from..end].iter().zip(&outcomes[from..end]) {
            match by_outcome.iter_mut().find(|(other, _)| other == outcome) {
                Some((_, values)) => values.push(file.value.0),
                None => by_outcome.push((outcome, vec![file.value.0])),
            }
        }
        write!(text, "{} {}:", bases[first.base].name, first.field.name).expect("text");
        for (i, (outcome, values)) in by_outcome.iter().enumerate() {
            let end = if i == 0 { " " } else { "; " };
            write!(text, "{end}{} = {outcome}", values.join(" ")).expect("text");
        }
        text.push('\n');
        from = end;
    }
    text
}

/// The list of outcomes that is checked in.
struct Listing(BTreeMap<String, Outcome>);

impl Listing {
    fn read() -> Self {
        let text = std::fs::read_to_string(data("crafted.txt")).expect("the list of outcomes");
        let mut outcomes = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (field, parts) = line.split_once(": ").expect("a field and its outcomes");
            for part in parts.split("; ") {
                let (values, outcome) = part.split_once(" = ").expect("values and an outcome");
                for value in values.split(' ') {
                    outcomes.insert(format!("{field}: {value}"), outcome.to_owned());
                }
            }
        }
        Self(outcomes)
    }

    fn of(&self, name: &str) -> &str {
        self.0.get(name).map_or("not in the list", String::as_str)
    }
}

/// Whether an entry of the list of harmless changes is about this file: `field`, `base field`, or
/// either with `: value`.
fn covers(entry: &str, file: &Crafted, bases: &[Base]) -> bool {
    let (place, value) = entry.split_once(": ").map_or((entry, None), |(a, b)| (a, Some(b)));
    let field = file.field.name.split('[').next().unwrap_or_default();
    let whole = format!("{} {field}", bases[file.base].name);
    let named = value.is_none_or(|value| value.split(' ').any(|name| name == file.value.0));
    named && (place == field || place == whole)
}

#[test]
fn every_field_is_seen_through() {
    let all = All::make();
    let All { bases, files } = &*all;
    assert!(files.len() >= 400, "{} files", files.len());
    // The list has packed tables, too.
    let complete = cfg!(all(feature = "fsst", feature = "zstd"));
    assert!(complete || !blessing(), "bless with the features fsst and zstd");
    let step = if blessing() { 1 } else { stride() };
    let found = outcomes(&all, step);
    let (mut wrong, mut used) = (Vec::new(), BTreeMap::new());
    for (file, outcome) in files.iter().step_by(step).zip(&found) {
        if outcome == "harmless" {
            match HARMLESS.iter().find(|(entry, _)| covers(entry, file, bases)) {
                Some((entry, _)) => *used.entry(*entry).or_insert(0) += 1,
                None => {
                    wrong.push(format!("{}: neither open nor verify sees it", file.name(bases)))
                }
            }
        }
    }
    let harmless: usize = used.values().sum();
    println!("crafted files: {} of {}, harmless {harmless}", found.len(), files.len());
    if blessing() {
        std::fs::write(data("crafted.txt"), listing(bases, files, &found)).expect("the list");
    }
    let list = Listing::read();
    assert!(!complete || list.0.len() == files.len(), "{} files in the list", list.0.len());
    for (file, outcome) in files.iter().step_by(step).zip(&found) {
        let (name, expected) = (file.name(bases), list.of(&file.name(bases)).to_owned());
        let known = ["open ", "verify ", "patch ", "harmless"];
        if expected != *outcome || !known.iter().any(|known| outcome.starts_with(known)) {
            wrong.push(format!("{name}: {outcome}, expected {expected}"));
        }
    }
    if step == 1 && complete {
        let idle = HARMLESS.iter().filter(|(entry, _)| !used.contains_key(entry));
        wrong.extend(idle.map(|(entry, _)| format!("{entry}: listed as harmless, but is not")));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The second audit, written from format.md alone, finds fault with the same files.
#[test]
fn python_agrees() {
    if let Some(why) = no_python() {
        return skip("python_agrees", &why);
    }
    if blessing() {
        return skip("python_agrees", "the list of outcomes is being made");
    }
    let list = Listing::read();
    let All { bases, files } = &*All::make();
    let directory = common::directory();
    let paths: Vec<_> = (0..files.len()).map(|i| directory.path().join(i.to_string())).collect();
    let tried: Vec<_> = (0..files.len()).step_by(stride()).collect();
    for &i in &tried {
        std::fs::write(&paths[i], files[i].bytes(bases)).expect("a file");
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/audit.py");
    let mut child = Command::new("python3")
        .arg("-B")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 starts");
    let mut input = child.stdin.take().expect("its standard input");
    let asked =
        tried.iter().fold(String::new(), |asked, &i| asked + &format!("{}\n", paths[i].display()));
    let writer = std::thread::spawn(move || input.write_all(asked.as_bytes()));
    let output = child.wait_with_output().expect("python3 ends");
    writer.join().expect("the writer ends").expect("all paths are read");
    let said = String::from_utf8(output.stdout).expect("text");
    assert_eq!(said.lines().count(), tried.len(), "answers");
    let mut wrong = Vec::new();
    for (&i, said) in tried.iter().zip(said.lines()) {
        if said.starts_with("SystemExit: this table needs zstd") {
            continue;
        }
        let name = files[i].name(bases);
        let outcome = list.of(&name);
        if (outcome == "harmless") != (said == "ok") {
            wrong.push(format!("{name}: {outcome}, but in Python {said}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
