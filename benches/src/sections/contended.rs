//! Locks that several tasks want at once: time per operation, share that had to wait, fairness, and how long the wait is.

use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::Barrier;
use tokio::task::yield_now;

use super::{Outcome, two_workers};
use crate::measure::{Plan, median};
use crate::report::{Bound, Figure, Line};

const TASKS: [usize; 3] = [2, 8, 64];

/// What is done under the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Section {
    Empty,
    Microsecond,
    Yield,
}

impl Section {
    const ALL: [Self; 3] = [Self::Empty, Self::Microsecond, Self::Yield];

    fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Microsecond => "1 µs",
            Self::Yield => "with a yield",
        }
    }
}

/// A lock under test, and how to spawn the tasks that want it.
trait Contended: Send + Sync + 'static {
    type Guard<'a>: Deref<Target = ()> + Send;

    fn new() -> Self;
    fn acquire(&self) -> impl Future<Output = Self::Guard<'_>> + Send;
    /// The task's outcome; whoever awaits it is not measured.
    fn spawn(task: impl Future<Output = Tally> + Send + 'static) -> impl Future<Output = Tally>;
}

macro_rules! contended {
    ($lock:ty, $guard:ty, $spawn:path) => {
        impl Contended for $lock {
            type Guard<'a> = $guard;

            fn new() -> Self {
                <$lock>::new(())
            }

            fn acquire(&self) -> impl Future<Output = Self::Guard<'_>> + Send {
                self.lock()
            }

            fn spawn(task: impl Future<Output = Tally> + Send + 'static) -> impl Future<Output = Tally> {
                let task = $spawn(task);
                async { task.await.expect("the task of a benchmark neither panics nor is cancelled") }
            }
        }
    };
}

contended!(shieldable::RLock<()>, shieldable::RLockGuard<'a>, shieldable::spawn);
contended!(shieldable::Lock<()>, shieldable::LockGuard<'a>, tokio::spawn);
contended!(tokio::sync::Mutex<()>, tokio::sync::MutexGuard<'a, ()>, tokio::spawn);

/// What one task did.
#[derive(Debug, Default)]
struct Tally {
    operations: u64,
    suspended: u64,
    /// In nanoseconds, of each operation, if they are recorded.
    waits: Vec<u32>,
}

/// What all did in one run.
#[derive(Debug)]
struct Run {
    nanos_per_operation: f64,
    suspended: f64,
    smallest_share: f64,
    /// Of the waits, 99.9th percentile.
    long_wait: f64,
}

/// Enough for a run; recording stops when it is full, so that no allocation disturbs.
const RECORDED: usize = 1 << 20;

/// What the tasks of a run share.
struct Shared<L> {
    lock: L,
    /// The first task has the lock, and later: the others are in its queue.
    begin: Barrier,
    arrived: AtomicUsize,
    stop: AtomicBool,
}

/// Holds the lock until all others queue. From then on the lock is never free, whoever is faster: a task that releases it
/// comes last. Without this one task may run alone for long, since a free lock suspends nobody.
async fn gather<L: Contended>(shared: Arc<Shared<L>>) -> Tally {
    let _held = shared.lock.acquire().await;
    shared.begin.wait().await;
    shared.begin.wait().await;
    Tally::default()
}

async fn task<L: Contended>(shared: Arc<Shared<L>>, section: Section, record: usize) -> Tally {
    let mut tally = Tally { waits: Vec::with_capacity(record), ..Tally::default() };
    let Shared { lock, arrived, stop, .. } = &*shared;
    arrived.fetch_add(1, Ordering::Relaxed);
    while !stop.load(Ordering::Relaxed) {
        let start = (record > 0).then(Instant::now);
        let guard = {
            let mut acquire = pin!(lock.acquire());
            let mut waited = false;
            let guard = poll_fn(|cx| {
                let polled = acquire.as_mut().poll(cx);
                waited |= polled.is_pending();
                polled
            })
            .await;
            tally.suspended += u64::from(waited);
            guard
        };
        if let Some(start) = start {
            if tally.waits.len() < record {
                tally.waits.push(start.elapsed().as_nanos().try_into().unwrap_or(u32::MAX));
            }
        }
        match section {
            Section::Empty => {}
            Section::Microsecond => {
                let start = Instant::now();
                while start.elapsed() < Duration::from_micros(1) {
                    std::hint::spin_loop();
                }
            }
            Section::Yield => yield_now().await,
        }
        drop(guard);
        tally.operations += 1;
    }
    tally
}

fn run_once<L: Contended>(runtime: &Runtime, tasks: usize, section: Section, length: Duration, record: bool) -> Run {
    let record = if record { RECORDED / tasks } else { 0 };
    let (begin, stop) = (Barrier::new(2), AtomicBool::new(false));
    let shared = Arc::new(Shared { lock: L::new(), begin, arrived: AtomicUsize::new(0), stop });
    let (tallies, took) = runtime.block_on(async {
        let first = L::spawn(gather(shared.clone()));
        shared.begin.wait().await;
        let running: Vec<_> = (0..tasks).map(|_| L::spawn(task(shared.clone(), section, record))).collect();
        while shared.arrived.load(Ordering::Relaxed) < tasks {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        shared.begin.wait().await;
        first.await;
        let start = Instant::now();
        tokio::time::sleep(length).await;
        shared.stop.store(true, Ordering::Relaxed);
        let took = start.elapsed();
        let mut tallies = Vec::new();
        for task in running {
            tallies.push(task.await);
        }
        (tallies, took)
    });
    let total: u64 = tallies.iter().map(|tally| tally.operations).sum();
    let suspended: u64 = tallies.iter().map(|tally| tally.suspended).sum();
    let (least, most) = tallies
        .iter()
        .fold((u64::MAX, 0), |(least, most), tally| (least.min(tally.operations), most.max(tally.operations)));
    let mut waits: Vec<u32> = tallies.into_iter().flat_map(|tally| tally.waits).collect();
    waits.sort_unstable();
    Run {
        nanos_per_operation: took.as_nanos() as f64 / total as f64,
        suspended: suspended as f64 / total as f64,
        smallest_share: least as f64 / most as f64,
        long_wait: waits.get(waits.len() * 999 / 1000).copied().map_or(f64::NAN, f64::from),
    }
}

type Runner = fn(&Runtime, usize, Section, Duration, bool) -> Run;
const SIDES: [(&str, Runner); 3] = [
    ("tokio::sync::Mutex", run_once::<tokio::sync::Mutex<()>>),
    ("RLock", run_once::<shieldable::RLock>),
    ("Lock", run_once::<shieldable::Lock>),
];

pub(super) fn run(plan: &Plan) -> Outcome {
    let runtime = two_workers();
    let mut lines = Vec::new();
    for section in Section::ALL {
        for tasks in TASKS {
            let what = format!("{tasks} tasks, {}", section.name());
            let timed = rounds(plan, &runtime, &what, tasks, section, false);
            let recorded = rounds(plan, &runtime, &format!("{what}, waits"), tasks, section, true);
            for side in [1, 2] {
                lines.extend(lines_of(&what, side, &timed, &recorded));
            }
        }
    }
    lines.into()
}

/// Rounds of each side.
type Rounds = [Vec<Run>; SIDES.len()];

fn rounds(plan: &Plan, runtime: &Runtime, what: &str, tasks: usize, section: Section, record: bool) -> Rounds {
    let length = Duration::from_millis(if plan.quick { 10 } else { 25 });
    let count = if plan.quick { 3 } else { 15 };
    let mut results = SIDES.map(|_| Vec::new());
    for round in 0..count {
        for turn in 0..SIDES.len() {
            let index = if round % 2 == 0 { turn } else { SIDES.len() - 1 - turn };
            let (name, run) = SIDES[index];
            plan.say(format!("{what}: {name}, round {} of {count}", round + 1));
            results[index].push(run(runtime, tasks, section, length, record));
        }
    }
    results
}

fn lines_of(what: &str, side: usize, timed: &Rounds, recorded: &Rounds) -> Vec<Line> {
    let (name, peer) = (SIDES[side].0, SIDES[0].0);
    let middle =
        |rounds: &Rounds, side: usize, figure: fn(&Run) -> f64| median(rounds[side].iter().map(figure).collect());
    let over = |rounds: &Rounds, figure: fn(&Run) -> f64| {
        median(rounds[side].iter().zip(&rounds[0]).map(|(ours, theirs)| figure(ours) / figure(theirs)).collect())
    };
    let time: fn(&Run) -> f64 = |run| run.nanos_per_operation;
    let wait: fn(&Run) -> f64 = |run| run.long_wait;
    let suspended: fn(&Run) -> f64 = |run| run.suspended;
    // The upper quartile: a worker that is kept from running for a moment makes the shares of its task smaller.
    let share_of = |side: usize| {
        let mut shares: Vec<f64> = timed[side].iter().map(|run| run.smallest_share).collect();
        shares.sort_by(f64::total_cmp);
        Figure::Share(shares[shares.len() * 3 / 4])
    };
    let waited = middle(timed, side, suspended);
    // Where hardly anybody queues there is no order to keep.
    let fair = if waited < 0.5 { Bound::None } else { Bound::AtLeast(0.98) };
    let suspended_of = |side| Figure::Share(middle(timed, side, suspended));
    vec![
        Line::times(
            format!("{name}, {what}"),
            middle(timed, side, time),
            peer,
            middle(timed, 0, time),
            over(timed, time),
            Bound::AtMost(1.0),
        ),
        Line::times(
            "  wait, 99.9th percentile",
            middle(recorded, side, wait),
            peer,
            middle(recorded, 0, wait),
            over(recorded, wait),
            Bound::AtMost(1.0),
        ),
        Line::beside("  smallest share / largest share", share_of(side), peer, share_of(0), share_of(side), fair),
        Line::beside(
            "  share that suspended",
            suspended_of(side),
            peer,
            suspended_of(0),
            suspended_of(side),
            Bound::None,
        ),
    ]
}
