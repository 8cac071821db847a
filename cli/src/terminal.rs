//! Characters that a terminal must not get unescaped: they move its cursor, set its title or turn
//! text round.

use crate::exit;
use crate::formats::tsv;
use std::io::{self, IsTerminal, Write};

/// Whether a terminal does something else with a character than show it. These are control
/// characters (C0, DEL, C1), characters that change the direction of the text around them or begin
/// a line, and the byte order mark, which is not seen.
pub(crate) fn harmful(char: char) -> bool {
    let turns = matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2066}'..='\u{2069}');
    char.is_control() || turns || matches!(char, '\u{2028}'..='\u{202e}' | '\u{feff}')
}

/// Writes a field with the escapes of tsv. Other harmful characters, and bytes that are no UTF-8,
/// become `\xHH`. A reader of tsv turns the text into the same bytes.
pub(crate) fn write_field(out: &mut impl Write, field: &[u8]) -> io::Result<()> {
    for chunk in field.utf8_chunks() {
        let text = chunk.valid();
        let mut plain = 0;
        for (at, char) in text.char_indices().filter(|&(_, char)| char == '\\' || harmful(char)) {
            out.write_all(&text.as_bytes()[plain..at])?;
            plain = at + char.len_utf8();
            let bytes = &text.as_bytes()[at..plain];
            match char {
                '\\' | '\t' | '\n' | '\r' | '\0' => tsv::write_field(out, bytes)?,
                _ => write_hex(out, bytes)?,
            }
        }
        out.write_all(&text.as_bytes()[plain..])?;
        write_hex(out, chunk.invalid())?;
    }
    Ok(())
}

fn write_hex(out: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    bytes.iter().try_for_each(|byte| write!(out, "\\x{byte:02x}"))
}

/// A field as [`write_field`] writes it.
pub(crate) fn shown(field: &[u8]) -> String {
    let mut text = Vec::new();
    // Writing to a Vec cannot fail, and `write_field` writes UTF-8 only.
    let _ = write_field(&mut text, field);
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether the run reads what a user types. If so, a message says it, because a program that waits
/// for its user looks like one that hangs.
pub(crate) fn reads_what_is_typed(what: &str, quiet: bool) -> bool {
    let typed = io::stdin().is_terminal();
    if typed && !quiet {
        exit::note(format_args!(
            "reading {what} from the terminal; Ctrl-D on a new line ends them"
        ));
    }
    typed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_escaped() {
        for (bytes, expected) in [
            (&b"plain, \xc3\xa9\xe2\x82\xac"[..], "plain, é€"),
            (b"\x1b]0;title\x07", "\\x1b]0;title\\x07"),
            (b"\x7f\x01", "\\x7f\\x01"),
            // A C1 character as UTF-8, and as a single byte.
            (b"\xc2\x9b31m", "\\xc2\\x9b31m"),
            (b"\x9b31m", "\\x9b31m"),
            (b"a\xffb\xe2\x82", "a\\xffb\\xe2\\x82"),
            (
                "a\u{202e}b\u{2067}c\u{2028}".as_bytes(),
                "a\\xe2\\x80\\xaeb\\xe2\\x81\\xa7c\\xe2\\x80\\xa8",
            ),
            (b"\xef\xbb\xbfkey", "\\xef\\xbb\\xbfkey"),
            (b"\\ \t \n \r \0", "\\\\ \\t \\n \\r \\0"),
        ] {
            assert_eq!(shown(bytes), expected);
        }
    }

    #[test]
    fn what_is_shown_is_read_as_the_same_bytes() {
        let all: Vec<u8> = (0..=255).chain("é\u{9b}\u{202e}".bytes()).collect();
        let text = shown(&all);
        assert!(text.chars().all(|char| !harmful(char)), "{text}");
        assert_eq!(crate::args::unescape(text.as_bytes()), Ok(all));
    }
}
