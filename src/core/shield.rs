//! Shield scopes: guards that make a pending cancellation wait.
//!
//! A guard names the scope that was innermost when it was made. It has no reference count of its own: invariant 4 of
//! `scope.rs` keeps the scope allocated while guards are open.

use std::fmt;
use std::future::Future;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::frame;
use super::scope::Scope;
use super::sync::Arc;
use crate::NoCurrentScope;

/// An open shield: while it lives, no cancellation of its scope is delivered.
///
/// Made by [`shield_scope`] and [`try_shield_scope`]. It belongs to the scope that was innermost when it was made, and
/// may be dropped in any order, on any thread:
///
/// * While its scope is being polled on the dropping thread, dropping it is not a suspension point: the code after it
///   runs up to the next `Pending`, where a pending cancellation is delivered.
/// * Anywhere else, dropping it wakes the scope, which then delivers a pending cancellation by itself.
/// * A guard that outlives its scope goes on shielding the scope around it, if its scope ended while that one was being
///   polled; otherwise it does nothing.
///
/// `mem::forget` of a guard shields for ever. A drop that wakes panics if the waker does.
///
/// Bind it to a name: `let _ = shield_scope();` closes it at once. The lint
/// [`let_underscore_drop`](https://doc.rust-lang.org/rustc/lints/listing/allowed-by-default.html#let-underscore-drop)
/// catches that.
#[must_use = "a shield that is not bound to a name is closed at once"]
pub struct ShieldScope {
    /// A copy that is not counted, but for the last guard of a scope that has ended (invariant 4 of `scope.rs`).
    scope: ManuallyDrop<Arc<Scope>>,
}

impl ShieldScope {
    fn open(scope: &Arc<Scope>) -> Self {
        scope.shields.open();
        // SAFETY: the copy is read and never dropped while it is not counted; the guard just counted in keeps the scope
        // allocated (invariant 4 of `scope.rs`).
        let copy = unsafe { ptr::read(scope) };
        Self { scope: ManuallyDrop::new(copy) }
    }

    /// A shield of the innermost scope of this thread.
    pub(super) fn of_innermost() -> Option<Self> {
        frame::with_innermost(|frame| frame.map(|frame| Self::open(frame.scope())))
    }

    #[cold]
    fn close_elsewhere(&mut self) {
        // In a loop: scopes that ended one inside the other leave a chain as long as they were many.
        let mut left = self.count_out();
        while let Some(outer) = left {
            let mut outer = ManuallyDrop::new(outer);
            left = if frame::is_polled_here(&outer.scope) {
                outer.scope.shields.close_here();
                None
            } else {
                outer.count_out()
            };
        }
    }

    /// Gives what was left to the guards of an ended scope, if this was the last of them: a shield still to be closed.
    fn count_out(&mut self) -> Option<Self> {
        // A reference across the wake: once counted out, this guard keeps nothing allocated.
        let scope = Arc::clone(&self.scope);
        if scope.shields.close_elsewhere() {
            // SAFETY: the last guard of a scope that has ended owns the reference that was left to all of them. This is
            // the only place that drops it, and it is called once a guard, which is not looked at again.
            unsafe { ManuallyDrop::drop(&mut self.scope) };
            scope.take_outer()
        } else {
            // Always: whether this was the last open one cannot be known without a fence on the polling side.
            scope.wake();
            None
        }
    }
}

impl Drop for ShieldScope {
    #[inline]
    fn drop(&mut self) {
        if frame::is_polled_here(&self.scope) {
            self.scope.shields.close_here();
        } else {
            self.close_elsewhere();
        }
    }
}

impl fmt::Debug for ShieldScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scope.fmt_fields(&mut f.debug_struct("ShieldScope"))
    }
}

/// Opens a shield: a cancellation waits until it is dropped, and lands at the next suspension after that.
///
/// It defers the cancellation of the innermost scope and of every scope around it, not of scopes opened later inside
/// the shield: a timeout inside a shield still bounds the shielded work. Shields nest; the last to close counts.
/// Opening one in a task that has already been cancelled works and holds the cancellation back, so clean-up may await.
///
/// What a shield cannot do is on the [front page](crate).
///
/// # Panics
///
/// Outside a [`ShieldableTask`](super::ShieldableTask), [`CancelScope`](super::CancelScope) or timeout, where there is
/// nothing to shield and silence would be a lie; [`try_shield_scope`] gives an error instead. With 2<sup>24</sup>
/// shields of one scope open.
///
/// # Examples
///
/// ```
/// # use shieldable::{ShieldableTask, shield_scope};
/// # use std::future::{Future, ready};
/// # async fn debit() { std::future::pending().await }
/// # async fn credit() {}
/// let transfer = ShieldableTask::new(async {
///     let _shield = shield_scope();
///     debit().await;
///     credit().await; // runs even if somebody cancels during `debit`
/// });
/// # let handle = transfer.handle();
/// # let mut transfer = std::pin::pin!(transfer);
/// # let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
/// # assert!(transfer.as_mut().poll(&mut cx).is_pending());
/// # assert!(handle.cancel());
/// # assert!(transfer.as_mut().poll(&mut cx).is_pending());
/// ```
#[inline]
#[track_caller]
#[doc(alias = "shield")]
pub fn shield_scope() -> ShieldScope {
    match try_shield_scope() {
        Ok(shield) => shield,
        Err(error) => panic!("{error}"),
    }
}

/// Opens a shield as [`shield_scope`] does, if there is a scope to shield.
///
/// # Errors
///
/// [`NoCurrentScope`] outside a [`ShieldableTask`](super::ShieldableTask), [`CancelScope`](super::CancelScope) or timeout.
///
/// # Panics
///
/// With 2<sup>24</sup> shields of one scope open.
///
/// # Examples
///
/// ```
/// // For code that runs inside a task and outside: shields where there is something to shield.
/// let _shield = shieldable::try_shield_scope().ok();
/// # assert!(_shield.is_none());
/// ```
#[inline]
pub fn try_shield_scope() -> Result<ShieldScope, NoCurrentScope> {
    frame::with_innermost(|frame| {
        let scope = frame.ok_or(NoCurrentScope::new())?.scope();
        scope.shields.assert_room();
        Ok(ShieldScope::open(scope))
    })
}

/// Whether a cancellation of the current task would be deferred here; outside a task, that of the outermost scope.
///
/// False outside every scope, and in the destructors that run because the task ends, where nothing is left to defer.
///
/// # Examples
///
/// ```
/// # use shieldable::{CancelScope, is_shielded, shield_scope};
/// # use std::future::Future;
/// assert!(!is_shielded());
/// # let mut scope = std::pin::pin!(
/// CancelScope::new(async {
///     let shield = shield_scope();
///     assert!(is_shielded());
///     drop(shield);
///     assert!(!is_shielded());
/// })
/// # );
/// # assert!(scope.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
/// ```
#[must_use]
pub fn is_shielded() -> bool {
    frame::with_innermost(|frame| {
        let Some(innermost) = frame else { return false };
        let mut shielded = false;
        for frame in innermost.outwards() {
            let scope = frame.scope();
            shielded |= scope.shields.open_now() > 0;
            if scope.task_id().is_some() || frame.outer().is_none() {
                return shielded && scope.is_live();
            }
        }
        unreachable!("the outermost frame has no outer one")
    })
}

/// Runs the whole of `future` as one shield scope.
///
/// Better than a guard wherever the shield covers one future: it cannot be kept open by mistake, in a stream that
/// yields or in a variable that outlives the work.
///
/// The shield opens at the first poll and closes when the future has returned and been dropped, or when it is dropped.
/// It is a shield of the scope of the first poll, and stays that if the future goes on in another task. To move
/// shielded work between tasks, put it into a [`CancelScope`](super::CancelScope), which shields wherever it is polled.
///
/// # Cancel safety
///
/// As cancel safe as `future`. Dropping it drops `future` half-way: a shield defers requests, not drops (see the
/// [front page](crate)).
///
/// # Panics
///
/// At the first poll, outside every scope, as [`shield_scope`] does. When polled again after it was ready.
///
/// # Examples
///
/// ```
/// # use shieldable::{CancelScope, shielded};
/// # use std::future::Future;
/// # async fn commit() -> u32 { 7 }
/// # let mut scope = std::pin::pin!(
/// CancelScope::new(async { shielded(commit()).await })
/// # );
/// # let polled = scope.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
/// # assert_eq!(polled, std::task::Poll::Ready(Ok(7)));
/// ```
pub fn shielded<F: Future>(future: F) -> Shielded<F> {
    Shielded { future: Some(future), shield: None }
}

pin_project! {
    /// The future of [`shielded`].
    #[must_use = "futures do nothing unless polled"]
    #[derive(Debug)]
    pub struct Shielded<F> {
        // Before `shield`: a future that is dropped half-way is dropped inside its shield.
        #[pin]
        future: Option<F>,
        shield: Option<ShieldScope>,
    }
}

impl<F: Future> Future for Shielded<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            panic!("shieldable: `shielded` polled after it was ready");
        };
        if this.shield.is_none() {
            *this.shield = Some(shield_scope());
        }
        let value = std::task::ready!(future.poll(cx));
        this.future.set(None);
        *this.shield = None;
        Poll::Ready(value)
    }
}
