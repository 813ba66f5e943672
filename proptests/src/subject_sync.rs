//! What the driver needs of the world around it: std's here, a checker's where the driver is compiled over one.

use std::cell::Cell;
use std::sync::{MutexGuard, OnceLock, PoisonError};

use shieldable_model::LaneId;

use crate::threads::Sleeper;

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

impl Turn {
    pub(crate) fn take(&self) {}
}

/// Rouses the lane that runs a top fiber, if one does.
#[derive(Debug, Default)]
pub(crate) struct Signal(OnceLock<Sleeper>);

impl Signal {
    pub(crate) fn woken(&self) {
        if let Some(sleeper) = self.0.get() {
            sleeper.rouse();
        }
    }

    /// Before there are other lanes.
    pub(crate) fn arm(&self, sleeper: Sleeper) {
        assert!(self.0.set(sleeper).is_ok(), "armed once");
    }

    pub(crate) fn sleeper(&self) -> &Sleeper {
        self.0.get().expect("it was armed")
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
