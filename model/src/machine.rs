//! The step function: calls of a lane, and how a body is polled, ended and dropped.
//!
//! A lane has a stack of calls: the lane itself, then each fiber that it is polling or dropping. [`Machine::micro`]
//! does the next thing that the innermost call has to do. What one micro step does is atomic for the other lanes; it is
//! what the implementation decides in one atomic operation, or under one internal lock.
//!
//! The order of things in a poll (DLV, NST-5, TMO-1):
//!
//! | stage | what it does | next |
//! |---|---|---|
//! | `Start` | let go of the outer scope's shield | `Check` |
//! | `Check` | deliver, if deliverable | `End` or `Body` |
//! | `Body` | one operation of the body | `Body`; `Timer` when pending; `End` at its end; `Unwind` |
//! | `Timer` | a timeout looks at its deadline | `Register` |
//! | `Register` | let go of the former waker; remember the new one | `Register`; `Deliver` |
//! | `Deliver` | deliver, if deliverable | `End` or `Park` |
//! | `Park` | shielded: take a shield of the scope around | return `Pending`, or `Leave` |
//! | `Unwind` | drop what is awaited and the locals | panic, or `Leave` |
//! | `End` | drop what is awaited and the locals | `Destructor` |
//! | `Destructor` | one operation of the destructor | `Destructor`, `Done` |
//! | `Done` | guards left behind: take a shield of the scope around | `Seal` |
//! | `Seal` | done; that shield is the guards', or closed if the last of them was closed meanwhile | return, `Leave`, or `Unpark` |
//! | `Leave` | a top fiber lies in its place again, its join handle knows | return |
//!
//! A drop is `Drop` (live to ending), `End`, `Destructor`, `Done`, `Seal`, `Unpark` (let go of the outer scope's
//! shield), and `Leave` for a top fiber.

use crate::clause::Clause;
use crate::fault::Fault;
use crate::ops::Exec;
use crate::program::{FiberId, Kind, LaneId, OpId, Program};
use crate::ret::{Outcome, Ret};
use crate::state::{At, Call, Code, FiberState, Item, LaneState, Phase, Stage, State, Timer};
use crate::trace::Trace;

/// What a micro step was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Micro {
    /// Nothing that another lane could notice.
    Silent,
    /// Something that another lane could notice.
    Visible,
    /// An operation returned.
    Returned(OpId, Ret),
}

/// One lane of a state about to move.
pub(crate) struct Machine<'a> {
    pub(crate) program: &'a Program,
    pub(crate) fault: Option<Fault>,
    pub(crate) state: &'a mut State,
    pub(crate) trace: &'a mut Trace,
    pub(crate) lane: LaneId,
    /// Which of the allowed successors, see [`Machine::choices`].
    pub(crate) choice: u8,
    /// What the operation that is next is to return, without doing anything; where a poll decides whether to deliver,
    /// that it does not, and whether it finds the scope shielded.
    pub(crate) told: Option<Ret>,
}

impl Machine<'_> {
    pub(crate) fn micro(&mut self) -> Micro {
        let call = self.call();
        let fiber = call.fiber;
        match call.stage {
            Stage::Lane => self.lane_op(fiber),
            Stage::Start => self.start(fiber),
            Stage::Check => self.check(fiber),
            Stage::Body => self.body(fiber),
            Stage::Timer => self.timer(fiber),
            Stage::Register => self.register(fiber),
            Stage::Deliver => self.check_after_pending(fiber),
            Stage::Park => self.park(fiber),
            Stage::Unwind => self.unwind(fiber),
            Stage::End => self.end(fiber),
            Stage::Destructor => self.destructor(fiber),
            Stage::Done => self.done(fiber),
            Stage::Seal => self.seal(fiber),
            Stage::Drop => self.begin_drop(fiber),
            Stage::Unpark => {
                if let Some(outer) = call.held {
                    self.close_shield(outer);
                }
                self.leave_place(Ret::Unit)
            }
            Stage::Leave => {
                self.leave(call.ret);
                Micro::Visible
            }
        }
    }

    /// How many successors the spec allows for the next micro step. The implementation may park on what it saw before a
    /// guard was dropped elsewhere, or look again.
    pub(crate) fn choices(&self) -> u8 {
        let call = self.call();
        let stale = call.stage == Stage::Park
            && call.ret == Ret::Flag(true)
            && self.state.fiber(call.fiber).open == 0
            && self.enclosing_scope().is_some();
        if stale { 2 } else { 1 }
    }

    /// The operation that the next micro step begins, if it begins one.
    pub(crate) fn next_op(&self) -> Option<OpId> {
        let call = self.call();
        let fiber = self.program.fiber(call.fiber);
        let it = self.state.fiber(call.fiber);
        let end = match call.stage {
            Stage::Lane | Stage::Body => fiber.destructor,
            Stage::Destructor => fiber.end,
            _ => return None,
        };
        let goes_on = call.stage == Stage::Lane || !self.lane_state().panicking || call.destructor_in_unwind;
        (goes_on && it.at == At::Fresh && it.pc < end).then_some(OpId(it.pc))
    }

    // Access.

    pub(crate) fn it(&mut self, fiber: FiberId) -> &mut FiberState {
        self.state.fiber_mut(fiber)
    }

    pub(crate) fn kind(&self, fiber: FiberId) -> Kind {
        self.program.kind(fiber)
    }

    pub(crate) fn lane_state(&self) -> &LaneState {
        &self.state.lanes[self.lane.index()]
    }

    pub(crate) fn lane_mut(&mut self) -> &mut LaneState {
        &mut self.state.lanes[self.lane.index()]
    }

    pub(crate) fn call(&self) -> Call {
        *self.lane_state().calls.last().expect("the lane's own call never ends")
    }

    pub(crate) fn call_mut(&mut self) -> &mut Call {
        self.lane_mut().calls.last_mut().expect("the lane's own call never ends")
    }

    pub(crate) fn mark(&mut self, clause: Clause) {
        self.trace.coverage.mark(clause);
    }

    pub(crate) fn mark_if(&mut self, condition: bool, clause: Clause) {
        if condition {
            self.mark(clause);
        }
    }

    pub(crate) fn broken(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    // Calls.

    pub(crate) fn enter(&mut self, fiber: FiberId, stage: Stage) {
        self.it(fiber).busy = true;
        let from_unwind = self.lane_state().panicking;
        self.lane_mut().calls.push(Call { fiber, stage, from_unwind, ..Call::default() });
    }

    pub(crate) fn leave(&mut self, ret: Ret) {
        let lane = self.lane_mut();
        let call = lane.calls.pop().expect("a call is going on");
        // A panic that began inside goes on outside; one that was under way already is somebody else's.
        lane.answer = if lane.panicking && !call.from_unwind { Ret::Panicked } else { ret };
        let inline = self.program.fiber(call.fiber).inline;
        let it = self.it(call.fiber);
        it.busy = false;
        if !inline && it.phase == Phase::Done && !it.joinable {
            it.joinable = true;
            self.wake_joiner(call.fiber);
        }
        self.mark(Clause::Scp3);
    }

    /// What is seen of the scope is over. Who looks for a top fiber may still find it taken: leaving is a step of its
    /// own.
    pub(crate) fn leave_place(&mut self, ret: Ret) -> Micro {
        if self.program.fiber(self.call().fiber).inline {
            self.leave(ret);
            return Micro::Visible;
        }
        self.call_mut().ret = ret;
        self.go(Stage::Leave)
    }

    pub(crate) fn go(&mut self, stage: Stage) -> Micro {
        self.call_mut().stage = stage;
        Micro::Visible
    }

    pub(crate) fn go_silently(&mut self, stage: Stage) -> Micro {
        self.call_mut().stage = stage;
        Micro::Silent
    }

    pub(crate) fn returned(&mut self, owner: FiberId, ret: Ret) -> Micro {
        let again = ret == Ret::Pending && self.is_run(owner);
        let it = self.it(owner);
        let op = OpId(it.pc);
        it.at = At::Fresh;
        if !again {
            it.pc += 1;
        }
        self.trace.returns.push((op, ret));
        Micro::Returned(op, ret)
    }

    fn is_run(&self, owner: FiberId) -> bool {
        let op = self.program.op(OpId(self.state.fiber(owner).pc));
        matches!(op, crate::program::Op::Run(..))
    }

    // The stages of a poll.

    fn lane_op(&mut self, lane: FiberId) -> Micro {
        if self.state.fiber(lane).pc == self.program.fiber(lane).destructor {
            // A thread that ends drops what it holds; nobody is there to tell.
            self.lane_mut().panicking = false;
            let local = self.it(lane).locals.pop();
            return self.drop_item(local.unwrap_or_default());
        }
        match self.exec(lane) {
            Exec::Silent => Micro::Silent,
            Exec::Visible => Micro::Visible,
            Exec::Return(ret) => {
                let own = self.lane_mut();
                own.waker = Code::NONE;
                own.panicking = false;
                own.called = false;
                own.answer = Ret::Unit;
                self.returned(lane, ret)
            }
            Exec::Pending | Exec::Panic => unreachable!("lanes neither suspend nor panic"),
        }
    }

    fn start(&mut self, fiber: FiberId) -> Micro {
        if self.state.fiber(fiber).phase != Phase::Live {
            self.mark(Clause::Scp8);
            self.lane_mut().panicking = true;
            self.leave(Ret::Panicked);
            return Micro::Visible;
        }
        match self.it(fiber).outer.take() {
            Some(outer) => {
                let moved = self.enclosing_scope() != Some(outer);
                self.close_shield(outer);
                self.mark(Clause::Nst5);
                self.mark_if(moved, Clause::Nst8);
                self.go(Stage::Check)
            }
            None => self.go_silently(Stage::Check),
        }
    }

    fn check(&mut self, fiber: FiberId) -> Micro {
        match self.kind(fiber) {
            Kind::Plain | Kind::Lane => self.go_silently(Stage::Body),
            Kind::Shielded => {
                if self.state.fiber(fiber).guard.is_some() {
                    return self.go_silently(Stage::Body);
                }
                match self.innermost_scope() {
                    Some(scope) => {
                        self.open_shield(scope);
                        self.it(fiber).guard = Some(scope);
                        self.mark(Clause::Shd11);
                        self.go(Stage::Body)
                    }
                    None => {
                        self.mark(Clause::Shd10);
                        self.lane_mut().panicking = true;
                        self.go(Stage::Unwind)
                    }
                }
            }
            Kind::Task | Kind::Scope | Kind::Timeout => {
                let overlooked = self.told.is_some() || self.broken(Fault::NoCheckOnEntry);
                if self.deliverable(fiber) && !overlooked {
                    self.mark(Clause::Dlv2);
                    let never_started = !self.state.fiber(fiber).started;
                    self.mark_if(never_started, Clause::Dlv3);
                    return self.deliver(fiber);
                }
                self.mark_deferral(fiber);
                self.go(Stage::Body)
            }
        }
    }

    fn body(&mut self, fiber: FiberId) -> Micro {
        if self.lane_state().panicking {
            return self.go_silently(Stage::Unwind);
        }
        let end = self.program.fiber(fiber).destructor;
        let it = self.it(fiber);
        it.started = true;
        if it.pc == end {
            return match it.locals.pop() {
                Some(local) => self.drop_item(local),
                None => self.ready(fiber),
            };
        }
        match self.exec(fiber) {
            Exec::Silent => Micro::Silent,
            Exec::Visible => Micro::Visible,
            Exec::Return(ret) => self.returned(fiber, ret),
            // What it waits for may happen before the timer is looked at.
            Exec::Pending if self.kind(fiber) == Kind::Timeout => self.go(Stage::Timer),
            Exec::Pending if self.kind(fiber).is_scope() => self.go_silently(Stage::Timer),
            Exec::Pending => self.leave_place(Ret::Pending),
            Exec::Panic => {
                self.lane_mut().panicking = true;
                self.go_silently(Stage::Unwind)
            }
        }
    }

    fn timer(&mut self, fiber: FiberId) -> Micro {
        if self.kind(fiber) != Kind::Timeout {
            return self.go_silently(Stage::Register);
        }
        self.mark(Clause::Tmo1);
        let waker = self.lane_state().waker;
        let leak = self.enclosing_scope().filter(|_| self.broken(Fault::DeadlineLeaks));
        let it = self.it(fiber);
        match it.timer {
            Timer::Passed => {
                it.timer = Timer::Spent;
                it.requests += 1;
                let shielded = it.open > 0;
                let at_once = it.waker == Code::NONE;
                self.mark_if(at_once, Clause::Tmo3);
                self.mark(Clause::Tmo4);
                self.mark_if(shielded, Clause::Tmo5);
                if let Some(outer) = leak {
                    self.it(outer).requests += 1;
                }
            }
            Timer::Spent => self.mark(Clause::Tmo4),
            Timer::Idle | Timer::Armed(_) => it.timer = Timer::Armed(waker),
        }
        self.go(Stage::Register)
    }

    /// HDL-2: while the former waker is out and the new one is not yet in, whoever cancels finds none to wake. Where
    /// the two are alike the implementation may leave the one in its place, and then learns nothing of the scope
    /// (`TAKEN`).
    fn register(&mut self, fiber: FiberId) -> Micro {
        let waker = self.lane_state().waker;
        let it = self.it(fiber);
        if it.waker.waker().is_some() {
            it.waker = if it.waker == waker { Code::TAKEN } else { Code::NONE };
            return self.go(Stage::Register);
        }
        it.waker = waker;
        self.go(Stage::Deliver)
    }

    fn check_after_pending(&mut self, fiber: FiberId) -> Micro {
        let overlooked = self.told.is_some() || self.broken(Fault::NoCheckAfterPending);
        if self.deliverable(fiber) && !overlooked {
            self.mark(Clause::Dlv4);
            return self.deliver(fiber);
        }
        self.mark_deferral(fiber);
        if self.broken(Fault::ShieldedTaskSpins) && self.state.fiber(fiber).requests > 0 {
            self.wake(self.lane_state().waker);
        }
        let shielded = self.state.fiber(fiber).open > 0;
        self.call_mut().ret = self.told.unwrap_or(Ret::Flag(shielded));
        self.go(Stage::Park)
    }

    fn park(&mut self, fiber: FiberId) -> Micro {
        let shielded = self.state.fiber(fiber).open > 0 || self.choice == 1;
        let outer = self.enclosing_scope().filter(|_| shielded && !self.broken(Fault::NoParking));
        if let Some(outer) = outer {
            self.open_shield(outer);
            self.it(fiber).outer = Some(outer);
            self.mark(Clause::Nst5);
            return self.leave_place(Ret::Pending);
        }
        self.leave(Ret::Pending);
        Micro::Visible
    }

    /// DLV-6, DLV-7: the decision, in one step.
    fn deliver(&mut self, fiber: FiberId) -> Micro {
        self.mark_delivery(fiber);
        let outcome = if self.kind(fiber) == Kind::Timeout { Outcome::Elapsed } else { Outcome::Cancelled };
        self.begin_end(fiber, outcome)
    }

    fn ready(&mut self, fiber: FiberId) -> Micro {
        let it = *self.state.fiber(fiber);
        let pending = it.requests > 0;
        self.mark_if(pending, Clause::Dlv5);
        if self.kind(fiber) == Kind::Timeout {
            self.mark_if(it.timer == Timer::Passed, Clause::Tmo2);
            self.mark_if(it.timer == Timer::Spent, Clause::Tmo6);
        }
        let thrown_away = self.broken(Fault::CancelBeatsValue) && self.deliverable(fiber);
        self.begin_end(fiber, if thrown_away { Outcome::Cancelled } else { Outcome::Value })
    }

    fn begin_end(&mut self, fiber: FiberId, outcome: Outcome) -> Micro {
        let runs_on = self.broken(Fault::BodyRunsOn) && outcome != Outcome::Value;
        let done = self.broken(Fault::DoneBeforeDrop);
        let it = self.it(fiber);
        it.phase = if done { Phase::Done } else { Phase::Ending };
        it.outcome = Some(outcome);
        self.call_mut().ret = Ret::Ready(outcome);
        self.mark(Clause::Scp1);
        self.mark(Clause::Scp6);
        self.go(if runs_on { Stage::Body } else { Stage::End })
    }

    /// A panic goes through the body: its locals are dropped in the poll, the destructor is not run yet.
    fn unwind(&mut self, fiber: FiberId) -> Micro {
        let it = self.it(fiber);
        let current = std::mem::take(&mut it.current);
        if current != Item::None {
            return self.drop_item(current);
        }
        if let Some(local) = it.locals.pop() {
            self.mark_if(matches!(local, Item::Shield(_)), Clause::Shd7);
            self.mark_if(matches!(local, Item::Guard(_)), Clause::Lck10);
            return self.drop_item(local);
        }
        it.phase = Phase::Ending;
        it.outcome = Some(Outcome::Panicked);
        it.at = At::Fresh;
        let requested = it.requests > 0;
        self.mark_if(requested, Clause::Scp7);
        self.mark(Clause::Scp6);
        self.leave_place(Ret::Panicked)
    }
}
