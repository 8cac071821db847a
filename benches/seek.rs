//! Seeking to a stored key and reading ten entries from there, by range and by cursor.

mod common;

use common::{Fixture, WORKLOADS, touch};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
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
                    let mut more = cursor.seek(black_box(key)).expect("a good table");
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

criterion_group!(benches, seek);
criterion_main!(benches);
