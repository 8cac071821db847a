//! Guards against headers that contradict themselves: sections that a table must have, the place of
//! the page sums, and how records and line index go with the rest. No bytes stand behind these
//! headers, so their tables may have any size.

use super::SECTION_ALIGN;
use super::header::{
    FLAG_FIXED_KEY, FLAG_FIXED_VALUE, FLAG_REPEATED_KEYS, FOOTER, Footer, HEADER, Header,
    header_checksum, kind,
};
use super::index::line::LINE;
use super::layout::Layout;
use super::sums::{SUM_BYTES, units};
use crate::error::OpenFailure;
use zerocopy::IntoBytes;

/// Bytes of the statistics.
const STATS: u64 = 64;

/// The header of a table of variable width without entries, with sections of these kinds and
/// lengths. The footer follows the last one.
fn header(sections: &[(u32, u64)]) -> Header {
    let mut header = Header::new();
    (header.length_width, header.key_bits, header.block_records) = (2, 8, 16);
    let mut end = HEADER as u64;
    for (section, &(kind, length)) in header.sections.iter_mut().zip(sections) {
        let offset = end.next_multiple_of(SECTION_ALIGN);
        end = offset + length;
        section.kind = kind.into();
        section.offset = offset.into();
        section.length = length.into();
    }
    header.section_count = (sections.len() as u32).into();
    header.file_len = (end + FOOTER as u64).into();
    header
}

/// [`header`] with records, lines, if there are any, statistics and page sums.
fn whole(records: u64, lines: u64) -> Header {
    let mut sections = vec![(kind::RECORDS, records)];
    if lines > 0 {
        sections.push((kind::LINES, lines * LINE as u64));
    }
    sections.push((kind::STATS, STATS));
    let end = header(&sections).file_len.get() - FOOTER as u64;
    sections.push((kind::SUMS, units(end.next_multiple_of(SECTION_ALIGN)) * SUM_BYTES));
    header(&sections)
}

/// [`whole`] with keys of one byte and no values.
fn fixed(entries: u64, lines: u64) -> Header {
    let mut header = whole(entries, lines);
    (header.length_width, header.key_bits) = (0, 0);
    header.flags = (FLAG_FIXED_KEY | FLAG_FIXED_VALUE).into();
    header.fixed_key_len = 1.into();
    (header.entries, header.keys) = (entries.into(), entries.into());
    header
}

fn parse(header: &Header) -> Result<Layout, OpenFailure> {
    let mut header = *header;
    header.checksum = header_checksum(header.as_bytes()).into();
    let footer = Footer::of(&header);
    Layout::parse_ends(header.as_bytes(), footer.as_bytes(), header.file_len.get())
}

/// The field that a header is refused for, and its value.
fn refused(header: &Header) -> (&'static str, u64) {
    match parse(header) {
        Err(OpenFailure::InvalidHeader { field, got, .. }) => (field, got),
        other => panic!("{other:?}"),
    }
}

#[test]
fn records_statistics_and_page_sums_are_needed() {
    let all = [(kind::RECORDS, 0), (kind::STATS, STATS), (kind::SUMS, SUM_BYTES)];
    assert!(parse(&header(&all)).is_ok());
    for (missing, _) in all {
        let there: Vec<_> = all.into_iter().filter(|&(kind, _)| kind != missing).collect();
        let seen: u64 = there.iter().map(|&(kind, _)| 1u64 << kind).sum();
        assert_eq!(refused(&header(&there)), ("sections", seen), "without kind {missing}");
    }
}

#[test]
fn page_sums_stand_last_one_for_each_page_and_the_footer_follows() {
    let (records, stats, sums) = ((kind::RECORDS, 0), (kind::STATS, STATS), kind::SUMS);
    let right = header(&[records, stats, (sums, SUM_BYTES)]);
    assert!(parse(&right).is_ok());
    let mut gap = right;
    gap.file_len += SECTION_ALIGN;
    let longer = header(&[records, stats, (sums, 2 * SUM_BYTES)]);
    let not_last = header(&[records, stats, (sums, SUM_BYTES), (kind::METADATA, 64)]);
    let start = HEADER as u64 + STATS;
    for wrong in [gap, longer, not_last] {
        assert_eq!(refused(&wrong), ("sections", start));
    }
}

/// Without entries there are no records, whatever their width is, and no bytes before the first key,
/// which otherwise put values on their alignment.
#[test]
fn a_table_without_entries_has_no_bytes_of_records() {
    assert!(parse(&whole(0, 0)).is_ok());
    assert_eq!(refused(&whole(64, 0)), ("entries", 0));
    let mut aligned = fixed(0, 0);
    aligned.fixed_value_len = 8.into();
    aligned.value_align_log2 = 3;
    let stride_and_lead = parse(&aligned).unwrap().record.stride();
    assert_eq!(stride_and_lead, Some((16, 7)));
}

#[test]
fn lines_are_of_tables_of_fixed_width_without_repeated_keys_and_without_a_tree() {
    let lines_of = |mut header: Header| {
        header.line_scale = 7.into();
        header
    };
    assert!(parse(&lines_of(fixed(64, 3))).is_ok_and(|layout| layout.lines.is_some()));

    let mut repeated = lines_of(fixed(64, 3));
    repeated.flags = (repeated.flags.get() | FLAG_REPEATED_KEYS).into();
    repeated.keys = 63.into();
    assert_eq!(refused(&repeated), ("line_scale", 7));

    let mut variable = lines_of(whole(64, 3));
    (variable.entries, variable.keys) = (32.into(), 32.into());
    assert_eq!(refused(&variable), ("line_scale", 7));

    let mut tree = lines_of(fixed(64, 3));
    tree.index_levels = 1;
    assert_eq!(refused(&tree), ("line_scale", 7));
}

/// A line has the rank of its first key in four bytes.
#[test]
fn lines_count_up_to_four_billion_entries_and_at_least_one() {
    assert_eq!(refused(&fixed(0, 1)), ("line_scale", 0));
    assert!(parse(&fixed(1, 1)).is_ok());
    #[cfg(target_pointer_width = "64")]
    {
        assert!(parse(&fixed(u32::MAX.into(), 1)).is_ok());
        assert_eq!(refused(&fixed(1 << 32, 1)), ("line_scale", 0));
    }
}
