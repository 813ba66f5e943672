//! What a thread may still take for the present where "before" is not a matter of time.
//!
//! A query is a load that orders nothing: under weak memory it may answer with what was true before other threads did what
//! they have done by now. What every memory model guarantees is coherence: of one atomic object a thread sees no value
//! older than one that it has read there, or than its own last write. So for each lane and object the values are kept
//! that the lane may still read, from the oldest to the present one.
//!
//! A call that comes too late (`cancel()` of a scope that is ending, `uncancel()` without a request) changes nothing, and
//! is a query in this sense. A call that changes something is a read-modify-write, and acts on the present.

use crate::program::{LaneId, LockId, MAX_LOCKS, Op, Program};
use crate::ret::Ret;
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
}

/// The objects in their order: the words of all fibers, their shields, the locks.
fn objects(program: &Program, state: &State) -> impl Iterator<Item = Value> {
    let fibers = || program.fibers().map(|fiber| *state.fiber(fiber));
    let words = fibers().map(|it| Value::Word(it.phase, it.requests, it.torn));
    let shields = fibers().map(|it| Value::Open(it.open > 0));
    let locks = (0..MAX_LOCKS as u8).map(|lock| Value::Held(state.is_locked(LockId(lock))));
    words.chain(shields).chain(locks)
}

impl Past {
    pub(crate) fn new(program: &Program, start: &State) -> Self {
        let now: Vec<_> = objects(program, start).map(|value| vec![value]).collect();
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

    /// Whether the lane may be told that; if so, it is told nothing older from now on.
    pub(crate) fn may_tell(&mut self, program: &Program, lane: LaneId, op: Op, ret: Ret) -> bool {
        let fibers = program.fibers().len();
        match op {
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

    /// Takes the oldest value of that sort, if there is one: it leaves the most to be read later.
    fn reads(&mut self, lane: LaneId, object: usize, sort: impl Fn(Value) -> bool) -> bool {
        let values = self.of(lane, object);
        let at = values.iter().position(|value| sort(*value));
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
    )
}

/// Whether it would change something now.
pub(crate) fn changes(state: &State, op: Op) -> bool {
    match op {
        Op::Cancel(fiber) => state.phase(fiber) == Phase::Live,
        Op::Uncancel(fiber) => state.phase(fiber) == Phase::Live && state.cancelling(fiber) > 0,
        _ => false,
    }
}
