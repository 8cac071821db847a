//! Writes the seed corpus anew: `cargo run --example seeds` in this directory.
//!
//! The seeds of `open` are tables, so they have to be written again whenever the format
//! changes before version 1 is frozen. The others are hand-made inputs of
//! `fuzz_targets/common/input.rs`, and those of `parsers` are inputs of the program.

#[path = "../../cli/src/formats/cdb/testing.rs"]
mod cdb;
#[path = "../fuzz_targets/common/mod.rs"]
mod common;

use graven::{BuildOptions, Duplicates, HashIndex, Table};
use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::Path;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in ["open", "lookup", "ranges", "build_then_read", "packed", "patch", "parsers"] {
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
    common::repair(&mut bytes, true);
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

    // Golden tables, and hash indexes of other shapes: few keys, so that they fit.
    let patches = [3, 0x05, 0x00, 0x00, 0x01, 0x40, 0x01, 0x4a, 0xff, 0x00, 0x90, 0x80, 0x33];
    for which in 1..20u8 {
        for how in [0, 3u8] {
            let entries = encode(&if which % 2 == 0 { words(16) } else { numbers(15) });
            let bytes = [&[which << 3 | how, 0x04, 0x00][..], &patches, &entries].concat();
            let name = format!("shape-{which:02}-{how}.seed");
            fs::write(corpus.join("lookup").join(name), bytes)?;
        }
    }

    // Every query once, each cursor step and way through a range several times.
    for way in 0..4u8 {
        for how in 0..3u8 {
            for (name, entries) in
                [("words", words(40)), ("repeated", repeated(30)), ("numbers", numbers(60))]
            {
                let steps = (0..47u8)
                    .flat_map(|i| [i.wrapping_mul(11) + i / 16, i, 47 - i, i.wrapping_mul(5)]);
                let steps: Vec<u8> = [47].into_iter().chain(steps).collect();
                let bytes =
                    [&[way | way << 2, how, 0x00, 0x00][..], &patches, &steps, &encode(&entries)];
                fs::write(
                    corpus.join("ranges").join(format!("{name}-{way}-{how}.seed")),
                    bytes.concat(),
                )?;
            }
        }
    }

    parsers(&corpus.join("parsers"))?;

    for way in 0..2u8 {
        for how in 0..3u8 {
            for (name, entries) in [("words", words(40)), ("repeated", repeated(30))] {
                let patches = [2, 0x05, 0x02, 0x00, 0x01, 0x40, 0x01, 0x4a, 0xff];
                let bytes = [&[way, how, 0x04, 0x00][..], &patches, &encode(&entries)].concat();
                fs::write(corpus.join("patch").join(format!("{name}-{way}-{how}.seed")), bytes)?;
            }
        }
    }

    // Enough entries for dictionaries, and none for golden tables.
    let many = encode(&paths(400));
    let patches = [3, 0x05, 0x00, 0x00, 0x01, 0x40, 0x01, 0x4a, 0xff, 0x00, 0x90, 0x80, 0x33];
    for way in [1, 2, 3, 4, 5, 6, 0x10, 0x20, 0x30] {
        let (hows, entries) = if way < 0x10 { (0..3u8, &many[..]) } else { (1..3, &[][..]) };
        for how in hows {
            let bytes = [&[way, how, 0x04, 0x00][..], &patches, entries].concat();
            fs::write(corpus.join("packed").join(format!("{way}-{how}.seed")), bytes)?;
        }
    }
    Ok(())
}

/// Inputs of the program: format, options, bytes that come at once, the format that they are written in.
fn parsers(corpus: &Path) -> Result<(), Box<dyn Error>> {
    const TSV: u8 = 0;
    const CSV: u8 = 1;
    const JSONL: u8 = 2;
    const LINES: u8 = 3;
    const RAW: u8 = 4;
    const CDB: u8 = 5;
    const MDB: u8 = 6;
    const FOREIGN: u8 = 0xe0;
    const ARGUMENTS: u8 = 0xf0;
    let long = |start: &[u8], end: &[u8]| [start, &[b'x'; 5000], end].concat();
    let table: &[u8] = b"a\t1\nb\\\\\t\\t2\nc\\x00\\n\t\n\t\\r\\0\nlast\tline";
    let rows: &[u8] = b"k,v,w\r\na,1,x\n\"b \"\"q\"\"\",\"2\n2\",y\rc,,\n\n";
    let objects: &[u8] =
        b"{\"k\":\"a\",\"v\":\"1\"}\n\n{\"k_b64\":\"/w==\",\"v\":\"\\u00e9\\n\"}\r\n";
    let records: &[u8] = b"{\"id\":7,\"v\":\"x\"}\n{\"v\":null,\"k\":\"b\",\"id\":\"\\u00e9\"}\n";
    let keys: &[u8] = b"apple\nb\\\\\\x41\npear\n";
    let raw: &[u8] = b"\x03\0\0\0\x02\0\0\0keyva\0\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0k";
    let cdb: &[u8] = b"+3,2:key->va\n+0,0:->\n+1,3:a->\n->\n\n";
    let dump: &[u8] = b"VERSION=3\nformat=bytevalue\ntype=btree\nmapsize=10485760\nHEADER=END\n 61\n 31\n 62\n \nDATA=END\n";
    let print: &[u8] =
        b"VERSION=3\nformat=print\nduplicates=1\nHEADER=END\n a\\5cb\n \\00\\x\nDATA=END\n";
    let several: &[u8] = b"VERSION=3\ndatabase=a\nHEADER=END\n 61\n 31\nDATA=END\nVERSION=3\ndatabase=b\ndupsort=1\nintegerkey=1\nHEADER=END\n 01000000\n 32\n 01000000\n 33\nDATA=END\n";
    let utf16: Vec<u8> = "k\tv\nb\tc\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut inputs: Vec<(String, [u8; 4], Vec<u8>)> = Vec::new();
    let mut add =
        |name: &str, head: [u8; 4], bytes: &[u8]| inputs.push((name.into(), head, bytes.to_vec()));
    for (name, format, bytes) in [
        ("tsv", TSV, table),
        ("csv", CSV, rows),
        ("jsonl", JSONL, objects),
        ("lines", LINES, keys),
        ("raw", RAW, raw),
        ("cdb", CDB, cdb),
        ("mdb", MDB, dump),
    ] {
        // As each format writes them, and packed.
        for to in 0..7 {
            add(&format!("{name}-as-{to}"), [format, 0, to + 1, to], bytes);
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(bytes)?;
        add(&format!("{name}-gzip"), [format, 0, 5, format], &gzip.finish()?);
        let level = ruzstd::encoding::CompressionLevel::Fastest;
        let zstd = ruzstd::encoding::compress_to_vec(bytes, level);
        add(&format!("{name}-zstd"), [format, 0, 0, format], &zstd);
    }
    add("tsv-windows", [TSV, 0x04, 3, TSV], b"\xef\xbb\xbfa\t1\r\nb\t2\r\n");
    add("tsv-kept", [TSV, 0x88, 1, TSV], b"\xef\xbb\xbfa\t1\r\nb\\\t2\r\n");
    add("tsv-malformed", [TSV, 0, 1, TSV], b"a\t1\nno tab\nb\\q\t2\n\r\nc\t3\r\nd\t4\\\n");
    add("tsv-long", [TSV, 0, 200, CDB], &long(b"a\t1\nb\t", b"\\\\\nc\t3\n"));
    add("tsv-long-key", [TSV, 0, 200, TSV], &long(b"a\t1\n", b"\tv\nc\t3\n"));
    add("tsv-utf16", [TSV, 0, 0, TSV], &utf16);
    add("csv-header", [CSV, 0x79, 2, 134], rows);
    add("csv-columns", [CSV, 0x50, 2, CSV], rows);
    add("csv-tabs", [CSV, 0x02, 2, 36], b"a\t\"1\t\"\nb\t2\n");
    add("csv-quote", [CSV, 0, 2, CSV], b"a,1\nb,\"2\n");
    add("csv-widths", [CSV, 0, 0, CSV], b"a,1\nb\nc,2,3\nd,4\n");
    add("csv-long", [CSV, 0, 100, CSV], &long(b"a,1\nb,\"", b"\"\nc,3\n"));
    add("jsonl-key", [JSONL, 0x02, 4, JSONL], records);
    add("jsonl-key-value", [JSONL, 0x0a, 4, JSONL], records);
    add(
        "jsonl-malformed",
        [JSONL, 0, 1, JSONL],
        b"{\"k\":1,\"v\":\"\"}\n{\"k\":\"a\"}\n[]\n{\"k\":\"\\ud800\",\"v\":\"\"}\n",
    );
    add(
        "jsonl-long",
        [JSONL, 0, 100, JSONL],
        &long(b"{\"k\":\"a\",\"v\":\"", b"\"}\n{\"k\":\"b\",\"v\":\"\"}\n"),
    );
    add("lines-kept", [LINES, 0x88, 1, LINES], b"\xef\xbb\xbfa\r\nb\\\r\n");
    add("lines-long", [LINES, 0, 9, LINES], &long(b"a\n", b"\nb\n"));
    let lengths = [&b"\x01\0\0\0\x88\x13\0\0k"[..], &[b'v'; 5000], raw].concat();
    add("raw-long", [RAW, 0, 100, RAW], &lengths);
    add("raw-cut", [RAW, 0, 0, RAW], &lengths[..4000]);
    add("raw-huge", [RAW, 0, 0, RAW], b"\x01\0\0\0\xff\xff\xff\xffkv");
    add("cdb-long", [CDB, 0, 100, CDB], &long(b"+1,5000:k->", b"\n\n"));
    add("cdb-unended", [CDB, 0, 1, CDB], b"+1,1:k->v\n");
    for (width, length) in [(4, 4), (8, 8), (8, 4)] {
        let file = cdb::file(&words(7), width, length);
        add(&format!("cdb-file-{width}-{length}"), [CDB, 0, 250, CDB], &file);
        add(&format!("foreign-cdb-{width}-{length}"), [FOREIGN, 0, 0, 0], &file);
    }
    add("mdb-print", [MDB, 0, 3, MDB], print);
    add("mdb-one-of-several", [MDB, 0x02, 3, 34], several);
    add("mdb-integers", [MDB, 0x03, 3, 69], several);
    add("mdb-several", [MDB, 0, 3, MDB], several);
    add(
        "mdb-malformed",
        [MDB, 0, 1, MDB],
        b"VERSION=3\nHEADER=END\n 6\n 62\n 61\n 6g\n 63\n 64\nDATA=END\n",
    );
    add(
        "mdb-long",
        [MDB, 0, 99, MDB],
        &[&dump[..87], b" 61\n ", &[b'7'; 5000], b"\nDATA=END\n"].concat(),
    );
    for (name, bytes) in [
        ("sqlite", &b"SQLite format 3\0"[..]),
        ("lmdb", b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xde\xc0\xef\xbe"),
        ("sparkey", b"\x8f\x31\x11\x9a"),
        ("berkeley", b"\0\0\0\0\0\0\0\0\0\0\0\0\x62\x31\x05\0"),
        ("gdbm", b"\xcd\x9a\x57\x13"),
        ("parquet", b"PAR1....PAR1"),
        ("leveldb", b"....\x57\xfb\x80\x8b\x24\x75\x47\xdb"),
        ("maxmind", b"....\xab\xcd\xefMaxMind.com...."),
        ("xz", b"\xfd7zXZ\0"),
        ("graven", b"\x89GRV\r\n\x1a\n"),
        ("raw", raw),
        ("mdb", dump),
        ("cdb", cdb),
    ] {
        add(&format!("foreign-{name}"), [FOREIGN, 0, 0, 0], bytes);
        add(&format!("foreign-{name}-as-lines"), [LINES, 0, 0, LINES], bytes);
    }
    for (name, text) in [
        ("size", "512MiB"),
        ("size-of-all", "17179869183G"),
        ("percent", "99.5%"),
        ("seconds", "1e-2"),
        ("octal", "0755"),
        ("number", "18446744073709551615"),
        ("hex", "00fF"),
        ("base64", "-_8="),
        ("escaped", "\\x00\\t"),
    ] {
        add(&format!("argument-{name}"), [ARGUMENTS, 0, 0, 0], text.as_bytes());
    }
    for (name, head, bytes) in inputs {
        fs::write(corpus.join(format!("{name}.seed")), [&head[..], &bytes].concat())?;
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
