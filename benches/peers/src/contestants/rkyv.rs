//! rkyv's archived maps over a mapping: what a Rust program takes that wants its own map without a
//! load at every start. No access is checked, as its authors advise for files that are one's own.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, HashMap},
    fs::File,
    hash::Hash,
    marker::PhantomData,
    ops::Bound,
    path::Path,
};

use memmap2::{Advice, Mmap};
use rkyv::{
    Portable, access_unchecked,
    collections::{btree_map::ArchivedBTreeMap, swiss_table::ArchivedHashMap},
    rancor::Error,
    to_bytes,
    vec::ArchivedVec,
};

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::{Input, Shape},
    queries::Probe,
};

/// Keys and values as vectors of bytes.
pub struct Vectors;

/// Keys and values as arrays, where all have one length.
pub struct Arrays;

pub struct Tree;

const FILE: &str = "map.rkyv";

type Bytes = Vec<u8>;
type ArchivedBytes = ArchivedVec<u8>;

fn vectors<M: FromIterator<(Bytes, Bytes)>>(input: &Input) -> M {
    input.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

fn arrays<const K: usize, const V: usize>(input: &Input) -> Result<HashMap<[u8; K], [u8; V]>> {
    input.iter().map(|(key, value)| Ok((key.try_into()?, value.try_into()?))).collect()
}

fn is(shape: &Shape, key: u32, value: u32) -> bool {
    (shape.key_len, shape.value_len) == (Some(key), Some(value))
}

fn map(place: &Place, access: Access) -> Result<Mmap> {
    let file = File::open(place.file(FILE))?;
    // SAFETY: the file lies in our own scratch directory; nobody changes it.
    let map = unsafe { Mmap::map(&file)? };
    if access != Access::Normal {
        map.advise(Advice::Random)?;
    }
    Ok(map)
}

impl Contestant for Vectors {
    fn name(&self) -> &'static str {
        "rkyv"
    }

    fn options(&self) -> &'static str {
        "ArchivedHashMap<ArchivedVec<u8>, ArchivedVec<u8>> in one mapping, unchecked access, pointers \
         of 64 bits, written by one write"
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let map: HashMap<Bytes, Bytes> = vectors(input);
        Ok(std::fs::write(dir.join(FILE), to_bytes::<Error>(&map)?)?)
    }

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>> {
        Ok(Box::new(HashStore::<ArchivedBytes, ArchivedBytes, Any>::of(map(place, access)?)))
    }
}

impl Contestant for Arrays {
    fn name(&self) -> &'static str {
        "rkyv-fixed"
    }

    fn options(&self) -> &'static str {
        "as rkyv, with keys and values as arrays inside the table"
    }

    fn variable(&self) -> bool {
        false
    }

    fn holds(&self, shape: &Shape) -> bool {
        is(shape, 8, 8) || is(shape, 16, 64)
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let bytes = if is(&input.shape, 8, 8) {
            to_bytes::<Error>(&arrays::<8, 8>(input)?)?
        } else {
            to_bytes::<Error>(&arrays::<16, 64>(input)?)?
        };
        Ok(std::fs::write(dir.join(FILE), bytes)?)
    }

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>> {
        let map = map(place, access)?;
        Ok(if is(&place.shape, 8, 8) {
            Box::new(HashStore::<[u8; 8], [u8; 8], Fixed<8>>::of(map))
        } else {
            Box::new(HashStore::<[u8; 16], [u8; 64], Fixed<16>>::of(map))
        })
    }
}

impl Contestant for Tree {
    fn name(&self) -> &'static str {
        "rkyv-btree"
    }

    fn options(&self) -> &'static str {
        "ArchivedBTreeMap of vectors of bytes, otherwise as rkyv"
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let map: BTreeMap<Bytes, Bytes> = vectors(input);
        Ok(std::fs::write(dir.join(FILE), to_bytes::<Error>(&map)?)?)
    }

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>> {
        Ok(Box::new(TreeStore(map(place, access)?)))
    }
}

/// What a key is looked up as.
trait Query<K>: Send + Sync + 'static {
    type Form: ?Sized + Hash + Eq;

    fn form(key: &[u8]) -> Option<&Self::Form>;
}

struct Any;

struct Fixed<const N: usize>;

impl Query<ArchivedBytes> for Any {
    type Form = [u8];

    #[inline]
    fn form(key: &[u8]) -> Option<&[u8]> {
        Some(key)
    }
}

impl<const N: usize> Query<[u8; N]> for Fixed<N> {
    type Form = [u8; N];

    #[inline]
    fn form(key: &[u8]) -> Option<&[u8; N]> {
        key.try_into().ok()
    }
}

struct HashStore<K, V, Q> {
    map: Mmap,
    types: PhantomData<fn() -> (K, V, Q)>,
}

impl<K, V, Q> HashStore<K, V, Q> {
    fn of(map: Mmap) -> Self {
        Self { map, types: PhantomData }
    }
}

impl<K, V, Q> HashStore<K, V, Q>
where
    K: Portable + Borrow<Q::Form>,
    V: Portable,
    Q: Query<K>,
{
    #[inline]
    fn table(&self) -> &ArchivedHashMap<K, V> {
        // SAFETY: `build` wrote a map of these types as the root of this file.
        unsafe { access_unchecked(&self.map) }
    }
}

impl<K, V, Q> Store for HashStore<K, V, Q>
where
    K: Portable + Borrow<Q::Form> + AsRef<[u8]> + 'static,
    V: Portable + AsRef<[u8]> + 'static,
    Q: Query<K>,
{
    type Session<'s> = &'s Self;

    const FORWARD: bool = true;
    const ORDERED: bool = false;

    fn session(&self) -> &Self {
        self
    }
}

impl<K, V, Q> Session for &HashStore<K, V, Q>
where
    K: Portable + Borrow<Q::Form> + AsRef<[u8]>,
    V: Portable + AsRef<[u8]>,
    Q: Query<K>,
{
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.table().get(Q::form(probe.key)?).map(|value| f(value.as_ref()))
    }

    fn scan(&mut self, _forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        self.table().iter().for_each(|(key, value)| f(key.as_ref(), value.as_ref()));
    }
}

struct TreeStore(Mmap);

impl TreeStore {
    #[inline]
    fn tree(&self) -> &ArchivedBTreeMap<ArchivedBytes, ArchivedBytes> {
        // SAFETY: `build` wrote a map of these types as the root of this file.
        unsafe { access_unchecked(&self.0) }
    }
}

impl Store for TreeStore {
    type Session<'s> = &'s TreeStore;

    const SEEK: bool = true;
    const FORWARD: bool = true;

    fn session(&self) -> &TreeStore {
        self
    }
}

impl Session for &TreeStore {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.tree().get(probe.key).map(|value| f(value))
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, mut f: impl FnMut(&[u8], &[u8])) {
        let from = (Bound::Included(probe.key), Bound::Unbounded);
        let entries = self.tree().range::<[u8], _>(from);
        entries.take(limit).for_each(|(key, value)| f(key, value));
    }

    fn scan(&mut self, _forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        self.tree().iter().for_each(|(key, value)| f(key, value));
    }
}
