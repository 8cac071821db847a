//! Guards against what is taken on trust beyond a border: a record of which the first page was
//! checked and the second was not, and a record whose lengths reach beyond the records. The first
//! would give out damaged bytes, the second bytes of another section.

mod common;

use common::craft::{Image, LINES, RECORDS, at};
use common::{Case, Entry, generate};
use graven::{HashIndex, OpenOptions, PageChecks, ReadError, ReadFailure, Table};

const PAGE: usize = 4096;

/// A table, and what its lookups go by.
struct Layout {
    name: &'static str,
    bytes: Vec<u8>,
    entries: Vec<Placed>,
}

/// An entry and where it lies in the file.
struct Placed {
    key: Vec<u8>,
    value: Vec<u8>,
    start: usize,
    end: usize,
}

impl Layout {
    fn of(name: &'static str, case: &Case) -> Self {
        let bytes = case.bytes();
        let table = Table::from_bytes(bytes.clone()).expect("a table");
        // The first key of the sorted entries, or what aligns it, begins the records.
        let base =
            table.first().expect("sound").expect("an entry").0.as_ptr().addr() - first_key(&bytes);
        let entries = table.iter().map(|entry| {
            let (key, value) = entry.expect("a sound table");
            let (start, value_at) = (key.as_ptr().addr() - base, value.as_ptr().addr() - base);
            let end = if value.is_empty() { start + key.len() } else { value_at + value.len() };
            assert_eq!(bytes[start..start + key.len()], *key, "{name}");
            Placed { key: key.to_vec(), value: value.to_vec(), start, end }
        });
        let entries = entries.collect();
        Self { name, bytes, entries }
    }

    fn image(&self) -> Image {
        Image::new(self.bytes.clone())
    }
}

/// Where the first key stands.
fn first_key(bytes: &[u8]) -> usize {
    let image = Image::new(bytes.to_vec());
    let (start, len) = image.section(RECORDS);
    let flags = image.u32(at::FLAGS);
    if flags & 3 == 3 {
        // Both lengths are fixed: the values are aligned by bytes before the first key.
        let key = image.u32(at::FIXED_KEY_LEN) as usize;
        let align = 1 << image.bytes[at::VALUE_ALIGN];
        return start + key.next_multiple_of(align) - key;
    }
    let width = usize::from(image.bytes[at::LENGTH_WIDTH]);
    let escaped = image.bytes[start..start + width].iter().all(|&byte| byte == 0xFF);
    assert!(len > 0 && !escaped);
    start + width
}

/// Every way in which lookups find a record.
fn layouts() -> Vec<Layout> {
    let hashed = |entries: Vec<Entry>| Case { hash_index: HashIndex::Always, ..Case::of(entries) };
    let ordered = |entries: Vec<Entry>| Case { hash_index: HashIndex::Never, ..Case::of(entries) };
    // Longer than lookups compare at once.
    let long = |entries: Vec<Entry>| -> Vec<Entry> {
        let longer = |(key, value): Entry| ([key, vec![b'.'; 140]].concat(), value);
        entries.into_iter().map(longer).collect()
    };
    let of_one_key_length = |len: usize| -> Vec<Entry> {
        let values = generate::varied(900).into_iter().map(|entry| entry.1);
        let keys = generate::fixed(900, len, 0).into_iter().map(|entry| entry.0);
        keys.zip(values).collect()
    };
    // Pairs of keys that differ behind their first eight bytes.
    let pairs = (0..1_500u64).map(|i| {
        let head = (i / 2).wrapping_mul(0x0020_0000_0000_0000 / 3).to_be_bytes();
        ([&head[..], &[(i % 2) as u8; 4]].concat(), vec![i as u8; 7])
    });
    vec![
        Layout::of("lines, keys of 8", &Case::of(generate::fixed(1_500, 8, 13))),
        Layout::of("lines, keys of 16", &Case::of(generate::fixed(1_500, 16, 13))),
        Layout::of("lines, keys of 32", &Case::of(generate::fixed(1_500, 32, 13))),
        Layout::of("lines, keys of 20", &Case::of(generate::fixed(1_500, 20, 13))),
        Layout::of("lines, equal tags", &Case::of(pairs.collect())),
        Layout::of("hashed, fixed, 13", &hashed(generate::fixed(1_500, 13, 9))),
        Layout::of("hashed, fixed, 21", &hashed(generate::fixed(1_500, 21, 9))),
        Layout::of("hashed, fixed, 50", &hashed(generate::fixed(900, 50, 9))),
        Layout::of("hashed, fixed, 100", &hashed(generate::fixed(900, 100, 9))),
        Layout::of("hashed, fixed, 153", &hashed(long(generate::fixed(400, 13, 9)))),
        Layout::of("hashed, plain", &hashed(generate::varied(1_500))),
        Layout::of("hashed, plain, long", &hashed(long(generate::varied(300)))),
        Layout::of("hashed, keys of 11", &hashed(of_one_key_length(11))),
        Layout::of("hashed, keys of 30", &hashed(of_one_key_length(30))),
        Layout::of("hashed, aligned", &Case { value_align: 8, ..hashed(generate::varied(1_200)) }),
        Layout::of("ordered, fixed", &ordered(generate::fixed(1_500, 6, 11))),
        Layout::of("ordered, varied", &ordered(generate::varied(1_200))),
    ]
}

type Found<'t> = Result<Vec<u8>, ReadError>;
type Query = (&'static str, fn(&Table, &[u8], u64) -> Found<'static>);

/// Ways to the value of a key of this rank.
const QUERIES: [Query; 14] = [
    ("get", |t, key, _| Ok(t.get(key)?.expect("stored").to_vec())),
    ("get_many, one", |t, key, _| {
        let mut out = Vec::new();
        t.get_many_into(&[key], &mut out)?;
        Ok(out[0].expect("stored").to_vec())
    }),
    ("get_many, many", |t, key, _| {
        let mut out = Vec::new();
        t.get_many_into(&[key; 300], &mut out)?;
        Ok(out[299].expect("stored").to_vec())
    }),
    ("get_all", |t, key, _| Ok(t.get_all(key).next().expect("stored")?.to_vec())),
    ("nth", |t, _, rank| Ok(t.nth(rank)?.expect("stored").1.to_vec())),
    ("floor", |t, key, _| Ok(t.floor(key)?.expect("stored").1.to_vec())),
    ("ceil", |t, key, _| Ok(t.ceil(key)?.expect("stored").1.to_vec())),
    ("longest_prefix", |t, key, _| Ok(t.longest_prefix(key)?.expect("stored").1.to_vec())),
    ("range", |t, key, _| Ok(t.range(key..).next().expect("stored")?.1.to_vec())),
    ("range, back", |t, key, _| Ok(t.range(..=key).next_back().expect("stored")?.1.to_vec())),
    ("iter, nth", |t, _, rank| Ok(t.iter().nth(rank as usize).expect("stored")?.1.to_vec())),
    ("prefix", |t, key, _| Ok(t.prefix(key).next().expect("stored")?.1.to_vec())),
    ("fold", |t, _, rank| {
        let all = t.iter().fold(Vec::new(), |mut all, entry| {
            all.push(entry.map(|entry| entry.1.to_vec()));
            all
        });
        let error = all.iter().find_map(|entry| entry.as_ref().err().cloned());
        all.into_iter().nth(rank as usize).unwrap_or_else(|| Err(error.expect("an error")))
    }),
    ("rfold", |t, _, rank| {
        let from_end = (t.len() - 1 - rank) as usize;
        let all = t.iter().rfold(Vec::new(), |mut all, entry| {
            all.push(entry.map(|entry| entry.1.to_vec()));
            all
        });
        let error = all.iter().find_map(|entry| entry.as_ref().err().cloned());
        all.into_iter().nth(from_end).unwrap_or_else(|| Err(error.expect("an error")))
    }),
];

/// The first page of a record was checked, as were all pages of the indexes; the second page is
/// damaged, and nobody has looked at it yet.
#[test]
fn a_record_across_a_page_border_is_checked_on_both_sides() {
    for layout in layouts() {
        let (records, len) = layout.image().section(RECORDS);
        let mut tried = 0;
        // Pages that hold nothing but records, behind others.
        for border in (records..records + len).step_by(PAGE).map(|at| at.next_multiple_of(PAGE)) {
            if border < records + PAGE || border + PAGE > records + len {
                continue;
            }
            let across = |entry: &Placed| entry.start < border && entry.end > border;
            let Some(rank) = layout.entries.iter().position(across) else { continue };
            let entry = &layout.entries[rank];
            tried += 1;
            let mut damaged = layout.bytes.clone();
            damaged[entry.end - 1] ^= 1;
            let table = Table::from_bytes(damaged).expect("a table");
            let elsewhere = |entry: &&Placed| entry.end <= border || entry.start >= border + PAGE;
            for other in layout.entries.iter().filter(elsewhere) {
                let found = table.get(&other.key);
                // Records of one tag, or of one block, are walked up to the one that is asked for.
                let walked = ["lines, equal tags", "ordered, fixed", "ordered, varied"];
                let behind = walked.contains(&layout.name) && found.is_err();
                assert!(behind || found == Ok(Some(&other.value[..])), "{} {border}", layout.name);
            }
            for (name, query) in QUERIES {
                let found = query(&table, &entry.key, rank as u64);
                let checksum = matches!(&found, Err(error) if matches!(error.failure(), ReadFailure::Checksum { offset, .. } if offset == border as u64));
                assert!(checksum, "{}, {name} at {border}: {found:?}", layout.name);
            }
        }
        assert!(tried > 2, "{}: {tried} records lie across a border", layout.name);
    }
}

/// The last record says that its value is longer than it is. What follows the records is padding
/// or another section, and no value.
#[test]
fn a_value_does_not_reach_beyond_the_records() {
    for layout in layouts() {
        let mut image = layout.image();
        let width = usize::from(image.bytes[at::LENGTH_WIDTH]);
        if width == 0 {
            continue;
        }
        let last = layout.entries.last().expect("an entry");
        let word_at = last.start - width;
        let mut word = [0; 4];
        word[..width].copy_from_slice(&image.bytes[word_at..last.start]);
        // One byte more, and so one beyond the records.
        let word = u32::from_le_bytes(word) + (1 << image.bytes[at::KEY_BITS]);
        let word = word.to_le_bytes();
        assert!(word[width..].iter().all(|&byte| byte == 0) && word[..width] != [0xFF; 4][..width]);
        image.put(word_at, &word[..width]);
        let (records, len) = image.section(RECORDS);
        assert_eq!(last.end, records + len, "the last record ends the records");
        image.seal();
        let rank = layout.entries.len() - 1;
        for verify in [PageChecks::FirstTouch, PageChecks::Never, PageChecks::AtOpen] {
            let options = OpenOptions::new().page_checks(verify);
            let table = options.from_bytes(image.bytes.clone()).expect("a table");
            // Before and after all pages that gets read were checked.
            for _ in 0..2 {
                for (name, query) in QUERIES {
                    let found = query(&table, &last.key, rank as u64);
                    let what = "record makes no sense";
                    let refused = matches!(&found, Err(error) if matches!(error.failure(), ReadFailure::Corrupt { what: told, .. }
                        if told == what));
                    assert!(refused, "{}, {name}, {verify:?}: {found:?}", layout.name);
                }
                for other in &layout.entries[..rank] {
                    assert_eq!(table.get(&other.key), Ok(Some(&other.value[..])));
                }
            }
        }
    }
}

/// The layouts are those that their names say.
#[test]
fn each_layout_has_its_index() {
    for layout in layouts() {
        let image = layout.image();
        let kinds: Vec<u32> = (0..image.u32(at::SECTION_COUNT) as usize)
            .map(|i| image.u32(at::SECTIONS + 32 * i))
            .collect();
        let name = layout.name;
        assert_eq!(kinds.contains(&LINES), name.starts_with("lines"), "{name}");
        assert_eq!(kinds.contains(&common::craft::HASH), name.starts_with("hashed"), "{name}");
    }
}
