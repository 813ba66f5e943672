//! The interpreter of a body: a future that does one operation after the other.
//!
//! What a compiler makes of an async block is imitated: when a poll unwinds, what is awaited and the locals are dropped
//! in it, the newest first; when the body is dropped, the same, then its destructor runs.

use std::future::Future;
use std::mem;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use shieldable_model::{FiberId, Op, OpId, Outcome, Ret};

use super::acts::{Locals, act};
use super::held::{Awaited, Held};
use super::world::World;
use crate::subject::{Checkpoint, checkpoint};

pub(super) struct Body {
    world: Arc<World>,
    fiber: FiberId,
    /// The operation that is next, or not over yet.
    pc: u8,
    /// One past the last operation of the body.
    end: u8,
    /// One past the last operation of the destructor.
    destructor_end: u8,
    at: At,
    locals: Locals,
    poisoned: bool,
}

/// How far the operation at `pc` is.
enum At {
    Fresh,
    Suspended,
    Checkpoint(Checkpoint),
    Awaiting(Awaited),
}

fn range(mut ops: impl DoubleEndedIterator<Item = OpId>) -> Option<Range<u8>> {
    let first = ops.next()?.0;
    Some(first..ops.next_back().map_or(first, |last| last.0) + 1)
}

impl Body {
    pub(super) fn new(world: Arc<World>, fiber: FiberId) -> Self {
        let program = world.program();
        let destructor = range(program.destructor(fiber)).unwrap_or_default();
        let body = range(program.body(fiber)).unwrap_or(destructor.start..destructor.start);
        let (pc, end) = (body.start, body.end);
        let destructor_end = end + destructor.len() as u8;
        Self { fiber, pc, end, destructor_end, at: At::Fresh, locals: Locals::default(), poisoned: false, world }
    }

    fn run(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.pc < self.end {
            let op = OpId(self.pc);
            let ret = std::task::ready!(self.step(self.world.program().op(op), cx));
            self.pc += 1;
            self.world.returned(op, ret);
        }
        while let Some(local) = self.locals.pop() {
            drop(local);
        }
        self.world.body_returned(self.fiber);
        Poll::Ready(())
    }

    fn step(&mut self, op: Op, cx: &mut Context<'_>) -> Poll<Ret> {
        match op {
            Op::Suspend => self.suspend(|| ()),
            Op::Yield => self.suspend(|| cx.waker().wake_by_ref()),
            Op::Checkpoint => {
                if !matches!(self.at, At::Checkpoint(_)) {
                    self.at = At::Checkpoint(checkpoint());
                }
                let At::Checkpoint(checkpoint) = &mut self.at else { unreachable!("it was just made one") };
                std::task::ready!(Pin::new(checkpoint).poll(cx));
                self.at = At::Fresh;
                Poll::Ready(Ret::Unit)
            }
            Op::Await(make) => {
                if matches!(self.at, At::Fresh) {
                    self.at = At::Awaiting(Awaited::make(&self.world, make));
                }
                self.ask(cx)
            }
            Op::Resume => {
                if matches!(self.at, At::Fresh) {
                    match self.locals.take_newest_future() {
                        Some(future) => self.at = At::Awaiting(future),
                        None => return Poll::Ready(Ret::Absent),
                    }
                }
                self.ask(cx)
            }
            Op::Let(make) => {
                self.locals.push(Held::Future(Awaited::make(&self.world, make)));
                Poll::Ready(Ret::Unit)
            }
            Op::PollLocal => {
                let Some(future) = self.locals.newest_future() else { return Poll::Ready(Ret::Absent) };
                let Poll::Ready((outcome, held)) = future.poll(cx) else { return Poll::Ready(Ret::Pending) };
                drop(self.locals.take_newest_future());
                Poll::Ready(self.ready(outcome, held))
            }
            op => Poll::Ready(act(&self.world, &mut self.locals, op, Some(cx))),
        }
    }

    fn suspend(&mut self, before: impl FnOnce()) -> Poll<Ret> {
        match mem::replace(&mut self.at, At::Suspended) {
            At::Suspended => {
                self.at = At::Fresh;
                Poll::Ready(Ret::Unit)
            }
            _ => {
                before();
                Poll::Pending
            }
        }
    }

    fn ask(&mut self, cx: &mut Context<'_>) -> Poll<Ret> {
        let At::Awaiting(future) = &mut self.at else { unreachable!("what is asked is awaited") };
        let (outcome, held) = std::task::ready!(future.poll(cx));
        self.at = At::Fresh;
        Poll::Ready(self.ready(outcome, held))
    }

    fn ready(&mut self, outcome: Outcome, held: Option<Held>) -> Ret {
        if let Some(held) = held {
            if let Held::Guard(lock, _) = &held {
                let owned = !lock.is_reentrant() || self.world.rlock(*lock).is_held_by_current();
                assert!(owned, "the task that entered {lock} does not own it");
            }
            self.locals.push(held);
        }
        Ret::Ready(outcome)
    }

    /// Drops what is awaited, then the locals from the newest to the oldest; the others too if one of them panics.
    fn drop_held(&mut self) {
        struct Others<'a>(&'a mut Body);
        impl Drop for Others<'_> {
            fn drop(&mut self) {
                while let Some(local) = self.0.locals.pop() {
                    drop(local);
                }
            }
        }
        let others = Others(self);
        others.0.at = At::Fresh;
        while let Some(local) = others.0.locals.pop() {
            drop(local);
        }
    }

    fn run_destructor(&mut self) {
        for op in self.end..self.destructor_end {
            let op = OpId(op);
            let ret = act(&self.world, &mut self.locals, self.world.program().op(op), None);
            self.world.returned(op, ret);
        }
    }
}

impl Future for Body {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        struct Unwinding<'a>(&'a mut Body);
        impl Drop for Unwinding<'_> {
            fn drop(&mut self) {
                self.0.poisoned = true;
                self.0.drop_held();
            }
        }
        assert!(!self.poisoned, "a body was polled after it had panicked");
        let unwinding = Unwinding(self.get_mut());
        let polled = unwinding.0.run(cx);
        mem::forget(unwinding);
        polled
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        // Each part also runs if the one before panics.
        struct Destructor<'a>(&'a mut Body);
        struct Leftovers<'a>(&'a mut Body);
        impl Drop for Destructor<'_> {
            fn drop(&mut self) {
                let leftovers = Leftovers(self.0);
                leftovers.0.run_destructor();
            }
        }
        impl Drop for Leftovers<'_> {
            fn drop(&mut self) {
                self.0.drop_held();
            }
        }
        let destructor = Destructor(self);
        destructor.0.drop_held();
    }
}
