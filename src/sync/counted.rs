//! The reference count of a scope in the ordinary build.
//!
//! Std's `Arc` would do, at a price: it also counts weak references, which nobody here makes, and makes a
//! read-modify-write of each clone and each drop. This one can begin with two references, and its last one is given up
//! by a load. A task that is spawned and joined makes one read-modify-write instead of four, a scope without handles
//! none instead of two.
//!
//! The builds for checkers have the `Arc` that comes with them; loom's watches for leaks. This file is checked apart,
//! compiled over the checkers' atomics: by itself and with the core on top (`tests/models/references.rs`).
//!
//! # Invariants
//! 1. `count` is the number of references that are still to be dropped, and the value is there while there is one.
//! 2. Who drops a reference and sees a count of 1 drops the last one, and nobody clones another. Nobody else has this
//!    one, and those who clone from copies that are not counted, the guards (`shield.rs`), have counted their clones by
//!    then: they do so before they close, and the reference that keeps a scope for its open guards is not dropped
//!    before these have been seen closed (the acquires in `shield_count.rs`).

use std::ops::Deref;
use std::ptr::{self, NonNull};

use super::atomic::{AtomicU64, Ordering};

/// A shared value, dropped with its last reference.
pub(crate) struct Arc<T>(NonNull<Counted<T>>);

struct Counted<T> {
    /// In 64 bits, which no loop of clones that are forgotten fills in a lifetime.
    count: AtomicU64,
    value: T,
}

// SAFETY: it gives out `&T` on any thread, and drops the `T` on whichever has the last reference. The count is atomic.
unsafe impl<T: Send + Sync> Send for Arc<T> {}
// SAFETY: as above; through `&Arc<T>` one gets an `Arc<T>`.
unsafe impl<T: Send + Sync> Sync for Arc<T> {}

/// A reference to the value that `make` makes.
pub(crate) fn one<T>(make: impl FnOnce() -> T) -> Arc<T> {
    Arc(counted(1, make))
}

/// Two references to one value.
pub(crate) fn two<T>(make: impl FnOnce() -> T) -> (Arc<T>, Arc<T>) {
    let counted = counted(2, make);
    (Arc(counted), Arc(counted))
}

/// In this order, so that the compiler makes the value where it stays, and not on the stack first.
fn counted<T>(count: u64, make: impl FnOnce() -> T) -> NonNull<Counted<T>> {
    let mut place = Box::new_uninit();
    place.write(Counted { count: AtomicU64::new(count), value: make() });
    // SAFETY: just written.
    NonNull::from(Box::leak(unsafe { place.assume_init() }))
}

impl<T> Arc<T> {
    pub(crate) fn ptr_eq(this: &Self, other: &Self) -> bool {
        this.0 == other.0
    }

    pub(crate) fn as_ptr(this: &Self) -> *const T {
        ptr::from_ref(&**this)
    }

    fn counted(&self) -> &Counted<T> {
        // SAFETY: invariant 1, this is a reference.
        unsafe { self.0.as_ref() }
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        // ORDERING: relaxed, whoever gets the new reference gets it from here.
        self.counted().count.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        &self.counted().value
    }
}

impl<T> Drop for Arc<T> {
    #[inline]
    fn drop(&mut self) {
        let count = &self.counted().count;
        // ORDERING: acquire, pairs with the release below: what others did with the value is done before it is dropped.
        // If this is not the last reference, release; if it has become that since the load, acquire.
        if count.load(Ordering::Acquire) == 1 || count.fetch_sub(1, Ordering::AcqRel) == 1 {
            free(self.0);
        }
    }
}

#[inline(never)]
fn free<T>(counted: NonNull<Counted<T>>) {
    // SAFETY: it came out of a box, and its last reference is being dropped (invariant 1).
    drop(unsafe { Box::from_raw(counted.as_ptr()) });
}
