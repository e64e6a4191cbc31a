//! What the program itself does with a row on its way: encode it, digest it, decode it for the bulk load. None of it
//! needs a server, so these numbers say which part of a run's processor time is the proof's.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mssql_sync::model::row::{Batch, Tally, Value, Values, encode};

/// Rows of a batch: half of a chunk, so that it does not fit into the processor's caches, as a chunk does not.
const ROWS: u64 = 10_000;

/// A row of sales: 16 columns, a fifth of them NULL.
fn row<'a>(n: u64, receipt: &'a str, name: &'a str) -> [Value<'a>; 16] {
    let number = i64::try_from(n).expect("a small number");
    let small = i32::try_from(n % 10_000).expect("a small number");
    let decimal = |units: i64, scale: u8| Value::Decimal {
        units: i128::from(units),
        scale,
    };
    let instant = |ticks: u64| Value::DateTime2 {
        days: 739_000 + small % 30,
        ticks,
    };
    [
        Value::DateTime {
            days: 45_000 + small % 30,
            ticks: 0,
        },
        Value::Integer(7_000_000_000 + number),
        Value::Integer(number % 240),
        Value::Integer(number % 9),
        Value::Text(receipt),
        Value::Text("0000731903112"),
        Value::Text(name),
        decimal(number % 20_000, 3),
        decimal(number % 5_000_000, 4),
        Value::Null,
        decimal(number % 250_000, 4),
        Value::Null,
        Value::Null,
        Value::Integer(number % 2),
        instant(n * 10_000),
        Value::Null,
    ]
}

fn batch() -> Batch {
    let mut batch = Batch::default();
    for n in 0..ROWS {
        push(&mut batch, n);
    }
    batch
}

fn push(batch: &mut Batch, n: u64) {
    let (receipt, name) = ("R117-000000123456", "Item 4711 Größe 3");
    batch
        .push(|out| {
            for value in row(n, receipt, name) {
                encode(value, out)?;
            }
            Ok(())
        })
        .expect("a row");
}

fn rows(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("rows");
    group.throughput(Throughput::Elements(ROWS));
    group.bench_function("encode and digest, as a read does", |bencher| {
        bencher.iter(|| black_box(batch()));
    });
    let full = batch();
    group.bench_function("digest, as a read-back does", |bencher| {
        bencher.iter(|| {
            let mut tally = Tally::default();
            for bytes in full.rows() {
                tally.add_row(black_box(bytes));
            }
            tally
        });
    });
    group.bench_function("decode, as a bulk load does", |bencher| {
        bencher.iter(|| {
            let mut count = 0_usize;
            for bytes in full.rows() {
                let mut values = Values::new(bytes);
                while let Some(value) = values.next_value().expect("a value") {
                    black_box(value);
                    count += 1;
                }
            }
            count
        });
    });
    group.finish();
}

criterion_group!(benches, rows);
criterion_main!(benches);
