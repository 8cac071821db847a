//! graven's packed tables: compressed values, compact keys. Read as a program would that takes tables of
//! both kinds, through `PackedTable`.

use std::path::Path;

use graven::{
    BuildOptions, Compression, HashIndex, OpenOptions, PackedCursor, PackedTable, ValueBuffer,
};

use crate::{
    Result,
    contestant::{Access, Contestant, Kind, Lane, Place, Session, Store},
    dataset::{Input, Shape},
    queries::{Probe, Window},
};

pub struct Packed {
    name: &'static str,
    options: &'static str,
    compression: fn() -> Option<Compression>,
    compact_keys: bool,
}

pub const ZSTD: Packed = Packed {
    name: "graven-zstd",
    options: "values by zstd level 3 with a dictionary of 110 KiB, HashIndex::Always",
    compression: || Some(Compression::zstd()),
    compact_keys: false,
};

pub const ZSTD_19: Packed = Packed {
    name: "graven-zstd-19",
    options: "values by zstd level 19 with a dictionary of 110 KiB, compact keys, HashIndex::Always",
    compression: || Some(Compression::zstd().level(19)),
    compact_keys: true,
};

pub const KEYS: Packed = Packed {
    name: "graven-keys",
    options: "compact keys, HashIndex::Always",
    compression: || None,
    compact_keys: true,
};

pub const FSST: Packed = Packed {
    name: "graven-fsst-keys",
    options: "values by FSST, compact keys, HashIndex::Always",
    compression: || Some(Compression::fsst()),
    compact_keys: true,
};

const FILE: &str = "table.grv";

impl Contestant for Packed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> Kind {
        Kind::Graven
    }

    fn options(&self) -> &'static str {
        self.options
    }

    fn holds(&self, shape: &Shape) -> bool {
        shape.key_len.is_none()
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let mut builder = BuildOptions::new()
            .sorted(input.sorted)
            .hash_index(HashIndex::Always)
            .compress((self.compression)())
            .compact_keys(self.compact_keys)
            .durable(false)
            .create(dir.join(FILE))?;
        for (key, value) in input.iter() {
            builder.insert(key, value)?;
        }
        builder.finish()?;
        Ok(())
    }

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>> {
        let access = match access {
            Access::Normal => graven::AccessPattern::Normal,
            Access::Random => graven::AccessPattern::Random,
            Access::Pressed => graven::AccessPattern::Auto,
        };
        let options = OpenOptions::new().access(access);
        // SAFETY: the file lies in our own scratch directory; nobody changes it.
        Ok(Box::new(Shared(unsafe { PackedTable::open_with(place.file(FILE), &options) }?)))
    }
}

pub struct Shared(PackedTable);

impl Store for Shared {
    type Session<'s> = Reader<'s>;

    const SEEK: bool = true;
    const FORWARD: bool = true;
    const BACKWARD: bool = true;

    fn session(&self) -> Reader<'_> {
        Reader { table: &self.0, buffer: ValueBuffer::new(), cursor: self.0.cursor() }
    }
}

pub struct Reader<'s> {
    table: &'s PackedTable,
    buffer: ValueBuffer,
    /// Kept for seeks, as a program that seeks a lot would.
    cursor: PackedCursor<'s>,
}

impl Session for Reader<'_> {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.table.get(probe.key, &mut self.buffer).expect("a healthy file").map(f)
    }

    fn batch(&mut self, window: Window<'_>, mut f: impl FnMut(usize, Option<&[u8]>)) {
        let mut i = 0;
        let each = |value: Option<&[u8]>| {
            f(i, value);
            i += 1;
        };
        self.table.get_many_with(window.keys, &mut self.buffer, each).expect("a healthy file");
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, mut f: impl FnMut(&[u8], &[u8])) {
        let mut more = self.cursor.seek_ceil(probe.key).expect("a healthy file");
        for _ in 0..limit {
            let entry = self.cursor.entry().expect("a healthy file");
            let Some((key, value)) = entry.filter(|_| more) else { return };
            f(key, value);
            more = self.cursor.next().expect("a healthy file");
        }
    }

    fn scan(&mut self, forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let mut entries = self.table.iter();
        loop {
            let entry = if forward { entries.next_lent() } else { entries.next_back_lent() };
            let Some(entry) = entry else { return };
            let (key, value) = entry.expect("a healthy file");
            f(key, value);
        }
    }
}
