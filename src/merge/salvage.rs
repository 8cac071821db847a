//! What is left of a damaged table.

use super::any_table::AnyTable;
use super::options::{PackedAs, Recipe};
use crate::codec::ValueBuffer;
use crate::format::record::{ESCAPE_BYTES, Parts};
use crate::format::sums::{UNIT, units};
use crate::read::index::hash::Hash;
use crate::read::index::tree::Tree;
use crate::read::view::View;
use crate::read::{Section, Table, TypesSection};
use crate::write::{BuildOptions, Duplicates};
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Range;

/// What is found in a damaged table, in the order of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Salvaged<'t> {
    /// An entry all of whose bytes stand on pages with the right checksum.
    Entry {
        /// The key.
        key: &'t [u8],
        /// The value.
        value: &'t [u8],
    },
    /// A stretch of the records of which no entry can be proven.
    Loss(Loss<'t>),
}

/// A stretch of lost records: the keys of the lost entries are not below `after` and not above
/// `before`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss<'t> {
    /// The key of the last entry before; none at the start of the table.
    pub after: Option<&'t [u8]>,
    /// The key of the first entry behind; none at the end of the table.
    pub before: Option<&'t [u8]>,
    /// Where the stretch starts, counted from the table's first byte.
    pub offset: u64,
    /// Its length in bytes.
    pub bytes: u64,
    /// Damaged pages under it.
    pub pages: u64,
}

impl Table {
    /// The entries of a damaged table that are proven to be good, and what is lost between them. An
    /// entry is good if all pages under its record have the right checksum and the start of the record
    /// is known. The starts of records are known
    /// - everywhere in a table whose keys have one length and whose values have one length;
    /// - behind a record whose length word is on a good page, whatever became of the rest of it;
    /// - behind damage, from the first record on to which the hash index refers, or which the ordered
    ///   index names: the start of a block of up to 32 records, and every sixth record. A reference on
    ///   a damaged page of an index counts for nothing.
    ///
    /// So a table of fixed width, or with a hash index and without repeated keys, gives all entries
    /// whose pages are good, unless the page of the index is damaged that refers to the first entry
    /// behind the damage. Without hash index up to five entries behind each damage are lost with it:
    /// their bytes are good, but nothing proves where they start.
    ///
    /// A damaged index costs no entry where the records are good. If header or page sums are gone,
    /// nothing can be proven; a damaged header is an error of opening, a damaged footer can be
    /// [tolerated](crate::OpenOptions::tolerate_footer).
    ///
    /// Of a packed table everything is lost, as its entries can't be lent: [`Salvage::new`] decodes them.
    ///
    /// Reads the records once and checks every page anew, on this thread: about 1 s per gigabyte.
    /// Takes a byte of memory for 16 KiB of the table. Never raises SIGBUS for a file that was
    /// truncated before.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// # for i in 0..10_000u32 { builder.insert(&i.to_be_bytes(), &[7; 8])?; }
    /// # builder.finish()?;
    /// use graven::{Salvaged, Table};
    /// let mut bytes = std::fs::read(&path)?;
    /// bytes[40_000] ^= 1;
    /// let table = Table::from_bytes(bytes)?;
    /// let salvage = table.salvage();
    /// let mut builder = salvage.build_options().create(dir.path().join("saved"))?;
    /// for found in salvage {
    ///     match found {
    ///         Salvaged::Entry { key, value } => builder.insert(key, value)?,
    ///         Salvaged::Loss(loss) => assert_eq!(loss.pages, 1),
    ///     }
    /// }
    /// let summary = builder.finish()?;
    /// assert!(summary.entries > 9_600 && summary.entries < 10_000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn salvage(&self) -> Salvage<'_> {
        let mut salvage = Salvage::new(self);
        let view = self.view();
        if view.layout().packing.is_some() {
            // What is stored of a packed table is no entry, so all of it counts as lost.
            salvage.lose(view.start().offset);
            salvage.at = view.end().offset;
        }
        salvage
    }
}

/// Key and value.
type Entry<'t> = (&'t [u8], &'t [u8]);

/// The entries of a damaged table and its losses: see [`Table::salvage`].
#[must_use = "iterators do nothing unless they are consumed"]
pub struct Salvage<'t, T: AnyTable = Table> {
    table: &'t T,
    pages: PageStates<'t>,
    starts: Starts<'t>,
    /// Where a record starts.
    at: usize,
    /// The key of the last entry.
    last: Option<&'t [u8]>,
    /// Where the loss before `at` starts.
    lost_from: Option<usize>,
    /// The entry behind a loss that was reported.
    found: Option<Entry<'t>>,
    /// Room for an entry that is decoded, and for the keys around a loss.
    buffer: ValueBuffer,
    around: [Option<Vec<u8>>; 2],
}

impl<T: AnyTable> fmt::Debug for Salvage<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Salvage").field("at", &self.at).finish_non_exhaustive()
    }
}

impl<'t, T: AnyTable> Salvage<'t, T> {
    /// The entries of a damaged table, which may be packed, and its losses. An entry that does not decode is
    /// lost. With compact keys the hash index does not tell where records start.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let entries = (0..10_000).map(|i| (format!("shelf-{i:05}"), format!("part {i}")));
    /// # graven::BuildOptions::new().compact_keys(true).build(&path, entries)?;
    /// use graven::{PackedTable, Salvage, Salvaged};
    /// let mut bytes = std::fs::read(&path)?;
    /// bytes[40_000] ^= 1;
    /// let table = PackedTable::from_bytes(bytes)?;
    /// let mut salvage = Salvage::new(&table);
    /// let mut builder = salvage.build_options().create(dir.path().join("saved"))?;
    /// while let Some(found) = salvage.next_lent() {
    ///     match found {
    ///         Salvaged::Entry { key, value } => builder.insert(key, value)?,
    ///         Salvaged::Loss(loss) => assert_eq!(loss.pages, 1),
    ///     }
    /// }
    /// let summary = builder.finish()?;
    /// assert!(summary.entries > 9_000 && summary.entries < 10_000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn new(table: &'t T) -> Self {
        let view = table.stored().view();
        Self {
            table,
            pages: PageStates::new(view),
            starts: Starts { view, leaf: 0 },
            at: view.start().offset,
            last: None,
            lost_from: None,
            found: None,
            buffer: ValueBuffer::new(),
            around: [None, None],
        }
    }

    /// Takes values of at most `most` bytes, as [`ValueBuffer::with_limit`] does: longer ones of a packed table
    /// count as lost. For tables from elsewhere.
    pub fn value_limit(mut self, most: u32) -> Self {
        self.buffer = ValueBuffer::with_limit(most);
        self
    }

    /// The next entry or loss, lent until the next one.
    pub fn next_lent(&mut self) -> Option<Salvaged<'_>> {
        match self.step()? {
            Salvaged::Entry { key, value } => {
                // It was decoded before it was found to be good.
                let (key, value) = self.table.decoded((key, value), &mut self.buffer).ok()?;
                Some(Salvaged::Entry { key, value })
            }
            Salvaged::Loss(loss) => {
                for (room, stored) in self.around.iter_mut().zip([loss.after, loss.before]) {
                    *room = stored.and_then(|stored| {
                        let key = self.table.decoded((stored, &[]), &mut self.buffer).ok()?.0;
                        Some(key.to_vec())
                    });
                }
                let [after, before] = self.around.each_ref().map(Option::as_deref);
                Some(Salvaged::Loss(Loss { after, before, ..loss }))
            }
        }
    }

    /// The options to build a table like this one: alignment, kind of index, types, metadata and how it
    /// is packed, but for what is [lost](Self::lost_sections) of them.
    #[must_use]
    pub fn build_options(&self) -> BuildOptions {
        let options = BuildOptions::new().duplicates(Duplicates::KeepAll).sorted(true);
        let stored = self.table.stored();
        let names = TypesSection::read(stored.view()).ok().flatten();
        let metadata = stored.metadata().ok();
        let options = Recipe::of(stored).apply_with(options, names.as_ref(), metadata.as_ref());
        PackedAs::of(stored).unwrap_or_default().apply(options)
    }

    /// Which of the sections are damaged that a build makes of options and not of entries:
    /// [`Section::Metadata`] and [`Section::Types`]. A new table of a typed one whose types are lost
    /// opens as a table of bytes only.
    #[must_use]
    pub fn lost_sections(&self) -> Vec<Section> {
        let stored = self.table.stored();
        let metadata = stored.metadata().is_err().then_some(Section::Metadata);
        let types = TypesSection::read(stored.view()).is_err().then_some(Section::Types);
        metadata.into_iter().chain(types).collect()
    }

    /// The next good entry and where its record starts; none at the end of the records.
    fn entry(&mut self) -> Option<(usize, Entry<'t>)> {
        let view = self.table.stored().view();
        let end = view.end().offset;
        while self.at < end {
            let start = self.at;
            let Some(parts) = self.pages.parts(start) else {
                // The length is lost, so the start of the next record is not known from here.
                self.lose(start);
                self.at = self.resume(start + 1);
                continue;
            };
            self.at = view.after(start, &parts);
            let entry = match self.pages.are_good(start..parts.end()) {
                true => view.entry(&parts).ok(),
                false => None,
            };
            match entry {
                // A key that is out of order was not written so by graven.
                Some((key, value))
                    if self.last.is_none_or(|last| last <= key)
                        && self.table.decoded((key, value), &mut self.buffer).is_ok() =>
                {
                    return Some((start, (key, value)));
                }
                _ => self.lose(start),
            }
        }
        None
    }

    /// Notes that the record at `start` is lost.
    fn lose(&mut self, start: usize) {
        self.lost_from.get_or_insert(start);
    }

    /// The first start of a record from `from` on that is known and on a good page. Asks both indexes.
    fn resume(&mut self, from: usize) -> usize {
        let view = self.table.stored().view();
        let end = view.end().offset;
        let hash = Hash::of(view);
        let mut stretch = self.pages.good_stretch(from, end);
        while !stretch.is_empty() {
            let named = self.starts.next(&mut self.pages, &stretch);
            if let Some(hash) = hash {
                let limit = named.unwrap_or(stretch.end);
                if let Some(start) =
                    (stretch.start..limit).find(|&start| self.is_referred(hash, start))
                {
                    return start;
                }
            }
            if let Some(start) = named {
                return start;
            }
            stretch = self.pages.good_stretch(stretch.end, end);
        }
        end
    }

    /// Whether the hash index refers to a record at `start`.
    fn is_referred(&mut self, hash: Hash<'t>, start: usize) -> bool {
        let view = self.table.stored().view();
        let Some(parts) = self.pages.parts(start) else { return false };
        let Some(key) = view.bytes().get(parts.key()) else { return false };
        // Most places that are no starts have a key that is out of order.
        self.last.is_none_or(|last| last < key)
            && self.pages.are_good(parts.key())
            && hash.refers_to(key, start, |part| self.pages.are_good(part))
    }

    /// The loss up to `end`, if there is one.
    fn loss(&mut self, end: usize, before: Option<&'t [u8]>) -> Option<Loss<'t>> {
        let start = self.lost_from.take()?;
        let pages = start / UNIT..end.div_ceil(UNIT);
        let pages = pages.filter(|&page| !self.pages.is_good(page)).count() as u64;
        let (offset, bytes) = (start as u64, (end - start) as u64);
        Some(Loss { after: self.last, before, offset, bytes, pages })
    }

    /// The next entry or loss, with what is stored of keys and values.
    fn step(&mut self) -> Option<Salvaged<'t>> {
        if let Some((key, value)) = self.found.take() {
            self.last = Some(key);
            return Some(Salvaged::Entry { key, value });
        }
        let Some((start, (key, value))) = self.entry() else {
            let end = self.table.stored().view().end().offset;
            return self.loss(end, None).map(Salvaged::Loss);
        };
        if self.lost_from.is_some() {
            self.found = Some((key, value));
            return self.loss(start, Some(key)).map(Salvaged::Loss);
        }
        self.last = Some(key);
        Some(Salvaged::Entry { key, value })
    }
}

impl<'t> Iterator for Salvage<'t> {
    type Item = Salvaged<'t>;

    fn next(&mut self) -> Option<Salvaged<'t>> {
        self.step()
    }
}

impl FusedIterator for Salvage<'_> {}

/// Which pages are good: each is checked once.
struct PageStates<'t> {
    view: &'t View,
    pages: usize,
    /// Bits of pages that were checked, and of those that are good.
    checked: Vec<u64>,
    good: Vec<u64>,
}

impl<'t> PageStates<'t> {
    fn new(view: &'t View) -> Self {
        let pages = units(view.layout().sums.start as u64) as usize;
        let words = pages.div_ceil(64);
        Self { view, pages, checked: vec![0; words], good: vec![0; words] }
    }

    fn is_good(&mut self, page: usize) -> bool {
        let (word, bit) = (page / 64, 1 << (page % 64));
        if page >= self.pages {
            return false;
        }
        if self.checked[word] & bit == 0 {
            self.check(word);
        }
        self.good[word] & bit != 0
    }

    /// Checks all pages of a word: at once, and one by one where one of them is damaged.
    #[cold]
    fn check(&mut self, word: usize) {
        let pages = word * 64..(word * 64 + 64).min(self.pages);
        self.checked[word] = u64::MAX;
        self.view.ask(pages.end * UNIT..(pages.end + 64) * UNIT);
        if self.view.check_units(pages.clone()).is_ok() {
            self.good[word] = u64::MAX;
            return;
        }
        for page in pages {
            if self.view.check_units(page..page + 1).is_ok() {
                self.good[word] |= 1 << (page % 64);
            }
        }
    }

    /// Whether all pages under a part are good.
    fn are_good(&mut self, part: Range<usize>) -> bool {
        (part.start / UNIT..part.end.div_ceil(UNIT)).all(|page| self.is_good(page))
    }

    /// The first bytes from `from` on and before `end` that stand on good pages without a gap, as far as
    /// a few pages; empty if there are none.
    fn good_stretch(&mut self, from: usize, end: usize) -> Range<usize> {
        let mut page = from / UNIT;
        while page * UNIT < end && !self.is_good(page) {
            page += 1;
        }
        let start = from.max(page * UNIT);
        let most = page + 64;
        while page < most && page * UNIT < end && self.is_good(page) {
            page += 1;
        }
        start..(page * UNIT).min(end).max(start)
    }

    /// The parts of the record at `start`, if its lengths stand on good pages and make sense.
    fn parts(&mut self, start: usize) -> Option<Parts> {
        let layout = self.view.layout();
        let parts = match &layout.fixed {
            Some(fixed) => fixed.parts(start),
            None => {
                let width = usize::from(layout.record.width);
                if !self.are_good(start..start + width) {
                    return None;
                }
                let word = self.view.bytes().get(start..start + width)?;
                let escaped = word.iter().all(|&byte| byte == 0xFF);
                if escaped && !self.are_good(start..start + width + ESCAPE_BYTES) {
                    return None;
                }
                // Decoded from a copy: decoding reads a few bytes more, and they may stand on a page
                // that can't be read. The copy starts at a multiple of every alignment.
                let lengths = width + if escaped { ESCAPE_BYTES } else { 0 };
                let (base, mut copy) = (start & !63, [0; 128]);
                let at = start - base;
                let bytes = self.view.bytes().get(start..start + lengths)?;
                copy[at..at + lengths].copy_from_slice(bytes);
                let Parts { key, key_len, value, value_len } = layout.decoder.parts(&copy, at)?;
                Parts { key: key + base, key_len, value: value + base, value_len }
            }
        };
        (parts.end() <= layout.records.end).then_some(parts)
    }
}

/// The starts of records that the ordered index names.
struct Starts<'t> {
    view: &'t View,
    /// All starts that the leaves before this one name are behind.
    leaf: u64,
}

impl Starts<'_> {
    /// The first start within `stretch`. Stretches ascend from call to call.
    fn next(&mut self, pages: &mut PageStates<'_>, stretch: &Range<usize>) -> Option<usize> {
        let tree = Tree::of(self.view)?;
        let index = tree.layout();
        while self.leaf < index.leaves {
            let at = index.span.start + ((self.leaf as usize) << index.node_log2);
            if pages.are_good(at..at + (1 << index.node_log2))
                && let Ok(leaf) = tree.node(self.leaf, true)
            {
                let named = |offset: u64| self.view.layout().records.start as u64 + offset;
                let blocks = 0..=leaf.separators();
                let block = |child| leaf.base_offset().checked_add(leaf.offset_of(child));
                let starts = blocks.clone().filter_map(block);
                let step = u64::from(index.sample_step.max(1));
                let samples = (0..leaf.samples()).filter_map(|i| {
                    let rank = i as u64 * step;
                    let child = blocks.clone().rev().find(|&child| leaf.rank_of(child) <= rank)?;
                    block(child)?.checked_add(leaf.sample(i)? as u64)
                });
                let first = starts
                    .chain(samples)
                    .map(|offset| usize::try_from(named(offset)).unwrap_or(usize::MAX))
                    .filter(|&start| start >= stretch.start)
                    .min();
                if let Some(start) = first {
                    return (start < stretch.end).then_some(start);
                }
            }
            self.leaf += 1;
        }
        None
    }
}
