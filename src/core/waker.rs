//! The place of a scope's waker: registered by whoever polls it, taken and called by whoever cancels it or closes a
//! shield elsewhere.
//!
//! A waker is two pointers. They lie in two atomics, so that they can be copied at any time; whether there is a waker,
//! and whose it is, says the word of the scope alone (`WAKER` in `scope.rs`).
//!
//! # Invariants
//! 1. The polling side alone writes here, and only while `WAKER` is clear.
//! 2. In a live scope: a copy that was made between a load of the word with `WAKER` set and a compare-exchange that
//!    found this very word still there and cleared `WAKER` is the registered waker, and the copier owns it. For the
//!    word counts registrations: had the waker been taken meanwhile, and another been registered, the word would be
//!    another. (36 bits of it count; a thread that stands still between the two for 2^36 of them is beyond this, see
//!    the limits in `SPEC.md`.)
//! 3. A copy that is not claimed may be torn or long gone. It is two numbers, and nothing is done with it.

use std::mem::ManuallyDrop;
use std::ptr;
use std::task::{RawWakerVTable, Waker};

use super::sync::atomic::{AtomicPtr, Ordering};

#[derive(Debug)]
pub(super) struct WakerPlace {
    data: AtomicPtr<()>,
    vtable: AtomicPtr<RawWakerVTable>,
}

impl WakerPlace {
    pub(super) fn new() -> Self {
        Self { data: AtomicPtr::new(ptr::null_mut()), vtable: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Whether what was put here last is what [`Waker::will_wake`] calls the same, provided it is still alive. Polling
    /// side only.
    #[inline]
    pub(super) fn holds(&self, waker: &Waker) -> bool {
        // ORDERING: relaxed, this side alone writes here.
        ptr::eq(self.data.load(Ordering::Relaxed), waker.data())
            && ptr::eq(self.vtable.load(Ordering::Relaxed), waker.vtable())
    }

    /// Puts a waker here, to be claimed by whoever clears `WAKER`. Polling side only, while `WAKER` is clear.
    pub(super) fn put(&self, waker: Waker) {
        let waker = ManuallyDrop::new(waker);
        // ORDERING: release, pairs with `copy`: who copies what is put here now has seen `WAKER` clear in between, as
        // this side has, and does not find the word it loaded before that again (invariant 2).
        self.data.store(waker.data().cast_mut(), Ordering::Release);
        // ORDERING: as above.
        self.vtable.store(ptr::from_ref(waker.vtable()).cast_mut(), Ordering::Release);
    }

    /// What is here now, for whoever then takes it out of the word.
    #[inline]
    pub(super) fn copy(&self) -> Copied {
        // ORDERING: acquire, pairs with `put`.
        Copied { data: self.data.load(Ordering::Acquire), vtable: self.vtable.load(Ordering::Acquire) }
    }
}

/// What lay in the place at some time.
pub(super) struct Copied {
    data: *const (),
    vtable: *const RawWakerVTable,
}

impl Copied {
    /// The waker.
    ///
    /// # Safety
    ///
    /// Copied and taken as in invariant 2.
    #[inline]
    pub(super) unsafe fn claim(self) -> Waker {
        // SAFETY: the two pointers are those of one waker, which `put` gave away and nobody else claims (invariant 2);
        // its table was made from a `&'static`.
        unsafe { Waker::new(self.data, &*self.vtable) }
    }
}
