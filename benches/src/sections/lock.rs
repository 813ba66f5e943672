//! Locks that nobody else wants.

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shieldable::{Lock, RLock, ShieldableTask};

use super::Outcome;
use crate::hand;
use crate::measure::{Plan, Side, Times, in_turns};
use crate::report::{Bound, Line};

/// All sides run inside a task, ours or theirs, and touch what they guard.
fn in_task(loops: impl Future<Output = Duration>) -> Duration {
    hand::ready(ShieldableTask::new(loops)).unwrap()
}

/// A side of an async lock: lock, touch, unlock.
macro_rules! side {
    ($name:literal, $lock:expr) => {
        Side::timed($name, |times| {
            let lock = $lock;
            in_task(async {
                let start = Instant::now();
                for _ in 0..times {
                    let guard = lock.lock().await;
                    black_box(&*guard);
                }
                start.elapsed()
            })
        })
    };
}

pub(super) fn run(plan: &Plan) -> Outcome {
    let mut lines = free(plan);
    lines.push(again(plan));
    lines.into()
}

fn free(plan: &Plan) -> Vec<Line> {
    let sides = [
        side!("RLock", RLock::new(0_u64)),
        side!("Lock", Lock::new(0_u64)),
        Side::timed("parking_lot::ReentrantMutex", |times| {
            let lock = parking_lot::ReentrantMutex::new(0_u64);
            in_task(async {
                let start = Instant::now();
                for _ in 0..times {
                    let guard = lock.lock();
                    black_box(&*guard);
                }
                start.elapsed()
            })
        }),
        side!("tokio::sync::Mutex", tokio::sync::Mutex::new(0_u64)),
        side!("async_lock::Mutex", async_lock::Mutex::new(0_u64)),
    ];
    let [rlock, lock, parking, tokio, smol] = in_turns(plan, "free lock", sides);
    let line = |what, ours: &Times, peer, theirs: &Times, bound| {
        Line::times(what, ours.median(), peer, theirs.median(), ours.over(theirs), bound)
    };
    let (what, plain) = ("RLock, free: lock + unlock", "Lock, free: lock + unlock");
    vec![
        line(what, &rlock, "parking_lot::ReentrantMutex", &parking, Bound::AtMost(1.0)),
        line(what, &rlock, "tokio::sync::Mutex", &tokio, Bound::AtMost(1.0)),
        line(what, &rlock, "async_lock::Mutex", &smol, Bound::AtMost(1.0)),
        line(plain, &lock, "RLock", &rlock, Bound::AtMost(1.0)),
    ]
}

fn again(plan: &Plan) -> Line {
    let word = AtomicU64::new(0);
    let sides = [
        Side::timed("RLock, held", |times| {
            let lock = RLock::new(0_u64);
            in_task(async {
                let _outer = lock.lock().await;
                let start = Instant::now();
                for _ in 0..times {
                    let guard = lock.lock().await;
                    black_box(&*guard);
                }
                start.elapsed()
            })
        }),
        Side::each("compare-exchange + fetch_sub", || {
            let _ = black_box(word.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed));
            word.fetch_sub(1, Ordering::Release)
        }),
    ];
    let [ours, word] = in_turns(plan, "re-entry", sides);
    Line::times(
        "RLock, held: lock + unlock again",
        ours.median(),
        "compare-exchange + fetch_sub",
        word.median(),
        ours.over(&word),
        Bound::AtMost(1.3),
    )
}
