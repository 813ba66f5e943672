//! Deadlines that honour shields, over any timer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::region::Region;
use super::scope::Scope;
use crate::Elapsed;

/// Gives `future` until `timer` is ready; a shield that is open by then may still finish.
///
/// `timer` is any future, its output is dropped: a sleep of the runtime at hand, the end of a channel, Ctrl-C. On
/// tokio, [`time::timeout`](crate::time::timeout) brings its own; wrap any other future of tokio's in
/// `tokio::task::coop::unconstrained`, or a body that uses up the budget of its task keeps it from being ready.
///
/// The body is a scope of its own, cancelled by the timer. The timer belongs to the scope around: a shield that it
/// opens is one of that. Each poll polls the body first and then the timer, also while a shield is open, so:
/// * A value beats a deadline: a body that is ready at once is never timed out.
/// * A deadline that passes during a shield takes effect at the first suspension after it. If the body ends before
///   that, its value is the result, and nothing of the deadline leaks into later code.
/// * Nested deadlines decide from the inside out: when both have passed the result is `Ok(Err(Elapsed))`.
/// * Around a timeout, a shield is transparent: a timeout opened *inside* a shield bounds the shielded work.
///
/// # Cancel safety
///
/// As cancel safe as `future`. Dropping it drops `future` at once, also out of an open shield.
///
/// # Panics
///
/// When polled again after it was ready.
///
/// # Errors
///
/// [`Elapsed`] if the body was dropped because the timer was ready.
///
/// # Examples
///
/// ```
/// # use shieldable::{Elapsed, timeout_with};
/// # use std::future::{Future, pending, ready};
/// # let mut outer = std::pin::pin!(
/// async {
///     assert_eq!(timeout_with(ready(()), async { 7 }).await, Ok(7));
///     assert_eq!(timeout_with(ready(()), pending::<u8>()).await, Err(Elapsed::new()));
/// }
/// # );
/// # assert!(outer.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
/// ```
pub fn timeout_with<F: Future, T: Future>(timer: T, future: F) -> Timeout<F, T> {
    Timeout { region: Region::new(future, Scope::anonymous()), timer: Some(timer) }
}

pin_project! {
    /// The future of [`timeout_with`].
    #[must_use = "futures do nothing unless polled"]
    pub struct Timeout<F, T> {
        #[pin]
        region: Region<F>,
        // Gone once it has been ready: it is never polled again.
        #[pin]
        timer: Option<T>,
    }
}

impl<F: Future, T: Future> Future for Timeout<F, T> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let suspended = |cx: &mut Context<'_>, scope: &Scope| {
            if this.timer.as_mut().as_pin_mut().is_some_and(|timer| timer.poll(cx).is_ready()) {
                scope.add_request_of_timer();
                this.timer.set(None);
            }
        };
        this.region.poll(cx, suspended).map_err(|_| Elapsed::new())
    }
}

impl<F, T> fmt::Debug for Timeout<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.region.scope().fmt_fields(&mut f.debug_struct("Timeout"))
    }
}
