//! The packing section: how keys and values of a packed table are stored.

use super::get::Decoded;
use super::guess::Guess;
use super::index::hash::{Buckets, Hash};
use super::place::{Entry, Found, LocatedPart};
use super::simd::{Chosen, Family, Lookup, Simd, Work, work};
use super::table::Table;
use super::view::View;
use crate::codec::{Bad, Decoder, KeySymbols, NoDecoder, Room, ValueBuffer, codec_name};
use crate::error::{OpenFailure, ReadError, ReadFailure, ReadResult};
use crate::format::order::common_prefix;
use crate::format::packing::{MAX_DICTIONARY, PACKING, PackingBlock, codec};
use std::fmt;
use std::ops::{Bound, Range};
use zerocopy::FromBytes;

/// Keys of a batch whose buckets, and then records, are asked for before the first is compared.
const GROUP: usize = 16;

/// A table as it lies in the file, and what decodes it: what all clones of a packed table share.
pub(crate) struct Packed {
    pub(super) stored: Table,
    /// None in a plain table.
    pub(super) packing: Option<Packing>,
    /// How a table whose keys are encoded looks one up.
    lookup: Chosen<OfDecoded>,
}

impl fmt::Debug for Packed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Packed").field("stored", &self.stored).finish_non_exhaustive()
    }
}

/// Lookups through the hash index of a table whose keys are encoded.
struct OfDecoded;

impl Family for OfDecoded {
    type Table = Packed;
    type Answer<'t> = Guess<'t>;
}

impl Lookup<OfDecoded> for OfDecoded {
    #[inline(always)]
    fn run<'t, I: Simd>(simd: I, table: &'t Packed, key: &[u8]) -> Guess<'t> {
        let Some(lookups) = table.decoded(simd) else { return Guess::UNDECIDED };
        lookups.look_up(lookups.hash(key), key)
    }
}

/// Values of a group of keys through the hash index of a table whose keys are encoded.
struct Group<'t, 'k, K> {
    table: &'t Packed,
    keys: &'k [K],
}

impl<'t, K: AsRef<[u8]>> Work for Group<'t, '_, K> {
    type Output = [Guess<'t>; GROUP];

    #[inline(always)]
    fn run<I: Simd>(self, simd: I) -> Self::Output {
        let mut answers = [Guess::UNDECIDED; GROUP];
        let Some(lookups) = self.table.decoded(simd) else { return answers };
        let mut hashes = [0; GROUP];
        for (hash, key) in hashes.iter_mut().zip(self.keys) {
            *hash = lookups.hash(key.as_ref());
            lookups.prefetch_bucket(*hash);
        }
        let hashes = &hashes[..self.keys.len()];
        hashes.iter().for_each(|&hash| lookups.prefetch_record(hash));
        for ((answer, &hash), key) in answers.iter_mut().zip(hashes).zip(self.keys) {
            *answer = lookups.look_up(hash, key.as_ref());
        }
        answers
    }
}

impl Packed {
    pub(super) fn new(stored: Table) -> Result<Self, OpenFailure> {
        let packing = Packing::read(stored.view())?;
        Ok(Self { stored, packing, lookup: Chosen::new::<OfDecoded>() })
    }

    /// Lookups through the hash index, if keys are encoded and there is one.
    #[inline(always)]
    fn decoded<I: Simd>(&self, simd: I) -> Option<Decoded<'_, I>> {
        let view = self.stored.view();
        let symbols = self.packing.as_ref()?.keys.as_ref()?;
        let index = view.layout().hash_of_decoded.as_ref()?;
        Some(Decoded { simd, view, symbols, index })
    }

    /// What is stored of the value of `key`. `room` is for the key's codes.
    #[inline]
    pub(super) fn get(&self, key: &[u8], room: &mut Vec<u8>) -> ReadResult<Option<&[u8]>> {
        let packing = match &self.packing {
            Some(packing) if packing.keys.is_some() => packing,
            _ => return self.stored.get(key),
        };
        let guess = self.lookup.call(self, key);
        self.decide(packing, guess, key, room)
    }

    /// The answer of a lookup, which is made in another way if it is undecided.
    #[inline]
    fn decide<'t>(
        &'t self,
        packing: &'t Packing,
        guess: Guess<'t>,
        key: &[u8],
        room: &mut Vec<u8>,
    ) -> ReadResult<Option<&'t [u8]>> {
        if guess.is_undecided() || !self.stored.view().memory().nothing_lost() {
            return packing.get_checked(&self.stored, key, room);
        }
        Ok(guess.answer())
    }

    /// Key and value of an entry of the stored table, a pair of its slices.
    #[inline]
    pub(super) fn entry<'b>(
        &'b self,
        found: Option<Entry<'b>>,
        buffer: &'b mut ValueBuffer,
    ) -> ReadResult<Option<Entry<'b>>> {
        found.map(|stored| self.decoded_entry(stored, buffer)).transpose()
    }

    /// Key and value of which this pair of slices of the stored table is stored.
    #[inline]
    pub(crate) fn decoded_entry<'b>(
        &'b self,
        stored: Entry<'b>,
        buffer: &'b mut ValueBuffer,
    ) -> ReadResult<Entry<'b>> {
        let ((key, value), Some(packing)) = (stored, &self.packing) else { return Ok(stored) };
        let view = self.stored.view();
        let key = packing.key(view, key, &mut buffer.key)?;
        Ok((key, packing.value(view, value, &mut buffer.value)?))
    }

    /// What is stored of the entry with the longest key that is a prefix of `key`, and the length of that
    /// key. `room` is for codes.
    pub(super) fn longest_prefix(
        &self,
        key: &[u8],
        room: &mut Vec<u8>,
    ) -> ReadResult<Option<(Entry<'_>, usize)>> {
        let packing = match &self.packing {
            Some(packing) if packing.keys.is_some() => packing,
            _ => {
                let found = self.stored.longest_prefix(key)?;
                return Ok(found.map(|entry| (entry, entry.0.len())));
            }
        };
        let mut prefix = key;
        loop {
            let found = self.stored.floor(packing.stored_key(prefix, room))?;
            let Some((stored, _)) = found else { return Ok(None) };
            let candidate = packing.key(self.stored.view(), stored, room)?;
            let common = common_prefix(candidate, prefix);
            if common == candidate.len() {
                // Of equal keys the first, as everywhere.
                return Ok(self.stored.ceil(stored)?.map(|entry| (entry, common)));
            }
            if common == prefix.len() {
                // The index led to a key above the one that was asked for.
                let view = self.stored.view();
                let offset = view.memory().offset_of(stored) as u64;
                return Err(view.corrupt("keys are out of order", offset));
            }
            prefix = &prefix[..common];
        }
    }

    /// What the table stores of `key`, if it has it.
    pub(crate) fn stored_key<'k>(&self, key: &'k [u8], room: &'k mut Vec<u8>) -> &'k [u8] {
        match &self.packing {
            None => key,
            Some(packing) => packing.stored_key(key, room),
        }
    }

    /// What the table stores of the ends of a range.
    pub(crate) fn stored_range<'k>(
        &self,
        (lower, upper): (Bound<&'k [u8]>, Bound<&'k [u8]>),
        [from, to]: &'k mut [Vec<u8>; 2],
    ) -> (Bound<&'k [u8]>, Bound<&'k [u8]>) {
        (lower.map(|key| self.stored_key(key, from)), upper.map(|key| self.stored_key(key, to)))
    }

    /// Hands what is stored of the values of `keys` to `each`, in their order.
    pub(crate) fn get_many<'t, K: AsRef<[u8]>>(
        &'t self,
        keys: &[K],
        room: &mut Vec<u8>,
        mut each: impl FnMut(Option<&'t [u8]>) -> ReadResult<()>,
    ) -> ReadResult<()> {
        let packing = match &self.packing {
            Some(packing) if packing.keys.is_some() => packing,
            _ => {
                let mut handed = Ok(());
                self.stored.get_many_with(keys, |stored| {
                    if handed.is_ok() {
                        handed = each(stored);
                    }
                })?;
                return handed;
            }
        };
        for group in keys.chunks(GROUP) {
            let answers = work(Group { table: self, keys: group });
            for (key, guess) in group.iter().zip(answers) {
                each(self.decide(packing, guess, key.as_ref(), room)?)?;
            }
        }
        Ok(())
    }
}

/// Answers that borrow nothing of the table: those of sets, which may let it go.
#[cfg(feature = "sets")]
impl Packed {
    /// The value of `key`, copied into the buffer where nothing is decoded.
    pub(crate) fn get_copied<'b>(
        &self,
        key: &[u8],
        buffer: &'b mut ValueBuffer,
    ) -> ReadResult<Option<&'b [u8]>> {
        match self.get(key, &mut buffer.key)? {
            Some(stored) => self.value_copied(stored, &mut buffer.value).map(Some),
            None => Ok(None),
        }
    }

    /// The value that the table stores as `stored`, a slice of it, in `room` in any case.
    pub(crate) fn value_copied<'b>(
        &self,
        stored: &[u8],
        room: &'b mut Room,
    ) -> ReadResult<&'b [u8]> {
        let view = self.stored.view();
        match &self.packing {
            Some(packing) => packing.value_copied(view, stored, room),
            None => decoded(stored, view, room.keep(stored)),
        }
    }

    /// The key that the table stores as `stored`, a slice of it.
    pub(crate) fn key<'b>(&self, stored: &'b [u8], room: &'b mut Vec<u8>) -> ReadResult<&'b [u8]> {
        match &self.packing {
            Some(packing) => packing.key(self.stored.view(), stored, room),
            None => Ok(stored),
        }
    }
}

/// How the keys and values of a table are stored.
#[derive(Debug)]
pub(crate) struct Packing {
    pub(crate) block: PackingBlock,
    /// None if values stand as they are.
    values: Option<Decoder>,
    /// None if keys stand as they are.
    keys: Option<KeySymbols>,
}

impl Packing {
    /// The fixed part of the section, its page checked. `None` in a plain table.
    pub(crate) fn block(view: &View) -> ReadResult<Option<PackingBlock>> {
        let layout = view.layout();
        let Some(span) = layout.packing else { return Ok(None) };
        let block = span.start..span.start + PACKING;
        view.ensure(block.clone())?;
        let block = PackingBlock::read_from_bytes(view.slice(block)?);
        let bad = || view.corrupt("packing makes no sense", span.start as u64);
        let block = block.map_err(|_| bad()).and_then(|block| {
            let dictionaries =
                u64::from(block.dictionary_len.get()) + u64::from(block.key_dictionary_len.get());
            let of_decoded = block.key_codec == codec::SYMBOLS;
            let longest = block.dictionary_len.get().max(block.key_dictionary_len.get());
            let right = longest as usize <= MAX_DICTIONARY
                && dictionaries == (span.len() - PACKING) as u64
                && (block.reserved, block.reserved_2.get()) == ([0; 2], 0)
                && block.as_they_are.get() <= layout.entries
                // The hash index is of the keys as they were, or of stored keys that are the keys.
                && (of_decoded || layout.hash_of_decoded.is_none())
                && (!of_decoded || layout.hash.is_none());
            if right { Ok(Some(block)) } else { Err(bad()) }
        });
        view.sound(block)
    }

    /// An error for a packed table.
    pub(crate) fn refuse(view: &View) -> Result<(), OpenFailure> {
        if view.layout().packing.is_none() {
            return Ok(());
        }
        let block = Self::block(view).map_err(|error| OpenFailure::Damaged(error.failure()))?;
        let codec = block.and_then(|block| Self::codec(&block));
        Err(OpenFailure::IsPacked { codec })
    }

    /// Reads the section and prepares the dictionaries. `None` in a plain table.
    pub(crate) fn read(view: &View) -> Result<Option<Self>, OpenFailure> {
        let damaged = |error: ReadError| OpenFailure::Damaged(error.failure());
        let Some(block) = Self::block(view).map_err(damaged)? else { return Ok(None) };
        let Some(span) = view.layout().packing else { return Ok(None) };
        let values = span.start + PACKING;
        let keys = values + block.dictionary_len.get() as usize;
        let bytes = |range: Range<usize>| {
            view.ensure(range.clone())?;
            view.slice(range)
        };
        let value_bytes = bytes(values..keys).map_err(damaged)?;
        let key_bytes = bytes(keys..span.end).map_err(damaged)?;
        let decoder = match block.codec {
            codec::NONE if value_bytes.is_empty() => Ok(None),
            id => Decoder::new(id, value_bytes).map(Some),
        };
        let symbols = match block.key_codec {
            codec::NONE if key_bytes.is_empty() => Ok(None),
            codec::SYMBOLS => KeySymbols::parse(key_bytes).map(Some).map_err(NoDecoder::Bad),
            _ => Err(NoDecoder::Unknown),
        };
        if let Some(offset) = view.memory().lost_at() {
            return Err(OpenFailure::Damaged(ReadFailure::Faulted { offset }));
        }
        let failed = |none, id: u8, at: usize| match none {
            NoDecoder::Unknown => {
                OpenFailure::UnsupportedFeature { feature: "codec", id: id.into() }
            }
            NoDecoder::LeftOut(codec) => OpenFailure::DecoderLeftOut { codec },
            NoDecoder::Bad(bad) => damaged(wrong(at as u64, view, bad)),
        };
        let values = decoder.map_err(|none| failed(none, block.codec, values))?;
        let keys = symbols.map_err(|none| failed(none, block.key_codec, keys))?;
        Ok(Some(Self { block, values, keys }))
    }

    /// The name of the values' codec; `None` if they stand as they are.
    pub(crate) fn codec(block: &PackingBlock) -> Option<&'static str> {
        (block.codec != codec::NONE).then(|| codec_name(block.codec))
    }

    /// Whether keys are encoded.
    pub(crate) fn encodes_keys(block: &PackingBlock) -> bool {
        block.key_codec != codec::NONE
    }

    /// Whether a stored value is the value as it is, with a mark.
    pub(crate) fn is_as_it_is(&self, stored: &[u8]) -> bool {
        self.values.as_ref().is_some_and(|decoder| decoder.is_as_it_is(stored))
    }

    /// The value that the table stores as `stored`, a slice of it.
    #[inline]
    pub(crate) fn value<'b>(
        &self,
        view: &View,
        stored: &'b [u8],
        room: &'b mut Room,
    ) -> ReadResult<&'b [u8]> {
        let Some(decoder) = &self.values else { return Ok(stored) };
        let most = self.block.value_len_max.get() as usize;
        decoded(stored, view, decoder.decode(stored, room, most))
    }

    /// As [`value`](Self::value), but in `room` in any case.
    #[cfg(feature = "sets")]
    fn value_copied<'b>(
        &self,
        view: &View,
        stored: &[u8],
        room: &'b mut Room,
    ) -> ReadResult<&'b [u8]> {
        let Some(decoder) = &self.values else {
            return decoded(stored, view, room.keep(stored));
        };
        let most = self.block.value_len_max.get() as usize;
        decoded(stored, view, decoder.decode_copied(stored, room, most))
    }

    /// The key that the table stores as `stored`, a slice of it.
    #[inline]
    pub(crate) fn key<'b>(
        &self,
        view: &View,
        stored: &'b [u8],
        room: &'b mut Vec<u8>,
    ) -> ReadResult<&'b [u8]> {
        let Some(symbols) = &self.keys else { return Ok(stored) };
        decoded(stored, view, symbols.decode(stored, room))
    }

    /// The symbols of encoded keys.
    pub(super) fn symbols(&self) -> Option<&KeySymbols> {
        self.keys.as_ref()
    }

    /// What the table stores of `key`, if it has it.
    #[inline]
    pub(crate) fn stored_key<'k>(&self, key: &'k [u8], room: &'k mut Vec<u8>) -> &'k [u8] {
        let Some(symbols) = &self.keys else { return key };
        room.clear();
        symbols.encode(key, room);
        room
    }

    /// What is stored of the value of `key`, each page checked before it is read.
    #[cold]
    fn get_checked<'t>(
        &self,
        table: &'t Table,
        key: &[u8],
        room: &mut Vec<u8>,
    ) -> ReadResult<Option<&'t [u8]>> {
        let view = table.view();
        let hash = self.keys.as_ref().and_then(|symbols| Hash::of_decoded(view, symbols));
        if let Some(hash) = hash {
            match view.sound(hash.ask(key, 0))? {
                Buckets::Record(found) => return view.slice(found.parts.value()).map(Some),
                Buckets::Absent => return Ok(None),
                Buckets::SetAside => {}
            }
        }
        table.get(self.stored_key(key, room))
    }

    /// The first record of `key`, as the hash index of a table whose keys are encoded knows it; `watch` is
    /// told what is read. `None` if it does not know the key.
    pub(crate) fn locate(
        &self,
        view: &View,
        key: &[u8],
        watch: impl FnMut(LocatedPart, Range<usize>),
    ) -> ReadResult<Option<Found>> {
        let hash = self.keys.as_ref().and_then(|symbols| Hash::of_decoded(view, symbols));
        let Some(hash) = hash else { return Ok(None) };
        Ok(match hash.ask_watched(key, 0, watch)? {
            Buckets::Record(found) => Some(found),
            Buckets::Absent | Buckets::SetAside => None,
        })
    }
}

/// What `stored` was decoded to, if no page was lost on the way: the bytes of such a page are zeros.
#[inline]
fn decoded<'b>(stored: &[u8], view: &View, decoded: Result<&'b [u8], Bad>) -> ReadResult<&'b [u8]> {
    let offset = || view.memory().offset_of(stored) as u64;
    view.sound(decoded.map_err(|bad| wrong(offset(), view, bad)))
}

/// The error for what is wrong at `offset`.
#[cold]
fn wrong(offset: u64, view: &View, bad: Bad) -> ReadError {
    match bad {
        Bad::Corrupt(what) => view.corrupt(what, offset),
        Bad::TooLong(most) => {
            view.named(ReadFailure::ValueTooLong { offset, most: most as u64 }.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{BuildOptions, HashIndex, OpenOptions, PageChecks};

    #[test]
    fn a_lookup_of_encoded_keys_decides_and_is_not_made_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        let keys = (0..1000).map(|i| (format!("https://example.org/page/{i:04}"), "text"));
        let options = BuildOptions::new().durable(false).hash_index(HashIndex::Always);
        options.compact_keys(true).build(&path, keys).unwrap();
        let open = OpenOptions::new().allow_packed(true).page_checks(PageChecks::AtOpen);
        let table = Packed::new(open.load(&path).unwrap()).unwrap();
        let (stored, absent) = (&b"https://example.org/page/0042"[..], &b"absent"[..]);
        for (key, value) in [(stored, Some(&b"text"[..])), (absent, None)] {
            let guess = table.lookup.call(&table, key);
            assert!(!guess.is_undecided());
            assert_eq!(guess.answer(), value);
        }
        let packing = table.packing.as_ref().unwrap();
        let decided = table.decide(packing, Guess::ABSENT, stored, &mut Vec::new());
        assert_eq!(decided, Ok(None));
        let undecided = table.decide(packing, Guess::UNDECIDED, stored, &mut Vec::new());
        assert_eq!(undecided, Ok(Some(&b"text"[..])));
    }
}
