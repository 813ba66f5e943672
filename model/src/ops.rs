//! What each operation does.

use crate::clause::Clause;
use crate::fault::Fault;
use crate::machine::{Machine, Micro};
use crate::node::Asked;
use crate::program::{FiberId, Kind, Make, Op, OpId};
use crate::ret::{Outcome, Refusal, Ret};
use crate::state::{At, Code, Item, Phase, Stage, Timer};

/// How far an operation came.
pub(crate) enum Exec {
    Silent,
    Visible,
    /// It returned; the next one is to follow.
    Return(Ret),
    Pending,
    Panic,
}

impl Machine<'_> {
    /// Does the next part of the operation that the owner (a body, a destructor or a lane) has come to.
    pub(crate) fn exec(&mut self, owner: FiberId) -> Exec {
        if let Some(told) = self.told.take() {
            return Exec::Return(told);
        }
        let it = self.state.fiber(owner);
        let at = it.at;
        let id = OpId(it.pc);
        match self.program.op(id) {
            Op::Suspend => self.suspend(owner),
            Op::Yield => {
                if at == At::Fresh {
                    self.wake(self.lane_state().waker);
                }
                self.suspend(owner)
            }
            Op::Checkpoint => self.checkpoint(owner),
            Op::Await(make) if at == At::Fresh => {
                let item = self.make(id, make);
                let it = self.it(owner);
                it.current = item;
                it.at = At::Asking;
                Exec::Visible
            }
            Op::Resume if at == At::Fresh => match self.newest_future(owner) {
                Some(index) => {
                    let it = self.it(owner);
                    it.current = it.locals.remove(index);
                    it.at = At::Asking;
                    Exec::Silent
                }
                None => Exec::Return(Ret::Absent),
            },
            Op::Await(_) | Op::Resume => self.ask_current(owner),
            Op::Let(make) => {
                let item = self.make(id, make);
                self.it(owner).locals.push(item);
                Exec::Return(Ret::Unit)
            }
            Op::PollLocal => self.poll_local(owner),

            Op::Enter => match self.innermost_scope() {
                Some(scope) => {
                    self.mark_enter(scope);
                    self.open_shield(scope);
                    self.it(owner).locals.push(Item::Shield(scope));
                    Exec::Return(Ret::Unit)
                }
                None => {
                    self.mark(Clause::Shd10);
                    Exec::Return(Ret::Refused(Refusal::NoScope))
                }
            },
            Op::Exit => self.drop_local(owner, |item| matches!(item, Item::Shield(_))),
            Op::TryLock(lock) => {
                let taken = self.try_lock(lock);
                if taken == Ret::Unit {
                    self.it(owner).locals.push(Item::Guard(lock));
                }
                Exec::Return(taken)
            }
            Op::Unlock(lock) => self.drop_local(owner, |item| item == Item::Guard(lock)),
            Op::CancelOnDrop(fiber) => {
                self.it(owner).locals.push(Item::CancelOnDrop(fiber));
                Exec::Return(Ret::Unit)
            }
            Op::DropLocal => self.drop_local(owner, |_| true),
            Op::Put(slot) => {
                if at != At::Fresh {
                    return self.drop_in_hand(owner);
                }
                let Some(item) = self.it(owner).locals.pop() else {
                    return Exec::Return(Ret::Absent);
                };
                match std::mem::replace(&mut self.state.slots[slot.index()], item) {
                    Item::None => Exec::Return(Ret::Unit),
                    old => self.take_in_hand(owner, old),
                }
            }
            Op::Take(slot) => match std::mem::take(&mut self.state.slots[slot.index()]) {
                Item::None => Exec::Return(Ret::Absent),
                item => {
                    self.it(owner).locals.push(item);
                    Exec::Return(Ret::Unit)
                }
            },
            Op::DropSlot(slot) => {
                if at != At::Fresh {
                    return self.drop_in_hand(owner);
                }
                match std::mem::take(&mut self.state.slots[slot.index()]) {
                    Item::None => Exec::Return(Ret::Absent),
                    item => self.take_in_hand(owner, item),
                }
            }

            Op::Cancel(fiber) => Exec::Return(self.cancel(fiber)),
            Op::Uncancel(fiber) => Exec::Return(self.uncancel(fiber)),
            Op::Notify(waiter) => {
                self.notify(waiter);
                Exec::Return(Ret::Unit)
            }
            Op::Poll(fiber, version) | Op::Run(fiber, version) => self.poll_top(owner, fiber, version),
            Op::Drop(fiber) => {
                if at == At::Called {
                    return self.dropped();
                }
                let it = self.it(fiber);
                if !it.present || it.busy {
                    return Exec::Return(Ret::Absent);
                }
                it.present = false;
                self.it(owner).at = At::Called;
                self.enter(fiber, Stage::Drop);
                Exec::Visible
            }
            Op::Deadline(fiber) => {
                let it = self.it(fiber);
                let armed = match it.timer {
                    Timer::Armed(waker) => waker,
                    _ => Code::NONE,
                };
                if matches!(it.phase, Phase::Unborn | Phase::Live) && it.timer != Timer::Spent {
                    it.timer = Timer::Passed;
                    if !self.broken(Fault::DeadlineDoesNotWake) {
                        self.wake(armed);
                    }
                }
                Exec::Return(Ret::Unit)
            }
            Op::Panic if self.lane_state().panicking => Exec::Return(Ret::Absent),
            Op::Panic => Exec::Panic,

            Op::Cancelling(fiber) => {
                self.mark(Clause::Hdl7);
                let it = self.state.fiber(fiber);
                let frozen = it.phase != Phase::Live;
                let count = it.requests;
                self.mark_if(frozen && count > 0, Clause::Hdl6);
                Exec::Return(self.of_handle(fiber, Ret::Count(count)))
            }
            Op::IsFinished(fiber) => {
                self.mark(Clause::Hdl8);
                Exec::Return(self.of_handle(fiber, Ret::Flag(self.state.is_finished(fiber))))
            }
            Op::HandleIsShielded(fiber) => {
                self.mark(Clause::Hdl9);
                Exec::Return(self.of_handle(fiber, Ret::Flag(self.state.is_shielded(fiber))))
            }
            Op::WasTorn(fiber) => {
                self.mark(Clause::Scp10);
                Exec::Return(self.of_handle(fiber, Ret::Flag(self.state.was_torn(fiber))))
            }
            Op::IsShielded => match self.walk_shielded() {
                Some(answer) => Exec::Return(Ret::Flag(answer)),
                None => Exec::Visible,
            },
            Op::CancelPending => match self.walk_pending() {
                Some(answer) => Exec::Return(Ret::Flag(answer)),
                None => Exec::Visible,
            },
            Op::CurrentTask => {
                self.mark(Clause::Tsk3);
                self.mark(Clause::Scp2);
                Exec::Return(self.current_task().map_or(Ret::Absent, Ret::Task))
            }
            Op::IsLocked(lock) => Exec::Return(Ret::Flag(self.state.is_locked(lock))),
            Op::IsHeld(lock) => {
                self.mark(Clause::Rlk11);
                let task = self.current_task();
                let owner = self.state.locks[lock.index()].owner;
                Exec::Return(Ret::Flag(task.is_some() && task == owner))
            }
        }
    }

    fn suspend(&mut self, owner: FiberId) -> Exec {
        let it = self.it(owner);
        if it.at == At::Fresh {
            it.at = At::Waiting;
            return Exec::Pending;
        }
        Exec::Return(Ret::Unit)
    }

    fn checkpoint(&mut self, owner: FiberId) -> Exec {
        if self.state.fiber(owner).at == At::Waiting {
            return Exec::Return(Ret::Unit);
        }
        match self.walk_pending() {
            None => Exec::Visible,
            Some(false) => {
                self.mark(Clause::Chk3);
                Exec::Return(Ret::Unit)
            }
            Some(true) => {
                self.mark(Clause::Chk2);
                if !self.broken(Fault::CheckpointDoesNotWake) {
                    self.wake(self.lane_state().waker);
                }
                self.it(owner).at = At::Waiting;
                Exec::Pending
            }
        }
    }

    // Futures.

    fn make(&mut self, op: OpId, make: Make) -> Item {
        match make {
            Make::Fiber(fiber) => {
                let it = self.it(fiber);
                it.phase = Phase::Live;
                let is_task = self.kind(fiber) == Kind::Task;
                self.mark_if(is_task, Clause::Tsk4);
                Item::Fiber(fiber)
            }
            Make::Lock(_) | Make::Wait(_) | Make::Join(_) => {
                let node = self.program.node(op);
                self.create_node(node);
                Item::Node(node)
            }
        }
    }

    fn newest_future(&self, owner: FiberId) -> Option<usize> {
        self.state.fiber(owner).locals.iter().rposition(|item| item.is_future())
    }

    fn ask_current(&mut self, owner: FiberId) -> Exec {
        let it = self.state.fiber(owner);
        if it.at == At::Called {
            let answer = self.lane_state().answer;
            let it = self.it(owner);
            if answer == Ret::Pending {
                it.at = At::Waiting;
                return Exec::Pending;
            }
            it.current = Item::None;
            self.mark_inner_result(answer);
            return Exec::Return(answer);
        }
        match it.current {
            Item::Fiber(fiber) => {
                self.it(owner).at = At::Called;
                self.enter(fiber, Stage::Start);
                Exec::Silent
            }
            Item::Node(node) => match self.ask(node) {
                Asked::Pending => {
                    self.it(owner).at = At::Waiting;
                    Exec::Pending
                }
                Asked::Again => Exec::Visible,
                Asked::Panic => Exec::Panic,
                Asked::Ready(outcome, item) => {
                    let it = self.it(owner);
                    it.current = Item::None;
                    if item != Item::None {
                        it.locals.push(item);
                    }
                    Exec::Return(Ret::Ready(outcome))
                }
            },
            _ => unreachable!("only futures are awaited"),
        }
    }

    fn poll_local(&mut self, owner: FiberId) -> Exec {
        let Some(index) = self.newest_future(owner) else {
            return Exec::Return(Ret::Absent);
        };
        if self.state.fiber(owner).at == At::Called {
            let answer = self.lane_state().answer;
            if answer != Ret::Pending {
                self.it(owner).locals.remove(index);
            }
            return Exec::Return(answer);
        }
        match self.state.fiber(owner).locals[index] {
            Item::Fiber(fiber) => {
                self.it(owner).at = At::Called;
                self.enter(fiber, Stage::Start);
                Exec::Silent
            }
            Item::Node(node) => match self.ask(node) {
                Asked::Pending => Exec::Return(Ret::Pending),
                Asked::Again => Exec::Visible,
                Asked::Panic => Exec::Panic,
                Asked::Ready(outcome, item) => {
                    let it = self.it(owner);
                    it.locals.remove(index);
                    if item != Item::None {
                        it.locals.push(item);
                    }
                    Exec::Return(Ret::Ready(outcome))
                }
            },
            _ => unreachable!("the newest future is a future"),
        }
    }

    fn poll_top(&mut self, owner: FiberId, fiber: FiberId, version: u8) -> Exec {
        if self.state.fiber(owner).at == At::Called {
            return Exec::Return(self.lane_state().answer);
        }
        let by_lane = self.kind(owner) == Kind::Lane;
        let it = self.it(fiber);
        if !it.present || it.busy {
            return Exec::Return(Ret::Absent);
        }
        if by_lane {
            it.woken = false;
            it.version = version;
            self.lane_mut().waker = Code::new(fiber, version);
        }
        self.it(owner).at = At::Called;
        self.enter(fiber, Stage::Start);
        Exec::Visible
    }

    // Drops.

    /// Drops something; a fiber takes more micro steps.
    pub(crate) fn drop_item(&mut self, item: Item) -> Micro {
        match item {
            Item::None => return Micro::Silent,
            Item::Shield(scope) => self.close_shield(scope),
            Item::Guard(lock) => {
                self.mark(Clause::Lck10);
                self.release(lock);
            }
            Item::CancelOnDrop(fiber) => {
                self.mark(Clause::Tsk7);
                self.cancel(fiber);
            }
            Item::Node(node) => self.drop_node(node),
            Item::Fiber(fiber) => self.enter(fiber, Stage::Drop),
        }
        Micro::Visible
    }

    fn drop_local(&mut self, owner: FiberId, which: impl Fn(Item) -> bool) -> Exec {
        let it = self.it(owner);
        if it.at == At::Called {
            return self.dropped();
        }
        let Some(index) = it.locals.iter().rposition(|item| which(*item)) else {
            return Exec::Return(Ret::Absent);
        };
        let item = it.locals.remove(index);
        self.drop_or_call(owner, item)
    }

    fn drop_or_call(&mut self, owner: FiberId, item: Item) -> Exec {
        self.drop_item(item);
        if matches!(item, Item::Fiber(_)) {
            self.it(owner).at = At::Called;
            return Exec::Visible;
        }
        Exec::Return(Ret::Unit)
    }

    /// What came out of a slot is dropped in a step of its own: others find the slot as it is now before that.
    fn take_in_hand(&mut self, owner: FiberId, item: Item) -> Exec {
        let it = self.it(owner);
        it.current = item;
        it.at = At::Asking;
        Exec::Visible
    }

    fn drop_in_hand(&mut self, owner: FiberId) -> Exec {
        let it = self.it(owner);
        if it.at == At::Called {
            return self.dropped();
        }
        let item = std::mem::take(&mut it.current);
        self.drop_or_call(owner, item)
    }

    /// The drop that was called is over. If it panicked, a lane says so; a body unwinds and does not come here.
    fn dropped(&mut self) -> Exec {
        Exec::Return(self.lane_state().answer)
    }

    fn of_handle(&self, fiber: FiberId, ret: Ret) -> Ret {
        match self.state.phase(fiber) {
            Phase::Unborn => Ret::Absent,
            _ => ret,
        }
    }

    fn mark_inner_result(&mut self, answer: Ret) {
        self.mark_if(answer == Ret::Ready(Outcome::Elapsed), Clause::Nst1);
        self.mark_if(answer == Ret::Ready(Outcome::Cancelled), Clause::Nst1);
    }
}
