//! What the driver of programs needs of the world around it, over the checker's primitives.

use std::cell::Cell;
use std::fmt;
use std::sync::{Arc, OnceLock};

use shieldable_model::LaneId;

use crate::checker;
use crate::crowd::Crowd;
use crate::executor::Core;

/// Around what lanes hand to one another. The checker's mutex is made when it is first used: most never are.
pub(crate) struct Mutex<T>(OnceLock<checker::Mutex<T>>);

impl<T: Default> Mutex<T> {
    pub(crate) fn lock(&self) -> checker::MutexGuard<'_, T> {
        self.0.get_or_init(checker::Mutex::default).lock()
    }
}

impl<T> Default for Mutex<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

/// Around what one lane alone touches, or others learn of by a wake: nothing for the checker to see.
#[derive(Default)]
pub(crate) struct Bookkeeping<T>(std::sync::Mutex<T>);

impl<T> Bookkeeping<T> {
    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whose turn it is to poll, drop or join a fiber that several lanes are after: whoever does it then knows what those
/// did who had it before. Where one lane alone has the fiber there is nothing to say, and nothing for the checker to
/// explore.
#[derive(Default)]
pub(crate) struct Turn(OnceLock<checker::Mutex<()>>);

impl Turn {
    /// For a fiber that several lanes are after; before there are other lanes.
    pub(crate) fn arm(&self) {
        self.0.get_or_init(checker::Mutex::default);
    }

    pub(crate) fn take(&self) -> Option<checker::MutexGuard<'_, ()>> {
        self.0.get().map(checker::Mutex::lock)
    }
}

/// Rouses the lane that runs a top fiber.
#[derive(Default)]
pub(crate) struct Signal(OnceLock<Arc<Core>>);

impl Signal {
    pub(crate) fn woken(&self) {
        if let Some(core) = self.0.get() {
            core.rouse();
        }
    }

    /// For a fiber that is run; before there are other lanes.
    pub(crate) fn arm(&self, crowd: &Arc<Crowd>) {
        let core = Core::new("the fiber", Some(crowd.clone()));
        assert!(self.0.set(core).is_ok(), "armed once");
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        self.0.get().expect("it was armed")
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signal")
    }
}

checker::thread_local! {
    static LANE: Cell<LaneId> = Cell::new(LaneId(0));
}

pub(crate) fn lane() -> LaneId {
    LANE.with(Cell::get)
}

pub(crate) fn set_lane(lane: LaneId) {
    LANE.with(|this| this.set(lane));
}
