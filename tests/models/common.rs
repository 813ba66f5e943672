//! What models are made of besides the crate itself.

use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

pub use std::future::pending;

pub use crate::checker::{JoinHandle, Payload, spawn};
pub use crate::executor::{Finished, Runner, run};
pub use crate::harness::Model;
pub(crate) use crate::harness::model;
pub use crate::subject::*;
pub use crate::timeline::{call, saw};

/// Suspends once and wakes itself, as tokio's `yield_now` does.
pub fn yield_once() -> impl Future<Output = ()> {
    struct Yield(bool);
    impl Future for Yield {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            if std::mem::replace(&mut self.0, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        }
    }
    Yield(false)
}

/// Drops a future and tells whether it had been woken before that.
pub fn drop_and_tell<F: Future>(name: &'static str, runner: Runner<F>) -> bool {
    call(name, || {
        let woken = runner.was_woken();
        drop(runner);
        woken
    })
}

/// Runs a closure when it is dropped: a destructor of a body, say.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A waker that does this when it is called.
pub fn waker_that<F: Fn() + Send + Sync + 'static>(does: F) -> Waker {
    struct Does<F>(F);
    impl<F: Fn() + Send + Sync + 'static> Wake for Does<F> {
        fn wake(self: Arc<Self>) {
            (self.0)();
        }
    }
    Waker::from(Arc::new(Does(does)))
}

/// Something that the model notes about the execution. No part of what is checked: it orders nothing.
#[derive(Clone, Default)]
pub struct Flag(Arc<AtomicBool>);

impl Flag {
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Polls with a waker that nobody waits for.
pub fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// A thread that has done something under its guard and lets go of it.
pub fn bump_and_release(guard: impl Deref<Target = Payload> + 'static) -> JoinHandle<()> {
    spawn("holder", move || {
        guard.bump();
        call("release", || drop(guard));
    })
}

/// A place through which the first thread takes something out of a body, before there are others.
pub struct Slot<T>(Arc<Mutex<Option<T>>>);

impl<T> Slot<T> {
    pub fn new() -> Self {
        Self(Arc::default())
    }

    pub fn put(&self, value: T) {
        *self.0.lock().unwrap() = Some(value);
    }

    pub fn take(&self) -> T {
        self.0.lock().unwrap().take().expect("something was put here")
    }
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// A task that has opened a shield, given the guard away and suspended for ever; what is in `held` goes with its body.
pub fn shielded_for_ever<T: 'static>(
    held: T,
) -> (Runner<impl Future<Output = Result<(), Cancelled>>>, TaskHandle, ShieldScope) {
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let slot = slot.clone();
        async move {
            let _held = held;
            slot.put(shield_scope());
            pending().await
        }
    });
    let handle = task.handle();
    (Runner::new("the task", task).suspends(), handle, slot.take())
}
