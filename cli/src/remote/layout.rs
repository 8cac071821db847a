//! How a set lies in a store: the names of its objects, and the pointer to its current version.
//! `docs/remote.md` is the specification.

use std::fmt;
use std::str::FromStr;

/// The pointer to the current version.
pub(crate) const CURRENT: &str = "CURRENT";
/// The manifest of a version.
pub(crate) const MANIFEST: &str = "MANIFEST.json";
/// Where the versions are.
pub(crate) const VERSIONS: &str = "versions";
/// Most bytes of a pointer.
pub(crate) const MOST_POINTER: u64 = 1024;

/// The name of a version: an ascending number and the start of its manifest's id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) number: u64,
    /// Eight digits.
    pub(crate) start: String,
}

impl Name {
    /// Where the version's objects are.
    pub(crate) fn directory(&self) -> String {
        format!("{VERSIONS}/{self}")
    }

    /// The version that a pointer's text leads to: the path of its directory, or its name alone;
    /// whatever wrote the text may have ended the line.
    pub(crate) fn pointed_to(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?.trim_end();
        let text = text.strip_suffix('/').unwrap_or(text);
        let name = text.strip_prefix(VERSIONS).and_then(|rest| rest.strip_prefix('/'));
        name.unwrap_or(text).parse().ok()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08}-{}", self.number, self.start)
    }
}

impl FromStr for Name {
    type Err = ();

    /// Accepts what `Display` writes, and nothing else.
    fn from_str(text: &str) -> Result<Self, ()> {
        let (digits, start) = text.split_once('-').ok_or(())?;
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if start.len() != 8 || !start.bytes().all(hex) {
            return Err(());
        }
        let name = Self { number: digits.parse().map_err(|_| ())?, start: start.into() };
        // The last number has none after it.
        let sound = (1..u64::MAX).contains(&name.number) && name.to_string() == text;
        if sound { Ok(name) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers() {
        let name = Name { number: 7, start: "5d41402a".into() };
        for text in [
            "00000007-5d41402a",
            "versions/00000007-5d41402a",
            "versions/00000007-5d41402a\n",
            "versions/00000007-5d41402a/\r\n",
        ] {
            assert_eq!(Name::pointed_to(text.as_bytes()), Some(name.clone()), "{text}");
        }
        assert_eq!(name.directory(), "versions/00000007-5d41402a");
        let long = "1234567890-00000000".parse::<Name>().unwrap();
        assert_eq!(long.number, 1_234_567_890);
        assert!(name < long);
    }

    /// A pointer that leads out of its directory, or to a name that no version has.
    #[test]
    fn bad_pointers() {
        for text in [
            "",
            "\n",
            "versions/",
            "../versions/00000007-5d41402a",
            "versions/../00000007-5d41402a",
            "/versions/00000007-5d41402a",
            "versions/00000007-5d41402a/table.grv",
            "00000007-5D41402A",
            "00000007-5d41402",
            "00000007-5d41402aa",
            "7-5d41402a",
            "000000007-5d41402a",
            "+0000007-5d41402a",
            "00000000-5d41402a",
            "18446744073709551615-5d41402a",
            "18446744073709551616-5d41402a",
            "00000007-new",
            "<html>00000007-5d41402a",
        ] {
            assert_eq!(Name::pointed_to(text.as_bytes()), None, "{text}");
        }
        assert_eq!(Name::pointed_to(b"\xff0000007-5d41402a"), None);
    }
}
