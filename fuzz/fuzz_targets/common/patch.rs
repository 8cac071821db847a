//! Two tables of the input's entries: merged, compared, patched, and saved after damage.

use super::damage;
use super::input::{Input, Options};
use super::model;
use graven::{
    BuildOptions, Diff, Merge, MergePolicy, OpenOptions, PackedTable, Patch, Patched, Salvage,
    Salvaged,
};

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

/// Without damage, the patched table is the new one byte for byte, a merge gives the entries of both in
/// order, and a difference is found where the tables differ and nowhere else. A damaged
/// patch gives errors or a table of bounded length, a damaged table loses entries and makes up none. True
/// if what was damaged opens.
pub(crate) fn patch(data: &[u8]) -> bool {
    let mut input = Input::new(data);
    let (way, how) = (input.byte(), input.byte());
    let mut options = input.options();
    let patches = input.patches();
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for (number, entry) in input.entries().into_iter().enumerate() {
        // Most entries are in both tables.
        match number % 5 {
            0 => old.push(entry),
            1 => new.push(entry),
            _ => {
                old.push(entry.clone());
                new.push(entry);
            }
        }
    }
    // Seldom: choosing symbols for the keys takes about as long as all the rest.
    if way % 32 == 1 {
        (options.value_align, options.compact_keys) = (1, true);
    }
    options.metadata = false;
    let Some((old, _)) = model::build(&options, &old) else { return false };
    let Some((new, _)) = model::build(&options, &new) else { return false };
    match how % 3 {
        0 => {
            whole(&options, &old, &new);
            true
        }
        1 => damaged_patch(&old, &new, &patches),
        _ => salvage(&old, &patches),
    }
}

fn packed(bytes: &[u8]) -> PackedTable {
    PackedTable::from_bytes(bytes.to_vec()).expect("what was built opens")
}

fn entries(table: &PackedTable) -> Entries {
    table.iter().collect::<Result<_, _>>().expect("what was built is whole")
}

/// The bytes of a patch that makes `new` of `old`.
fn made(old: &PackedTable, new: &PackedTable) -> Vec<u8> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("patch");
    let options = model::quick(BuildOptions::new());
    Patch::create(old, new, &path, &options).expect("a patch of good tables");
    std::fs::read(&path).expect("a patch")
}

fn opened(patch: Vec<u8>) -> Option<Patch> {
    let table = OpenOptions::new().allow_patch(true).from_bytes(patch).ok()?;
    Patch::new(table).ok()
}

fn whole(options: &Options, old: &[u8], new: &[u8]) {
    let (old_table, new_table) = (packed(old), packed(new));
    let dir = tempfile::tempdir().expect("a temporary directory");
    let path = dir.path().join("table");
    let patch = opened(made(&old_table, &new_table)).expect("what was made opens");
    let patches = [patch];
    let patched = Patched::new(&old_table, &patches).expect("the patch is of this table");
    patched.build(&path, &model::quick(BuildOptions::new())).expect("a good patch");
    assert!(std::fs::read(&path).expect("a table") == new, "patched: {options:?}");

    let (a, b) = (entries(&old_table), entries(&new_table));
    let mut both = [a.clone(), b.clone()].concat();
    both.sort_by(|a, b| a.0.cmp(&b.0));
    let merge = Merge::new([&old_table, &new_table]).policy(MergePolicy::KeepAll);
    let merged: Result<Entries, _> =
        merge.map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec()))).collect();
    assert!(merged.expect("good tables") == both, "merged: {options:?}");

    let mut diff = Diff::new(&old_table, &new_table);
    let mut differences = 0;
    while let Some(difference) = diff.next_lent() {
        difference.expect("good tables");
        differences += 1;
    }
    assert_eq!(differences == 0, a == b, "{options:?}");
}

fn damaged_patch(old: &[u8], new: &[u8], patches: &[super::input::Patch]) -> bool {
    let (old, new) = (packed(old), packed(new));
    let mut bad = damage::patch(&made(&old, &new), patches);
    damage::repair(&mut bad, true);
    let Some(patch) = opened(bad) else { return false };
    let most = old.len() + patch.table().len();
    let patches = [patch];
    let Ok(patched) = Patched::new(&old, &patches) else { return false };
    let given = patched.take_while(Result::is_ok).count() as u64;
    assert!(given <= most, "{given} entries of {most}");
    true
}

fn salvage(good: &[u8], patches: &[super::input::Patch]) -> bool {
    let right = entries(&packed(good));
    let bad = damage::flip_bits(good, patches);
    let options = OpenOptions::new().tolerate_footer(true).allow_packed(true);
    let Ok(stored) = options.from_bytes(bad) else { return false };
    let Ok(table) = PackedTable::try_from(stored) else { return false };
    let mut salvage = Salvage::new(&table);
    let mut rest = right.iter();
    while let Some(found) = salvage.next_lent() {
        if let Salvaged::Entry { key, value } = found {
            let known = rest.any(|(k, v)| (&k[..], &v[..]) == (key, value));
            assert!(known, "an entry that is not in the table, or out of order");
        }
    }
    true
}
