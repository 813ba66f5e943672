//! The state of a program that is running: a plain value, compared and hashed as a whole.
//!
//! # Invariants
//! 1. Whatever cannot matter any more is reset, so that states that behave alike are equal.
//! 2. `open` of a scope is the number of its guards, plus one for each scope that is parked on it or has left its
//!    guards to it.
//! 3. The frames are the scopes in a lane's stack; nothing else knows who is inside whom.

use std::hash::{Hash, Hasher};

use crate::history::{End, Observed};
use crate::program::{
    FiberId, LaneId, LockId, MAX_FIBERS, MAX_LANES, MAX_LOCALS, MAX_LOCKS, MAX_NODES, MAX_SLOTS, MAX_WAITERS,
    MAX_WAKERS, NodeId, Program,
};
use crate::ret::{Outcome, Ret};
use crate::stack::Stack;
use crate::trace::Waker;

pub(crate) const MAX_ALL: usize = MAX_FIBERS + MAX_LANES;
/// Every fiber is in at most one call of a lane, below them the lane itself.
const MAX_CALLS: usize = MAX_FIBERS + 1;

/// SCP-1, and before: an inline fiber that is not created yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Not created yet.
    #[default]
    Unborn,
    /// Requests count, delivery may happen.
    Live,
    /// Decided; the body is being dropped, or waits for that after a panic.
    Ending,
    /// The body is gone.
    Done,
}

/// Something held: in a body, in a slot, or being awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Item {
    #[default]
    None,
    /// A shield guard of that scope.
    Shield(FiberId),
    /// A lock guard.
    Guard(LockId),
    CancelOnDrop(FiberId),
    /// An acquisition, a wait, a join.
    Node(NodeId),
    /// A suspended or un-polled fiber.
    Fiber(FiberId),
}

impl Item {
    pub(crate) fn is_future(self) -> bool {
        matches!(self, Item::Node(_) | Item::Fiber(_))
    }
}

/// The timer of a timeout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Timer {
    #[default]
    Idle,
    /// Polled; wakes that waker when the deadline passes.
    Armed(Code),
    /// The deadline has passed, the timeout does not know.
    Passed,
    /// The request was made.
    Spent,
}

/// A waker, none, or one that has been taken to be called, in a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Code(u8);

impl Code {
    pub(crate) const NONE: Code = Code(u8::MAX);
    pub(crate) const TAKEN: Code = Code(u8::MAX - 1);

    pub(crate) fn new(fiber: FiberId, version: u8) -> Self {
        Code(fiber.0 * MAX_WAKERS + version)
    }

    pub(crate) fn waker(self) -> Option<Waker> {
        (self.0 < Code::TAKEN.0).then_some(Waker { fiber: FiberId(self.0 / MAX_WAKERS), version: self.0 % MAX_WAKERS })
    }
}

impl Default for Code {
    fn default() -> Self {
        Self::NONE
    }
}

pub(crate) const NEVER_POLLED: u8 = u8::MAX;

/// How far the operation at `pc` is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum At {
    /// Not begun.
    #[default]
    Fresh,
    /// A future was made, or goes on in this poll, and is to be polled.
    Asking,
    /// It has suspended, and is to be looked at again in the next poll.
    Waiting,
    /// It has called another fiber; the answer is in the lane's `answer`.
    Called,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct FiberState {
    pub(crate) phase: Phase,
    pub(crate) requests: u8,
    pub(crate) open: u8,
    pub(crate) torn: bool,
    /// The waker registered last, until it is called.
    pub(crate) waker: Code,
    /// The scope that this one shields: while it is suspended, or for its guards after its end.
    pub(crate) outer: Option<FiberId>,
    pub(crate) timer: Timer,

    /// The shield of a `shielded` future.
    pub(crate) guard: Option<FiberId>,
    pub(crate) started: bool,
    /// What became of the body.
    pub(crate) outcome: Option<Outcome>,
    /// Top fibers: it has ended, and its join handle knows.
    pub(crate) joinable: bool,

    /// Top fibers: whether it is still in its place.
    pub(crate) present: bool,
    /// Being polled or dropped by a lane.
    pub(crate) busy: bool,
    /// Woken since its last poll began. True at first, as an executor polls what it is given.
    pub(crate) woken: bool,
    /// The waker it was last polled with, [`NEVER_POLLED`] at first.
    pub(crate) version: u8,

    pub(crate) pc: u8,
    pub(crate) at: At,
    /// What is awaited.
    pub(crate) current: Item,
    pub(crate) locals: Stack<Item, MAX_LOCALS>,
}

/// Where a call of a lane is: what the next micro step of the call will do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Runs the operations of the lane.
    #[default]
    Lane,
    // A poll.
    Start,
    Check,
    Body,
    Timer,
    Register,
    Deliver,
    Park,
    Unwind,
    // The end of a body, in a poll or a drop.
    End,
    Destructor,
    Done,
    Seal,
    // A drop, before and after that.
    Drop,
    Unpark,
    /// Of a poll or a drop of a top fiber.
    Leave,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Call {
    pub(crate) fiber: FiberId,
    pub(crate) stage: Stage,
    /// In a poll: what it will return. In a drop: unit.
    pub(crate) ret: Ret,
    /// In a drop: the scope that the fiber was parked on.
    pub(crate) held: Option<FiberId>,
    /// The lane was unwinding when the call was made.
    pub(crate) from_unwind: bool,
    /// The lane was unwinding when the destructor began.
    pub(crate) destructor_in_unwind: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LaneState {
    pub(crate) calls: Stack<Call, MAX_CALLS>,
    /// What the call that ended last returned.
    pub(crate) answer: Ret,
    /// The waker of the poll that is going on.
    pub(crate) waker: Code,
    /// In an operation of its own, for those who replay calls and returns.
    pub(crate) called: bool,
    /// Unwinding.
    pub(crate) panicking: bool,
    /// A walk over the frames is under way: the number of calls not looked at yet, and whether a shield was found.
    pub(crate) walk: Option<(u8, bool)>,
}

/// A lock of either sort.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct LockState {
    /// Guards, plus one for an acquisition that is granted and not polled since.
    pub(crate) depth: u8,
    /// `RLock`: whose they are.
    pub(crate) owner: Option<FiberId>,
    pub(crate) queue: Stack<NodeId, MAX_NODES>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum NodeStage {
    /// Not created, or over.
    #[default]
    Gone,
    /// Created, not in a queue.
    Idle,
    Queued,
    /// Handed the lock, notified.
    Granted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct NodeState {
    pub(crate) stage: NodeStage,
    pub(crate) waker: Code,
    /// `RLock`: the task that waits or was granted.
    pub(crate) task: Option<FiberId>,
}

/// Everything that a running program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    /// Fibers, then lanes.
    pub(crate) fibers: [FiberState; MAX_ALL],
    pub(crate) lanes: [LaneState; MAX_LANES],
    pub(crate) locks: [LockState; MAX_LOCKS],
    /// Waits in the order in which they will be woken.
    pub(crate) waiters: [Stack<NodeId, MAX_NODES>; MAX_WAITERS],
    pub(crate) nodes: [NodeState; MAX_NODES],
    pub(crate) slots: [Item; MAX_SLOTS],
    sizes: (u8, u8, u8),
}

impl State {
    /// Nothing has been polled, every lane is before its first operation.
    pub fn new(program: &Program) -> Self {
        let mut state = Self {
            fibers: Default::default(),
            lanes: Default::default(),
            locks: Default::default(),
            waiters: Default::default(),
            nodes: Default::default(),
            slots: Default::default(),
            sizes: (program.fibers.len() as u8, program.lanes, program.nodes.len() as u8),
        };
        for (it, fiber) in state.fibers.iter_mut().zip(&program.fibers) {
            it.pc = fiber.body;
            if !fiber.inline {
                it.phase = Phase::Live;
                it.present = true;
                it.woken = true;
                it.version = NEVER_POLLED;
            }
        }
        for lane in program.lanes() {
            state.lanes[lane.index()].calls.push(Call { fiber: program.lane_fiber(lane), ..Call::default() });
        }
        state
    }

    pub(crate) fn fiber(&self, fiber: FiberId) -> &FiberState {
        &self.fibers[fiber.index()]
    }

    pub(crate) fn fiber_mut(&mut self, fiber: FiberId) -> &mut FiberState {
        &mut self.fibers[fiber.index()]
    }

    /// The phase of a fiber.
    pub fn phase(&self, fiber: FiberId) -> Phase {
        self.fiber(fiber).phase
    }

    /// `cancelling()`.
    pub fn cancelling(&self, fiber: FiberId) -> u8 {
        self.fiber(fiber).requests
    }

    /// `is_finished()`.
    pub fn is_finished(&self, fiber: FiberId) -> bool {
        self.fiber(fiber).phase == Phase::Done
    }

    /// `is_shielded()` of a handle.
    pub fn is_shielded(&self, fiber: FiberId) -> bool {
        let it = self.fiber(fiber);
        it.phase == Phase::Live && it.open > 0
    }

    /// `was_torn()`.
    pub fn was_torn(&self, fiber: FiberId) -> bool {
        self.fiber(fiber).torn
    }

    /// What a handle tells, once there is one.
    pub fn observed(&self, fiber: FiberId) -> Option<Observed> {
        (self.phase(fiber) != Phase::Unborn).then(|| Observed {
            cancelling: usize::from(self.cancelling(fiber)),
            is_finished: self.is_finished(fiber),
            is_shielded: self.is_shielded(fiber),
            was_torn: self.was_torn(fiber),
        })
    }

    /// What can be asked.
    pub fn end(&self, program: &Program) -> End {
        let mut end = End { handles: Default::default(), locked: self.locks.map(|lock| lock.depth > 0) };
        for fiber in program.fibers().filter(|fiber| program.kind(*fiber).has_handle()) {
            end.handles[fiber.index()] = self.observed(fiber);
        }
        end
    }

    /// The waker that the scope keeps, if it keeps one: it has registered one, and that has not been called since.
    pub fn waker(&self, fiber: FiberId) -> Option<Waker> {
        self.fiber(fiber).waker.waker()
    }

    /// Every waker that is kept anywhere, by a scope, a timer or something that waits, as often as it is.
    pub fn kept_wakers(&self) -> impl Iterator<Item = Waker> + '_ {
        let (fibers, _, nodes) = self.sizes;
        let of_fibers = self.fibers[..usize::from(fibers)].iter().flat_map(|it| {
            let armed = match it.timer {
                Timer::Armed(waker) => waker,
                _ => Code::NONE,
            };
            [it.waker, armed]
        });
        let of_nodes = self.nodes[..usize::from(nodes)].iter().map(|node| node.waker);
        of_fibers.chain(of_nodes).filter_map(Code::waker)
    }

    /// Whether a top fiber has not been dropped. It may have ended.
    pub fn is_present(&self, fiber: FiberId) -> bool {
        self.fiber(fiber).present
    }

    /// Whether a top fiber has been woken since its last poll began.
    pub fn is_woken(&self, fiber: FiberId) -> bool {
        self.fiber(fiber).woken
    }

    /// Whether whoever runs it with that waker has to poll it: it has been woken, and not by a waker of somebody
    /// else's.
    pub(crate) fn is_due(&self, fiber: FiberId, version: u8) -> bool {
        let it = self.fiber(fiber);
        it.woken && (it.version == version || it.version == NEVER_POLLED)
    }

    /// How the body ended, once it is gone or has panicked.
    pub fn outcome(&self, fiber: FiberId) -> Option<Outcome> {
        self.fiber(fiber).outcome
    }

    /// `is_locked()`.
    pub fn is_locked(&self, lock: LockId) -> bool {
        self.locks[lock.index()].depth > 0
    }

    /// How many acquisitions queue for the lock.
    pub fn queue_len(&self, lock: LockId) -> usize {
        self.locks[lock.index()].queue.len()
    }

    /// Whether the lane is between two operations of its own.
    pub fn is_idle(&self, lane: LaneId) -> bool {
        self.lanes[lane.index()].calls.len() == 1 && self.lane_fiber_state(lane).at == At::Fresh
    }

    pub(crate) fn is_called(&self, lane: LaneId) -> bool {
        self.lanes[lane.index()].called
    }

    /// The lane begins an operation of its own. Always true.
    pub(crate) fn set_called(&mut self, lane: LaneId) -> bool {
        self.lanes[lane.index()].called = true;
        true
    }

    /// Who owns a re-entrant lock, as far as anybody does.
    pub(crate) fn owner(&self, lock: LockId) -> Option<FiberId> {
        self.locks[lock.index()].owner
    }

    /// The scopes that the lane polls now, from the inside out.
    pub(crate) fn scopes(&self, program: &Program, lane: LaneId) -> impl Iterator<Item = FiberId> + Clone {
        let calls = self.lanes[lane.index()].calls.iter().rev();
        calls.map(|call| call.fiber).filter(|fiber| program.fiber(*fiber).kind.is_scope())
    }

    pub(crate) fn lane_fiber_state(&self, lane: LaneId) -> &FiberState {
        self.fiber(self.lanes[lane.index()].calls[0].fiber)
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let (fibers, lanes, nodes) = self.sizes;
        self.fibers[..usize::from(fibers)].hash(hasher);
        self.lanes[..usize::from(lanes)].hash(hasher);
        self.nodes[..usize::from(nodes)].hash(hasher);
        self.locks.hash(hasher);
        self.waiters.hash(hasher);
        self.slots.hash(hasher);
    }
}
