//! Locks that several tasks want at once: time per operation, share that had to wait, fairness, and how long the wait
//! is.
//!
//! Fairness is judged twice. The shares of the tasks are what users see, but a worker that the machine keeps from
//! running in the middle of a poll keeps its task out of the queue for that long, whatever the lock does; how much of
//! that there was is printed. Whether anybody was overtaken in the queue is counted, and does not depend on the
//! machine.

use std::fs;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

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
    /// Of each operation, if they are recorded.
    turns: Vec<Turn>,
}

/// One operation, by the events of a run: they are numbered as they happen, by all tasks alike.
#[derive(Clone, Copy, Debug)]
struct Turn {
    nanos_waited: u32,
    /// Before the first poll.
    asked: u32,
    /// After the first poll, if that suspended: from then on nobody who asks may come first.
    queued: Option<u32>,
    /// With the lock.
    entered: u32,
}

/// Turns of tasks that were in the queue already when somebody asked who entered before them.
fn overtaken(turns: &mut [Turn]) -> usize {
    turns.sort_unstable_by_key(|turn| turn.entered);
    let mut last_asked = 0;
    let mut count = 0;
    for turn in turns {
        count += usize::from(turn.queued.is_some_and(|queued| queued < last_asked));
        last_asked = last_asked.max(turn.asked);
    }
    count
}

/// What all did in one run.
#[derive(Debug)]
struct Run {
    nanos_per_operation: f64,
    suspended: f64,
    smallest_share: f64,
    /// Of the waits, 99.9th percentile.
    long_wait: f64,
    overtaken: f64,
    kept_from_running: Duration,
}

/// Enough for a run; recording stops when it is full, so that no allocation disturbs.
const RECORDED: usize = 1 << 20;

/// What the tasks of a run share.
struct Shared<L> {
    lock: L,
    /// The first task has the lock, and later: the others are in its queue.
    begin: Barrier,
    queued: AtomicUsize,
    stop: AtomicBool,
    events: AtomicU32,
}

/// Holds the lock until all others queue. From then on it is hardly ever free, whoever is faster: a task that releases
/// it comes last. Without this one task may run alone for long, since a free lock suspends nobody.
async fn gather<L: Contended>(shared: Arc<Shared<L>>) -> Tally {
    let _held = shared.lock.acquire().await;
    shared.begin.wait().await;
    shared.begin.wait().await;
    Tally::default()
}

async fn task<L: Contended>(shared: Arc<Shared<L>>, section: Section, record: usize) -> Tally {
    let mut tally = Tally { turns: Vec::with_capacity(record), ..Tally::default() };
    let Shared { lock, queued, stop, events, .. } = &*shared;
    let event = || events.fetch_add(1, Ordering::Relaxed);
    while !stop.load(Ordering::Relaxed) {
        let recorded = tally.turns.len() < record;
        let mut turn = recorded.then(|| (Instant::now(), event(), None));
        let mut waited = false;
        let guard = {
            let mut acquire = pin!(lock.acquire());
            poll_fn(|cx| {
                let polled = acquire.as_mut().poll(cx);
                if polled.is_pending() && !waited {
                    waited = true;
                    if let Some((.., queued)) = &mut turn {
                        *queued = Some(event());
                    }
                    if tally.operations == 0 {
                        queued.fetch_add(1, Ordering::Relaxed);
                    }
                }
                polled
            })
            .await
        };
        tally.suspended += u64::from(waited);
        if let Some((start, asked, queued)) = turn {
            let nanos_waited = start.elapsed().as_nanos().try_into().unwrap_or(u32::MAX);
            tally.turns.push(Turn { nanos_waited, asked, queued, entered: event() });
        }
        if !waited {
            // All others are between a release and the queue. They get there while this one holds the lock.
            yield_now().await;
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

fn run_once<L: Contended>(tasks: usize, section: Section, length: Duration, record: bool) -> Run {
    let record = if record { RECORDED / tasks } else { 0 };
    let (begin, stop) = (Barrier::new(2), AtomicBool::new(false));
    let (queued, events) = (AtomicUsize::new(0), AtomicU32::new(0));
    let shared = Arc::new(Shared { lock: L::new(), begin, queued, stop, events });
    // In a runtime of its own: what its workers fall into, one of them ahead of the other, lasts as long as it does.
    let (runtime, before) = (two_workers(), kept_from_running());
    let (tallies, took) = runtime.block_on(async {
        let first = L::spawn(gather(shared.clone()));
        shared.begin.wait().await;
        let running: Vec<_> = (0..tasks).map(|_| L::spawn(task(shared.clone(), section, record))).collect();
        while shared.queued.load(Ordering::Relaxed) < tasks {
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
    // While its threads are there to be asked.
    let kept_from_running = kept_from_running().saturating_sub(before);
    let total: u64 = tallies.iter().map(|tally| tally.operations).sum();
    let suspended: u64 = tallies.iter().map(|tally| tally.suspended).sum();
    let (least, most) = tallies
        .iter()
        .fold((u64::MAX, 0), |(least, most), tally| (least.min(tally.operations), most.max(tally.operations)));
    let mut turns: Vec<Turn> = tallies.into_iter().flat_map(|tally| tally.turns).collect();
    let overtaken = overtaken(&mut turns) as f64;
    turns.sort_unstable_by_key(|turn| turn.nanos_waited);
    let long_wait = turns.get(turns.len() * 999 / 1000).map_or(f64::NAN, |turn| f64::from(turn.nanos_waited));
    Run {
        nanos_per_operation: took.as_nanos() as f64 / total as f64,
        suspended: suspended as f64 / total as f64,
        smallest_share: least as f64 / most as f64,
        long_wait,
        overtaken,
        kept_from_running,
    }
}

type Runner = fn(usize, Section, Duration, bool) -> Run;
const SIDES: [(&str, Runner); 3] = [
    ("tokio::sync::Mutex", run_once::<tokio::sync::Mutex<()>>),
    ("RLock", run_once::<shieldable::RLock>),
    ("Lock", run_once::<shieldable::Lock>),
];

pub(super) fn run(plan: &Plan) -> Outcome {
    let mut lines = Vec::new();
    let (start, mut kept) = (Instant::now(), Duration::ZERO);
    for section in Section::ALL {
        for tasks in TASKS {
            let what = format!("{tasks} tasks, {}", section.name());
            let timed = rounds(plan, &what, tasks, section, false);
            let recorded = rounds(plan, &format!("{what}, waits"), tasks, section, true);
            kept += timed.iter().chain(&recorded).flatten().map(|run| run.kept_from_running).sum::<Duration>();
            for side in [1, 2] {
                lines.extend(lines_of(&what, side, &timed, &recorded));
            }
        }
    }
    let share = kept.as_secs_f64() / start.elapsed().as_secs_f64() / 2.0;
    lines.push(Line::alone(
        "share of the time that the workers were kept from running",
        Figure::Share(share),
        Bound::None,
    ));
    lines.into()
}

/// For how long the threads of this process, all together, could have run and were not let; zero where the system does
/// not say.
fn kept_from_running() -> Duration {
    let Ok(threads) = fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    // What it has run, what it has waited, and how often, says the kernel's documentation of schedstats.
    let waited = |text: String| text.split_whitespace().nth(1)?.parse::<u64>().ok();
    let of_each = threads.filter_map(|thread| waited(fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?));
    Duration::from_nanos(of_each.sum())
}

/// Rounds of each side.
type Rounds = [Vec<Run>; SIDES.len()];

fn rounds(plan: &Plan, what: &str, tasks: usize, section: Section, record: bool) -> Rounds {
    let length = Duration::from_millis(if plan.quick { 10 } else { 25 });
    let count = if plan.quick { 3 } else { 31 };
    let mut results = SIDES.map(|_| Vec::new());
    for round in 0..count {
        for turn in 0..SIDES.len() {
            let index = if round % 2 == 0 { turn } else { SIDES.len() - 1 - turn };
            let (name, run) = SIDES[index];
            plan.say(format!("{what}: {name}, round {} of {count}", round + 1));
            results[index].push(run(tasks, section, length, record));
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
    let suspended_of = |side| Figure::Share(middle(timed, side, suspended));
    let overtaken_of = |side: usize| Figure::Count(recorded[side].iter().map(|run| run.overtaken).sum());
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
        Line::beside(
            "  smallest share / largest share",
            share_of(side),
            peer,
            share_of(0),
            share_of(side),
            Bound::AtLeast(0.98),
        ),
        Line::beside(
            "  overtaken in the queue",
            overtaken_of(side),
            peer,
            overtaken_of(0),
            overtaken_of(side),
            Bound::AtMost(0.0),
        ),
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
