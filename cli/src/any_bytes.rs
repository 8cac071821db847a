//! What the program keeps to whatever bytes it reads: readers and writers of all formats, the names of
//! other stores' files, and the values of options.
//!
//! The fuzz target `parsers` includes the program's files and calls [`any_bytes`] with what the fuzzer
//! makes; the test below replays that target's seeds.

use crate::args::{KeyForm, base64, unescape, values};
use crate::foreign::Foreign;
use crate::formats::csv::Csv;
use crate::formats::fields::Fields;
use crate::formats::tsv::{Form, Text, Unusual};
use crate::formats::{Entries, Format, InputFormat, cdb, csv, jsonl, lines, mdb, raw};
use crate::input::{Entry, InputError, MAX_KEY};
use crate::unpack::{is_packed, unpacked};
use std::ffi::OsStr;
use std::io::{self, Cursor, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Most bytes of an input, decompressed: a few compressed bytes may stand for gigabytes.
const MOST: u64 = 4 << 20;

/// Reads `data` as its first bytes say. Panics where a promise is broken. True if some entry, or some
/// other value, came out.
pub(crate) fn any_bytes(data: &[u8]) -> bool {
    let Some((&[how, options, piece, to], data)) = data.split_first_chunk() else { return false };
    match how {
        0xe0..=0xef => foreign_file(data),
        0xf0.. => arguments(data),
        _ => {
            let format = input_format(how, options);
            let usable = format.check().is_ok();
            usable && entries(&format, data, usize::from(piece), to)
        }
    }
}

/// A format with options. Some fit no format; then `check` says so.
fn input_format(how: u8, options: u8) -> InputFormat {
    use Format::{Cdb, Csv as CommaSeparated, Jsonl, Lines, Mdb, Raw, Tsv};
    let format = [Tsv, CommaSeparated, Jsonl, Lines, Raw, Cdb, Mdb][usize::from(how % 7)];
    let unusual = |way: u8| [Unusual::Error, Unusual::Strip, Unusual::Keep][usize::from(way % 3)];
    let mut input = plain(format);
    match format {
        Tsv | Lines => {
            input.text.crlf = unusual(options);
            input.text.bom = unusual(options / 3);
            input.text.no_escape = options & 0x80 != 0;
        }
        CommaSeparated => {
            input.csv.header = options & 1 != 0;
            input.csv.delimiter = b",\t; "[usize::from(options >> 1 & 3)];
            input.fields.key = name(["", "1", "2", "k"][usize::from(options >> 3 & 3)]);
            let values: [&[&str]; 4] = [&[], &["2"], &["3", "1"], &["v", "k", "v"]];
            let values = values[usize::from(options >> 5 & 3)];
            input.fields.value = values.iter().map(ToString::to_string).collect();
        }
        Jsonl => {
            input.fields.key = name(["", "k", "id", "\u{e9}"][usize::from(options & 3)]);
            input.fields.value =
                name(["", "k", "v", "v"][usize::from(options >> 2 & 3)]).into_iter().collect();
        }
        Mdb => {
            input.db =
                [None, Some(""), Some("a"), Some("b")][usize::from(options & 3)].map(Into::into)
        }
        Raw | Cdb => {}
    }
    input
}

fn plain(format: Format) -> InputFormat {
    InputFormat {
        format,
        text: Text { crlf: Unusual::Error, bom: Unusual::Error, no_escape: false },
        fields: Fields { key: None, value: Vec::new() },
        csv: Csv { header: false, delimiter: b',' },
        db: None,
    }
}

fn name(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

type Bytes = (Vec<u8>, Vec<u8>);

/// What a reader says, call by call.
#[derive(Debug, PartialEq)]
enum Event {
    Entry(Bytes),
    /// An entry that a build with `--skip-bad` leaves out.
    Malformed,
    /// The input cannot be read any further.
    Broken,
    /// The input is something else. How much of it is in memory decides whether that is seen.
    Guessed,
}

/// Reads `data` at once and in pieces; then writes the entries and reads them again.
fn entries(format: &InputFormat, data: &[u8], piece: usize, to: u8) -> bool {
    let (seen, pairs) = read(format, data, usize::MAX);
    if piece > 0 {
        let (in_pieces, pairs_in_pieces) = read(format, data, piece);
        same(&seen, &in_pieces);
        let guessed =
            |seen: &[(Event, String)]| seen.iter().any(|(event, _)| *event == Event::Guessed);
        let may_differ = is_packed(data) || guessed(&seen) || guessed(&in_pieces);
        assert!(pairs == pairs_in_pieces || may_differ);
    }
    let entries = seen.into_iter().filter_map(|(event, _)| match event {
        Event::Entry(entry) => Some(entry),
        _ => None,
    });
    let entries: Vec<Bytes> = entries.collect();
    let any = !entries.is_empty();
    written_and_read(entries, to);
    any
}

/// Events are the same until one of the readers takes its input for something else. What can't be read any
/// further gives what comes before or not, and is placed, by how much of it is in memory; then both
/// readers fail.
fn same(whole: &[(Event, String)], pieces: &[(Event, String)]) {
    let fails = |seen: &[(Event, String)]| {
        seen.last().is_some_and(|(event, _)| matches!(event, Event::Broken | Event::Guessed))
    };
    for (a, b) in whole.iter().zip(pieces) {
        match (&a.0, &b.0) {
            (Event::Guessed, _) | (_, Event::Guessed) => return,
            (Event::Broken, _) | (_, Event::Broken) => {
                assert!(fails(whole) && fails(pieces), "{whole:?} {pieces:?}");
                return;
            }
            _ => assert_eq!(a, b),
        }
    }
    let both = whole.len().min(pieces.len());
    let rest = whole[both..].first().or(pieces[both..].first());
    let guessed = matches!(rest, Some((Event::Guessed, _)));
    assert!(rest.is_none() || guessed, "events, at once and in pieces: {rest:?}");
}

/// Everything that a reader says of an input, with the place of each event. `piece` is the most bytes
/// that come at once.
fn read(
    format: &InputFormat,
    data: &[u8],
    piece: usize,
) -> (Vec<(Event, String)>, Vec<(String, String)>) {
    let (mut seen, mut pairs) = (Vec::new(), Vec::new());
    let pieces = Pieces { data: Cursor::new(data.to_vec()), piece };
    let source = match unpacked(pieces) {
        Ok(source) => source,
        Err(error) => {
            seen.push((event(&InputError::within(error)), String::new()));
            return (seen, pairs);
        }
    };
    let counts = Counts::default();
    let source = Counted { source: source.take(MOST), counts: counts.clone() };
    let mut entries = Entries::new(format, Box::new(source));
    match entries.metadata() {
        Ok(found) => pairs = found,
        Err(error) => {
            seen.push((event(&error), entries.place()));
            return (seen, pairs);
        }
    }
    let mut last = 0;
    loop {
        let event = match entries.next() {
            Ok(None) => break,
            Ok(Some(entry)) if entry.key().len() > MAX_KEY => Event::Malformed,
            Ok(Some(entry)) => match held(entry) {
                Ok(entry) => Event::Entry(entry),
                Err(error) => self::event(&error),
            },
            Err(error) => self::event(&error),
        };
        let place = entries.place();
        last = counts.check(&place, last);
        if let Format::Tsv | Format::Lines | Format::Raw | Format::Cdb = format.format {
            // What a compressed input breaks off in is placed at the last line that came.
            let (before, broken) = (seen.len() as u64, event == Event::Broken);
            let right = last == before + 1 || broken && last == before;
            assert!(right, "every line, or entry, is one event: {place} after {before}");
        }
        let over = !matches!(event, Event::Entry(_) | Event::Malformed);
        seen.push((event, place));
        if over {
            break;
        }
        assert!(seen.len() as u64 <= counts.bytes.load(Relaxed), "a reader that stands still");
    }
    let _ = entries.warning();
    (seen, pairs)
}

/// Key and value, a long one read to its end.
fn held(entry: Entry<'_>) -> Result<Bytes, InputError> {
    match entry {
        Entry::Whole(key, value) => Ok((key.to_vec(), value.to_vec())),
        Entry::Long(key, value) => {
            let mut bytes = Vec::new();
            value.read_to_end(&mut bytes).map_err(InputError::within)?;
            Ok((key.to_vec(), bytes))
        }
    }
}

fn event(error: &InputError) -> Event {
    let text = error.to_string();
    assert!(!text.is_empty(), "an error without a text");
    match error {
        InputError::Foreign(foreign) => {
            let paths = ["-".into(), PathBuf::from("it's")];
            for path in &paths {
                assert!(!foreign.advice(path, &paths, Path::new("out")).is_empty());
            }
            assert!(!foreign.way_out().is_empty());
            Event::Guessed
        }
        _ if text.contains("UTF-16") => Event::Guessed,
        InputError::Malformed(_) => Event::Malformed,
        InputError::Broken(_) => Event::Broken,
        InputError::Read(error) => panic!("memory cannot fail: {error}"),
    }
}

/// A source that gives a few bytes at a time, as a pipe may.
struct Pieces {
    data: Cursor<Vec<u8>>,
    piece: usize,
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(self.piece);
        self.data.read(&mut into[..most])
    }
}

/// Bytes and lines that a reader was given.
#[derive(Clone, Default)]
struct Counts {
    bytes: Arc<AtomicU64>,
    lines: Arc<AtomicU64>,
}

impl Counts {
    /// A place is in the part of the input that was read, and not before the last one.
    fn check(&self, place: &str, last: u64) -> u64 {
        let number = |text: &str| text.parse::<u64>().expect("a number");
        let bytes = self.bytes.load(Relaxed);
        let (at, most) = match place.strip_prefix("line ") {
            Some(line) => (number(line), self.lines.load(Relaxed) + 1),
            None => {
                let place =
                    place.strip_prefix("entry ").and_then(|place| place.split_once(" at byte "));
                let (entry, byte) = place.expect("a line, or an entry and a byte");
                assert!(number(byte) <= bytes, "{place:?} of {bytes} bytes");
                (number(entry), bytes + 1)
            }
        };
        assert!((last.max(1)..=most).contains(&at), "{place} after {last}, at most {most}");
        at
    }
}

struct Counted<R> {
    source: R,
    counts: Counts,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.source.read(into)?;
        self.counts.bytes.fetch_add(len as u64, Relaxed);
        let lines = memchr::memchr_iter(b'\n', &into[..len]).count();
        self.counts.lines.fetch_add(lines as u64, Relaxed);
        Ok(len)
    }
}

/// Entries that a writer has written come back as they were, also through a reader that guesses what
/// an input is.
fn written_and_read(mut entries: Vec<Bytes>, to: u8) {
    let mut format = plain(Format::Tsv);
    let mut out = Vec::new();
    // As a table has them.
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    match to % 7 {
        0 => {
            for (key, value) in &entries {
                Form::Escaped.write_entry(&mut out, key, value).expect("memory");
            }
        }
        1 => {
            format.format = Format::Csv;
            format.csv.header = to & 0x80 != 0;
            format.csv.delimiter = b",\t; "[usize::from(to >> 5 & 3)];
            let mut writer = csv::Writer::new(format.csv);
            if let Some(line) = writer.header() {
                out.extend_from_slice(line);
                out.push(b'\n');
            }
            for (key, value) in &entries {
                out.extend_from_slice(writer.line(key, value));
                out.push(b'\n');
            }
        }
        2 => {
            format.format = Format::Jsonl;
            let mut writer = jsonl::Writer::default();
            for (key, value) in &entries {
                out.extend_from_slice(writer.line(key, value));
                out.push(b'\n');
            }
        }
        3 => {
            format.format = Format::Lines;
            let mut writer = lines::Writer::new(false);
            for (key, value) in &mut entries {
                value.clear();
                assert!(writer.holds(key, value).is_ok());
                out.extend_from_slice(writer.line(key));
                out.push(b'\n');
            }
        }
        4 => {
            format.format = Format::Raw;
            for (key, value) in &entries {
                raw::write_entry(&mut out, key, value).expect("memory");
            }
        }
        5 => {
            format.format = Format::Cdb;
            let mut size = cdb::Size::EMPTY;
            for (key, value) in &entries {
                assert!(size.holds(key, value).is_ok());
                cdb::write_entry(&mut out, key, value).expect("memory");
            }
            out.extend_from_slice(cdb::END);
        }
        _ => {
            format.format = Format::Mdb;
            out = dump(&mut entries, to);
        }
    }
    let (seen, _) = read(&format, &out, usize::MAX);
    let seen: Vec<Event> = seen.into_iter().map(|(event, _)| event).collect();
    // Of a csv with zeros the first record may look like UTF-16, and a reader says so.
    if format.format == Format::Csv && seen == [Event::Guessed] && out.contains(&0) {
        return;
    }
    let entries: Vec<Event> = entries.into_iter().map(Event::Entry).collect();
    assert!(seen == entries, "{entries:?} came back as {seen:?} from {}", out.escape_ascii());
}

/// A dump of the entries that it can hold, as far as those go.
fn dump(entries: &mut Vec<Bytes>, to: u8) -> Vec<u8> {
    let flags: [&[u8]; 4] = [b"", b"dupsort", b"integerkey", b"dupsort dupfixed integerkey x"];
    let flags = Some(flags[usize::from(to >> 5 & 3)]).filter(|flags| !flags.is_empty());
    let mut writer = mdb::Writer::new(flags);
    let held = entries.iter().take_while(|(key, value)| writer.holds(key, value).is_ok()).count();
    entries.truncate(held);
    let mut writer = mdb::Writer::new(flags);
    for (key, value) in &*entries {
        assert!(writer.holds(key, value).is_ok());
    }
    let mut out = Vec::new();
    writer.begin(&mut out).expect("memory");
    for (key, value) in &*entries {
        writer.entry(&mut out, key, value).expect("memory");
    }
    writer.finish(&mut out).expect("memory");
    out
}

/// A file of another store, by its first and last bytes.
fn foreign_file(data: &[u8]) -> bool {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("file");
    std::fs::write(&path, data).expect("a file");
    let found = Foreign::at(&path);
    let _ = (Foreign::at_end(&path), Foreign::certain(data), Foreign::may_begin(data));
    if let Some(foreign) = found {
        assert!(!foreign.to_string().is_empty());
        let _ = foreign.no_table(&path);
        assert!(!foreign.advice(&path, std::slice::from_ref(&path), Path::new("t")).is_empty());
    }
    found.is_some()
}

/// Values of options.
fn arguments(data: &[u8]) -> bool {
    for (escaped, hex) in [(true, false), (false, true), (false, false)] {
        let form = KeyForm { escaped, hex, b64: !escaped && !hex };
        let _ = form.read("KEY", OsStr::from_bytes(data));
    }
    let decoded = (unescape(data).is_ok(), base64(data).is_ok());
    let Ok(text) = std::str::from_utf8(data) else { return decoded.0 || decoded.1 };
    let size = values::size(text);
    if let Ok(bytes) = size {
        assert_eq!(values::size(&bytes.to_string()), Ok(bytes));
        assert_eq!(values::size_from_one(text).is_ok(), bytes > 0);
    }
    let number = values::number::<u64>(text);
    let one = values::count_from_one(text);
    assert_eq!(one.is_ok(), number.as_ref().is_ok_and(|&number| number > 0));
    let within = |value: Result<f64, String>, most: f64| {
        if let Ok(value) = &value {
            assert!((0.0..=most).contains(value), "{value}");
        }
        value.is_ok()
    };
    let fractions = [
        within(values::percent(text), 1.0),
        within(values::share(text), 1.0),
        within(values::skew(text), 10.0),
        within(values::seconds(text), 1e6),
    ];
    if let Ok(mode) = values::directory_mode(text) {
        assert_eq!(values::octal(text), Ok(mode));
        assert!(mode & 0o700 == 0o700 && mode <= 0o7777);
    }
    if let Ok(threads) = values::threads(text) {
        assert!(threads > 0);
    }
    if let Ok(count) = values::count(text) {
        assert!((1..=4096).contains(&count));
    }
    size.is_ok() || number.is_ok() || fractions.contains(&true)
}

/// Guards against a finding of the fuzzer that comes back.
#[cfg(test)]
#[test]
fn seeds_of_the_fuzz_target() {
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/parsers");
    let Ok(seeds) = std::fs::read_dir(&seeds) else {
        println!("skipped: the package has no {}", seeds.display());
        return;
    };
    let paths = seeds.map(|seed| seed.expect("an entry").path());
    let (mut replayed, mut parsed) = (0, 0);
    for path in paths.filter(|path| path.extension().is_some_and(|end| end == "seed")) {
        println!("{}", path.display());
        replayed += 1;
        parsed += usize::from(any_bytes(&std::fs::read(&path).expect("a seed")));
    }
    assert!(replayed >= 40 && parsed >= replayed / 2, "{parsed} of {replayed} seeds were parsed");
}
