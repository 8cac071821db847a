//! Packed tables, as they are built and damaged.

use super::damage;
use super::input::Input;
use super::model::{self, Model};
use graven::{Compression, OpenOptions, PackedTable, PageChecks, ValueBuffer};
use std::sync::LazyLock;

/// Most bytes of a value that is decoded.
const MOST: u32 = 1 << 20;

const GOLDENS: usize = 3;
/// Tables to damage. They need no dictionary, which takes two thirds of the time of an execution that builds one.
const GOLDEN: [&[u8]; GOLDENS] = [
    include_bytes!("../../../tests/data/v1/packed-fsst.grv"),
    include_bytes!("../../../tests/data/v1/packed-keys.grv"),
    include_bytes!("../../../tests/data/v1/packed-zstd.grv"),
];

/// What each golden table must answer.
static MODELS: LazyLock<[Model; GOLDENS]> = LazyLock::new(|| {
    GOLDEN.map(|golden| {
        let table = PackedTable::from_bytes(golden.to_vec()).expect("a golden table opens");
        let entries = table.iter().collect::<Result<_, _>>().expect("a golden table is sound");
        Model::of(entries)
    })
});

/// A packed table from the input's entries: answers as a sorted list does, or, with patches, gives
/// answers and errors only, whether checksums are looked at or made right. So does a golden table with
/// patches. True if the table opens.
pub(crate) fn packed(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let (way, how) = (input.byte(), input.byte());
    let mut options = input.options();
    let patches = input.patches();
    let entries = input.entries();
    options.value_align = 1;
    options.compact_keys = way & 1 != 0;
    options.compression = match way >> 1 & 3 {
        0 => None,
        1 => Some(Compression::fsst()),
        2 => Some(Compression::zstd().level(1).dictionary_bytes(1024)),
        _ => Some(Compression::zstd().level(1).dictionary_bytes(0)),
    };
    if options.compression.is_none() {
        options.compact_keys = true;
    }
    let golden = usize::from(way >> 4).wrapping_sub(1);
    let built;
    let (good, model) = if golden < GOLDENS && how % 3 != 0 {
        (GOLDEN[golden].to_vec(), &MODELS[golden])
    } else {
        built = model::build(&options, &entries);
        let Some((good, model)) = &built else { return false };
        (good.clone(), model)
    };
    let questions = model.questions();
    let opened = match how % 3 {
        0 => {
            let table = PackedTable::from_bytes(good).expect("what was built opens");
            table.stored().verify().expect("what was built is good");
            model.check_packed(&table, &questions);
            return true;
        }
        1 => {
            let bad = damage::patch(&good, &patches);
            let options = OpenOptions::new().page_checks(PageChecks::Never).allow_packed(true);
            options.from_bytes(bad).and_then(PackedTable::try_from)
        }
        _ => {
            let mut bad = damage::patch(&good, &patches);
            damage::repair(&mut bad, way & 8 == 0);
            PackedTable::from_bytes(bad)
        }
    };
    opened.map(|table| ask(&table, &questions)).is_ok()
}

/// Asks everything that decodes.
fn ask(table: &PackedTable, questions: &[Vec<u8>]) {
    let buffer = &mut ValueBuffer::with_limit(MOST);
    for key in questions {
        let _ = table.get(key, buffer);
        let _ = table.floor(key, buffer);
        let _ = table.ceil(key, buffer);
        let _ = table.longest_prefix(key, buffer);
        let _ = table.prefixes_of(key).take(20).filter(Result::is_ok).count();
        let _ = table.rank(key);
        let _ = table.count_of(key);
        let _ = table.prefix(key).take(20).filter(Result::is_ok).count();
    }
    let _ = table.get_many_with(questions, buffer, |_| {});
    let mut entries = table.iter();
    while let Some(entry) = entries.next_lent() {
        if entry.is_err() {
            break;
        }
    }
    let mut cursor = table.cursor();
    let _ = cursor.seek_last();
    let _ = cursor.entry();
    let _ = cursor.prev();
    let _ = table.stored().verify();
    assert!(buffer.capacity() <= 2 * MOST as usize, "{} bytes", buffer.capacity());
}
