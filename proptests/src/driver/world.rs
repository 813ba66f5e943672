//! What the lanes and the bodies of a program share.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, MutexGuard, OnceLock};
use std::task::{Context, Poll, Waker};

use shieldable_model::{
    End, FiberId, History, LaneId, LockId, MAX_FIBERS, MAX_LOCKS, MAX_LOCKS_OF_A_SORT, MAX_SLOTS, MAX_WAITERS,
    MAX_WAKERS, Observed, OpId, Outcome, Program, Ret, SlotId, WaiterId,
};

use super::fiber::Fiber;
use super::held::Held;
use super::record::{Logged, Record};
use super::wakes::Wakes;
use crate::subject::{CancelHandle, Lock, RLock, TaskHandle, Waiter};
use crate::subject_sync::{Bookkeeping, Mutex, Signal, Turn};

/// A program on the implementation.
pub struct World {
    program: Arc<Program>,
    places: [Place; MAX_FIBERS],
    locks: [Arc<Lock<()>>; MAX_LOCKS_OF_A_SORT],
    rlocks: [Arc<RLock<()>>; MAX_LOCKS_OF_A_SORT],
    waiters: [Arc<Waiter>; MAX_WAITERS],
    slots: [Mutex<Option<Held>>; MAX_SLOTS],
    record: Record,
    wakes: Wakes,
    pause: OnceLock<Pause>,
}

/// Done after each operation, so that others may come in between.
pub type Pause = Box<dyn Fn() + Send + Sync>;

/// All about one fiber.
#[derive(Default)]
pub(super) struct Place {
    /// Top fibers: where it lies when nobody polls it.
    top: Bookkeeping<Top>,
    /// Top fibers: held around what is done to `top` and `fate`.
    pub(super) turn: Turn,
    /// Top fibers: set before anything happens.
    top_handle: OnceLock<Handle>,
    /// Inline fibers: set when it is created.
    pub(super) inline_handle: Mutex<Option<Handle>>,
    /// Tasks at the top.
    pub(super) fate: Bookkeeping<Fate>,
    /// The body returned. Written and read by whoever polls.
    returned: AtomicBool,
    /// Polls since it ended, that one included; more than 2 are not counted. Written by whoever polls.
    polls_at_end: AtomicU8,
    /// Timeouts.
    pub(super) clock: Bookkeeping<Clock>,
}

#[derive(Default)]
struct Top {
    fiber: Option<Pin<Box<Fiber>>>,
    present: bool,
}

/// What a join handle says.
#[derive(Default)]
pub(super) struct Fate {
    pub(super) outcome: Option<Outcome>,
    pub(super) joinable: bool,
    pub(super) joiner: Option<Waker>,
}

#[derive(Default)]
pub(super) struct Clock {
    pub(super) passed: bool,
    pub(super) armed: Option<Waker>,
}

/// Of a task or a cancel scope.
#[derive(Clone)]
pub(super) struct Handle {
    scope: CancelHandle,
    task: Option<TaskHandle>,
}

impl Handle {
    pub(super) fn of_task(task: TaskHandle) -> Self {
        Self { scope: task.clone().into(), task: Some(task) }
    }

    pub(super) fn of_scope(scope: CancelHandle) -> Self {
        Self { scope, task: None }
    }
}

impl World {
    /// Nothing has been polled.
    pub fn new(program: Arc<Program>) -> Arc<Self> {
        let mut world = Arc::new(Self {
            program: program.clone(),
            places: Default::default(),
            locks: std::array::from_fn(|_| Arc::new(Lock::new(()))),
            rlocks: std::array::from_fn(|_| Arc::new(RLock::new(()))),
            waiters: Default::default(),
            slots: Default::default(),
            record: Record::default(),
            wakes: Wakes::new(),
            pause: OnceLock::new(),
        });
        Self::begin(&mut world, program);
        world
    }

    /// From now on there are pauses. Once.
    #[allow(dead_code, reason = "a checker interleaves by itself")]
    pub fn pause_with(&self, pause: Pause) {
        assert!(self.pause.set(pause).is_ok(), "once");
    }

    /// Another program, in the place of one that was [`cleared`](Self::clear).
    ///
    /// # Panics
    ///
    /// If something of the former program is still alive: a leak.
    pub fn begin(this: &mut Arc<Self>, program: Arc<Program>) {
        let world = Arc::get_mut(this).expect("nothing of the former program is alive");
        world.record.clear();
        for fiber in world.program.fibers() {
            let place = &mut world.places[fiber.index()];
            place.top_handle.take();
            *place.inline_handle.lock() = None;
            *place.fate.lock() = Fate::default();
            *place.clock.lock() = Clock::default();
            *place.returned.get_mut() = false;
            *place.polls_at_end.get_mut() = 0;
        }
        world.program = program;
        let world = &*this;
        for fiber in world.program.fibers().filter(|fiber| !world.program.fiber(*fiber).inline) {
            let (wrapped, handle) = Fiber::new(world, fiber);
            let place = world.place(fiber);
            if let Some(handle) = handle {
                assert!(place.top_handle.set(handle).is_ok());
            }
            *place.top.lock() = Top { fiber: Some(wrapped), present: true };
        }
    }

    /// Drops what is left at the end of a program. Nobody looks at what this does.
    pub fn clear(&self) {
        let drop_quietly = |drop_it: &dyn Fn()| {
            let _ = catch_unwind(AssertUnwindSafe(drop_it));
        };
        for fiber in self.program.fibers() {
            drop_quietly(&|| {
                let top = std::mem::take(&mut *self.place(fiber).top.lock());
                drop(top);
            });
        }
        // Destructors put things away, but each runs once.
        while self.slots.iter().any(|slot| slot.lock().is_some()) {
            for slot in &self.slots {
                drop_quietly(&|| {
                    let held = slot.lock().take();
                    drop(held);
                });
            }
        }
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    pub(super) fn place(&self, fiber: FiberId) -> &Place {
        &self.places[fiber.index()]
    }

    pub(super) fn lock(&self, lock: LockId) -> &Arc<Lock<()>> {
        &self.locks[lock.index()]
    }

    pub(super) fn rlock(&self, lock: LockId) -> &Arc<RLock<()>> {
        &self.rlocks[lock.index() - MAX_LOCKS_OF_A_SORT]
    }

    pub(super) fn waiter(&self, waiter: WaiterId) -> &Arc<Waiter> {
        &self.waiters[waiter.index()]
    }

    pub(super) fn slot(&self, slot: SlotId) -> &Mutex<Option<Held>> {
        &self.slots[slot.index()]
    }

    pub(super) fn waker(&self, fiber: FiberId, version: u8) -> &Waker {
        self.wakes.waker(fiber, version)
    }

    /// What rouses whoever runs a top fiber with that waker.
    #[allow(dead_code, reason = "where fibers are polled by hand, nobody is to be roused")]
    pub(crate) fn signal(&self, fiber: FiberId, version: u8) -> &Signal {
        self.wakes.signal(fiber, version)
    }

    /// To be armed where several lanes poll, drop or join the fiber.
    #[allow(dead_code, reason = "where mutexes need no telling, there is nothing to arm")]
    pub(crate) fn turn(&self, fiber: FiberId) -> &Turn {
        &self.place(fiber).turn
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Calls `use_it` with the handle, if there is one already.
    pub(super) fn with_handle<R>(&self, fiber: FiberId, use_it: impl FnOnce(&CancelHandle) -> R) -> Option<R> {
        let place = self.place(fiber);
        if !self.program.fiber(fiber).inline {
            return place.top_handle.get().map(|handle| use_it(&handle.scope));
        }
        // Not under the mutex: `cancel` calls wakers, which may do anything.
        let handle = place.inline_handle.lock().clone();
        handle.map(|handle| use_it(&handle.scope))
    }

    pub(super) fn task_handle(&self, fiber: FiberId) -> Option<TaskHandle> {
        let place = self.place(fiber);
        if !self.program.fiber(fiber).inline {
            return place.top_handle.get().and_then(|handle| handle.task.clone());
        }
        place.inline_handle.lock().as_ref().and_then(|handle| handle.task.clone())
    }

    /// The task that the handle names.
    pub(super) fn task_of(&self, handle: &TaskHandle) -> Option<FiberId> {
        self.program.fibers().find(|fiber| self.task_handle(*fiber).as_ref() == Some(handle))
    }

    pub(super) fn body_returned(&self, fiber: FiberId) {
        self.place(fiber).returned.store(true, Ordering::Relaxed);
    }

    // Top fibers.

    /// Polls it where it lies, if it is there and nobody else is at it. `runs`: by the lane that runs it.
    pub(super) fn poll_top(&self, fiber: FiberId, runs: bool, cx: &mut Context<'_>) -> Ret {
        let Some(wrapped) = self.take_top(fiber, true) else { return Ret::Absent };
        let outcome = Some(Outcome::Panicked);
        let mut polling = Polling { world: self, fiber, runs, wrapped: Some(wrapped), outcome };
        let polled = polling.wrapped.as_mut().map_or(Poll::Pending, |wrapped| wrapped.as_mut().poll(cx));
        match polled {
            Poll::Pending => {
                polling.outcome = None;
                Ret::Pending
            }
            Poll::Ready(outcome) => {
                polling.outcome = Some(outcome);
                Ret::Ready(outcome)
            }
        }
    }

    /// Takes it from where it lies, if it is there and nobody is at it; to put it back, or for good.
    fn take_top(&self, fiber: FiberId, back: bool) -> Option<Pin<Box<Fiber>>> {
        let _turn = self.place(fiber).turn.take();
        let mut top = self.place(fiber).top.lock();
        let wrapped = top.fiber.take()?;
        top.present = back;
        Some(wrapped)
    }

    /// Whether it lies there at its end, and has panicked when it was polled again. It would do so for ever, and
    /// unwinding costs more than all else that a program does: lanes poll it in earnest once.
    pub(super) fn panics_for_ever(&self, fiber: FiberId) -> bool {
        let place = self.place(fiber);
        let _turn = place.turn.take();
        place.polls_at_end.load(Ordering::Relaxed) >= 2 && place.top.lock().fiber.is_some()
    }

    /// Drops it where it lies, if it is there and nobody is at it.
    pub(super) fn drop_top(&self, fiber: FiberId) -> Ret {
        let Some(wrapped) = self.take_top(fiber, false) else { return Ret::Absent };
        // Also when a destructor panics.
        let _ended = Ended { world: self, fiber, outcome: Some(Outcome::Dropped) };
        drop(wrapped);
        Ret::Unit
    }

    /// A poll or a drop of a top fiber is over: it lies in its place again, and in the same step its join handle may
    /// learn something.
    fn ended(&self, fiber: FiberId, outcome: Option<Outcome>, wrapped: Option<Pin<Box<Fiber>>>) {
        let place = self.place(fiber);
        let joiner = {
            let _turn = place.turn.take();
            let mut fate = place.fate.lock();
            if wrapped.is_some() {
                place.top.lock().fiber = wrapped;
            }
            let Some(handle) = place.top_handle.get() else { return };
            let done = handle.scope.is_finished();
            // A destructor that panics does not change what became of the body.
            let outcome = match outcome {
                Some(Outcome::Panicked) if done && place.returned.load(Ordering::Relaxed) => Some(Outcome::Value),
                Some(Outcome::Panicked) if done => Some(Outcome::Cancelled),
                outcome => outcome,
            };
            fate.outcome = fate.outcome.or(outcome);
            if !done || fate.joinable {
                return;
            }
            fate.joinable = true;
            fate.joiner.take()
        };
        if let Some(joiner) = joiner {
            joiner.wake();
        }
    }

    /// A fiber that somebody else has ended or dropped: the lane that runs it need not wait for a wake.
    fn tell_runner(&self, fiber: FiberId) {
        for version in 0..MAX_WAKERS {
            self.signal(fiber, version).woken();
        }
    }

    // What can be seen from outside.

    /// What the handle of a fiber tells, if it has one by now.
    pub fn observe(&self, fiber: FiberId) -> Option<Observed> {
        let observe = |handle: &Handle| Observed {
            cancelling: handle.scope.cancelling(),
            is_finished: handle.scope.is_finished(),
            is_shielded: handle.scope.is_shielded(),
            was_torn: handle.scope.was_torn(),
        };
        let place = self.place(fiber);
        match self.program.fiber(fiber).inline {
            false => place.top_handle.get().map(observe),
            true => place.inline_handle.lock().as_ref().map(observe),
        }
    }

    /// Whether a top fiber has not been dropped.
    pub fn is_present(&self, fiber: FiberId) -> bool {
        self.place(fiber).top.lock().present
    }

    /// How a task at the top ended, once its join handle knows.
    pub fn joined(&self, fiber: FiberId) -> Option<Outcome> {
        let fate = self.place(fiber).fate.lock();
        fate.outcome.filter(|_| fate.joinable)
    }

    /// `is_locked()`.
    pub fn is_locked(&self, lock: LockId) -> bool {
        if lock.is_reentrant() { self.rlock(lock).is_locked() } else { self.lock(lock).is_locked() }
    }

    /// What was seen on a lane.
    pub fn log(&self, lane: LaneId) -> MutexGuard<'_, Vec<Logged>> {
        self.record.of(lane)
    }

    /// What was seen on all lanes, which rest by now. `stuck` is for the caller to say: some of them wait in vain.
    pub fn history(&self, stuck: bool) -> History {
        self.record.history(stuck, self.end())
    }

    fn end(&self) -> End {
        let mut end = End::default();
        for fiber in self.program.fibers().filter(|fiber| self.program.kind(*fiber).has_handle()) {
            end.handles[fiber.index()] = self.observe(fiber);
        }
        for (lock, locked) in end.locked.iter_mut().enumerate() {
            *locked = self.is_locked(LockId(lock as u8));
        }
        end
    }

    /// What is still there of a run that is over, when everything has been dropped: nothing.
    pub fn leaks(self: &Arc<Self>) -> Vec<String> {
        let mut found = Vec::new();
        let mut expect = |good: bool, what: &dyn Fn() -> String| {
            if !good {
                found.push(what());
            }
        };
        for lock in (0..MAX_LOCKS as u8).map(LockId) {
            expect(!self.is_locked(lock), &|| format!("{lock} is held"));
        }
        for fiber in self.program.fibers() {
            let name = || self.program.name(fiber);
            let over = self.observe(fiber).is_none_or(|handle| handle.is_finished && !handle.is_shielded);
            expect(over, &|| format!("{} is not finished", name()));
            let kept: usize = (0..MAX_WAKERS).map(|version| self.kept_wakers(fiber, version)).sum();
            expect(kept == 0, &|| format!("{kept} clones of wakers of {} are kept", name()));
        }
        expect(Arc::strong_count(self) == 1, &|| "a body is alive".to_owned());
        found
    }

    /// The wakers that were called, in order.
    pub fn wakes(&self) -> MutexGuard<'_, Vec<shieldable_model::Waker>> {
        self.wakes.called()
    }

    /// How many clones of a waker are kept somewhere.
    pub fn kept_wakers(&self, fiber: FiberId, version: u8) -> usize {
        self.wakes.kept(fiber, version)
    }

    pub(super) fn returned(&self, op: OpId, ret: Ret) {
        self.record.returned(op, ret);
        if let Some(pause) = self.pause.get() {
            pause();
        }
    }
}

/// Puts a fiber back after its poll, also when it panicked.
struct Polling<'a> {
    world: &'a World,
    fiber: FiberId,
    runs: bool,
    wrapped: Option<Pin<Box<Fiber>>>,
    outcome: Option<Outcome>,
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        let place = self.world.place(self.fiber);
        if self.outcome.is_some() {
            let polls = place.polls_at_end.load(Ordering::Relaxed);
            place.polls_at_end.store(2.min(polls + 1), Ordering::Relaxed);
        }
        self.world.ended(self.fiber, self.outcome, self.wrapped.take());
        if self.outcome.is_some() && !self.runs {
            self.world.tell_runner(self.fiber);
        }
    }
}

struct Ended<'a> {
    world: &'a World,
    fiber: FiberId,
    outcome: Option<Outcome>,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.world.ended(self.fiber, self.outcome, None);
        self.world.tell_runner(self.fiber);
    }
}
