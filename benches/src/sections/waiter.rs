//! Waking everybody who waits.

use std::pin::Pin;
use std::time::{Duration, Instant};

use shieldable::Waiter;
use tokio::sync::Notify;

use super::Outcome;
use crate::hand;
use crate::measure::{Plan, Side, in_turns};
use crate::report::{Bound, Line};

const WAITING: [usize; 3] = [1, 100, 10_000];

pub(super) fn run(plan: &Plan) -> Outcome {
    let mut lines = Vec::new();
    for waiting in WAITING {
        let sides = [
            Side::timed("Waiter::notify", |times| ours(waiting, times)),
            Side::timed("Notify::notify_waiters", |times| theirs(waiting, times)),
            Side::timed("Waiter, whole cycle", |times| cycles::<Waiter>(waiting, times).1),
            Side::timed("Notify, whole cycle", |times| cycles::<Notify>(waiting, times).1),
        ];
        let [notify, notify_waiters, cycle, tokios] = in_turns(plan, &format!("{waiting} waiting"), sides);
        lines.push(Line::times(
            format!("notify, per waiter, {waiting} waiting"),
            notify.median(),
            "Notify::notify_waiters",
            notify_waiters.median(),
            notify.over(&notify_waiters),
            Bound::AtMost(1.0),
        ));
        lines.push(Line::times(
            format!("wait + notify + wake up, {waiting} waiting"),
            cycle.median(),
            "Notify, the same",
            tokios.median(),
            cycle.over(&tokios),
            Bound::None,
        ));
    }
    lines.into()
}

/// Ours and theirs.
trait Broadcast: Default {
    type Wait<'a>: Future
    where
        Self: 'a;

    fn wait(&self) -> Self::Wait<'_>;
    fn notify(&self);
}

impl Broadcast for Waiter {
    type Wait<'a> = shieldable::Wait<'a>;

    fn wait(&self) -> Self::Wait<'_> {
        self.wait()
    }

    fn notify(&self) {
        self.notify();
    }
}

impl Broadcast for Notify {
    type Wait<'a> = tokio::sync::futures::Notified<'a>;

    fn wait(&self) -> Self::Wait<'_> {
        self.notified()
    }

    fn notify(&self) {
        self.notify_waiters();
    }
}

/// The time in `notify` alone, until so many waiters have been woken.
pub(super) fn ours(waiting: usize, times: u64) -> Duration {
    cycles::<Waiter>(waiting, times).0
}

pub(super) fn theirs(waiting: usize, times: u64) -> Duration {
    cycles::<Notify>(waiting, times).0
}

/// The time in `notify`, and that of the whole with the waiting and the waking up, scaled to exactly so many waiters.
/// In boxes that are used again, so that no allocation is measured, and of several objects in a row, so that the clock
/// is not.
fn cycles<B: Broadcast>(waiting: usize, times: u64) -> (Duration, Duration) {
    let objects: Vec<B> = (0..(500 / waiting).max(1)).map(|_| B::default()).collect();
    let mut waits: Vec<Pin<Box<B::Wait<'_>>>> =
        objects.iter().flat_map(|object| (0..waiting).map(|_| Box::pin(object.wait()))).collect();
    let runs = times.div_ceil(waits.len() as u64);
    let mut notifying = Duration::ZERO;
    let start = Instant::now();
    for _ in 0..runs {
        for (index, place) in waits.iter_mut().enumerate() {
            place.set(objects[index / waiting].wait());
            assert!(hand::poll(place.as_mut()).is_pending());
        }
        let begin = Instant::now();
        for object in &objects {
            object.notify();
        }
        notifying += begin.elapsed();
        for place in &mut waits {
            assert!(hand::poll(place.as_mut()).is_ready());
        }
    }
    let part = times as f64 / (runs * waits.len() as u64) as f64;
    (notifying.mul_f64(part), start.elapsed().mul_f64(part))
}
