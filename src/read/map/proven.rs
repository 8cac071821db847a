//! Parts of a table whose bounds were proven once, for lookups: one comparison finds a bucket, a
//! line or a record. Each instruction less between an index and a record lets more lookups overlap.

#![expect(unsafe_code, reason = "turns proven places into slices without a further check")]

use crate::format::hasher::Hasher;
use crate::format::index::hash::{BUCKET, Shape, Tails, first_bucket};
use crate::format::index::line::{LINE, LinePlace, LineScale};
use crate::format::layout::Layout;
use std::ptr::NonNull;

/// Proven parts of a table. Every pointer is valid as long as this value lives.
#[derive(Debug)]
pub(crate) struct Proven {
    /// Invariant: `cells` cells from here on lie inside the table.
    first_cell: NonNull<[u8; CELL]>,
    cells: u64,
    /// Invariant: the line of every head from `scale.base` to `scale.base + last_head`, counted
    /// from here on, lies inside the table; or this is [`NO_CELL`], and `last_head` is 0.
    first_line: NonNull<[u8; CELL]>,
    /// Distance of the last head that has a line from `scale.base`.
    last_head: u64,
    /// Invariant: `buckets` buckets from here on, 1 or more, lie inside the table; or this is
    /// [`NO_CELL`], and `buckets` is 1.
    first_bucket: NonNull<[u8; CELL]>,
    /// Invariant: the buckets of `shape`.
    buckets: u64,
    shape: Shape,
    /// Invariant: `records_len` bytes from here on, and four behind them, lie inside the table; or
    /// this is the start of [`NO_CELL`], and `records_len` is 0.
    records: NonNull<u8>,
    records_len: usize,
    /// Invariant: for each `rank` below `fixed`, the `key_len + value_len` bytes from `rank *
    /// stride` bytes behind this on lie inside the table.
    first_key: NonNull<u8>,
    /// Invariant: `key_len` bytes behind `first_key`.
    first_value: NonNull<u8>,
    fixed: u64,
    /// Invariant: `fixed` where `key_len` is 8, 16 or 32 respectively, else 0. One comparison with
    /// such a field asks for the rank and for the length of keys.
    fixed_8: u64,
    fixed_16: u64,
    fixed_32: u64,
    stride: usize,
    key_len: usize,
    value_len: usize,
    /// Scale of the line index. Without one, `base` is `u64::MAX`, so no key has a line.
    pub(crate) scale: LineScale,
    /// Tails of the hash index; without one, no tails.
    pub(crate) tails: Tails,
    /// Hash function of the hash index; without one, of no meaning.
    pub(crate) hasher: Hasher,
}

/// Bytes of a cell: a line of the line index, or a bucket of the hash index.
const CELL: usize = LINE;
const _: () = assert!(CELL == BUCKET);

/// Stands for the buckets, and for the lines, of a table without any. As a bucket it has all overflow
/// bits, so it leaves every key undecided; as a line it has no tag that a key may have.
static NO_CELL: [u8; CELL] = [u8::MAX; CELL];

/// The shape of [`NO_CELL`].
const ONE_BUCKET: Shape = Shape { groups: 1, per_group: 1 };

/// A length of keys that a lookup function knows when it is compiled.
pub(crate) trait KeyLen {
    /// 8, 16 or 32; `None` for every other length.
    const LEN: Option<usize>;
}

/// Keys of 8 bytes.
pub(crate) struct Len8;
/// Keys of 16 bytes.
pub(crate) struct Len16;
/// Keys of 32 bytes.
pub(crate) struct Len32;
/// Keys of a length that is known only at run time.
pub(crate) struct AnyLen;

impl KeyLen for Len8 {
    const LEN: Option<usize> = Some(8);
}

impl KeyLen for Len16 {
    const LEN: Option<usize> = Some(16);
}

impl KeyLen for Len32 {
    const LEN: Option<usize> = Some(32);
}

impl KeyLen for AnyLen {
    const LEN: Option<usize> = None;
}

impl Proven {
    /// Nothing is proven: no part is found.
    pub(super) const NOTHING: Self = Self {
        first_cell: NonNull::dangling(),
        cells: 0,
        first_line: NonNull::from_ref(&NO_CELL),
        last_head: 0,
        first_bucket: NonNull::from_ref(&NO_CELL),
        buckets: 1,
        shape: ONE_BUCKET,
        records: NonNull::from_ref(&NO_CELL).cast(),
        records_len: 0,
        first_key: NonNull::dangling(),
        first_value: NonNull::dangling(),
        fixed: 0,
        fixed_8: 0,
        fixed_16: 0,
        fixed_32: 0,
        stride: 0,
        key_len: 0,
        value_len: 0,
        scale: LineScale { base: u64::MAX, scale: 0 },
        tails: Tails::NONE,
        hasher: Hasher::new(0),
    };

    /// Proves the parts that a layout names. A part that does not lie inside the table is left out.
    ///
    /// # Safety
    /// The result must not outlive the memory of `table`, which nobody may change meanwhile.
    pub(super) unsafe fn new(table: &[u8], layout: &Layout) -> Self {
        let mut proven = Self::NOTHING;
        if let Some(lines) = &layout.lines {
            proven.scale = lines.scale;
        }
        if let Some(hash) = &layout.hash {
            proven.tails = hash.tails;
            proven.hasher = hash.hasher;
        }
        let lines = layout.lines.as_ref().map(|lines| lines.span);
        let index = lines.or(layout.hash.as_ref().map(|hash| hash.span)).unwrap_or_default();
        if let Some(index) = table.get(index.start..index.end) {
            let cells = index.as_chunks::<CELL>().0;
            proven.first_cell = NonNull::from(cells).cast();
            proven.cells = cells.len() as u64;
        }
        if let Some(hash) = &layout.hash
            && lines.is_none()
            && (1..=proven.cells).contains(&hash.buckets)
            && hash.shape.checked_buckets() == Some(hash.buckets)
        {
            (proven.first_bucket, proven.buckets) = (proven.first_cell, hash.buckets);
            proven.shape = hash.shape;
        }
        if let Some(lines) = &layout.lines
            && let Some(last_head) = lines.scale.last_of(proven.cells)
        {
            (proven.first_line, proven.last_head) = (proven.first_cell, last_head);
        }
        if let Some(records) = table.get(layout.records.start..layout.records.end)
            && let Some([_, _, _, _, ..]) = table.get(layout.records.end..)
        {
            proven.records = NonNull::from(records).cast();
            proven.records_len = records.len();
        }
        if let Some(fixed) = &layout.fixed
            && let Some(keys) = table.get(fixed.first..)
            && fixed.end_of(layout.entries).is_some_and(|end| end <= keys.len())
        {
            proven.first_key = NonNull::from(keys).cast();
            // The first record lies inside `keys`, by the condition above.
            proven.first_value =
                NonNull::from(keys.get(fixed.key_len..).unwrap_or_default()).cast();
            let if_of = |len| if fixed.key_len == len { layout.entries } else { 0 };
            proven.fixed = layout.entries;
            (proven.fixed_8, proven.fixed_16, proven.fixed_32) = (if_of(8), if_of(16), if_of(32));
            proven.stride = fixed.stride;
            proven.key_len = fixed.key_len;
            proven.value_len = fixed.value_len;
        }
        proven
    }

    /// Cell `number` of the index that answers point lookups.
    #[inline(always)]
    pub(crate) fn cell(&self, number: u64) -> Option<&[u8; CELL]> {
        if number >= self.cells {
            return None;
        }
        // SAFETY: invariant of `first_cell`.
        let cell = unsafe { self.first_cell.add(number as usize) };
        // SAFETY: invariant of `first_cell`; the cell can't outlive `self`.
        Some(unsafe { cell.as_ref() })
    }

    /// Where cell `number` would be, for a prefetch.
    #[inline(always)]
    pub(crate) fn cell_address(&self, number: u64) -> *const u8 {
        self.first_cell.as_ptr().wrapping_add(number as usize).cast()
    }

    /// The first bucket of a hash, which holds most keys. A bucket that leaves every key undecided
    /// where the hash index does not answer point lookups.
    #[inline(always)]
    pub(crate) fn bucket(&self, hash: u64) -> &[u8; CELL] {
        let Self { first_bucket: start, buckets, .. } = *self;
        // The number is below `buckets`: it is a 2^64th of less than 2^64 times as much.
        let number = first_bucket(hash, buckets);
        // SAFETY: invariant of `first_bucket`.
        let bucket = unsafe { start.add(number as usize) };
        // SAFETY: invariant of `first_bucket`; the bucket can't outlive `self`.
        unsafe { bucket.as_ref() }
    }

    /// The second bucket of a hash, in the group of the first. Only for tables whose hash index answers
    /// point lookups, whose buckets were proven at open.
    #[inline(always)]
    pub(crate) fn second_bucket(&self, hash: u64) -> &[u8; CELL] {
        let Self { first_bucket: start, buckets, shape, .. } = *self;
        // The number lies in the group of the first bucket, and so below `buckets`.
        let number = shape.second_bucket(hash, first_bucket(hash, buckets));
        // SAFETY: invariants of `first_bucket` and `buckets`.
        let bucket = unsafe { start.add(number as usize) };
        // SAFETY: invariant of `first_bucket`; the bucket can't outlive `self`.
        unsafe { bucket.as_ref() }
    }

    /// The length of all keys of a table of fixed width.
    #[inline(always)]
    pub(crate) fn key_len<L: KeyLen>(&self) -> usize {
        L::LEN.unwrap_or(self.key_len)
    }

    /// The number of a head's line, and its tag there. One comparison asks whether the head lies
    /// between the first and the last one that have a line.
    #[inline(always)]
    pub(crate) fn line_place(&self, head: u64) -> Option<LinePlace> {
        let Self { last_head, scale, .. } = *self;
        let distance = head.wrapping_sub(scale.base);
        (distance <= last_head).then(|| scale.place_at(distance))
    }

    /// The line of a head, and its tag there. See [`line_place`](Self::line_place).
    #[inline(always)]
    pub(crate) fn line(&self, head: u64) -> Option<(&[u8; CELL], u16)> {
        let LinePlace { line, tag } = self.line_place(head)?;
        // SAFETY: invariant of `first_line`; `line_place` gives no line of another head.
        let line = unsafe { self.first_line.add(line as usize) };
        // SAFETY: invariant of `first_line`; the line can't outlive `self`.
        Some((unsafe { line.as_ref() }, tag))
    }

    /// The first four bytes of the record at `start`, its key if that is at `key_start` and has
    /// `key_len` bytes, and the rest of all records. `None` where the key would not lie inside the
    /// records, behind `start`.
    #[inline(always)]
    pub(crate) fn record(
        &self,
        start: usize,
        key_start: usize,
        key_len: usize,
    ) -> Option<(u32, &[u8], &[u8])> {
        let rest = self.records_len.checked_sub(key_start.checked_add(key_len)?)?;
        if key_start < start {
            return None;
        }
        // SAFETY: invariant of `records`; `start` is at most `records_len`.
        let word = unsafe { self.records.add(start) };
        // SAFETY: invariant of `records`: four bytes from there on lie inside the table.
        let word = unsafe { word.cast::<[u8; 4]>().read() };
        // SAFETY: invariant of `records`; the key ends at `records_len` at most.
        let key = unsafe { self.records.add(key_start) };
        // SAFETY: as before.
        let behind = unsafe { key.add(key_len) };
        let (key, behind) = (
            NonNull::slice_from_raw_parts(key, key_len),
            NonNull::slice_from_raw_parts(behind, rest),
        );
        // SAFETY: invariant of `records`; the slices can't outlive `self`.
        Some((u32::from_le_bytes(word), unsafe { key.as_ref() }, unsafe { behind.as_ref() }))
    }

    /// Where a record of variable width would start, for a prefetch.
    #[inline(always)]
    pub(crate) fn record_address(&self, start: usize) -> *const u8 {
        self.records.as_ptr().wrapping_add(start)
    }

    /// Where key and value of the record of fixed width with this rank would be, for prefetches.
    #[inline(always)]
    pub(crate) fn fixed_addresses(&self, rank: u64) -> [*const u8; 2] {
        let start = (rank as usize).wrapping_mul(self.stride);
        [self.first_key, self.first_value]
            .map(|first| first.as_ptr().wrapping_add(start).cast_const())
    }

    /// Key and value of the record of fixed width with this rank, in a table with keys of the
    /// length `L`.
    #[inline(always)]
    pub(crate) fn fixed<L: KeyLen>(&self, rank: u64) -> Option<(&[u8], &[u8])> {
        let Self { first_key, first_value, stride, value_len, .. } = *self;
        let (ranks, key_len) = match L::LEN {
            Some(8) => (self.fixed_8, 8),
            Some(16) => (self.fixed_16, 16),
            Some(32) => (self.fixed_32, 32),
            _ => (self.fixed, self.key_len),
        };
        if rank >= ranks {
            return None;
        }
        // SAFETY: invariant of `first_key`.
        let key = unsafe { first_key.add(rank as usize * stride) };
        // SAFETY: invariants of `first_key` and `first_value`.
        let value = unsafe { first_value.add(rank as usize * stride) };
        let (key, value) = (
            NonNull::slice_from_raw_parts(key, key_len),
            NonNull::slice_from_raw_parts(value, value_len),
        );
        // SAFETY: invariant of `first_key`; the slices can't outlive `self`.
        Some((unsafe { key.as_ref() }, unsafe { value.as_ref() }))
    }
}

#[cfg(test)]
mod tests {
    use super::super::bytes::Bytes;
    use super::*;
    use crate::{BuildOptions, HashIndex};

    /// A table with an index of lines or of hashes, if it is large enough.
    fn table(hash_index: HashIndex, entries: impl Iterator<Item = (Vec<u8>, Vec<u8>)>) -> Bytes {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("table");
        let options = BuildOptions::new().hash_index(hash_index).durable(false);
        options.build(&path, entries).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let layout = Layout::parse(&whole).unwrap();
        let mut bytes = Bytes::from_cow(whole.into());
        bytes.prove(&layout);
        bytes
    }

    /// Keys of so many bytes, in order.
    fn keys(len: usize, count: u8) -> impl Iterator<Item = Vec<u8>> {
        (1..=count).map(move |number| vec![number; len])
    }

    #[test]
    fn cells_are_prefetched_where_they_are_read() {
        for hash_index in [HashIndex::Auto, HashIndex::Always] {
            let bytes = table(hash_index, keys(8, 200).map(|key| (key, vec![7; 5])));
            let proven = bytes.proven();
            assert!(proven.cells > 5, "{} cells", proven.cells);
            for number in 0..proven.cells {
                let cell = proven.cell(number).unwrap();
                assert_eq!(proven.cell_address(number), cell.as_ptr(), "cell {number}");
            }
        }
    }

    #[test]
    fn records_are_prefetched_where_they_are_read() {
        let bytes = table(HashIndex::Auto, keys(8, 200).map(|key| (key, vec![7; 5])));
        for rank in 0..200 {
            let (key, value) = bytes.proven().fixed::<AnyLen>(rank).unwrap();
            let addresses = bytes.proven().fixed_addresses(rank);
            assert_eq!(addresses, [key.as_ptr(), value.as_ptr()], "rank {rank}");
        }
        let values = (0..200).map(|len| vec![7; len]);
        let bytes = table(HashIndex::Always, keys(8, 200).zip(values));
        for start in 0..bytes.proven().records_len {
            let (_, key, _) = bytes.proven().record(start, start, 1).unwrap();
            assert_eq!(bytes.proven().record_address(start), key.as_ptr(), "record at {start}");
        }
        assert!(bytes.proven().records_len > 200);
    }

    /// A lookup for keys of one length finds none in a table with keys of another.
    #[test]
    fn a_key_is_found_by_its_length() {
        for len in [1, 7, 8, 9, 15, 16, 17, 31, 32, 33] {
            let bytes = table(HashIndex::Auto, keys(len, 3).map(|key| (key, vec![7; 5])));
            let proven = bytes.proven();
            for rank in 0..3 {
                let expected = (&[rank as u8 + 1; 33][..len], &[7; 5][..]);
                assert_eq!(proven.fixed::<AnyLen>(rank), Some(expected), "{len} bytes");
                let found = [
                    proven.fixed::<Len8>(rank),
                    proven.fixed::<Len16>(rank),
                    proven.fixed::<Len32>(rank),
                ];
                let of_len = |other| (len == other).then_some(expected);
                assert_eq!(found, [8, 16, 32].map(of_len), "{len} bytes");
            }
            assert_eq!(proven.fixed::<AnyLen>(3), None);
            assert_eq!(proven.fixed::<Len8>(3), None);
            assert_eq!(proven.fixed::<Len16>(3), None);
            assert_eq!(proven.fixed::<Len32>(3), None);
        }
    }
}
