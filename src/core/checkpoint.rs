//! Checkpoints: places where a long run of shielded or never-suspending work lets a cancellation in.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::frame;

/// Whether a [`checkpoint`] here would suspend for a cancellation.
///
/// True if a request of the innermost scope, or of one around it, is pending, and no shield opened in that scope or
/// further in stands between. False outside every scope. If it is true, what was done before the request was made is
/// visible.
///
/// # Examples
///
/// ```
/// # use shieldable::{ShieldableTask, TaskHandle, cancel_pending, shield_scope};
/// # use std::future::Future;
/// # let mut task = std::pin::pin!(
/// ShieldableTask::new(async {
///     TaskHandle::current().cancel();
///     assert!(cancel_pending());
///     let _shield = shield_scope();
///     assert!(!cancel_pending());
/// })
/// # );
/// # assert!(task.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
/// ```
#[must_use]
pub fn cancel_pending() -> bool {
    frame::with_innermost(|innermost| {
        let Some(innermost) = innermost else { return false };
        innermost
            .outwards()
            .map(|frame| frame.scope())
            .take_while(|scope| scope.shields.open_now() == 0)
            .any(|scope| scope.has_pending_request())
    })
}

/// Lets a pending cancellation in: suspends once if there is one that no shield holds back, else is ready at once.
///
/// For loops of back-to-back shields, and for long runs without an await that suspends. What is then delivered, and to
/// whom, is up to the scopes and combinators in between: a `join!` whose other branch is ready gives its value first.
///
/// Trio's `checkpoint_if_cancelled`. In addition, from the 129th of one outermost poll on each checkpoint suspends
/// once, so that a loop of them starves neither a deadline around it nor other tasks. A loop that makes an outermost
/// scope in each round begins the count anew with each. Outside every scope it is always ready.
///
/// # Cancel safety
///
/// Cancel safe; that is its purpose.
///
/// # Examples
///
/// ```
/// # use shieldable::{ShieldableTask, checkpoint, shield_scope};
/// # use std::future::{Future, ready};
/// # async fn send(_row: u32) {}
/// # let mut task = std::pin::pin!(
/// ShieldableTask::new(async {
///     for row in 0..100 {
///         let shield = shield_scope();
///         send(row).await; // never torn apart ...
///         drop(shield);
///         checkpoint().await; // ... but between two rows a cancellation lands
///     }
/// })
/// # );
/// # assert!(task.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_ready());
/// ```
#[doc(alias = "checkpoint_if_cancelled")]
pub fn checkpoint() -> Checkpoint {
    Checkpoint { suspended: false }
}

/// The future of [`checkpoint`]. It suspends at most once.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct Checkpoint {
    suspended: bool,
}

impl Future for Checkpoint {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.suspended || !(frame::spend_checkpoint() || cancel_pending()) {
            return Poll::Ready(());
        }
        self.suspended = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}
