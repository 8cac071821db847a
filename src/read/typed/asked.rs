//! The types that a program asks for, compared with those of a table.

use super::super::table::Table;
use super::super::types::TypesSection;
use crate::error::OpenFailure;
use crate::format::types::key::TypedKey;
use crate::format::types::value::TypedValue;
use crate::format::types::{ORDER_HOST, ORDER_NONE, name};
use std::fmt;

/// Key and value type that a program asks for.
pub(super) struct AskedTypes {
    /// As text.
    key: String,
    value: String,
    /// As tags.
    tags: (u8, u8),
    /// Whether values depend on the byte order of the machine.
    ordered: bool,
    /// Bytes of a key and of a value.
    lengths: (usize, usize),
    /// Alignment of values in memory.
    align: usize,
}

impl AskedTypes {
    pub(super) fn of<K: TypedKey, V: TypedValue>() -> Self {
        Self {
            key: text(K::write_type),
            value: text(V::__write_type),
            tags: (K::TAG, V::__TAG),
            ordered: !V::__SINGLE_BYTES,
            lengths: (size_of::<K::Bytes>(), size_of::<V>()),
            align: align_of::<V>(),
        }
    }

    /// Compares them with the types in the table, the lengths of its keys and values, and the
    /// places of its values in memory.
    pub(super) fn compare(&self, table: &Table) -> Result<(), OpenFailure> {
        let layout = table.view().layout();
        let Some(TypesSection { names }) = TypesSection::read(table.view())? else {
            let stored = match layout.key_type {
                0 => name(0).to_owned(),
                tag => format!("{} without its whole text (build the table again)", name(tag)),
            };
            return Err(OpenFailure::TypeMismatch { part: "key", stored, asked: self.key.clone() });
        };
        same("key", names.key, &self.key)?;
        same("value", names.value, &self.value)?;
        // A table that graven has built with these types passes all that follows.
        same("key", name(layout.key_type), name(self.tags.0))?;
        same("value", name(layout.value_type), name(self.tags.1))?;
        if self.ordered {
            same("value", byte_order(layout.byte_order), byte_order(ORDER_HOST))?;
        }
        if !table.is_empty() {
            let (key, value) = self.lengths;
            same("key", &length(layout.record.fixed_key), &length(Some(key as u32)))?;
            same("value", &length(layout.record.fixed_value), &length(Some(value as u32)))?;
        }
        self.check_alignment(table)
    }

    fn check_alignment(&self, table: &Table) -> Result<(), OpenFailure> {
        let misaligned = |got| Err(OpenFailure::Misaligned { needed: self.align, got });
        let in_file = table.view().layout().record.align() as usize;
        if in_file < self.align {
            return misaligned(in_file);
        }
        match table.view().bytes().as_ptr().addr() % self.align {
            0 => Ok(()),
            off => misaligned(off),
        }
    }
}

fn same(part: &'static str, stored: &str, asked: &str) -> Result<(), OpenFailure> {
    if stored == asked {
        return Ok(());
    }
    Err(OpenFailure::TypeMismatch { part, stored: stored.to_owned(), asked: asked.to_owned() })
}

/// A type as text.
fn text(write: fn(&mut dyn fmt::Write) -> fmt::Result) -> String {
    let mut text = String::new();
    // A String takes all that is written.
    let _ = write(&mut text);
    text
}

fn byte_order(order: u8) -> &'static str {
    match order {
        ORDER_NONE => "of no byte order",
        1 => "little-endian",
        2 => "big-endian",
        _ => "of an unknown byte order",
    }
}

/// The length of every key or value, in words.
fn length(len: Option<u32>) -> String {
    len.map_or_else(|| "of no fixed length".to_owned(), |len| format!("{len} bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_byte_order_has_its_words() {
        let words = ["of no byte order", "little-endian", "big-endian", "of an unknown byte order"];
        assert_eq!([ORDER_NONE, 1, 2, 3].map(byte_order), words);
    }
}
