//! odht: a Swiss table in a file, for keys and values of one fixed size.

use std::{borrow::Borrow, fs::File, path::Path};

use memmap2::Mmap;
use odht::{Config, FxHashFn, HashTable, HashTableOwned};

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::{Input, Shape},
    queries::Probe,
};

/// The fullest that odht's own default allows.
const LOAD_PERCENT: u8 = 87;

pub struct Odht;

struct U64;
struct Id;

macro_rules! config {
    ($name:ident, $key:literal, $value:literal) => {
        impl Config for $name {
            type Key = [u8; $key];
            type Value = [u8; $value];
            type EncodedKey = [u8; $key];
            type EncodedValue = [u8; $value];
            type H = FxHashFn;

            #[inline]
            fn encode_key(key: &Self::Key) -> Self::EncodedKey {
                *key
            }
            #[inline]
            fn encode_value(value: &Self::Value) -> Self::EncodedValue {
                *value
            }
            #[inline]
            fn decode_key(key: &Self::EncodedKey) -> Self::Key {
                *key
            }
            #[inline]
            fn decode_value(value: &Self::EncodedValue) -> Self::Value {
                *value
            }
        }

        impl Store for Table<$name> {
            type Session<'s> = &'s Table<$name>;

            const FORWARD: bool = true;
            const ORDERED: bool = false;

            fn session(&self) -> &Table<$name> {
                self
            }
        }

        impl Session for &Table<$name> {
            #[inline]
            fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
                let key: &[u8; $key] = probe.key.try_into().ok()?;
                self.0.get(key).map(|value| f(&value))
            }

            fn scan(&mut self, _forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
                for (key, value) in self.0.iter() {
                    f(&key, &value);
                }
            }
        }
    };
}

config!(U64, 8, 8);
config!(Id, 16, 64);

fn build<C: Config>(input: &Input, path: &Path) -> Result<()>
where
    C::Key: for<'a> TryFrom<&'a [u8]>,
    C::Value: for<'a> TryFrom<&'a [u8]>,
{
    let mut table = HashTableOwned::<C>::with_capacity(input.shape.entries as usize, LOAD_PERCENT);
    for (key, value) in input.iter() {
        let key = C::Key::try_from(key).map_err(|_| "a key of another length")?;
        let value = C::Value::try_from(value).map_err(|_| "a value of another length")?;
        table.insert(&key, &value);
    }
    Ok(std::fs::write(path, table.raw_bytes())?)
}

impl Contestant for Odht {
    fn name(&self) -> &'static str {
        "odht"
    }

    fn options(&self) -> &'static str {
        "FxHash, maximum load 87 %, table of fixed sizes in one mapping, written by one write"
    }

    fn variable(&self) -> bool {
        false
    }

    fn holds(&self, shape: &Shape) -> bool {
        matches!((shape.key_len, shape.value_len), (Some(8), Some(8)) | (Some(16), Some(64)))
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let path = dir.join("table.odht");
        if input.shape.key_len == Some(8) {
            build::<U64>(input, &path)
        } else {
            build::<Id>(input, &path)
        }
    }

    fn open(&self, place: &Place, _access: Access) -> Result<Box<dyn Lane>> {
        let file = File::open(place.file("table.odht"))?;
        // SAFETY: the file lies in our own scratch directory; nobody changes it.
        let map = Bytes(unsafe { Mmap::map(&file)? });
        let failed = |e: Box<dyn std::error::Error>| e.to_string();
        Ok(if place.shape.key_len == Some(8) {
            Box::new(Table::<U64>(HashTable::from_raw_bytes(map).map_err(failed)?))
        } else {
            Box::new(Table::<Id>(HashTable::from_raw_bytes(map).map_err(failed)?))
        })
    }
}

/// odht wants `Borrow<[u8]>`, which a `Mmap` does not offer.
struct Bytes(Mmap);

impl Borrow<[u8]> for Bytes {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

struct Table<C: Config>(HashTable<C, Bytes>);

// SAFETY: the table is a read-only mapping; `C` is a marker that is never stored.
unsafe impl<C: Config> Send for Table<C> {}
// SAFETY: as above.
unsafe impl<C: Config> Sync for Table<C> {}
