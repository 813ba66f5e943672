//! How many shield guards of a scope are open, counted without a read-modify-write on the scope's own side.
//!
//! # State
//! * `local`: guards opened, minus those closed while the scope was being polled on the closing thread. Written only by
//!   whoever polls (or drops) the scope, with plain loads and stores; at most one thread at a time is that.
//! * `foreign`: guards closed anywhere else, counted up by anybody. When the scope ends, [`ShieldCount::seal`]
//!   subtracts `local`, and it becomes minus the number of guards that are still open.
//!
//! # Invariants
//! 1. Open guards = `local - foreign` before the seal, `-foreign` after it.
//! 2. `foreign` is negative only after the seal, so the close that brings it from -1 to 0 is the last one of all.
//! 3. `foreign` never runs ahead of the `local` that a reader loads after it: each guard was counted in before it was
//!    counted out, and the reader's acquire load of `foreign` brings the former along.

use super::sync::atomic::{AtomicI64, Ordering};

/// Open guards of one scope; more are a leak (`mem::forget` in a loop), and refusing them beats shielding for ever.
pub(super) const MAX_OPEN: i64 = 1 << 24;

#[derive(Debug)]
pub(super) struct ShieldCount {
    local: AtomicI64,
    foreign: AtomicI64,
}

impl ShieldCount {
    pub(super) fn new() -> Self {
        Self { local: AtomicI64::new(0), foreign: AtomicI64::new(0) }
    }

    /// Panics if one more guard would be a leak. Polling side only.
    #[inline]
    pub(super) fn assert_room(&self) {
        // ORDERING: relaxed, this side alone writes `local`. Guards that were closed elsewhere stay in it, so that only
        // `open_now` can tell.
        if self.local.load(Ordering::Relaxed) >= MAX_OPEN && self.open_now() >= MAX_OPEN {
            refuse();
        }
    }

    /// Counts a guard in. Polling side only.
    #[inline]
    pub(super) fn open(&self) {
        // ORDERING: relaxed, this side alone writes `local`.
        let local = self.local.load(Ordering::Relaxed);
        // ORDERING: release, pairs with `seems_open`: who sees a guard that a destructor opened sees that the scope was
        // ending by then. Whoever closes the guard elsewhere got it by a hand-over that carries this store anyway.
        self.local.store(local + 1, Ordering::Release);
    }

    /// Counts a guard out while its scope is polled on this thread. Polling side only.
    #[inline]
    pub(super) fn close_here(&self) {
        // ORDERING: relaxed, this side alone writes `local`.
        let local = self.local.load(Ordering::Relaxed);
        // ORDERING: release, as in `open`: there may be guards left.
        self.local.store(local - 1, Ordering::Release);
    }

    /// Counts a guard out from anywhere else. True for the last one of a sealed count.
    pub(super) fn close_elsewhere(&self) -> bool {
        // ORDERING: release, so that what was done under the shield is visible to the destructors of a delivery that
        // sees it closed (`open_now`); acquire, so that the last one may take what the seal left behind.
        self.foreign.fetch_add(1, Ordering::AcqRel) == -1
    }

    /// How many guards are open. Polling side only, before the seal.
    #[inline]
    pub(super) fn open_now(&self) -> i64 {
        self.open_of(self.counted_in())
    }

    /// The first half of [`open_now`](Self::open_now): no guard is open if this is 0. Polling side only, before the
    /// seal.
    #[inline]
    pub(super) fn counted_in(&self) -> i64 {
        // ORDERING: relaxed, this side alone writes `local`.
        self.local.load(Ordering::Relaxed)
    }

    /// The second half of [`open_now`](Self::open_now).
    #[inline]
    pub(super) fn open_of(&self, local: i64) -> i64 {
        if local == 0 {
            return 0;
        }
        // ORDERING: acquire, pairs with `close_elsewhere`: the shielded section happened before the delivery, and the
        // reference that the guard has cloned is counted for whoever frees the scope.
        let foreign = self.foreign.load(Ordering::Acquire);
        local - foreign
    }

    /// Whether a guard seems open, for any thread. The caller must check afterwards that the scope had not ended.
    pub(super) fn seems_open(&self) -> bool {
        // ORDERING: acquire and in this order, see invariant 3; acquire on `local` too, which pairs with `open` and
        // `close_here`: guards that were counted when the scope was ending show the caller that it was.
        let foreign = self.foreign.load(Ordering::Acquire);
        let local = self.local.load(Ordering::Acquire);
        local > foreign
    }

    /// Makes the remaining guards count themselves out (invariant 2). True if there are any.
    pub(super) fn seal(&self) -> bool {
        // ORDERING: relaxed, this side alone writes `local`.
        let local = self.local.load(Ordering::Relaxed);
        // ORDERING: release, so that the last guard closed elsewhere sees what was left for it; acquire, so that the
        // scope may be freed here after the guards' last accesses to it, with their references counted.
        self.foreign.fetch_sub(local, Ordering::AcqRel) != local
    }
}

#[cold]
fn refuse() -> ! {
    panic!("shieldable: {MAX_OPEN} shields of one scope are open; are guards being leaked (mem::forget)?")
}
