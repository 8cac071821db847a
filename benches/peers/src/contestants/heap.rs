//! The standard library's maps: what a program pays that loads its data at every start.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    path::Path,
};

use crate::{
    Result,
    contestant::{Access, Contestant, Kind, Lane, Place, Session, Store},
    dataset::Input,
    queries::Probe,
};

type Bytes = Box<[u8]>;

pub struct Hash;
pub struct Tree;

fn collect<M: FromIterator<(Bytes, Bytes)>>(input: &Input) -> M {
    input.iter().map(|(key, value)| (key.into(), value.into())).collect()
}

impl Contestant for Hash {
    fn name(&self) -> &'static str {
        "HashMap"
    }

    fn kind(&self) -> Kind {
        Kind::Heap
    }

    fn options(&self) -> &'static str {
        "std, boxed keys and values, the default SipHash"
    }

    fn build(&self, input: &Input, _dir: &Path) -> Result<()> {
        let map: HashMap<Bytes, Bytes> = collect(input);
        std::mem::forget(map);
        Ok(())
    }

    fn open(&self, place: &Place, _access: Access) -> Result<Box<dyn Lane>> {
        Ok(Box::new(HashStore(collect(&Input::load(&place.input, true)?))))
    }
}

impl Contestant for Tree {
    fn name(&self) -> &'static str {
        "BTreeMap"
    }

    fn kind(&self) -> Kind {
        Kind::Heap
    }

    fn options(&self) -> &'static str {
        "std, boxed keys and values"
    }

    fn build(&self, input: &Input, _dir: &Path) -> Result<()> {
        let map: BTreeMap<Bytes, Bytes> = collect(input);
        std::mem::forget(map);
        Ok(())
    }

    fn open(&self, place: &Place, _access: Access) -> Result<Box<dyn Lane>> {
        Ok(Box::new(TreeStore(collect(&Input::load(&place.input, true)?))))
    }
}

struct HashStore(HashMap<Bytes, Bytes>);

impl Store for HashStore {
    type Session<'s> = &'s HashStore;

    const FORWARD: bool = true;
    const ORDERED: bool = false;

    fn session(&self) -> &HashStore {
        self
    }
}

impl Session for &HashStore {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.0.get(probe.key).map(|value| f(value))
    }

    fn scan(&mut self, _forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        self.0.iter().for_each(|(key, value)| f(key, value));
    }
}

struct TreeStore(BTreeMap<Bytes, Bytes>);

impl Store for TreeStore {
    type Session<'s> = &'s TreeStore;

    const SEEK: bool = true;
    const FORWARD: bool = true;
    const BACKWARD: bool = true;

    fn session(&self) -> &TreeStore {
        self
    }
}

impl Session for &TreeStore {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.0.get(probe.key).map(|value| f(value))
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, mut f: impl FnMut(&[u8], &[u8])) {
        let from = (Bound::Included(probe.key), Bound::Unbounded);
        self.0.range::<[u8], _>(from).take(limit).for_each(|(key, value)| f(key, value));
    }

    fn scan(&mut self, forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        if forward {
            self.0.iter().for_each(|(key, value)| f(key, value));
        } else {
            self.0.iter().rev().for_each(|(key, value)| f(key, value));
        }
    }
}
