//! Writes the seed corpus anew: `cargo run --example seeds` in this directory.
//!
//! The seeds of `open` are tables, so they have to be written again whenever the format
//! changes before version 1 is frozen. The others are hand-made inputs of
//! `fuzz_targets/common/input.rs`.

#[path = "../fuzz_targets/common/mod.rs"]
mod common;

use graven::{BuildOptions, Duplicates, HashIndex, Table};
use std::error::Error;
use std::fs;
use std::path::Path;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in ["open", "lookup", "build_then_read", "packed", "patch"] {
        fs::create_dir_all(corpus.join(target))?;
    }

    let options = BuildOptions::new().durable(false).threads(1);
    let tables: [(&str, BuildOptions, Entries); 9] = [
        ("empty", options.clone(), Vec::new()),
        ("one", options.clone(), vec![(b"key".to_vec(), b"value".to_vec())]),
        ("fixed", options.clone().hash_index(HashIndex::Always), numbers(60)),
        ("lines", options.clone(), numbers(100)),
        ("words", options.clone().hash_index(HashIndex::Always), words(50)),
        ("ordered-only", options.clone().hash_index(HashIndex::Never), words(120)),
        ("levels", options.clone().hash_index(HashIndex::Never), counted(1500)),
        ("aligned", options.clone().value_align(16).metadata("name", "aligned"), words(20)),
        ("repeated", options.duplicates(Duplicates::KeepAll), repeated(30)),
    ];
    for (name, options, entries) in tables {
        let path = corpus.join("open").join(format!("{name}.seed"));
        let mut builder = options.mode(0o644).create(&path)?;
        for (key, value) in &entries {
            builder.insert(key, value)?;
        }
        builder.finish()?;
    }

    // The first line says that 50 keys lie below the smallest one. The longest prefix of a key
    // was looked for without end.
    let mut bytes = fs::read(corpus.join("open").join("lines.seed"))?;
    let sections = Table::from_bytes(bytes.clone())?.stats()?.sections;
    let lines = sections.iter().find(|section| section.section == graven::Section::LineIndex);
    let line = lines.ok_or("no line index")?.offset as usize;
    bytes[line..line + 4].copy_from_slice(&50u32.to_le_bytes());
    common::repair(&mut bytes);
    fs::write(corpus.join("open").join("lines-begin-late.seed"), bytes)?;

    let path = corpus.join("open").join("typed.seed");
    let mut builder = BuildOptions::new().mode(0o644).create_typed::<u32, u64>(path)?;
    for i in 0..40 {
        builder.insert(&(i * i), &u64::from(i))?;
    }
    builder.finish()?;

    let inputs: [(&str, [u8; 2], Vec<u8>); 7] = [
        ("words", [0x00, 0x00], encode(&words(12))),
        ("numbers-aligned", [0x04, 0x03], encode(&numbers(8))),
        ("repeated", [0x08, 0x80], encode(&repeated(9))),
        ("first-of-repeated", [0x01, 0x00], encode(&repeated(9))),
        // A run of counting keys, another below a stem, a last key of its own.
        ("runs", [0x04, 0x00], [&b"\xfb\x01"[..], b"\x00\x12ab!", b"\xf9\x03\x00\x01z"].concat()),
        // Long keys and values of every size the input knows but the refused ones.
        ("long", [0x00, 0x06], b"\xe0a\xe1b\xe2c\xe3d\xe5e\xe9f\xebg\xefh".to_vec()),
        ("refused", [0x83, 0x00], [&encode(&numbers(3)), &b"\xe6k"[..]].concat()),
    ];
    for (name, options, entries) in inputs {
        let name = format!("{name}.seed");
        let bytes = [&options[..], &entries].concat();
        fs::write(corpus.join("build_then_read").join(&name), bytes)?;
        // What is damaged, options, three patches, entries.
        let patches = [3, 0x05, 0x00, 0x00, 0x01, 0x40, 0x01, 0x4a, 0xff, 0x00, 0x90, 0x80, 0x33];
        for how in 0..4u8 {
            let bytes = [&[how][..], &options, &patches, &entries].concat();
            fs::write(corpus.join("lookup").join(format!("{how}-{name}")), bytes)?;
        }
    }

    for way in 0..2u8 {
        for how in 0..3u8 {
            for (name, entries) in [("words", words(40)), ("repeated", repeated(30))] {
                let patches = [2, 0x05, 0x02, 0x00, 0x01, 0x40, 0x01, 0x4a, 0xff];
                let bytes = [&[way, how, 0x04, 0x00][..], &patches, &encode(&entries)].concat();
                fs::write(corpus.join("patch").join(format!("{name}-{way}-{how}.seed")), bytes)?;
            }
        }
    }

    // Enough entries for dictionaries.
    let many = encode(&paths(400));
    for way in [1, 2, 3, 4, 5, 6] {
        for how in 0..3u8 {
            let patches =
                [3, 0x05, 0x00, 0x00, 0x01, 0x40, 0x01, 0x4a, 0xff, 0x00, 0x90, 0x80, 0x33];
            let bytes = [&[way, how, 0x04, 0x00][..], &patches, &many].concat();
            fs::write(corpus.join("packed").join(format!("{way}-{how}.seed")), bytes)?;
        }
    }
    Ok(())
}

/// Entries as `Input::entries` reads them: bytes kept from the last key, lengths, key, value.
fn encode(entries: &Entries) -> Vec<u8> {
    let mut out = Vec::new();
    let mut last: &[u8] = &[];
    for (key, value) in entries {
        let kept = key.iter().zip(last).take_while(|(a, b)| a == b).count();
        let rest = &key[kept..];
        assert!(kept < 0xe0 && rest.len() < 16 && value.len() < 16);
        out.extend([kept as u8, (rest.len() | value.len() << 4) as u8]);
        out.extend_from_slice(rest);
        out.extend_from_slice(value);
        last = key;
    }
    out
}

fn numbers(n: u64) -> Entries {
    let number = |i: u64| i.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
    (0..n).map(|i| (number(i), number(i + n))).collect()
}

fn counted(n: u32) -> Entries {
    (0..n).map(|i| (i.to_be_bytes().to_vec(), vec![i as u8])).collect()
}

fn words(n: usize) -> Entries {
    const PARTS: [&str; 7] = ["an", "ber", "cu", "dom", "e", "fi", "gra"];
    (0..n)
        .map(|i| {
            let key = [PARTS[i % 7], PARTS[i / 7 % 7], PARTS[i / 49 % 7]].concat();
            (key.into_bytes(), "=".repeat(i % 5).into_bytes())
        })
        .collect()
}

fn paths(n: usize) -> Entries {
    let end = |i: usize| format!("{:02}/{}", i / 20, i % 20 + 10).into_bytes();
    (0..n)
        .map(|i| ([b"dir/".to_vec(), end(i)].concat(), format!("text {}", i % 9).into()))
        .collect()
}

fn repeated(n: u8) -> Entries {
    (0..n).map(|i| (vec![b'k', b'a' + i % 4], vec![b'0' + i / 4])).collect()
}
