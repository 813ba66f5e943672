//! What a thread may still take for the present where "before" is not a matter of time.
//!
//! A query is a load: under weak memory it may answer with what was true before other threads did what they have done
//! by now. What bounds it is what the thread knows. Of each object the versions are kept that somebody may still read,
//! up to the present one, and of each lane its *view*: by object, the oldest version that the lane may read. A lane's
//! view moves on with what it reads and writes itself (coherence), and it learns the view of another where the crate
//! promises that one sees what the other did:
//!
//! | who learns | what was known to |
//! |---|---|
//! | who is told of the requests or the end of a scope, takes a request back, delivers, or ends the scope | those who made the requests, and who ended it |
//! | who counts the shields of a scope, or delivers in it | those who closed one elsewhere |
//! | who gets a lock, at once or after a wait | those who released it before |
//! | who has waited | who notified |
//! | who notifies | who notified before |
//! | who polls, drops or joins a top fiber, or uses a slot | who did last |
//!
//! These are the views of Kang et al., "A promising semantics for relaxed-memory concurrency" (POPL 2017), without
//! promises. A call that changes something is a read-modify-write, and acts on the present. One that finds nothing to
//! do is a query: `cancel()` of a scope that is ending, `uncancel()` without a request, a `try_lock` that is refused, a
//! checkpoint that does not suspend. So is the beginning of a wait, which may take an old number of notifications for
//! the present one. And so is the decision of a poll not to deliver: before the body, since it looks again when that
//! has suspended, and then, if the fiber has been woken since the poll began, since it will be polled again.
//!
//! One thing is coarser than the code: to close a shield elsewhere is one step. So a history could be refused without
//! reason in which one closes a shield while another looks and a third drops hard.

mod versions;

use std::ops::RangeInclusive;

use self::versions::{Line, OBJECTS, Object, Value, Version, View};
use crate::machine::Micro;
use crate::program::{
    FiberId, Kind, LaneId, LockId, MAX_FIBERS, MAX_LOCKS, MAX_SLOTS, Make, NodeId, Op, Program, WaiterId,
};
use crate::ret::{Refusal, Ret};
use crate::state::{Call, Code, NodeStage, Phase, Stage, State};

/// What the lanes and all that goes from one to another know.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Past {
    /// By object.
    lines: Vec<Line>,
    lanes: Vec<View>,
    /// By fiber: of who polled or dropped it last, if it is a top one.
    places: Vec<View>,
    /// Of those who released it.
    locks: [View; MAX_LOCKS],
    /// Of who granted or notified it.
    nodes: Vec<View>,
    /// Of who used it last.
    slots: [View; MAX_SLOTS],
}

/// A micro step of a lane: the state before and after it, the operation that it began, and what it was.
#[derive(Clone, Copy)]
pub(crate) struct Step<'a> {
    pub(crate) before: &'a State,
    pub(crate) after: &'a State,
    pub(crate) begins: Option<Op>,
    pub(crate) micro: Micro,
}

impl Step<'_> {
    fn call(&self, lane: LaneId) -> Call {
        *self.before.lanes[lane.index()].calls.last().expect("the lane's own call never ends")
    }

    /// The fiber that moved: a lane, or one that is polled or dropped.
    fn fiber(&self, lane: LaneId) -> FiberId {
        self.call(lane).fiber
    }

    fn stage(&self, lane: LaneId) -> Stage {
        self.call(lane).stage
    }

    /// Whether a shield of the scope was closed, and not by who polls it.
    fn closes_elsewhere(&self, program: &Program, lane: LaneId, scope: FiberId) -> bool {
        let closes = self.after.fiber(scope).open < self.before.fiber(scope).open;
        closes && self.before.scopes(program, lane).all(|polled| polled != scope)
    }

    /// The slot whose mutex was taken.
    fn slot(&self) -> Option<usize> {
        match self.begins? {
            // With nothing to put there, it is left alone.
            Op::Put(_) if matches!(self.micro, Micro::Returned(_, Ret::Absent)) => None,
            Op::Put(slot) | Op::Take(slot) | Op::DropSlot(slot) => Some(slot.index()),
            _ => None,
        }
    }
}

impl Past {
    pub(crate) fn new(program: &Program, start: &State) -> Self {
        let mut lines = vec![Line::new(Value::Notified); OBJECTS];
        for fiber in program.fibers() {
            let it = start.fiber(fiber);
            lines[Object::word(fiber).index()] = Line::new(Value::Word(it.phase, it.requests, it.torn));
        }
        for count in &mut lines[MAX_FIBERS..3 * MAX_FIBERS] {
            *count = Line::new(Value::Count(0));
        }
        for held in &mut lines[3 * MAX_FIBERS..][..MAX_LOCKS] {
            *held = Line::new(Value::Held(false, None));
        }
        Self {
            lines,
            lanes: vec![View::NOTHING; program.lanes().len()],
            places: vec![View::NOTHING; program.fibers().len()],
            locks: [View::NOTHING; MAX_LOCKS],
            nodes: vec![View::NOTHING; program.nodes.len()],
            slots: [View::NOTHING; MAX_SLOTS],
        }
    }

    fn line(&self, object: Object) -> &Line {
        &self.lines[object.index()]
    }

    fn lane(&mut self, lane: LaneId) -> &mut View {
        &mut self.lanes[lane.index()]
    }

    // Steps that act on the present.

    pub(crate) fn stepped(&mut self, program: &Program, lane: LaneId, step: Step<'_>) {
        self.learn(program, lane, step);
        self.write(program, lane, step);
        self.hand_on(program, lane, step);
        self.forget();
    }

    fn learn(&mut self, program: &Program, lane: LaneId, step: Step<'_>) {
        let Step { before, after, .. } = step;
        // Objects whose present version is read or exchanged, and whether that acquires.
        let mut seen = Vec::new();
        for fiber in program.fibers() {
            let (was, is) = (before.fiber(fiber), after.fiber(fiber));
            let decides = matches!(step.stage(lane), Stage::Check | Stage::Deliver);
            let delivers = decides && was.phase == Phase::Live && is.phase == Phase::Ending;
            let ends = was.phase != Phase::Done && is.phase == Phase::Done;
            if delivers || ends || is.requests < was.requests {
                seen.push((Object::word(fiber), true));
            }
            let elsewhere = step.closes_elsewhere(program, lane, fiber);
            if delivers || elsewhere {
                seen.push((Object::closed(fiber), true));
            }
            if elsewhere && is.phase == Phase::Live {
                // To take the waker out.
                seen.push((Object::word(fiber), false));
            }
        }
        let fiber = step.fiber(lane);
        if fiber.index() < program.fibers().len() {
            let it = before.fiber(fiber);
            if matches!(step.stage(lane), Stage::Deliver | Stage::Done | Stage::Seal) && it.open == 0 {
                // Found closed when the body is pending, or gone.
                seen.push((Object::closed(fiber), true));
            }
            let registers = before.lanes[lane.index()].waker;
            if step.stage(lane) == Stage::Register && ![registers, Code::TAKEN].contains(&it.waker) {
                // One that is the same, or has been taken, may seem to be there still.
                seen.push((Object::word(fiber), true));
            }
        }
        for lock in (0..MAX_LOCKS as u8).map(LockId) {
            let (was, is) = (&before.locks[lock.index()], &after.locks[lock.index()]);
            let refused = matches!(step.micro, Micro::Returned(_, Ret::Refused(Refusal::WouldBlock)));
            let refused = refused && step.begins == Some(Op::TryLock(lock));
            if refused || is.depth != was.depth || is.queue.len() > was.queue.len() {
                seen.push((Object::held(lock), false));
            }
        }
        if let Some(Op::Notify(waiter) | Op::Let(Make::Wait(waiter)) | Op::Await(Make::Wait(waiter))) = step.begins {
            seen.push((Object::notified(waiter), true));
        }

        let mut learned = View::NOTHING;
        for (object, acquires) in seen {
            if acquires {
                learned.learn(&self.line(object).present().view);
            }
            learned.set(object, self.line(object).newest());
        }
        for fiber in program.fibers().filter(|fiber| !before.fiber(*fiber).busy && after.fiber(*fiber).busy) {
            learned.learn(&self.places[fiber.index()]);
        }
        for (index, lock) in self.locks.iter().enumerate() {
            if after.locks[index].depth > before.locks[index].depth {
                learned.learn(lock);
            }
        }
        if let Micro::Returned(_, Ret::Ready(_)) = step.micro {
            for (index, make) in program.nodes.iter().enumerate() {
                let over = before.nodes[index].stage != NodeStage::Gone && after.nodes[index].stage == NodeStage::Gone;
                match make {
                    Make::Join(task) if over => learned.learn(&self.places[task.index()]),
                    _ if over && before.nodes[index].stage == NodeStage::Granted => learned.learn(&self.nodes[index]),
                    _ => {}
                }
            }
        }
        if let Some(slot) = step.slot() {
            learned.learn(&self.slots[slot]);
        }
        self.lane(lane).learn(&learned);
    }

    fn write(&mut self, program: &Program, lane: LaneId, step: Step<'_>) {
        let Step { before, after, .. } = step;
        // What becomes of an object, and whether who reads that learns what this lane knows.
        let mut written = Vec::new();
        for fiber in program.fibers() {
            let (was, is) = (before.fiber(fiber), after.fiber(fiber));
            if (was.phase, was.requests, was.torn) != (is.phase, is.requests, is.torn) {
                let releases = match (was.phase, is.phase) {
                    (Phase::Unborn, _) | (_, Phase::Done) => true,
                    // The timer's request is for the poll that looks at it.
                    (Phase::Live, Phase::Live) => is.requests > was.requests && step.stage(lane) != Stage::Timer,
                    (Phase::Live, Phase::Ending) => step.stage(lane) == Stage::Drop,
                    _ => false,
                };
                written.push((Object::word(fiber), Value::Word(is.phase, is.requests, is.torn), releases));
            }
            if was.open != is.open {
                let elsewhere = step.closes_elsewhere(program, lane, fiber);
                let object = if elsewhere { Object::closed(fiber) } else { Object::opened(fiber) };
                let more = is.open as i8 - was.open as i8;
                let line = self.line(object);
                let count = line.count(line.newest()) + if elsewhere { -more } else { more };
                written.push((object, Value::Count(count), true));
            }
        }
        for lock in (0..MAX_LOCKS as u8).map(LockId) {
            let held = |state: &State| Value::Held(state.is_locked(lock), state.owner(lock));
            if held(before) != held(after) {
                let enters = after.locks[lock.index()].depth > before.locks[lock.index()].depth;
                written.push((Object::held(lock), held(after), !enters));
            }
        }
        if let Some(Op::Notify(waiter)) = step.begins {
            written.push((Object::notified(waiter), Value::Notified, true));
        }

        for (object, ..) in &written {
            let version = self.line(*object).newest() + 1;
            self.lane(lane).set(*object, version);
        }
        let own = *self.lane(lane);
        for (object, value, releases) in written {
            let former = *self.line(object).present();
            let mut view = former.view;
            if releases {
                view.learn(&own);
            }
            self.lines[object.index()].versions.push(Version { value, view });
            if matches!(former.value, Value::Word(Phase::Unborn, ..)) {
                // A handle goes from hand to hand under a mutex: who has it knows that its scope is there.
                self.lanes.iter_mut().for_each(|view| view.set(object, own.oldest(object)));
            }
        }
    }

    fn hand_on(&mut self, program: &Program, lane: LaneId, step: Step<'_>) {
        let Step { before, after, .. } = step;
        let own = *self.lane(lane);
        for (index, lock) in self.locks.iter_mut().enumerate() {
            if after.locks[index].depth < before.locks[index].depth {
                lock.learn(&own);
            }
        }
        for (index, make) in program.nodes.iter().enumerate() {
            let waited = before.nodes[index].stage != NodeStage::Granted;
            self.nodes[index] = match (after.nodes[index].stage, make) {
                (NodeStage::Granted, Make::Lock(lock)) if waited => {
                    self.locks[lock.index()].learn(&own);
                    self.locks[lock.index()]
                }
                (NodeStage::Granted, Make::Wait(waiter)) if waited => {
                    self.line(Object::notified(*waiter)).present().view
                }
                (NodeStage::Granted, _) => self.nodes[index],
                _ => View::NOTHING,
            };
        }
        for fiber in program.fibers().filter(|fiber| !program.fiber(*fiber).inline) {
            if before.fiber(fiber).busy && !after.fiber(fiber).busy {
                self.places[fiber.index()] = own;
            }
        }
        if let Some(slot) = step.slot() {
            self.slots[slot] = own;
        }
    }

    /// Drops the versions that no lane may read any more, so that pasts that allow the same are equal.
    fn forget(&mut self) {
        for index in 0..OBJECTS {
            let oldest = self.lanes.iter().map(|view| view.0[index]).min().unwrap_or_default();
            let line = &mut self.lines[index];
            if oldest > line.first {
                line.versions.drain(..usize::from(oldest - line.first));
                line.first = oldest;
                self.views().for_each(|view| view.0[index] = view.0[index].max(oldest));
            }
        }
    }

    fn views(&mut self) -> impl Iterator<Item = &mut View> {
        let of_versions = self.lines.iter_mut().flat_map(|line| &mut line.versions).map(|version| &mut version.view);
        let of_lanes = self.lanes.iter_mut().chain(&mut self.places);
        of_lanes.chain(&mut self.locks).chain(&mut self.nodes).chain(&mut self.slots).chain(of_versions)
    }

    // Queries.

    /// What is known after the lane has asked and was told that, in each way in which it may be told so.
    pub(crate) fn told(&self, program: &Program, state: &State, lane: LaneId, op: Op, ret: Ret) -> Vec<Past> {
        let task = state.scopes(program, lane).find(|scope| program.fiber(*scope).kind == Kind::Task);
        let mut after = self.clone();
        let told = match (op, ret) {
            (Op::HandleIsShielded(fiber), Ret::Flag(shielded)) => {
                return self.told_of_shields(lane, fiber, shielded);
            }
            (Op::TryLock(lock), Ret::Refused(Refusal::WouldBlock)) => {
                let others = |value| matches!(value, Value::Held(true, owner) if owner.is_none() || owner != task);
                after.looks_at(lane, Object::held(lock), others)
            }
            (Op::IsHeld(lock), Ret::Flag(held)) => {
                let own = |value| matches!(value, Value::Held(true, owner) if owner.is_some() && owner == task);
                after.reads(lane, Object::held(lock), |value| own(value) == held)
            }
            (Op::Checkpoint, Ret::Unit) => return self.told_of_requests(program, state, lane, false),
            (Op::CancelPending, Ret::Flag(pending)) => return self.told_of_requests(program, state, lane, pending),
            (Op::IsShielded, Ret::Flag(shielded)) => after.finds_shielded(program, state, lane, shielded),
            (Op::IsLocked(lock), Ret::Flag(held)) => {
                after.looks_at(lane, Object::held(lock), |value| matches!(value, Value::Held(now, _) if now == held))
            }
            (op, ret) => op.fiber().is_some_and(|fiber| {
                after.reads(lane, Object::word(fiber), |value| match value {
                    Value::Word(phase, requests, torn) => answer(op, phase, requests, torn) == Some(ret),
                    _ => false,
                })
            }),
        };
        if told { vec![after] } else { Vec::new() }
    }

    /// What is known after the lane's poll has found nothing to deliver where there is something, and whether it found
    /// the scope shielded, in each way in which it may.
    pub(crate) fn overlooks(&self, program: &Program, state: &State, lane: LaneId) -> Vec<(Past, bool)> {
        let mover = &state.lanes[lane.index()];
        let call = mover.calls.last().expect("the lane's own call never ends");
        let (scope, it) = (call.fiber, state.fiber(call.fiber));
        let deliverable = it.phase == Phase::Live && it.requests > 0 && it.open == 0;
        let looks_again = match call.stage {
            Stage::Check => true,
            Stage::Deliver => mover.waker.waker().is_some_and(|waker| state.fiber(waker.fiber).woken),
            _ => false,
        };
        if !(program.fiber(scope).kind.is_scope() && deliverable && looks_again) {
            return Vec::new();
        }
        let (mut unrequested, mut shielded) = (self.clone(), self.clone());
        let mut ways = Vec::new();
        if unrequested.looks_at(lane, Object::word(scope), |value| !is_requested(value)) {
            ways.push((unrequested, false));
        }
        if shielded.finds_open(lane, scope, true) {
            ways.push((shielded, true));
        }
        ways
    }

    /// A count of those closed elsewhere, then one of the others, then the phase.
    fn told_of_shields(&self, lane: LaneId, fiber: FiberId, shielded: bool) -> Vec<Past> {
        let (opened, closed) = (Object::opened(fiber), Object::closed(fiber));
        let mut ways = Vec::new();
        for version in self.readable(lane, closed) {
            let mut counted = self.clone();
            counted.reads_version(lane, closed, version);
            let count = self.line(closed).count(version);
            let mut open = counted.clone();
            if open.reads(lane, opened, |value| matches!(value, Value::Count(opened) if opened > count))
                && open.looks_at(lane, Object::word(fiber), |value| is_live(value) == shielded)
            {
                ways.push(open);
            }
            if !shielded
                && counted.reads(lane, opened, |value| matches!(value, Value::Count(opened) if opened <= count))
            {
                ways.push(counted);
            }
        }
        ways
    }

    /// CHK-1 walks outwards, and what is read of each scope may be of another time.
    fn told_of_requests(&self, program: &Program, state: &State, lane: LaneId, pending: bool) -> Vec<Past> {
        let (mut ways, mut walk) = (Vec::new(), self.clone());
        for scope in state.scopes(program, lane) {
            if !pending && walk.finds_open(lane, scope, true) {
                return vec![walk];
            }
            if !walk.finds_open(lane, scope, false) {
                return ways;
            }
            let mut found = walk.clone();
            if pending && found.reads(lane, Object::word(scope), is_requested) {
                ways.push(found);
            }
            if !walk.reads(lane, Object::word(scope), |value| !is_requested(value)) {
                return ways;
            }
        }
        if !pending {
            ways.push(walk);
        }
        ways
    }

    /// CHK-5, likewise.
    fn finds_shielded(&mut self, program: &Program, state: &State, lane: LaneId, shielded: bool) -> bool {
        let scopes = state.scopes(program, lane);
        let task = scopes.clone().position(|scope| program.fiber(scope).kind == Kind::Task);
        let mut own = scopes.take(task.map_or(usize::MAX, |at| at + 1));
        let Some(outermost) = own.clone().last() else { return !shielded };
        if shielded {
            own.any(|scope| self.finds_open(lane, scope, true)) && self.looks_at(lane, Object::word(outermost), is_live)
        } else {
            self.looks_at(lane, Object::word(outermost), |value| !is_live(value))
                || own.all(|scope| self.finds_open(lane, scope, false))
        }
    }

    /// Whether a scope that the lane polls has open shields: it alone counts those that it opens and closes.
    fn finds_open(&mut self, lane: LaneId, scope: FiberId, open: bool) -> bool {
        let opened = self.line(Object::opened(scope));
        let count = opened.count(opened.newest());
        let closed = |value| matches!(value, Value::Count(closed) if (count > closed) == open);
        self.reads(lane, Object::closed(scope), closed)
    }

    /// The versions that the lane may read.
    fn readable(&self, lane: LaneId, object: Object) -> RangeInclusive<u8> {
        self.lanes[lane.index()].oldest(object)..=self.line(object).newest()
    }

    /// The oldest one of that sort, if there is one: of this object, it teaches the least.
    fn oldest(&self, lane: LaneId, object: Object, sort: impl Fn(Value) -> bool) -> Option<u8> {
        self.readable(lane, object).find(|version| sort(self.line(object).at(*version).value))
    }

    /// Reads the oldest version of that sort, if there is one, and learns by it.
    fn reads(&mut self, lane: LaneId, object: Object, sort: impl Fn(Value) -> bool) -> bool {
        let found = self.oldest(lane, object, sort);
        found.inspect(|version| self.reads_version(lane, object, *version)).is_some()
    }

    fn reads_version(&mut self, lane: LaneId, object: Object, version: u8) {
        let view = self.line(object).at(version).view;
        self.lane(lane).set(object, version);
        self.lane(lane).learn(&view);
    }

    /// The same by a relaxed load: nothing is learned but that it is there.
    fn looks_at(&mut self, lane: LaneId, object: Object, sort: impl Fn(Value) -> bool) -> bool {
        let found = self.oldest(lane, object, sort);
        found.inspect(|version| self.lane(lane).set(object, *version)).is_some()
    }

    /// What is known after the lane has begun a wait with a number of notifications that is not the present one: the
    /// wait is over. None if the lane knows the present one.
    pub(crate) fn began_before(&self, lane: LaneId, waiter: WaiterId, node: NodeId) -> Option<Past> {
        let object = Object::notified(waiter);
        let number = self.lanes[lane.index()].oldest(object);
        if number == self.line(object).newest() {
            return None;
        }
        let mut after = self.clone();
        after.reads_version(lane, object, number);
        after.nodes[node.index()] = self.line(object).at(number + 1).view;
        Some(after)
    }
}

fn is_live(value: Value) -> bool {
    matches!(value, Value::Word(Phase::Live, ..))
}

fn is_requested(value: Value) -> bool {
    matches!(value, Value::Word(Phase::Live, requests, _) if requests > 0)
}

/// What an operation that changes nothing tells of the word of a scope.
fn answer(op: Op, phase: Phase, requests: u8, torn: bool) -> Option<Ret> {
    if phase == Phase::Unborn {
        return Some(Ret::Absent);
    }
    match op {
        Op::Cancelling(_) => Some(Ret::Count(requests)),
        Op::IsFinished(_) => Some(Ret::Flag(phase == Phase::Done)),
        Op::WasTorn(_) => Some(Ret::Flag(torn)),
        Op::Cancel(_) if phase != Phase::Live => Some(Ret::Flag(phase == Phase::Ending)),
        Op::Uncancel(_) if phase != Phase::Live || requests == 0 => Some(Ret::Count(requests)),
        _ => None,
    }
}

/// Whether the operation may turn out to be a query.
pub(crate) fn asks(op: Op) -> bool {
    match op {
        Op::Cancelling(_) | Op::IsFinished(_) | Op::HandleIsShielded(_) | Op::WasTorn(_) => true,
        Op::IsLocked(_) | Op::IsHeld(_) | Op::CancelPending | Op::IsShielded => true,
        Op::Cancel(_) | Op::Uncancel(_) | Op::TryLock(_) | Op::Checkpoint => true,
        op => begins_wait(op).is_some(),
    }
}

/// The waiter of a wait that the operation makes.
pub(crate) fn begins_wait(op: Op) -> Option<WaiterId> {
    match op {
        Op::Let(Make::Wait(waiter)) | Op::Await(Make::Wait(waiter)) => Some(waiter),
        _ => None,
    }
}

/// Whether one that asks, and returns now, changes something or tells what is not kept here.
pub(crate) fn changes(state: &State, op: Op) -> bool {
    match op {
        Op::Cancel(fiber) => state.phase(fiber) == Phase::Live,
        Op::Uncancel(fiber) => state.phase(fiber) == Phase::Live && state.cancelling(fiber) > 0,
        op => matches!(op, Op::TryLock(_)) || begins_wait(op).is_some(),
    }
}
