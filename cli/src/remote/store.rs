//! A set's place in an object store, with calls that block until the store has answered.

use super::address::{Address, Manner};
use super::fault::Fault;
use super::layout::{CURRENT, MANIFEST, MOST_POINTER, Name, VERSIONS};
use crate::exit::Failure;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use graven::ErrorKind;
use object_store::path::Path;
use object_store::{
    GetOptions, GetRange, GetResultPayload, MultipartUpload, ObjectStore, ObjectStoreExt,
    ObjectStoreScheme, PutMode, PutPayload, UpdateVersion,
};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;
use tokio::runtime::{self, Runtime};
use tokio::task::JoinHandle;

/// Threads that move bytes between sockets and the threads that ask for them.
const THREADS: usize = 2;

/// A set's place in an object store.
pub(crate) struct Remote {
    runtime: Runtime,
    reader: Arc<dyn ObjectStore>,
    writer: Arc<dyn ObjectStore>,
    prefix: Path,
    scheme: ObjectStoreScheme,
    shown: String,
}

/// A whole small object.
pub(crate) struct Small {
    pub(crate) bytes: Vec<u8>,
    /// Tells this object from the ones that replace it.
    pub(crate) version: UpdateVersion,
}

/// Condition of a write.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// None: whatever stands there is replaced.
    Always,
    /// Nothing stands there.
    Absent,
    /// The object that stands there is still this one.
    Same(UpdateVersion),
}

impl Remote {
    /// The place that the user names. Nothing is asked of the store yet.
    pub(crate) fn new(given: &OsStr, manner: Manner) -> Result<Self, Failure> {
        let Address { reader, writer, prefix, scheme, shown } = Address::of(given, manner)?;
        let mut runtime = runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(THREADS).enable_all().build();
        let runtime = runtime.map_err(|error| Failure::at(ErrorKind::Io, "threads", error))?;
        Ok(Self { runtime, reader, writer, prefix, scheme, shown })
    }

    /// What messages call an object.
    pub(crate) fn shown(&self, name: &str) -> String {
        format!("{}/{name}", self.shown)
    }

    /// What messages call the place.
    pub(crate) fn place(&self) -> &str {
        &self.shown
    }

    /// Whether the place is a directory of this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.scheme == ObjectStoreScheme::Local
    }

    /// Whether the place is on a web server, which is only read, and may lack ranges.
    pub(crate) fn is_web(&self) -> bool {
        self.scheme == ObjectStoreScheme::Http
    }

    /// The version that the place itself is named after.
    pub(crate) fn named_after(&self) -> Option<Name> {
        self.prefix.filename()?.parse().ok()
    }

    /// A small object, of at most `most` bytes.
    pub(crate) fn small(&self, name: &str, most: u64) -> Result<Small, Fault> {
        let mut body = self.open(name, None)?;
        let too_long = || Fault::Refused(format!("has more than {most} bytes"));
        if body.len > most {
            return Err(too_long());
        }
        let mut bytes = Vec::new();
        // A server may send more than it has announced.
        while body.read(&mut bytes, most + 1)? {}
        match bytes.len() as u64 {
            len if len > most => Err(too_long()),
            len if len != body.len => Err(short(len, body.len)),
            _ => Ok(Small { bytes, version: body.version }),
        }
    }

    /// The version that `CURRENT` points to, and the object. `None` if there is no such object.
    pub(crate) fn current(&self) -> Result<Option<(Option<Name>, Small)>, Fault> {
        match self.small(CURRENT, MOST_POINTER) {
            Ok(small) => Ok(Some((Name::pointed_to(&small.bytes), small))),
            Err(Fault::Missing) => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// The text of the manifest in a directory.
    pub(crate) fn manifest(&self, directory: &str) -> Result<Vec<u8>, Fault> {
        let name = within(directory, MANIFEST);
        Ok(self.small(&name, graven::Manifest::MOST_BYTES)?.bytes)
    }

    /// Starts to read an object: all of it, or a range.
    pub(crate) fn open(
        &self,
        name: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Body<'_>, Fault> {
        let range = range.map(GetRange::Bounded);
        let options = GetOptions { range, ..GetOptions::default() };
        let found = self.runtime.block_on(self.reader.get_opts(&self.path(name), options))?;
        let version = UpdateVersion { e_tag: found.meta.e_tag, version: found.meta.version };
        let source = match found.payload {
            GetResultPayload::File(mut file, _) => {
                file.seek(SeekFrom::Start(found.range.start)).map_err(io)?;
                Source::File(file)
            }
            GetResultPayload::Stream(stream) => Source::Stream(stream, Bytes::new()),
        };
        Ok(Body { runtime: &self.runtime, source, len: found.meta.size, version })
    }

    /// Bytes of an object.
    pub(crate) fn len(&self, name: &str) -> Result<u64, Fault> {
        Ok(self.runtime.block_on(self.reader.head(&self.path(name)))?.size)
    }

    /// All versions of which there are any objects. Where the store has directories, it may have none
    /// for them.
    pub(crate) fn versions(&self) -> Result<Vec<Name>, Fault> {
        let prefix = self.path(VERSIONS);
        let listed = self.runtime.block_on(self.reader.list_with_delimiter(Some(&prefix)));
        let listed = listed?;
        let names = listed.common_prefixes.iter().filter_map(Path::filename);
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }

    /// Writes a small object.
    pub(crate) fn put(&self, name: &str, bytes: Vec<u8>, when: Condition) -> Result<(), Fault> {
        let mode = match when {
            Condition::Always => PutMode::Overwrite,
            Condition::Absent => PutMode::Create,
            Condition::Same(version) => PutMode::Update(version),
        };
        let path = self.path(name);
        let put = self.writer.put_opts(&path, PutPayload::from(bytes), mode.into());
        Ok(self.runtime.block_on(put).map(drop)?)
    }

    /// Copies an object inside the store.
    pub(crate) fn copy(&self, from: &str, to: &str) -> Result<(), Fault> {
        Ok(self.runtime.block_on(self.writer.copy(&self.path(from), &self.path(to)))?)
    }

    /// Begins to write a large object.
    pub(crate) fn begin(&self, name: &str) -> Result<Parts<'_>, Fault> {
        let upload = self.runtime.block_on(self.writer.put_multipart(&self.path(name)))?;
        Ok(Parts { runtime: &self.runtime, upload, running: None, ended: false })
    }

    fn path(&self, name: &str) -> Path {
        name.split('/').fold(self.prefix.clone(), |path, part| path.join(part))
    }
}

/// The name of an object in a directory; the empty name is the place itself.
pub(crate) fn within(directory: &str, file: &str) -> String {
    if directory.is_empty() { file.into() } else { format!("{directory}/{file}") }
}

fn io(error: std::io::Error) -> Fault {
    Fault::Passing(error.to_string())
}

/// An answer that ended early.
pub(super) fn short(got: u64, expected: u64) -> Fault {
    Fault::Passing(format!("the answer ended after {got} of {expected} bytes"))
}

/// An object that is being read.
pub(crate) struct Body<'r> {
    runtime: &'r Runtime,
    source: Source,
    /// Bytes of the whole object, as the store says.
    pub(crate) len: u64,
    version: UpdateVersion,
}

enum Source {
    File(File),
    /// A stream, and what of it has come and was not asked for yet.
    Stream(BoxStream<'static, object_store::Result<Bytes>>, Bytes),
}

impl Body<'_> {
    /// Appends the next bytes to `to`, as many as come at once, until it has `most`. Returns false
    /// at the end of the answer, or if there is no room.
    pub(crate) fn read(&mut self, to: &mut Vec<u8>, most: u64) -> Result<bool, Fault> {
        let room = most.saturating_sub(to.len() as u64);
        match &mut self.source {
            Source::File(file) => Ok(file.take(room).read_to_end(to).map_err(io)? > 0),
            Source::Stream(stream, rest) => {
                if room == 0 {
                    return Ok(false);
                }
                while rest.is_empty() {
                    match self.runtime.block_on(stream.next()) {
                        Some(bytes) => *rest = bytes?,
                        None => return Ok(false),
                    }
                }
                let taken =
                    rest.split_to(rest.len().min(usize::try_from(room).unwrap_or(usize::MAX)));
                to.extend_from_slice(&taken);
                Ok(true)
            }
        }
    }
}

/// A large object that is being written, part by part. Nobody sees it before
/// [`complete`](Self::complete); if this is dropped before, the store is told to forget the parts.
pub(crate) struct Parts<'r> {
    runtime: &'r Runtime,
    upload: Box<dyn MultipartUpload>,
    /// The part before the last one is on its way while the last one is read.
    running: Option<JoinHandle<object_store::Result<()>>>,
    ended: bool,
}

impl Parts<'_> {
    pub(crate) fn put(&mut self, part: Vec<u8>) -> Result<(), Fault> {
        self.wait()?;
        self.running = Some(self.runtime.spawn(self.upload.put_part(part.into())));
        Ok(())
    }

    pub(crate) fn complete(mut self) -> Result<(), Fault> {
        self.wait()?;
        self.runtime.block_on(self.upload.complete())?;
        self.ended = true;
        Ok(())
    }

    fn wait(&mut self) -> Result<(), Fault> {
        let Some(running) = self.running.take() else { return Ok(()) };
        let put = self.runtime.block_on(running).map_err(|error| Fault::Passing(error.to_string()));
        Ok(put??)
    }
}

impl Drop for Parts<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let _ = self.wait();
            // If this fails, too, the store keeps the parts until its rules remove them.
            let _ = self.runtime.block_on(self.upload.abort());
        }
    }
}

/// Against the in-memory store, which has conditional writes, as S3 has: what a directory can't show.
#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;

    fn in_memory() -> Remote {
        let store = Arc::new(InMemory::new());
        Remote {
            runtime: runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap(),
            reader: store.clone(),
            writer: store,
            prefix: Path::from("stores/prices"),
            scheme: ObjectStoreScheme::Memory,
            shown: "memory:".into(),
        }
    }

    fn whole(remote: &Remote, name: &str) -> Vec<u8> {
        remote.small(name, 1 << 20).unwrap().bytes
    }

    #[test]
    fn a_pointer_moves_for_who_saw_it_last() {
        let remote = in_memory();
        assert!(remote.current().unwrap().is_none());
        let first = || b"versions/00000001-5d41402a".to_vec();
        remote.put(CURRENT, first(), Condition::Absent).unwrap();
        let again = remote.put(CURRENT, b"other".to_vec(), Condition::Absent);
        assert!(matches!(again, Err(Fault::Changed)), "{again:?}");

        let (name, seen) = remote.current().unwrap().expect("a pointer");
        assert_eq!(name.map(|name| name.number), Some(1));
        assert_eq!(seen.bytes, first());
        let second = b"versions/00000002-7d793037".to_vec();
        remote.put(CURRENT, second.clone(), Condition::Same(seen.version.clone())).unwrap();
        let late = remote.put(CURRENT, first(), Condition::Same(seen.version));
        assert!(matches!(late, Err(Fault::Changed)), "{late:?}");
        assert_eq!(whole(&remote, CURRENT), second);
        remote.put(CURRENT, first(), Condition::Always).unwrap();
        assert_eq!(whole(&remote, CURRENT), first());
    }

    #[test]
    fn objects_are_read_whole_by_range_and_up_to_a_bound() {
        let remote = in_memory();
        let bytes: Vec<u8> = (0..100_000u32).map(|i| (i % 251) as u8).collect();
        remote.put("a/b", bytes.clone(), Condition::Always).unwrap();
        assert_eq!(remote.len("a/b").unwrap(), 100_000);
        assert_eq!(whole(&remote, "a/b"), bytes);
        let mut body = remote.open("a/b", Some(99_990..100_000)).unwrap();
        let mut end = Vec::new();
        while body.read(&mut end, 1000).unwrap() {}
        assert_eq!((end, body.len), (bytes[99_990..].to_vec(), 100_000));
        let bounded = remote.small("a/b", 99_999);
        assert!(matches!(bounded, Err(Fault::Refused(_))));
        for missing in ["a", "a/b/c", "b"] {
            assert!(matches!(remote.len(missing), Err(Fault::Missing)), "{missing}");
        }
    }

    #[test]
    fn a_large_object_is_there_when_it_is_complete() {
        let remote = in_memory();
        let mut parts = remote.begin("part-00000.grv").unwrap();
        for part in [&[1; 70_000][..], &[2; 50_000], &[3]] {
            parts.put(part.to_vec()).unwrap();
            assert!(matches!(remote.len("part-00000.grv"), Err(Fault::Missing)));
        }
        parts.complete().unwrap();
        let expected = [&[1; 70_000][..], &[2; 50_000], &[3]].concat();
        assert_eq!(whole(&remote, "part-00000.grv"), expected);
        remote.copy("part-00000.grv", "part-00001.grv").unwrap();
        assert_eq!(whole(&remote, "part-00001.grv"), expected);

        let mut parts = remote.begin("part-00002.grv").unwrap();
        parts.put(vec![4; 10]).unwrap();
        drop(parts);
        assert!(matches!(remote.len("part-00002.grv"), Err(Fault::Missing)));
    }

    #[test]
    fn versions_are_those_with_objects_and_a_versions_name() {
        let remote = in_memory();
        assert_eq!(remote.versions().unwrap(), []);
        for name in ["00000002-7d793037/x", "00000010-5d41402a/y/z", "new/x", "00000003-5d41402a"] {
            remote.put(&within(VERSIONS, name), vec![0], Condition::Always).unwrap();
        }
        let numbers: Vec<u64> = remote.versions().unwrap().iter().map(|name| name.number).collect();
        assert_eq!(numbers, [2, 10]);
    }
}
