//! The state of a cancel scope, shared by its wrapper, its handles and the guards that outlive it.
//!
//! # State
//! * `word`: the number of outstanding requests (bits 8 and up) and the phase (bits 0 to 2), in one word, so that
//!   delivering and revoking exclude each other.
//!     * *live* (no bit): requests are added and taken back by anybody.
//!     * [`ENDING`]: set once, by whoever polls or drops the scope: at a delivery, when the body returned a value or
//!       panicked, or when the wrapper is dropped. From then on the word is that side's alone and the count is frozen.
//!     * [`DONE`]: set once, after the body has been dropped.
//!     * [`TORN`]: set with `ENDING` if the wrapper was dropped out of an open shield.
//! * `shields`: the open guards (`shield_count.rs`).
//! * `waker`: of the last poll that was `Pending` (`waker.rs`).
//! * `registered`: names the waker that the slot holds or has lent out (invariant 2 of `waker.rs`), for the polling side to
//!   compare with. Here and not in the wrapper, which is part of every task and thus better small.
//! * `outer`: a shield of the scope around this one. Held by the polling side while this scope is suspended with an open
//!   shield; left to the last guard when the scope ends before its guards.
//! * `task`: id and name, if the scope is a task. Never changes.
//!
//! # Invariants
//! 1. Live to ending is one compare-exchange or read-modify-write: a delivery that saw a request cannot be revoked, and a
//!    request that was revoked is not delivered (DLV-7, HDL-5).
//! 2. `DONE` is set exactly when the body has been dropped (SCP-5), and `cancel` is false exactly from then on (HDL-1).
//! 3. `outer` is touched by the polling side until the seal, and by the one last guard after it; `registered` by the
//!    polling side alone.
//! 4. While a guard is open there is a strong reference for it: the wrapper's until the seal, one that is left to all
//!    guards together after it.

use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::Waker;

use super::identity::TaskId;
use super::shield::ShieldScope;
use super::shield_count::ShieldCount;
use super::sync::atomic::{AtomicU32, Ordering};
use super::sync::{Arc, UnsafeCell};
use super::waker::{WakerId, WakerSlot};

const ENDING: u32 = 1;
const DONE: u32 = 1 << 1;
const TORN: u32 = 1 << 2;

const ONE_REQUEST: u32 = 1 << REQUESTS_SHIFT;
const REQUESTS_SHIFT: u32 = 8;
/// Further requests are not counted; they are as pending as the others.
const MAX_REQUESTS: u32 = (1 << (32 - REQUESTS_SHIFT)) - 1;

const fn requests(word: u32) -> u32 {
    word >> REQUESTS_SHIFT
}

const fn is_live(word: u32) -> bool {
    word & ENDING == 0
}

pub(super) struct Scope {
    word: AtomicU32,
    pub(super) shields: ShieldCount,
    pub(super) waker: WakerSlot,
    registered: UnsafeCell<Option<WakerId>>,
    outer: UnsafeCell<Option<ShieldScope>>,
    task: Option<Task>,
}

struct Task {
    id: TaskId,
    name: Option<Box<str>>,
}

// SAFETY: all fields but the two cells are Send and Sync. `outer` holds a guard, `registered` two numbers: Send and Sync, and
// accessed by one side at a time (invariant 3).
unsafe impl Send for Scope {}
// SAFETY: as above.
unsafe impl Sync for Scope {}
// No panic leaves anything half-changed in it.
impl UnwindSafe for Scope {}
impl RefUnwindSafe for Scope {}

impl Scope {
    pub(super) fn anonymous() -> Arc<Self> {
        Self::new(None)
    }

    pub(super) fn task(name: Option<Box<str>>) -> Arc<Self> {
        Self::new(Some(Task { id: TaskId::next(), name }))
    }

    fn new(task: Option<Task>) -> Arc<Self> {
        Arc::new(Self {
            word: AtomicU32::new(0),
            shields: ShieldCount::new(),
            waker: WakerSlot::new(),
            registered: UnsafeCell::new(None),
            outer: UnsafeCell::new(None),
            task,
        })
    }

    pub(super) fn task_id(&self) -> Option<TaskId> {
        self.task.as_ref().map(|task| task.id)
    }

    pub(super) fn task_name(&self) -> Option<&str> {
        self.task.as_ref()?.name.as_deref()
    }

    // What anybody may call.

    /// Adds a request and wakes; false if the scope is done.
    pub(super) fn cancel(&self) -> bool {
        let before = self.add_request();
        if is_live(before) {
            self.waker.wake();
        }
        before & DONE == 0
    }

    /// Adds a request without a wake, and gives the word before it.
    pub(super) fn add_request(&self) -> u32 {
        // ORDERING: release on success, so that what was done before `cancel` is visible to the destructors that it
        // causes (acquire in `try_end_for_request`). Acquire on failure, so that whoever learns that the scope is done
        // also sees what its body did.
        self.word
            .fetch_update(Ordering::Release, Ordering::Acquire, |word| {
                if !is_live(word) {
                    None
                } else if requests(word) == MAX_REQUESTS {
                    Some(word)
                } else {
                    Some(word + ONE_REQUEST)
                }
            })
            .unwrap_or_else(|word| word)
    }

    /// Takes a request back and gives the number that is left, frozen once the scope is ending.
    pub(super) fn uncancel(&self) -> usize {
        // ORDERING: relaxed, nothing is published; as a read-modify-write it keeps up the release sequence of the
        // requests that remain.
        let before = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| {
            (is_live(word) && requests(word) > 0).then(|| word - ONE_REQUEST)
        });
        match before {
            Ok(word) => requests(word) as usize - 1,
            Err(word) => requests(word) as usize,
        }
    }

    pub(super) fn cancelling(&self) -> usize {
        // ORDERING: relaxed, a count that publishes nothing.
        requests(self.word.load(Ordering::Relaxed)) as usize
    }

    pub(super) fn is_finished(&self) -> bool {
        // ORDERING: acquire, so that whoever sees the scope done sees what its body did (release in `end`).
        self.word.load(Ordering::Acquire) & DONE != 0
    }

    pub(super) fn was_torn(&self) -> bool {
        // ORDERING: relaxed, a flag that publishes nothing.
        self.word.load(Ordering::Relaxed) & TORN != 0
    }

    /// Whether a cancellation would be deferred now, for any thread.
    pub(super) fn is_shielded(&self) -> bool {
        // The order matters: counts read before the scope was seen alive are from before its end.
        let open = self.shields.seems_open();
        open && self.is_live()
    }

    pub(super) fn is_live(&self) -> bool {
        // ORDERING: relaxed; `is_shielded` orders its counts before this load by their own acquires.
        is_live(self.word.load(Ordering::Relaxed))
    }

    /// Whether a request waits to be delivered.
    pub(super) fn has_pending_request(&self) -> bool {
        // ORDERING: relaxed, a hint; a request made concurrently wakes the task.
        let word = self.word.load(Ordering::Relaxed);
        is_live(word) && requests(word) > 0
    }

    // What only the polling side calls: whoever has the wrapper pinned and exclusively.

    /// The delivery decision: live to ending, if there is a request and no shield is open.
    #[inline]
    pub(super) fn try_end_for_request(&self) -> bool {
        // ORDERING: relaxed; a request made before the last wake is visible by that wake, and one made later wakes.
        let word = self.word.load(Ordering::Relaxed);
        requests(word) > 0 && self.shields.open_now() == 0 && self.end_for_request()
    }

    fn end_for_request(&self) -> bool {
        // ORDERING: acquire, pairs with the release of `add_request`. Relaxed on failure: nothing is then done.
        self.word
            .fetch_update(Ordering::Acquire, Ordering::Relaxed, |word| (requests(word) > 0).then_some(word | ENDING))
            .is_ok()
    }

    /// Live to ending without a request: the body returned or panicked.
    pub(super) fn end_of_body(&self) {
        // ORDERING: relaxed, publishes nothing: the body is still to be dropped.
        self.word.fetch_or(ENDING, Ordering::Relaxed);
    }

    /// Live to ending because the wrapper is being dropped; no change if it is ending already.
    pub(super) fn end_by_drop(&self) {
        if !self.is_live() {
            return;
        }
        let torn = if self.shields.open_now() > 0 { TORN } else { 0 };
        // ORDERING: relaxed, publishes nothing: the body is still to be dropped.
        self.word.fetch_or(ENDING | torn, Ordering::Relaxed);
    }

    /// Makes `waker` the one to wake, if it is not that already.
    #[inline]
    pub(super) fn register(&self, waker: &Waker) {
        let id = WakerId::of(waker);
        // SAFETY: invariant 3; no reference into the cell is ever kept.
        if self.registered.with(|registered| unsafe { *registered }) != Some(id) {
            self.replace(waker.clone());
        }
    }

    #[cold]
    fn replace(&self, waker: Waker) {
        // Of the clone: it may be another than what it was cloned from.
        let id = WakerId::of(&waker);
        // SAFETY: as in `register`.
        self.registered.with_mut(|registered| unsafe { *registered = Some(id) });
        drop(self.waker.register(waker));
    }

    /// Shields the scope around this one while this one is suspended or its guards outlive it.
    fn set_outer(&self, shield: Option<ShieldScope>) {
        // SAFETY: invariant 3; no reference into the cell is ever kept. The cell was empty: nothing is dropped here.
        self.outer.with_mut(|outer| unsafe { *outer = shield });
    }

    /// At the start of a poll, when the wrapper is dropped, and by the last guard: the caller drops what was held.
    #[inline]
    pub(super) fn take_outer(&self) -> Option<ShieldScope> {
        // SAFETY: invariant 3; no reference into the cell is ever kept.
        self.outer.with_mut(|outer| unsafe { (*outer).take() })
    }

    /// At the end of a poll, after the scope has left the frames: a suspended scope with an open shield shields the one
    /// it was polled in.
    #[inline]
    pub(super) fn hold_outer(&self) {
        if self.shields.open_now() > 0 {
            self.set_outer(ShieldScope::of_innermost());
        }
    }

    /// Ending to done: the body has been dropped and the scope has left the frames.
    pub(super) fn end(this: &Arc<Self>) {
        if this.shields.open_now() > 0 {
            Self::leave_to_guards(this);
        }
        // SAFETY: invariant 3; no reference into the cell is ever kept.
        let registered = this.registered.with(|registered| unsafe { (*registered).is_some() });
        let waker = if registered { this.waker.close() } else { None };
        // ORDERING: release, pairs with `is_finished` and a failed `cancel`. A load and a store do, since invariant 1
        // leaves the word to this side.
        let word = this.word.load(Ordering::Relaxed);
        this.word.store(word | DONE, Ordering::Release);
        drop(waker);
    }

    /// Guards outlive the scope: they get a reference to keep it allocated, and go on shielding the scope around it.
    #[cold]
    fn leave_to_guards(this: &Arc<Self>) {
        let reference = ManuallyDrop::new(Arc::clone(this));
        this.set_outer(ShieldScope::of_innermost());
        if !this.shields.seal() {
            // The last one was closed elsewhere meanwhile and left everything to us.
            drop(this.take_outer());
            drop(ManuallyDrop::into_inner(reference));
        }
    }

    /// What the `Debug` of handles, wrappers and guards shows.
    pub(super) fn fmt_fields(&self, out: &mut fmt::DebugStruct<'_, '_>) -> fmt::Result {
        out.field("cancelling", &self.cancelling())
            .field("is_shielded", &self.is_shielded())
            .field("is_finished", &self.is_finished())
            .finish_non_exhaustive()
    }
}
