//! The manifest of a set: which tables it consists of, and which of them has which keys. It is
//! read as if an enemy had written it; [`docs/sets.md`] is its specification.
//!
//! [`docs/sets.md`]: https://docs.rs/crate/graven/latest/source/docs/sets.md

pub(crate) mod digest;
mod hex;
mod json;
pub(crate) mod partition;
mod shard;

use crate::build_id::BuildId;
use crate::error::{OpenFailure, SetError};
use crate::file::io::open_regular;
use crate::file::target::CURRENT;
use hex::hex;
pub(crate) use json::MOST_SHARDS;
use json::{Fault, Fields};
pub use partition::{Partition, hash_shard};
pub use shard::Shard;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The manifest's name in the directory of a set's version.
pub(crate) const MANIFEST: &str = "MANIFEST.json";
/// Names of other files in the directory of a version: by them a version with a table is told from
/// one with a set.
const RESERVED: [&str; 4] = [MANIFEST, "new.json", "table.grv", "new.grv"];
/// Longest wait for a lock, which whoever prunes holds as long as it takes to remove a file. Tests hold
/// it longer, and must not fail where a machine stands still for a second.
const PATIENCE: Duration = Duration::from_secs(if cfg!(test) { 60 } else { 1 });
const PAUSE: Duration = Duration::from_millis(2);
/// Attempts to read the current version, which may be pruned after its name was found.
const ATTEMPTS: usize = 10;
/// Longest key of a table.
const MOST_KEY: usize = crate::format::MAX_KEY;

/// What a set consists of, as its `MANIFEST.json` says.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Identifies the content: a hash of the digests of all shards.
    pub id: BuildId,
    /// How keys are divided among the shards.
    pub partition: Partition,
    /// Entries of all shards.
    pub entries: u64,
    /// Bytes of all shards.
    pub bytes: u64,
    /// The shards: by their keys, ascending, or by the number that a key's hash gives.
    pub shards: Vec<Shard>,
}

impl Manifest {
    /// The `version` of manifests that this library writes, and the only one that it reads.
    pub const VERSION: u64 = json::VERSION;
    /// Most bytes that the text of a manifest may have.
    pub const MOST_BYTES: u64 = json::MOST_BYTES;

    /// Parses the text of a manifest, and checks all that can be checked without the shards. `name`
    /// is the manifest's path or address, for errors. Costs time and memory by the length of the
    /// text.
    ///
    /// ```
    /// let error = graven::Manifest::from_json(b"{}", "s3://bucket/MANIFEST.json").unwrap_err();
    /// assert!(error.to_string().starts_with("s3://bucket/MANIFEST.json: field format"));
    /// ```
    ///
    /// # Errors
    /// [`SetError::Manifest`] with the field at fault.
    pub fn from_json(text: &[u8], name: impl Into<PathBuf>) -> Result<Self, SetError> {
        let parsed = match text.len() as u64 > Self::MOST_BYTES {
            true => Err(Fault::too_long()),
            false => Self::parse(text),
        };
        parsed.map_err(|Fault { field, what }| SetError::Manifest {
            path: name.into(),
            field,
            what,
        })
    }

    /// The manifest of these shards.
    pub(crate) fn new(partition: Partition, shards: Vec<Shard>) -> Result<Self, Fault> {
        check(&shards, partition)?;
        let total = |name: &str, of: fn(&Shard) -> u64| {
            let sum = shards.iter().try_fold(0u64, |sum, shard| sum.checked_add(of(shard)));
            let sum = sum.filter(|&sum| sum <= i64::MAX as u64);
            sum.ok_or_else(|| Fault::new(format!("shards[].{name}"), "add up to 2^63 or more"))
        };
        let entries = total("entries", |shard| shard.entries)?;
        let bytes = total("bytes", |shard| shard.bytes)?;
        let id = id_of(&shards, partition);
        Ok(Self { id, partition, entries, bytes, shards })
    }

    /// Parses the text of a manifest, and checks all that can be checked without the shards.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Fault> {
        let Fields { id, partition, entries, shards } = Fields::read(text)?;
        let Some(partition) = Partition::of_name(&partition) else {
            return Err(Fault::new("partition", "is neither \"range\" nor \"hash\""));
        };
        let manifest = Self::new(partition, shards)?;
        if entries != manifest.entries {
            let what = format!("is {entries}, but the shards have {}", manifest.entries);
            return Err(Fault::new("entries", what));
        }
        if id != manifest.id.to_string() {
            let what = format!("does not fit the shards, whose digests give {}", manifest.id);
            return Err(Fault::new("id", what));
        }
        Ok(manifest)
    }

    /// Reads the manifest in the directory of a set's version. The file holds a shared lock: as
    /// long as it is open, nobody prunes the version.
    pub(crate) fn read(directory: &Path) -> Result<(Self, File), SetError> {
        let path = directory.join(MANIFEST);
        let io = |action| {
            let path = path.clone();
            move |source| SetError::Io { action, path, source }
        };
        let fault = |Fault { field, what }| SetError::Manifest { path: path.clone(), field, what };
        let opened = open_regular(&path, |source| OpenFailure::Io { action: "", source });
        let (file, metadata) = match opened {
            Err(OpenFailure::NotARegularFile { kind }) => {
                return Err(fault(Fault::new("(file)", format!("is a {kind}"))));
            }
            Err(OpenFailure::Io { source, .. }) => return Err(io("open the manifest")(source)),
            other => other
                .map_err(|error| io("open the manifest")(io::Error::other(error.to_string())))?,
        };
        share(&file);
        // Whoever prunes removes the name while it has the lock.
        let standing = fs::metadata(&path).map_err(io("open the manifest"))?;
        if (standing.dev(), standing.ino()) != (metadata.dev(), metadata.ino()) {
            let error = io::Error::new(io::ErrorKind::NotFound, "it was replaced meanwhile");
            return Err(io("open the manifest")(error));
        }
        if metadata.len() > Self::MOST_BYTES {
            return Err(fault(Fault::too_long()));
        }
        let mut text = Vec::new();
        let read = (&file).take(Self::MOST_BYTES + 1).read_to_end(&mut text);
        read.map_err(io("read the manifest"))?;
        Ok((Self::from_json(&text, path)?, file))
    }

    /// Reads the manifest of the set at `path`, as [`read`](Self::read) does. Returns it with the
    /// directory of its version.
    pub(crate) fn find(path: &Path) -> Result<(PathBuf, (Self, File)), SetError> {
        let directory_of = || {
            let failed =
                |source| SetError::Io { action: "find the set", path: path.to_owned(), source };
            directory_of(path).map_err(failed)
        };
        let mut attempt = 1;
        loop {
            let directory = directory_of()?;
            match Self::read(&directory) {
                Err(SetError::Io { source, .. })
                    if source.kind() == io::ErrorKind::NotFound
                        && attempt < ATTEMPTS
                        && directory_of().is_ok_and(|now| now != directory) =>
                {
                    attempt += 1;
                }
                read => return Ok((directory, read?)),
            }
        }
    }

    /// Whether a shard is a packed table: [`PackedSet`](crate::PackedSet) opens the set then, and
    /// [`TableSet`](crate::TableSet) refuses it.
    #[must_use]
    pub fn has_packed_shards(&self) -> bool {
        self.shards.iter().any(|shard| shard.packed)
    }

    /// The text of the manifest, which [`from_json`](Self::from_json) reads.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut text = Vec::new();
        self.write(&mut text).expect("memory takes all that is written");
        text
    }

    /// Writes the text of the manifest.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let id = self.id.to_string();
        json::write(out, &id, self.partition.name(), self.entries, &self.shards)
    }

    /// Compares length and digest of every shard in `directory`.
    pub(crate) fn check_files(&self, directory: &Path) -> Result<(), SetError> {
        self.shards.iter().try_for_each(|shard| shard.check_file(directory))
    }
}

/// Takes a shared lock, if that takes no longer than a second: whoever may read the file may hold
/// a lock on it. Without the lock, as where the file system has none, the age of versions protects
/// them.
fn share(file: &File) {
    let begun = Instant::now();
    while let Err(error) = fs2::FileExt::try_lock_shared(file) {
        if error.kind() != io::ErrorKind::WouldBlock || begun.elapsed() > PATIENCE {
            return;
        }
        std::thread::sleep(PAUSE);
    }
}

/// The directory of a set's version: that of the current one in a directory of versions, or the
/// path itself. Links are resolved, so that the version stays the same when the pointer moves.
fn directory_of(path: &Path) -> io::Result<PathBuf> {
    let current = path.join(CURRENT);
    fs::canonicalize(if current.is_symlink() { &current } else { path })
}

/// The path of the current manifest of the set at `path`, and whether a pointer leads to it. The
/// links stay in the path.
pub(crate) fn path_of(path: &Path) -> (PathBuf, bool) {
    let current = path.join(CURRENT);
    let is_pointer = current.is_symlink();
    (if is_pointer { &current } else { path }.join(MANIFEST), is_pointer)
}

/// The first 16 bytes of the SHA-256 of a line for the partition and one for the digest of each
/// shard.
fn id_of(shards: &[Shard], partition: Partition) -> BuildId {
    let start = partition.name().to_owned();
    let lines: Vec<String> =
        [start].into_iter().chain(shards.iter().map(|shard| hex(&shard.sha256))).collect();
    let texts = lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]);
    let digest = digest::sha256_of(texts);
    digest.first_chunk::<16>().copied().unwrap_or_default().into()
}

/// Returns the first fault of the shards of a set.
fn check(shards: &[Shard], partition: Partition) -> Result<(), Fault> {
    if shards.is_empty() || shards.len() > MOST_SHARDS {
        let what = format!("has {} shards, 1 to {MOST_SHARDS} are allowed", shards.len());
        return Err(Fault::new("shards", what));
    }
    let mut names = HashSet::new();
    let mut before: Option<&[u8]> = None;
    for (i, shard) in shards.iter().enumerate() {
        let fault = |field, what: &str| Err(Fault::new(format!("shards[{i}].{field}"), what));
        if !is_plain(&shard.file) {
            return fault(
                "file",
                "is no plain name of ASCII letters, digits, '.', '_' and '-' that begins with \
                 none of the latter and has at most 255 bytes, or is one of a version's own files",
            );
        }
        if !names.insert(&shard.file) {
            return fault("file", "occurs twice");
        }
        let (first, last) = match (&shard.first_key, &shard.last_key, shard.entries) {
            (None, None, 0) if partition == Partition::Hash || shards.len() == 1 => continue,
            (None, None, 0) => {
                return fault("entries", "is 0, in a set of more than one range shard");
            }
            (Some(first), Some(last), 1..) => (first, last),
            (None, _, _) => return fault("first_key", "is null, but the shard has entries"),
            (_, None, _) => return fault("last_key", "is null, but the shard has entries"),
            _ => return fault("first_key", "is a key, but the shard has no entries"),
        };
        if first.len() > MOST_KEY || last.len() > MOST_KEY {
            let field = if first.len() > MOST_KEY { "first_key" } else { "last_key" };
            return fault(field, "is longer than a key can be");
        }
        if first > last {
            return fault("first_key", "is above the last key");
        }
        if partition == Partition::Range && before.is_some_and(|before| before >= &first[..]) {
            return fault("first_key", "is not above the last key of the shard before");
        }
        before = Some(last);
    }
    Ok(())
}

/// Whether a name leads to a file in the directory of the manifest and to no other one, on every
/// system.
pub(crate) fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    name.len() <= 255
        && name.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && name.bytes().all(plain)
        && !RESERVED.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    /// An empty shard.
    fn empty(file: &str) -> Shard {
        Shard {
            file: file.into(),
            entries: 0,
            bytes: 1,
            build_id: [0; 16].into(),
            first_key: None,
            last_key: None,
            sha256: [0; 32],
            packed: false,
        }
    }

    /// The field at fault, in a set of these shards.
    fn fault(shards: &[Shard], partition: Partition) -> String {
        check(shards, partition).unwrap_err().field
    }

    /// The field at fault.
    fn field(error: SetError) -> String {
        match error {
            SetError::Manifest { field, .. } => field,
            other => panic!("{other}"),
        }
    }

    #[test]
    fn a_set_is_packed_if_one_of_its_shards_is() {
        let packed = Shard { packed: true, ..empty("b") };
        let of = |shards| Manifest::new(Partition::Hash, shards).unwrap().has_packed_shards();
        assert!(!of(vec![empty("a")]));
        assert!(of(vec![empty("a"), packed]));
    }

    #[test]
    fn a_set_may_have_the_most_shards() {
        let unnamed = vec![empty(""); MOST_SHARDS + 1];
        assert_eq!(fault(&unnamed, Partition::Hash), "shards");
        assert_eq!(fault(&unnamed[1..], Partition::Hash), "shards[0].file");
    }

    #[test]
    fn a_range_shard_is_empty_only_if_it_is_alone() {
        let two = [empty("a"), empty("b")];
        assert_eq!(fault(&two, Partition::Range), "shards[0].entries");
        assert_eq!(check(&two, Partition::Hash), Ok(()));
        assert_eq!(check(&two[..1], Partition::Range), Ok(()));
    }

    #[test]
    fn the_key_that_is_too_long_is_named() {
        let fault = |first: usize, last: usize| {
            let [first_key, last_key] = [first, last].map(|len| Some(vec![b'k'; len]));
            fault(&[Shard { entries: 1, first_key, last_key, ..empty("a") }], Partition::Range)
        };
        assert_eq!(fault(MOST_KEY + 1, MOST_KEY + 1), "shards[0].first_key");
        assert_eq!(fault(MOST_KEY, MOST_KEY + 1), "shards[0].last_key");
    }

    #[test]
    fn a_manifest_may_have_the_most_bytes() {
        let zeros = vec![0; Manifest::MOST_BYTES as usize + 1];
        let fault = |text: &[u8]| field(Manifest::from_json(text, "").unwrap_err());
        assert_eq!(fault(&zeros[1..]), "(JSON)");
        assert_eq!(fault(&zeros), "(file)");
        let directory = tempfile::tempdir().unwrap();
        let file = File::create(directory.path().join(MANIFEST)).unwrap();
        file.set_len(Manifest::MOST_BYTES).unwrap();
        assert_eq!(field(Manifest::read(directory.path()).unwrap_err()), "(JSON)");
    }

    #[test]
    fn a_lock_is_waited_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let [pruner, reader] = [(); 2].map(|()| file.reopen().unwrap());
        fs2::FileExt::try_lock_exclusive(&pruner).unwrap();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(25 * PAUSE);
                fs2::FileExt::unlock(&pruner).unwrap();
            });
            share(&reader);
        });
        assert!(fs2::FileExt::try_lock_exclusive(&pruner).is_err(), "the reader has no lock");
    }

    /// Waits until a reader has opened the file at `path`, which the test has open, too, or has
    /// ended.
    #[cfg(target_os = "linux")]
    fn await_reader<T>(reader: &thread::ScopedJoinHandle<'_, T>, path: &Path) {
        let is_open_twice = || {
            let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
            open.filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to == path)).count() == 2
        };
        while !is_open_twice() && !reader.is_finished() {
            thread::sleep(PAUSE);
        }
    }

    /// The length is asked for before the lock.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_manifest_that_grows_is_too_long() {
        let place = tempfile::tempdir().unwrap();
        let directory = place.path().canonicalize().unwrap();
        let path = directory.join(MANIFEST);
        let file = File::create(&path).unwrap();
        fs2::FileExt::try_lock_exclusive(&file).unwrap();
        let read = thread::scope(|scope| {
            let reader = scope.spawn(|| Manifest::read(&directory));
            await_reader(&reader, &path);
            thread::sleep(5 * PAUSE);
            file.set_len(Manifest::MOST_BYTES + 1).unwrap();
            fs2::FileExt::unlock(&file).unwrap();
            reader.join().unwrap()
        });
        assert_eq!(field(read.unwrap_err()), "(file)");
    }

    /// Whether a reader finds the last version of a set, when each of the `pruned` ones before is
    /// taken away while the reader waits for its lock, and the pointer moves on.
    #[cfg(target_os = "linux")]
    fn finds_the_last(pruned: usize, take_away: fn(&Path)) -> Result<bool, io::ErrorKind> {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().canonicalize().unwrap();
        let version = |i: usize| root.join(i.to_string());
        let point_to = |i: usize| {
            let next = root.join("next");
            std::os::unix::fs::symlink(version(i), &next).unwrap();
            fs::rename(next, root.join(CURRENT)).unwrap();
        };
        let text = Manifest::new(Partition::Hash, vec![empty("a")]).unwrap().to_json();
        let write = |i| {
            fs::create_dir(version(i)).unwrap();
            let mut file = File::create(version(i).join(MANIFEST)).unwrap();
            file.write_all(&text).unwrap();
            file
        };
        let files: Vec<File> = (0..=pruned).map(write).collect();
        files[..pruned].iter().for_each(|file| fs2::FileExt::try_lock_exclusive(file).unwrap());
        point_to(0);
        let found = thread::scope(|scope| {
            let reader = scope.spawn(|| Manifest::find(&root));
            for (i, file) in files[..pruned].iter().enumerate() {
                await_reader(&reader, &version(i).join(MANIFEST));
                point_to(i + 1);
                take_away(&version(i));
                fs2::FileExt::unlock(file).unwrap();
            }
            reader.join().unwrap()
        });
        match found {
            Ok((directory, _)) => Ok(directory == version(pruned)),
            Err(SetError::Io { source, .. }) => Err(source.kind()),
            Err(other) => panic!("{other}"),
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_reader_goes_on_to_the_next_version_when_one_is_pruned() {
        let prune = |version: &Path| fs::remove_dir_all(version).unwrap();
        assert_eq!(finds_the_last(ATTEMPTS - 1, prune), Ok(true));
        assert_eq!(finds_the_last(ATTEMPTS, prune), Err(io::ErrorKind::NotFound));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_reader_stops_at_what_no_pruning_does() {
        let spoil = |version: &Path| {
            fs::remove_dir_all(version).unwrap();
            fs::write(version, "no directory").unwrap();
        };
        assert_eq!(finds_the_last(1, spoil), Err(io::ErrorKind::NotADirectory));
    }
}
