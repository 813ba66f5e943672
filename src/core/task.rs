//! The shieldable task: a future that is a cancel scope with an identity.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::handle::TaskHandle;
use super::region::Region;
use super::scope::Scope;
use crate::Cancelled;

pin_project! {
    /// A future that can be cancelled from outside, honours shields, and owns the locks taken inside it.
    ///
    /// It runs on any executor, and also inline inside another task, where it is a task of its own. It starts no work
    /// by itself: poll it, or hand it to an executor. On tokio, [`spawn`](crate::spawn) does both.
    ///
    /// By state:
    /// * *Never polled*: cancelling means that the body never runs, also one that would begin with a shield, unless the
    ///   request is taken back before.
    /// * *Suspended*: a cancellation drops the body at the next poll, which it wakes the task for; if a shield is open,
    ///   at the first suspension after the last one closed.
    /// * *Running*: the body is never interrupted between two suspensions. If it returns, its value is the result,
    ///   whatever is pending.
    /// * *Finished*: nothing has an effect any more.
    ///
    /// Shields are not inherited by tasks that it spawns. Everything else that is polled inside it *is* this task, also
    /// what an executor polls that is driven in it (see the [front page](crate)).
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops the body at once, also out of an open shield (and
    /// [`was_torn`](TaskHandle::was_torn) tells). Cancel through a handle instead.
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
    /// # use shieldable::{ShieldableTask, shield_scope};
    /// # use std::future::Future;
    /// # async fn write_page() {}
    /// let task = ShieldableTask::new(async {
    ///     let _shield = shield_scope();
    ///     write_page().await;
    ///     "written"
    /// });
    /// let handle = task.handle(); // cancel() through this, from anywhere
    /// # let mut task = std::pin::pin!(task);
    /// # let polled = task.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    /// # assert_eq!(polled, std::task::Poll::Ready(Ok("written")));
    /// ```
    #[must_use = "futures do nothing unless polled"]
    pub struct ShieldableTask<F> {
        #[pin]
        region: Region<F>,
    }
}

impl<F> ShieldableTask<F> {
    /// A task that has `future` for its body.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::ShieldableTask;
    /// # futures::executor::block_on(async {
    /// assert_eq!(ShieldableTask::new(async { 7 }).await, Ok(7));
    /// # });
    /// ```
    #[doc(alias = "create_shieldable_task")]
    pub fn new(future: F) -> Self {
        Self { region: Region::new(future, Scope::task(None)) }
    }

    /// A task and its handle: the two references that a spawned task begins with, made at once.
    #[allow(dead_code, reason = "for the tokio adapter alone")]
    pub(crate) fn with_handle(future: F) -> (Self, TaskHandle) {
        let (scope, handle) = Scope::task_and_handle();
        (Self { region: Region::new(future, scope) }, TaskHandle::of(handle))
    }

    /// A task with a name for diagnosis; names need not be unique.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::ShieldableTask;
    /// let task = ShieldableTask::named(format!("worker {}", 3), async {});
    /// assert_eq!(task.handle().name(), Some("worker 3"));
    /// ```
    #[doc(alias = "set_name")]
    pub fn named(name: impl Into<Box<str>>, future: F) -> Self {
        Self { region: Region::new(future, Scope::task(Some(name.into()))) }
    }

    /// A handle to cancel the task with, which may outlive it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::ShieldableTask;
    /// let task = ShieldableTask::new(async {});
    /// let handle = task.handle();
    /// assert_eq!(handle, task.handle()); // they name the same task
    /// ```
    #[must_use]
    pub fn handle(&self) -> TaskHandle {
        TaskHandle::new(self.region.scope())
    }
}

impl<F: Future> Future for ShieldableTask<F> {
    type Output = Result<F::Output, Cancelled>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().region.poll(cx, |_, _| {})
    }
}

impl<F> fmt::Debug for ShieldableTask<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShieldableTask").field("handle", &self.handle()).finish_non_exhaustive()
    }
}
