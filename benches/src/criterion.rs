//! The scenarios of `scenarios.rs` under criterion: absolute times, with their spread and how they compare with the
//! last run.
//!
//! Criterion measures one function after the other, which says little about ratios on a machine that is not idle. Those
//! are what `shieldable-benches` is for.

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use shieldable_benches::scenarios::{ALL, TIMES};

fn scenarios(criterion: &mut Criterion) {
    for (name, run) in ALL {
        criterion.bench_function(name, |bencher| {
            bencher.iter_custom(|times| {
                let runs = times.div_ceil(TIMES as u64);
                let took: Duration = (0..runs).map(|_| run().took).sum();
                took.mul_f64(times as f64 / (runs * TIMES as u64) as f64)
            });
        });
    }
}

criterion_group! {
    name = all;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    targets = scenarios
}
criterion_main!(all);
