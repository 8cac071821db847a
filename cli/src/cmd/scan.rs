//! `graven scan`: the entries of an interval, or their number.

use crate::args::Scan;
use crate::exit::{Failure, Outcome, note};
use crate::formats::{Format, Writer};
use crate::output::Output;
use crate::progress::{Progress, Unit};
use crate::source::Source;
use crate::terminal;
use graven::ErrorKind;
use std::borrow::Cow;
use std::ffi::OsString;
use std::ops::Bound;

/// Entries between two updates of the progress bar.
const STEP: u64 = 1024;

pub(crate) fn run(args: &Scan) -> Result<Outcome, Failure> {
    let bounds = Bounds::new(args)?;
    let source = Source::open(&args.table, args.reading.access())?;
    let limit = args.limit.unwrap_or(u64::MAX);
    let mut out = Output::new()?;
    let alone = args.values || args.keys;
    if args.format.format != Format::Tsv && (alone || args.count) {
        let format = args.format.format.name();
        let what =
            format_args!("-o {format} writes entries: leave out --keys, --values and --count");
        return Err(Failure::new(ErrorKind::Usage, what));
    }
    let mut writer = Writer::new(&args.format, (&source, &args.table), &mut out)?;
    let separator = out.separator(args.bare, alone, "--values or --keys")?;
    if let Some(why) = bounds.contradiction() {
        note(format_args!("{}: {why}", args.table.display()));
    }
    let interval = bounds.interval();
    if args.count {
        let count = source.count(&args.table, interval.bounds())?;
        out.write(format!("{}\n", count.min(limit)).as_bytes())?;
    } else {
        let (path, interval) = (&args.table, interval.bounds());
        writer.check(path, |check| source.walk(path, interval, args.reverse, limit, check))?;
        let progress = Progress::new("scanning", Unit::Entries, None, !out.is_file());
        writer.begin(&mut out)?;
        source.walk(path, interval, args.reverse, limit, |number, key, value| {
            if number % STEP == 0 {
                progress.set(number);
            }
            match (args.keys, args.values, separator) {
                (true, _, Some(separator)) => out.bare(key, separator),
                (true, _, None) => out.key(key),
                (_, true, Some(separator)) => out.bare(value, separator),
                (_, true, None) => out.value(value),
                _ => writer.entry(&mut out, key, value),
            }
        })?;
        writer.finish(&mut out)?;
    }
    out.flush()?;
    source.intact(&args.table)?;
    Ok(Outcome::Fine)
}

/// The bounds of the keys, as the command line gives them.
struct Bounds {
    from: Option<Vec<u8>>,
    to: Option<Vec<u8>>,
    prefix: Option<Vec<u8>>,
}

impl Bounds {
    fn new(args: &Scan) -> Result<Self, Failure> {
        let read = |name, key: &Option<OsString>| {
            let key = key.as_ref().map(|key| args.form.read(name, key)).transpose()?;
            Ok(key.map(Cow::into_owned))
        };
        Ok(Self {
            from: read("--from", &args.from)?,
            to: read("--to", &args.to)?,
            prefix: read("--prefix", &args.prefix)?,
        })
    }

    fn interval(&self) -> Interval {
        let Self { from, to, prefix } = self;
        Interval::intersection(from.clone(), to.clone(), prefix.clone())
    }

    /// The reason why no key can be in the interval, if none can.
    fn contradiction(&self) -> Option<String> {
        let Interval { from, to } = self.interval();
        to.filter(|to| *to <= from)?;
        let shown = |key: &Option<Vec<u8>>| key.as_deref().map(terminal::shown);
        Some(match (shown(&self.from), shown(&self.to), shown(&self.prefix)) {
            (Some(from), Some(to), _) if self.from >= self.to => format!(
                "--from \"{from}\" is not below --to \"{to}\", so there is no key between \
                 (--reverse takes the same interval)"
            ),
            (_, Some(to), None) => format!("no key is below --to \"{to}\""),
            (from, to, prefix) => {
                let bounds = [("--from", from), ("--to", to), ("--prefix", prefix)];
                let given = bounds.into_iter().filter_map(|(name, key)| Some((name, key?)));
                let given: Vec<_> = given.map(|(name, key)| format!("{name} \"{key}\"")).collect();
                format!("no key can have all of {}", given.join(", "))
            }
        })
    }
}

/// The keys from `from` on that are below `to`.
#[derive(Debug, PartialEq)]
struct Interval {
    from: Vec<u8>,
    to: Option<Vec<u8>>,
}

impl Interval {
    fn intersection(from: Option<Vec<u8>>, to: Option<Vec<u8>>, prefix: Option<Vec<u8>>) -> Self {
        let prefix = prefix.unwrap_or_default();
        let beyond = successor(&prefix);
        // Here `None` is beyond every key, but `Option` orders it before all of them.
        let to = match (to, beyond) {
            (Some(to), Some(beyond)) => Some(to.min(beyond)),
            (to, beyond) => to.or(beyond),
        };
        Self { from: from.unwrap_or_default().max(prefix), to }
    }

    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        // No key is below the empty key. Without a bound, no key needs to be looked up.
        let from = match &self.from[..] {
            [] => Bound::Unbounded,
            from => Bound::Included(from),
        };
        let to = self.to.as_ref().map_or(Bound::Unbounded, |to| Bound::Excluded(&to[..]));
        (from, to)
    }
}

/// The smallest key above all keys that start with `prefix`, if there is one.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|&byte| byte < 255)?;
    let mut successor = prefix[..=last].to_vec();
    successor[last] += 1;
    Some(successor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_no_key_can_have_it() {
        assert_eq!(successor(b"ab"), Some(b"ac".to_vec()));
        assert_eq!(successor(b"a\xff\xff"), Some(b"b".to_vec()));
        assert_eq!(successor(b"\xff\xff"), None);
        assert_eq!(successor(b""), None);
    }

    #[test]
    fn intervals_are_intersected() {
        let interval = |from: &str, to: &str, prefix: &str| {
            let some = |text: &str| (!text.is_empty()).then(|| text.as_bytes().to_vec());
            let found = Interval::intersection(some(from), some(to), some(prefix));
            let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
            (text(found.from), found.to.map_or("none".into(), text))
        };
        assert_eq!(interval("", "", ""), ("".into(), "none".into()));
        assert_eq!(interval("b", "d", ""), ("b".into(), "d".into()));
        assert_eq!(interval("", "", "c"), ("c".into(), "d".into()));
        assert_eq!(interval("b", "x", "c"), ("c".into(), "d".into()));
        assert_eq!(interval("ca", "cx", "c"), ("ca".into(), "cx".into()));
        assert_eq!(interval("e", "", "c"), ("e".into(), "d".into()));
    }
}
