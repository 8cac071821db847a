//! How texts show keys and numbers, and how errors show themselves to `Debug`.

use std::fmt;

/// A key as an error shows it: escaped, and cut after 64 bytes.
pub(crate) struct Shown<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 64;
        let (shown, rest) = self.0.split_at(self.0.len().min(MOST));
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if !rest.is_empty() {
            write!(f, "… ({} bytes)", self.0.len())?;
        }
        Ok(())
    }
}

/// A number of things, with the words for one of them and for several.
pub(crate) struct Counted(pub(crate) u64, pub(crate) &'static str, pub(crate) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(number, one, several) = self;
        write!(f, "{number} {}", if *number == 1 { one } else { several })
    }
}

/// `1 entry`, `2 entries`.
pub(crate) fn entries(number: u64) -> Counted {
    Counted(number, "entry", "entries")
}

/// Implements `Debug` for an error: its text, then the name of its variant. A `main` that returns
/// an error prints `Debug`, and so does `unwrap`; the text says what to do, and fields without their
/// text do not.
macro_rules! debug_as_text {
    ($error:ident: $($variant:ident)+) => {
        /// The text, and the name of the variant.
        impl fmt::Debug for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let variant = match self {
                    $(Self::$variant { .. } => stringify!($variant),)+
                };
                write!(f, "{self} ({}::{variant})", stringify!($error))
            }
        }
    };
}
pub(super) use debug_as_text;
