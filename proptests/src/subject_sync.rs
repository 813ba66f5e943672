//! What the driver needs of the world around it: std's here, a checker's where the driver is compiled over one.

use std::cell::Cell;
use std::sync::{MutexGuard, PoisonError};

use shieldable_model::LaneId;

/// Around what the lanes of a program share.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Around what a checker need not see: what only one lane touches, or what others learn of by a wake.
pub(crate) use Mutex as Bookkeeping;

/// Rouses whoever runs a top fiber: nobody here, where they are polled one step at a time.
#[derive(Debug, Default)]
pub(crate) struct Signal;

impl Signal {
    pub(crate) fn woken(&self) {}
}

thread_local! {
    static LANE: Cell<LaneId> = const { Cell::new(LaneId(0)) };
}

/// The lane that this thread is acting for.
pub(crate) fn lane() -> LaneId {
    LANE.get()
}

/// This thread acts for that lane from now on.
pub(crate) fn set_lane(lane: LaneId) {
    LANE.set(lane);
}
