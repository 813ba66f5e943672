//! Cancelling a task that waits, and an acquisition that is queued.

use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use shieldable::Lock;

use super::growth::{Axis, Curve, Point};
use super::{Outcome, current_thread, two_workers};
use crate::hand;
use crate::measure::{Plan, Side, Times, in_turns};
use crate::report::{Bound, Line};

pub(super) fn run(plan: &Plan) -> Outcome {
    let mut outcome = queued(plan);
    let mut lines = idle_task(plan);
    lines.append(&mut outcome.lines);
    Outcome { lines, ..outcome }
}

/// Tasks that are cancelled between two times that they are made anew.
const TASKS: u64 = 500;

static SUSPENDED: AtomicU64 = AtomicU64::new(0);

async fn idle() {
    SUSPENDED.fetch_add(1, Ordering::Relaxed);
    pending().await
}

/// The calls alone are timed, of tasks that have been polled and wait; then the runtime clears away.
async fn cancelling<H: Future>(times: u64, spawn: impl Fn() -> H, cancel: impl Fn(&H)) -> Duration {
    let mut took = Duration::ZERO;
    let mut left = times;
    while left > 0 {
        SUSPENDED.store(0, Ordering::Relaxed);
        let tasks: Vec<H> = (0..left.min(TASKS)).map(|_| spawn()).collect();
        while SUSPENDED.load(Ordering::Relaxed) < tasks.len() as u64 {
            tokio::task::yield_now().await;
        }
        let start = Instant::now();
        tasks.iter().for_each(&cancel);
        took += start.elapsed();
        left -= tasks.len() as u64;
        for task in tasks {
            task.await;
        }
    }
    took
}

fn idle_task(plan: &Plan) -> Vec<Line> {
    let cancelled = |times| {
        cancelling(
            times,
            || shieldable::spawn(idle()),
            |task| {
                task.cancel();
            },
        )
    };
    let aborted = |times| cancelling(times, || tokio::spawn(idle()), |task| task.abort());
    let (single, multi) = (current_thread(), two_workers());
    let sides = [
        Side::timed("cancel()", |times| single.block_on(cancelled(times))),
        Side::timed("AbortHandle::abort", |times| single.block_on(aborted(times))),
        // The thread that blocks is none of the workers.
        Side::timed("cancel(), 2 workers", |times| multi.block_on(cancelled(times))),
        Side::timed("AbortHandle::abort, 2 workers", |times| multi.block_on(aborted(times))),
    ];
    let [cancel, abort, cancel_2, abort_2] = in_turns(plan, "idle task", sides);
    let line = |what, cancel: &Times, abort: &Times| {
        let ratio = cancel.over(abort);
        Line::times(what, cancel.median(), "AbortHandle::abort", abort.median(), ratio, Bound::AtMost(1.5))
    };
    vec![
        line("cancel() of an idle task, one thread", &cancel, &abort),
        line("cancel() of an idle task, 2 workers, from outside", &cancel_2, &abort_2),
    ]
}

const QUEUED: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
/// So many are cancelled between two looks at the clock, at most.
const FEW: usize = 64;

/// The curve is the verdict: one of many must cost what one of few does.
fn queued(plan: &Plan) -> Outcome {
    let mut curve = Curve::new("cancel one queued (Lock)", "tokio::sync::Mutex", Axis::Waiters);
    for queued in QUEUED {
        if plan.quick && queued > 10_000 {
            break;
        }
        let ours = Lock::new(());
        let theirs = tokio::sync::Mutex::new(());
        let (_held, _held_too) = (hand::ready(ours.lock()), hand::ready(theirs.lock()));
        let sides = [
            Side::timed("Lock", |times| dropping(times, queued, || ours.lock())),
            Side::timed("tokio::sync::Mutex", |times| dropping(times, queued, || theirs.lock())),
        ];
        let [lock, mutex] = in_turns(plan, &format!("{queued} queued"), sides);
        curve.points.push(Point { size: queued, ours: lock.undisturbed(), theirs: mutex.undisturbed() });
    }
    Outcome { lines: curve.lines(), curves: vec![curve] }
}

/// Drops acquisitions out of the middle of a queue, a few at a time. Those are polled once more before, as a task that
/// is cancelled is: it is the queue that is measured, and not how long ago a waiter came in.
fn dropping<A: Future>(times: u64, queued: usize, acquire: impl Fn() -> A) -> Duration {
    let mut queue: Vec<Pin<Box<A>>> = (0..queued).map(|_| Box::pin(acquire())).collect();
    for place in &mut queue {
        assert!(hand::poll(place.as_mut()).is_pending());
    }
    let middle = queued / 4..queued * 3 / 4;
    let (mut took, mut looks) = (Duration::ZERO, 0);
    let mut left = times as usize;
    while left > 0 {
        for few in queue[middle.clone()].chunks_mut(FEW) {
            let now = few.len().min(left);
            let few = &mut few[..now];
            for place in few.iter_mut() {
                assert!(hand::poll(place.as_mut()).is_pending());
            }
            let start = Instant::now();
            for place in few.iter_mut() {
                // In place: giving memory back is not what is measured.
                place.set(acquire());
            }
            took += start.elapsed();
            looks += 1;
            left -= few.len();
            if left == 0 {
                break;
            }
        }
        // In order again, behind those that were in front.
        for place in &mut queue[middle.start..] {
            place.set(acquire());
        }
        for place in &mut queue[middle.start..] {
            assert!(hand::poll(place.as_mut()).is_pending());
        }
    }
    // Of a short queue only few are cancelled between two looks, and a look takes as long as one of them.
    took.saturating_sub(clock().mul_f64(f64::from(looks)))
}

/// What a look at the clock adds to a time that is taken with it.
fn clock() -> Duration {
    const LOOKS: u32 = 1000;
    let mut added = Duration::ZERO;
    for _ in 0..LOOKS {
        let start = Instant::now();
        added += start.elapsed();
    }
    added / LOOKS
}
