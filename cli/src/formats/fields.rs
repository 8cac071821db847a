//! Which part of a record is the key, and which parts are the value. The options are the same for
//! all formats whose records have columns or fields.

use super::{Format, only};
use crate::exit::Failure;
use clap::Args;
use graven::ErrorKind;

/// Columns of csv, fields of jsonl.
#[derive(Args, Clone)]
pub(crate) struct Fields {
    /// Column of csv, or field of jsonl, that is the key: a number from 1, or a name; of csv column
    /// 1 unless said
    #[arg(long, value_name = "COL")]
    pub(crate) key: Option<String>,
    /// Column of csv, or field of jsonl, that is the value; may be repeated for csv. Unless said, it
    /// is the other columns of csv, the line of jsonl. The value of several columns is a row of csv
    #[arg(long, value_name = "COL")]
    pub(crate) value: Vec<String>,
}

impl Fields {
    pub(crate) fn check(&self, format: Format, header: bool) -> Result<(), Failure> {
        let Self { key, value } = self;
        let option = match (key, &value[..]) {
            (None, []) => return Ok(()),
            (Some(_), _) => "--key",
            _ => "--value",
        };
        only(option, format, &[Format::Csv, Format::Jsonl])?;
        let usage = |what: String| Err(Failure::new(ErrorKind::Usage, what));
        if format == Format::Jsonl {
            return match (key, &value[..]) {
                (None, _) => usage("--value of jsonl goes with --key".into()),
                (_, [_, _, ..]) => usage("--value of jsonl names one field".into()),
                _ => Ok(()),
            };
        }
        for name in key.iter().chain(value) {
            match Column::new(name) {
                Column::Number(0) => return usage("columns are numbered from 1".into()),
                Column::Name(name) if !header => {
                    return usage(format!("column \"{name}\" is a name: it goes with --header"));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// A column, as the command line names it.
#[derive(Clone)]
pub(crate) enum Column {
    /// From 1.
    Number(usize),
    Name(String),
}

impl Column {
    pub(crate) fn new(text: &str) -> Self {
        match text.parse() {
            Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Self::Number(number),
            _ => Self::Name(text.to_owned()),
        }
    }
}
