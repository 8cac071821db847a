//! The header of a section: lines `name=value` up to `HEADER=END`.

use crate::formats::tsv::shown;

/// How the bytes of keys and values are written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Encoding {
    /// Two hexadecimal digits for each byte.
    Bytevalue,
    /// Printable bytes as they are, others as `\xx`.
    Print,
}

/// The properties of a database that the header names.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Flags(u8);

impl Flags {
    /// In the order in which `mdb_dump` writes them.
    const NAMES: [&'static str; 6] =
        ["reversekey", "dupsort", "integerkey", "dupfixed", "integerdup", "reversedup"];
    pub(super) const DUPSORT: Self = Self(1 << 1);
    pub(super) const INTEGERKEY: Self = Self(1 << 2);

    fn named(name: &[u8]) -> Option<Self> {
        let at = Self::NAMES.iter().position(|known| known.as_bytes() == name)?;
        Some(Self(1 << at))
    }

    /// The flags that the metadata of a table names. Other words are not looked at.
    pub(super) fn from_metadata(value: &[u8]) -> Self {
        let words = value.split(|&byte| byte == b' ').filter_map(Self::named);
        words.fold(Self::default(), Self::with)
    }

    /// The names, with spaces between them.
    pub(crate) fn metadata(self) -> String {
        self.names().collect::<Vec<_>>().join(" ")
    }

    pub(super) fn names(self) -> impl Iterator<Item = &'static str> {
        let set = move |at: &usize| self.0 & 1 << at != 0;
        (0..Self::NAMES.len()).filter(set).map(|at| Self::NAMES[at])
    }

    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// What the header of a section says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    /// Name of the database; empty for the main one.
    pub(super) name: Vec<u8>,
    pub(super) encoding: Encoding,
    pub(super) flags: Flags,
}

impl Header {
    pub(super) fn new() -> Self {
        Self { name: Vec::new(), encoding: Encoding::Bytevalue, flags: Flags::default() }
    }

    /// Takes a line of the header. Properties that do not matter to the entries are not looked at.
    pub(super) fn take(&mut self, line: &[u8]) -> Result<(), String> {
        let Some(at) = memchr::memchr(b'=', line) else {
            return Err("\"name=value\" or \"HEADER=END\" is expected".into());
        };
        let (name, value) = (&line[..at], &line[at + 1..]);
        match (name, value) {
            (b"VERSION", b"1" | b"2" | b"3") | (b"type", b"btree" | b"hash") => {}
            (b"format", b"bytevalue") => self.encoding = Encoding::Bytevalue,
            (b"format", b"print") => self.encoding = Encoding::Print,
            (b"VERSION" | b"format" | b"type", _) => {
                let (name, value) = (name.escape_ascii(), shown(value));
                return Err(format!("{name} {value}, which graven does not read"));
            }
            (b"database", name) => self.name = name.to_vec(),
            (_, b"0") => {}
            _ => self.flags = self.flags.with(Flags::named(name).unwrap_or_default()),
        }
        Ok(())
    }
}

/// A database's name for messages.
pub(super) fn naming(name: &[u8]) -> String {
    match name {
        b"" => "\"\" (the main one)".into(),
        name => shown(name).to_string(),
    }
}
