//! What a reading command reads: a table, or a set of tables.

mod rank;

use crate::exit::{Failure, reading};
use crate::open;
use graven::{
    AccessPattern, AnySet, BuildId, BuildOptions, ErrorKind, Manifest, PackedSet, PackedTable,
    Partition, SetError, SetValue, Table, TableSet, Value, ValueBuffer,
};
pub(crate) use rank::ByPlace;
use std::ops::Bound;
use std::path::{Path, PathBuf};

pub(crate) enum Source {
    Table(Table),
    /// A table with compressed values or encoded keys.
    Packed(PackedTable),
    Set(TableSet),
    /// A set of which some shards are packed tables.
    PackedSet(PackedSet),
}

/// An interval of keys.
pub(crate) type Interval<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

/// All keys.
pub(crate) const ALL: Interval<'static> = (Bound::Unbounded, Bound::Unbounded);

impl Source {
    /// Opens what stands at a path for the length of the run.
    pub(crate) fn open(path: &Path, access: AccessPattern) -> Result<Self, Failure> {
        if open::is_set(path) {
            return Ok(match open::any_set(path, access)? {
                AnySet::Plain(set) => Self::Set(set),
                AnySet::Packed(set) => Self::PackedSet(set),
            });
        }
        let table = open::packed(path, access)?;
        Ok(match table.is_packed() {
            true => Self::Packed(table),
            false => Self::Table(table.stored().clone()),
        })
    }

    /// Number of entries.
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Table(table) => table.len(),
            Self::Packed(table) => table.len(),
            Self::Set(set) => set.len(),
            Self::PackedSet(set) => set.len(),
        }
    }

    /// Hands the first value of a key, or all of them, to `each`.
    pub(crate) fn values(
        &self,
        path: &Path,
        key: &[u8],
        all: bool,
        mut each: impl FnMut(&[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Self::Table(table) if all => {
                table.get_all(key).try_for_each(|value| each(value.map_err(reading(path))?))
            }
            Self::Table(table) => table.get(key).map_err(reading(path))?.map_or(Ok(()), each),
            Self::Packed(table) if all => {
                table.get_all(key).try_for_each(|value| each(&value.map_err(reading(path))?))
            }
            Self::Packed(table) => {
                let mut buffer = ValueBuffer::new();
                table.get(key, &mut buffer).map_err(reading(path))?.map_or(Ok(()), each)
            }
            Self::Set(set) => {
                let values = match all {
                    true => set.get_all(key),
                    false => set.get(key).map(Vec::from_iter),
                };
                values.map_err(failed)?.iter().try_for_each(|value| {
                    each(value)?;
                    sound(value, path)
                })
            }
            Self::PackedSet(set) if all => {
                let values = set.get_all(key).map_err(failed)?;
                values.iter().try_for_each(|value| each(value))
            }
            Self::PackedSet(set) => {
                let mut buffer = ValueBuffer::new();
                match set.get_value(key, &mut buffer).map_err(failed)? {
                    None => Ok(()),
                    Some(SetValue::Decoded(value)) => each(value),
                    Some(SetValue::Mapped(value)) => {
                        each(&value)?;
                        sound(&value, path)
                    }
                }
            }
        }
    }

    /// Number of entries in an interval.
    pub(crate) fn count(&self, path: &Path, interval: Interval<'_>) -> Result<u64, Failure> {
        match self {
            Self::Table(table) => table.count(interval).map_err(reading(path)),
            Self::Packed(table) => table.count(interval).map_err(reading(path)),
            Self::Set(set) => set.count(interval).map_err(failed),
            Self::PackedSet(set) => set.count(interval).map_err(failed),
        }
    }

    /// Hands the entries of an interval to `each`, with their numbers from 0, at most `limit` of
    /// them; with `reverse` from the last one down.
    pub(crate) fn walk(
        &self,
        path: &Path,
        interval: Interval<'_>,
        reverse: bool,
        limit: u64,
        mut each: impl FnMut(u64, &[u8], &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        match self {
            Self::Table(table) => {
                let mut step = |(entry, number): (Result<(&[u8], &[u8]), _>, u64)| {
                    let (key, value) = entry.map_err(reading(path))?;
                    each(number, key, value)
                };
                let entries = table.range(interval);
                match reverse {
                    true => entries.rev().zip(0..limit).try_for_each(&mut step),
                    false => entries.zip(0..limit).try_for_each(&mut step),
                }
            }
            Self::Packed(table) => {
                let mut entries = table.range(interval);
                for number in 0..limit {
                    let entry = match reverse {
                        true => entries.next_back_lent(),
                        false => entries.next_lent(),
                    };
                    let Some(entry) = entry else { break };
                    let (key, value) = entry.map_err(reading(path))?;
                    each(number, key, value)?;
                }
                Ok(())
            }
            Self::Set(set) => {
                let mut step = |(entry, number): (Result<(Value, Value), _>, u64)| {
                    let (key, value) = entry.map_err(failed)?;
                    each(number, &key, &value)?;
                    sound(&value, path)
                };
                let entries = set.range(interval);
                match reverse {
                    true => entries.rev().zip(0..limit).try_for_each(&mut step),
                    false => entries.zip(0..limit).try_for_each(&mut step),
                }
            }
            Self::PackedSet(set) => {
                let mut step = |(entry, number): (Result<(Vec<u8>, Vec<u8>), _>, u64)| {
                    let (key, value) = entry.map_err(failed)?;
                    each(number, &key, &value)
                };
                let entries = set.range(interval);
                match reverse {
                    true => entries.rev().zip(0..limit).try_for_each(&mut step),
                    false => entries.zip(0..limit).try_for_each(&mut step),
                }
            }
        }
    }

    /// The options with which the table, or the first shard of the set, was built.
    pub(crate) fn build_options(&self, path: &Path) -> Result<BuildOptions, Failure> {
        self.stored(0)?.build_options().map_err(reading(path))
    }

    /// A value of the metadata of the table, or of the first shard of the set.
    pub(crate) fn metadata(&self, path: &Path, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let table = self.stored(0)?;
        let metadata = table.metadata().map_err(reading(path))?;
        Ok(metadata.get(key).map(<[u8]>::to_vec))
    }

    /// What tells versions apart: the build id of a table, the id of a set.
    pub(crate) fn id(&self) -> BuildId {
        match self {
            Self::Table(table) => table.build_id(),
            Self::Packed(table) => table.build_id(),
            Self::Set(set) => set.manifest().id,
            Self::PackedSet(set) => set.manifest().id,
        }
    }

    /// Bytes of the file, or of all shards.
    pub(crate) fn file_bytes(&self, path: &Path) -> Result<u64, Failure> {
        match self {
            Self::Table(table) => Ok(table.stats().map_err(reading(path))?.file_bytes),
            Self::Packed(table) => Ok(table.stored().stats().map_err(reading(path))?.file_bytes),
            Self::Set(set) => Ok(set.manifest().bytes),
            Self::PackedSet(set) => Ok(set.manifest().bytes),
        }
    }

    /// Finds entries by their places, from 0 to the number of entries; see [`ByPlace`].
    pub(crate) fn by_place<'s>(&'s self, path: &'s Path) -> ByPlace<'s> {
        ByPlace::new(self, path)
    }

    /// What the manifest says, if this is a set.
    pub(crate) fn manifest(&self) -> Option<&Manifest> {
        match self {
            Self::Table(_) | Self::Packed(_) => None,
            Self::Set(set) => Some(set.manifest()),
            Self::PackedSet(set) => Some(set.manifest()),
        }
    }

    /// Whether it is a set of hash shards.
    pub(crate) fn is_hashed(&self) -> bool {
        self.manifest().is_some_and(|manifest| manifest.partition != Partition::Range)
    }

    /// The table, or all shards of the set in their order, with their paths.
    pub(crate) fn tables(&self, path: &Path) -> Result<Vec<(PackedTable, PathBuf)>, Failure> {
        (0..self.shard_count()).map(|number| self.table(path, number)).collect()
    }

    /// A shard with what decodes it, and the path of its file. A packed one is the one that is open:
    /// its dictionaries are not read again.
    pub(crate) fn table(
        &self,
        path: &Path,
        number: usize,
    ) -> Result<(PackedTable, PathBuf), Failure> {
        let path = self.file(path, number);
        let table = match self {
            Self::Packed(table) => table.clone(),
            Self::PackedSet(set) => set.table(number).map_err(failed)?,
            Self::Table(_) | Self::Set(_) => open::unpacked(self.stored(number)?, &path)?,
        };
        Ok((table, path))
    }

    /// The number of shards; 1 for a table.
    pub(crate) fn shard_count(&self) -> usize {
        self.manifest().map_or(1, |manifest| manifest.shards.len())
    }

    /// A shard as it is stored, with the path of its file: the table is the only one.
    pub(crate) fn shard(&self, path: &Path, number: usize) -> Result<(Table, PathBuf), Failure> {
        Ok((self.stored(number)?, self.file(path, number)))
    }

    /// A shard as it is stored.
    fn stored(&self, number: usize) -> Result<Table, Failure> {
        match self {
            Self::Table(table) => Ok(table.clone()),
            Self::Packed(table) => Ok(table.stored().clone()),
            Self::Set(set) => set.table(number).map_err(failed),
            Self::PackedSet(set) => {
                set.table(number).map(|table| table.stored().clone()).map_err(failed)
            }
        }
    }

    /// The file of a shard.
    pub(crate) fn file(&self, path: &Path, number: usize) -> PathBuf {
        let within =
            |directory: &Path, manifest: &Manifest| directory.join(&manifest.shards[number].file);
        match self {
            Self::Table(_) | Self::Packed(_) => path.to_owned(),
            Self::Set(set) => within(set.path(), set.manifest()),
            Self::PackedSet(set) => within(set.path(), set.manifest()),
        }
    }

    /// The number of the only shard that can have a key; 0 for a table.
    pub(crate) fn shard_of(&self, key: &[u8]) -> Option<usize> {
        match self {
            Self::Table(_) | Self::Packed(_) => Some(0),
            Self::Set(set) => set.shard_of(key),
            Self::PackedSet(set) => set.shard_of(key),
        }
    }

    /// The key with so many entries before it.
    pub(crate) fn nth_key(&self, path: &Path, rank: u64) -> Result<Option<Vec<u8>>, Failure> {
        match self.is_hashed() {
            true => rank::nth_key(self, path, rank),
            false => self.by_place(path).key(rank),
        }
    }

    /// Fails if a page of the table was lost after its lookup; see [`open::intact`]. Sets are asked
    /// value by value.
    pub(crate) fn intact(&self, path: &Path) -> Result<(), Failure> {
        match self {
            Self::Table(table) => open::intact(table, path),
            Self::Packed(table) => open::intact(table.stored(), path),
            Self::Set(_) | Self::PackedSet(_) => Ok(()),
        }
    }
}

/// The failure of a set.
pub(crate) fn failed(error: SetError) -> Failure {
    Failure::set(&error)
}

/// Fails if a page of the value's shard was lost after its lookup.
pub(crate) fn sound(value: &Value, path: &Path) -> Result<(), Failure> {
    if value.is_faulted() { Err(open::lost(path)) } else { Ok(()) }
}

/// The failure of a command that reads no sets; `instead` says what to do.
pub(crate) fn no_set(path: &Path, instead: &str) -> Failure {
    let what = format_args!("is a set of tables: {instead}");
    Failure::at(ErrorKind::Usage, path.display(), what)
}
