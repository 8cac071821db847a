//! Guards against a salvage that loses good entries, saves bad ones, or says of neither. Tables are
//! built, some of their pages damaged, and the right set of entries is found from the places of
//! their bytes in the undamaged file and the numbers of the damaged pages.

mod common;

use common::generate::{fixed, varied};
use common::{Case, Entry, Rng, data};
use graven::{
    BuildOptions, HashIndex, Loss, OpenError, OpenFailure, OpenOptions, Salvaged, Section, Table,
};
use std::collections::BTreeSet;
use std::ops::Range;

const UNIT: usize = 4096;

/// A table, and where each of its entries stands.
struct Whole {
    bytes: Vec<u8>,
    entries: Vec<(Entry, Range<usize>)>,
    units: usize,
    records: Range<usize>,
}

impl Whole {
    fn new(case: &Case) -> Self {
        let bytes = case.bytes();
        let leaked: &'static [u8] = bytes.clone().leak();
        let table = Table::from_bytes(leaked).unwrap();
        let stats = table.stats().unwrap();
        let section = |name: &str| {
            let mut sections = stats.sections.iter();
            let found = sections.find(|section| section.section.to_string() == name).unwrap();
            found.offset as usize..(found.offset + found.bytes) as usize
        };
        let fixed = stats.fixed_key_len.is_some() && stats.fixed_value_len.is_some();
        let mut end = section("records").start;
        let mut entries = Vec::new();
        for entry in table.iter() {
            let (key, value) = entry.unwrap();
            let place = |bytes: &[u8]| bytes.as_ptr().addr() - leaked.as_ptr().addr();
            let start = if fixed { place(key) } else { end };
            end = place(value) + value.len();
            entries.push(((key.to_vec(), value.to_vec()), start..end));
        }
        let units = section("page sums").start.div_ceil(UNIT);
        Self { bytes, entries, units, records: section("records") }
    }

    /// The file with a flipped bit in each of these pages, behind the header.
    fn damaged(&self, pages: &BTreeSet<usize>, rng: &mut Rng) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for page in pages {
            let start = (page * UNIT).max(448);
            // The last page ends where the sums start, which is not beyond this.
            let at = start + rng.below(self.page_end(*page) - start);
            bytes[at] ^= 1 << rng.below(8u32);
        }
        bytes
    }

    fn page_end(&self, page: usize) -> usize {
        let sums = self.bytes.len() - 32 - 4 * self.units;
        ((page + 1) * UNIT).min(sums)
    }

    /// Pages of a part of the file, one in a hundred and at least one.
    fn one_percent(&self, part: Range<usize>, rng: &mut Rng) -> BTreeSet<usize> {
        let pages = part.start / UNIT..part.end.div_ceil(UNIT);
        let count = pages.len().div_ceil(100);
        let mut chosen = BTreeSet::new();
        while chosen.len() < count {
            chosen.insert(pages.start + rng.below(pages.len()));
        }
        chosen
    }

    /// Whether all pages under an entry are good.
    fn is_good(&self, entry: &Range<usize>, pages: &BTreeSet<usize>) -> bool {
        pages.range(entry.start / UNIT..entry.end.div_ceil(UNIT)).next().is_none()
    }
}

struct Found {
    entries: Vec<Entry>,
    losses: Vec<OwnedLoss>,
}

#[derive(Debug, PartialEq)]
struct OwnedLoss {
    after: Option<Vec<u8>>,
    before: Option<Vec<u8>>,
    bytes: Range<usize>,
    pages: u64,
}

fn salvage(bytes: Vec<u8>) -> Found {
    let table = OpenOptions::new().tolerate_footer(true).from_bytes(bytes).unwrap();
    let mut found = Found { entries: Vec::new(), losses: Vec::new() };
    for item in table.salvage() {
        match item {
            Salvaged::Entry { key, value } => found.entries.push((key.to_vec(), value.to_vec())),
            Salvaged::Loss(Loss { after, before, offset, bytes, pages }) => {
                let last = found.entries.last().map(|entry| &entry.0[..]);
                assert_eq!(after, last, "a loss stands behind the entry before it");
                let [after, before] = [after, before].map(|key| key.map(<[u8]>::to_vec));
                let bytes = offset as usize..(offset + bytes) as usize;
                found.losses.push(OwnedLoss { after, before, bytes, pages });
            }
        }
    }
    found
}

/// Salvages a table with these damaged pages. Gives the good entries that it did not save, each with
/// the number of good entries between it and the damage before it.
fn check(whole: &Whole, pages: &BTreeSet<usize>, rng: &mut Rng) -> Vec<usize> {
    let found = salvage(whole.damaged(pages, rng));
    let mut saved = found.entries.iter().peekable();
    let (mut missing, mut behind) = (Vec::new(), usize::MAX);
    for (entry, place) in &whole.entries {
        let good = whole.is_good(place, pages);
        let is_saved = saved.next_if_eq(&entry).is_some();
        assert!(good || !is_saved, "an entry on a damaged page was saved: {place:?}");
        behind = if good { behind.saturating_add(1) } else { 0 };
        if good && !is_saved {
            missing.push(behind - 1);
        }
        let lost = found.losses.iter().any(|loss| loss.bytes.contains(&place.start));
        assert_eq!(lost, !is_saved, "losses are what was not saved: {place:?}");
    }
    assert!(saved.next().is_none(), "an entry was saved that the table does not have");
    for loss in &found.losses {
        let OwnedLoss { after, before, bytes, pages: count } = loss;
        let under = pages.range(bytes.start / UNIT..bytes.end.div_ceil(UNIT)).count();
        assert_eq!(*count, under as u64, "{loss:?}");
        let is_between = |key: &Vec<u8>| {
            after.as_ref().is_none_or(|after| after <= key)
                && before.as_ref().is_none_or(|before| key <= before)
        };
        let lost = whole.entries.iter().filter(|(_, place)| bytes.contains(&place.start));
        let mut lost = lost.peekable();
        assert!(lost.peek().is_some() && lost.all(|(entry, _)| is_between(&entry.0)), "{loss:?}");
    }
    missing
}

fn cases() -> Vec<(&'static str, Case)> {
    let hash = |hash_index, case| Case { hash_index, ..case };
    let aligned = Case { value_align: 16, ..Case::of(varied(30_000)) };
    let long = (0..3000u32).map(|i| (i.to_be_bytes().to_vec(), vec![i as u8; (i % 1500) as usize]));
    vec![
        ("lines", Case::of(fixed(60_000, 8, 12))),
        ("fixed, hash", hash(HashIndex::Always, Case::of(fixed(40_000, 16, 9)))),
        ("fixed, tree", hash(HashIndex::Never, Case::of(fixed(40_000, 16, 9)))),
        ("varied", Case::of(varied(60_000))),
        ("aligned", aligned),
        ("long values", Case::of(long.collect())),
    ]
}

/// One in a hundred of the pages with records is damaged: exactly the entries of the good pages are
/// saved.
#[test]
fn exactly_the_entries_of_good_pages() {
    for (name, case) in cases() {
        let whole = Whole::new(&case);
        for seed in 0..10 {
            let mut rng = Rng::new(seed);
            let pages = whole.one_percent(whole.records.clone(), &mut rng);
            let missing = check(&whole, &pages, &mut rng);
            assert!(missing.is_empty(), "{name}, seed {seed}: {missing:?}");
        }
    }
}

/// One in a hundred of all pages is damaged, those of the indexes among them. Entries of fixed width
/// are all found; others unless the index page is damaged that knows the first one behind the
/// damage.
#[test]
fn damage_in_indexes_too() {
    for (name, case) in cases() {
        let whole = Whole::new(&case);
        let fixed = name.contains("fixed") || name == "lines";
        let mut all = 0;
        for seed in 0..20 {
            let mut rng = Rng::new(seed);
            let pages = whole.one_percent(0..whole.units * UNIT, &mut rng);
            let missing = check(&whole, &pages, &mut rng);
            assert!(missing.iter().all(|behind| *behind < 2 && !fixed), "{name}: {missing:?}");
            all += missing.len();
        }
        assert!(all <= 5, "{name}: {all} good entries are lost");
    }
}

/// Without a hash index, up to five entries behind each damage have an unknown start.
#[test]
fn without_a_hash_index() {
    let case = Case { hash_index: HashIndex::Never, ..Case::of(varied(60_000)) };
    let whole = Whole::new(&case);
    for seed in 0..10 {
        let mut rng = Rng::new(seed);
        let pages = whole.one_percent(whole.records.clone(), &mut rng);
        let missing = check(&whole, &pages, &mut rng);
        assert!(!missing.is_empty() && missing.iter().all(|behind| *behind < 5), "{missing:?}");
    }
    // Repeated keys: the hash index refers to the first entry of each.
    let repeated =
        (0..20_000u32).map(|i| ((i / 10).to_be_bytes().to_vec(), vec![7; i as usize % 40]));
    let whole = Whole::new(&Case::of(repeated.collect()));
    for seed in 0..10 {
        let mut rng = Rng::new(seed);
        let pages = whole.one_percent(whole.records.clone(), &mut rng);
        let missing = check(&whole, &pages, &mut rng);
        assert!(missing.iter().all(|behind| *behind < 5), "{missing:?}");
    }
}

/// No page of an index, of the statistics or of the metadata is good: no entry is lost.
#[test]
fn indexes_alone_damaged() {
    for (name, case) in cases() {
        let case = Case { metadata: vec![(b"m".to_vec(), vec![1; 5000])], ..case };
        let whole = Whole::new(&case);
        let pages: BTreeSet<usize> = (whole.records.end.div_ceil(UNIT)..whole.units).collect();
        let bytes = whole.damaged(&pages, &mut Rng::new(1));
        let table = Table::from_bytes(bytes.clone()).unwrap();
        assert!(table.metadata().is_err());
        let found = salvage(bytes);
        assert!(found.losses.is_empty(), "{name}: {:?}", found.losses);
        assert_eq!(table.salvage().lost_sections(), [Section::Metadata]);
        // Without the metadata, the new table is the one that was.
        let options = table.salvage().build_options().durable(false);
        let sorted = Case::of(found.entries);
        let plain = Case { metadata: vec![], ..case };
        assert!(sorted.bytes_with(options) == plain.bytes(), "{name}");
    }
}

/// The types of a typed table are saved, or said to be lost; then the new table is one of bytes.
#[test]
fn types_too() {
    let directory = tempfile::tempdir().unwrap();
    let [path, out] = ["t", "out"].map(|name| directory.path().join(name));
    let plain = BuildOptions::new().durable(false);
    // The records end just before a page does, so that what follows stands on pages of its own.
    let typed = |options: &BuildOptions| {
        options.build_typed(&path, (0..990_u32).map(|i| (i, f64::from(i)))).unwrap();
        std::fs::read(&path).unwrap()
    };
    let (bare, rich) = (typed(&plain), typed(&plain.clone().metadata("m", [1; 5000])));
    let metadata = rich.windows(5000).position(|bytes| bytes == [1; 5000]).unwrap();
    let types = bare.windows(7).position(|bytes| bytes == b"u32\nf64").unwrap();
    let cases = [(&bare, types, Section::Types), (&rich, metadata, Section::Metadata)];
    for (whole, damaged, lost) in cases {
        let mut bytes = whole.clone();
        bytes[damaged] ^= 1;
        let table = Table::from_bytes(bytes).unwrap();
        let salvage = table.salvage();
        assert_eq!(salvage.lost_sections(), [lost]);
        let mut builder = salvage.build_options().durable(false).create(&out).unwrap();
        for found in salvage {
            let Salvaged::Entry { key, value } = found else { panic!("{found:?}") };
            builder.insert(key, value).unwrap();
        }
        assert_eq!(builder.finish().unwrap().entries, 990);
        let new = Table::load(&out).unwrap();
        assert!(new.metadata().unwrap().iter().next().is_none());
        let typed = new.typed::<u32, f64>();
        assert_eq!(typed.is_ok(), lost == Section::Metadata, "{typed:?}");
    }
    assert!(Table::load(&path).unwrap().salvage().lost_sections().is_empty());
}

/// Every page is damaged, or every page but the first or the last of the records.
#[test]
fn hardly_anything_left() {
    for (name, case) in cases() {
        let whole = Whole::new(&case);
        let all: BTreeSet<usize> = (0..whole.units).collect();
        let mut rng = Rng::new(3);
        let found = salvage(whole.damaged(&all, &mut rng));
        assert!(found.entries.is_empty(), "{name}");
        let [loss] = &found.losses[..] else { panic!("{name}: {:?}", found.losses) };
        assert_eq!((&loss.after, &loss.before), (&None, &None));
        let mut but_first = all.clone();
        but_first.remove(&0);
        let missing = check(&whole, &but_first, &mut rng);
        assert!(missing.is_empty(), "{name}: {missing:?}");
    }
}

/// An undamaged table loses nothing; tables of no and of one entry; a damaged value of many pages
/// costs its own entry alone; a damaged sum is a damaged page.
#[test]
fn named_cases() {
    let text = |text: &str| text.as_bytes().to_vec();
    let small = [vec![], vec![(text("key"), text("value"))], vec![(vec![], vec![])], varied(500)];
    for entries in small {
        let case = Case::of(entries);
        let whole = Whole::new(&case);
        let found = salvage(whole.bytes.clone());
        assert!(found.losses.is_empty());
        assert!(found.entries.iter().eq(whole.entries.iter().map(|(entry, _)| entry)));
    }
    let entry = |i: u8, len| (vec![i], vec![i; len]);
    let mut entries: Vec<Entry> = (0..30).map(|i| entry(i, 100)).collect();
    entries[15] = entry(15, 100_000);
    let whole = Whole::new(&Case::of(entries));
    let found = salvage(whole.damaged(&BTreeSet::from([10, 12]), &mut Rng::new(1)));
    assert_eq!(found.entries.len(), 29);
    let [loss] = &found.losses[..] else { panic!("{:?}", found.losses) };
    assert_eq!((&loss.after, &loss.before, loss.pages), (&Some(vec![14]), &Some(vec![16]), 2));

    let whole = Whole::new(&Case::of(fixed(60_000, 8, 12)));
    let mut bytes = whole.bytes.clone();
    let sums = bytes.len() - 32 - 4 * whole.units;
    bytes[sums + 4 * 7] ^= 1;
    let found = salvage(bytes);
    let pages = BTreeSet::from([7]);
    let good = whole.entries.iter().filter(|(_, place)| whole.is_good(place, &pages));
    assert!(found.entries.iter().eq(good.map(|(entry, _)| entry)));
}

/// Damage at the ends of the file.
#[test]
fn damaged_ends() {
    let whole = Whole::new(&Case::of(varied(3000)));
    let open = |bytes: &[u8]| OpenOptions::new().tolerate_footer(true).from_bytes(bytes.to_vec());
    let mut header = whole.bytes.clone();
    header[50] ^= 1;
    let failure = |opened: Result<Table, OpenError>| opened.unwrap_err().into_failure();
    assert!(matches!(failure(open(&header)), OpenFailure::HeaderChecksum { .. }));
    let cut = &whole.bytes[..whole.bytes.len() - 1];
    assert!(matches!(failure(open(cut)), OpenFailure::Truncated { .. }));
    let mut footer = whole.bytes.clone();
    let at = footer.len() - 10;
    footer[at] ^= 1;
    let refused = failure(Table::from_bytes(footer.clone()));
    assert!(matches!(refused, OpenFailure::FooterMismatch { .. }));
    let found = salvage(footer.clone());
    assert_eq!((found.entries.len(), found.losses.len()), (3000, 0));
    // In a file as well, mapped or copied.
    let path = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&path, footer).unwrap();
    let loaded = OpenOptions::new().tolerate_footer(true).load(path.path()).unwrap();
    assert_eq!(loaded.salvage().count(), 3000);
    // The expected build is known from the header.
    let expecting = |id| OpenOptions::new().tolerate_footer(true).expect_build_id(id);
    assert!(expecting(loaded.build_id()).load(path.path()).is_ok());
    let other = failure(expecting([7; 16].into()).load(path.path()));
    assert!(matches!(other, OpenFailure::OtherBuild { .. }));
}

/// Tables with right checksums that lie: a salvage ends, and gives no more entries than bytes.
#[test]
fn tables_that_lie() {
    let mut tried = 0;
    for file in std::fs::read_dir(data("bad")).unwrap() {
        let path = file.unwrap().path();
        let Ok(table) = OpenOptions::new().tolerate_footer(true).load(&path) else { continue };
        let most = path.metadata().unwrap().len() as usize * 2 + 2;
        assert!(table.salvage().take(most + 1).count() <= most, "{}", path.display());
        tried += 1;
    }
    assert!(tried > 20, "{tried} tables opened");
}
