//! Standard output, written in large pieces, and what a failed write means.

use crate::args::{Bare, Separator};
use crate::exit::Failure;
use crate::formats::tsv::{Form, Unwritable, write_field};
use crate::{closed, terminal};
use graven::ErrorKind;
use rustix::fs::OFlags;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::fd::AsFd;

/// Large enough that a system call costs little per byte, small enough to stay in the cache.
const BUFFER: usize = 256 << 10;

/// Standard output without the standard library's own buffer, which would flush at every line.
pub(crate) struct Output {
    writer: BufWriter<File>,
    /// Whether the output is a terminal. What drives a terminal is escaped there in every form.
    terminal: bool,
    /// How lines are written.
    form: Form,
}

impl Output {
    pub(crate) fn new() -> Result<Self, Failure> {
        usable()?;
        let file = io::stdout().as_fd().try_clone_to_owned().map_err(|error| failure(&error))?;
        let file = File::from(file);
        let terminal = file.is_terminal();
        Ok(Self { writer: BufWriter::with_capacity(BUFFER, file), terminal, form: Form::Escaped })
    }

    /// Sets how lines are written. The default is with escapes.
    pub(crate) fn set_form(&mut self, form: Form) {
        self.form = form;
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Fails where bytes that cannot be escaped would reach a terminal.
    pub(crate) fn takes_binary(&self, what: &str) -> Result<(), Failure> {
        if !self.terminal {
            return Ok(());
        }
        let why = format_args!(
            "{what} is for programs, and standard output is a terminal: use > FILE or a pipe"
        );
        Err(Failure::new(ErrorKind::Usage, why))
    }

    /// Whether the output is a file on disk: the only case in which a progress bar disturbs nobody.
    pub(crate) fn is_file(&self) -> bool {
        self.writer.get_ref().metadata().is_ok_and(|metadata| metadata.is_file())
    }

    #[inline]
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.writer.write_all(bytes).map_err(|error| failure(&error))
    }

    /// The separator of bare fields, if the user asked for one. Fields are bare only if nothing
    /// else is printed. `alone` says whether one of `options`, which ensure this, was given.
    pub(crate) fn separator(
        &self,
        bare: Bare,
        alone: bool,
        options: &str,
    ) -> Result<Option<Separator>, Failure> {
        match bare.separator() {
            Some(_) if !alone => {
                let what = format_args!("--sep and -0 go with {options}");
                return Err(Failure::new(ErrorKind::Usage, what));
            }
            Some(Separator::Length) => self.takes_binary("--sep length")?,
            _ => {}
        }
        Ok(bare.separator())
    }

    /// Writes an entry as a line of tsv.
    #[inline]
    pub(crate) fn entry(&mut self, key: &[u8], value: &[u8]) -> Result<(), Failure> {
        if self.terminal {
            self.shown(key, b"\t")?;
            return self.shown(value, b"\n");
        }
        let form = self.form;
        self.with(|out| form.write_entry(out, key, value))
    }

    /// Writes fields as a line of tsv.
    pub(crate) fn fields(&mut self, fields: &[&[u8]]) -> Result<(), Failure> {
        for (field, number) in fields.iter().zip(1..) {
            let end = if number == fields.len() { b"\n" } else { b"\t" };
            if self.terminal {
                self.shown(field, end)?;
                continue;
            }
            self.with(|out| {
                write_field(out, field)?;
                out.write_all(end)
            })?;
        }
        Ok(())
    }

    /// Writes a key as a line of tsv.
    #[inline]
    pub(crate) fn key(&mut self, key: &[u8]) -> Result<(), Failure> {
        if self.terminal {
            return self.shown(key, b"\n");
        }
        let form = self.form;
        self.with(|out| form.write_key(out, key))
    }

    /// Writes a value as a line of tsv.
    #[inline]
    pub(crate) fn value(&mut self, value: &[u8]) -> Result<(), Failure> {
        if self.terminal {
            return self.shown(value, b"\n");
        }
        let form = self.form;
        self.with(|out| form.write_value(out, value))
    }

    /// Writes a line of tsv that has `mark` in the place of a value, with the key before it if one is
    /// given. The mark is no field: its backslashes stay as they are.
    pub(crate) fn marked(&mut self, key: Option<&[u8]>, mark: &[u8]) -> Result<(), Failure> {
        if self.terminal {
            key.map_or(Ok(()), |key| self.shown(key, b"\t"))?;
            return self.shown_as(Form::Plain, mark, b"\n");
        }
        let form = self.form;
        self.with(|out| {
            key.map_or(Ok(()), |key| form.write_key_before(out, key))?;
            out.write_all(mark)?;
            out.write_all(b"\n")
        })
    }

    /// Writes a field as it is, with its separator.
    #[inline]
    pub(crate) fn bare(&mut self, field: &[u8], separator: Separator) -> Result<(), Failure> {
        let end: &[u8] = match separator {
            Separator::None | Separator::Length => b"",
            Separator::Newline => b"\n",
            Separator::Nul => b"\0",
        };
        if self.terminal {
            return self.shown(field, end);
        }
        if separator == Separator::Length {
            // The length of every key and value fits in a u32.
            self.write(&(field.len() as u32).to_le_bytes())?;
        }
        self.write(field)?;
        self.write(end)
    }

    /// Writes text as it is. On a terminal, what drives a terminal is escaped.
    pub(crate) fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.bare(text.as_bytes(), Separator::None)
    }

    /// Writes a field for a terminal.
    #[cold]
    fn shown(&mut self, field: &[u8], end: &[u8]) -> Result<(), Failure> {
        self.shown_as(self.form, field, end)
    }

    #[cold]
    fn shown_as(&mut self, form: Form, field: &[u8], end: &[u8]) -> Result<(), Failure> {
        self.with(|out| {
            match form {
                Form::Escaped => terminal::write_field(out, field)?,
                // A backslash does nothing to a terminal, so it stays as it is.
                Form::Plain => {
                    for (part, number) in field.split(|&byte| byte == b'\\').zip(0u64..) {
                        out.write_all(if number > 0 { b"\\" } else { b"" })?;
                        terminal::write_field(out, part)?;
                    }
                }
            }
            out.write_all(end)
        })
    }

    /// Runs a codec's write function on the output.
    #[inline]
    pub(crate) fn with(
        &mut self,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), Failure> {
        write(&mut self.writer).map_err(|error| failure(&error))
    }

    /// Every run that writes ends with this: an error at the last byte counts like any other.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| failure(&error))
    }
}

/// Fails where nothing can be written to standard output. The standard library would count the
/// bytes as written.
pub(crate) fn usable() -> Result<(), Failure> {
    let what = if closed::output() {
        "is closed: use >/dev/null if nobody wants it"
    } else if rustix::fs::fcntl_getfl(io::stdout())
        .is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDONLY)
    {
        "is open for reading only"
    } else {
        return Ok(());
    };
    Err(Failure::at(ErrorKind::Io, "standard output", what))
}

/// What a failed write to standard output means.
#[cold]
pub(crate) fn failure(error: &io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::ClosedPipe,
        // No write failed: the table has an entry that a line without escapes cannot hold.
        _ if error.get_ref().is_some_and(|inner| inner.is::<Unwritable>()) => {
            Failure::at(ErrorKind::Data, "standard output", error)
        }
        _ => Failure::at(ErrorKind::Io, "standard output", error),
    }
}
