//! The face, continued: the queries that follow the order of keys. Keys come as whatever has
//! bytes; each public method is a shell over one on bytes, which is compiled once.

use super::place::{Entry, Place, Side, Start};
use super::range::KeyRange;
use super::search::{Descent, GROUP, Search};
use super::table::Table;
use super::view::View;
use super::walk::{Iter, LongestPrefix, PrefixesOf};
use crate::error::{ReadError, ReadResult};
use crate::format::order::successor_len;
use std::ops::Bound;

impl Table {
    /// The entries whose keys lie within `range`; can be walked from both ends. A start beyond the
    /// end yields nothing. Costs one search per end.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let mut keys = Vec::new();
    /// for entry in table.range("b"..) {
    ///     keys.push(entry?.0);
    /// }
    /// assert_eq!(keys, [b"b", b"c"]);
    /// assert_eq!(table.range("b"..="c").len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn range(&self, range: impl KeyRange) -> Iter<'_> {
        Ordered::of(self).range(range.lower(), range.upper())
    }

    /// The entries whose keys start with `prefix`; can be walked from both ends. Costs two
    /// searches.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("Iran", ""), ("Iraq", ""), ("Italy", "")])?;
    /// # let table = graven::Table::load(&path)?;
    /// for entry in table.prefix("Ira") {
    ///     let (country, _) = entry?;
    ///     assert!(country == b"Iran" || country == b"Iraq");
    /// }
    /// assert_eq!(table.prefix("I").len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn prefix(&self, prefix: impl AsRef<[u8]>) -> Iter<'_> {
        Ordered::of(self).prefix(prefix.as_ref())
    }

    /// Number of entries with keys within `range`: two searches, no walk.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert_eq!(table.count("b"..)?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn count(&self, range: impl KeyRange) -> Result<u64, ReadError> {
        Ordered::of(self).count(range.lower(), range.upper())
    }

    /// The last entry whose key is not greater than `key`. Costs one search by key and one by
    /// rank.
    ///
    /// Of ranges that are stored by their starts, this finds the one that `key` may lie in, if no
    /// range contains another. Of nested ones it finds the one that starts last, which may end
    /// before `key`: with the nets 10.0.0.0/8 and 10.1.0.0/16, the floor of 10.2.0.1 is
    /// 10.1.0.0/16, though 10.0.0.0/8 covers it. The example `nets` cuts nested nets into disjoint
    /// ranges when the table is built, so that one `floor` answers.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("1990", "3.4"), ("2000", "7.3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert_eq!(table.floor("1997")?, Some((&b"1990"[..], &b"3.4"[..])));
    /// assert_eq!(table.floor("1989")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn floor(&self, key: impl AsRef<[u8]>) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        Ordered::of(self).floor(key.as_ref())
    }

    /// The first entry whose key is not smaller than `key`. Costs one search.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("1990", "3.4"), ("2000", "7.3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert_eq!(table.ceil("1997")?, Some((&b"2000"[..], &b"7.3"[..])));
    /// assert_eq!(table.ceil("2001")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn ceil(&self, key: impl AsRef<[u8]>) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        Ordered::of(self).ceil(key.as_ref())
    }

    /// Number of entries with keys below `key`; [`nth`](Self::nth) is the inverse. Costs one
    /// search.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert_eq!(table.rank("c")?, 2);
    /// assert_eq!(table.rank("absent")?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn rank(&self, key: impl AsRef<[u8]>) -> Result<u64, ReadError> {
        Ordered::of(self).rank(key.as_ref())
    }

    /// [`rank`](Self::rank) of many keys at once, in their order. Through the tree of the ordered
    /// index sixteen searches go level by level, so that their waits for memory overlap; a table of
    /// fixed width whose keys are spread evenly has no tree, and short searches that overlap by
    /// themselves.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert_eq!(table.rank_many(&["c", "absent", "x"])?, [2, 1, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn rank_many<K: AsRef<[u8]>>(&self, keys: &[K]) -> Result<Vec<u64>, ReadError> {
        let mut ranks = Vec::with_capacity(keys.len());
        in_groups(keys, |group| Ordered::of(self).ranks(group, &mut ranks))?;
        Ok(ranks)
    }

    /// [`ceil`](Self::ceil) of many keys at once, in their order: where the walks of a merge or a join
    /// begin. Stored keys are found through the hash index, where there is one; the searches of the
    /// others overlap as those of [`rank_many`](Self::rank_many) do.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("1990", "3.4"), ("2000", "7.3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let found = table.ceil_many(&["1997", "2001"])?;
    /// assert_eq!(found, [Some((&b"2000"[..], &b"7.3"[..])), None]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[expect(clippy::type_complexity, reason = "an entry is a pair everywhere")]
    pub fn ceil_many<K: AsRef<[u8]>>(
        &self,
        keys: &[K],
    ) -> Result<Vec<Option<(&[u8], &[u8])>>, ReadError> {
        let mut entries = Vec::with_capacity(keys.len());
        in_groups(keys, |group| Ordered::of(self).ceils(group, &mut entries))?;
        Ok(entries)
    }

    /// The entry with `rank` entries before it. Costs one search by rank.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("a", "1"), ("b", "2"), ("c", "3")])?;
    /// # let table = graven::Table::load(&path)?;
    /// assert_eq!(table.nth(1)?, Some((&b"b"[..], &b"2"[..])));
    /// assert_eq!(table.nth(3)?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    pub fn nth(&self, rank: u64) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        Ordered::of(self).nth(rank)
    }

    /// The entry with the longest key that is a prefix of `key` (or `key` itself): routing tables,
    /// tokenizers. Prefixes are of bytes, so `/api` is one of `/apix`; where that is not wanted,
    /// [`prefixes_of`](Self::prefixes_of) gives the shorter ones too.
    ///
    /// Costs one to three searches for most keys. Where many stored keys start as `key` does and
    /// none of the longer ones is a prefix, what is left after these is walked by halves: at most
    /// one record on each level of the index for each byte of `key`, whose bytes are compared once
    /// on each level.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("/", "0"), ("/api", "1"), ("/api/v2", "2")])?;
    /// # let table = graven::Table::load(&path)?;
    /// let route = table.longest_prefix("/api/v1/users")?;
    /// assert_eq!(route, Some((&b"/api"[..], &b"1"[..])));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ReadError`] if a page that was touched is damaged.
    #[inline]
    pub fn longest_prefix(
        &self,
        key: impl AsRef<[u8]>,
    ) -> Result<Option<(&[u8], &[u8])>, ReadError> {
        Ordered::of(self).longest_prefix(key.as_ref())
    }

    /// All entries whose keys are prefixes of `key`, the longest first: `key` itself and the empty
    /// key are among them, where they are stored. Of a repeated key all entries come, in the order
    /// of their insertion. Each key that is found costs what
    /// [`longest_prefix`](Self::longest_prefix) costs, mostly one search, and so does the end.
    /// Nothing is allocated.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # graven::BuildOptions::new().build(&path, [("/", "0"), ("/api", "1"), ("/apj", "2")])?;
    /// # let table = graven::Table::load(&path)?;
    /// // The longest stored path that ends where a segment of the request ends.
    /// let request = b"/apix/y";
    /// let mut found = None;
    /// for entry in table.prefixes_of(request) {
    ///     let (path, route) = entry?;
    ///     if path.ends_with(b"/") || matches!(request.get(path.len()), None | Some(b'/')) {
    ///         found = Some(route);
    ///         break;
    ///     }
    /// }
    /// assert_eq!(found, Some(&b"0"[..]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn prefixes_of(&self, key: impl AsRef<[u8]>) -> PrefixesOf<'_> {
        PrefixesOf::new(self.view(), key.as_ref())
    }
}

/// Hands on keys as bytes, a group at a time.
fn in_groups<K: AsRef<[u8]>>(
    keys: &[K],
    mut each: impl FnMut(&[&[u8]]) -> ReadResult<()>,
) -> ReadResult<()> {
    for group in keys.chunks(GROUP) {
        let mut bytes: [&[u8]; GROUP] = [&[]; GROUP];
        for (bytes, key) in bytes.iter_mut().zip(group) {
            *bytes = key.as_ref();
        }
        each(&bytes[..group.len()])?;
    }
    Ok(())
}

/// The same queries, for keys and ends as bytes.
struct Ordered<'t> {
    view: &'t View,
    /// Bytes of records that are prefetched at the start of a walk.
    first_walk: usize,
}

impl<'t> Ordered<'t> {
    fn of(table: &'t Table) -> Self {
        Self { view: table.view(), first_walk: table.first_walk() }
    }

    fn search(&self) -> Search<'t> {
        Search::of(self.view)
    }

    fn between(&self, from: ReadResult<Start>, to: ReadResult<Place>) -> Iter<'t> {
        Iter::between(self.view, from, to, self.first_walk)
    }

    fn range(&self, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> Iter<'t> {
        let (search, walk) = (self.search(), self.first_walk);
        let from = match lower {
            Bound::Unbounded => Ok(self.view.start().into()),
            Bound::Included(key) => search.seek_start(key, Side::NotBelow, walk),
            Bound::Excluded(key) => search.seek_start(key, Side::Above, walk),
        };
        self.between(from, self.end(upper))
    }

    fn prefix(&self, prefix: &[u8]) -> Iter<'t> {
        let from = self.search().seek_ordered(prefix, Side::NotBelow, self.first_walk);
        let to = match successor_len(prefix) {
            None => Ok(self.view.end()),
            Some(len) => {
                // On the stack, unless the prefix is very long, so that nothing is allocated.
                let (mut short, mut long) = ([0; 512], Vec::new());
                let above = match short.get_mut(..len) {
                    Some(above) => above,
                    None => {
                        long.resize(len, 0);
                        &mut long[..]
                    }
                };
                above.copy_from_slice(&prefix[..len]);
                above[len - 1] += 1;
                self.search().seek(above, Side::NotBelow)
            }
        };
        self.between(from, to)
    }

    fn count(&self, lower: Bound<&[u8]>, upper: Bound<&[u8]>) -> ReadResult<u64> {
        let from = match lower {
            Bound::Unbounded => Ok(self.view.start()),
            Bound::Included(key) => self.search().seek(key, Side::NotBelow),
            Bound::Excluded(key) => self.search().seek(key, Side::Above),
        };
        Ok(self.end(upper)?.rank.saturating_sub(from?.rank))
    }

    /// The place after the last entry of a range.
    fn end(&self, upper: Bound<&[u8]>) -> ReadResult<Place> {
        match upper {
            Bound::Unbounded => Ok(self.view.end()),
            Bound::Included(key) => self.search().seek(key, Side::Above),
            Bound::Excluded(key) => self.search().seek(key, Side::NotBelow),
        }
    }

    fn floor(&self, key: &[u8]) -> ReadResult<Option<Entry<'t>>> {
        self.search().entry_before(self.search().seek(key, Side::Above)?)
    }

    fn ceil(&self, key: &[u8]) -> ReadResult<Option<Entry<'t>>> {
        let start = self.search().seek_start(key, Side::NotBelow, 0)?;
        self.view.entry_from(start.offset)
    }

    fn nth(&self, rank: u64) -> ReadResult<Option<Entry<'t>>> {
        if rank >= self.view.layout().entries {
            return Ok(None);
        }
        self.view.entry_from(self.search().place_of(rank)?.offset)
    }

    fn rank(&self, key: &[u8]) -> ReadResult<u64> {
        Ok(self.search().seek(key, Side::NotBelow)?.rank)
    }

    /// The places of a group of keys or, where they are not below one, of the next ones. Keys are
    /// passed over that have a `known` place.
    fn places(&self, keys: &[&[u8]], known: &[Option<usize>; GROUP]) -> ReadResult<[Place; GROUP]> {
        let descent = Descent::of(self.view, Side::NotBelow);
        let mut asked = [None; GROUP];
        for ((asked, key), known) in asked.iter_mut().zip(keys).zip(known) {
            *asked = descent.filter(|_| known.is_none()).map(|descent| (descent, *key));
        }
        let mut places = Descent::places(&asked[..keys.len()])?;
        for (((place, asked), key), known) in places.iter_mut().zip(&asked).zip(keys).zip(known) {
            match known {
                Some(offset) => *place = Place { rank: 0, offset: *offset },
                None if asked.is_none() => *place = self.search().seek(key, Side::NotBelow)?,
                None => {}
            }
        }
        Ok(places)
    }

    fn ranks(&self, keys: &[&[u8]], ranks: &mut Vec<u64>) -> ReadResult<()> {
        let places = self.places(keys, &[None; GROUP])?;
        ranks.extend(places[..keys.len()].iter().map(|place| place.rank));
        Ok(())
    }

    fn ceils(&self, keys: &[&[u8]], entries: &mut Vec<Option<Entry<'t>>>) -> ReadResult<()> {
        let mut known = [None; GROUP];
        for (known, key) in known.iter_mut().zip(keys) {
            *known = self.search().by_hash(key, 0).map(|found| found.offset);
        }
        let places = self.view.sound(self.places(keys, &known))?;
        for place in &places[..keys.len()] {
            entries.push(self.view.entry_from(place.offset)?);
        }
        Ok(())
    }

    fn longest_prefix(&self, key: &[u8]) -> ReadResult<Option<Entry<'t>>> {
        LongestPrefix::of(self.view).find(key)
    }
}
