//! An executor for one task, as careless as std's contract allows: wakes are coalesced, and a wake that is coalesced
//! does no more than a read-modify-write. What a task is told by a wake, it is told by this word alone.
//!
//! # State
//! * `RUNNING`: the task is being polled, or belongs to somebody who polls it by hand. Nobody need be roused.
//! * `NOTIFIED`: it has been woken since its last poll began.
//!
//! A thread is unparked only when neither is set, that is when it sleeps or is about to: loom's `unpark` hands over all
//! that its caller knows, and a thread that is polling must not come to know it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Wake, Waker};

use crate::checker::atomic::{AtomicUsize, Ordering};
use crate::checker::{self, Parker};
use crate::crowd::Crowd;
use crate::timeline;

const RUNNING: usize = 1;
const NOTIFIED: usize = 2;

/// What a waker wakes.
pub struct Core {
    task: &'static str,
    state: AtomicUsize,
    parker: Parker,
    woken: AtomicBool,
    crowd: Option<Arc<Crowd>>,
    /// The checker sees a leak of what is its own, and a waker is not.
    _leak: checker::LeakProbe,
}

impl Core {
    pub fn new(task: &'static str, crowd: Option<Arc<Crowd>>) -> Arc<Self> {
        let (state, woken) = (AtomicUsize::new(RUNNING), AtomicBool::new(false));
        Arc::new(Self { task, state, parker: Parker::new(), woken, crowd, _leak: checker::LeakProbe::new() })
    }

    pub fn rouse(&self) {
        timeline::note(self.task, "is woken");
        self.woken.store(true, Relaxed);
        // ORDERING: what std asks of a wake, also of one that is coalesced.
        if self.state.fetch_or(NOTIFIED, Ordering::Release) == 0 {
            if let Some(crowd) = &self.crowd {
                crowd.rises(self);
            }
            self.parker.unpark();
        }
    }

    pub fn owned_by_this_thread(&self) {
        self.parker.owned_by_this_thread();
    }

    /// Until it is woken. False if nobody is left to do that.
    pub fn sleep(self: &Arc<Self>) -> bool {
        // ORDERING: relaxed, nothing is told to anybody by it.
        if self.state.fetch_and(!RUNNING, Ordering::Relaxed) & NOTIFIED == 0 {
            timeline::falls_asleep(self.task);
            let woken = match &self.crowd {
                Some(crowd) => crowd.lies_down(self),
                None => {
                    self.park();
                    true
                }
            };
            timeline::wakes_up(self.task);
            if !woken {
                return false;
            }
        }
        // ORDERING: acquire, pairs with every wake since the last poll began.
        let before = self.state.swap(RUNNING, Ordering::Acquire);
        assert_eq!(before, NOTIFIED, "the executor itself is wrong");
        true
    }

    pub fn park(&self) {
        self.parker.park();
    }

    pub fn unpark(&self) {
        self.parker.unpark();
    }
}

impl Wake for Core {
    fn wake(self: Arc<Self>) {
        self.rouse();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rouse();
    }
}

/// A future with a waker of its own.
pub struct Runner<F: Future> {
    future: Pin<Box<F>>,
    core: Arc<Core>,
    former: Option<Arc<Core>>,
    polls: usize,
    /// Whether it is to be polled without a wake, as an executor does with what it is given.
    due: bool,
}

/// What came of a future that was polled to its end.
pub struct Finished<T> {
    pub output: T,
    /// All polls, those by hand included.
    pub polls: usize,
    /// Whether the waker that it had before was called.
    pub former_was_called: bool,
}

impl<F: Future> Runner<F> {
    /// `task` is how the timeline calls its wakes.
    pub fn new(task: &'static str, future: F) -> Self {
        Self { future: Box::pin(future), core: Core::new(task, None), former: None, polls: 0, due: true }
    }

    /// Polls once, with or without a wake.
    pub fn poll(&mut self) -> Poll<F::Output> {
        self.polls += 1;
        self.due = false;
        let waker = Waker::from(self.core.clone());
        checker::call_begins();
        timeline::note(self.core.task, "is polled");
        let polled = self.future.as_mut().poll(&mut Context::from_waker(&waker));
        timeline::note(self.core.task, if polled.is_ready() { "is ready" } else { "is pending" });
        polled
    }

    /// Polls once and takes for granted that it suspends.
    #[track_caller]
    pub fn suspends(mut self) -> Self {
        assert!(self.poll().is_pending());
        self
    }

    /// Goes on with another waker, as a future does that moves to another executor. Wakes of the former one are lost.
    pub fn move_to_another_waker(self, task: &'static str) -> Self {
        Self { core: Core::new(task, None), former: Some(self.core), due: true, ..self }
    }

    /// Whether it has been woken, ever. A look from outside that orders nothing.
    pub fn was_woken(&self) -> bool {
        self.core.woken.load(Relaxed)
    }

    /// The same question, for when the runner is elsewhere.
    pub fn woken_flag(&self) -> impl Fn() -> bool + use<F> {
        let core = self.core.clone();
        move || core.woken.load(Relaxed)
    }

    /// Polls whenever it is woken, to the end.
    pub fn finish(self) -> F::Output {
        self.finish_and_tell().output
    }

    pub fn finish_and_tell(mut self) -> Finished<F::Output> {
        self.core.owned_by_this_thread();
        loop {
            if !self.due {
                self.core.sleep();
            }
            if let Poll::Ready(output) = self.poll() {
                let former_was_called = self.former.is_some_and(|former| former.woken.load(Relaxed));
                return Finished { output, polls: self.polls, former_was_called };
            }
        }
    }
}

/// Polls a future to its end on this thread.
pub fn run<F: Future>(task: &'static str, future: F) -> F::Output {
    Runner::new(task, future).finish()
}
