//! The end of a body: how it is dropped, at the end of a poll or with its wrapper, and what its scope leaves behind.

use crate::clause::Clause;
use crate::fault::Fault;
use crate::machine::{Machine, Micro};
use crate::ops::Exec;
use crate::program::FiberId;
use crate::ret::{Outcome, Ret};
use crate::state::{At, Code, Item, Phase, Stage, Timer};

impl Machine<'_> {
    pub(crate) fn begin_drop(&mut self, fiber: FiberId) -> Micro {
        let is_scope = self.kind(fiber).is_scope();
        let forgotten = self.broken(Fault::TornIsForgotten);
        let it = self.it(fiber);
        let held = it.outer.take();
        let (phase, shielded) = (it.phase, it.open > 0);
        match phase {
            Phase::Live => {
                it.phase = Phase::Ending;
                it.outcome = Some(Outcome::Dropped);
                it.torn = is_scope && shielded && !forgotten;
                self.mark(Clause::Scp9);
                self.mark_if(is_scope && shielded, Clause::Scp10);
            }
            Phase::Ending => self.mark(Clause::Scp7),
            Phase::Done | Phase::Unborn => {
                // After its end the wrapper owns nothing, but for a `shielded` whose destructor panicked; what `outer`
                // holds belongs to the guards that are left.
                it.outer = held;
                if let Some(scope) = it.guard.take() {
                    self.close_shield(scope);
                }
                self.leave(Ret::Unit);
                return Micro::Visible;
            }
        }
        self.call_mut().held = held;
        self.go(Stage::End)
    }

    pub(crate) fn end(&mut self, fiber: FiberId) -> Micro {
        let destructor = self.program.fiber(fiber).destructor;
        let it = self.it(fiber);
        let current = std::mem::take(&mut it.current);
        let item = if current == Item::None { it.locals.pop() } else { Some(current) };
        if let Some(item) = item {
            return self.drop_item(item);
        }
        it.pc = destructor;
        it.at = At::Fresh;
        let panicking = self.lane_state().panicking;
        self.call_mut().destructor_in_unwind = panicking;
        self.go_silently(Stage::Destructor)
    }

    pub(crate) fn destructor(&mut self, fiber: FiberId) -> Micro {
        let end = self.program.fiber(fiber).end;
        if self.lane_state().panicking && !self.call().destructor_in_unwind {
            let it = self.it(fiber);
            it.pc = end;
            it.at = At::Fresh;
        }
        let it = self.it(fiber);
        if it.pc == end {
            return match it.locals.pop() {
                Some(local) => self.drop_item(local),
                None => self.go_silently(Stage::Done),
            };
        }
        self.mark(Clause::Scp4);
        match self.exec(fiber) {
            Exec::Silent => Micro::Silent,
            Exec::Visible => Micro::Visible,
            Exec::Return(ret) => self.returned(fiber, ret),
            Exec::Panic => {
                let delivering = self.call().ret != Ret::Ready(Outcome::Value);
                self.mark_if(delivering, Clause::Dlv8);
                self.lane_mut().panicking = true;
                Micro::Silent
            }
            Exec::Pending => unreachable!("a destructor does not suspend"),
        }
    }

    pub(crate) fn done(&mut self, fiber: FiberId) -> Micro {
        let left_behind = self.state.fiber(fiber).open > 0;
        let outer = self.enclosing_scope().filter(|_| left_behind && !self.broken(Fault::GuardsEscapeTheirScope));
        let Some(outer) = outer else { return self.seal(fiber) };
        self.open_shield(outer);
        self.it(fiber).outer = Some(outer);
        self.go(Stage::Seal)
    }

    pub(crate) fn seal(&mut self, fiber: FiberId) -> Micro {
        let call = self.call();
        let is_drop = call.ret == Ret::Unit;
        let panicking = self.lane_state().panicking;
        let keeps_waker = self.broken(Fault::EndKeepsWaker);
        let it = self.it(fiber);
        it.phase = Phase::Done;
        it.waker = if keeps_waker { it.waker } else { Code::NONE };
        it.timer = Timer::Idle;
        it.started = false;
        let (left_behind, guard) = (it.open > 0, it.guard);
        self.mark(Clause::Scp5);
        self.mark(Clause::Hdl11);
        let outer = self.state.fiber(fiber).outer;
        self.mark_if(left_behind, if outer.is_some() { Clause::Shd8 } else { Clause::Shd9 });
        if let Some(outer) = outer.filter(|_| !left_behind) {
            self.it(fiber).outer = None;
            self.close_shield(outer);
        }
        if let Some(scope) = guard.filter(|_| is_drop || !panicking) {
            self.it(fiber).guard = None;
            self.close_shield(scope);
        }
        if is_drop {
            return self.go(Stage::Unpark);
        }
        self.leave_place(call.ret)
    }
}
