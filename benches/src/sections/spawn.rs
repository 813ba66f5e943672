//! Spawning a task and awaiting it.

use std::time::{Duration, Instant};

use super::{Outcome, current_thread, two_workers};
use crate::alloc::{Allocations, allocations_of};
use crate::measure::{Plan, Side, in_turns};
use crate::report::{Bound, Figure, Line};

/// A body with something to keep, so that tasks are not empty.
async fn body(value: u64) -> u64 {
    value
}

async fn ours(times: u64) -> Duration {
    let start = Instant::now();
    for value in 0..times {
        assert_eq!(shieldable::spawn(body(value)).await.unwrap(), value);
    }
    start.elapsed()
}

async fn theirs(times: u64) -> Duration {
    let start = Instant::now();
    for value in 0..times {
        assert_eq!(tokio::spawn(body(value)).await.unwrap(), value);
    }
    start.elapsed()
}

pub(super) fn run(plan: &Plan) -> Outcome {
    // Each time in a runtime of its own: where the allocator puts the tasks of one is luck, and lasts as long as it
    // does.
    let sides = [
        Side::timed("shieldable::spawn", |times| current_thread().block_on(ours(times))),
        Side::timed("tokio::spawn", |times| current_thread().block_on(theirs(times))),
        Side::timed("shieldable::spawn, 2 workers", |times| {
            two_workers().block_on(async { tokio::spawn(ours(times)).await.unwrap() })
        }),
        Side::timed("tokio::spawn, 2 workers", |times| {
            two_workers().block_on(async { tokio::spawn(theirs(times)).await.unwrap() })
        }),
    ];
    let [one_ours, one_theirs, two_ours, two_theirs] = in_turns(plan, "spawn", sides);

    let allocated = |work: &dyn Fn() -> Duration| -> Allocations { allocations_of(work).1 };
    let single = current_thread();
    let mine = allocated(&|| single.block_on(ours(1000)));
    let tokios = allocated(&|| single.block_on(theirs(1000)));
    let per_task = |allocations: u64| allocations as f64 / 1000.0;
    vec![
        Line::times(
            "spawn + join, one thread",
            one_ours.median(),
            "tokio::spawn",
            one_theirs.median(),
            one_ours.over(&one_theirs),
            Bound::AtMost(1.1),
        ),
        Line::times(
            "spawn + join, 2 workers",
            two_ours.median(),
            "tokio::spawn",
            two_theirs.median(),
            two_ours.over(&two_theirs),
            Bound::AtMost(1.1),
        ),
        Line::beside(
            "allocations of spawn + join",
            Figure::Count(per_task(mine.count)),
            "tokio::spawn, difference",
            Figure::Count(per_task(tokios.count)),
            Figure::Count(per_task(mine.count) - per_task(tokios.count)),
            Bound::AtMost(1.0),
        ),
        Line::beside(
            "bytes allocated by spawn + join",
            Figure::Bytes(per_task(mine.bytes)),
            "tokio::spawn, difference",
            Figure::Bytes(per_task(tokios.bytes)),
            Figure::Bytes(per_task(mine.bytes) - per_task(tokios.bytes)),
            Bound::None,
        ),
    ]
    .into()
}
