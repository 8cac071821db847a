//! Seeking to a stored key and reading ten entries from there, by range and by cursor; the longest
//! prefix where it is hardest to find, beside a `get` of a key as long; ranks and ceils of many keys.

mod common;

use common::{Fixture, WORKLOADS, touch};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use graven::{BuildOptions, HashIndex, Table};
use std::hint::black_box;

const SEEKS: usize = 64;
const RUN: usize = 10;

fn seek(c: &mut Criterion) {
    for workload in WORKLOADS {
        let fixture = Fixture::new(workload);
        let table = &fixture.table;
        let hits = workload.hits(fixture.entries, common::queries());
        let hits = hits.slices();

        let mut group = c.benchmark_group("seek");
        group.throughput(Throughput::Elements(SEEKS as u64));

        let mut queries = hits.chunks_exact(SEEKS).cycle();
        group.bench_function(format!("{}/range", workload.name()), |b| {
            b.iter(|| {
                for &key in queries.next().expect("a cycle") {
                    for entry in table.range(black_box(key)..).take(RUN) {
                        let (key, value) = entry.expect("a good table");
                        black_box(touch(key).wrapping_add(touch(value)));
                    }
                }
            });
        });

        let mut cursor = table.cursor();
        let mut queries = hits.chunks_exact(SEEKS).cycle();
        group.bench_function(format!("{}/cursor", workload.name()), |b| {
            b.iter(|| {
                for key in queries.next().expect("a cycle") {
                    let mut more = cursor.seek_ceil(black_box(key)).expect("a good table");
                    for _ in 0..RUN {
                        let (true, Some(key), Some(value)) = (more, cursor.key(), cursor.value())
                        else {
                            break;
                        };
                        black_box(touch(key).wrapping_add(touch(value)));
                        more = cursor.next().expect("a good table");
                    }
                }
            });
        });
        group.finish();
    }
}

/// A table of `a`, `aa`, `aaa` … up to `len` bytes, each with `end` behind it.
fn runs(len: usize, end: &[u8], hash_index: HashIndex) -> Table {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("table");
    let options = BuildOptions::new().durable(false).hash_index(hash_index);
    let mut builder = options.create(&path).expect("a new table");
    for n in 1..=len {
        builder.insert([&vec![b'a'; n], end].concat(), b"value").expect("an entry");
    }
    builder.finish().expect("a table");
    Table::load(&path).expect("a good table")
}

fn longest_prefix(c: &mut Criterion) {
    let mut group = c.benchmark_group("longest_prefix");
    for (set, end, rest) in [("fall", "!", ""), ("chain", "", "b")] {
        for hash_index in [HashIndex::Always, HashIndex::Never] {
            for len in [10, 100, 1_000, 10_000] {
                let table = runs(len, end.as_bytes(), hash_index);
                let key = [&vec![b'a'; len], rest.as_bytes()].concat();
                let stored = [&vec![b'a'; len], end.as_bytes()].concat();
                let name = format!("{set}/{hash_index:?}/{len}");
                group.bench_function(format!("{name}/get"), |b| {
                    b.iter(|| table.get(black_box(&stored)).expect("a good table"));
                });
                group.bench_function(format!("{name}/longest_prefix"), |b| {
                    b.iter(|| table.longest_prefix(black_box(&key)).expect("a good table"));
                });
            }
        }
    }
    group.finish();
}

/// Ranks of keys one by one, and all at once; and where the walks of a join begin.
fn many(c: &mut Criterion) {
    for workload in WORKLOADS {
        let fixture = Fixture::new(workload);
        let table = &fixture.table;
        let hits = workload.hits(fixture.entries, common::queries());
        let hits = hits.slices();
        let mut group = c.benchmark_group("many");
        group.throughput(Throughput::Elements(SEEKS as u64));
        let mut bench = |name: &str, work: &mut dyn FnMut(&[&[u8]])| {
            let mut queries = hits.chunks_exact(SEEKS).cycle();
            group.bench_function(format!("{}/{name}", workload.name()), |b| {
                b.iter(|| work(queries.next().expect("a cycle")));
            });
        };
        bench("rank", &mut |keys| {
            for key in keys {
                black_box(table.rank(key).expect("a good table"));
            }
        });
        bench("rank_many", &mut |keys| {
            black_box(table.rank_many(keys).expect("a good table"));
        });
        bench("ceil", &mut |keys| {
            for key in keys {
                black_box(table.ceil(key).expect("a good table"));
            }
        });
        bench("ceil_many", &mut |keys| {
            black_box(table.ceil_many(keys).expect("a good table"));
        });
        group.finish();
    }
}

criterion_group!(benches, seek, many, longest_prefix);
criterion_main!(benches);
