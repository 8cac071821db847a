//! graven, in the variants that the report compares.

use std::path::Path;

use graven::{BuildOptions, HashIndex, OpenOptions, PageChecks, Table, Warm};

use crate::{
    Result,
    contestant::{Access, BATCH, Contestant, Kind, Lane, Place, Session, Store},
    dataset::Input,
    queries::{Probe, Window},
};

pub struct Graven {
    name: &'static str,
    options: &'static str,
    hash_index: HashIndex,
    verify: PageChecks,
}

pub const DEFAULT: Graven = Graven {
    name: "graven",
    options: "all defaults (hash index: auto, pages verified at first touch), but not synced",
    hash_index: HashIndex::Auto,
    verify: PageChecks::FirstTouch,
};

pub const HASHED: Graven = Graven {
    name: "graven-hash",
    options: "HashIndex::Always",
    hash_index: HashIndex::Always,
    verify: PageChecks::FirstTouch,
};

pub const ORDERED: Graven = Graven {
    name: "graven-ordered",
    options: "HashIndex::Never",
    hash_index: HashIndex::Never,
    verify: PageChecks::FirstTouch,
};

pub const UNVERIFIED: Graven = Graven {
    name: "graven-noverify",
    options: "PageChecks::Never",
    hash_index: HashIndex::Auto,
    verify: PageChecks::Never,
};

const FILE: &str = "table.grv";

/// A table with its defaults but for `verify`; for graven's own measures.
pub fn open_table(place: &Place, access: Access, verify: PageChecks) -> Result<Table> {
    let access = match access {
        Access::Normal => graven::AccessPattern::Normal,
        Access::Random => graven::AccessPattern::Random,
        Access::Pressed => graven::AccessPattern::Auto,
    };
    let options = OpenOptions::new().page_checks(verify).access(access);
    // SAFETY: the file lies in our own scratch directory; nobody changes it.
    Ok(unsafe { options.open(place.file(FILE))? })
}

/// Reads the indexes of a table into memory.
pub fn warm_index(place: &Place) -> Result<()> {
    open_table(place, Access::Pressed, PageChecks::FirstTouch)?.warm(Warm::Index)?;
    Ok(())
}

impl Contestant for Graven {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kind(&self) -> Kind {
        Kind::Graven
    }

    fn options(&self) -> &'static str {
        self.options
    }

    fn builds(&self) -> bool {
        self.shares().is_none()
    }

    fn shares(&self) -> Option<&'static str> {
        matches!(self.verify, PageChecks::Never).then_some(DEFAULT.name)
    }

    fn build(&self, input: &Input, dir: &Path) -> Result<()> {
        let mut builder = BuildOptions::new()
            .sorted(input.sorted)
            .hash_index(self.hash_index)
            .durable(false)
            .create(dir.join(FILE))?;
        for (key, value) in input.iter() {
            builder.insert(key, value)?;
        }
        builder.finish()?;
        Ok(())
    }

    fn open(&self, place: &Place, access: Access) -> Result<Box<dyn Lane>> {
        Ok(Box::new(Shared(open_table(place, access, self.verify)?)))
    }
}

pub struct Shared(pub Table);

impl Store for Shared {
    type Session<'s> = Reader<'s>;

    const SEEK: bool = true;
    const FORWARD: bool = true;
    const BACKWARD: bool = true;

    fn session(&self) -> Reader<'_> {
        Reader { table: &self.0, found: Vec::with_capacity(BATCH) }
    }
}

pub struct Reader<'s> {
    table: &'s Table,
    /// Reused by every batch.
    found: Vec<Option<&'s [u8]>>,
}

impl Session for Reader<'_> {
    #[inline]
    fn get<T>(&mut self, probe: Probe<'_>, f: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.table.get(probe.key).expect("a healthy file").map(f)
    }

    fn batch(&mut self, window: Window<'_>, mut f: impl FnMut(usize, Option<&[u8]>)) {
        self.table.get_many_into(window.keys, &mut self.found).expect("a healthy file");
        self.found.iter().enumerate().for_each(|(i, value)| f(i, *value));
    }

    fn seek(&mut self, probe: Probe<'_>, limit: usize, mut f: impl FnMut(&[u8], &[u8])) {
        for entry in self.table.range(probe.key..).take(limit) {
            let (key, value) = entry.expect("a healthy file");
            f(key, value);
        }
    }

    fn scan(&mut self, forward: bool, mut f: impl FnMut(&[u8], &[u8])) {
        let mut show = |entry: std::result::Result<(&[u8], &[u8]), graven::ReadError>| {
            let (key, value) = entry.expect("a healthy file");
            f(key, value);
        };
        if forward {
            self.table.iter().for_each(&mut show);
        } else {
            self.table.iter().rev().for_each(&mut show);
        }
    }
}
