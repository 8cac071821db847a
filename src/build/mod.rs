//! Entries in, a published table out: sort → encode → index → sink → publish.

mod blocks;
pub(crate) mod check;
mod hash;
mod index;
mod line;
mod options;
pub(crate) mod publish;
mod sections;
mod sink;
mod sort;
mod summary;
mod table;
mod tally;
mod typed;

pub use options::{BuildOptions, Duplicates, HashIndex};
pub use publish::remove_unpublished;
pub use summary::{HashIndexOutcome, Summary};
pub use typed::TypedBuilder;

use crate::error::BuildError;
use crate::format::{MAX_KEY, MAX_VALUE};
use publish::Unpublished;
use sort::Sorter;
use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;
use table::{Plan, TableWriter};

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
    /// An insert failed: what was collected may lack entries, so it must not be published.
    failed: bool,
    pool: Option<Arc<rayon::ThreadPool>>,
}

enum Input {
    /// Any order: collected and sorted at the end.
    Any(Box<Sorter>, Unpublished),
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
        let pool = match options.threads {
            0 => None,
            n => Some(Arc::new(rayon::ThreadPoolBuilder::new().num_threads(n).build().map_err(
                |e| {
                    let source = std::io::Error::other(e);
                    BuildError::Io { action: "start threads", path: path.to_owned(), source }
                },
            )?)),
        };
        let input = if options.sorted {
            Input::Ascending(Box::new(Resolver::new(&options, output)))
        } else {
            let beside = publish::directory(path);
            let directory = options.temp_dir.as_deref().unwrap_or(beside);
            publish::check_temporary(directory)?;
            Input::Any(
                Box::new(Sorter::new(options.memory_budget, directory, pool.clone())),
                output,
            )
        };
        Ok(Self { input, options, entries: 0, failed: false, pool })
    }

    /// Adds an entry: a key of 0 to 65,535 bytes, a value of 0 to 4 GiB − 1. Both are copied.
    ///
    /// # Errors
    /// [`BuildError::KeyTooLong`], [`BuildError::ValueTooLong`]; with `sorted(true)`
    /// [`BuildError::OutOfOrder`] and [`BuildError::DuplicateKey`]; an I/O error where entries
    /// are written on the way. After an error the builder is of no use: every further call is
    /// [`BuildError::Failed`], and nothing is published.
    pub fn insert(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        if self.failed {
            return Err(BuildError::Failed);
        }
        let inserted = self.try_insert(key, value);
        self.failed = inserted.is_err();
        inserted
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
            Input::Any(sorter, _) => sorter.push(key, value),
            Input::Ascending(resolver) => resolver.push(key, value, entry),
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
        let Self { input, options, pool, .. } = self;
        let run = move || Self::write(input, &options);
        match pool {
            Some(pool) => pool.install(run),
            None => run(),
        }
    }

    fn write(input: Input, options: &BuildOptions) -> Result<Summary, BuildError> {
        let resolver = match input {
            Input::Ascending(resolver) => *resolver,
            Input::Any(sorter, output) => {
                if !options.duplicates.drops() {
                    output.check_space(sorter.bytes())?;
                }
                let mut resolver = Resolver::new(options, output);
                let mut entry = 0;
                sorter.visit(&mut |key, value| {
                    entry += 1;
                    resolver.push(key, value, entry - 1)
                })?;
                resolver
            }
        };
        let (output, written) = resolver.finish()?;
        output.publish(options.publishing())?;
        Ok(Summary {
            entries: written.entries,
            keys: written.keys,
            file_bytes: written.file_bytes,
            key_bytes: written.key_bytes,
            value_bytes: written.value_bytes,
            build_id: written.build_id,
            hash_index: written.hash_index,
        })
    }
}

/// Checks the order and applies the duplicates policy on the way to the writer.
struct Resolver {
    writer: TableWriter,
    duplicates: Duplicates,
    /// The key before; with `Duplicates::Last` its value, which is written once its successor
    /// differs.
    key: Vec<u8>,
    value: Vec<u8>,
    any: bool,
}

impl Resolver {
    fn new(options: &BuildOptions, output: Unpublished) -> Self {
        let plan = Plan {
            align_log2: options.value_align.trailing_zeros() as u8,
            hash_index: options.hash_index,
            metadata: options.metadata.clone(),
            types: options.types,
        };
        Self {
            writer: TableWriter::new(output, plan),
            duplicates: options.duplicates,
            key: Vec::new(),
            value: Vec::new(),
            any: false,
        }
    }

    fn push(&mut self, key: &[u8], value: &[u8], entry: u64) -> Result<(), BuildError> {
        let order = if self.any { self.key.as_slice().cmp(key) } else { Ordering::Less };
        match order {
            Ordering::Greater => {
                let previous = self.key.clone();
                return Err(BuildError::OutOfOrder { previous, key: key.to_vec(), entry });
            }
            Ordering::Equal => match self.duplicates {
                Duplicates::Error => return Err(BuildError::DuplicateKey { key: key.to_vec() }),
                Duplicates::First => return Ok(()),
                Duplicates::Last => {
                    self.value.clear();
                    self.value.extend_from_slice(value);
                    return Ok(());
                }
                Duplicates::Keep => {}
            },
            Ordering::Less if self.duplicates == Duplicates::Last => {
                if self.any {
                    self.writer.push(&self.key, &self.value)?;
                }
                self.value.clear();
                self.value.extend_from_slice(value);
            }
            Ordering::Less => {}
        }
        if self.duplicates != Duplicates::Last {
            self.writer.push(key, value)?;
        }
        if order.is_lt() {
            self.any = true;
            self.key.clear();
            self.key.extend_from_slice(key);
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(Unpublished, table::Written), BuildError> {
        if self.any && self.duplicates == Duplicates::Last {
            self.writer.push(&self.key, &self.value)?;
        }
        self.writer.finish()
    }
}
