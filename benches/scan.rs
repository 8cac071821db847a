//! All entries, forward and backward, every byte of them read.

mod common;

use common::{Fixture, WORKLOADS, touch};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn scan(c: &mut Criterion) {
    for workload in WORKLOADS {
        let fixture = Fixture::new(workload);
        let table = &fixture.table;

        let mut group = c.benchmark_group("scan");
        group.sample_size(20);
        group.throughput(Throughput::Elements(fixture.entries));
        group.bench_function(format!("{}/forward", workload.name()), |b| {
            b.iter(|| black_box(sum(table.iter())));
        });
        group.bench_function(format!("{}/backward", workload.name()), |b| {
            b.iter(|| black_box(sum(table.iter().rev())));
        });
        // What an iterator costs that owns its table; `step` is the borrowed one, step by step.
        group.bench_function(format!("{}/step", workload.name()), |b| {
            b.iter(|| {
                let (mut sum, entries) = (0u64, table.iter());
                for entry in entries {
                    let (key, value) = entry.expect("a good table");
                    sum = sum.wrapping_add(touch(key)).wrapping_add(touch(value));
                }
                black_box(sum)
            });
        });
        group.bench_function(format!("{}/lent", workload.name()), |b| {
            b.iter(|| {
                let (mut sum, mut entries) = (0u64, table.clone().into_iter());
                while let Some(entry) = entries.lend_next() {
                    let (key, value) = entry.expect("a good table");
                    sum = sum.wrapping_add(touch(key)).wrapping_add(touch(value));
                }
                black_box(sum)
            });
        });
        group.bench_function(format!("{}/owned", workload.name()), |b| {
            b.iter(|| {
                black_box(table.clone().into_iter().fold(0u64, |sum, entry| {
                    let (key, value) = entry.expect("a good table");
                    sum.wrapping_add(touch(&key)).wrapping_add(touch(&value))
                }))
            });
        });
        group.finish();
    }
}

fn sum<'t, E: std::fmt::Debug>(
    entries: impl Iterator<Item = Result<(&'t [u8], &'t [u8]), E>>,
) -> u64 {
    entries.fold(0, |sum, entry| {
        let (key, value) = entry.expect("a good table");
        sum.wrapping_add(touch(key)).wrapping_add(touch(value))
    })
}

criterion_group!(benches, scan);
criterion_main!(benches);
