//! Inputs that have another format than the one they are read as, recognized by their first bytes.

use std::fmt;
use std::path::{Path, PathBuf};

/// The format that an input has instead.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Foreign {
    /// Compressed: the name of the format, and the program that writes the decompressed bytes.
    Packed(&'static str, &'static str),
    /// UTF-16 of this byte order.
    Utf16(&'static str),
    /// A graven table.
    Table,
    /// Another program's database.
    Database(&'static str),
    /// Entries with their lengths in front.
    Raw,
}

impl Foreign {
    /// The format of an input that begins with `start` and that could not be read in the format
    /// that the user named.
    pub(crate) fn of(start: &[u8]) -> Option<Self> {
        Some(match start {
            [0x1f, 0x8b, ..] => Self::Packed("gzip", "zcat"),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Packed("zstd", "zstdcat"),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Self::Packed("xz", "xzcat"),
            [b'B', b'Z', b'h', b'1'..=b'9', b'1', b'A', b'Y', ..] => Self::Packed("bzip2", "bzcat"),
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Packed("lz4", "lz4cat"),
            [b'P', b'K', 3, 4, ..] => Self::Packed("zip", "unzip -p"),
            [0x89, b'G', b'R', b'V', ..] => Self::Table,
            _ if start.starts_with(b"SQLite format 3\0") => Self::Database("SQLite"),
            _ if is_lmdb(start) => Self::Database("LMDB"),
            _ if is_raw(start) => Self::Raw,
            _ => return None,
        })
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
                format!("{self}: graven dump {} writes its entries", shell(path))
            }
            Self::Table => format!("{self}: graven dump writes its entries"),
            Self::Database(_) => format!("{self}: export its entries as tsv or raw first"),
            Self::Raw => format!("{self}, which -i raw reads"),
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
            Self::Database(program) => write!(f, "is a database of {program}"),
            Self::Raw => f.write_str("looks like raw"),
        }
    }
}

/// The command that converts a text to UTF-8.
fn iconv(order: &str) -> String {
    format!("iconv -f {order} -t UTF-8")
}

/// Which UTF-16 a text is, recognized by its mark or by the zeros in its first line.
pub(crate) fn utf16(start: &[u8]) -> Option<&'static str> {
    match start {
        [0xff, 0xfe, ..] => return Some("UTF-16LE"),
        [0xfe, 0xff, ..] => return Some("UTF-16BE"),
        _ => {}
    }
    // Without a mark: in the first line TAB, LF and at least one letter are each in a pair of bytes
    // with a zero. Binary keys may have zeros, too, but hardly in these places.
    let lf = memchr::memchr(b'\n', start)?;
    let tab = memchr::memchr(b'\t', &start[..lf])?;
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

/// Whether the input is a database of LMDB: the two pages at its start hold `MAGIC`.
fn is_lmdb(start: &[u8]) -> bool {
    const MAGIC: u32 = 0xBEEF_C0DE;
    [12, 16].iter().any(|&at| {
        let word = start.get(at..at + 4);
        word == Some(&MAGIC.to_le_bytes()) || word == Some(&MAGIC.to_be_bytes())
    })
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

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The command that builds `out` and reads `path` through a program.
fn through(program: &str, path: &Path, inputs: &[PathBuf], out: &Path) -> String {
    if is_standard(path) {
        return format!("put {program} in front of graven build {}", shell(out));
    }
    let mut command = format!("use {program} {} | graven build {}", shell(path), shell(out));
    // Standard input need not be named if it is the only input.
    if inputs.len() > 1 {
        for input in inputs {
            command.push(' ');
            command.push_str(&if input == path { "-".into() } else { shell(input) });
        }
    }
    command
}

/// A path, quoted for a shell if necessary.
fn shell(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/+,:@%=".contains(&byte);
    match text.bytes().all(plain) && !text.starts_with('-') {
        true => text,
        false if text.starts_with('-') => format!("'./{}'", text.replace('\'', "'\\''")),
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
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
        assert_eq!(Foreign::of(&page), Some(Foreign::Database("LMDB")));
        assert_eq!(Foreign::of(&[0; 4096]), None);
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
