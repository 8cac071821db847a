//! The types section: key and value type of a typed table as text.

use super::view::View;
use crate::error::ReadResult;
use crate::format::types::{MAX_SECTION, TypeNames};

/// The types section of a table.
pub(crate) struct TypesSection<'t> {
    /// What it says.
    pub(crate) names: TypeNames<'t>,
}

impl<'t> TypesSection<'t> {
    /// Reads the section, its pages checked. `None` if there is none.
    pub(crate) fn read(view: &'t View) -> ReadResult<Option<Self>> {
        let Some(span) = view.layout().types else { return Ok(None) };
        let bad = || view.corrupt("types make no sense", span.start as u64);
        // Asked before its pages are read: no file makes an open read more.
        if span.len() > MAX_SECTION {
            return view.sound(Err(bad()));
        }
        view.ensure(span.start..span.end)?;
        let names = TypeNames::parse(view.slice(span.start..span.end)?);
        view.sound(names.map(|names| Some(Self { names })).ok_or_else(bad))
    }
}
