//! What models use of loom: every interleaving, and every value that the memory model lets a load return.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub use ::loom::thread::JoinHandle;
use ::loom::thread::Thread;

use shieldable_model::{Make, Op, OpId, Order, Program};

use crate::harness::Explored;
use crate::timeline;

pub use ::loom::sync::{MutexGuard, atomic};
pub use ::loom::thread::spawn as spawn_lane;
pub use ::loom::{lazy_static, thread_local};

/// A thread of the model, with a column of its own in the timeline.
pub fn spawn<R: 'static>(lane: &'static str, body: impl FnOnce() -> R + 'static) -> JoinHandle<R> {
    ::loom::thread::spawn(move || {
        timeline::enter_lane(lane);
        body()
    })
}

::loom::lazy_static! {
    static ref CALLS: atomic::AtomicUsize = atomic::AtomicUsize::new(0);
}

/// A call begins, or a poll: all orders of these are explored.
///
/// Loom remembers one access of each object, the last, to find what to reorder. A thread that loads and then exchanges
/// hides from it the loads that others have done before, and with them the orders in which its call comes before those.
/// Relaxed: it tells nobody anything.
pub fn call_begins() {
    CALLS.fetch_add(1, atomic::Ordering::Relaxed);
}

/// Where the one thread that runs a task sleeps.
pub struct Parker(OnceLock<Thread>);

impl Parker {
    pub fn new() -> Self {
        Self(OnceLock::new())
    }

    /// Before it first parks.
    pub fn owned_by_this_thread(&self) {
        let _ = self.0.set(::loom::thread::current());
    }

    pub fn park(&self) {
        ::loom::thread::park();
    }

    pub fn unpark(&self) {
        self.0.get().expect("only those who sleep are unparked").unpark();
    }
}

/// Lies in a waker, to make a leak of it one that loom sees.
pub struct LeakProbe(#[expect(dead_code, reason = "counted by loom, not read")] ::loom::sync::Arc<()>);

impl LeakProbe {
    pub fn new() -> Self {
        Self(::loom::sync::Arc::new(()))
    }
}

/// Plain data: accesses that nothing orders fail the model.
#[derive(Debug)]
pub struct Payload(::loom::cell::UnsafeCell<u32>);

// SAFETY: loom checks each access against all others that may be concurrent with it.
unsafe impl Sync for Payload {}
// SAFETY: an integer.
unsafe impl Send for Payload {}

impl Payload {
    pub fn new(value: u32) -> Self {
        Self(::loom::cell::UnsafeCell::new(value))
    }

    #[track_caller]
    pub fn get(&self) -> u32 {
        // SAFETY: see above.
        self.0.with(|value| unsafe { *value })
    }

    #[track_caller]
    pub fn bump(&self) {
        // SAFETY: see above.
        self.0.with_mut(|value| unsafe { *value += 1 });
    }
}

/// A mutex of the model's own.
#[derive(Debug, Default)]
pub struct Mutex<T>(::loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub fn lock(&self) -> ::loom::sync::MutexGuard<'_, T> {
        self.0.lock().expect("nothing panics under it")
    }
}

/// Whether loom follows the program. All threads of a model are one thread of the machine, which unwinds or does not: a
/// panic of one poisons the mutexes that others hold, and loom has no way past that. The crate's own mutexes are those
/// of queues.
pub fn follows(program: &Program) -> bool {
    let ops = || (0..program.len() as u8).map(OpId);
    let panics = |op: &OpId| program.op(*op) == Op::Panic;
    ops().filter(panics).all(|panic| {
        !ops().any(|op| {
            let queues = match program.op(op) {
                Op::Await(make) | Op::Let(make) => matches!(make, Make::Lock(_) | Make::Wait(_)),
                Op::TryLock(_) | Op::Notify(_) | Op::Take(_) | Op::DropSlot(_) => true,
                _ => false,
            };
            queues && program.thread(op) != program.thread(panic)
        })
    })
}

/// A program that has more executions is explored in part.
pub const MOST_OF_A_PROGRAM: usize = 500;

/// The same with `SHIELDABLE_DEEP`: some minutes of one program.
pub const MOST_IF_DEEP: usize = 2_000_000;

/// What a history says about the order of different lanes: nothing, since a load need not see what was done before it.
pub const ORDER: Order = Order::PerLane;

/// Runs all executions.
pub fn explore(bound: Option<usize>, run: impl Fn() + Send + Sync + 'static) -> Explored {
    explore_up_to(usize::MAX, bound, run).0
}

/// An execution has no name by which it could be run again; a model that fails is run again from its first.
pub const REPLAYS: bool = false;

pub fn schedule_in(_: &str) -> Option<&str> {
    None
}

pub fn replay(_: &str, _: impl Fn() + Send + Sync + 'static) {
    eprintln!("loom has no schedule to replay; run the model again from its first execution, with `--model NAME`");
    std::process::exit(2);
}

/// All executions if they are few; if not, those with few preemptions.
pub fn explore_within(most: usize, run: impl Fn() + Send + Sync + Clone + 'static) -> Explored {
    const PREEMPTIONS: usize = 2;
    let (tried, all) = explore_up_to(most, None, run.clone());
    if all {
        return tried;
    }
    let (bounded, _) = explore_up_to(usize::MAX, Some(PREEMPTIONS), run);
    Explored { executions: tried.executions + bounded.executions, ..bounded }
}

/// Runs all executions, or so many; true if these were all.
fn explore_up_to(most: usize, bound: Option<usize>, run: impl Fn() + Send + Sync + 'static) -> (Explored, bool) {
    let executions = std::sync::Arc::new(AtomicU64::new(0));
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = bound;
    builder.max_branches = 50_000;
    (builder.checkpoint_interval, builder.max_permutations) = (most, Some(most));
    let count = executions.clone();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        timeline::begin();
        run();
    });
    let extent = match bound {
        None => "complete".to_owned(),
        Some(bound) => format!("complete to {bound} preemptions"),
    };
    let executions = executions.load(Ordering::Relaxed);
    (Explored { executions, extent }, executions + 1 < most as u64)
}
