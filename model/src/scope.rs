//! Requests, shields, frames and wakes.

use crate::clause::Clause;
use crate::fault::Fault;
use crate::machine::Machine;
use crate::program::{FiberId, Kind};
use crate::ret::Ret;
use crate::state::{Code, Item, Phase, Stage};

impl Machine<'_> {
    // Frames: the calls of this lane that are scopes.

    fn scopes_outwards(&self) -> impl Iterator<Item = FiberId> + '_ {
        let calls = self.lane_state().calls.iter().rev();
        calls.map(|call| call.fiber).filter(|fiber| self.kind(*fiber).is_scope())
    }

    pub(crate) fn innermost_scope(&self) -> Option<FiberId> {
        self.scopes_outwards().next()
    }

    pub(crate) fn current_task(&self) -> Option<FiberId> {
        self.scopes_outwards().find(|fiber| self.kind(*fiber) == Kind::Task)
    }

    /// The innermost scope below the innermost call.
    pub(crate) fn enclosing_scope(&self) -> Option<FiberId> {
        let calls = self.lane_state().calls.iter().rev();
        calls.skip(1).map(|call| call.fiber).find(|fiber| self.kind(*fiber).is_scope())
    }

    /// Whether the scope's body is being run or dropped by this lane.
    fn is_polled_here(&self, scope: FiberId) -> bool {
        self.lane_state().calls.iter().any(|call| {
            let around_the_body = matches!(
                call.stage,
                Stage::Start | Stage::Done | Stage::Seal | Stage::Drop | Stage::Unpark | Stage::Leave
            );
            call.fiber == scope && !around_the_body
        })
    }

    // Requests.

    pub(crate) fn cancel(&mut self, fiber: FiberId) -> Ret {
        let it = self.it(fiber);
        match it.phase {
            Phase::Unborn => return Ret::Absent,
            Phase::Live => {
                it.requests = it.requests.saturating_add(1);
                if !self.broken(Fault::CancelDoesNotWake) {
                    self.wake_scope(fiber);
                }
                self.mark(Clause::Hdl2);
            }
            Phase::Ending => {}
            Phase::Done => {
                self.mark(Clause::Hdl1);
                return Ret::Flag(false);
            }
        }
        let from_inside = self.lane_state().calls.len() > 1;
        self.mark_if(from_inside, Clause::Hdl3);
        self.mark(Clause::Hdl1);
        Ret::Flag(true)
    }

    pub(crate) fn uncancel(&mut self, fiber: FiberId) -> Ret {
        let below_zero = self.broken(Fault::UncancelBelowZero);
        let revokes = self.broken(Fault::UncancelRevokesDelivery);
        let it = self.it(fiber);
        match it.phase {
            Phase::Unborn => return Ret::Absent,
            Phase::Live => {
                let last = it.requests == 1;
                it.requests = if below_zero { it.requests.wrapping_sub(1) } else { it.requests.saturating_sub(1) };
                self.mark(Clause::Hdl4);
                self.mark_if(last, Clause::Hdl5);
            }
            Phase::Ending => {
                if revokes {
                    it.requests = it.requests.saturating_sub(1);
                }
                let requested = it.requests > 0;
                self.mark_if(requested, Clause::Dlv7);
                self.mark_if(requested, Clause::Hdl6);
            }
            Phase::Done => self.mark(Clause::Hdl6),
        }
        Ret::Count(self.state.fiber(fiber).requests)
    }

    pub(crate) fn deliverable(&self, fiber: FiberId) -> bool {
        let it = self.state.fiber(fiber);
        let shielded = it.open > 0 && !self.broken(Fault::ShieldsDoNotHold);
        it.phase == Phase::Live && it.requests > 0 && !shielded
    }

    /// A poll goes on although there is a request: a shield holds it back.
    pub(crate) fn mark_deferral(&mut self, fiber: FiberId) {
        let it = self.state.fiber(fiber);
        let deferred = it.requests > 0 && it.open > 0;
        let inside = it.current != Item::None;
        self.mark_if(deferred, Clause::Shd2);
        self.mark_if(deferred, Clause::Shd14);
        self.mark_if(deferred && inside, Clause::Nst2);
    }

    pub(crate) fn mark_delivery(&mut self, fiber: FiberId) {
        self.mark(Clause::Dlv1);
        self.mark(Clause::Dlv6);
        let drops_a_scope = self.state.fiber(fiber).current != Item::None;
        self.mark_if(drops_a_scope, Clause::Nst4);
        let outer = self.enclosing_scope();
        let outer_too = outer.is_some_and(|outer| self.deliverable(outer));
        self.mark_if(outer_too, Clause::Nst6);
        let inside_a_shield = outer.is_some_and(|outer| self.state.fiber(outer).open > 0);
        self.mark_if(inside_a_shield, Clause::Nst3);
        // DLV-10: a suspended scope got here because it was woken.
        let was_registered = self.state.fiber(fiber).waker != Code::NONE;
        self.mark_if(was_registered, Clause::Dlv10);
        if self.kind(fiber) == Kind::Timeout {
            self.mark_if(outer_too, Clause::Tmo7);
        }
    }

    // Shields.

    pub(crate) fn open_shield(&mut self, scope: FiberId) {
        self.it(scope).open += 1;
        self.mark(Clause::Shd1);
    }

    pub(crate) fn mark_enter(&mut self, scope: FiberId) {
        let it = *self.state.fiber(scope);
        self.mark(Clause::Scp2);
        self.mark_if(it.requests > 0 && it.phase == Phase::Live, Clause::Shd3);
        self.mark_if(it.requests > 0 && it.phase == Phase::Ending, Clause::Dlv7);
    }

    /// SHD-4 to SHD-9: a guard of the scope is dropped by this lane, or what stands for one.
    pub(crate) fn close_shield(&mut self, scope: FiberId) {
        let here = self.is_polled_here(scope);
        let two = !here && self.broken(Fault::CloseElsewhereClosesTwo);
        let it = self.it(scope);
        it.open = it.open.saturating_sub(if two { 2 } else { 1 });
        let (phase, last, requested) = (it.phase, it.open == 0, it.requests > 0);
        self.mark(Clause::Shd4);
        if phase == Phase::Done {
            self.mark(Clause::Shd9);
            if last {
                if let Some(outer) = self.it(scope).outer.take() {
                    self.mark(Clause::Shd8);
                    self.close_shield(outer);
                }
            }
        } else if here {
            self.mark(Clause::Shd5);
            self.mark_if(last && requested, Clause::Dlv9);
        } else if phase == Phase::Live {
            if !self.broken(Fault::CloseElsewhereDoesNotWake) {
                self.wake_scope(scope);
            }
            self.mark(Clause::Shd6);
            let parked = self.state.fiber(scope).outer.is_some();
            self.mark_if(parked, Clause::Nst7);
        }
    }

    // Queries about the frames, one frame a micro step: others move in between.

    /// The next frame outwards of a walk, and whether the walk has met a shield so far.
    fn walk(&mut self) -> Option<(FiberId, bool)> {
        let all = self.lane_state().calls.len() as u8;
        let (left, shielded) = self.lane_state().walk.unwrap_or((all, false));
        let calls = &self.lane_state().calls[..usize::from(left)];
        let at = calls.iter().rposition(|call| self.kind(call.fiber).is_scope())?;
        let fiber = calls[at].fiber;
        let open = self.state.fiber(fiber).open > 0;
        self.lane_mut().walk = Some((at as u8, shielded || open));
        Some((fiber, shielded || open))
    }

    fn end_walk(&mut self, answer: bool) -> Option<bool> {
        self.lane_mut().walk = None;
        Some(answer)
    }

    /// CHK-1, a frame at a time; none while the walk goes on.
    pub(crate) fn walk_pending(&mut self) -> Option<bool> {
        let Some((fiber, shielded)) = self.walk() else {
            let outside = self.innermost_scope().is_none();
            self.mark_if(outside, Clause::Chk6);
            return self.end_walk(false);
        };
        let it = self.state.fiber(fiber);
        let requested = it.phase == Phase::Live && it.requests > 0;
        self.mark(Clause::Chk1);
        self.mark_if(shielded && requested, Clause::Nst2);
        if shielded || requested {
            return self.end_walk(!shielded);
        }
        None
    }

    /// CHK-5, a frame at a time; none while the walk goes on.
    pub(crate) fn walk_shielded(&mut self) -> Option<bool> {
        let Some((fiber, shielded)) = self.walk() else {
            self.mark(Clause::Chk6);
            return self.end_walk(false);
        };
        let left = usize::from(self.lane_state().walk.map_or(0, |(left, _)| left));
        let calls = &self.lane_state().calls[..left];
        let outermost = !calls.iter().any(|call| self.kind(call.fiber).is_scope());
        if self.kind(fiber) == Kind::Task || outermost {
            self.mark(Clause::Chk5);
            let live = self.state.phase(fiber) == Phase::Live;
            return self.end_walk(shielded && live);
        }
        None
    }

    // Wakes.

    /// Takes the waker of a scope and calls it, if it has not been called since it was registered.
    fn wake_scope(&mut self, scope: FiberId) {
        let it = self.it(scope);
        let waker = it.waker;
        if waker.waker().is_some() {
            it.waker = Code::TAKEN;
        }
        self.wake(waker);
    }

    pub(crate) fn wake(&mut self, waker: Code) {
        let Some(waker) = waker.waker() else { return };
        self.trace.wakes.push(waker);
        let it = self.it(waker.fiber);
        // An executor that has moved on to another waker does not hear the old one.
        if it.version == waker.version {
            it.woken = true;
        }
    }
}
