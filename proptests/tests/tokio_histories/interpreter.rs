//! The language of the model on tokio, as far as `programs.rs` speaks it.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use shieldable::{
    CancelHandle, CancelScope, Lock, OwnedLockGuard, OwnedRLockGuard, RLock, ShieldScope, ShieldableTask, TaskHandle,
    TryLockError, Waiter, cancel_pending, checkpoint, is_shielded, shielded, try_shield_scope,
};
use shieldable_model::{FiberId, History, Kind, LaneId, LockId, Make, Op, OpId, Outcome, Program, Refusal, Ret};
use tokio::task::yield_now;

use crate::jostle::Jostle;
use crate::record::Record;

/// What the lanes of a run share.
struct World {
    program: Arc<Program>,
    record: Record,
    handles: Vec<OnceLock<CancelHandle>>,
    lock: Arc<Lock>,
    rlock: Arc<RLock>,
    waiter: Waiter,
    jostle: Option<Jostle>,
}

/// What a body holds, the newest last.
enum Held {
    Shield(#[expect(dead_code, reason = "held")] ShieldScope),
    Lock(#[expect(dead_code, reason = "held")] OwnedLockGuard),
    RLock(#[expect(dead_code, reason = "held")] OwnedRLockGuard),
}

/// Dropped newest first.
#[derive(Default)]
struct Locals(Vec<Held>);

impl Drop for Locals {
    fn drop(&mut self) {
        while self.0.pop().is_some() {}
    }
}

impl Locals {
    fn drop_newest(&mut self, which: impl Fn(&Held) -> bool) -> Ret {
        match self.0.iter().rposition(which) {
            Some(at) => {
                drop(self.0.remove(at));
                Ret::Unit
            }
            None => Ret::Absent,
        }
    }
}

/// A run of a program.
pub struct Run;

impl Run {
    /// Spawns everything on the current runtime and waits for all of it.
    pub async fn of(program: Arc<Program>, jostle: Option<Jostle>) -> History {
        let world = Arc::new(World {
            jostle,
            record: Record::new(program.lanes().len()),
            handles: program.fibers().map(|_| OnceLock::new()).collect(),
            lock: Arc::default(),
            rlock: Arc::default(),
            waiter: Waiter::new(),
            program,
        });
        let mut joins = Vec::new();
        let mut tasks = Vec::new();
        for lane in world.program.lanes() {
            let first = world.program.lane(lane).next().map(|op| (op, world.program.op(op)));
            if let Some((op, Op::Run(fiber, _))) = first {
                let task = ShieldableTask::new(fiber_body(world.clone(), lane, fiber));
                assert!(world.handles[fiber.index()].set(task.handle().into()).is_ok());
                tasks.push(Polled { world: world.clone(), lane, op, task: Box::pin(task) });
            }
        }
        // Handles are there before anybody asks.
        for task in tasks {
            joins.push(tokio::spawn(task));
        }
        for lane in world.program.lanes().skip(joins.len()) {
            joins.push(tokio::spawn(outside(world.clone(), lane)));
        }
        for join in joins {
            join.await.expect("no panic");
        }
        world.record.history()
    }
}

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A task in its lane, which sees each poll.
struct Polled {
    world: Arc<World>,
    lane: LaneId,
    op: OpId,
    task: Pin<Box<ShieldableTask<Body>>>,
}

impl Future for Polled {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let (lane, op) = (self.lane, self.op);
        self.world.begin();
        self.world.record.call(lane, op);
        self.world.dawdle();
        let polled = self.task.as_mut().poll(cx);
        let ret = match &polled {
            Poll::Pending => Ret::Pending,
            Poll::Ready(Ok(())) => Ret::Ready(Outcome::Value),
            Poll::Ready(Err(_)) => Ret::Ready(Outcome::Cancelled),
        };
        self.world.record.returned(lane, op, ret);
        polled.map(drop)
    }
}

async fn outside(world: Arc<World>, lane: LaneId) {
    let mut locals = Locals::default();
    for op in world.program.lane(lane) {
        world.begin();
        world.record.call(lane, op);
        world.dawdle();
        let ret = world.at_once(world.program.op(op), &mut locals);
        world.record.returned(lane, op, ret);
        yield_now().await;
    }
}

/// Runs the destructor of a body when it is dropped, after its locals.
struct OnDrop {
    world: Arc<World>,
    lane: LaneId,
    fiber: FiberId,
}

impl Drop for OnDrop {
    fn drop(&mut self) {
        let mut locals = Locals::default();
        for op in self.world.program.destructor(self.fiber) {
            let ret = self.world.at_once(self.world.program.op(op), &mut locals);
            self.world.record.returned(self.lane, op, ret);
        }
    }
}

/// A body, with a destructor that runs when it is dropped and not when it returns.
struct Body {
    inner: Boxed,
    _on_drop: OnDrop,
}

impl Future for Body {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.inner.as_mut().poll(cx)
    }
}

fn fiber_body(world: Arc<World>, lane: LaneId, fiber: FiberId) -> Body {
    let on_drop = OnDrop { world: world.clone(), lane, fiber };
    let inner = Box::pin(async move {
        let mut locals = Locals::default();
        for op in world.program.body(fiber) {
            world.dawdle();
            let ret = world.op(lane, op, &mut locals).await;
            world.record.returned(lane, op, ret);
        }
    });
    Body { inner, _on_drop: on_drop }
}

impl World {
    fn begin(&self) {
        if let Some(jostle) = &self.jostle {
            jostle.begin();
        }
    }

    fn dawdle(&self) {
        if let Some(jostle) = &self.jostle {
            jostle.dawdle();
        }
    }

    async fn op(self: &Arc<Self>, lane: LaneId, id: OpId, locals: &mut Locals) -> Ret {
        let ready = Ret::Ready(Outcome::Value);
        match self.program.op(id) {
            Op::Yield => {
                // Tokio's own puts the task behind the others, also on a current thread.
                yield_now().await;
                Ret::Unit
            }
            Op::Checkpoint => {
                checkpoint().await;
                Ret::Unit
            }
            Op::Await(Make::Lock(lock)) => {
                locals.0.push(if lock.is_reentrant() {
                    Held::RLock(self.rlock.clone().lock_owned().await)
                } else {
                    Held::Lock(self.lock.clone().lock_owned().await)
                });
                ready
            }
            Op::Await(Make::Wait(_)) => {
                self.waiter.wait().await;
                ready
            }
            Op::Await(Make::Fiber(fiber)) => {
                let body = fiber_body(self.clone(), lane, fiber);
                if self.program.kind(fiber) == Kind::Shielded {
                    shielded(body).await;
                    return ready;
                }
                let scope = CancelScope::new(body);
                assert!(self.handles[fiber.index()].set(scope.handle()).is_ok());
                if scope.await.is_ok() { ready } else { Ret::Ready(Outcome::Cancelled) }
            }
            op => self.at_once(op, locals),
        }
    }

    fn at_once(&self, op: Op, locals: &mut Locals) -> Ret {
        match op {
            Op::Enter => match try_shield_scope() {
                Ok(shield) => {
                    locals.0.push(Held::Shield(shield));
                    Ret::Unit
                }
                Err(_) => Ret::Refused(Refusal::NoScope),
            },
            Op::Exit => locals.drop_newest(|held| matches!(held, Held::Shield(_))),
            Op::TryLock(lock) => {
                let taken = if lock.is_reentrant() {
                    self.rlock.clone().try_lock_owned().map(Held::RLock)
                } else {
                    self.lock.clone().try_lock_owned().map(Held::Lock)
                };
                match taken {
                    Ok(held) => {
                        locals.0.push(held);
                        Ret::Unit
                    }
                    Err(TryLockError::NoCurrentTask) => Ret::Refused(Refusal::NoTask),
                    Err(_) => Ret::Refused(Refusal::WouldBlock),
                }
            }
            Op::Unlock(LockId(0)) => locals.drop_newest(|held| matches!(held, Held::Lock(_))),
            Op::Unlock(_) => locals.drop_newest(|held| matches!(held, Held::RLock(_))),
            Op::Notify(_) => {
                self.waiter.notify();
                Ret::Unit
            }
            Op::Cancel(fiber) => self.ask(fiber, |handle| Ret::Flag(handle.cancel())),
            Op::Uncancel(fiber) => self.ask(fiber, |handle| Ret::Count(handle.uncancel() as u8)),
            Op::Cancelling(fiber) => self.ask(fiber, |handle| Ret::Count(handle.cancelling() as u8)),
            Op::IsFinished(fiber) => self.ask(fiber, |handle| Ret::Flag(handle.is_finished())),
            Op::HandleIsShielded(fiber) => self.ask(fiber, |handle| Ret::Flag(handle.is_shielded())),
            Op::IsShielded => Ret::Flag(is_shielded()),
            Op::CancelPending => Ret::Flag(cancel_pending()),
            Op::CurrentTask => {
                let me = TaskHandle::try_current().map(CancelHandle::from);
                let is_me = |fiber: &FiberId| me.is_some() && self.handles[fiber.index()].get() == me.as_ref();
                self.program.fibers().find(is_me).map_or(Ret::Absent, Ret::Task)
            }
            Op::IsLocked(lock) if lock.is_reentrant() => Ret::Flag(self.rlock.is_locked()),
            Op::IsLocked(_) => Ret::Flag(self.lock.is_locked()),
            Op::IsHeld(_) => Ret::Flag(self.rlock.is_held_by_current()),
            op => unreachable!("{op:?} is not spoken here"),
        }
    }

    fn ask(&self, fiber: FiberId, question: impl FnOnce(&CancelHandle) -> Ret) -> Ret {
        self.handles[fiber.index()].get().map_or(Ret::Absent, question)
    }
}
