//! The wakers that top fibers are polled with.
//!
//! A waker notes that it was called. It is a std `Arc`, since that is what a waker is made of, so the number of its
//! clones tells who still keeps it (HDL-11).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

use shieldable_model::{FiberId, MAX_FIBERS, MAX_WAKERS, Waker};

use crate::subject_sync::Signal;

const ALL: usize = MAX_FIBERS * MAX_WAKERS as usize;

#[derive(Debug)]
pub(super) struct Wakes {
    called: Arc<Mutex<Vec<Waker>>>,
    wakers: [(Arc<Noting>, std::task::Waker); ALL],
}

#[derive(Debug)]
struct Noting {
    which: Waker,
    called: Arc<Mutex<Vec<Waker>>>,
    signal: Signal,
}

impl Wake for Noting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.called.lock().unwrap_or_else(PoisonError::into_inner).push(self.which);
        self.signal.woken();
    }
}

impl Wakes {
    pub(super) fn new() -> Self {
        let called = Arc::<Mutex<Vec<Waker>>>::default();
        let wakers = std::array::from_fn(|index| {
            let (fiber, version) = (index as u8 / MAX_WAKERS, index as u8 % MAX_WAKERS);
            let which = Waker { fiber: FiberId(fiber), version };
            let noting = Arc::new(Noting { which, called: called.clone(), signal: Signal::default() });
            (noting.clone(), std::task::Waker::from(noting))
        });
        Self { called, wakers }
    }

    pub(super) fn waker(&self, fiber: FiberId, version: u8) -> &std::task::Waker {
        &self.wakers[index(fiber, version)].1
    }

    /// Rouses whoever runs the fiber with that waker.
    pub(super) fn signal(&self, fiber: FiberId, version: u8) -> &Signal {
        &self.wakers[index(fiber, version)].0.signal
    }

    /// How many clones are kept somewhere.
    pub(super) fn kept(&self, fiber: FiberId, version: u8) -> usize {
        Arc::strong_count(&self.wakers[index(fiber, version)].0) - 2
    }

    /// Who was woken, in order.
    pub(super) fn called(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.called.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn index(fiber: FiberId, version: u8) -> usize {
    fiber.index() * usize::from(MAX_WAKERS) + usize::from(version)
}
