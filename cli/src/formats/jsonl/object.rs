//! Some fields of a JSON object, found without building anything of the others.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The fields that are looked for.
#[derive(Clone, Copy)]
pub(super) struct Object<'n, const N: usize> {
    pub(super) names: [&'n str; N],
    /// Whether other fields are an error.
    pub(super) closed: bool,
}

impl<'n, const N: usize> Object<'n, N> {
    /// The text of each field, or what is wrong with the line.
    pub(super) fn read(self, line: &str) -> Result<[Option<&RawValue>; N], String> {
        let mut json = serde_json::Deserializer::from_str(line);
        let found = self.deserialize(&mut json);
        found.and_then(|found| json.end().map(|()| found)).map_err(|error| place(&error))
    }
}

/// The message of an error without serde_json's place: its line number is that of a text of one
/// line.
fn place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    match text.strip_suffix(&place) {
        Some(what) if error.is_eof() => {
            format!("{what} (one object on a line, as jq -c writes it)")
        }
        Some(what) => format!("{what} at byte {} of the line", error.column()),
        None => text,
    }
}

impl<'de, const N: usize> DeserializeSeed<'de> for Object<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Object<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = [None; N];
        while let Some(at) = map.next_key_seed(Name(self))? {
            match at {
                // Programs disagree on which one counts.
                Some(at) if found[at].is_some() => {
                    let name = self.names[at].escape_debug();
                    return Err(A::Error::custom(format_args!("field \"{name}\" twice")));
                }
                Some(at) => found[at] = Some(map.next_value()?),
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}

/// Reads the name of a field as its number among those that are looked for.
struct Name<'n, const N: usize>(Object<'n, N>);

impl<'de, const N: usize> DeserializeSeed<'de> for Name<'_, N> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<const N: usize> Visitor<'_> for Name<'_, N> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let at = self.0.names.iter().position(|wanted| *wanted == name);
        if at.is_none() && self.0.closed {
            let (name, names) = (name.escape_debug(), self.0.names.join(", "));
            return Err(E::custom(format_args!(
                "field \"{name}\" is none of {names} (--key names the field of the key)"
            )));
        }
        Ok(at)
    }
}

/// The bytes that a field stands for: those of a string are its text, those of anything else are
/// its JSON.
pub(super) fn bytes<'a>(raw: &'a RawValue, scratch: &'a mut Vec<u8>) -> Result<&'a [u8], String> {
    let text = raw.get();
    let Some(quoted) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) else {
        return Ok(text.as_bytes());
    };
    if memchr::memchr(b'\\', quoted.as_bytes()).is_none() {
        return Ok(quoted.as_bytes());
    }
    let string = serde_json::from_str::<String>(text).map_err(|error| place(&error))?;
    *scratch = string.into_bytes();
    Ok(scratch)
}
