//! Deadlines on tokio's clock that honour shields.

use std::future::{Future, IntoFuture};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::task::coop::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

pub use crate::Elapsed;
use crate::timeout_with;

/// The future of [`timeout`] and [`timeout_at`].
pub type Timeout<F> = crate::Timeout<F, Deadline>;

/// Gives `future` at most `duration`; a shield that is open by then may still finish.
///
/// Unlike `tokio::time::timeout`, which drops the future in the middle of whatever it does. The order of things is that
/// of [`timeout_with`]: a value beats a deadline, and a deadline that passes during a shield takes effect at the first
/// suspension after it. A zero timeout polls the body once. A deadline more than thirty years ahead is taken for one in
/// thirty years.
///
/// The timer is outside tokio's cooperative budget: a body that spends all of it is still timed out.
///
/// # Cancel safety
///
/// As cancel safe as `future`. Dropping it drops `future` at once, also out of an open shield.
///
/// # Panics
///
/// Without a tokio runtime with time enabled, with tokio's own message. When polled again after it was ready.
///
/// # Errors
///
/// [`Elapsed`] if the body was dropped because the time was up.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// use std::time::Duration;
/// use shieldable::{shielded, time::timeout};
///
/// let commit = async {
///     tokio::time::sleep(Duration::from_millis(30)).await;
///     "committed"
/// };
/// // The time is up in the middle of the commit, which is finished all the same.
/// assert_eq!(timeout(Duration::from_millis(10), shielded(commit)).await, Ok("committed"));
/// # }
/// ```
#[track_caller]
pub fn timeout<F: IntoFuture>(duration: Duration, future: F) -> Timeout<F::IntoFuture> {
    let now = Instant::now();
    timeout_at(now.checked_add(duration).unwrap_or_else(|| now + FAR_FUTURE), future)
}

/// Thirty years: what tokio itself takes for a time beyond the clock.
const FAR_FUTURE: Duration = Duration::from_secs(86_400 * 365 * 30);

/// Gives `future` until `deadline`; otherwise as [`timeout`].
///
/// # Cancel safety
///
/// As [`timeout`].
///
/// # Panics
///
/// As [`timeout`].
///
/// # Errors
///
/// As [`timeout`].
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// use shieldable::time::{Elapsed, timeout_at};
/// use tokio::time::{Duration, Instant};
///
/// let deadline = Instant::now() + Duration::from_millis(10);
/// assert_eq!(timeout_at(deadline, std::future::pending::<()>()).await, Err(Elapsed::new()));
/// # }
/// ```
#[track_caller]
pub fn timeout_at<F: IntoFuture>(deadline: Instant, future: F) -> Timeout<F::IntoFuture> {
    let now = Instant::now();
    // Not farther: tokio's timer counts whole milliseconds, and rounds up beyond the end of the clock.
    let sleep = sleep_until(deadline.min(now + FAR_FUTURE));
    timeout_with(Deadline { passed: deadline <= now, sleep }, future.into_future())
}

pin_project! {
    /// The timer of a [`Timeout`].
    #[derive(Debug)]
    pub struct Deadline {
        // Known at the start. Tokio's timer counts whole milliseconds and is never ready before the next one.
        passed: bool,
        #[pin]
        sleep: Sleep,
    }
}

impl Future for Deadline {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        if *this.passed { Poll::Ready(()) } else { pin!(unconstrained(this.sleep)).poll(cx) }
    }
}
