//! A task that does, in its own poll, what the test tells it from outside; and futures that move between tasks.

#![allow(dead_code)]

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use shieldable::{OwnedRLockGuard, RLock, ShieldableTask, TaskHandle, TryLockError};

use super::support::Driven;

type Job = Box<dyn FnOnce(&mut Context<'_>)>;
type Body = Pin<Box<dyn Future<Output = ()>>>;

/// A task that is suspended between the things it is told to do.
pub struct Stage {
    task: Driven<ShieldableTask<Body>>,
    handle: TaskHandle,
    job: Rc<RefCell<Option<Job>>>,
}

impl Stage {
    pub fn new() -> Self {
        let job = Rc::new(RefCell::new(None::<Job>));
        let body: Body = Box::pin(poll_fn({
            let job = job.clone();
            move |cx| {
                let job = job.borrow_mut().take();
                if let Some(job) = job {
                    job(cx);
                }
                Poll::Pending
            }
        }));
        let task = ShieldableTask::new(body);
        let handle = task.handle();
        Self { task: Driven::new(task), handle, job }
    }

    pub fn handle(&self) -> &TaskHandle {
        &self.handle
    }

    /// Runs `job` inside a poll of the task, with the context of that poll.
    #[track_caller]
    pub fn run_with<R: 'static>(&mut self, job: impl FnOnce(&mut Context<'_>) -> R + 'static) -> R {
        let result = Rc::new(RefCell::new(None));
        let slot = result.clone();
        *self.job.borrow_mut() = Some(Box::new(move |cx| {
            let value = job(cx);
            *slot.borrow_mut() = Some(value);
        }));
        let _outcome = self.task.poll();
        let value = result.borrow_mut().take();
        value.expect("the task should have been polled")
    }

    /// Runs `job` inside a poll of the task.
    #[track_caller]
    pub fn run<R: 'static>(&mut self, job: impl FnOnce() -> R + 'static) -> R {
        self.run_with(|_| job())
    }

    /// Polls a future as a part of this task.
    #[track_caller]
    pub fn poll<F: Future + 'static>(&mut self, future: &Moving<F>) -> Poll<F::Output>
    where
        F::Output: 'static,
    {
        let future = future.clone();
        self.run_with(move |cx| future.poll(cx))
    }

    /// Polls the task with nothing to do.
    pub fn poll_idle(&mut self) -> Poll<Result<(), shieldable::Cancelled>> {
        self.task.poll()
    }

    pub fn take_wakes(&self) -> usize {
        self.task.take_wakes()
    }
}

/// A future that may be polled by one task after another.
pub struct Moving<F>(Rc<RefCell<Option<Pin<Box<F>>>>>);

impl<F> Clone for Moving<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: Future> Moving<F> {
    pub fn new(future: F) -> Self {
        Self(Rc::new(RefCell::new(Some(Box::pin(future)))))
    }

    pub fn poll(&self, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.0.borrow_mut().as_mut().expect("the future should not have been dropped").as_mut().poll(cx)
    }

    /// Drops the future, wherever this is called.
    pub fn cut(&self) {
        let future = self.0.borrow_mut().take();
        drop(future);
    }
}

/// Polls a future once, inside whoever awaits this.
pub async fn poll_once<F: Future>(mut future: Pin<&mut F>) -> Poll<F::Output> {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await
}

/// A lock that stages can be told to take.
pub type Shared = Arc<RLock<u32>>;

pub fn shared() -> Shared {
    Arc::new(RLock::new(0))
}

pub fn acquisition(lock: &Shared) -> Moving<impl Future<Output = OwnedRLockGuard<u32>> + use<>> {
    Moving::new(lock.clone().lock_owned())
}

impl Stage {
    pub fn try_lock(&mut self, lock: &Shared) -> Result<OwnedRLockGuard<u32>, TryLockError> {
        let lock = lock.clone();
        self.run(move || lock.try_lock_owned())
    }

    pub fn holds(&mut self, lock: &Shared) -> bool {
        let lock = lock.clone();
        self.run(move || lock.is_held_by_current())
    }
}

/// A polled acquisition that must be ready.
#[track_caller]
pub fn granted<T>(polled: Poll<T>) -> T {
    match polled {
        Poll::Ready(guard) => guard,
        Poll::Pending => panic!("the acquisition should have been ready"),
    }
}
