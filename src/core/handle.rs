//! Handles: what others hold of a scope, to cancel it and to ask about it.

use std::fmt;
use std::hash::{Hash, Hasher};

use super::frame;
use super::identity::TaskId;
use super::scope::Scope;
use super::sync::Arc;

/// Cancels a [`CancelScope`](super::CancelScope) and reports its state.
///
/// Handles may outlive the scope; once it has ended they keep no task and no waker alive. Two are equal when they name
/// the same scope.
///
/// # Examples
///
/// ```
/// # use shieldable::{CancelScope, Cancelled};
/// # use std::future::{Future, pending};
/// let scope = CancelScope::new(pending::<()>());
/// let handle = scope.handle();
/// assert!(handle.cancel());
/// # let mut scope = std::pin::pin!(scope);
/// # let polled = scope.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
/// assert!(polled.is_ready());
/// assert!(handle.is_finished() && !handle.cancel());
/// ```
#[derive(Clone)]
pub struct CancelHandle {
    scope: Arc<Scope>,
}

/// Cancels a [`ShieldableTask`](super::ShieldableTask) and reports its state.
///
/// Handles may outlive the task; once it has ended they keep no task and no waker alive. Two are equal when they name
/// the same task.
///
/// # Examples
///
/// ```
/// # use shieldable::ShieldableTask;
/// let task = ShieldableTask::named("nightly report", async {});
/// let handle = task.handle();
/// assert_eq!(handle.name(), Some("nightly report"));
/// drop(task);
/// assert!(handle.is_finished());
/// ```
#[derive(Clone)]
pub struct TaskHandle {
    scope: Arc<Scope>,
}

macro_rules! handle {
    ($handle:ident, $what:literal) => {
        impl $handle {
            pub(super) fn new(scope: &Arc<Scope>) -> Self {
                Self { scope: Arc::clone(scope) }
            }

            #[doc = concat!("Asks the ", $what, " to stop; false only if it is finished already.")]
            ///
            /// The request waits while a shield is open and is then delivered at the next suspension: the body is
            /// dropped and the result is [`Cancelled`](crate::Cancelled). It has no effect on a body that returns
            /// before. May be called from anywhere: another thread, the body itself, a destructor that the cancellation
            /// runs.
            ///
            /// Each call adds one request while the body has not ended, up to 2<sup>24</sup> - 1, and wakes, unless it
            /// was woken since it suspended. Whoever sees the request, a destructor that runs for it or a query that
            /// counts it, sees what was done before this call.
            ///
            /// # Panics
            ///
            /// If the waker that it calls does. The request stands.
            ///
            /// # Examples
            ///
            /// ```
            /// # use shieldable::{CancelScope, Cancelled};
            /// let scope = CancelScope::new(std::future::pending::<()>());
            /// let handle = scope.handle();
            /// assert!(handle.cancel());
            /// # futures::executor::block_on(async {
            /// assert_eq!(scope.await, Err(Cancelled::new()));
            /// # });
            /// assert!(!handle.cancel()); // too late to matter
            /// ```
            pub fn cancel(&self) -> bool {
                self.scope.cancel()
            }

            /// Takes one request back, no matter whose, and gives the number that is left.
            ///
            /// At 0 nothing is delivered any more, also inside a shield. Once a delivery has begun, or the body has
            /// ended, it changes nothing and gives the number at that moment.
            ///
            /// # Examples
            ///
            /// ```
            /// # use shieldable::ShieldableTask;
            /// let task = ShieldableTask::new(async { 7 });
            /// let handle = task.handle();
            /// handle.cancel();
            /// assert_eq!(handle.uncancel(), 0);
            /// # futures::executor::block_on(async {
            /// assert_eq!(task.await, Ok(7));
            /// # });
            /// ```
            pub fn uncancel(&self) -> usize {
                self.scope.uncancel()
            }

            /// The number of requests that are outstanding, or were when the body ended.
            ///
            /// # Examples
            ///
            /// ```
            /// # use shieldable::ShieldableTask;
            /// let task = ShieldableTask::new(async {});
            /// let handle = task.handle();
            /// handle.cancel();
            /// handle.cancel();
            /// assert_eq!(handle.cancelling(), 2);
            /// ```
            #[must_use]
            pub fn cancelling(&self) -> usize {
                self.scope.cancelling()
            }

            /// Whether the body has ended and been dropped, in whatever way.
            ///
            /// # Examples
            ///
            /// ```
            /// # use shieldable::ShieldableTask;
            /// let task = ShieldableTask::new(async {});
            /// let handle = task.handle();
            /// assert!(!handle.is_finished());
            /// # futures::executor::block_on(async {
            /// task.await.unwrap();
            /// # });
            /// assert!(handle.is_finished());
            /// ```
            #[must_use]
            pub fn is_finished(&self) -> bool {
                self.scope.is_finished()
            }

            /// Whether a shield is open now, so that a cancellation would be deferred. A snapshot, for diagnosis.
            ///
            /// Shields of scopes inside count while those are suspended.
            ///
            /// # Examples
            ///
            /// ```
            /// # use shieldable::{ShieldableTask, TaskHandle, shield_scope};
            /// # futures::executor::block_on(ShieldableTask::new(async {
            /// let me = TaskHandle::current();
            /// let shield = shield_scope();
            /// assert!(me.is_shielded());
            /// drop(shield);
            /// assert!(!me.is_shielded());
            /// # })).unwrap();
            /// ```
            #[must_use]
            pub fn is_shielded(&self) -> bool {
                self.scope.is_shielded()
            }

            /// Whether the body was dropped out of an open shield, by something that no shield can defer.
            ///
            /// True as soon as that begins: the destructors of the body may still be running until
            /// [`is_finished`](Self::is_finished). What the body had done by then is visible.
            ///
            /// That is the accident this crate exists for: tokio's `abort`, its `timeout` or a `select!` around the
            /// whole, a runtime that shut down. The [front page](crate) names what to use instead. A shielded part that
            /// was dropped alone, while the body goes on, leaves no mark. Where the shield was that of a scope inside
            /// and has just been closed elsewhere, the scopes around that one count as shielded until it is polled
            /// again.
            ///
            /// # Examples
            ///
            /// ```
            /// # use shieldable::{ShieldableTask, shielded};
            /// # use std::future::{Future, pending};
            /// let task = ShieldableTask::new(shielded(pending::<()>()));
            /// let handle = task.handle();
            /// # let mut task = Box::pin(task);
            /// # assert!(task.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending());
            /// drop(task); // in the middle of its shield
            /// assert!(handle.was_torn());
            /// ```
            #[must_use]
            pub fn was_torn(&self) -> bool {
                self.scope.was_torn()
            }
        }

        impl PartialEq for $handle {
            fn eq(&self, other: &Self) -> bool {
                Arc::ptr_eq(&self.scope, &other.scope)
            }
        }

        impl Eq for $handle {}

        impl Hash for $handle {
            fn hash<H: Hasher>(&self, state: &mut H) {
                Arc::as_ptr(&self.scope).hash(state);
            }
        }
    };
}

handle!(CancelHandle, "scope");
handle!(TaskHandle, "task");

impl TaskHandle {
    #[allow(dead_code, reason = "for the tokio adapter alone")]
    pub(super) fn of(scope: Arc<Scope>) -> Self {
        Self { scope }
    }

    /// The innermost task that is being polled on this thread.
    ///
    /// # Panics
    ///
    /// Outside a [`ShieldableTask`](super::ShieldableTask).
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::{ShieldableTask, TaskHandle};
    /// # use std::future::Future;
    /// let task = ShieldableTask::named("greeter", async { TaskHandle::current().name().map(String::from) });
    /// # let mut task = std::pin::pin!(task);
    /// # let polled = task.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    /// # assert_eq!(polled, std::task::Poll::Ready(Ok(Some("greeter".to_string()))));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn current() -> Self {
        Self::try_current().expect(
            "shieldable: there is no current task here; run this code inside a `ShieldableTask` (`shieldable::spawn`)",
        )
    }

    /// The innermost task that is being polled on this thread, if there is one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::TaskHandle;
    /// assert!(TaskHandle::try_current().is_none()); // in a plain function
    /// ```
    #[must_use]
    pub fn try_current() -> Option<Self> {
        frame::with_innermost(|frame| frame?.task_scope().map(Self::new))
    }

    /// The identity of the task.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::ShieldableTask;
    /// let (one, two) = (ShieldableTask::new(async {}), ShieldableTask::new(async {}));
    /// assert_ne!(one.handle().id(), two.handle().id());
    /// ```
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.scope.task_id().expect("a task handle names a task")
    }

    /// The name given to [`ShieldableTask::named`](super::ShieldableTask::named).
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::ShieldableTask;
    /// assert_eq!(ShieldableTask::named("mailer", async {}).handle().name(), Some("mailer"));
    /// ```
    #[must_use]
    #[doc(alias = "get_name")]
    pub fn name(&self) -> Option<&str> {
        self.scope.task_name()
    }
}

/// A task is a scope: its handle as that of any scope.
impl From<TaskHandle> for CancelHandle {
    fn from(task: TaskHandle) -> Self {
        Self { scope: task.scope }
    }
}

impl fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.scope.fmt_fields(&mut f.debug_struct("CancelHandle"))
    }
}

impl fmt::Debug for TaskHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("TaskHandle");
        out.field("id", &self.id()).field("name", &self.name());
        self.scope.fmt_fields(&mut out)
    }
}
