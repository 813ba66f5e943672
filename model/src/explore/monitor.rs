//! What holds for every micro step: compared are the states before and after, not what the step function thought.

use crate::explore::obligations::Held;
use crate::explore::properties::Law;
use crate::machine::Micro;
use crate::program::{FiberId, Kind, LaneId, MAX_FIBERS, MAX_LOCKS, Make, Op, OpId, Program};
use crate::ret::Outcome;
use crate::state::{Call, Item, NodeStage, Phase, Stage, State, Timer};

/// For each scope with open shields that is suspended or done: the scope in whose poll it was left.
pub(crate) type Within = [Option<FiberId>; MAX_FIBERS];

/// A micro step.
pub(crate) struct Change<'a> {
    pub(crate) program: &'a Program,
    pub(crate) before: &'a State,
    pub(crate) after: &'a State,
    pub(crate) held_before: &'a Held,
    pub(crate) lane: LaneId,
    pub(crate) micro: Micro,
}

impl Change<'_> {
    /// Laws about steps that this one breaks.
    pub(crate) fn broken_laws(&self, within: &Within) -> u32 {
        let mut broken = 0;
        for fiber in self.program.fibers() {
            broken |= self.fiber_laws(fiber, within);
        }
        for lock in 0..MAX_LOCKS {
            broken |= self.lock_laws(lock);
        }
        broken | self.notify_law() | self.run_law()
    }

    /// Where scopes were left, after this step.
    pub(crate) fn within(&self, mut within: Within, held_after: &Held) -> Within {
        let calls = &self.before.lanes[self.lane.index()].calls;
        let call = self.call();
        let around = calls[..calls.len() - 1].iter().rev().map(|call| call.fiber);
        let enclosing = around.into_iter().find(|fiber| self.program.kind(*fiber).is_scope());
        if self.program.kind(call.fiber).is_scope() {
            match call.stage {
                Stage::Start | Stage::Unwind => within[call.fiber.index()] = None,
                Stage::Park | Stage::Done | Stage::Seal => within[call.fiber.index()] = enclosing,
                _ => {}
            }
        }
        for (index, within) in within.iter_mut().enumerate() {
            if held_after.shields[index] == 0 {
                *within = None;
            }
        }
        within
    }

    fn call(&self) -> Call {
        let calls = &self.before.lanes[self.lane.index()].calls;
        calls[calls.len() - 1]
    }

    fn fiber_laws(&self, fiber: FiberId, within: &Within) -> u32 {
        let (before, after) = (self.before.fiber(fiber), self.after.fiber(fiber));
        let mut broken = 0;
        let mut require = |law: Law, holds: bool| {
            if !holds {
                broken |= law.bit();
            }
        };
        // Also where nothing has changed: a request may be missing.
        let more = i16::from(after.requests) - i16::from(before.requests);
        require(Law::OwnRequests, more == self.requests_asked(fiber));
        if before == after {
            return broken;
        }
        let decided = before.outcome.is_none() && after.outcome.is_some();
        let delivered = decided && matches!(after.outcome, Some(Outcome::Cancelled | Outcome::Elapsed));
        let open = self.held_before.shields[fiber.index()];
        if delivered && self.came_to_its_end(fiber) {
            require(Law::Value, false);
        } else if delivered {
            require(Law::Shielded, open == 0 && !self.shields_inside(fiber, within));
        }
        if let Some(outcome) = before.outcome {
            require(Law::OneOutcome, after.outcome == Some(outcome));
        }
        if before.requests != after.requests {
            require(Law::Frozen, before.phase == Phase::Live);
        }
        if self.program.kind(fiber).is_scope() {
            let torn_now = decided && after.outcome == Some(Outcome::Dropped) && open > 0;
            require(Law::Torn, after.torn == (before.torn || torn_now));
        }
        // Only the lane that polls a fiber decides about it.
        let call = self.call();
        if call.fiber == fiber && self.program.kind(fiber).is_scope() {
            let deliverable = before.phase == Phase::Live && before.requests > 0 && open == 0;
            let dropped = after.phase != Phase::Live;
            match call.stage {
                Stage::Check => require(Law::Entry, !deliverable || dropped),
                Stage::Deliver => require(Law::Pending, !deliverable || dropped),
                _ => {}
            }
        }
        broken
    }

    /// The laws about a poll that goes on although nothing of the fiber has changed.
    fn run_law(&self) -> u32 {
        let call = self.call();
        let it = self.before.fiber(call.fiber);
        let mut broken = 0;
        if self.program.kind(call.fiber).is_scope() {
            let open = self.held_before.shields[call.fiber.index()];
            let deliverable = it.phase == Phase::Live && it.requests > 0 && open == 0;
            let still = self.after.fiber(call.fiber).phase == Phase::Live;
            if deliverable && still {
                match call.stage {
                    Stage::Check => broken |= Law::Entry.bit(),
                    Stage::Deliver => broken |= Law::Pending.bit(),
                    _ => {}
                }
            }
        }
        if let Micro::Returned(op, _) = self.micro {
            let owner = self.program.owner(op);
            let in_body = self.program.kind(owner) != Kind::Lane && op.0 < self.program.fiber(owner).destructor;
            if in_body && self.before.phase(owner) != Phase::Live {
                broken |= Law::LiveBodies.bit();
            }
        }
        broken
    }

    fn came_to_its_end(&self, fiber: FiberId) -> bool {
        let it = self.before.fiber(fiber);
        let call = self.call();
        call.fiber == fiber && call.stage == Stage::Body && it.pc == self.program.fiber(fiber).destructor
    }

    /// Whether a scope that was left in a poll of this one has a shield open.
    fn shields_inside(&self, fiber: FiberId, within: &Within) -> bool {
        self.program.fibers().any(|inner| {
            let left_here = within[inner.index()] == Some(fiber);
            left_here && self.held_before.shields[inner.index()] > 0
        })
    }

    /// How many requests of a scope this step is to add, or to take back: by what was done, and not by what it said.
    fn requests_asked(&self, fiber: FiberId) -> i16 {
        let it = self.before.fiber(fiber);
        if it.phase != Phase::Live {
            return 0;
        }
        let op = if let Micro::Returned(op, _) = self.micro { Some(self.program.op(op)) } else { None };
        match op {
            Some(Op::Cancel(scope)) if scope == fiber => return 1,
            Some(Op::Uncancel(scope)) if scope == fiber => return if it.requests > 0 { -1 } else { 0 },
            _ => {}
        }
        let call = self.call();
        let by_timer = call.stage == Stage::Timer && call.fiber == fiber && it.timer == Timer::Passed;
        // A guard of the sort that cancels was dropped: there is one less.
        let guards = |state: &State| {
            let held = state.fibers.iter().flat_map(|it| it.locals.iter().chain([&it.current]));
            let items = held.chain(&state.slots);
            items.filter(|item| **item == Item::CancelOnDrop(fiber)).count() as i16
        };
        let has_guards = self.program.ops.contains(&Op::CancelOnDrop(fiber));
        let dropped = if has_guards { guards(self.before) - guards(self.after) } else { 0 };
        i16::from(by_timer) + dropped.max(0)
    }

    fn lock_laws(&self, lock: usize) -> u32 {
        let (before, after) = (&self.before.locks[lock], &self.after.locks[lock]);
        if before == after {
            return 0;
        }
        let mut broken = 0;
        let granted = |state: &State, node: usize| state.nodes[node].stage == NodeStage::Granted;
        for node in 0..self.program.nodes.len() {
            let now = granted(self.after, node) && !granted(self.before, node);
            let of_this = matches!(self.program.nodes[node], Make::Lock(l) if l.index() == lock);
            if now && of_this && before.queue.first().is_none_or(|first| first.index() != node) {
                broken |= Law::Fifo.bit();
            }
        }
        // Those who stay keep their order.
        let mut rest = after.queue.iter();
        let stayed = before.queue.iter().filter(|node| after.queue.contains(node));
        if !stayed.into_iter().all(|node| rest.any(|other| other == node)) {
            broken |= Law::Fifo.bit();
        }
        // While it is held nobody enters but the owner, and it changes hands only with its last level.
        let entered = after.depth > before.depth && before.depth > 0;
        let same_owner = before.owner.is_some() && before.owner == after.owner;
        let polled_by_owner = self.current_task() == before.owner;
        if entered && !(same_owner && polled_by_owner) {
            broken |= Law::Exclusion.bit();
        }
        let changed = before.depth > 0 && after.depth > 0 && before.owner != after.owner;
        if changed && before.depth > 1 {
            broken |= Law::Exclusion.bit();
        }
        broken
    }

    fn current_task(&self) -> Option<FiberId> {
        let calls = self.before.lanes[self.lane.index()].calls.iter().rev();
        calls.map(|call| call.fiber).find(|fiber| self.program.kind(*fiber) == Kind::Task)
    }

    fn notify_law(&self) -> u32 {
        let notified = match self.micro {
            Micro::Returned(op, _) => match self.program.op(OpId(op.0)) {
                Op::Notify(waiter) => Some(waiter),
                _ => None,
            },
            _ => None,
        };
        let obeyed = self.program.nodes.iter().enumerate().all(|(node, make)| {
            let Make::Wait(waiter) = *make else { return true };
            let (before, after) = (self.before.nodes[node].stage, self.after.nodes[node].stage);
            let waiting = matches!(before, NodeStage::Idle | NodeStage::Queued);
            if notified == Some(waiter) {
                !waiting || after == NodeStage::Granted
            } else {
                before == NodeStage::Granted || after != NodeStage::Granted
            }
        });
        if obeyed { 0 } else { Law::Broadcast.bit() }
    }
}
