//! What models use of shuttle: schedules of sequentially consistent steps, all of them or many at random, each at a
//! price that allows for more threads and longer programs than loom does.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicU32, Ordering};

use ::shuttle::scheduler::{
    DfsScheduler, PctScheduler, RandomScheduler, Scheduler, UncontrolledNondeterminismCheckScheduler,
};
use ::shuttle::sync::Condvar;
pub use ::shuttle::thread::JoinHandle;
use ::shuttle::{Config, FailurePersistence, Runner};
use shieldable_model::{Order, Program};

use crate::harness::Explored;
use crate::timeline;

pub use ::shuttle::sync::{MutexGuard, atomic};
pub use ::shuttle::thread::spawn as spawn_lane;
pub use ::shuttle::{lazy_static, thread_local};

/// A thread of the model, with a column of its own in the timeline.
pub fn spawn<R: Send + 'static>(lane: &'static str, body: impl FnOnce() -> R + 'static) -> JoinHandle<R> {
    let body = OneThread(body);
    ::shuttle::thread::spawn(move || {
        timeline::enter_lane(lane);
        body.run()
    })
}

/// All of shuttle's threads are coroutines of one.
struct OneThread<F>(F);

// SAFETY: a value that moves from one coroutine to another stays on its thread.
unsafe impl<F> Send for OneThread<F> {}

impl<R, F: FnOnce() -> R> OneThread<F> {
    fn run(self) -> R {
        (self.0)()
    }
}

/// A call begins, or a poll: others may go first. Not a yield, after which chance would have to choose somebody else.
pub fn call_begins() {
    atomic::AtomicBool::new(false).load(Ordering::SeqCst);
}

/// Where the one thread that runs a task sleeps. Shuttle's `park` may wake for no reason, which makes some searches
/// endless.
pub struct Parker(::shuttle::sync::Mutex<bool>, Condvar);

impl Parker {
    pub fn new() -> Self {
        Self(::shuttle::sync::Mutex::new(false), Condvar::new())
    }

    pub fn owned_by_this_thread(&self) {}

    pub fn park(&self) {
        let mut unparked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while !std::mem::take(&mut *unparked) {
            unparked = self.1.wait(unparked).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub fn unpark(&self) {
        // Also while a panic goes by that a lane catches.
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.1.notify_one();
    }
}

/// Shuttle does not look for leaks.
pub struct LeakProbe;

impl LeakProbe {
    pub fn new() -> Self {
        Self
    }
}

/// Data that one at a time may change. Shuttle sees no data races, but whoever changes it lets the others run
/// meanwhile.
#[derive(Debug)]
pub struct Payload {
    value: AtomicU32,
    changing: AtomicU32,
}

impl Payload {
    pub fn new(value: u32) -> Self {
        Self { value: AtomicU32::new(value), changing: AtomicU32::new(0) }
    }

    #[track_caller]
    pub fn get(&self) -> u32 {
        assert_eq!(self.changing.load(Ordering::Relaxed), 0, "read while it is being changed");
        self.value.load(Ordering::Relaxed)
    }

    #[track_caller]
    pub fn bump(&self) {
        assert_eq!(self.changing.fetch_add(1, Ordering::Relaxed), 0, "changed by two at a time");
        ::shuttle::thread::yield_now();
        self.value.fetch_add(1, Ordering::Relaxed);
        self.changing.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A mutex of the model's own.
#[derive(Debug, Default)]
pub struct Mutex<T>(::shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shuttle follows every program.
pub fn follows(_: &Program) -> bool {
    true
}

/// A program that has more executions is explored in part.
pub const MOST_OF_A_PROGRAM: usize = 200;

/// The same with `SHIELDABLE_DEEP`.
pub const MOST_IF_DEEP: usize = 1_000;

/// What a history says about the order of different lanes: what is over before something else begins, comes before it.
pub const ORDER: Order = Order::RealTime;

fn config() -> Config {
    let mut config = Config::new();
    config.stack_size = 0x40000;
    config.failure_persistence = FailurePersistence::Print;
    config.silence_warnings = true;
    config
}

/// A schedule that fails is printed, and runs again by `--replay`.
pub const REPLAYS: bool = true;

/// The schedule that shuttle has printed.
pub fn schedule_in(output: &str) -> Option<&str> {
    output.split_once("failing schedule:\n\"\n")?.1.lines().next()
}

pub fn replay(schedule: &str, run: impl Fn() + Send + Sync + 'static) {
    let again = move || {
        timeline::begin();
        run();
    };
    ::shuttle::replay(again, schedule);
}

/// Runs under one scheduler and counts the executions.
fn run_with(scheduler: impl Scheduler + 'static, run: impl Fn() + Send + Sync + 'static) -> u64 {
    let runner = Runner::new(scheduler, config());
    let executions = runner.run(move || {
        timeline::begin();
        run();
    });
    executions as u64
}

/// Schedules of a race that are tried in order before chance takes over.
const IN_ORDER: usize = 2_000;
const SEED: u64 = 0x5e1d_ab1e;

/// All schedules if they are few; if not, the first of them, and some by chance.
pub fn explore(_: Option<usize>, run: impl Fn() + Send + Sync + Clone + 'static) -> Explored {
    explore_within(IN_ORDER, run)
}

/// As `explore`, for any number of schedules. Chance is made to show that nothing but the schedule decides.
pub fn explore_within(most: usize, run: impl Fn() + Send + Sync + Clone + 'static) -> Explored {
    let in_order = run_with(DfsScheduler::new(Some(most), false), run.clone());
    if in_order < most as u64 {
        return Explored { executions: in_order, extent: "complete".to_owned() };
    }
    let by_chance = most / 5;
    let random = RandomScheduler::new_from_seed(SEED, by_chance);
    let random = run_with(UncontrolledNondeterminismCheckScheduler::new(random), run.clone());
    let pct = run_with(PctScheduler::new_from_seed(SEED, 3, by_chance), run);
    let extent = format!("{in_order} in order, {random} at random, {pct} by PCT");
    Explored { executions: in_order + random + pct, extent }
}
