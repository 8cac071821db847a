//! Arguments that are more than a word: sizes, modes, pairs.

use clap::builder::{OsStringValueParser, TypedValueParser};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

/// A metadata pair.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

pub(crate) fn pair() -> impl TypedValueParser<Value = Pair> {
    OsStringValueParser::new().try_map(|pair: OsString| split(&pair).ok_or("expected K=V"))
}

fn split(pair: &OsStr) -> Option<Pair> {
    let pair = pair.as_bytes();
    let at = pair.iter().position(|&byte| byte == b'=')?;
    Some(Pair { key: pair[..at].to_vec(), value: pair[at + 1..].to_vec() })
}

/// What stands for the value of a missing key. It is written as it is, so it must stay on its line.
pub(crate) fn mark() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(|mark: OsString| {
        let breaks = mark.as_bytes().iter().any(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | 0));
        if breaks { Err("expected a mark without TAB, LF and CR") } else { Ok(mark) }
    })
}

pub(crate) fn octal(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8).map_err(|_| "expected an octal number, for example 0444".into())
}

/// The mode of a directory. It must have the owner's 0700: whoever makes a directory must be able
/// to fill it.
pub(crate) fn directory_mode(text: &str) -> Result<u32, String> {
    let mode = u32::from_str_radix(text, 8).ok();
    let mode = mode.filter(|mode| *mode <= 0o7777 && mode & 0o700 == 0o700);
    mode.ok_or_else(|| "expected an octal number from 0700 to 07777 with the owner's 0700".into())
}

pub(crate) fn number<N: FromStr>(text: &str) -> Result<N, String> {
    text.parse().map_err(|_| "expected a whole number from 0 on".into())
}

pub(crate) fn count_from_one(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| "expected a whole number from 1 on".into())
}

pub(crate) fn threads(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|&n| n > 0).ok_or_else(|| "expected a number from 1 on".into())
}

pub(crate) fn count(text: &str) -> Result<usize, String> {
    let fits = |n: &usize| (1..=4096).contains(n);
    text.parse().ok().filter(fits).ok_or_else(|| "expected a number from 1 to 4096".into())
}

pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let fits = |s: &f64| (0.01..=1e6).contains(s);
    text.parse().ok().filter(fits).ok_or_else(|| "expected seconds, from 0.01 to a million".into())
}

/// A part of a whole, written as a percentage: `10%`, `0.5%`.
pub(crate) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    let part = number.map(|number| number / 100.0).filter(|part| (0.0..=1.0).contains(part));
    part.ok_or_else(|| "expected a percentage from 0% to 100%".into())
}

pub(crate) fn share(text: &str) -> Result<f64, String> {
    let fits = |share: &f64| (0.0..=1.0).contains(share);
    text.parse().ok().filter(fits).ok_or_else(|| "expected a number from 0 to 1".into())
}

pub(crate) fn skew(text: &str) -> Result<f64, String> {
    let fits = |skew: &f64| (0.0..=10.0).contains(skew);
    text.parse().ok().filter(fits).ok_or_else(|| "expected a number from 0 to 10".into())
}

pub(crate) fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor: Option<u64> = match &text[digits.len()..].to_ascii_uppercase()[..] {
        "" | "B" => Some(1),
        "K" | "KIB" => Some(1 << 10),
        "M" | "MIB" => Some(1 << 20),
        "G" | "GIB" => Some(1 << 30),
        "KB" => Some(1_000),
        "MB" => Some(1_000_000),
        "GB" => Some(1_000_000_000),
        _ => None,
    };
    let number = digits.parse::<u64>().ok().filter(|_| !digits.starts_with('+'));
    number.zip(factor).and_then(|(number, factor)| number.checked_mul(factor)).ok_or_else(|| {
        "expected a number of bytes, or one with K, M, G (or KiB, MiB, GiB) or KB, MB, GB".into()
    })
}

/// A number of bytes that is not 0.
pub(crate) fn size_from_one(text: &str) -> Result<u64, String> {
    match size(text)? {
        0 => Err("expected a number of bytes from 1 on".into()),
        bytes => Ok(bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        assert_eq!(size("0"), Ok(0));
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("3K"), Ok(3 << 10));
        assert_eq!(size("3m"), Ok(3 << 20));
        assert_eq!(size("1G"), Ok(1 << 30));
        assert_eq!(size("512MiB"), Ok(512 << 20));
        assert_eq!(size("512mib"), Ok(512 << 20));
        assert_eq!(size("512MB"), Ok(512_000_000));
        assert_eq!((size("7B"), size("7KB"), size("7KiB")), (Ok(7), Ok(7_000), Ok(7 << 10)));
        assert_eq!((size("2GB"), size("2GiB")), (Ok(2_000_000_000), Ok(2 << 30)));
        for bad in [
            "",
            "K",
            "-1",
            "+1",
            "1T",
            "1.5G",
            "1KK",
            "1Mi",
            "1BK",
            "99999999999G",
            "é",
            "1é",
            "1 M",
        ] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn percentages() {
        assert_eq!(percent("10%"), Ok(0.1));
        assert_eq!(percent("29%"), Ok(0.29));
        assert_eq!(
            (percent("0%"), percent("100%"), percent("0.5%")),
            (Ok(0.0), Ok(1.0), Ok(0.005))
        );
        for bad in ["", "%", "10", "0.1", "-1%", "100.1%", "NaN%", "inf%", "10 %", "10%%"] {
            assert!(percent(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn modes_are_octal() {
        assert_eq!(octal("0444"), Ok(0o444));
        assert_eq!(octal("640"), Ok(0o640));
        assert!(octal("0888").is_err());
    }
}
