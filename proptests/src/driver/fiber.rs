//! A body in its wrapper.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use shieldable_model::{FiberId, Kind, Outcome};

use super::body::Body;
use super::world::{Handle, World};
use crate::subject::{CancelScope, ShieldableTask, Shielded, Timeout, shielded, timeout_with};

pub(super) struct Fiber {
    wrapper: Wrapper,
    /// It has ended or panicked.
    is_over: bool,
}

enum Wrapper {
    Task(ShieldableTask<Body>),
    Scope(CancelScope<Body>),
    Timeout(Timeout<Body, Timer>),
    Shielded(Shielded<Body>),
    Plain(Option<Body>),
}

impl Fiber {
    /// With its handle, if its kind has one.
    pub(super) fn new(world: &Arc<World>, fiber: FiberId) -> (Pin<Box<Self>>, Option<Handle>) {
        let body = Body::new(world.clone(), fiber);
        let (wrapper, handle) = match world.program().kind(fiber) {
            Kind::Task => {
                let task = ShieldableTask::new(body);
                let handle = Handle::of_task(task.handle());
                (Wrapper::Task(task), Some(handle))
            }
            Kind::Scope => {
                let scope = CancelScope::new(body);
                let handle = Handle::of_scope(scope.handle());
                (Wrapper::Scope(scope), Some(handle))
            }
            Kind::Timeout => {
                (Wrapper::Timeout(timeout_with(Timer { world: world.clone(), fiber, is_over: false }, body)), None)
            }
            Kind::Shielded => (Wrapper::Shielded(shielded(body)), None),
            Kind::Plain | Kind::Lane => (Wrapper::Plain(Some(body)), None),
        };
        (Box::pin(Self { wrapper, is_over: false }), handle)
    }

    /// One that a body creates; from now on others find its handle.
    pub(super) fn inline(world: &Arc<World>, fiber: FiberId) -> Pin<Box<Self>> {
        let (wrapped, handle) = Self::new(world, fiber);
        if handle.is_some() {
            *world.place(fiber).inline_handle.lock() = handle;
        }
        wrapped
    }

    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        // Every wrapper is `Unpin` because bodies are: what must not move is in boxes of its own.
        let this = self.get_mut();
        if this.is_over {
            return this.wrapper.poll_after_its_end(cx);
        }
        // Also if it panics.
        this.is_over = true;
        let polled = this.wrapper.poll(cx);
        this.is_over = polled.is_ready();
        polled
    }
}

impl Wrapper {
    /// It refuses, in words of its own, and goes on to panic without any, as the program does. If the body panics
    /// instead, or anything else does, that is not it.
    fn poll_after_its_end(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        let words = match self {
            Self::Task(_) | Self::Scope(_) | Self::Timeout(_) => "shieldable: a task or scope was polled after",
            Self::Shielded(_) | Self::Plain(_) => "polled after",
        };
        catch_unwind(AssertUnwindSafe(|| self.poll(cx))).unwrap_or_else(|panic| {
            let refused = said(&*panic).is_some_and(|said| said.contains(words));
            resume_unwind(if refused { Box::new(()) } else { Box::new("not what a poll after the end says") })
        })
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        match self {
            Self::Task(task) => Pin::new(task).poll(cx).map(|result| result.map_or(Outcome::Cancelled, value)),
            Self::Scope(scope) => Pin::new(scope).poll(cx).map(|result| result.map_or(Outcome::Cancelled, value)),
            Self::Timeout(timeout) => Pin::new(timeout).poll(cx).map(|result| result.map_or(Outcome::Elapsed, value)),
            Self::Shielded(shielded) => Pin::new(shielded).poll(cx).map(value),
            Self::Plain(body) => {
                let Some(polled) = body.as_mut().map(|body| Pin::new(body).poll(cx)) else {
                    panic!("a plain future was polled after it was ready");
                };
                if polled.is_ready() {
                    *body = None;
                }
                polled.map(value)
            }
        }
    }
}

/// The text of a panic.
pub(super) fn said(panic: &(dyn Any + Send)) -> Option<&str> {
    panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref().copied())
}

fn value((): ()) -> Outcome {
    Outcome::Value
}

/// A timer that is ready when the program says so.
pub(super) struct Timer {
    world: Arc<World>,
    fiber: FiberId,
    is_over: bool,
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        assert!(!this.is_over, "a timer was polled after it was ready");
        let mut clock = this.world.place(this.fiber).clock.lock();
        if clock.passed {
            this.is_over = true;
            return Poll::Ready(());
        }
        clock.armed = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let armed = self.world.place(self.fiber).clock.lock().armed.take();
        drop(armed);
    }
}
