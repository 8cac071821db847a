//! Entries in, a published table out: sort → encode → index → sink → publish.

mod blocks;
mod budget;
mod collect;
mod hash;
mod index;
mod line;
mod options;
mod pass;
mod pool;
mod progress;
mod records;
mod resolve;
mod scratch;
mod sections;
mod sink;
mod sort;
mod spool;
mod stream;
mod summary;
mod table;
mod tally;
mod typed;

pub use options::{BuildOptions, Duplicates, HashIndex};
pub use progress::{Phase, Progress};
pub use summary::{HashIndexOutcome, Summary};
pub use typed::TypedBuilder;

use crate::error::BuildError;
use crate::file::{Unpublished, target};
use crate::format::{MAX_KEY, MAX_VALUE};
use collect::Collector;
use pool::Pool;
use resolve::Resolver;
use scratch::Stored;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use stream::Stream;

/// Builds a table. Entries may come in any order; [`finish`](Builder::finish) publishes the table
/// under its name, and a builder that is dropped before leaves nothing behind.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("capitals.grv");
/// let mut builder = graven::Builder::create(&path)?;
/// builder.insert(b"fr", b"Paris")?;
/// builder.insert(b"de", b"Berlin")?;
/// builder.finish()?;
/// let table = graven::Table::load(&path)?;
/// assert_eq!(table.get(b"de")?, Some(&b"Berlin"[..]));
/// # Ok(())
/// # }
/// ```
pub struct Builder {
    input: Input,
    options: BuildOptions,
    entries: u64,
    stream: Stream,
    /// An insert failed: what was collected may lack entries, so it must not be published.
    failed: bool,
}

enum Input {
    /// Any order: collected and sorted at the end.
    Any(Box<Collector>),
    /// Promised order: streamed.
    Ascending(Box<Resolver>),
}

impl Builder {
    /// Starts a build of the table at `path` with the default options.
    ///
    /// # Errors
    /// [`BuildError::Io`] where the directory can't be written.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, BuildError> {
        BuildOptions::new().create(path)
    }

    fn start(options: BuildOptions, path: &Path) -> Result<Self, BuildError> {
        let output = Unpublished::create(path, options.replace)?;
        if !options.duplicates.drops() {
            output.check_space(options.expected_bytes)?;
        }
        let beside = target::directory_of(path);
        let directory: Arc<Path> = options.temp_dir.as_deref().unwrap_or(beside).into();
        let input = if options.sorted {
            let memory = options.memory();
            Input::Ascending(Box::new(Resolver::new(
                &options,
                output,
                &directory,
                &Pool::new(options.threads),
                memory,
                0,
            )))
        } else {
            scratch::check(&directory)?;
            let collector = Collector::new(&options, output, &directory);
            Input::Any(Box::new(collector))
        };
        Ok(Self { input, options, entries: 0, stream: Stream::default(), failed: false })
    }

    /// Adds an entry: a key of 0 to 65,535 bytes, a value of 0 to 4 GiB − 1. Both are copied.
    ///
    /// # Errors
    /// [`BuildError::KeyTooLong`], [`BuildError::ValueTooLong`]; with `sorted(true)`
    /// [`BuildError::OutOfOrder`]; [`BuildError::DuplicateKey`], here where entries come in order
    /// and are written on the way, else from [`finish`](Self::finish); an I/O error where
    /// something is written on the way. After an error the builder is of no use: every further
    /// call is [`BuildError::Failed`], and nothing is published.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        if self.failed {
            return Err(BuildError::Failed);
        }
        let inserted = self.try_insert(key, value);
        self.failed = inserted.is_err();
        inserted
    }

    /// Adds an entry whose value is read from `value` to its end, so that a value of any length
    /// takes little memory: 2 MiB of it are held at a time, and a longer value waits in a file
    /// without a name in [`temp_dir`](BuildOptions::temp_dir) until it is written to the table.
    /// The key is copied.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let path = dir.path().join("files.grv");
    /// # let source = dir.path().join("disk.img");
    /// # std::fs::write(&source, b"image")?;
    /// let mut builder = graven::Builder::create(&path)?;
    /// builder.insert_from(b"disk.img", std::fs::File::open(&source)?)?;
    /// builder.finish()?;
    /// assert_eq!(graven::Table::load(&path)?.get(b"disk.img")?, Some(&b"image"[..]));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`insert`](Self::insert), with the same consequence: the builder is of no use afterwards
    /// and nothing is published. [`BuildError::ValueReader`] where `value` fails;
    /// [`BuildError::ValueTooLong`] once more than 4 GiB − 1 have been read. After an error, and
    /// only then, some of `value` may be left unread.
    pub fn insert_from(&mut self, key: &[u8], mut value: impl Read) -> Result<(), BuildError> {
        if self.failed {
            return Err(BuildError::Failed);
        }
        // Before the reader is called: if it panics, the entry is missing as well.
        self.failed = true;
        self.try_insert_from(key, &mut value)?;
        self.failed = false;
        Ok(())
    }

    fn try_insert_from(&mut self, key: &[u8], value: &mut dyn Read) -> Result<(), BuildError> {
        let entry = self.entries;
        if key.len() > MAX_KEY {
            return Err(BuildError::KeyTooLong { len: key.len(), entry });
        }
        // Taken out, so that a value in it and the rest of the builder can be used together.
        let mut stream = std::mem::take(&mut self.stream);
        let begun = stream.begin(value);
        match begun.map_err(|source| BuildError::ValueReader { entry, source })? {
            Some(whole) => self.try_insert(key, whole)?,
            None => {
                let (file, at) = match &mut self.input {
                    Input::Any(collector) => collector.room(key)?,
                    Input::Ascending(resolver) => (resolver.room()?, 0),
                };
                let stored = stream.store(value, file, at, MAX_VALUE, entry)?;
                self.insert_stored(key, &stored)?;
            }
        }
        self.stream = stream;
        Ok(())
    }

    /// Adds an entry whose value stands where `room` said for its key.
    fn insert_stored(&mut self, key: &[u8], value: &Stored) -> Result<(), BuildError> {
        self.entries += 1;
        match &mut self.input {
            Input::Any(collector) => collector.push_stored(&self.options, key, value),
            Input::Ascending(resolver) => resolver.push_stored(key, value),
        }
    }

    #[inline]
    fn try_insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        let entry = self.entries;
        if key.len() > MAX_KEY {
            return Err(BuildError::KeyTooLong { len: key.len(), entry });
        }
        if value.len() as u64 > MAX_VALUE {
            return Err(BuildError::ValueTooLong { len: value.len(), entry });
        }
        self.entries += 1;
        match &mut self.input {
            Input::Any(collector) => collector.push(&self.options, key, value),
            Input::Ascending(resolver) => resolver.push(key, value),
        }
    }

    /// Sorts, writes and publishes the table. On `Ok` with `durable` the table survives a power
    /// loss.
    ///
    /// # Errors
    /// Nothing is published on an error, except for [`BuildError::PublishedButNotDurable`].
    pub fn finish(self) -> Result<Summary, BuildError> {
        if self.failed {
            return Err(BuildError::Failed);
        }
        let Self { input, options, .. } = self;
        let (output, written) = match input {
            Input::Ascending(resolver) => resolver.finish()?,
            Input::Any(collector) => collector.finish(&options)?,
        };
        options.progress.tell(Phase::Sync, 0, written.file_bytes);
        output.publish(options.publishing())?;
        options.progress.tell(Phase::Sync, written.file_bytes, written.file_bytes);
        Ok(Summary {
            entries: written.entries,
            keys: written.keys,
            file_bytes: written.file_bytes,
            key_bytes: written.key_bytes,
            value_bytes: written.value_bytes,
            build_id: written.build_id,
            hash_index: written.hash_index,
            set_aside: written.set_aside,
        })
    }
}
