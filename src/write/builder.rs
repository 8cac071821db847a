//! The builder: takes entries, hands them on in the way that their order asks for, and publishes
//! the table.

use super::collect::Collector;
use super::duplicates::Resolver;
use super::pool::Pool;
use super::progress::BuildPhase;
#[cfg(feature = "sets")]
use super::scratch::Value;
use super::scratch::{self, Stored};
use super::settings::Settings;
use super::summary::BuildSummary;
use super::value_stream::ValueStream;
use crate::error::BuildError;
use crate::file::{Unpublished, target};
use crate::format::MAX_KEY;
use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// Builds a table. Entries may come in any order. [`finish`](Builder::finish) publishes the table
/// under its name. A builder that is dropped before leaves nothing behind.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("capitals.grv");
/// let mut builder = graven::Builder::create(&path)?;
/// builder.insert("fr", "Paris")?;
/// builder.insert("de", "Berlin")?;
/// builder.finish()?;
/// let table = graven::Table::load(&path)?;
/// assert_eq!(table.get("de")?, Some(&b"Berlin"[..]));
/// # Ok(())
/// # }
/// ```
#[must_use = "a table is published by `finish`"]
pub struct Builder {
    input: Input,
    settings: Settings,
    entries: u64,
    /// For values that come from readers.
    value_stream: ValueStream,
    /// An insert failed. Entries may be missing, so nothing must be published.
    failed: bool,
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("entries", &self.entries).finish_non_exhaustive()
    }
}

enum Input {
    /// Entries in any order are collected and sorted at the end.
    Any(Box<Collector>),
    /// Entries that were promised in order are written at once.
    Ascending(Box<Resolver>),
}

impl Builder {
    /// Starts a build of the table at `path` with the default options.
    ///
    /// # Errors
    /// [`BuildError::Io`] where the directory can't be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, BuildError> {
        Self::start(Settings::default(), path.as_ref())
    }

    /// Starts a build of the table at `path`.
    pub(super) fn start(settings: Settings, path: &Path) -> Result<Self, BuildError> {
        let settings = settings.checked()?;
        let output = Unpublished::create(path, settings.replace)?;
        if let Some(bytes) = settings.expected_bytes.filter(|_| !settings.may_shrink()) {
            output.check_space(bytes)?;
        }
        let beside = target::directory_of(path);
        let directory: Arc<Path> = settings.temp_dir.as_deref().unwrap_or(beside).into();
        let input = if settings.sorted {
            let memory = settings.memory();
            Input::Ascending(Box::new(Resolver::new(
                &settings,
                output,
                &directory,
                &Pool::new(settings.threads),
                memory,
                0,
            )?))
        } else {
            scratch::check(&directory)?;
            let collector = Collector::new(&settings, output, &directory);
            Input::Any(Box::new(collector))
        };
        let value_stream = ValueStream::default();
        Ok(Self { input, settings, entries: 0, value_stream, failed: false })
    }

    /// Adds an entry: a key of 0 to 65,535 bytes, a value of 0 to 4 GiB − 1. Both are copied.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("t");
    /// # let mut builder = graven::Builder::create(&path)?;
    /// builder.insert("a", "1")?;
    /// builder.insert(&String::from("b"), b"\x00\xff")?;
    /// builder.insert(7u32.to_be_bytes(), Vec::new())?;
    /// # builder.finish()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// - [`BuildError::KeyTooLong`], [`BuildError::ValueTooLong`]
    /// - [`BuildError::OutOfOrder`] with `sorted(true)`
    /// - [`BuildError::DuplicateKey`] while entries come in order and are written at once;
    ///   otherwise [`finish`](Self::finish) returns it
    /// - [`BuildError::Io`] and [`BuildError::OutOfSpace`] where something is written on the way
    ///
    /// After an error the builder is of no use: every further call returns
    /// [`BuildError::Failed`], and nothing is published.
    #[inline]
    pub fn insert(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), BuildError> {
        self.insert_bytes(key.as_ref(), value.as_ref())
    }

    fn insert_bytes(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        if self.failed {
            return Err(BuildError::Failed);
        }
        let inserted = self.try_insert(key, value);
        self.failed = inserted.is_err();
        inserted
    }

    /// Adds entries, each as [`insert`](Self::insert) does, up to the first error.
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("squares.grv");
    /// let mut builder = graven::Builder::create(&path)?;
    /// builder.extend([("one", "1"), ("two", "4")])?;
    /// builder.extend((3..=9).map(|i| (i.to_string(), (i * i).to_string())))?;
    /// assert_eq!(builder.finish()?.entries, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`insert`](Self::insert), with the same consequence. A panic of `entries` has
    /// it too: what was to come is missing.
    pub fn extend<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        entries: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), BuildError> {
        if self.failed {
            return Err(BuildError::Failed);
        }
        // Set before the iterator is called: if it panics, entries are missing.
        self.failed = true;
        for (key, value) in entries {
            self.try_insert(key.as_ref(), value.as_ref())?;
        }
        self.failed = false;
        Ok(())
    }

    /// Adds an entry whose value is read from `value` to its end. A value of any length takes
    /// little memory: at most 2 MiB of it are held at a time, and a longer value waits in a file
    /// without a name in [`temp_dir`](crate::BuildOptions::temp_dir) until it is written to the
    /// table. The key is copied.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("files.grv");
    /// # let source = dir.path().join("disk.img");
    /// # std::fs::write(&source, b"image")?;
    /// let mut builder = graven::Builder::create(&path)?;
    /// builder.insert_from("disk.img", std::fs::File::open(&source)?)?;
    /// builder.finish()?;
    /// assert_eq!(graven::Table::load(&path)?.get("disk.img")?, Some(&b"image"[..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`insert`](Self::insert), with the same consequence.
    /// [`BuildError::ValueReader`] if `value` fails; [`BuildError::ValueTooLong`] once more than
    /// 4 GiB − 1 bytes have been read. Part of `value` may be left unread after an error, and only
    /// then.
    #[inline]
    pub fn insert_from(
        &mut self,
        key: impl AsRef<[u8]>,
        mut value: impl Read,
    ) -> Result<(), BuildError> {
        self.insert_stream(key.as_ref(), &mut value)
    }

    fn insert_stream(&mut self, key: &[u8], value: &mut dyn Read) -> Result<(), BuildError> {
        if self.failed {
            return Err(BuildError::Failed);
        }
        // Set before the reader is called: if it panics, the entry is missing as well.
        self.failed = true;
        self.try_insert_from(key, value)?;
        self.failed = false;
        Ok(())
    }

    fn try_insert_from(&mut self, key: &[u8], value: &mut dyn Read) -> Result<(), BuildError> {
        let entry = self.entries;
        if key.len() > MAX_KEY {
            return Err(BuildError::KeyTooLong { len: key.len(), entry });
        }
        // Taken out, so that a value in it can be handed to the rest of the builder.
        let mut stream = std::mem::take(&mut self.value_stream);
        let begun = stream.begin(value);
        match begun.map_err(|source| BuildError::ValueReader { entry, source })? {
            Some(whole) => self.try_insert(key, whole)?,
            None => {
                let (file, at) = match &mut self.input {
                    Input::Any(collector) => collector.room(key)?,
                    Input::Ascending(resolver) => (resolver.room()?, 0),
                };
                let stored = stream.store(value, file, at, self.settings.longest_value(), entry)?;
                self.insert_stored(key, &stored)?;
            }
        }
        self.value_stream = stream;
        Ok(())
    }

    /// Adds an entry whose value was written where `room` said.
    fn insert_stored(&mut self, key: &[u8], value: &Stored) -> Result<(), BuildError> {
        self.entries += 1;
        match &mut self.input {
            Input::Any(collector) => collector.push_stored(&self.settings, key, value),
            Input::Ascending(resolver) => resolver.push_stored(key, value),
        }
    }

    /// Adds an entry to a table whose entries ascend, as [`insert`](Self::insert) does. Its value may
    /// be in a temporary file.
    #[cfg(feature = "sets")]
    pub(crate) fn insert_ascending(
        &mut self,
        key: &[u8],
        value: Value<'_>,
    ) -> Result<(), BuildError> {
        let stored = match value {
            Value::Bytes(bytes) => return self.insert_bytes(key, bytes),
            Value::Stored(stored) => stored,
        };
        let Input::Ascending(resolver) = &mut self.input else { return Err(BuildError::Failed) };
        self.entries += 1;
        let inserted = resolver.push_value(key, Value::Stored(stored));
        self.failed |= inserted.is_err();
        inserted
    }

    #[inline]
    fn try_insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        let entry = self.entries;
        if key.len() > MAX_KEY {
            return Err(BuildError::KeyTooLong { len: key.len(), entry });
        }
        if value.len() as u64 > self.settings.longest_value() {
            return Err(BuildError::ValueTooLong { len: value.len(), entry });
        }
        self.entries += 1;
        match &mut self.input {
            Input::Any(collector) => collector.push(&self.settings, key, value),
            Input::Ascending(resolver) => resolver.push(key, value),
        }
    }

    /// Sorts the entries, writes the table and publishes it. With `durable`, the default, a table
    /// for which this returned `Ok` survives a power loss.
    ///
    /// # Errors
    /// On an error nothing is published, except with [`BuildError::PublishedButNotDurable`];
    /// [`BuildError::Cancelled`] is one, too.
    pub fn finish(self) -> Result<BuildSummary, BuildError> {
        self.finish_if(|_| Ok(()))
    }

    /// [`finish`](Self::finish), but nothing is published if `accept` gives an error.
    pub(crate) fn finish_if<E: From<BuildError>>(
        self,
        accept: impl FnOnce(&BuildSummary) -> Result<(), E>,
    ) -> Result<BuildSummary, E> {
        if self.failed {
            return Err(BuildError::Failed.into());
        }
        let Self { input, settings, .. } = self;
        let (output, summary) = match input {
            Input::Ascending(resolver) => resolver.finish()?,
            Input::Any(collector) => collector.finish(&settings)?,
        };
        accept(&summary)?;
        settings.progress.tell(BuildPhase::Sync, 0, summary.file_bytes)?;
        output.publish(settings.publishing())?;
        settings.progress.tell_end(BuildPhase::Sync, summary.file_bytes, summary.file_bytes);
        Ok(summary)
    }
}
