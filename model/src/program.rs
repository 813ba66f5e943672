//! Programs: what tasks do, and what happens to them from outside.
//!
//! A program is a list of *fibers* (futures with a body: tasks, cancel scopes, timeouts, `shielded` futures, plain
//! async blocks) and a list of *lanes* (threads outside, which poll, cancel, drop, notify). A fiber is either declared
//! at the top, and then lies in a place of its own where anybody may poll or drop it, or inline, and then belongs to
//! whoever creates it.
//!
//! # Invariants, established by the [`Builder`]
//! 1. Every name is declared once; every name used is declared; timeouts and `shielded` are inline.
//! 2. An operation runs at most once (there are no loops), so its number names whatever it creates.
//! 3. Lanes and destructors never suspend.
//! 4. Everything fits the capacities below, so that a [`State`](crate::State) is a plain value without allocation.

use crate::ret::Name;

/// Fibers of a program, lanes not counted.
pub const MAX_FIBERS: usize = 12;
/// Lanes of a program.
pub const MAX_LANES: usize = 12;
/// Locks of each sort.
pub const MAX_LOCKS_OF_A_SORT: usize = 2;
/// Locks of both sorts.
pub const MAX_LOCKS: usize = 2 * MAX_LOCKS_OF_A_SORT;
/// Waiters.
pub const MAX_WAITERS: usize = 2;
/// Shared slots.
pub const MAX_SLOTS: usize = 4;
/// Acquisitions, waits and joins of a program.
pub const MAX_NODES: usize = 16;
/// Guards and futures that one body may hold at a time.
pub const MAX_LOCALS: usize = 8;
/// Wakers that a task may be polled with.
pub const MAX_WAKERS: u8 = 4;
/// Operations of a program.
pub const MAX_OPS: usize = 128;

macro_rules! ids {
    ($($(#[$doc:meta])* $id:ident)+) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
            pub struct $id(pub u8);

            impl $id {
                /// For use as an index.
                pub fn index(self) -> usize {
                    usize::from(self.0)
                }
            }
        )+
    };
}

ids! {
    /// A fiber, in the order in which they appear in the text. Lanes are numbered after all fibers.
    FiberId
    /// A thread outside.
    LaneId
    /// `l0` and `l1` are 0 and 1, `r0` and `r1` are 2 and 3.
    LockId
    /// `w0`, `w1`.
    WaiterId
    /// `s0` to `s3`.
    SlotId
    /// An operation, numbered through the whole program.
    OpId
    /// What an operation creates to wait in: an acquisition, a wait, a join.
    NodeId
}

impl LockId {
    /// Whether this is an `RLock`.
    pub fn is_reentrant(self) -> bool {
        self.index() >= MAX_LOCKS_OF_A_SORT
    }
}

/// What wraps a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A `ShieldableTask`: a scope with an identity.
    Task,
    /// A `CancelScope`.
    Scope,
    /// A `timeout`: a scope whose only requester is its deadline.
    Timeout,
    /// A `shielded(..)` future. No scope.
    Shielded,
    /// A plain async block. No scope.
    Plain,
    /// A thread outside. No scope, and never polled.
    Lane,
}

impl Kind {
    /// Whether polling it makes a frame.
    pub fn is_scope(self) -> bool {
        matches!(self, Kind::Task | Kind::Scope | Kind::Timeout)
    }

    /// Whether it has a handle.
    pub fn has_handle(self) -> bool {
        matches!(self, Kind::Task | Kind::Scope)
    }

    /// The letter its names begin with.
    pub fn letter(self) -> char {
        match self {
            Kind::Task => 't',
            Kind::Scope => 'c',
            Kind::Timeout => 'd',
            Kind::Shielded => 'h',
            Kind::Plain => 'p',
            Kind::Lane => '-',
        }
    }
}

/// A future that an operation creates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Make {
    /// An acquisition.
    Lock(LockId),
    /// `Waiter::wait()`.
    Wait(WaiterId),
    /// A join handle of a task declared at the top.
    Join(FiberId),
    /// An inline fiber.
    Fiber(FiberId),
}

/// One operation. Those that act on something that is not there do nothing and say so ([`Ret::Absent`](crate::Ret)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    // What suspends: bodies only.
    /// `Pending` once, without arranging a wake.
    Suspend,
    /// Wakes itself, `Pending` once.
    Yield,
    /// `checkpoint().await`.
    Checkpoint,
    /// Creates and awaits.
    Await(Make),
    /// Creates and keeps, un-polled, as the newest local.
    Let(Make),
    /// Polls the newest local future once.
    PollLocal,
    /// Awaits the newest local future.
    Resume,

    // Shields, locks and other things held: as locals, the newest last.
    /// `try_shield_scope()`.
    Enter,
    /// Drops the newest local shield guard.
    Exit,
    /// `try_lock()`.
    TryLock(LockId),
    /// Drops the newest local guard of the lock.
    Unlock(LockId),
    /// A `CancelOnDrop` of a task declared at the top.
    CancelOnDrop(FiberId),
    /// Drops the newest local.
    DropLocal,
    /// Moves the newest local to a slot; what was there is dropped.
    Put(SlotId),
    /// Moves what is in a slot here, as the newest local.
    Take(SlotId),
    /// Drops what is in a slot.
    DropSlot(SlotId),

    // Upon others.
    /// `cancel()` of a handle.
    Cancel(FiberId),
    /// `uncancel()` of a handle.
    Uncancel(FiberId),
    /// `notify()`.
    Notify(WaiterId),
    /// Polls a top fiber once; from a lane, with that waker of it.
    Poll(FiberId, u8),
    /// Polls a top fiber to its end, whenever it has been woken. Lanes only.
    Run(FiberId, u8),
    /// Drops a top fiber, hard if it has not ended.
    Drop(FiberId),
    /// The deadline of a timeout passes. Lanes only.
    Deadline(FiberId),
    /// Panics; in a destructor, only if the thread is not panicking already.
    Panic,

    // Queries.
    /// `cancelling()` of a handle.
    Cancelling(FiberId),
    /// `is_finished()` of a handle.
    IsFinished(FiberId),
    /// `is_shielded()` of a handle.
    HandleIsShielded(FiberId),
    /// `was_torn()` of a handle.
    WasTorn(FiberId),
    /// `is_shielded()`.
    IsShielded,
    /// `cancel_pending()`.
    CancelPending,
    /// `TaskHandle::try_current()`.
    CurrentTask,
    /// `is_locked()`.
    IsLocked(LockId),
    /// `is_held_by_current()`.
    IsHeld(LockId),
}

/// Where an operation stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Body,
    Destructor,
    Lane,
}

impl Op {
    /// Whether it may stand there.
    pub(crate) fn fits(self, place: Place) -> bool {
        match self {
            Op::Suspend | Op::Yield | Op::Checkpoint | Op::Await(_) | Op::Let(_) | Op::PollLocal | Op::Resume => {
                place == Place::Body
            }
            Op::Poll(..) => place != Place::Destructor,
            Op::Run(..) | Op::Deadline(_) => place == Place::Lane,
            Op::Panic => place != Place::Lane,
            _ => true,
        }
    }

    /// The fiber it names, if any.
    pub(crate) fn fiber(self) -> Option<FiberId> {
        match self {
            Op::Await(Make::Fiber(f) | Make::Join(f)) | Op::Let(Make::Fiber(f) | Make::Join(f)) => Some(f),
            Op::Cancel(f)
            | Op::CancelOnDrop(f)
            | Op::Uncancel(f)
            | Op::Poll(f, _)
            | Op::Run(f, _)
            | Op::Drop(f)
            | Op::Deadline(f)
            | Op::Cancelling(f)
            | Op::IsFinished(f)
            | Op::HandleIsShielded(f)
            | Op::WasTorn(f) => Some(f),
            _ => None,
        }
    }

    pub(crate) fn rename_fiber(&mut self, rename: impl Fn(FiberId) -> FiberId) {
        match self {
            Op::Await(Make::Fiber(f) | Make::Join(f))
            | Op::Let(Make::Fiber(f) | Make::Join(f))
            | Op::Cancel(f)
            | Op::CancelOnDrop(f)
            | Op::Uncancel(f)
            | Op::Poll(f, _)
            | Op::Run(f, _)
            | Op::Drop(f)
            | Op::Deadline(f)
            | Op::Cancelling(f)
            | Op::IsFinished(f)
            | Op::HandleIsShielded(f)
            | Op::WasTorn(f) => *f = rename(*f),
            _ => {}
        }
    }

    /// The inline fiber it creates, if any.
    pub fn creates(self) -> Option<FiberId> {
        match self {
            Op::Await(Make::Fiber(f)) | Op::Let(Make::Fiber(f)) => Some(f),
            _ => None,
        }
    }

    /// What it creates to wait in, if anything.
    pub(crate) fn node(self) -> Option<Make> {
        match self {
            Op::Await(make) | Op::Let(make) if !matches!(make, Make::Fiber(_)) => Some(make),
            _ => None,
        }
    }

    /// Whether it may leave one more local behind.
    pub(crate) fn adds_local(self) -> bool {
        matches!(
            self,
            Op::Enter | Op::TryLock(_) | Op::Let(_) | Op::CancelOnDrop(_) | Op::Take(_) | Op::Await(Make::Lock(_))
        )
    }
}

/// A fiber or a lane.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fiber {
    /// What wraps its body.
    pub kind: Kind,
    /// The number in its name; meaningless for `shielded` and lanes.
    pub number: u8,
    /// Whether it is created by an operation of another body.
    pub inline: bool,
    /// First operation of the body.
    pub(crate) body: u8,
    /// First operation of the destructor.
    pub(crate) destructor: u8,
    /// One past the last operation of the destructor.
    pub(crate) end: u8,
}

/// A checked program. Made by parsing text or by a [`Builder`](crate::Builder).
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Program {
    pub(crate) fibers: Vec<Fiber>,
    pub(crate) lanes: u8,
    pub(crate) ops: Vec<Op>,
    /// The node that an operation creates, meaningless for others.
    pub(crate) node_of: Vec<NodeId>,
    pub(crate) nodes: Vec<Make>,
}

impl Program {
    /// All fibers, without the lanes.
    pub fn fibers(&self) -> impl ExactSizeIterator<Item = FiberId> + use<> {
        (0..self.lanes_start()).map(FiberId)
    }

    /// All lanes.
    pub fn lanes(&self) -> impl ExactSizeIterator<Item = LaneId> + use<> {
        (0..self.lanes).map(LaneId)
    }

    /// What is known of a fiber.
    pub fn fiber(&self, fiber: FiberId) -> &Fiber {
        &self.fibers[fiber.index()]
    }

    /// Short for `fiber(f).kind`.
    pub fn kind(&self, fiber: FiberId) -> Kind {
        self.fibers[fiber.index()].kind
    }

    /// The operation of that number.
    pub fn op(&self, op: OpId) -> Op {
        self.ops[op.index()]
    }

    /// The number of operations in all bodies, destructors and lanes.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Whether nothing can happen at all.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// The operations of a body in order, without its destructor.
    pub fn body(&self, fiber: FiberId) -> impl DoubleEndedIterator<Item = OpId> + use<> {
        let fiber = self.fiber(fiber);
        (fiber.body..fiber.destructor).map(OpId)
    }

    /// The operations of the destructor of a body.
    pub fn destructor(&self, fiber: FiberId) -> impl DoubleEndedIterator<Item = OpId> + use<> {
        let fiber = self.fiber(fiber);
        (fiber.destructor..fiber.end).map(OpId)
    }

    /// The operations of a lane in order.
    pub fn lane(&self, lane: LaneId) -> impl DoubleEndedIterator<Item = OpId> + use<> {
        self.body(self.lane_fiber(lane))
    }

    /// The fiber or lane whose body or destructor has the operation.
    pub fn owner(&self, op: OpId) -> FiberId {
        let owner = self.fibers.iter().position(|f| (f.body..f.end).contains(&op.0));
        FiberId(owner.expect("an operation of this program") as u8)
    }

    /// How the fiber is called in the text.
    pub fn name(&self, fiber: FiberId) -> Name {
        let it = self.fiber(fiber);
        match it.kind {
            Kind::Lane => Name { letter: '#', number: fiber.0 - self.lanes_start() },
            kind => Name { letter: kind.letter(), number: it.number },
        }
    }

    /// Whether any operation names the lock.
    pub fn uses_lock(&self, lock: LockId) -> bool {
        self.ops.iter().any(|op| {
            matches!(*op, Op::TryLock(l) | Op::Unlock(l) | Op::IsLocked(l) | Op::IsHeld(l)
                | Op::Await(Make::Lock(l)) | Op::Let(Make::Lock(l)) if l == lock)
        })
    }

    pub(crate) fn lanes_start(&self) -> u8 {
        self.fibers.len() as u8 - self.lanes
    }

    pub(crate) fn lane_fiber(&self, lane: LaneId) -> FiberId {
        FiberId(self.lanes_start() + lane.0)
    }

    pub(crate) fn node(&self, op: OpId) -> NodeId {
        self.node_of[op.index()]
    }
}
