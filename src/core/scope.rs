//! The state of a cancel scope, shared by its wrapper, its handles and the guards that outlive it.
//!
//! # State
//! * `word`: all that changes together, so that delivering and revoking exclude each other, and requesting and waking
//!   are one step. From the lowest bit up:
//!     * the phase. *Live* (no bit): requests are added and taken back by anybody. [`ENDING`]: set once, by whoever
//!       polls or drops the scope: at a delivery, when the body returned a value or panicked, or when the wrapper is
//!       dropped; from then on the count is frozen. [`DONE`]: set once, after the body has been dropped. [`TORN`]: set
//!       with `ENDING` if the wrapper was dropped out of an open shield.
//!     * [`WAKER`]: there is a waker in `waker`. Set by the polling side when it registers one; cleared by whoever
//!       takes it out: to call it (a request, a shield closed elsewhere), to replace it, or at the end.
//!     * the number of outstanding requests.
//!     * the number of registrations, and of shields closed elsewhere, so far; wraps around.
//! * `shields`: the open guards (`shield_count.rs`).
//! * `waker`: of the last poll that was `Pending`, unless it has been taken out since (`waker.rs`).
//! * `outer`: a shield of the scope around this one. Held by the polling side while this scope is suspended with an
//!   open shield; left to the last guard when the scope ends before its guards.
//! * `task`: id and name, if the scope is a task, which never change; and how many acquisitions sleep for it.
//!
//! # Invariants
//! 1. Live to ending is one compare-exchange or read-modify-write: a delivery that saw a request cannot be revoked, and
//!    a request that was revoked is not delivered (DLV-7, HDL-5). From then on the polling side alone writes the word,
//!    and the waker in it is that side's.
//! 2. `DONE` is set exactly when the body has been dropped (SCP-5), and `cancel` is false exactly from then on (HDL-1).
//! 3. `outer` is touched by the polling side until the seal, and by the one last guard after it.
//! 4. While a guard is open there is a strong reference for it: the wrapper's until the seal, one that is left to all
//!    guards together after it.
//! 5. A request, or a shield closed elsewhere, is a read-modify-write of `word` that takes the waker out, to be called.
//!    Where there is none to take, the scope has been woken since its last registration, or has had none: its next
//!    registration is a read-modify-write after this one, and the poll looks at requests and shields after that
//!    (DLV-10).
//! 6. Taking a waker out is a compare-exchange from a word that was loaded before the copy, with the registrations in
//!    it: it fails for whoever copied another (invariant 2 of `waker.rs`). They are counted modulo 2^36: to be
//!    deceived, a copier must stand still between its two accesses for exactly as many, each of which is a poll of this
//!    scope or a shield of it closed elsewhere, with the same requests before and after. At 30 ns each that is half an
//!    hour.
//! 7. A scope is torn exactly if it ends by being dropped while a shield is open: the exchange that ends it fails if a
//!    shield was closed elsewhere, or anything else happened, since the shields were looked at (SCP-10).
//! 8. A scope that is done keeps no waker (HDL-11), and nobody sets `WAKER` again: the place needs no destructor.
//!
//! Invariant 5 and std's contract (a wake, coalesced or not, happens before the start of a later poll) are all that the
//! poll needs: while it finds `WAKER` set and the waker the same, it makes no read-modify-write at all.

use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::Waker;

use super::identity::TaskId;
use super::shield::ShieldScope;
use super::shield_count::ShieldCount;
use super::sync::atomic::{AtomicU64, Ordering};
use super::sync::{Arc, UnsafeCell, one, two};
use super::waker::WakerPlace;

const ENDING: u64 = 1;
const DONE: u64 = 1 << 1;
const TORN: u64 = 1 << 2;
const WAKER: u64 = 1 << 3;

const ONE_REQUEST: u64 = 1 << REQUESTS_SHIFT;
const REQUESTS_SHIFT: u32 = 4;
const REQUESTS_BITS: u32 = 24;
/// Further requests are not counted; they are as pending as the others.
const MAX_REQUESTS: u64 = (1 << REQUESTS_BITS) - 1;

/// Counted in the highest bits, so that they wrap around. A shield closed elsewhere counts as one, too.
const ONE_REGISTRATION: u64 = 1 << (REQUESTS_SHIFT + REQUESTS_BITS);

const fn requests(word: u64) -> u64 {
    (word >> REQUESTS_SHIFT) & MAX_REQUESTS
}

const fn is_live(word: u64) -> bool {
    word & ENDING == 0
}

const fn with_request(word: u64) -> u64 {
    if requests(word) == MAX_REQUESTS { word } else { word + ONE_REQUEST }
}

pub(super) struct Scope {
    word: AtomicU64,
    pub(super) shields: ShieldCount,
    waker: WakerPlace,
    outer: UnsafeCell<Option<ShieldScope>>,
    task: Option<Task>,
}

/// The word, as the polling side has just seen it.
#[derive(Clone, Copy)]
pub(super) struct Look(u64);

struct Task {
    id: TaskId,
    name: Option<Box<str>>,
    /// No fewer than the acquisitions of `RLock`s that sleep in a queue for this task (`raw_lock.rs`). Only the polling
    /// side looks at it.
    asleep: AtomicU64,
}

// SAFETY: all fields but `outer` are Send and Sync. It holds a guard, which is too, and is accessed by one side at a
// time (invariant 3).
unsafe impl Send for Scope {}
// SAFETY: as above.
unsafe impl Sync for Scope {}
// No panic leaves anything half-changed in it.
impl UnwindSafe for Scope {}
impl RefUnwindSafe for Scope {}

impl Task {
    fn new(name: Option<Box<str>>) -> Self {
        Self { id: TaskId::next(), name, asleep: AtomicU64::new(0) }
    }
}

impl Look {
    /// Alive, and nothing to deliver.
    #[inline]
    pub(super) fn is_quiet(self) -> bool {
        self.0 & (ENDING | MAX_REQUESTS << REQUESTS_SHIFT) == 0
    }

    pub(super) fn is_live(self) -> bool {
        is_live(self.0)
    }

    #[inline]
    pub(super) fn has_request(self) -> bool {
        requests(self.0) > 0
    }
}

impl Scope {
    pub(super) fn anonymous() -> Arc<Self> {
        one(|| Self::new(None))
    }

    pub(super) fn task(name: Option<Box<str>>) -> Arc<Self> {
        one(|| Self::new(Some(Task::new(name))))
    }

    /// One for the wrapper and one for a handle, made at once.
    pub(super) fn task_and_handle() -> (Arc<Self>, Arc<Self>) {
        two(|| Self::new(Some(Task::new(None))))
    }

    fn new(task: Option<Task>) -> Self {
        Self {
            word: AtomicU64::new(0),
            shields: ShieldCount::new(),
            waker: WakerPlace::new(),
            outer: UnsafeCell::new(None),
            task,
        }
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
        match self.take_waker(|word| is_live(word).then(|| with_request(word))) {
            Ok(waker) => {
                if let Some(waker) = waker {
                    waker.wake();
                }
                true
            }
            Err(ended) => ended & DONE == 0,
        }
    }

    /// A shield was closed elsewhere.
    pub(super) fn wake(&self) {
        // Also where there is no waker: invariants 5 and 7. A scope that is ending needs none.
        let closed = |word: u64| is_live(word).then(|| word.wrapping_add(ONE_REGISTRATION));
        if let Ok(Some(waker)) = self.take_waker(closed) {
            waker.wake();
        }
    }

    /// Changes the word as `change` says and takes the waker out with it, if there is one; or gives the word for which
    /// it says `None`.
    #[inline]
    fn take_waker(&self, change: impl Fn(u64) -> Option<u64>) -> Result<Option<Waker>, u64> {
        // ORDERING: acquire, pairs with the release in `register`: the copy is what was put in place for the
        // registration found here, or later. And whoever learns that the scope is done sees what its body did (release
        // in `end`).
        let mut word = self.word.load(Ordering::Acquire);
        loop {
            let Some(next) = change(word) else { return Err(word) };
            let copied = (word & WAKER != 0).then(|| self.waker.copy());
            // ORDERING: release, pairs with the acquire of `try_end_for_request` (what was done before `cancel` is
            // visible to the destructors that it causes), of `cancelling`, `uncancel` and `has_pending_request` (and to
            // whoever sees the request), and of `register` (who registers next sees the shield closed). Acquire on
            // failure, as above.
            match self.word.compare_exchange_weak(word, next & !WAKER, Ordering::Release, Ordering::Acquire) {
                // SAFETY: copied after a load of this word and before it was exchanged, as invariant 2 of `waker.rs`
                // wants.
                Ok(_) => return Ok(copied.map(|waker| unsafe { waker.claim() })),
                Err(now) => word = now,
            }
        }
    }

    /// Takes a request back and gives the number that is left, frozen once the scope is ending.
    pub(super) fn uncancel(&self) -> usize {
        // ORDERING: acquire, as in `cancelling`; of the exchange, too, which may find another request where the load
        // has found one that is gone. It publishes nothing, and as a read-modify-write keeps up the release sequence of
        // the requests that remain.
        let before = self.word.fetch_update(Ordering::Acquire, Ordering::Acquire, |word| {
            (is_live(word) && requests(word) > 0).then(|| word - ONE_REQUEST)
        });
        match before {
            Ok(word) => requests(word) as usize - 1,
            Err(word) => requests(word) as usize,
        }
    }

    pub(super) fn cancelling(&self) -> usize {
        // ORDERING: acquire, pairs with the release of `take_waker` in `cancel`, or with that of `end` where the count
        // is frozen: who sees a request sees what was done before it.
        requests(self.word.load(Ordering::Acquire)) as usize
    }

    pub(super) fn is_finished(&self) -> bool {
        // ORDERING: acquire, so that whoever sees the scope done sees what its body did (release in `end`).
        self.word.load(Ordering::Acquire) & DONE != 0
    }

    pub(super) fn was_torn(&self) -> bool {
        // ORDERING: acquire, pairs with the release of `end_by_drop`: who has to repair what was torn sees how it was
        // left.
        self.word.load(Ordering::Acquire) & TORN != 0
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
        // ORDERING: acquire, as in `cancelling`.
        let word = self.word.load(Ordering::Acquire);
        is_live(word) && requests(word) > 0
    }

    // What only the polling side calls: whoever has the wrapper pinned and exclusively.

    /// How the scope is, for a poll that begins.
    #[inline]
    pub(super) fn look(&self) -> Look {
        // ORDERING: relaxed; a request made before the last wake is visible by that wake, and for one made later this
        // poll looks again, or is woken.
        Look(self.word.load(Ordering::Relaxed))
    }

    /// The delivery decision, when no shield is open: live to ending, if there is a request.
    #[inline]
    pub(super) fn try_end_for_request(&self, Look(mut word): Look) -> bool {
        while requests(word) > 0 {
            // ORDERING: acquire, pairs with the release of `take_waker` in `cancel`. Relaxed on failure: nothing is
            // then done.
            match self.word.compare_exchange_weak(word, word | ENDING, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
        false
    }

    /// Live to ending without a request: the body returned or panicked.
    pub(super) fn end_of_body(&self) {
        // ORDERING: relaxed, publishes nothing: the body is still to be dropped.
        self.word.fetch_or(ENDING, Ordering::Relaxed);
    }

    /// Live to ending because the wrapper is being dropped; no change if it is ending already.
    pub(super) fn end_by_drop(&self) {
        // ORDERING: release, pairs with `was_torn`: what the body had done is visible. Acquire of the load, pairs with
        // the release of `wake`: a shield that was closed before this word is seen closed (invariant 7).
        let _ = self.word.fetch_update(Ordering::Release, Ordering::Acquire, |word| {
            let torn = if self.shields.open_now() > 0 { TORN } else { 0 };
            is_live(word).then_some(word | ENDING | torn)
        });
    }

    /// The timer of the scope is ready: adds a request without a wake. The poll that is going on delivers it, or the
    /// close of a shield does.
    pub(super) fn add_request_of_timer(&self) {
        // ORDERING: relaxed, publishes nothing: this side delivers.
        let add = |word| is_live(word).then(|| with_request(word));
        let _ = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// How the scope is, after its body was `Pending`: as `Ok` if `waker` is the one to wake already.
    #[inline]
    pub(super) fn look_for(&self, waker: &Waker) -> Result<Look, Look> {
        // ORDERING: relaxed. Clear here means that this side has registered none, or that somebody has taken it to call
        // it. Set here although somebody has taken it: he has yet to call it, and this scope is polled again.
        let word = self.word.load(Ordering::Relaxed);
        if word & WAKER != 0 && self.waker.holds(waker) { Ok(Look(word)) } else { Err(Look(word)) }
    }

    /// Makes `waker` the one to wake. How the scope is after that.
    pub(super) fn register(&self, Look(word): Look, waker: Waker) -> Look {
        // Where `WAKER` is clear it stays so, and the place is this side's (invariant 1 of `waker.rs`).
        let former = if word & WAKER != 0 { self.take_waker(Some) } else { Ok(None) };
        self.waker.put(waker);
        // ORDERING: release, pairs with `take_waker`: the waker is in its place. Acquire, pairs with the release there:
        // the shields that were closed elsewhere without finding a waker are seen closed by this poll.
        let word = self.word.fetch_add(WAKER + ONE_REGISTRATION, Ordering::AcqRel);
        let Ok(Some(former)) = former else { return Look(word) };
        // Last: it may run user code, and panic.
        drop(former);
        // ORDERING: relaxed, what the destructor may have done is this thread's.
        Look(self.word.load(Ordering::Relaxed))
    }

    /// Changes the number of acquisitions that sleep for this task, and gives it.
    pub(super) fn count_asleep(&self, change: impl FnOnce(u64) -> u64) -> u64 {
        let Some(task) = &self.task else { return 0 };
        // ORDERING: relaxed, this side alone looks at it.
        let asleep = change(task.asleep.load(Ordering::Relaxed));
        // ORDERING: as above.
        task.asleep.store(asleep, Ordering::Relaxed);
        asleep
    }

    /// Shields the scope around this one while this one is suspended or its guards outlive it.
    fn set_outer(&self, shield: Option<ShieldScope>) {
        // SAFETY: invariant 3; no reference into the cell is ever kept. The cell was empty: nothing is dropped here.
        self.outer.with_mut(|outer| unsafe { *outer = shield });
    }

    /// Whether [`take_outer`](Self::take_outer) has something to give. Polling side only, before the end.
    #[inline]
    pub(super) fn holds_outer(&self) -> bool {
        // SAFETY: invariant 3; no reference into the cell is ever kept.
        self.outer.with(|outer| unsafe { (*outer).is_some() })
    }

    /// At the start of a poll, when the wrapper is dropped, and by the last guard: the caller drops what was held.
    pub(super) fn take_outer(&self) -> Option<ShieldScope> {
        // SAFETY: invariant 3; no reference into the cell is ever kept.
        self.outer.with_mut(|outer| unsafe { (*outer).take() })
    }

    /// At the end of a poll, after the scope has left the frames: a suspended scope with an open shield shields the one
    /// it was polled in.
    #[cold]
    pub(super) fn hold_outer(&self) {
        self.set_outer(ShieldScope::of_innermost());
    }

    /// Ending to done: the body has been dropped and the scope has left the frames.
    #[inline]
    pub(super) fn end(this: &Arc<Self>) {
        if this.shields.open_now() > 0 {
            Self::leave_to_guards(this);
        }
        // ORDERING: acquire, pairs with the release of `take_waker` in `cancel`: what was done before the requests that
        // are frozen here goes on to whoever sees them in the word stored below.
        let word = this.word.load(Ordering::Acquire);
        // SAFETY: this side put it there, and nobody takes it out of a scope that is ending (invariant 1).
        let waker = (word & WAKER != 0).then(|| unsafe { this.waker.copy().claim() });
        // ORDERING: release, pairs with `is_finished` and a `cancel` that fails: who sees the scope done sees what its
        // body did. A load and a store do, invariant 1.
        this.word.store(word & !WAKER | DONE, Ordering::Release);
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
