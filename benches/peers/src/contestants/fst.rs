//! fst maps keys to numbers; here the number is where the value starts in a blob beside it.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::Path,
};

use fst::{IntoStreamer, Map, MapBuilder, Streamer};
use memmap2::{Advice, Mmap};

use crate::{
    Result,
    contestant::{Access, Contestant, Lane, Place, Session, Store},
    dataset::Input,
    queries::Probe,
};

pub struct Fst;

impl Contestant for Fst {
    fn name(&self) -> &'static str {
        "fst+blob"
    }

    fn options(&self) -> &'static str {
        "fst::Map from key to offset, values length-prefixed in a second mapped file; unsorted \
         input is sorted in memory first"
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let out = BufWriter::with_capacity(1 << 20, File::create(dir.join("table.fst"))?);
        let mut keys = MapBuilder::new(out)?;
        let mut blob = BufWriter::with_capacity(1 << 20, File::create(dir.join("table.blob"))?);
        let mut at = 0;
        for (key, value) in input.ascending() {
            keys.insert(key, at)?;
            blob.write_all(&(value.len() as u32).to_le_bytes())?;
            blob.write_all(value)?;
            at += 4 + value.len() as u64;
        }
        keys.finish()?;
        Ok(blob.flush()?)
    }

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>> {
        let map = |name: &str| -> Result<Mmap> {
            let file = File::open(place.file(name))?;
            // SAFETY: the file lies in our own scratch directory; nobody changes it.
            let map = unsafe { Mmap::map(&file)? };
            if access != Access::Normal {
                map.advise(Advice::Random)?;
            }
            Ok(map)
        };
        Ok(Box::new(Table { keys: Map::new(map("table.fst")?)?, blob: map("table.blob")? }))
    }
}

struct Table {
    keys: Map<Mmap>,
    blob: Mmap,
}

impl Table {
    #[inline]
    fn value(&self, at: u64) -> &[u8] {
        let at = at as usize;
        let len = u32::from_le_bytes(self.blob[at..at + 4].try_into().expect("4 bytes"));
        &self.blob[at + 4..at + 4 + len as usize]
    }
}

impl Store for Table {
    type Session<'s> = &'s Table;

    const SEEK: bool = true;
    const FORWARD: bool = true;

    fn session(&self) -> &Table {
        self
    }
}

impl Session for &Table {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.keys.get(probe.key).map(|at| f(self.value(at)))
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, mut f: impl FnMut(&[u8], &[u8])) {
        let mut stream = self.keys.range().ge(probe.key).into_stream();
        for _ in 0..limit {
            let Some((key, at)) = stream.next() else { return };
            f(key, self.value(at));
        }
    }

    fn scan(&mut self, _forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let mut stream = self.keys.stream();
        while let Some((key, at)) = stream.next() {
            f(key, self.value(at));
        }
    }
}
