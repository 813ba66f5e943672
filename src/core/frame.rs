//! Which scopes are being polled on this thread: the frames, innermost last.
//!
//! A frame lives on the stack of the poll (or of the drop) that it stands for, linked to the one around it; the thread
//! knows the innermost. Parent links live here and nowhere else: a scope that is not being polled has no parent.
//!
//! # Invariants
//! 1. The innermost pointer is null or points to a frame that has been [entered](Frame::enter) and not left yet, and so
//!    does `outer`.
//! 2. Whatever way a frame is left, by return or by unwinding, the innermost pointer is what it was before.
//!
//! Both rest on calls and returns nesting on a thread. Stackful coroutines that switch stacks in the middle of a poll
//! and interleave polls on one thread break that, as they do any thread-local context: a frame that is left while it is
//! not the innermost aborts the process, before anybody follows a pointer to it.

use std::cell::Cell;
use std::io::{self, Write};
use std::{process, ptr};

use super::identity::TaskId;
use super::scope::Scope;
use super::sync::Arc;
use super::sync::thread_cell;

thread_cell! {
    static INNERMOST: Cell<*const Frame> = Cell::new(ptr::null());
}

thread_cell! {
    /// Checkpoints passed since the outermost poll of this thread began.
    static CHECKPOINTS: Cell<u32> = Cell::new(0);
}

/// So many checkpoints in one outermost poll; then each suspends, so that deadlines around a loop of them are looked
/// at.
const CHECKPOINT_BUDGET: u32 = 128;

/// A scope that is being polled, or whose body is being dropped, on this thread.
pub(super) struct Frame {
    scope: *const Arc<Scope>,
    /// Of the scope, if it is a task: nearer at hand here.
    task: Option<TaskId>,
    outer: *const Frame,
}

impl Frame {
    /// To be entered next, on this thread.
    #[inline(always)]
    pub(super) fn new(scope: &Arc<Scope>) -> Self {
        let outer = INNERMOST.with(Cell::get);
        if outer.is_null() {
            CHECKPOINTS.with(|passed| passed.set(0));
        }
        Self { scope, task: scope.task_id(), outer }
    }

    /// Makes it the innermost one of this thread. Without a closure: the poll of a scope is all one function then,
    /// which is half of what it costs.
    ///
    /// # Safety
    ///
    /// It was made on this thread, and nothing has been entered or left since. What this gives must be dropped, never
    /// forgotten, before the frame's scope is moved.
    #[inline(always)]
    pub(super) unsafe fn enter(&self) -> Entered<'_> {
        INNERMOST.with(|innermost| innermost.set(self));
        Entered { frame: self }
    }

    pub(super) fn scope(&self) -> &Arc<Scope> {
        // SAFETY: the scope is where it was when this frame was entered, which has not been left (invariant 1).
        unsafe { &*self.scope }
    }

    pub(super) fn outer(&self) -> Option<&Frame> {
        // SAFETY: invariant 1; the outer frame has not been left while this one has not.
        unsafe { self.outer.as_ref() }
    }

    /// The scope of the innermost task, here or further out.
    pub(super) fn task_scope(&self) -> Option<&Arc<Scope>> {
        self.outwards().find(|frame| frame.task.is_some()).map(Frame::scope)
    }

    /// This frame and those around it, from the inside out.
    pub(super) fn outwards(&self) -> impl Iterator<Item = &Frame> {
        std::iter::successors(Some(self), |frame| frame.outer())
    }
}

/// As long as it lives, its frame is the innermost one of this thread, or around that.
pub(super) struct Entered<'a> {
    frame: &'a Frame,
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        INNERMOST.with(|innermost| {
            if !ptr::eq(innermost.get(), self.frame) {
                polls_interleaved();
            }
            innermost.set(self.frame.outer);
        });
    }
}

#[cold]
fn polls_interleaved() -> ! {
    // Not `eprintln!`, which panics where nobody listens.
    let _ = io::stderr().write_all(
        b"shieldable: a poll of a task or scope ended inside a later one on the same thread; a stackful coroutine must not \
          switch away in the middle of a poll\n",
    );
    process::abort();
}

/// Calls `look` with the innermost frame, if there is one.
#[inline]
pub(super) fn with_innermost<R>(look: impl FnOnce(Option<&Frame>) -> R) -> R {
    let innermost = INNERMOST.with(Cell::get);
    // SAFETY: invariant 1; the reference does not outlive this call, and frames entered meanwhile are left by its end.
    look(unsafe { innermost.as_ref() })
}

/// The task that is being polled here: the owner of the locks that are taken.
#[inline]
pub(super) fn current_task() -> Option<TaskId> {
    with_innermost(|frame| frame?.task.or_else(|| inherited_task(frame?)))
}

#[cold]
fn inherited_task(frame: &Frame) -> Option<TaskId> {
    frame.outwards().find_map(|frame| frame.task)
}

/// Whether `scope` is anywhere among the frames of this thread.
#[inline]
pub(super) fn is_polled_here(scope: &Arc<Scope>) -> bool {
    with_innermost(|frame| frame.is_some_and(|frame| frame.outwards().any(|frame| Arc::ptr_eq(frame.scope(), scope))))
}

/// Counts a checkpoint; true for each that should suspend for fairness alone. Outside every scope none does: there is
/// no poll that would begin the count afresh.
pub(super) fn spend_checkpoint() -> bool {
    if INNERMOST.with(Cell::get).is_null() {
        return false;
    }
    CHECKPOINTS.with(|passed| {
        passed.set(passed.get().saturating_add(1));
        passed.get() > CHECKPOINT_BUDGET
    })
}
