//! What a body or a lane holds, and what it waits for.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use shieldable_model::{FiberId, LockId, Make, Outcome, WaiterId};

use super::fiber::Fiber;
use super::world::World;
use crate::subject::{OwnedLockGuard, OwnedRLockGuard, ShieldScope, TaskHandle};

/// A local of a body or a lane, or what lies in a slot. Dropping it is the operation that the program means.
pub(super) enum Held {
    Shield(#[expect(dead_code, reason = "held to be dropped")] ShieldScope),
    Guard(LockId, #[expect(dead_code, reason = "held to be dropped")] Guard),
    CancelOnDrop(#[expect(dead_code, reason = "held to be dropped")] CancelOnDrop),
    Future(Awaited),
}

#[expect(dead_code, reason = "held to be dropped")]
pub(super) enum Guard {
    Plain(OwnedLockGuard<()>),
    Reentrant(OwnedRLockGuard<()>),
}

/// What a `CancelOnDrop` of the adapter does, without a runtime.
pub(super) struct CancelOnDrop(pub(super) TaskHandle);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// A future that is awaited, or kept to be.
pub(super) enum Awaited {
    Lock(LockId, Pin<Box<dyn Future<Output = Guard> + Send>>),
    Wait(Pin<Box<dyn Future<Output = ()> + Send>>),
    Join(Join),
    Fiber(Pin<Box<Fiber>>),
}

impl Awaited {
    /// What the operation creates. A wait is called here, not at the first poll.
    pub(super) fn make(world: &Arc<World>, make: Make) -> Self {
        match make {
            Make::Lock(lock) if lock.is_reentrant() => {
                let the_lock = world.rlock(lock).clone();
                Self::Lock(lock, Box::pin(async move { Guard::Reentrant(the_lock.lock_owned().await) }))
            }
            Make::Lock(lock) => {
                let the_lock = world.lock(lock).clone();
                Self::Lock(lock, Box::pin(async move { Guard::Plain(the_lock.lock_owned().await) }))
            }
            Make::Wait(waiter) => Self::Wait(Self::wait(world, waiter)),
            Make::Join(task) => Self::Join(Join { world: world.clone(), task }),
            Make::Fiber(fiber) => Self::Fiber(Fiber::inline(world, fiber)),
        }
    }

    /// `wait()` borrows the waiter, so both live in one future, which is polled once to make the call.
    fn wait(world: &World, waiter: WaiterId) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let waiter = world.waiter(waiter).clone();
        let mut wait = Box::pin(async move {
            let wait = waiter.wait();
            called().await;
            wait.await;
        });
        let polled = wait.as_mut().poll(&mut Context::from_waker(std::task::Waker::noop()));
        assert!(polled.is_pending());
        wait
    }

    /// With what is held from then on.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Outcome, Option<Held>)> {
        match self {
            Self::Lock(lock, future) => {
                future.as_mut().poll(cx).map(|guard| (Outcome::Value, Some(Held::Guard(*lock, guard))))
            }
            Self::Wait(future) => future.as_mut().poll(cx).map(|()| (Outcome::Value, None)),
            Self::Join(join) => join.poll(cx).map(|outcome| (outcome, None)),
            Self::Fiber(fiber) => fiber.as_mut().poll(cx).map(|outcome| (outcome, None)),
        }
    }
}

/// Pending once, at the poll that makes the call.
async fn called() {
    let mut polled = false;
    std::future::poll_fn(|_| if std::mem::replace(&mut polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// The wait for a task to end; what an executor's join handle is.
pub(super) struct Join {
    world: Arc<World>,
    task: FiberId,
}

impl Join {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let place = self.world.place(self.task);
        let _turn = place.turn.take();
        let mut fate = place.fate.lock();
        if fate.joinable {
            return Poll::Ready(fate.outcome.expect("what has ended has an outcome"));
        }
        fate.joiner = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Join {
    fn drop(&mut self) {
        let joiner = self.world.place(self.task).fate.lock().joiner.take();
        drop(joiner);
    }
}
