//! What a thread may still take for the present where "before" is not a matter of time.
//!
//! A query is a load that orders nothing: under weak memory it may answer with what was true before other threads did what
//! they have done by now. What every memory model guarantees is coherence: of one atomic object a thread sees no value
//! older than one that it has read there, or than its own last write. So for each lane and object the values are kept
//! that the lane may still read, from the oldest to the present one.
//!
//! A call that finds nothing to do changes nothing, and is a query in this sense: `cancel()` of a scope that is ending,
//! `uncancel()` without a request, a `try_lock` that is refused, a checkpoint that does not suspend, a wait that is over at
//! once since it took an old number of notifications for the present one. A call that changes something is a
//! read-modify-write, and acts on the present.

use crate::program::{FiberId, Kind, LaneId, LockId, MAX_LOCKS, MAX_WAITERS, Make, Op, Program, WaiterId};
use crate::ret::{Outcome, Refusal, Ret};
use crate::state::{Phase, State};

/// What one lane may read of each object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Past {
    /// By lane and object. Never empty: the last one is the present.
    values: Vec<Vec<Value>>,
    objects: usize,
}

/// What an atomic object tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Value {
    /// Phase, requests and whether it was torn: one word.
    Word(Phase, u8, bool),
    /// Whether a scope has an open shield.
    Open(bool),
    /// Whether a lock is held.
    Held(bool),
    /// How often a waiter was notified.
    Notified(u8),
}

/// The objects in their order: the words of all fibers, their shields, the locks. After them come the waiters, whose
/// notifications the state forgets.
fn objects(program: &Program, state: &State) -> impl Iterator<Item = Value> {
    let fibers = || program.fibers().map(|fiber| *state.fiber(fiber));
    let words = fibers().map(|it| Value::Word(it.phase, it.requests, it.torn));
    let shields = fibers().map(|it| Value::Open(it.open > 0));
    let locks = (0..MAX_LOCKS as u8).map(|lock| Value::Held(state.is_locked(LockId(lock))));
    words.chain(shields).chain(locks)
}

impl Past {
    pub(crate) fn new(program: &Program, start: &State) -> Self {
        let waiters = (0..MAX_WAITERS).map(|_| Value::Notified(0));
        let now: Vec<_> = objects(program, start).chain(waiters).map(|value| vec![value]).collect();
        let values = program.lanes().flat_map(|_| now.clone()).collect();
        Self { values, objects: now.len() }
    }

    fn of(&mut self, lane: LaneId, object: usize) -> &mut Vec<Value> {
        &mut self.values[lane.index() * self.objects + object]
    }

    /// After a micro step of the lane: what it has changed is the only thing that it may read, and the newest for others.
    pub(crate) fn moved(&mut self, program: &Program, before: &State, after: &State, lane: LaneId) {
        let changes = objects(program, before).zip(objects(program, after)).enumerate();
        for (object, (before, after)) in changes.filter(|(_, (before, after))| before != after) {
            // A handle goes from hand to hand under a mutex: who has it knows that its scope is there.
            let is_new = matches!(before, Value::Word(Phase::Unborn, ..));
            for other in program.lanes() {
                let values = self.of(other, object);
                if other == lane || is_new {
                    values.clear();
                }
                values.push(after);
            }
        }
    }

    /// After a notification by the lane.
    pub(crate) fn notified(&mut self, program: &Program, lane: LaneId, waiter: WaiterId) {
        let object = self.waiter(waiter);
        for other in program.lanes() {
            let values = self.of(other, object);
            let Some(&Value::Notified(before)) = values.last() else { unreachable!("a waiter's number") };
            if other == lane {
                values.clear();
            }
            values.push(Value::Notified(before + 1));
        }
    }

    fn waiter(&self, waiter: WaiterId) -> usize {
        self.objects - MAX_WAITERS + waiter.index()
    }

    /// Whether the lane may be told that; if so, it is told nothing older from now on.
    pub(crate) fn may_tell(&mut self, program: &Program, state: &State, lane: LaneId, op: Op, ret: Ret) -> bool {
        let fibers = program.fibers().len();
        match op {
            Op::TryLock(lock) => {
                let task = state.scopes(program, lane).find(|scope| program.fiber(*scope).kind == Kind::Task);
                if task.is_some() && state.owner(lock) == task {
                    return false;
                }
                // What is true now is not asked here, since it depends on who asks.
                let held = 2 * fibers + lock.index();
                let older = self.of(lane, held).len() - 1;
                ret == Ret::Refused(Refusal::WouldBlock)
                    && self.reads_one_of(lane, held, older, |value| value == Value::Held(true))
            }
            Op::Await(Make::Wait(waiter)) => {
                // The number of the call is an old one, and the poll finds another.
                let values = self.of(lane, self.waiter(waiter));
                let over = ret == Ret::Ready(Outcome::Value) && values.len() > 1;
                if over {
                    values.remove(0);
                }
                over
            }
            Op::Checkpoint => ret == Ret::Unit && self.finds_pending(program, state, lane, false),
            Op::CancelPending => {
                matches!(ret, Ret::Flag(pending) if self.finds_pending(program, state, lane, pending))
            }
            Op::IsShielded => matches!(ret, Ret::Flag(shielded) if self.finds_shielded(program, state, lane, shielded)),
            Op::HandleIsShielded(fiber) => {
                let (open, word) = (fibers + fiber.index(), fiber.index());
                let mut after = self.clone();
                let shielded = ret == Ret::Flag(true) && {
                    after.reads(lane, open, |value| value == Value::Open(true))
                        && after.reads(lane, word, |value| matches!(value, Value::Word(Phase::Live, ..)))
                };
                if shielded {
                    *self = after;
                    return true;
                }
                // Not shielded because of either; what was read of the other does not show.
                self.reads(lane, open, |value| ret == Ret::Flag(false) && value == Value::Open(false))
                    || self.reads(lane, word, |value| match value {
                        Value::Word(Phase::Unborn, ..) => ret == Ret::Absent,
                        Value::Word(Phase::Live, ..) => false,
                        _ => ret == Ret::Flag(false),
                    })
            }
            Op::IsLocked(lock) => {
                self.reads(lane, 2 * fibers + lock.index(), |value| value == Value::Held(ret == Ret::Flag(true)))
            }
            op => {
                let Some(fiber) = op.fiber() else { return false };
                self.reads(lane, fiber.index(), |value| match value {
                    Value::Word(phase, requests, torn) => answer(op, phase, requests, torn) == Some(ret),
                    _ => false,
                })
            }
        }
    }

    /// CHK-1 and CHK-5 walk outwards, and what they read of each scope may be of another time.
    fn finds_pending(&mut self, program: &Program, state: &State, lane: LaneId, pending: bool) -> bool {
        let mut after = self.clone();
        for scope in state.scopes(program, lane) {
            let open = program.fibers().len() + scope.index();
            let requested = |value| matches!(value, Value::Word(Phase::Live, requests, _) if requests > 0);
            if !pending && after.reads(lane, open, |value| value == Value::Open(true)) {
                *self = after;
                return true;
            }
            if !after.reads(lane, open, |value| value == Value::Open(false)) {
                return false;
            }
            if pending && after.reads(lane, scope.index(), requested) {
                *self = after;
                return true;
            }
            if !after.reads(lane, scope.index(), |value| !requested(value)) {
                return false;
            }
        }
        if !pending {
            *self = after;
        }
        !pending
    }

    fn finds_shielded(&mut self, program: &Program, state: &State, lane: LaneId, shielded: bool) -> bool {
        let mut after = self.clone();
        let scopes = state.scopes(program, lane);
        let task = scopes.clone().position(|scope| program.fiber(scope).kind == Kind::Task);
        let mut own = scopes.take(task.map_or(usize::MAX, |at| at + 1));
        let Some(outermost) = own.clone().last() else { return false };
        let mut open = |scope: FiberId, value| {
            after.reads(lane, program.fibers().len() + scope.index(), |read| read == Value::Open(value))
        };
        let found = if shielded { own.any(|scope| open(scope, true)) } else { own.all(|scope| open(scope, false)) };
        let is_live = |value| matches!(value, Value::Word(Phase::Live, ..));
        let found = found && (!shielded || after.reads(lane, outermost.index(), is_live));
        if found {
            *self = after;
        }
        found
    }

    /// Takes the oldest value of that sort, if there is one: it leaves the most to be read later.
    fn reads(&mut self, lane: LaneId, object: usize, sort: impl Fn(Value) -> bool) -> bool {
        self.reads_one_of(lane, object, usize::MAX, sort)
    }

    /// The same, of the oldest so many.
    fn reads_one_of(&mut self, lane: LaneId, object: usize, oldest: usize, sort: impl Fn(Value) -> bool) -> bool {
        let values = self.of(lane, object);
        let at = values.iter().take(oldest).position(|value| sort(*value));
        if let Some(at) = at {
            values.drain(..at);
        }
        at.is_some()
    }
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
    use Op::{Cancel, Cancelling, HandleIsShielded, IsFinished, IsLocked, Uncancel, WasTorn};
    matches!(
        op,
        Cancelling(_) | IsFinished(_) | HandleIsShielded(_) | WasTorn(_) | IsLocked(_) | Cancel(_) | Uncancel(_)
    ) || asks_about_itself(op)
}

/// A query whose true answer depends on who asks.
fn asks_about_itself(op: Op) -> bool {
    use Op::{Await, CancelPending, Checkpoint, IsShielded, TryLock};
    matches!(op, TryLock(_) | Checkpoint | CancelPending | IsShielded | Await(Make::Wait(_)))
}

/// Whether it would change something now, or tell what is not kept here.
pub(crate) fn changes(state: &State, op: Op) -> bool {
    match op {
        Op::Cancel(fiber) => state.phase(fiber) == Phase::Live,
        Op::Uncancel(fiber) => state.phase(fiber) == Phase::Live && state.cancelling(fiber) > 0,
        op => asks_about_itself(op),
    }
}
