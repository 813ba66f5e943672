//! A waker that takes its time, where the crate cannot hurry: being cloned, being called, being dropped.

use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::jostle::Jostle;

struct Slow {
    inner: Waker,
    jostle: Arc<Jostle>,
}

/// Wakes what the other wakes. No two of them are alike.
pub(crate) fn slow(inner: Waker, jostle: Arc<Jostle>) -> Waker {
    let data = Arc::into_raw(Arc::new(Slow { inner, jostle }));
    // SAFETY: the functions below keep the contract: each waker owns one strong reference, and `Slow` is `Send + Sync`.
    unsafe { Waker::new(data.cast(), &VTABLE) }
}

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop);

/// # Safety
///
/// `data` is the pointer of a waker of this table that has not been dropped.
unsafe fn clone(data: *const ()) -> RawWaker {
    let slow = data.cast::<Slow>();
    // SAFETY: the waker owns a reference to what was given to `Arc::into_raw`, so it is there to be looked at and
    // counted.
    unsafe {
        (*slow).jostle.dawdle();
        Arc::increment_strong_count(slow);
    }
    RawWaker::new(data, &VTABLE)
}

/// # Safety
///
/// As for `clone`; the waker is used up.
unsafe fn wake(data: *const ()) {
    // SAFETY: what this function may do, each of the two may, one after the other.
    unsafe {
        wake_by_ref(data);
        drop(data);
    }
}

/// # Safety
///
/// As for `clone`.
unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: as in `clone`.
    let slow = unsafe { &*data.cast::<Slow>() };
    slow.jostle.dawdle();
    slow.inner.wake_by_ref();
}

/// # Safety
///
/// As for `clone`; the waker is used up.
unsafe fn drop(data: *const ()) {
    // SAFETY: the reference that the waker owns is given up with it.
    let slow = unsafe { Arc::from_raw(data.cast::<Slow>()) };
    slow.jostle.dawdle();
}
