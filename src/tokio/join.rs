//! Waiting for a spawned task, and what came of it.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::{Cancelled, TaskHandle};

/// A spawned task: a future of its outcome, and the means to cancel it.
///
/// Dropping it detaches the task, which goes on (tokio's habit); [`cancel_on_drop`](Self::cancel_on_drop) cancels
/// instead.
///
/// # Cancel safety
///
/// Cancel safe: awaiting does not delegate. Cancelling the one who awaits does not cancel the task, and awaiting
/// `&mut handle` may be taken up again.
///
/// # Panics
///
/// When polled again after it was ready.
///
/// # Errors
///
/// [`JoinError`] if the task was cancelled, aborted or panicked. A cancelled task is a value for whoever awaits it, not a
/// cancellation of its own.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let task = shieldable::spawn(async { 7 });
/// assert_eq!(task.await.unwrap(), 7);
/// # }
/// ```
pub struct JoinHandle<T> {
    inner: tokio::task::JoinHandle<Result<T, Cancelled>>,
    task: TaskHandle,
}

impl<T> JoinHandle<T> {
    pub(super) fn new(inner: tokio::task::JoinHandle<Result<T, Cancelled>>, task: TaskHandle) -> Self {
        Self { inner, task }
    }

    /// The handle of the task, to clone and to hand out.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let task = shieldable::spawn(async {});
    /// let watched = task.handle().clone();
    /// task.await.unwrap();
    /// assert!(watched.is_finished());
    /// # }
    /// ```
    #[must_use]
    pub fn handle(&self) -> &TaskHandle {
        &self.task
    }

    /// Asks the task to stop, once its shields allow; see [`TaskHandle::cancel`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let task = shieldable::spawn(std::future::pending::<()>());
    /// assert!(task.cancel());
    /// assert!(task.await.unwrap_err().is_cancelled());
    /// # }
    /// ```
    pub fn cancel(&self) -> bool {
        self.task.cancel()
    }

    /// Whether the body has ended and been dropped. The outcome may take the executor a moment longer.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let task = shieldable::spawn(async {});
    /// assert!(!task.is_finished());
    /// tokio::task::yield_now().await;
    /// assert!(task.is_finished());
    /// # }
    /// ```
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Tokio's hard abort: drops the task where it is suspended, or at its next suspension. **It ignores shields**: use
    /// [`cancel`](Self::cancel).
    ///
    /// If it tore the body out of an open shield, [`was_torn`](TaskHandle::was_torn) tells.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let task = shieldable::spawn(std::future::pending::<()>());
    /// task.abort();
    /// assert!(task.await.unwrap_err().is_aborted());
    /// # }
    /// ```
    pub fn abort(&self) {
        self.inner.abort();
    }

    /// A handle that cancels the task when it is dropped before the task has ended.
    ///
    /// For work that somebody waits for: a request whose client may hang up. Open shields still finish.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let task = shieldable::spawn(std::future::pending::<()>());
    /// let handle = task.handle().clone();
    /// drop(task.cancel_on_drop());
    /// assert_eq!(handle.cancelling(), 1);
    /// # }
    /// ```
    pub fn cancel_on_drop(self) -> CancelOnDrop<T> {
        CancelOnDrop { join: Some(self) }
    }

    /// Cancels the task and waits until it has ended, shields and destructors included.
    ///
    /// # Cancel safety
    ///
    /// The request is made at the first poll. Dropped before, it only detaches the task; dropped after, it detaches the
    /// task with the request pending.
    ///
    /// # Errors
    ///
    /// As awaiting the handle; a task that returned all the same gives its value.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let task = shieldable::spawn(std::future::pending::<()>());
    /// assert!(task.cancel_and_join().await.unwrap_err().is_cancelled());
    /// # }
    /// ```
    pub async fn cancel_and_join(self) -> Result<T, JoinError> {
        self.cancel();
        self.await
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.inner).poll(cx).map(|outcome| match outcome {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(cancelled)) => Err(cancelled.into()),
            Err(error) => Err(JoinError { reason: Reason::Tokio(error) }),
        })
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("task", &self.task).finish_non_exhaustive()
    }
}

/// A spawned task that is cancelled when this is dropped; made by [`JoinHandle::cancel_on_drop`].
///
/// A future of the outcome, as [`JoinHandle`] is. To cancel and wait, [`cancel`](Self::cancel) and await it.
///
/// # Panics
///
/// When polled again after it was ready.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let answer = shieldable::spawn(async { 7 }).cancel_on_drop();
/// assert_eq!(answer.await.unwrap(), 7); // and had we gone away, it would have been cancelled
/// # }
/// ```
#[must_use = "dropping it cancels the task at once"]
pub struct CancelOnDrop<T> {
    // Gone when it has been given back.
    join: Option<JoinHandle<T>>,
}

impl<T> CancelOnDrop<T> {
    fn join(&self) -> &JoinHandle<T> {
        self.join.as_ref().expect("given back by value")
    }

    /// The handle of the task, to clone and to hand out.
    #[must_use]
    pub fn handle(&self) -> &TaskHandle {
        self.join().handle()
    }

    /// Asks the task to stop now; see [`TaskHandle::cancel`].
    pub fn cancel(&self) -> bool {
        self.join().cancel()
    }

    /// Whether the body has ended and been dropped.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.join().is_finished()
    }

    /// Gives the join handle back: nothing is cancelled when that is dropped.
    ///
    /// The name is that of `AbortOnDropHandle::detach` in tokio-util.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let warm_up = shieldable::spawn(async { 7 }).cancel_on_drop();
    /// let task = warm_up.handle().clone();
    /// drop(warm_up.detach()); // runs on by itself
    /// assert_eq!(task.cancelling(), 0);
    /// # }
    /// ```
    #[must_use = "dropping the handle detaches the task"]
    pub fn detach(mut self) -> JoinHandle<T> {
        self.join.take().expect("given back by value")
    }
}

impl<T> Future for CancelOnDrop<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(self.join.as_mut().expect("given back by value")).poll(cx)
    }
}

impl<T> Drop for CancelOnDrop<T> {
    fn drop(&mut self) {
        if let Some(join) = &self.join {
            join.cancel();
        }
    }
}

impl<T> fmt::Debug for CancelOnDrop<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancelOnDrop").field("task", self.handle()).finish_non_exhaustive()
    }
}

/// Why a spawned task gave no value.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = shieldable::spawn(async { panic!("oh") }).await.unwrap_err();
/// assert!(error.is_panic() && !error.is_cancelled() && !error.is_aborted());
/// # }
/// ```
pub struct JoinError {
    reason: Reason,
}

enum Reason {
    Cancelled(Cancelled),
    Tokio(tokio::task::JoinError),
}

impl JoinError {
    /// Whether a cancellation was delivered: [`TaskHandle::cancel`] and what rests on it.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self.reason, Reason::Cancelled(_))
    }

    /// Whether tokio dropped the task: [`JoinHandle::abort`] or a runtime that shut down.
    #[must_use]
    pub fn is_aborted(&self) -> bool {
        matches!(&self.reason, Reason::Tokio(error) if error.is_cancelled())
    }

    /// Whether the body panicked, or one of its destructors did.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        matches!(&self.reason, Reason::Tokio(error) if error.is_panic())
    }

    /// What it panicked with, for [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// # Panics
    ///
    /// If it did not: ask [`is_panic`](Self::is_panic) first, or use [`try_into_panic`](Self::try_into_panic).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let error = shieldable::spawn(async { panic!("oh") }).await.unwrap_err();
    /// assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"oh"));
    /// # }
    /// ```
    #[must_use]
    #[track_caller]
    pub fn into_panic(self) -> Box<dyn Any + Send + 'static> {
        match self.try_into_panic() {
            Ok(payload) => payload,
            Err(error) => panic!("shieldable: `JoinError::into_panic` of a task that did not panic: {error}"),
        }
    }

    /// What it panicked with.
    ///
    /// # Errors
    ///
    /// The error itself, if the task did not panic.
    pub fn try_into_panic(self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        match self.reason {
            Reason::Tokio(error) => error.try_into_panic().map_err(|error| Self { reason: Reason::Tokio(error) }),
            reason @ Reason::Cancelled(_) => Err(Self { reason }),
        }
    }
}

impl From<Cancelled> for JoinError {
    fn from(cancelled: Cancelled) -> Self {
        Self { reason: Reason::Cancelled(cancelled) }
    }
}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        Self::other(error)
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Cancelled(_) => f.write_str("task was cancelled"),
            Reason::Tokio(error) if error.is_cancelled() => f.write_str("task was aborted"),
            Reason::Tokio(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.reason {
            Reason::Cancelled(_) => f.write_str("JoinError::Cancelled"),
            Reason::Tokio(error) if error.is_cancelled() => f.write_str("JoinError::Aborted"),
            Reason::Tokio(error) => f.debug_tuple("JoinError::Panic").field(error).finish(),
        }
    }
}

impl Error for JoinError {}
