//! What the driver needs of the world around it: std's here, a checker's where the driver is compiled over one.

use std::cell::Cell;
use std::sync::{MutexGuard, OnceLock, PoisonError};
use std::task::Waker;

use shieldable_model::LaneId;

/// Around what the lanes of a program share.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

/// Around what one lane alone touches, or others learn of by a wake. A checker need not know of it.
pub(crate) type Bookkeeping<T> = Mutex<T>;

impl<T> Mutex<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whose turn it is to poll, drop or join a fiber that several lanes are after. The mutexes above say it all.
#[derive(Debug, Default)]
pub(crate) struct Turn;

/// Until it is dropped.
pub(crate) struct Taken;

impl Turn {
    pub(crate) fn take(&self) -> Taken {
        Taken
    }
}

/// Rouses the lane that runs a top fiber, if one does.
#[derive(Debug, Default)]
pub(crate) struct Signal(OnceLock<Waker>);

impl Signal {
    pub(crate) fn woken(&self) {
        if let Some(runner) = self.0.get() {
            runner.wake_by_ref();
        }
    }

    /// Before that lane polls the fiber.
    pub(crate) fn arm(&self, runner: Waker) {
        assert!(self.0.set(runner).is_ok(), "armed once");
    }
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
