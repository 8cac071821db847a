//! Comma-separated values as RFC 4180 has them. A record is an entry.
//!
//! The reader takes LF, CR LF and CR as line ends, leaves out a byte order mark and empty lines, and
//! refuses records of another number of fields than the first one. A record is held in memory. The
//! writer ends lines with LF, and quotes what must be quoted.

use super::fields::{Column, Fields};
use super::tsv::{is_mistaken, shown};
use crate::foreign::{self, Foreign};
use crate::input::{Entry, InputError, MAX_KEY, Window};
use clap::Args;
use csv_core::ReadRecordResult;
use std::io::Read;

/// Most bytes of a record: a key and a value of the longest lengths, and a little.
const MOST: u64 = (4 << 30) + (1 << 20);

/// How csv is read and written.
#[derive(Args, Clone, Copy)]
pub(crate) struct Csv {
    /// The first record of csv names the columns
    #[arg(long)]
    pub(crate) header: bool,
    /// Byte between the fields of csv; \t is TAB
    #[arg(long, value_name = "BYTE", value_parser = delimiter, default_value = ",")]
    pub(crate) delimiter: u8,
}

impl Csv {
    /// An option that was given, if any was.
    pub(crate) fn given(self) -> Option<&'static str> {
        match self {
            Self { header: true, .. } => Some("--header"),
            Self { delimiter: b',', .. } => None,
            _ => Some("--delimiter"),
        }
    }
}

fn delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"\\t" => Ok(b'\t'),
        [b'"' | b'\r' | b'\n'] => Err("neither a quote nor a line end can divide fields".into()),
        &[byte] => Ok(byte),
        _ => Err("expected one byte, or \\t".into()),
    }
}

/// Entries of a csv input.
pub(crate) struct Reader<R> {
    records: Records<R>,
    csv: Csv,
    fields: Fields,
    /// The columns, once the first record was read.
    columns: Option<Columns>,
    row: Vec<u8>,
}

impl<R: Read> Reader<R> {
    pub(crate) fn new(source: R, csv: Csv, fields: Fields) -> Self {
        let mut records = Records::new(source, csv.delimiter);
        records.key = match fields.key.as_deref().map(Column::new) {
            None => Some(0),
            Some(Column::Number(number)) => number.checked_sub(1),
            Some(Column::Name(_)) => None,
        };
        Self { records, csv, fields, columns: None, row: Vec::new() }
    }

    /// The next entry, or none at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Entry<'_>>, InputError> {
        if self.columns.is_none() && !self.begin()? {
            return Ok(None);
        }
        if !self.records.unread && !self.records.next()? {
            return Ok(None);
        }
        self.records.unread = false;
        let Self { records, columns, row, .. } = self;
        records.check_quotes().map_err(InputError::Malformed)?;
        let Some(columns) = columns else { return Ok(None) };
        if records.width() != columns.width {
            let (got, width) = (records.width(), columns.width);
            let what = format!("{} where the first record has {width}", counted(got));
            return Err(InputError::Malformed(what));
        }
        let key = records.field(columns.key);
        let value = match columns.values[..] {
            [] => b"",
            [one] => records.field(one),
            ref several => {
                row.clear();
                for (number, &column) in several.iter().enumerate() {
                    if number > 0 {
                        row.push(self.csv.delimiter);
                    }
                    write_field(row, records.field(column), self.csv.delimiter);
                }
                row
            }
        };
        Ok(Some(Entry::Whole(key, value)))
    }

    /// Reads the first record and finds the columns. False if there is no record.
    #[cold]
    fn begin(&mut self) -> Result<bool, InputError> {
        let start = self.records.start()?;
        // Nearly everything is csv of one column.
        if let Some(foreign) = Foreign::certain(start) {
            return Err(InputError::Foreign(foreign));
        }
        if let Some(order) = foreign::utf16_of_fields(start, self.csv.delimiter) {
            return Err(InputError::Broken(foreign::convert(order)));
        }
        if !self.records.next()? {
            return Ok(false);
        }
        // What is wrong with the first record makes the columns unknown.
        self.records.check_quotes().map_err(InputError::Broken)?;
        let columns = Columns::new(&self.records, &self.fields, self.csv.header);
        self.columns = Some(columns.map_err(InputError::Broken)?);
        self.records.unread = !self.csv.header;
        Ok(true)
    }

    /// The number of the line on which the record that [`next`](Self::next) was at begins, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.records.line
    }
}

/// The columns that become entries, counted from 0.
struct Columns {
    key: usize,
    values: Vec<usize>,
    /// Fields of every record.
    width: usize,
}

impl Columns {
    fn new<R: Read>(first: &Records<R>, fields: &Fields, header: bool) -> Result<Self, String> {
        let width = first.width();
        let find = |text: &String| match Column::new(text) {
            Column::Number(number) if number > width => {
                Err(format!("no column {number}: the first record has {}", counted(width)))
            }
            Column::Number(number) => Ok(number - 1),
            Column::Name(_) if !header => Err(format!("no column \"{text}\" without --header")),
            Column::Name(name) => {
                let named = |&at: &usize| first.field(at) == name.as_bytes();
                let mut found = (0..width).filter(named);
                let names = || {
                    let names = (0..width).map(|at| shown(first.field(at)));
                    names.collect::<Vec<_>>().join(", ")
                };
                match (found.next(), found.next()) {
                    (Some(at), None) => Ok(at),
                    (Some(_), _) => Err(format!("the header names two columns \"{name}\"")),
                    _ => Err(format!("no column \"{name}\": the header names {}", names())),
                }
            }
        };
        let key = fields.key.as_ref().map_or(Ok(0), find)?;
        let values = match &fields.value[..] {
            [] => (0..width).filter(|&at| at != key).collect(),
            named => named.iter().map(find).collect::<Result<_, _>>()?,
        };
        Ok(Self { key, values, width })
    }
}

fn counted(fields: usize) -> String {
    if fields == 1 { "1 field".into() } else { format!("{fields} fields") }
}

/// Records of an input, one at a time.
struct Records<R> {
    window: Window<R>,
    parser: csv_core::Reader,
    ended: bool,
    /// The fields of the current record, one after the other, and where each ends.
    bytes: Vec<u8>,
    ends: Vec<usize>,
    width: usize,
    /// Quotes in the current record.
    quotes: usize,
    /// Line on which the current record begins.
    line: u64,
    /// Line ends before the window.
    lines: u64,
    /// Whether the current record is still to be handed out.
    unread: bool,
    /// The column of the key, if it is known before the header is read.
    key: Option<usize>,
    /// Most bytes of a record.
    most: u64,
}

impl<R: Read> Records<R> {
    fn new(source: R, delimiter: u8) -> Self {
        Self {
            window: Window::new(source),
            parser: csv_core::ReaderBuilder::new().delimiter(delimiter).build(),
            ended: false,
            bytes: vec![0; 4096],
            ends: vec![0; 16],
            width: 0,
            quotes: 0,
            line: 1,
            lines: 0,
            unread: false,
            key: None,
            most: MOST,
        }
    }

    /// The first bytes of the input. The parser must see a byte order mark at once.
    fn start(&mut self) -> Result<&[u8], InputError> {
        while self.window.bytes().len() < 64 && !self.ended {
            self.ended = !self.window.more()?;
        }
        Ok(self.window.bytes())
    }

    /// Reads the next record. False at the end of the input.
    fn next(&mut self) -> Result<bool, InputError> {
        self.skip_empty()?;
        self.line = self.lines + 1;
        (self.width, self.quotes) = (0, 0);
        let mut len = 0;
        loop {
            if self.window.bytes().is_empty() && !self.ended {
                self.ended = !self.window.more()?;
            }
            // Without input, the parser takes the input as ended.
            let (result, taken, written, fields) = self.parser.read_record(
                self.window.bytes(),
                &mut self.bytes[len..],
                &mut self.ends[self.width..],
            );
            for at in memchr::memchr2_iter(b'\n', b'"', &self.window.bytes()[..taken]) {
                match self.window.bytes()[at] {
                    b'\n' => self.lines += 1,
                    _ => self.quotes += 1,
                }
            }
            self.window.take(taken);
            len += written;
            self.width += fields;
            match result {
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if len as u64 > self.most => {
                    let what = "a record longer than any entry (is a quote never closed?)";
                    return Err(InputError::Broken(what.into()));
                }
                ReadRecordResult::OutputFull if self.is_long_key(len) => {
                    let what = "more than 65535 bytes in a key (is a quote never closed?)";
                    return Err(InputError::Broken(what.into()));
                }
                ReadRecordResult::OutputFull => {
                    let room = self.bytes.len();
                    self.bytes.try_reserve(room).map_err(|_| InputError::no_memory())?;
                    self.bytes.resize(2 * room, 0);
                }
                ReadRecordResult::OutputEndsFull => self.ends.resize(2 * self.ends.len(), 0),
                ReadRecordResult::Record => return Ok(true),
                ReadRecordResult::End => return Ok(false),
            }
        }
    }

    /// Whether the field at whose end `len` bytes of the record are there is a key, and too long for
    /// one. So an input of another kind takes no memory.
    fn is_long_key(&self, len: usize) -> bool {
        let start = self.width.checked_sub(1).map_or(0, |before| self.ends[before]);
        self.key == Some(self.width) && len - start > MAX_KEY
    }

    /// Takes off the line ends before a record, the last one of the record before included. The
    /// parser would skip them, too, but the line of the record would not be known.
    fn skip_empty(&mut self) -> Result<(), InputError> {
        loop {
            let bytes = self.window.bytes();
            let ends = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            let all = ends == bytes.len();
            self.lines += bytes[..ends].iter().filter(|&&byte| byte == b'\n').count() as u64;
            self.window.take(ends);
            if !all || self.ended {
                return Ok(());
            }
            self.ended = !self.window.more()?;
        }
    }

    /// Refuses a record in which a quote is not closed.
    fn check_quotes(&self) -> Result<(), String> {
        if self.quotes.is_multiple_of(2) {
            return Ok(());
        }
        Err("a quote that is not closed: a field with quotes is quoted, its own quotes doubled"
            .into())
    }

    fn width(&self) -> usize {
        self.width
    }

    fn field(&self, column: usize) -> &[u8] {
        let start = if column == 0 { 0 } else { self.ends[column - 1] };
        &self.bytes[start..self.ends[column]]
    }
}

/// Appends a field, quoted if it must be.
pub(crate) fn write_field(out: &mut Vec<u8>, field: &[u8], delimiter: u8) {
    let special = memchr::memchr3(b'"', b'\n', b'\r', field).is_some();
    if special || memchr::memchr(delimiter, field).is_some() {
        write_quoted(out, field);
    } else {
        out.extend_from_slice(field);
    }
}

fn write_quoted(out: &mut Vec<u8>, field: &[u8]) {
    out.push(b'"');
    let mut rest = field;
    while let Some(at) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// Writes entries as records of two fields.
pub(crate) struct Writer {
    csv: Csv,
    line: Vec<u8>,
    /// Whether nothing was written yet.
    first: bool,
}

impl Writer {
    pub(crate) fn new(csv: Csv) -> Self {
        Self { csv, line: Vec::new(), first: true }
    }

    /// The first line without its line end, if the output has a header.
    pub(crate) fn header(&mut self) -> Option<&[u8]> {
        if self.csv.header { Some(self.line(b"key", b"value")) } else { None }
    }

    /// A line without its line end.
    pub(crate) fn line(&mut self, key: &[u8], value: &[u8]) -> &[u8] {
        let Self { csv: Csv { delimiter, .. }, line, first } = self;
        line.clear();
        write_field(line, key, *delimiter);
        line.push(*delimiter);
        write_field(line, value, *delimiter);
        // The output must not be taken for another format.
        if std::mem::take(first) {
            let mistaken = is_mistaken(line) || Foreign::may_begin(line);
            if line.contains(&0) {
                // UTF-16 is known by zeros beside a delimiter and a line end.
                line.clear();
                write_quoted(line, key);
                line.push(*delimiter);
                write_quoted(line, value);
            } else if line[0] != b'"' && mistaken {
                line.clear();
                write_quoted(line, key);
                line.push(*delimiter);
                write_field(line, value, *delimiter);
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::testing::Entries;

    const PLAIN: Csv = Csv { header: false, delimiter: b',' };

    fn read(text: &[u8], key: Option<&str>) -> Result<Entries, String> {
        read_up_to(MOST, text, key)
    }

    /// Reads records of no more than about so many bytes.
    fn read_up_to(most: u64, text: &[u8], key: Option<&str>) -> Result<Entries, String> {
        let fields = Fields { key: key.map(str::to_owned), value: Vec::new() };
        let mut reader = Reader::new(text, PLAIN, fields);
        reader.records.most = most;
        let mut all = Vec::new();
        while let Some(entry) = reader.next().map_err(|error| error.to_string())? {
            all.push(entry.into_bytes().map_err(|error| error.to_string())?);
        }
        Ok(all)
    }

    /// The length of a key counts from its start, not from that of the record.
    #[test]
    fn a_key_behind_other_columns_may_be_the_longest() {
        for before in [1, 40_000] {
            let (first, key) = ("x".repeat(before), "k".repeat(MAX_KEY));
            let entry = (key.clone().into_bytes(), first.clone().into_bytes());
            // The room of the shorter record is full just before the line end.
            for end in ["", "\n"] {
                let text = format!("{first},{key}{end}");
                assert_eq!(read(text.as_bytes(), Some("2")), Ok(vec![entry.clone()]));
            }
            let endless = format!("{first},{}", "k".repeat(200_000));
            let error = read(endless.as_bytes(), Some("2"));
            assert!(error.is_err_and(|error| error.contains("65535")), "{before}");
        }
    }

    /// The length is asked for whenever the room of 4,096 bytes is full and doubled.
    #[test]
    fn a_record_longer_than_any_entry_is_refused() {
        let value = |len| "v".repeat(len);
        let read = |len| read_up_to(4096, format!("k,{}\n", value(len)).as_bytes(), None);
        let entry = (b"k".to_vec(), value(5000).into_bytes());
        assert_eq!(read(5000), Ok(vec![entry]));
        assert!(read(9000).is_err_and(|error| error.contains("longer than any entry")));
    }

    #[test]
    fn a_record_has_any_number_of_columns() {
        for columns in [1, 16, 17, 33, 300] {
            let values = vec!["v"; columns].join(",");
            let entry = (b"k".to_vec(), values.clone().into_bytes());
            assert_eq!(read(format!("k,{values}\n").as_bytes(), None), Ok(vec![entry]));
        }
    }

    #[test]
    fn what_needs_no_quotes_has_none() {
        let line = |key: &[u8], value: &[u8]| Writer::new(PLAIN).line(key, value).to_vec();
        assert_eq!(line(b"a", b"b"), b"a,b");
        assert_eq!(line(b"a,", b"b"), b"\"a,\",b");
        assert_eq!(line(b"\x80", b"b"), b"\"\x80\",b");
        let mut writer = Writer::new(PLAIN);
        writer.line(b"a", b"b");
        assert_eq!(writer.line(b"\x80", b"b"), b"\x80,b", "only the first line tells the format");
    }
}
