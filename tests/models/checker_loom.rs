//! What models use of loom: every interleaving, and every value that the memory model lets a load return.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use ::loom::thread::{JoinHandle, Thread};

use crate::harness::{Explored, Model};
use crate::timeline;

pub use ::loom::sync::atomic;
pub use ::loom::thread_local;

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

/// Runs all executions of a model.
pub fn explore(model: &Model) -> Explored {
    let executions = std::sync::Arc::new(AtomicU64::new(0));
    let mut builder = ::loom::model::Builder::new();
    builder.preemption_bound = model.bound;
    builder.max_branches = 50_000;
    let (count, run) = (executions.clone(), model.run);
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        timeline::begin();
        run();
    });
    let extent = match model.bound {
        None => "complete".to_owned(),
        Some(bound) => format!("complete to {bound} preemptions"),
    };
    Explored { executions: executions.load(Ordering::Relaxed), extent }
}
