//! Guards against a result that a program can't print: `println!("{summary}")` is what a newcomer
//! writes. Each is one plain line, whose numbers are those of the fields. Also what the Rust API
//! guidelines ask of types: that they cross threads, and that they compare, hash and print.

use graven::{
    BuildId, BuildOptions, BuildPhase, BuildProgress, HashIndex, HashIndexOutcome, Live,
    PublishOptions, RefreshOutcome, Residency, Section, Table, Versions, Warm,
};
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The text, which is one line and ends in no full stop.
#[track_caller]
fn line(value: &impl Display) -> String {
    let text = value.to_string();
    assert!(!text.is_empty() && !text.contains('\n') && !text.ends_with('.'), "{text:?}");
    text
}

fn build(path: &Path, entries: u32, options: &BuildOptions) -> graven::BuildSummary {
    let mut builder = options.clone().durable(false).create(path).unwrap();
    for i in 0..entries {
        builder
            .insert(format!("key {i:05} {}", i % 7).as_bytes(), vec![b'v'; i as usize % 9])
            .unwrap();
    }
    builder.finish().unwrap()
}

#[test]
fn builds() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    let empty = build(&path, 0, &BuildOptions::new());
    let one = build(&path, 1, &BuildOptions::new());
    for (summary, counts) in
        [(empty, "0 entries, 0 distinct keys"), (one, "1 entry, 1 distinct key")]
    {
        let (bytes, id, hash) = (summary.file_bytes, summary.build_id, summary.hash_index);
        assert_eq!(
            line(&summary),
            format!("{counts}, {bytes} bytes, build id {id}, hash index {hash}")
        );
    }
    let reports = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&reports);
    let options = BuildOptions::new().progress(move |progress: BuildProgress| {
        seen.lock().unwrap().push((line(&progress), progress));
    });
    let summary = build(&path, 5_000, &options);
    let (bytes, id) = (summary.file_bytes, summary.build_id);
    assert_eq!(
        line(&summary),
        format!("5000 entries, 5000 distinct keys, {bytes} bytes, build id {id}, hash index built")
    );
    let summary = build(&path, 5_000, &BuildOptions::new().hash_index(HashIndex::Never));
    assert!(line(&summary).ends_with(", hash index disabled"), "{summary}");
    let words = [
        (HashIndexOutcome::Built, "built"),
        (HashIndexOutcome::NotNeeded, "not needed"),
        (HashIndexOutcome::Disabled, "disabled"),
        (HashIndexOutcome::Abandoned { attempts: 8 }, "abandoned after 8 attempts"),
        (HashIndexOutcome::Abandoned { attempts: 1 }, "abandoned after 1 attempt"),
    ];
    words.iter().for_each(|(outcome, word)| assert_eq!(line(outcome), *word));

    let reports = reports.lock().unwrap();
    assert!(!reports.is_empty());
    for (text, BuildProgress { phase, done, total, .. }) in reports.iter() {
        let unit = if *phase == BuildPhase::Sync { "bytes" } else { "entries" };
        assert_eq!(*text, format!("{phase}: {done} of {total} {unit}"));
    }
    let phases = [BuildPhase::Sort, BuildPhase::Merge, BuildPhase::Index, BuildPhase::Sync];
    assert_eq!(phases.map(|phase| line(&phase)), ["sort", "merge", "index", "sync"]);
}

#[test]
fn tables() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    for (entries, hash, indexes) in [
        (0, HashIndex::Auto, "no index"),
        (1, HashIndex::Never, "no index"),
        (5_000, HashIndex::Never, "ordered index"),
        (5_000, HashIndex::Always, "hash index, ordered index"),
    ] {
        build(&path, entries, &BuildOptions::new().hash_index(hash));
        let table = Table::load(&path).unwrap();
        let stats = table.stats().unwrap();
        let bytes = stats.file_bytes;
        let counts = match entries {
            1 => "1 entry, 1 distinct key".to_owned(),
            n => format!("{n} entries, {n} distinct keys"),
        };
        assert_eq!(line(&stats), format!("{counts}, {bytes} bytes; {indexes}"));
        let named: Vec<_> = stats.sections.iter().map(|part| part.section).collect();
        assert_eq!(named.contains(&Section::HashIndex), stats.hash_index.is_some());
        assert_eq!(named.contains(&Section::OrderedIndex), stats.ordered_index.is_some());
        assert_eq!(named.contains(&Section::LineIndex), stats.line_index.is_some());
        assert!(stats.ordered_index.is_none_or(|tree| tree.levels > 0 && tree.nodes > 0));
        for part in &stats.sections {
            let text = format!("{}: {} bytes at {}", part.section, part.bytes, part.offset);
            assert_eq!(line(part), text);
        }
        let report = table.verify().unwrap();
        let pages = match report.pages {
            1 => "1 page".to_owned(),
            pages => format!("{pages} pages"),
        };
        assert_eq!(line(&report), format!("{counts}, {pages}, {bytes} bytes: no damage"));
        let warmed = table.warm_with(Warm::All, |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(line(&warmed), format!("{0} of {0} bytes", warmed.total));
        match table.residency() {
            Residency::Known(parts) => {
                let resident: u64 = parts.iter().map(|part| part.resident).sum();
                let text = format!("{resident} of {bytes} bytes in memory");
                assert_eq!(line(&Residency::Known(parts.clone())), text);
                for part in parts {
                    let (name, resident) = (part.section, part.resident);
                    let text = format!("{name}: {resident} of {} bytes in memory", part.bytes);
                    assert_eq!(line(&part), text);
                }
            }
            unknown => assert_eq!(line(&unknown), "unknown"),
        }
    }
    let names = [
        (Section::Header, "header"),
        (Section::Padding, "padding"),
        (Section::Records, "records"),
        (Section::OrderedIndex, "ordered index"),
        (Section::LineIndex, "line index"),
        (Section::HashIndex, "hash index"),
        (Section::Statistics, "statistics"),
        (Section::Metadata, "metadata"),
        (Section::PageSums, "page sums"),
        (Section::Unknown, "unknown"),
        (Section::Footer, "footer"),
    ];
    names.iter().for_each(|(section, name)| assert_eq!(line(section), *name));
    assert_eq!(format!("{:<8}|{:>8}", Section::Header, Section::Footer), "header  |  footer");
}

#[test]
#[expect(unsafe_code, reason = "maps the files under test")]
fn publishing_and_serving() {
    let directory = tempfile::tempdir().unwrap();
    let (path, served) = (directory.path().join("t"), directory.path().join("served"));
    let built = build(&path, 10, &BuildOptions::new());
    let published = PublishOptions::new().publish(&path, directory.path().join("u")).unwrap();
    assert_eq!(
        line(&published),
        format!("{} bytes, build id {}", built.file_bytes, built.build_id)
    );

    let versions = Versions::new(&served);
    let first = versions.publish(&path, &PublishOptions::new()).unwrap();
    assert!(first.id.ends_with(&format!("-{:.8}", built.build_id)), "{}", first.id);
    assert_eq!(line(&first), format!("{}, {} bytes, current", first.id, built.file_bytes));
    // SAFETY: nobody else knows the directory, and versions are never modified.
    let live = unsafe { Live::open(&served) }.unwrap();
    let id = built.build_id;
    let version = &first.id;
    let served_now = format!("generation 1, build id {id}, for 0 s, version {version}");
    let mut status = live.status();
    status.age = std::time::Duration::from_millis(900);
    assert_eq!(line(&status), served_now);

    let other = build(&path, 11, &BuildOptions::new());
    versions.publish(&path, &PublishOptions::new()).unwrap();
    let listed: Vec<_> = versions.list().unwrap().iter().map(line).collect();
    assert_eq!(listed[0], format!("{}, {} bytes", first.id, first.file_bytes));
    assert!(listed[1].ends_with(&format!(", {} bytes, current", other.file_bytes)), "{listed:?}");
    assert_eq!(line(&live.refresh().unwrap()), "swapped");
    assert_eq!(line(&live.refresh().unwrap()), "unchanged");
    assert_eq!(live.refresh().unwrap(), RefreshOutcome::Unchanged);

    std::fs::remove_file(served.join("CURRENT")).unwrap();
    let error = live.refresh().unwrap_err();
    let text = line(&live.status());
    assert!(text.ends_with(&format!("; the last refresh failed: {error}")), "{text}");
    assert_eq!(text.matches("CURRENT").count(), 1, "{text}");
}

/// What is shared between threads or sent to one, and what is compared: a change here breaks
/// programs that do so.
#[test]
fn types_do_what_the_guidelines_ask() {
    fn shared<T: Send + Sync + Debug>() {}
    fn value<T: Copy + Eq + Hash + Send + Sync + Debug>() {}
    fn result<T: Clone + Eq + Send + Sync + Debug>() {}
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    fn unwinds<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}

    shared::<Table>();
    shared::<graven::TypedTable<u64, u64>>();
    shared::<Live>();
    shared::<Versions>();
    shared::<graven::Iter<'_>>();
    shared::<graven::Keys<'_>>();
    shared::<graven::Values<'_>>();
    shared::<graven::GetAll<'_>>();
    shared::<graven::Cursor<'_>>();
    shared::<graven::Metadata<'_>>();
    shared::<graven::OpenOptions>();
    shared::<BuildOptions>();
    shared::<PublishOptions>();
    // Builders are sent, and used by one thread at a time.
    fn sent<T: Send + Debug>() {}
    sent::<graven::Builder>();
    sent::<graven::TypedBuilder<u64, u64>>();

    value::<BuildId>();
    value::<BuildPhase>();
    value::<BuildProgress>();
    value::<HashIndexOutcome>();
    value::<HashIndex>();
    value::<graven::Duplicates>();
    value::<graven::PageChecks>();
    value::<graven::AccessPattern>();
    value::<Warm>();
    value::<graven::WarmProgress>();
    value::<graven::ErrorKind>();
    value::<graven::ReadFailure>();
    value::<RefreshOutcome>();
    value::<graven::PublishSummary>();
    value::<graven::VerifyReport>();
    value::<Section>();
    value::<graven::SectionStats>();
    value::<graven::SectionResidency>();
    value::<graven::LengthBin>();
    value::<graven::HashStats>();
    value::<graven::LineStats>();
    value::<graven::TreeStats>();
    result::<graven::BuildSummary>();
    result::<graven::Stats>();
    result::<Residency>();
    result::<graven::Version>();
    result::<graven::LiveStatus>();
    result::<graven::ReadError>();
    error::<graven::OpenError>();
    error::<graven::OpenFailure>();
    error::<graven::ReadError>();
    error::<graven::ReadFailure>();
    error::<graven::BuildError>();
    error::<graven::PublishError>();
    error::<graven::ParseBuildIdError>();
    unwinds::<Table>();
    // An item of a walk, an entry or an error, has one tag, which serves for the end as well.
    type Item<'t> = Result<(&'t [u8], &'t [u8]), graven::ReadError>;
    assert_eq!(size_of::<graven::ReadError>(), size_of::<(&[u8], &[u8])>());
    assert_eq!(size_of::<Option<Item<'_>>>(), size_of::<Item<'_>>());
}

/// `Pinned` is what `Live::pin` gives: it stays with the thread that asked, or goes to another one
/// as a clone of the table.
#[test]
fn debug_says_what_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t");
    build(&path, 3, &BuildOptions::new());
    let table = Table::load(&path).unwrap();
    let mut cursor = table.cursor();
    assert_eq!(format!("{cursor:?}"), "Cursor { key: None, .. }");
    cursor.next().unwrap();
    assert_eq!(format!("{cursor:?}"), "Cursor { key: Some(\"key 00000 0\"), .. }");
    assert!(format!("{:?}", table.iter()).starts_with("Iter { bytes: "));
    assert!(format!("{:?}", table.keys()).starts_with("Keys(Iter { "));
    let all = table.get_all(b"key 00001 1");
    assert_eq!(format!("{all:?}"), "GetAll { key: Some(\"key 00001 1\"), .. }");
    let builder = graven::Builder::create(directory.path().join("u")).unwrap();
    assert_eq!(format!("{builder:?}"), "Builder { entries: 0, .. }");
}
