//! Shieldable tasks on tokio.

use std::future::Future;

use tokio::runtime::Handle;

use super::join::JoinHandle;
use crate::ShieldableTask;

/// Spawns `future` as a [`ShieldableTask`] on the current tokio runtime.
///
/// It does not inherit the shields of the task that spawns it. Dropping the handle detaches the task, as in tokio;
/// [`cancel_on_drop`](JoinHandle::cancel_on_drop) cancels it instead.
///
/// For a task with a name: [`ShieldableTask::named(..).spawn()`](ShieldableTask::spawn).
///
/// # Panics
///
/// Outside a tokio runtime, with tokio's own message.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let task = shieldable::spawn(async {
///     let _shield = shieldable::shield_scope();
///     tokio::task::yield_now().await; // a commit, say
///     "committed"
/// });
/// tokio::task::yield_now().await;
/// task.cancel(); // waits for the shield to close; the value is already certain
/// assert_eq!(task.await.unwrap(), "committed");
/// # }
/// ```
#[track_caller]
#[doc(alias = "create_shieldable_task")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (task, handle) = ShieldableTask::with_handle(future);
    JoinHandle::new(tokio::spawn(task), handle)
}

/// Spawns `future` as a [`ShieldableTask`] on the current thread's [`LocalSet`](tokio::task::LocalSet) or local
/// runtime.
///
/// # Panics
///
/// Outside of both, with tokio's own message.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// # use std::rc::Rc;
/// tokio::task::LocalSet::new()
///     .run_until(async {
///         let value = Rc::new(7);
///         let task = shieldable::spawn_local(async move { *value });
///         assert_eq!(task.await.unwrap(), 7);
///     })
///     .await;
/// # }
/// ```
#[track_caller]
pub fn spawn_local<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
    F::Output: 'static,
{
    let (task, handle) = ShieldableTask::with_handle(future);
    JoinHandle::new(tokio::task::spawn_local(task), handle)
}

/// Spawns `future` as a [`ShieldableTask`] on the runtime of `runtime`, from anywhere.
///
/// # Examples
///
/// ```
/// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// let task = shieldable::spawn_on(runtime.handle(), async { 7 });
/// assert_eq!(runtime.block_on(task).unwrap(), 7);
/// ```
#[track_caller]
pub fn spawn_on<F>(runtime: &Handle, future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    let (task, handle) = ShieldableTask::with_handle(future);
    JoinHandle::new(runtime.spawn(task), handle)
}

impl<F> ShieldableTask<F>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    /// Spawns this task on the current tokio runtime, as [`spawn`] does.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, with tokio's own message.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # use shieldable::ShieldableTask;
    /// let task = ShieldableTask::named("mailer", async {}).spawn();
    /// assert_eq!(task.handle().name(), Some("mailer"));
    /// task.await.unwrap();
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn(self) -> JoinHandle<F::Output> {
        let handle = self.handle();
        JoinHandle::new(tokio::spawn(self), handle)
    }

    /// Spawns this task on the runtime of `runtime`, as [`spawn_on`] does.
    ///
    /// # Examples
    ///
    /// ```
    /// # use shieldable::ShieldableTask;
    /// let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// let task = ShieldableTask::named("mailer", async { 7 }).spawn_on(runtime.handle());
    /// assert_eq!(runtime.block_on(task).unwrap(), 7);
    /// ```
    #[track_caller]
    pub fn spawn_on(self, runtime: &Handle) -> JoinHandle<F::Output> {
        let handle = self.handle();
        JoinHandle::new(runtime.spawn(self), handle)
    }
}

impl<F> ShieldableTask<F>
where
    F: Future + 'static,
    F::Output: 'static,
{
    /// Spawns this task on the current thread's [`LocalSet`](tokio::task::LocalSet) or local runtime, as
    /// [`spawn_local`] does.
    ///
    /// # Panics
    ///
    /// Outside of both, with tokio's own message.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// # use shieldable::ShieldableTask;
    /// tokio::task::LocalSet::new()
    ///     .run_until(async { ShieldableTask::named("mailer", async {}).spawn_local().await.unwrap() })
    ///     .await;
    /// # }
    /// ```
    #[track_caller]
    pub fn spawn_local(self) -> JoinHandle<F::Output> {
        let handle = self.handle();
        JoinHandle::new(tokio::task::spawn_local(self), handle)
    }
}
