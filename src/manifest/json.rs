//! The text of a manifest: JSON in, fields out, and back.

use super::shard::Shard;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::io::{self, Write};

const FORMAT: &str = "graven-set";
pub(super) const VERSION: u64 = 1;
/// Most shards of a set.
pub(crate) const MOST_SHARDS: usize = 1_000_000;

/// Most bytes of a manifest.
pub(super) const MOST_BYTES: u64 = 256 << 20;

/// A field that is not as it must be.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault {
    pub(crate) field: String,
    pub(crate) what: String,
}

impl Fault {
    pub(super) fn new(field: impl Into<String>, what: impl Into<String>) -> Self {
        Self { field: field.into(), what: what.into() }
    }

    /// A text with more bytes than a manifest may have.
    pub(super) fn too_long() -> Self {
        Self::new("(file)", format!("has more than {MOST_BYTES} bytes"))
    }
}

/// What says how the rest is to be read.
#[derive(Deserialize)]
struct Start {
    format: Option<serde_json::Value>,
    version: Option<serde_json::Value>,
}

/// The fields of a manifest. Fields of other names are for later readers and are ignored.
#[derive(Deserialize)]
pub(super) struct Fields {
    pub(super) id: String,
    pub(super) partition: String,
    pub(super) entries: u64,
    #[serde(deserialize_with = "shards")]
    pub(super) shards: Vec<Shard>,
}

impl Fields {
    pub(super) fn read(text: &[u8]) -> Result<Self, Fault> {
        let json = |error: serde_json::Error| Fault::new("(JSON)", format!("is none: {error}"));
        let start: Start = serde_json::from_slice(text).map_err(json)?;
        if start.format.as_ref().and_then(|format| format.as_str()) != Some(FORMAT) {
            return Err(Fault::new("format", format!("is not \"{FORMAT}\"")));
        }
        match start.version.as_ref().and_then(serde_json::Value::as_u64) {
            Some(VERSION) => {}
            Some(later) => {
                let what = format!("is {later}, this library reads {VERSION}");
                return Err(Fault::new("version", what));
            }
            None => return Err(Fault::new("version", "is no number")),
        }
        serde_json::from_slice(text).map_err(json)
    }
}

/// Writes a manifest: its head on a line, then a line for each shard.
pub(super) fn write(
    out: &mut dyn Write,
    id: &str,
    partition: &str,
    entries: u64,
    shards: &[Shard],
) -> io::Result<()> {
    write!(
        out,
        "{{\"format\": \"{FORMAT}\", \"version\": {VERSION}, \"id\": \"{id}\", \
         \"partition\": \"{partition}\", \"entries\": {entries}, \"shards\": ["
    )?;
    for (i, shard) in shards.iter().enumerate() {
        out.write_all(if i == 0 { b"\n" } else { b",\n" })?;
        serde_json::to_writer(&mut *out, shard)?;
    }
    out.write_all(b"\n]}\n")
}

/// The shards, of which there are no more than a set may have.
fn shards<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Shard>, D::Error> {
    struct Shards;

    impl<'de> Visitor<'de> for Shards {
        type Value = Vec<Shard>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of shards")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Vec<Shard>, A::Error> {
            let mut shards = Vec::new();
            while let Some(shard) = from.next_element()? {
                if shards.len() == MOST_SHARDS {
                    let what = format!("more than {MOST_SHARDS} shards");
                    return Err(A::Error::custom(what));
                }
                shards.push(shard);
            }
            Ok(shards)
        }
    }

    from.deserialize_seq(Shards)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_that_are_no_array_are_named() {
        let text = br#"{"format": "graven-set", "version": 1, "id": "", "partition": "range",
            "entries": 0, "shards": 1}"#;
        let Err(fault) = Fields::read(text) else { panic!("1 was taken for shards") };
        assert_eq!(fault.field, "(JSON)");
        assert!(fault.what.contains("expected an array of shards"), "{}", fault.what);
    }
}
