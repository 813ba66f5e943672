//! The waker of a scope: registered by whoever polls it, called by whoever cancels it or closes a shield elsewhere.
//!
//! # State
//! * `waker`: the last one registered. Empty before the first registration, after [`WakerSlot::close`], and while a
//!   caller of [`WakerSlot::wake`] has borrowed it.
//! * `epoch`: one more for every registration and for the close; tells a borrower whether its waker is still the one.
//! * `again`: somebody wanted to wake while the waker was borrowed; the borrower does it for him.
//!
//! # Invariants
//! 1. No user code runs under the mutex: a waker is cloned before it, called and dropped after it. A waker's `clone`,
//!    `wake` and `drop` may therefore cancel this very scope, or poll any task (semantics: wakers are user code).
//! 2. From its registration until the next one (or the close) a waker is in the slot or on loan to one caller of `wake`,
//!    who puts it back. Its address is thus taken, which makes [`WakerId`] a sound comparison.
//! 3. Every `wake` is followed by a call of the waker registered before it: by the caller, or by the borrower, who finds
//!    `again` set and calls once more for all who asked meanwhile. A waker that panics changes nothing in that.
//!
//! Invariant 3 and std's contract (a wake, coalesced or not, happens before the start of a later poll) are all that the
//! poll needs: it compares the waker without a lock, and looks for requests after it has registered.

use std::mem;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::task::Waker;

use super::panic::FirstPanic;
use super::sync::Mutex;

#[derive(Debug)]
pub(super) struct WakerSlot(Mutex<Slot>);

#[derive(Debug, Default)]
struct Slot {
    waker: Option<Waker>,
    epoch: u64,
    again: bool,
}

/// Which waker a slot holds, for the polling side to compare with without a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WakerId {
    data: usize,
    /// Never zero, so that an `Option` of this is no larger.
    vtable: NonZeroUsize,
}

impl WakerId {
    /// Equal exactly if [`Waker::will_wake`] would be true, as long as one of the two wakers is alive.
    #[inline]
    pub(super) fn of(waker: &Waker) -> Self {
        Self { data: waker.data().addr(), vtable: NonNull::from(waker.vtable()).addr() }
    }
}

impl WakerSlot {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Slot::default()))
    }

    /// Replaces the waker. The former one is the caller's to drop, after it has noted the new one's [`WakerId`].
    #[must_use = "the former waker may run user code when it is dropped: note the new id first"]
    pub(super) fn register(&self, waker: Waker) -> Option<Waker> {
        let mut slot = self.0.lock();
        slot.epoch += 1;
        slot.again = false;
        slot.waker.replace(waker)
    }

    /// Calls the registered waker, if there is one.
    ///
    /// Panics if the waker does, after it has been put back and those who asked meanwhile have been served.
    pub(super) fn wake(&self) {
        let mut slot = self.0.lock();
        let Some(waker) = slot.waker.take() else {
            slot.again = true;
            return;
        };
        let epoch = slot.epoch;
        drop(slot);

        let mut panic = FirstPanic::default();
        loop {
            panic.catch(|| waker.wake_by_ref());
            let mut slot = self.0.lock();
            if slot.epoch != epoch {
                // A newer one has taken the place, and whoever registered it looks for requests after that.
                break;
            }
            if !mem::take(&mut slot.again) {
                slot.waker = Some(waker);
                drop(slot);
                return panic.resume();
            }
        }
        panic.catch(|| drop(waker));
        panic.resume();
    }

    /// Takes the waker out for good, so that a handle that lives on keeps no task alive.
    #[must_use = "the waker may run user code when it is dropped"]
    pub(super) fn close(&self) -> Option<Waker> {
        let mut slot = self.0.lock();
        slot.epoch += 1;
        slot.waker.take()
    }
}
