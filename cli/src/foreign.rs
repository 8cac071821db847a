//! Files that have another format than the one they are read as, recognized by their first and last
//! bytes.

mod shell;
mod store;

use crate::formats::{cdb, mdb};
use shell::{is_standard, quoted, through};
use std::fmt;
use std::path::{Path, PathBuf};
use store::Store;

/// The format that an input has instead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Foreign {
    /// Compressed: the name of the format, and the program that writes the decompressed bytes.
    Packed(&'static str, &'static str),
    /// UTF-16 of this byte order.
    Utf16(&'static str),
    /// A graven table.
    Table,
    /// A file of another store.
    Store(Store),
    /// The text form of a store, which this format reads.
    Text(&'static str),
    /// Entries with their lengths in front.
    Raw,
}

impl Foreign {
    /// The format of an input that begins with `start` and that could not be read in the format
    /// that the user named.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        Store::by_start(start).map(Self::Store).or_else(|| Self::by_first_bytes(start))
    }

    /// What is no store and known by its first bytes.
    fn by_first_bytes(start: &[u8]) -> Option<Self> {
        Some(match start {
            [0x1f, 0x8b, ..] => Self::Packed("gzip", "zcat"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Packed("zstd", "zstdcat"),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Self::Packed("xz", "xzcat"),
            [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', ..] => Self::Packed("bzip2", "bzcat"),
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Packed("lz4", "lz4cat"),
            [b'P', b'K', 3, 4, ..] => Self::Packed("zip", "unzip -p"),
            [0x89, b'G', b'R', b'V', ..] => Self::Table,
            _ if cdb::is_text(start) => Self::Text("cdb"),
            _ if mdb::is_dump(start) => Self::Text("mdb"),
            _ if is_raw(start) => Self::Raw,
            _ => return None,
        })
    }

    /// The format of an input that begins with `start`, if its text formats hardly begin so. Only the
    /// writers of formats in which everything is text must see to it that they never do: by a quote,
    /// or by an escape.
    pub(crate) fn certain(start: &[u8]) -> Option<Self> {
        if start.starts_with(b"\"") {
            return None;
        }
        match Store::by_start(start) {
            // The others are known by numbers at some distance from the start.
            Some(store) if store == Store::Sqlite || !begins_as_text(start) => {
                Some(Self::Store(store))
            }
            _ => Self::by_first_bytes(start).filter(|foreign| *foreign != Self::Text("cdb")),
        }
    }

    /// Whether a text whose first line is `line`, and which goes on with any other, might be taken for
    /// another format. A chain of lengths is seen in eight bytes, and the line may have fewer of them; the
    /// numbers of stores may stand in the lines that follow.
    pub(crate) fn may_begin(line: &[u8]) -> bool {
        let chain = matches!(line, [_, _, 0, 0, ..]);
        chain || !begins_as_text(line) || Self::certain(line).is_some()
    }

    /// The format of the file at `path`, which may be known by its end. Of a directory: the store
    /// that has its files there. `None` for what is no file and what cannot be read.
    pub(crate) fn at(path: &Path) -> Option<Self> {
        Store::at(path).map(Self::Store).or_else(|| Self::of(&store::start(path)?))
    }

    /// The store of the input at `path`, if it is known by its end or is a directory.
    pub(crate) fn at_end(path: &Path) -> Option<Self> {
        Store::at_end(path).map(Self::Store)
    }

    /// What is to be said where a table is expected at `path` and something else is there.
    pub(crate) fn no_table(self, path: &Path) -> Option<String> {
        let file = quoted(path);
        match self {
            Self::Packed(_, program) => {
                Some(format!("{self}, and a table cannot be read so: {program} {file} > TABLE"))
            }
            Self::Store(store) => {
                let command = store.command(&file, "TABLE").unwrap_or_else(|| store.advice());
                Some(format!("{self}, not a graven table: {command}"))
            }
            Self::Text(format) => {
                Some(format!("{self}, not a graven table: graven build -i {format} TABLE {file}"))
            }
            Self::Utf16(_) | Self::Table | Self::Raw => None,
        }
    }

    /// The message about the input at `path`, which is one of the `inputs` of a build of `out`.
    pub(crate) fn advice(self, path: &Path, inputs: &[PathBuf], out: &Path) -> String {
        match self {
            Self::Packed(_, program) => {
                format!("{self}: {}", through(program, path, inputs, out))
            }
            Self::Utf16(order) => {
                let through = through(&iconv(order), path, inputs, out);
                format!("{self}: {through}; --bom keep takes the bytes as they are")
            }
            Self::Table if !is_standard(path) => {
                format!("{self}: graven dump {} writes its entries", quoted(path))
            }
            Self::Table => format!("{self}: graven dump writes its entries"),
            Self::Store(store) => {
                let file = if is_standard(path) { "FILE".into() } else { quoted(path) };
                let command = store.command(&file, &quoted(out));
                format!("{self}: {}", command.unwrap_or_else(|| store.advice()))
            }
            Self::Raw => format!("{self}, which -i raw reads"),
            Self::Text(format) => format!("{self}, which -i {format} reads"),
        }
    }

    /// What to do about an input of keys that has this format.
    pub(crate) fn way_out(self) -> String {
        match self {
            Self::Packed(_, program) => format!("put {program} in front"),
            Self::Utf16(order) => {
                format!("put {} in front; --bom keep takes the bytes as they are", iconv(order))
            }
            _ => "keys are lines of text".into(),
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packed(format, _) => write!(f, "is compressed by {format}"),
            Self::Utf16(order) => write!(f, "line 1 is {order}"),
            Self::Table => f.write_str("is a graven table"),
            Self::Store(store) => write!(f, "is {store}"),
            Self::Text("mdb") => f.write_str("is a dump of LMDB"),
            Self::Text(_) => f.write_str("is the text of a cdb"),
            Self::Raw => f.write_str("looks like raw"),
        }
    }
}

/// Whether the first line is text: it begins with a printable byte, or it has three bytes or more of UTF-8,
/// begins with one that is not ASCII, and has no control byte. A cdb begins with a number in which a
/// shorter line would be found now and then, and other stores with zeros.
fn begins_as_text(start: &[u8]) -> bool {
    match start {
        [] | [b' '..=b'~', ..] => return true,
        [0..=0x7f, ..] => return false,
        _ => {}
    }
    let line = start.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let whole = match std::str::from_utf8(line) {
        Ok(_) => true,
        // The start may end within a character.
        Err(error) => error.error_len().is_none() && line.len() == start.len(),
    };
    let printable = |&byte: &u8| byte >= b' ' || matches!(byte, b'\t' | b'\r');
    whole && line.len() >= 3 && line.iter().all(printable)
}

/// What to do about a text in UTF-16 that no option takes as it is.
pub(crate) fn convert(order: &str) -> String {
    format!("the text is {order}: put {} in front", iconv(order))
}

/// The command that converts a text to UTF-8.
fn iconv(order: &str) -> String {
    format!("iconv -f {order} -t UTF-8")
}

/// Which UTF-16 a text of lines with TABs is, recognized by its mark or by the zeros in its first
/// line.
pub(crate) fn utf16(start: &[u8]) -> Option<&'static str> {
    utf16_of_fields(start, b'\t')
}

/// Which UTF-16 a text is whose fields are divided by `delimiter`.
pub(crate) fn utf16_of_fields(start: &[u8], delimiter: u8) -> Option<&'static str> {
    match start {
        [0xff, 0xfe, ..] => return Some("UTF-16LE"),
        [0xfe, 0xff, ..] => return Some("UTF-16BE"),
        _ => {}
    }
    // Without a mark: in the first line delimiter, LF and at least one letter are each in a pair of bytes
    // with a zero. Binary keys may have zeros, too, but hardly in these places.
    let lf = memchr::memchr(b'\n', start)?;
    let tab = memchr::memchr(delimiter, &start[..lf])?;
    let zero = |at: usize| start.get(at) == Some(&0);
    let units = start[..lf].as_chunks().0;
    match (tab % 2, lf % 2) {
        (0, 0) if zero(tab + 1) && zero(lf + 1) => units
            .iter()
            .any(|&[low, high]| high == 0 && low.is_ascii_graphic())
            .then_some("UTF-16LE"),
        (1, 1) if zero(tab - 1) && zero(lf - 1) => units
            .iter()
            .any(|&[high, low]| high == 0 && low.is_ascii_graphic())
            .then_some("UTF-16BE"),
        _ => None,
    }
}

/// Whether lengths lead from entry to entry up to the end of `start`. Text that is read as a length
/// is never below 2^16.
fn is_raw(start: &[u8]) -> bool {
    const ENTRIES: usize = 16;
    let mut rest = start;
    for entry in 0..ENTRIES {
        let &[k0, k1, 0, 0, v0, v1, v2, v3, ref after @ ..] = rest else {
            return entry > 0 && rest.len() < 8;
        };
        let key_len = usize::from(u16::from_le_bytes([k0, k1]));
        let value_len = u32::from_le_bytes([v0, v1, v2, v3]) as usize;
        if key_len == 0 && value_len == 0 {
            return false;
        }
        match after.get(key_len.saturating_add(value_len)..) {
            Some(after) => rest = after,
            None => return true,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_nothing_else() {
        for text in [&b""[..], b"a", b"a\tb\n", b"key\tvalue\nkey\tvalue\n", b"\tb\n", b"\0\t\0\n"]
        {
            assert_eq!(Foreign::of(text), None, "{}", text.escape_ascii());
        }
        // Lines with binary keys and values are tsv as well.
        assert_eq!(Foreign::of(b"\0\x01\t\0\x02\n\0\x02\t\0\n"), None);
        assert_eq!(Foreign::of(b"\0\0\0\0\0\0\0\0\t\0\n"), None);
        for text in
            [&b"\0\x01\t\0\n\0\x02\t\0\n"[..], b"\0\0\0\x01\t\0\n\0\0\0\x02\t\0\n", b"a\tb\n"]
        {
            assert_eq!(utf16(text), None, "{}", text.escape_ascii());
        }
    }

    /// Its writer escapes the first byte of such a key, and so moves the number away.
    #[test]
    fn a_dump_is_known_beside_the_number_of_a_store() {
        let key = b"VERSION=\0\0\0\0b1\x05\0";
        assert!(matches!(Foreign::of(key), Some(Foreign::Store(_))));
        assert_eq!(Foreign::certain(key), Some(Foreign::Text("mdb")));
        let key = b"BZh91AY1\0\0\0\0b1\x05\0";
        assert!(matches!(Foreign::of(key), Some(Foreign::Store(_))));
        assert!(matches!(Foreign::certain(key), Some(Foreign::Packed("bzip2", _))));
    }

    #[test]
    fn utf16_is_known_with_and_without_its_mark() {
        let text = "Ключ a\tvalue\nb\tc\n";
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(utf16(&little), Some("UTF-16LE"));
        assert_eq!(utf16(&big), Some("UTF-16BE"));
        assert_eq!(utf16(b"\xff\xfea"), Some("UTF-16LE"));
        assert_eq!(utf16(b"\xfe\xff\0a"), Some("UTF-16BE"));
        assert_eq!(utf16(text.as_bytes()), None);
    }

    #[test]
    fn raw_is_a_chain_of_lengths() {
        let entry = |key: &[u8], value: &[u8]| {
            let lengths = [(key.len() as u32).to_le_bytes(), (value.len() as u32).to_le_bytes()];
            [&lengths.concat()[..], key, value].concat()
        };
        assert_eq!(Foreign::of(&entry(b"a", b"1")), Some(Foreign::Raw));
        let two = [entry(b"a", b"1"), entry(b"bb", b"22")].concat();
        assert_eq!(Foreign::of(&two), Some(Foreign::Raw));
        assert_eq!(Foreign::of(&two[..two.len() - 3]), Some(Foreign::Raw));
        assert_eq!(Foreign::of(&[&two[..], b"tail of text"].concat()), None);
        // The pages of a database begin with a number, as raw entries do.
        let mut page = vec![0; 4096];
        page[8..12].copy_from_slice(&[0, 0, 8, 0]);
        page[16..20].copy_from_slice(&0xBEEF_C0DEu32.to_le_bytes());
        assert_eq!(Foreign::of(&page), Some(Foreign::Store(Store::Lmdb09)));
        assert_eq!(Foreign::of(&[0; 4096]), None);
    }

    #[test]
    fn a_short_line_may_begin_another_format_with_what_follows_it() {
        let line = b",\"\0\0\"\"\"";
        assert_eq!(Foreign::certain(line), None);
        assert_eq!(Foreign::certain(&[&line[..], b"\n,\n"].concat()), Some(Foreign::Raw));
        assert!(Foreign::may_begin(line));
        assert!(!Foreign::may_begin(b"a,b"));
    }

    /// LMDB's number behind a first line, which is text in any language or is none.
    #[test]
    fn a_text_is_no_store_whatever_follows_its_first_line() {
        let number = 0xBEEF_C0DEu32.to_le_bytes();
        let with = |line: &str| [format!("{line:\n<16}").as_bytes(), &number].concat();
        for (line, text) in [("word", true), ("\\x01", true), ("\x01", false), ("a\x01", true)] {
            assert_eq!(Foreign::certain(&with(line)).is_none(), text, "{line:?}");
            assert_eq!(!Foreign::may_begin(line.as_bytes()), text, "{line:?}");
        }
        for line in ["\u{e9}t", "\u{65e5}\u{672c}"] {
            let text = [line.as_bytes(), &b"\n".repeat(16 - line.len()), &number].concat();
            assert_eq!(Foreign::certain(&text), None, "{line}");
            assert!(!Foreign::may_begin(line.as_bytes()), "{line}");
        }
        let cut = "\u{e9}\u{65e5}".as_bytes();
        assert!(begins_as_text(&cut[..4]) && !begins_as_text(&[cut[0], b'\n']));
        assert!(
            !begins_as_text("\u{e9}t\0".as_bytes()) && begins_as_text("\u{e9}\tb\r".as_bytes())
        );
        // As a cdb may begin: with the number of a byte behind its records.
        for start in [&b"\n\x08\0\0"[..], b"\t\n\0\0", b"\xc3\xa9\n\0", b"\xc3\xa9\0\0"] {
            assert!(!begins_as_text(start), "{}", start.escape_ascii());
        }
    }

    #[test]
    fn advice_can_be_pasted() {
        let advice = |path: &str, inputs: &[&str], out: &str| {
            let inputs: Vec<_> = inputs.iter().map(PathBuf::from).collect();
            Foreign::Packed("gzip", "zcat").advice(path.as_ref(), &inputs, out.as_ref())
        };
        let is = "is compressed by gzip: ";
        assert_eq!(
            advice("in.gz", &["in.gz"], "t"),
            format!("{is}use zcat in.gz | graven build t")
        );
        assert_eq!(
            advice("b", &["a", "b", "it's"], "my table"),
            format!("{is}use zcat b | graven build 'my table' a - 'it'\\''s'")
        );
        assert_eq!(advice("-", &["-"], "t"), format!("{is}put zcat in front of graven build t"));
        assert_eq!(advice("-x", &["-x"], "t"), format!("{is}use zcat './-x' | graven build t"));
    }
}
