//! The operations that never suspend: those that lanes and destructors may do as well as bodies.

use std::task::Context;

use shieldable_model::{FiberId, LockId, Op, Refusal, Ret};

use super::held::{Awaited, CancelOnDrop, Guard, Held};
use super::world::World;
use crate::subject::{NoCurrentScope, TaskHandle, TryLockError, cancel_pending, is_shielded, try_shield_scope};

/// Whoever holds things: a body or a lane. The newest last.
#[derive(Default)]
pub(super) struct Locals(Vec<Held>);

impl Locals {
    pub(super) fn push(&mut self, held: Held) {
        self.0.push(held);
    }

    pub(super) fn pop(&mut self) -> Option<Held> {
        self.0.pop()
    }

    /// Takes the newest one of that sort.
    fn take(&mut self, which: impl Fn(&Held) -> bool) -> Option<Held> {
        let at = self.0.iter().rposition(which)?;
        Some(self.0.remove(at))
    }

    pub(super) fn newest_future(&mut self) -> Option<&mut Awaited> {
        self.0.iter_mut().rev().find_map(|held| match held {
            Held::Future(future) => Some(future),
            _ => None,
        })
    }

    pub(super) fn take_newest_future(&mut self) -> Option<Awaited> {
        match self.take(|held| matches!(held, Held::Future(_)))? {
            Held::Future(future) => Some(future),
            _ => None,
        }
    }
}

/// Does one operation. Bodies poll others with their own context. A panic of what it does goes on.
pub(super) fn act(world: &World, locals: &mut Locals, op: Op, cx: Option<&mut Context<'_>>) -> Ret {
    match op {
        Op::Enter => match try_shield_scope() {
            Ok(shield) => {
                locals.push(Held::Shield(shield));
                Ret::Unit
            }
            Err(NoCurrentScope { .. }) => Ret::Refused(Refusal::NoScope),
        },
        Op::Exit => dropped(locals.take(|held| matches!(held, Held::Shield(_)))),
        Op::TryLock(lock) => match try_lock(world, lock) {
            Ok(guard) => {
                locals.push(Held::Guard(lock, guard));
                Ret::Unit
            }
            Err(TryLockError::NoCurrentTask) => Ret::Refused(Refusal::NoTask),
            Err(_) => Ret::Refused(Refusal::WouldBlock),
        },
        Op::Unlock(lock) => dropped(locals.take(|held| matches!(held, Held::Guard(l, _) if *l == lock))),
        Op::CancelOnDrop(fiber) => {
            let task = world.task_handle(fiber).expect("tasks at the top have handles");
            locals.push(Held::CancelOnDrop(CancelOnDrop(task)));
            Ret::Unit
        }
        Op::DropLocal => dropped(locals.pop()),
        Op::Put(slot) => {
            let Some(held) = locals.pop() else { return Ret::Absent };
            let former = world.slot(slot).lock().replace(held);
            drop(former);
            Ret::Unit
        }
        Op::Take(slot) => {
            let Some(held) = world.slot(slot).lock().take() else { return Ret::Absent };
            locals.push(held);
            Ret::Unit
        }
        Op::DropSlot(slot) => {
            let held = world.slot(slot).lock().take();
            dropped(held)
        }

        Op::Cancel(fiber) => of_handle(world.with_handle(fiber, |handle| Ret::Flag(handle.cancel()))),
        Op::Uncancel(fiber) => of_handle(world.with_handle(fiber, |handle| count(handle.uncancel()))),
        Op::Notify(waiter) => {
            world.waiter(waiter).notify();
            Ret::Unit
        }
        Op::Poll(fiber, version) | Op::Run(fiber, version) => {
            let runs = matches!(op, Op::Run(..));
            match cx {
                Some(cx) => world.poll_top(fiber, runs, cx),
                None if world.panics_for_ever(fiber) => Ret::Panicked,
                None => world.poll_top(fiber, runs, &mut Context::from_waker(world.waker(fiber, version))),
            }
        }
        Op::Drop(fiber) => world.drop_top(fiber),
        Op::Deadline(fiber) => {
            let armed = {
                let mut clock = world.place(fiber).clock.lock();
                clock.passed = true;
                clock.armed.take()
            };
            if let Some(armed) = armed {
                armed.wake();
            }
            Ret::Unit
        }
        Op::Panic if std::thread::panicking() => Ret::Absent,
        // Not `panic!`: nothing is to be printed.
        Op::Panic => std::panic::resume_unwind(Box::new(())),

        Op::Cancelling(fiber) => of_handle(world.with_handle(fiber, |handle| count(handle.cancelling()))),
        Op::IsFinished(fiber) => of_handle(world.with_handle(fiber, |handle| Ret::Flag(handle.is_finished()))),
        Op::HandleIsShielded(fiber) => of_handle(world.with_handle(fiber, |handle| Ret::Flag(handle.is_shielded()))),
        Op::WasTorn(fiber) => of_handle(world.with_handle(fiber, |handle| Ret::Flag(handle.was_torn()))),
        Op::IsShielded => Ret::Flag(is_shielded()),
        Op::CancelPending => Ret::Flag(cancel_pending()),
        Op::CurrentTask => match TaskHandle::try_current() {
            Some(task) => Ret::Task(world.task_of(&task).unwrap_or(FiberId(u8::MAX))),
            None => Ret::Absent,
        },
        Op::IsLocked(lock) => Ret::Flag(world.is_locked(lock)),
        Op::IsHeld(lock) => Ret::Flag(world.rlock(lock).is_held_by_current()),

        Op::Suspend | Op::Yield | Op::Checkpoint | Op::Await(_) | Op::Let(_) | Op::PollLocal | Op::Resume => {
            unreachable!("bodies do this themselves")
        }
    }
}

fn try_lock(world: &World, lock: LockId) -> Result<Guard, TryLockError> {
    if lock.is_reentrant() {
        world.rlock(lock).clone().try_lock_owned().map(Guard::Reentrant)
    } else {
        world.lock(lock).clone().try_lock_owned().map(Guard::Plain)
    }
}

/// Drops what was found.
fn dropped(held: Option<Held>) -> Ret {
    match held {
        Some(held) => {
            drop(held);
            Ret::Unit
        }
        None => Ret::Absent,
    }
}

fn of_handle(ret: Option<Ret>) -> Ret {
    ret.unwrap_or(Ret::Absent)
}

fn count(count: usize) -> Ret {
    Ret::Count(u8::try_from(count).unwrap_or(u8::MAX))
}
