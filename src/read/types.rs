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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::layout::Span;
    use crate::format::types::MAX_TYPE;
    use crate::read::map::Bytes;
    use crate::read::pages::Pages;
    use crate::{BuildOptions, Table};

    /// A table whose types section has so many bytes, which are its only value. The first type is as
    /// long as a type may be.
    fn view(section: usize) -> View {
        let mut text = vec![b'a'; section];
        text[MAX_TYPE] = b'\n';
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t");
        BuildOptions::new().durable(false).build(&path, [(b"key", text)]).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        let mut layout = Table::load(&path).unwrap().view().layout().clone();
        // Records end with their value.
        let end = layout.records.end;
        layout.types = Some(Span { start: end - section, end });
        let pages = Pages::new(&layout);
        View::new(Bytes::from_cow(bytes.into()), layout, pages, None)
    }

    #[test]
    fn the_longest_section_is_read() {
        let view = view(MAX_SECTION);
        let names = TypesSection::read(&view).unwrap().unwrap().names;
        assert_eq!((names.key.len(), names.value.len()), (MAX_TYPE, MAX_TYPE));
    }

    #[test]
    fn a_longer_section_is_refused_and_not_read() {
        let view = view(MAX_SECTION + 1);
        let start = view.layout().types.unwrap().start as u64;
        let error = TypesSection::read(&view).err();
        assert_eq!(error, Some(view.corrupt("types make no sense", start)));
        assert!(view.pages().nothing_checked());
    }
}
