//! Cost per operation as the number of tasks or waiters grows.

use std::future::pending;
use std::hint::black_box;
use std::pin::Pin;
use std::time::{Duration, Instant};

use shieldable::{Lock, ShieldableTask, shield_scope};
use tokio::runtime::Runtime;
use tokio_shield::Shield;

use super::{Outcome, current_thread};
use crate::hand;
use crate::measure::{Plan, Side, in_turns};
use crate::report::{Bound, Figure, Line};

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    Tasks,
    Waiters,
}

/// Nanoseconds per operation at one size.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    pub size: usize,
    pub ours: f64,
    pub theirs: f64,
}

/// One operation over all sizes.
#[derive(Clone, Debug)]
pub struct Curve {
    pub name: &'static str,
    pub peer: &'static str,
    pub axis: Axis,
    pub points: Vec<Point>,
}

impl Curve {
    pub(super) fn new(name: &'static str, peer: &'static str, axis: Axis) -> Self {
        Self { name, peer, axis, points: Vec::new() }
    }

    /// A line for the largest size, beside the peer; and the verdict, beside the smallest.
    pub(super) fn lines(&self) -> Vec<Line> {
        let (first, last) = (self.points[0], self.points[self.points.len() - 1]);
        let of = match self.axis {
            Axis::Tasks => "tasks",
            Axis::Waiters => "waiting",
        };
        let flat = |figure: fn(&Point) -> f64| figure(&last) / figure(&first);
        vec![
            Line::times(
                format!("{}, {} {of}", self.name, last.size),
                last.ours,
                self.peer,
                last.theirs,
                last.ours / last.theirs,
                Bound::None,
            ),
            Line::beside(
                format!("  flat? {} {of} over {}", last.size, first.size),
                Figure::Times(flat(|point| point.ours)),
                self.peer,
                Figure::Times(flat(|point| point.theirs)),
                Figure::Times(flat(|point| point.ours)),
                Bound::AtMost(1.5),
            ),
        ]
    }
}

const SIZES: [usize; 7] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000];

fn sizes(plan: &Plan, largest: usize) -> impl Iterator<Item = usize> {
    let largest = if plan.quick { 10_000 } else { largest };
    SIZES.into_iter().filter(move |&size| size <= largest)
}

pub(super) fn run(plan: &Plan) -> Outcome {
    let mut outcome = tasks(plan);
    let waiters = waiters(plan);
    outcome.lines.extend(waiters.lines);
    outcome.curves.extend(waiters.curves);
    outcome
}

/// A runtime with so many tasks that wait for ever.
fn crowded(tasks: usize, spawn: impl Fn()) -> Runtime {
    let runtime = current_thread();
    runtime.block_on(async {
        (0..tasks).for_each(|_| spawn());
        // A runtime looks after the one that blocks on it now and then: this long, all have been polled.
        for _ in 0..tasks / 16 + 16 {
            tokio::task::yield_now().await;
        }
    });
    runtime
}

/// One operation of one more task, while so many others wait.
fn tasks(plan: &Plan) -> Outcome {
    let mut shield = Curve::new("open and close a shield", "tokio-shield", Axis::Tasks);
    let mut spawn = Curve::new("spawn + join", "tokio::spawn", Axis::Tasks);
    let mut cancel = Curve::new("spawn + suspend + cancel + join", "tokio's abort", Axis::Tasks);
    for size in sizes(plan, 1_000_000) {
        plan.say(format!("{size} tasks: spawning"));
        let mine = crowded(size, || drop(shieldable::spawn(pending::<()>())));
        let tokios = crowded(size, || drop(tokio::spawn(pending::<()>())));
        let sides = [
            Side::timed("shield", |times| mine.block_on(ShieldableTask::new(shields(times))).unwrap()),
            Side::timed("shieldable::spawn", |times| mine.block_on(each(times, || shieldable::spawn(async {})))),
            Side::timed("tokio::spawn", |times| tokios.block_on(each(times, || tokio::spawn(async {})))),
            Side::timed("tokio-shield", |times| tokios.block_on(each(times, || async {}.shield()))),
            Side::timed("cancel", |times| {
                mine.block_on(each(times, || async {
                    let task = shieldable::spawn(pending::<()>());
                    tokio::task::yield_now().await;
                    task.cancel_and_join().await
                }))
            }),
            Side::timed("abort", |times| {
                tokios.block_on(each(times, || async {
                    let task = tokio::spawn(pending::<()>());
                    tokio::task::yield_now().await;
                    task.abort();
                    task.await
                }))
            }),
        ];
        let [open, ours, theirs, shielded, cancelled, aborted] = in_turns(plan, &format!("{size} tasks"), sides);
        shield.points.push(Point { size, ours: open.undisturbed(), theirs: shielded.undisturbed() });
        spawn.points.push(Point { size, ours: ours.undisturbed(), theirs: theirs.undisturbed() });
        cancel.points.push(Point { size, ours: cancelled.undisturbed(), theirs: aborted.undisturbed() });
        plan.say(format!("{size} tasks: taking down"));
    }
    let mut lines = shield.lines();
    lines.extend(spawn.lines());
    lines.extend(cancel.lines());
    Outcome { lines, curves: vec![shield, spawn, cancel] }
}

async fn shields(times: u64) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        drop(black_box(shield_scope()));
    }
    start.elapsed()
}

async fn each<F: Future>(times: u64, operation: impl Fn() -> F) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        black_box(operation().await);
    }
    start.elapsed()
}

fn waiters(plan: &Plan) -> Outcome {
    let mut handing = Curve::new("hand-over (Lock)", "tokio::sync::Mutex", Axis::Waiters);
    let mut notifying = Curve::new("notify, per waiter", "Notify::notify_waiters", Axis::Waiters);
    for size in sizes(plan, 100_000) {
        let (lock, mutex) = (Lock::new(()), tokio::sync::Mutex::new(()));
        let sides = [
            Side::timed("Lock", |times| hand_overs(times, size, || lock.lock())),
            Side::timed("tokio::sync::Mutex", |times| hand_overs(times, size, || mutex.lock())),
            Side::timed("Waiter", |times| super::waiter::ours(size, times)),
            Side::timed("Notify", |times| super::waiter::theirs(size, times)),
        ];
        let [ours, theirs, waiter, notify] = in_turns(plan, &format!("{size} waiting"), sides);
        handing.points.push(Point { size, ours: ours.undisturbed(), theirs: theirs.undisturbed() });
        notifying.points.push(Point { size, ours: waiter.undisturbed(), theirs: notify.undisturbed() });
    }
    let mut lines = handing.lines();
    lines.extend(notifying.lines());
    Outcome { lines, curves: vec![handing, notifying] }
}

/// Releases to the first of so many, who then comes last: again and again, polled by hand.
fn hand_overs<A: Future>(times: u64, waiting: usize, acquire: impl Fn() -> A) -> Duration {
    let mut holder = hand::ready(acquire());
    let mut queue: Vec<Pin<Box<A>>> = (0..waiting).map(|_| Box::pin(acquire())).collect();
    for place in &mut queue {
        assert!(hand::poll(place.as_mut()).is_pending());
    }
    let start = Instant::now();
    for turn in 0..times {
        let place = &mut queue[turn as usize % waiting];
        drop(holder);
        match hand::poll(place.as_mut()) {
            std::task::Poll::Ready(guard) => holder = guard,
            std::task::Poll::Pending => unreachable!("handed over"),
        }
        place.set(acquire());
        assert!(hand::poll(place.as_mut()).is_pending());
    }
    start.elapsed()
}
