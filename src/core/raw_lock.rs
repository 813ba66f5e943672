//! The algorithm of both locks: owner and depth in one word, a queue behind it, and hand-over in the release.
//!
//! # State
//! `word`: an owner (bits 13 and up), the number of its guards (bits 1 to 12), and [`QUEUED`] (bit 0): somebody waits.
//! * *free*: no guard, not queued. The owner in the word is whoever held it last, and means nothing.
//! * *held*: by the owner, who has so many guards.
//! * *given up*: no guard, but queued. Whoever dropped the last guard is on the way to the mutex, to hand it over.
//!
//! A guard more and a guard less are one read-modify-write each, by anybody who may. `QUEUED` is set and cleared, and a
//! lock that has been given up is handed over, under the mutex of `queue`.
//!
//! # Invariants
//! 1. Owner and depth change in one step: the last guard dropped elsewhere cannot free the lock between the owner's
//!    question "is it mine?" and its re-entry. Nobody re-enters a lock that has no guard.
//! 2. Outside the mutex, `QUEUED` is set exactly if the queue is not empty, and then the lock is held or given up.
//! 3. A lock is handed over, never freed, while somebody waits: nobody barges, and the order is that of the first
//!    polls.
//! 4. A granted acquisition counts as a guard of its owner. Dropped before it was polled, it releases (passes on).
//! 5. No user code runs under the mutex: wakers are cloned before it, called and dropped after it.
//! 6. A task that owns the lock has no acquisition asleep in the queue, once the one that it was granted by has been
//!    polled or dropped: all may enter (RLK-5), and that one may be waiting for another. Asleep is one whose waker has
//!    not been taken. The task's count of them, over all locks, tells the poll of the granted one whether to look for
//!    any.
//!
//! Who wakes: the release, the one waiter that it hands over to; the poll of that one, or its drop if its task has
//! entered otherwise, the others of the task that it was handed to.

use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::frame::{self, Frame};
use super::identity::{ID_BITS, RESERVED, TaskId};
use super::panic::FirstPanic;
use super::queue::{Node, Queue};
use super::sync::Mutex;
use super::sync::atomic::{AtomicU64, Ordering};
use super::sync::constructor;
use crate::TryLockError;

const QUEUED: u64 = 1;
const ONE_GUARD: u64 = 1 << 1;
const DEPTH: u64 = ((1 << DEPTH_BITS) - 1) << 1;
const DEPTH_BITS: u32 = 12;
/// A lock is free if none of these is set.
const TAKEN: u64 = DEPTH | QUEUED;
const OWNER: u64 = !(DEPTH | QUEUED);
const OWNER_SHIFT: u32 = 1 + DEPTH_BITS;
const _: () = assert!(ID_BITS + OWNER_SHIFT == u64::BITS && RESERVED > 0);

/// Who holds a lock, or wants to: in place, as the bits of the word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner(u64);

impl Owner {
    /// Of a lock that asks for no identity: nobody re-enters.
    pub(super) const ANONYMOUS: Self = Self(RESERVED << OWNER_SHIFT);

    pub(super) fn task(id: TaskId) -> Self {
        Self(id.get() << OWNER_SHIFT)
    }

    fn holds(self, word: u64) -> bool {
        word & OWNER == self.0 && word & DEPTH != 0
    }

    fn may_re_enter(self, word: u64) -> bool {
        self.holds(word) && self != Self::ANONYMOUS
    }

    /// One acquisition more is asleep for this task, the current one.
    fn falls_asleep(self) {
        self.count_asleep(|asleep| asleep + 1);
    }

    /// So many acquisitions less are asleep for this task, and whether there may be others. Where the task is not the
    /// current one they go on being counted: they were moved out of the task, which costs it looks through queues from
    /// then on, and no more.
    fn no_longer_asleep(self, number: usize) -> bool {
        self.count_asleep(|asleep| asleep - number as u64) > 0
    }

    #[inline]
    fn count_asleep(self, change: impl FnOnce(u64) -> u64) -> u64 {
        if self == Self::ANONYMOUS { 0 } else { self.count_asleep_of_task(change) }
    }

    #[cold]
    fn count_asleep_of_task(self, change: impl FnOnce(u64) -> u64) -> u64 {
        frame::with_innermost(|frame| {
            let task = frame.and_then(Frame::task_scope);
            let task = task.filter(|scope| scope.task_id().map(Self::task) == Some(self));
            task.map_or(0, |scope| scope.count_asleep(change))
        })
    }
}

/// What came of an attempt to enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Entered,
    /// Somebody else holds it, or nobody re-enters it.
    Held,
    /// The owner has as many guards as can be counted.
    TooDeep,
}

#[derive(Debug)]
pub(super) struct RawLock {
    word: AtomicU64,
    queue: Mutex<Queue>,
}

impl RawLock {
    constructor! {
        pub(super) fn new() -> Self {
            Self { word: AtomicU64::new(0), queue: Mutex::new(Queue::new()) }
        }
    }

    /// Enters if the lock is free or the owner's already. Never barges (invariant 3).
    #[inline]
    pub(super) fn try_enter(&self, owner: Owner) -> Entry {
        // ORDERING: relaxed, the compare-exchange decides.
        let mut word = self.word.load(Ordering::Relaxed);
        loop {
            let next = if word & TAKEN == 0 {
                owner.0 | ONE_GUARD
            } else if !owner.may_re_enter(word) {
                return Entry::Held;
            } else if word & DEPTH == DEPTH {
                return Entry::TooDeep;
            } else {
                word + ONE_GUARD
            };
            // ORDERING: acquire, pairs with the release of whoever freed the lock or handed it over; also on re-entry,
            // since another branch of this task may enter what a release has just handed to a waiting one.
            match self.word.compare_exchange_weak(word, next, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Entry::Entered,
                Err(now) => word = now,
            }
        }
    }

    /// Gives up one guard, and tells whether that was the last. It hands the lock to whoever waits longest.
    #[inline]
    pub(super) fn release(&self) -> bool {
        // ORDERING: release, pairs with the acquire of the next owner: what was done under this guard is visible.
        let word = self.word.fetch_sub(ONE_GUARD, Ordering::Release);
        if word & TAKEN == ONE_GUARD | QUEUED {
            self.hand_over();
        }
        word & DEPTH == ONE_GUARD
    }

    #[cold]
    fn hand_over(&self) {
        let mut queue = self.queue.lock();
        // ORDERING: acquire, pairs with the release of every guard: the new owner learns from this thread alone (by
        // `granted`) and must see what was done under guards that were dropped on others.
        let given_up = self.word.load(Ordering::Acquire) & TAKEN == QUEUED;
        // Before this thread came here all who waited may have left, and somebody else may have taken the lock, and
        // even given it up: then the first of the two on their way hands it over, and the other finds it held.
        let Some(owner) = queue.front_tag().filter(|_| given_up) else { return };
        let queued = if queue.has_second() { QUEUED } else { 0 };
        // Nobody else writes to the word: there is no guard, and it is marked.
        // ORDERING: release, pairs with the acquire of a re-entry by another branch of the new owner.
        self.word.store(owner | ONE_GUARD | queued, Ordering::Release);
        let waker = queue.grant_front();
        drop(queue);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Wakes the acquisitions that sleep here for this task, which owns the lock (invariant 6).
    #[cold]
    fn wake_others_of(&self, owner: Owner) -> FirstPanic {
        let mut panic = FirstPanic::default();
        let mut batch = [const { None::<Waker> }; BATCH];
        loop {
            let taken = self.queue.lock().take_wakers_of(owner.0, &mut batch);
            owner.no_longer_asleep(taken);
            for waker in batch[..taken].iter_mut().filter_map(Option::take) {
                panic.catch(|| waker.wake());
            }
            // If it was given up meanwhile, elsewhere, the rest wait for their turns.
            if taken < BATCH || !self.is_held_by(owner) {
                return panic;
            }
        }
    }

    /// Enters after all, or sees to it that the lock is marked. The caller holds the mutex and queues if this is
    /// `Held`.
    fn enter_or_mark_queued(&self, owner: Owner) -> Entry {
        loop {
            let entry = self.try_enter(owner);
            if entry != Entry::Held {
                return entry;
            }
            // One that is free by now must not be marked, and one that is marked need not be.
            let mark = |word| (word & DEPTH != 0 && word & QUEUED == 0).then_some(word | QUEUED);
            // ORDERING: relaxed; a releaser that sees `QUEUED` takes the mutex, which orders the rest.
            let (Ok(before) | Err(before)) = self.word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, mark);
            if before & TAKEN != 0 {
                return Entry::Held;
            }
        }
    }

    /// Takes a waiting node out of the queue and gives its waker.
    ///
    /// # Safety
    ///
    /// The node is linked in `queue`, which is this lock's.
    unsafe fn unlink(&self, queue: &mut Queue, node: Pin<&Node>) -> Option<Waker> {
        // SAFETY: the caller's promise.
        let waker = unsafe { queue.remove(node) };
        if queue.is_empty() {
            // ORDERING: relaxed; a releaser that still saw `QUEUED` waits for the mutex and looks again.
            self.word.fetch_and(!QUEUED, Ordering::Relaxed);
        }
        waker
    }

    pub(super) fn is_held(&self) -> bool {
        // ORDERING: relaxed, a snapshot that publishes nothing.
        self.word.load(Ordering::Relaxed) & TAKEN != 0
    }

    pub(super) fn is_held_by(&self, owner: Owner) -> bool {
        // ORDERING: acquire, pairs with the release of `hand_over`: whoever hands over enters in this task's name,
        // maybe for another branch of it.
        owner.holds(self.word.load(Ordering::Acquire))
    }

    /// Waits for the lock on behalf of whoever polls; then `guard` makes the guard.
    #[inline]
    pub(super) fn acquire<W: Who, G: FnOnce() -> T, T>(&self, guard: G) -> Acquire<'_, W, G> {
        Acquire { lock: self, wait: None, guard: Some(guard) }
    }

    /// Waits for the lock on behalf of whoever polls.
    pub(super) fn enter<W: Who>(&self) -> Enter<'_, W> {
        Enter { lock: self, node: Node::new(), queued: None, who: PhantomData }
    }
}

/// So many are woken at a time.
const BATCH: usize = 32;

/// On whose behalf an acquisition is polled.
pub(super) trait Who {
    /// `None` where there is nobody to own the lock.
    fn polls() -> Option<Owner>;
}

/// The innermost task of this thread.
pub(super) struct CurrentTask;

impl Who for CurrentTask {
    #[inline]
    fn polls() -> Option<Owner> {
        frame::current_task().map(Owner::task)
    }
}

/// Anybody.
pub(super) struct Anybody;

impl Who for Anybody {
    #[inline]
    fn polls() -> Option<Owner> {
        Some(Owner::ANONYMOUS)
    }
}

pin_project! {
    /// The wait for a lock. Ready with one guard counted in for whoever polled; the caller makes it a guard.
    pub(super) struct Enter<'a, W> {
        lock: &'a RawLock,
        #[pin]
        node: Node,
        // Whom `node` is in the queue for, or was until it was granted.
        queued: Option<Owner>,
        who: PhantomData<fn() -> W>,
    }

    impl<W> PinnedDrop for Enter<'_, W> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            leave(this.lock, this.node.as_ref(), this.queued);
        }
    }
}

impl<W: Who> Future for Enter<'_, W> {
    type Output = ();

    #[inline(never)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let (lock, node) = (*this.lock, this.node.as_ref());
        let Some(owner) = W::polls() else {
            leave(lock, node, this.queued);
            panic!(
                "shieldable: a re-entrant lock needs a current task to own it; run this code inside a `ShieldableTask` \
                 (`shieldable::spawn`), or use `Lock`"
            );
        };
        let entry = if this.queued.is_some() { Entry::Held } else { lock.try_enter(owner) };
        match if entry == Entry::Held { wait(lock, node, this.queued, owner, cx) } else { entry } {
            Entry::Entered => Poll::Ready(()),
            Entry::Held => Poll::Pending,
            Entry::TooDeep => panic!("shieldable: {}", TryLockError::TooDeep),
        }
    }
}

pin_project! {
    /// An acquisition, up to the guard. By hand and not an `async fn`: the compiler inlines the state machine of one
    /// only where it has a single caller, and the call costs a tenth of what taking a free lock does. So does a call of
    /// `poll`.
    pub(super) struct Acquire<'a, W, G> {
        lock: &'a RawLock,
        // Made when the lock is found to be held.
        #[pin]
        wait: Option<Enter<'a, W>>,
        // Gone when it is ready.
        guard: Option<G>,
    }
}

impl<W: Who, G: FnOnce() -> T, T> Future for Acquire<'_, W, G> {
    type Output = T;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let mut this = self.project();
        let lock = *this.lock;
        assert!(this.guard.is_some(), "shieldable: an acquisition was polled after it was ready");
        let entered = this.wait.is_none() && W::polls().is_some_and(|owner| lock.try_enter(owner) == Entry::Entered);
        if !entered {
            if this.wait.is_none() {
                this.wait.set(Some(lock.enter()));
            }
            let wait = this.wait.as_mut().as_pin_mut().expect("made just now, or in an earlier poll");
            std::task::ready!(wait.poll(cx));
        }
        let guard = this.guard.take().expect("seen above");
        Poll::Ready(guard())
    }
}

/// Waits in the queue for `owner`, whoever the place was for, or enters after all.
#[cold]
fn wait(lock: &RawLock, node: Pin<&Node>, queued: &mut Option<Owner>, owner: Owner, cx: &mut Context<'_>) -> Entry {
    let (waker, mut queue) = loop {
        if queued.is_some() && node.is_granted() {
            if *queued == Some(owner) {
                *queued = None;
                if owner.no_longer_asleep(node.take_grant().into()) {
                    let mut panic = lock.wake_others_of(owner);
                    if panic.happened() {
                        // Nobody will make a guard of it.
                        panic.catch(|| _ = lock.release());
                    }
                    panic.resume();
                }
                return Entry::Entered;
            }
            // Granted to the task that polled before: passed on, and this one comes last.
            leave(lock, node, queued);
        }
        let waker = cx.waker().clone();
        let queue = lock.queue.lock();
        if queued.is_none() || !node.is_granted() {
            break (waker, queue);
        }
        // Granted just now: once more from the top.
    };

    let entry = lock.enter_or_mark_queued(owner);
    let before = mem::replace(queued, (entry == Entry::Held).then_some(owner));
    let (former, unused) = match (entry, before) {
        (Entry::Held, Some(before)) => {
            // SAFETY: the node is linked, since it was not granted and the mutex is still held, and only in this queue.
            let former = unsafe { queue.update(node, waker, owner.0) };
            if before != owner || former.is_none() {
                owner.falls_asleep();
            }
            (former, None)
        }
        (Entry::Held, None) => {
            // SAFETY: the node is idle; `leave` takes it out before the future that it is pinned in goes away.
            unsafe { queue.push_back(node, waker, owner.0) };
            owner.falls_asleep();
            (None, None)
        }
        (_, Some(before)) => {
            // SAFETY: as for `update`.
            let former = unsafe { lock.unlink(&mut queue, node) };
            before.no_longer_asleep(former.is_some().into());
            (former, Some(waker))
        }
        (_, None) => (None, Some(waker)),
    };
    drop(queue);

    let mut panic = FirstPanic::default();
    panic.catch(|| drop(former));
    panic.catch(|| drop(unused));
    if panic.happened() && entry == Entry::Entered {
        // As above.
        panic.catch(|| _ = lock.release());
    }
    panic.resume();
    entry
}

/// Gives up a place in the queue, or passes on what was granted.
fn leave(lock: &RawLock, node: Pin<&Node>, queued: &mut Option<Owner>) {
    let Some(owner) = queued.take() else { return };
    let mut queue = lock.queue.lock();
    if node.is_granted() {
        drop(queue);
        owner.no_longer_asleep(node.take_grant().into());
        // Its task may have entered meanwhile: then nobody else looks after the others that sleep for it.
        if !lock.release() {
            lock.wake_others_of(owner).resume();
        }
    } else {
        // SAFETY: the node is linked, since it is not granted and the mutex is held, and only in this queue.
        let waker = unsafe { lock.unlink(&mut queue, node) };
        owner.no_longer_asleep(waker.is_some().into());
        drop(queue);
        drop(waker);
    }
}
