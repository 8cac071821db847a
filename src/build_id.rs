//! The build id: the name of a table's content.

use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// Identifies the content of a table: a hash of its entries and its layout. Equal entries built
/// with equal options have equal build ids.
///
/// `Display` writes 32 lower-case hexadecimal digits, which [`FromStr`] reads back.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("t");
/// let summary = graven::Builder::create(&path)?.finish()?;
/// let text = summary.build_id.to_string();
/// assert_eq!(text.len(), 32);
/// let expected: graven::BuildId = text.parse()?;
/// assert_eq!(graven::Table::load(&path)?.build_id(), expected);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BuildId([u8; 16]);

impl BuildId {
    /// The bytes, as they stand in the header.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl From<[u8; 16]> for BuildId {
    fn from(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }
}

impl From<BuildId> for [u8; 16] {
    fn from(id: BuildId) -> Self {
        id.0
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Through `pad`, so that a width works as it does for other words.
        f.pad(&format!("{:032x}", u128::from_be_bytes(self.0)))
    }
}

impl fmt::Debug for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BuildId({self})")
    }
}

/// The text is no build id: it does not consist of 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseBuildIdError {
    text: String,
}

impl fmt::Display for ParseBuildIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no build id: it must be 32 hexadecimal digits", self.text)
    }
}

impl Error for ParseBuildIdError {}

impl FromStr for BuildId {
    type Err = ParseBuildIdError;

    /// Reads 32 hexadecimal digits, upper or lower case, and nothing else around them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // `from_str_radix` also takes a sign.
        let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match u128::from_str_radix(text, 16) {
            Ok(number) if digits => Ok(Self(number.to_be_bytes())),
            _ => Err(ParseBuildIdError { text: text.to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let id =
            BuildId::from(*b"\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\xfc\xfd\xfe\xff");
        let text = "000102030405060708090a0bfcfdfeff";
        assert_eq!(id.to_string(), text);
        assert_eq!(format!("{id:?}"), format!("BuildId({text})"));
        assert_eq!(format!("{id:>34}|{id:.8}"), format!("  {text}|00010203"));
        assert_eq!((text.parse(), text.to_uppercase().parse()), (Ok(id), Ok(id)));
        assert_eq!(<[u8; 16]>::from(id), *id.as_bytes());
    }

    #[test]
    fn other_texts_are_refused() {
        let digits = "000102030405060708090a0bfcfdfeff";
        let signed = digits.replacen('0', "+", 1);
        let others =
            ["", "0", &digits[1..], &format!("{digits}0"), &signed, &format!(" {}", &digits[1..])];
        for text in others {
            let error = text.parse::<BuildId>().unwrap_err();
            assert_eq!(error, ParseBuildIdError { text: text.into() });
            assert!(error.to_string().starts_with(&format!("{text:?} is no build id")), "{error}");
        }
        // 32 bytes, but fewer characters.
        assert!("ü".repeat(16).parse::<BuildId>().is_err());
    }
}
