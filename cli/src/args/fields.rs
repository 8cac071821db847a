//! How keys are written as arguments, and how printed fields are separated. The options are the
//! same in every command.

use crate::exit::Failure;
use crate::formats::tsv;
use crate::input::InputError;
use crate::terminal;
use clap::{Args, ValueEnum};
use data_encoding::{
    BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD, DecodeError, DecodeKind, HEXLOWER_PERMISSIVE,
};
use graven::ErrorKind;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;

/// How keys are written as arguments: raw bytes, unless one of these is given.
#[derive(Args, Clone, Copy)]
#[group(multiple = false)]
pub(crate) struct KeyForm {
    /// Read keys with the escapes of tsv, as scan and dump print them: \\ \t \n \r \0 \xHH
    #[arg(short = 'e', long)]
    pub(crate) escaped: bool,
    /// Read keys in hexadecimal
    #[arg(long)]
    pub(crate) hex: bool,
    /// Read keys in Base64, with or without padding, also with - and _ for + and /
    #[arg(long)]
    pub(crate) b64: bool,
}

impl KeyForm {
    /// The bytes that an argument stands for. `name` is the argument's name in messages.
    pub(crate) fn read<'a>(self, name: &str, key: &'a OsStr) -> Result<Cow<'a, [u8]>, Failure> {
        let bytes = key.as_bytes();
        let wrong = |form: &str, what: &dyn Display| {
            let key = terminal::shown(bytes);
            let what = format_args!("{name} \"{key}\" is not {form}: {what}");
            Failure::new(ErrorKind::Usage, what)
        };
        if self.escaped {
            return unescape(bytes).map(Cow::from).map_err(|what| wrong("escaped as tsv", &what));
        }
        let (form, decoded) = if self.hex {
            ("hexadecimal", HEXLOWER_PERMISSIVE.decode(bytes))
        } else if self.b64 {
            ("Base64", base64(bytes))
        } else {
            return Ok(bytes.into());
        };
        decoded.map(Cow::from).map_err(|DecodeError { position, kind }| {
            let what = match kind {
                DecodeKind::Symbol => format!("character {} is none of it", position + 1),
                DecodeKind::Length if self.hex => "the number of digits is odd".into(),
                DecodeKind::Length => "it is cut short".into(),
                DecodeKind::Trailing => "its last character stands for no whole byte".into(),
                DecodeKind::Padding => format!("wrong padding at character {}", position + 1),
            };
            wrong(form, &what)
        })
    }

    /// Whether keys are raw bytes.
    pub(crate) fn is_raw(self) -> bool {
        !(self.escaped || self.hex || self.b64)
    }
}

/// The bytes that a field of tsv stands for, or what is wrong with it.
pub(crate) fn unescape(field: &[u8]) -> Result<Vec<u8>, String> {
    match tsv::unescape(field, &mut Vec::new()) {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(InputError::Malformed(what)) => Err(what),
        Err(_) => Err("it cannot be read".into()),
    }
}

/// Decodes Base64 in either alphabet of RFC 4648, padded or not.
pub(crate) fn base64(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let url = text.iter().any(|byte| matches!(byte, b'-' | b'_'));
    match (url, text.ends_with(b"=")) {
        (false, false) => BASE64_NOPAD.decode(text),
        (false, true) => BASE64.decode(text),
        (true, false) => BASE64URL_NOPAD.decode(text),
        (true, true) => BASE64URL.decode(text),
    }
}

/// The separator of fields that are written as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Separator {
    /// Nothing, one comes after the other
    None,
    /// LF after each
    Newline,
    /// NUL after each
    Nul,
    /// The length before each, u32, little-endian
    Length,
}

/// Whether fields are written as they are, and what tells them apart.
#[derive(Args, Clone, Copy)]
pub(crate) struct Bare {
    /// Write values (or keys) as they are, without escapes, and tell them apart by this
    #[arg(long, value_name = "WHAT", value_enum)]
    sep: Option<Separator>,
    /// The same as --sep nul, for xargs -0 and the like
    #[arg(short = '0', conflicts_with = "sep")]
    nul: bool,
}

impl Bare {
    /// The separator that the user asked for, if any.
    pub(crate) fn separator(self) -> Option<Separator> {
        if self.nul { Some(Separator::Nul) } else { self.sep }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_every_kind() {
        for text in ["+/8A", "-_8A"] {
            assert_eq!(base64(text.as_bytes()), Ok(vec![0xfb, 0xff, 0]), "{text}");
        }
        for text in ["+/8=", "+/8", "-_8=", "-_8"] {
            assert_eq!(base64(text.as_bytes()), Ok(vec![0xfb, 0xff]), "{text}");
        }
        assert_eq!(base64(b""), Ok(vec![]));
        for text in ["a", "====", "a b", "+_8=", "YR=="] {
            assert!(base64(text.as_bytes()).is_err(), "{text}");
        }
    }
}
