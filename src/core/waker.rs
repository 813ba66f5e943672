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
//! 3. Every `wake` is followed by a call of the waker registered before it: by the caller, or by the borrower
//!    who finds `again` set. A waker that panics may swallow the calls that came while it ran.
//!
//! Invariant 3 and std's contract (a wake, coalesced or not, happens before the start of a later poll) are all that the
//! poll needs: it compares the waker without a lock, and looks for requests after it has registered.

use std::task::Waker;

use super::sync::Mutex;

#[derive(Debug)]
pub(super) struct WakerSlot(Mutex<Slot>);

#[derive(Debug, Default)]
struct Slot {
    waker: Option<Waker>,
    epoch: u32,
    again: bool,
}

/// Which waker a slot holds, for the polling side to compare with without a lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WakerId {
    data: usize,
    vtable: usize,
}

impl WakerId {
    /// Equal exactly if [`Waker::will_wake`] would be true, as long as one of the two wakers is alive.
    #[inline]
    pub(super) fn of(waker: &Waker) -> Self {
        Self { data: waker.data().addr(), vtable: std::ptr::from_ref(waker.vtable()).addr() }
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
        slot.epoch = slot.epoch.wrapping_add(1);
        slot.again = false;
        slot.waker.replace(waker)
    }

    /// Calls the registered waker, if there is one.
    pub(super) fn wake(&self) {
        let mut slot = self.0.lock();
        let Some(waker) = slot.waker.take() else {
            slot.again = true;
            return;
        };
        let epoch = slot.epoch;
        drop(slot);

        let mut loan = Loan { slot: self, waker: Some(waker), epoch };
        loop {
            if let Some(waker) = &loan.waker {
                waker.wake_by_ref();
            }
            if !loan.wanted_again() {
                break;
            }
        }
    }

    /// Takes the waker out for good, so that a handle that lives on keeps no task alive.
    #[must_use = "the waker may run user code when it is dropped"]
    pub(super) fn close(&self) -> Option<Waker> {
        let mut slot = self.0.lock();
        slot.epoch = slot.epoch.wrapping_add(1);
        slot.waker.take()
    }
}

/// A borrowed waker; goes back when dropped, also if calling it panicked.
struct Loan<'a> {
    slot: &'a WakerSlot,
    waker: Option<Waker>,
    epoch: u32,
}

impl Loan<'_> {
    /// Whether somebody asked for a wake meanwhile; if not, the waker has gone back.
    fn wanted_again(&mut self) -> bool {
        let mut slot = self.slot.0.lock();
        if slot.epoch != self.epoch {
            return false;
        }
        if slot.again {
            slot.again = false;
            return true;
        }
        slot.waker = self.waker.take();
        false
    }
}

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        // Only after a panic, or when a newer waker took the place, is there still one to put back or to drop.
        if self.waker.is_some() {
            let mut slot = self.slot.0.lock();
            if slot.epoch == self.epoch {
                slot.waker = self.waker.take();
            }
        }
    }
}
