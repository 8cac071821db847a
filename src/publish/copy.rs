//! Copies a table, checks it on the way and publishes the copy.

use super::guard::{Guard, Incoming};
use crate::build_id::BuildId;
use crate::error::{BuildError, OpenFailure, PublishError};
use crate::file::integrity::{self, Check};
use crate::file::io::{CHUNK, open_regular, read_exact_at, write_all_at};
use crate::file::{Publishing, Unpublished};
use crate::format::layout::Layout;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Options for copying a table to where it is published.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let (built, served) = (dir.path().join("built.grv"), dir.path().join("served.grv"));
/// # graven::Builder::create(&built)?.finish()?;
/// let options = graven::PublishOptions::new().mode(0o440);
/// let published = options.publish(&built, &served)?;
/// assert_eq!(published.file_bytes, std::fs::metadata(&served)?.len());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct PublishOptions {
    pub(super) how: Publishing,
    pub(super) directory_mode: Option<u32>,
    pub(super) guard: Guard,
}

/// A table that was copied. `Display` writes one line: bytes and build id.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublishSummary {
    /// Bytes of the table.
    pub file_bytes: u64,
    /// The hash of the table's content.
    pub build_id: BuildId,
}

impl fmt::Display for PublishSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file_bytes, build_id } = self;
        write!(f, "{file_bytes} bytes, build id {build_id}")
    }
}

impl Default for PublishOptions {
    fn default() -> Self {
        let how = Publishing { mode: 0o444, durable: true, replace: true, read_back: false };
        Self { how, directory_mode: None, guard: Guard::default() }
    }
}

impl PublishOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Permission bits of the published file, whatever the umask. Default: 0o444.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.how.mode = mode;
        self
    }

    /// Permission bits of the directories that [`Versions::publish`](crate::Versions::publish)
    /// makes, whatever the umask. Directories that exist keep their permissions. Default: whoever
    /// may read the table may enter the directories, and only their owner may change them; for a
    /// table of mode 0o444 that is 0o755. With 0o2775 everyone in the group of the first directory
    /// may publish, roll back and prune. The mode must include all bits of the owner (0o700).
    #[must_use]
    pub fn directory_mode(mut self, mode: u32) -> Self {
        self.directory_mode = Some(mode);
        self
    }

    /// Whether the copy and its directory are synced before [`publish`](Self::publish) returns. Default: true.
    #[must_use]
    pub fn durable(mut self, durable: bool) -> Self {
        self.how.durable = durable;
        self
    }

    /// Whether a table that stands at the path is replaced. Default: true. Any other file is
    /// never replaced, unless it is empty.
    #[must_use]
    pub fn replace(mut self, replace: bool) -> Self {
        self.how.replace = replace;
        self
    }

    /// Whether the copy is read back from the disk and checked again before it gets its name, as
    /// [`BuildOptions::verify_after_write`](crate::BuildOptions::verify_after_write) does for a
    /// build. Default: false, since the bytes are checked while they are copied.
    #[must_use]
    pub fn verify_after_write(mut self, verify: bool) -> Self {
        self.how.read_back = verify;
        self
    }

    /// Fewest entries that a table must have to be published: one with fewer comes from a build
    /// that lost its input. Costs nothing, the header has the number. Default: 0.
    #[must_use]
    pub fn min_entries(mut self, entries: u64) -> Self {
        self.guard.min_entries = entries;
        self
    }

    /// Largest part of the entries of the table that is replaced that may be missing in the new
    /// one: with 0.1, a new table with less than 90 % of the entries of the current one is refused,
    /// for example because a build lost its input. From 0.0 to 1.0; any number by default. Only the
    /// numbers of entries are compared, not keys. Costs opening the current table, of which header
    /// and footer are read. Where there is no current table, every new one may be published.
    ///
    /// The current version of a directory of versions is compared before the copy and, under the
    /// lock, right before the pointer moves; a table under a name before the copy and right before
    /// the new one takes its name.
    #[must_use]
    pub fn max_shrink(mut self, part: f64) -> Self {
        self.guard.max_shrink = Some(part);
        self
    }

    /// Copies the table at `source`, from any directory, disk or mount, to `target` and publishes it
    /// there in one step, as a build does. Until that step, and after any error, what stood at
    /// `target` stays there. All checksums and the build id are checked during the copy. The copy is
    /// written in chunks of 2 MiB, so that Linux can map it by 2 MiB pages; other ways of copying
    /// lose this.
    ///
    /// # Errors
    /// [`PublishError::Source`] if the source can't be read, is no table or is damaged;
    /// [`PublishError::TooFewEntries`], [`PublishError::Shrunk`] or [`PublishError::Current`] if a
    /// guard refuses it; [`PublishError::Target`] if the target can't be written.
    pub fn publish(
        &self,
        source: impl AsRef<Path>,
        target: impl AsRef<Path>,
    ) -> Result<PublishSummary, PublishError> {
        self.check()?;
        self.publish_source(Source::open(source.as_ref())?, target.as_ref())
    }

    /// Publishes the table that `source` is read from at `target`, as [`publish`](Self::publish)
    /// does: from a pipe, a socket, a decompressor. Nothing is held in memory but 2 MiB. The header
    /// comes first and says how many bytes there are, so the guards and a disk without room refuse
    /// the table before the rest of it is read.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let dir = tempfile::tempdir()?;
    /// # let (built, served) = (dir.path().join("built.grv"), dir.path().join("served.grv"));
    /// # graven::Builder::create(&built)?.finish()?;
    /// let stream = std::fs::File::open(&built)?; // or whatever can be read
    /// graven::PublishOptions::new().publish_from(stream, &served)?;
    /// assert_eq!(std::fs::read(&served)?, std::fs::read(&built)?);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`PublishError::Stream`] if the source can't be read, is no table, is damaged, or holds more
    /// than a table; otherwise those of [`publish`](Self::publish).
    pub fn publish_from(
        &self,
        mut source: impl Read,
        target: impl AsRef<Path>,
    ) -> Result<PublishSummary, PublishError> {
        self.check()?;
        self.publish_source(Source::from_reader(&mut source)?, target.as_ref())
    }

    fn publish_source(
        &self,
        source: Source<'_>,
        target: &Path,
    ) -> Result<PublishSummary, PublishError> {
        let incoming = source.incoming;
        let permit = || self.guard.permit(&incoming, || Ok(Some(target.to_owned())));
        let copy = Unpublished::create(target, self.how.replace)?;
        permit()?;
        source.copy(&copy)?;
        // Another table may have come meanwhile.
        permit()?;
        copy.publish(self.how)?;
        let Incoming { file_bytes, build_id, .. } = incoming;
        Ok(PublishSummary { file_bytes, build_id })
    }

    /// Permission bits of directories that are made: whoever may read the table may enter the
    /// directories above it.
    pub(super) fn mode_of_directories(&self) -> u32 {
        let mode = self.how.mode;
        self.directory_mode.unwrap_or(0o700 | mode & 0o044 | (mode & 0o044) >> 2)
    }

    pub(super) fn check(&self) -> Result<(), BuildError> {
        self.guard.check()?;
        let refused = |option, mode: u32, expected| {
            Err(BuildError::InvalidOption { option, got: format!("{mode:o}"), expected })
        };
        match (self.how.mode, self.directory_mode) {
            (0o1000.., _) => refused("mode", self.how.mode, "0 to 0777 (octal)"),
            (_, Some(mode)) if mode > 0o7777 || mode & 0o700 != 0o700 => {
                refused("directory_mode", mode, "0700 to 07777 (octal), all of 0700 among it")
            }
            _ => Ok(()),
        }
    }
}

/// A table to be copied.
pub(super) struct Source<'r> {
    origin: Origin<'r>,
    check: Check,
    pub(super) incoming: Incoming,
}

/// Where the bytes of a table come from.
enum Origin<'r> {
    File {
        path: PathBuf,
        file: File,
    },
    /// A stream, whose first bytes were read: a whole chunk, or all.
    Stream {
        start: Vec<u8>,
        rest: &'r mut dyn Read,
    },
}

impl<'r> Source<'r> {
    /// Opens a table and checks its two ends.
    pub(super) fn open(path: &Path) -> Result<Self, PublishError> {
        let opened = || {
            let (file, metadata) =
                open_regular(path, |source| OpenFailure::Io { action: "open the table", source })?;
            let layout = integrity::layout(&file, metadata.len())?;
            layout.refuse_patch()?;
            Ok(Self::new(Origin::File { path: path.to_owned(), file }, layout))
        };
        opened().map_err(|source| PublishError::Source { path: path.to_owned(), source })
    }

    /// Reads and checks the header of a table. Its footer is checked when it comes.
    pub(super) fn from_reader(rest: &'r mut dyn Read) -> Result<Self, PublishError> {
        let mut start = Vec::new();
        let read = rest.take(CHUNK as u64).read_to_end(&mut start).map_err(unread);
        let layout = read.and_then(|_| Layout::parse_start(&start));
        match layout.and_then(|layout| layout.refuse_patch().map(|()| layout)) {
            Ok(layout) => Ok(Self::new(Origin::Stream { start, rest }, layout)),
            Err(source) => Err(PublishError::Stream { source }),
        }
    }

    fn new(origin: Origin<'r>, layout: Layout) -> Self {
        let incoming = Incoming::new(&layout);
        Self { origin, check: Check::new(layout), incoming }
    }

    /// Copies and checks all of it.
    pub(super) fn copy(self, copy: &Unpublished) -> Result<(), PublishError> {
        let Self { mut origin, mut check, incoming } = self;
        copy.reserve(incoming.file_bytes)?;
        let mut buffer = Vec::new();
        for (at, len) in integrity::chunks(incoming.file_bytes) {
            origin.read(&mut buffer, at, len).map_err(|source| origin.failed(source))?;
            if buffer.len() < len {
                let (expected, got) = (incoming.file_bytes, at + buffer.len() as u64);
                return Err(origin.failed(OpenFailure::Truncated { expected, got }));
            }
            check.take(&buffer);
            write_all_at(copy.file(), &buffer, at).map_err(|source| {
                BuildError::io("write the unpublished table", copy.path(), at, source)
            })?;
        }
        let file = match &mut origin {
            Origin::File { file, .. } => Ok(&*file),
            Origin::Stream { rest, .. } => ended(*rest, incoming.file_bytes).map(|()| copy.file()),
        };
        let checked = file.and_then(|file| check.finish(file));
        checked.map_err(|source| origin.failed(source))
    }
}

impl Origin<'_> {
    /// Fills `buffer` with the chunk of `len` bytes at `at`. A stream is read in order, and may end
    /// within the chunk.
    fn read(&mut self, buffer: &mut Vec<u8>, at: u64, len: usize) -> Result<(), OpenFailure> {
        match self {
            Self::File { file, .. } => {
                buffer.resize(len, 0);
                read_exact_at(file, buffer, at).map_err(unread)?;
                integrity::ask_behind(file, at);
            }
            Self::Stream { start, .. } if at == 0 => std::mem::swap(buffer, start),
            Self::Stream { rest, .. } => {
                buffer.clear();
                rest.take(len as u64).read_to_end(buffer).map_err(unread)?;
            }
        }
        Ok(())
    }

    fn failed(&self, source: OpenFailure) -> PublishError {
        match self {
            Self::File { path, .. } => PublishError::Source { path: path.clone(), source },
            Self::Stream { .. } => PublishError::Stream { source },
        }
    }
}

fn unread(source: io::Error) -> OpenFailure {
    OpenFailure::Io { action: "read the table", source }
}

/// Returns an error if a stream goes on behind a table of `expected` bytes.
fn ended(rest: &mut dyn Read, expected: u64) -> Result<(), OpenFailure> {
    let mut more = Vec::new();
    match rest.take(1).read_to_end(&mut more).map_err(unread)? {
        0 => Ok(()),
        more => Err(OpenFailure::TrailingBytes { expected, got: expected + more as u64 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::write::BuildOptions;

    #[test]
    fn a_directory_mode_has_all_bits_of_the_owner_and_no_other_than_permissions() {
        let check = |mode| PublishOptions::new().directory_mode(mode).check();
        for mode in [0o700, 0o7777] {
            check(mode).unwrap();
        }
        for mode in [0o10700, 0o17777, 0o677, 0o7077] {
            let error = check(mode).unwrap_err();
            let BuildError::InvalidOption { option, got, .. } = &error else { panic!("{error}") };
            assert_eq!((*option, got), ("directory_mode", &format!("{mode:o}")));
        }
    }

    #[test]
    fn what_follows_a_table_is_found_by_its_first_byte() {
        ended(&mut &b""[..], 100).unwrap();
        let error = ended(&mut &b"more"[..], 100).unwrap_err();
        let OpenFailure::TrailingBytes { expected, got } = error else { panic!("{error:?}") };
        assert_eq!((expected, got), (100, 101));
    }

    /// A stream that must not be read once it has ended.
    struct Once<'a> {
        bytes: &'a [u8],
        ended: bool,
    }

    impl Read for Once<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            assert!(!self.ended, "read behind its end");
            let len = self.bytes.read(into)?;
            self.ended = len == 0;
            Ok(len)
        }
    }

    /// A terminal, for one, would be waited for.
    #[test]
    fn a_stream_that_ends_early_is_not_read_on() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.grv");
        let entries = (0..60_000u32).map(|number| (number.to_be_bytes(), [7u8; 50]));
        BuildOptions::new().durable(false).build(&path, entries).unwrap();
        let table = std::fs::read(&path).unwrap();
        // In the second chunk.
        let cut = CHUNK + 1000;
        assert!(table.len() > cut, "{} bytes", table.len());
        let stream = Once { bytes: &table[..cut], ended: false };
        let copied = PublishOptions::new().publish_from(stream, directory.path().join("copy"));
        let Err(PublishError::Stream { source: OpenFailure::Truncated { expected, got } }) = copied
        else {
            panic!("{copied:?}")
        };
        assert_eq!((expected, got), (table.len() as u64, cut as u64));
    }
}
