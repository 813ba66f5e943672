//! The cancel scope: a cancellable region of a task, without an identity of its own.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::handle::CancelHandle;
use super::region::Region;
use super::scope::Scope;
use crate::Cancelled;

pin_project! {
    /// A part of a task that can be cancelled by itself, and honours shields.
    ///
    /// It behaves as a [`ShieldableTask`](super::ShieldableTask) does, state by state, but the locks taken inside
    /// belong to the task around it. Whatever it is cancelled for, the code around it goes on with the result in hand.
    ///
    /// Scopes nest, each with its own requests. A shield opened inside defers this scope's cancellation *and* that of
    /// every scope around it. A request made to a scope that was opened inside a shield still fires: it bounds the
    /// shielded work. If several scopes have requests, then at the start of a poll the outermost is cancelled, with all
    /// that is inside it; at a suspension the innermost, and the code around it runs to its next suspension.
    ///
    /// A scope that is suspended with a shield open shields the one around it, also while nobody polls it: do not keep
    /// such a scope aside. Nor share it between tasks, or between scopes of one task, that poll it in turn: they wake
    /// one another for as long as the shield is open. Spawn it, and share the outcome.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the body at once, also out of an open shield (and
    /// [`was_torn`](CancelHandle::was_torn) tells).
    ///
    /// # Panics
    ///
    /// A panic of the body propagates out of `poll`. Polling again after that, or after the result, panics.
    ///
    /// # Errors
    ///
    /// [`Cancelled`] if a cancellation was delivered.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::{CancelScope, Cancelled};
    /// # use std::future::{Future, pending};
    /// # let mut outer = std::pin::pin!(
    /// async {
    ///     let search = CancelScope::new(pending::<u32>());
    ///     search.handle().cancel(); // the user changed their mind, say
    ///     assert_eq!(search.await, Err(Cancelled::new()));
    ///     "and on we go"
    /// }
    /// # );
    /// # assert!(outer.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct CancelScope<F> {
        #[pin]
        region: Region<F>,
    }
}

impl<F> CancelScope<F> {
    /// A scope that has `future` for its body.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::CancelScope;
    /// # futures::executor::block_on(async {
    /// assert_eq!(CancelScope::new(async { 7 }).await, Ok(7));
    /// # });
    /// ```
    pub fn new(future: F) -> Self {
        Self { region: Region::new(future, Scope::anonymous()) }
    }

    /// A handle to cancel the scope with, which may outlive it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::CancelScope;
    /// let scope = CancelScope::new(async {});
    /// let handle = scope.handle();
    /// assert_eq!(handle, scope.handle()); // they name the same scope
    /// ```
    #[must_use]
    pub fn handle(&self) -> CancelHandle {
        CancelHandle::new(self.region.scope())
    }
}

impl<F: Future> Future for CancelScope<F> {
    type Output = Result<F::Output, Cancelled>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().region.poll(cx, |_, _| {})
    }
}

impl<F> fmt::Debug for CancelScope<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelScope").field("handle", &self.handle()).finish_non_exhaustive()
    }
}
