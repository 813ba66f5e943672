//! Programs that show nothing which a smaller one does not show: to be left out where all of some size are run.
//!
//! An operation adds nothing to a program if
//! * the spec knows no interleaving in which it happens and finds what it acts on; the program without it goes through
//!   the same states; or
//! * neither it nor what it belongs with touches anything that an operation of another thread changes, or changes
//!   anything that one touches; the program without it goes through the same states but for those of one thread alone,
//!   which come in an order of their own in every interleaving.
//!
//! What belongs together is the smallest partition in which operations of which one changes what another touches are in
//! one part, and so are the operations at which a body may suspend, and the polls of its scope.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault};

use crate::hash::Fold;
use crate::machine::Micro;
use crate::model::Model;
use crate::program::{FiberId, LockId, Make, Op, OpId, Program};
use crate::ret::{Refusal, Ret};
use crate::trace::Trace;

impl Program {
    /// Whether a program with fewer operations shows all that this one does. May be false although one does.
    pub fn is_implied(&self) -> bool {
        !self.all_meet() || !self.all_happen()
    }

    /// Whether every operation belongs with one of another thread.
    fn all_meet(&self) -> bool {
        let parts = Parts::of(self);
        (0..self.len() as u8).map(OpId).all(|op| {
            let thread = self.thread(op);
            (0..self.len() as u8).map(OpId).any(|other| self.thread(other) != thread && parts.together(op, other))
        })
    }

    /// The lane that does it, directly or by running the fiber, by its number as a fiber. A fiber that no lane runs is
    /// a thread of its own.
    pub fn thread(&self, op: OpId) -> FiberId {
        let mut owner = self.owner(op);
        while self.fiber(owner).inline {
            let creates = |op: &OpId| self.op(*op).creates() == Some(owner);
            let creator = (0..self.len() as u8).map(OpId).find(creates).expect("somebody creates it");
            owner = self.owner(creator);
        }
        let runs = |op: &OpId| matches!(self.op(*op), Op::Run(fiber, _) if fiber == owner);
        (0..self.len() as u8).map(OpId).find(runs).map_or(owner, |run| self.owner(run))
    }

    /// Whether every operation happens in some interleaving, and finds what it acts on.
    fn all_happen(&self) -> bool {
        Happenings::of(self).all()
    }
}

/// Sets of things, one bit each.
#[derive(Clone, Copy, Default)]
struct Touched {
    reads: u64,
    changes: u64,
}

impl Touched {
    fn conflicts(self, other: Self) -> bool {
        self.changes & (other.reads | other.changes) != 0 || other.changes & self.reads != 0
    }
}

const REQUESTS: u64 = 1;
const PHASE: u64 = 1 << 1;
const SHIELDS: u64 = 1 << 2;
const PLACE: u64 = 1 << 3;
const OF_A_FIBER: u32 = 4;

fn of(fiber: FiberId, what: u64) -> u64 {
    what << (OF_A_FIBER * u32::from(fiber.0))
}

fn lock(index: usize) -> u64 {
    1 << (48 + index)
}

fn waiter(index: usize) -> u64 {
    1 << (52 + index)
}

fn slot(index: usize) -> u64 {
    1 << (56 + index)
}

/// Which operations belong together: for each, the number of its part.
struct Parts(Vec<usize>);

impl Parts {
    fn of(program: &Program) -> Self {
        let ops: Vec<OpId> = (0..program.len() as u8).map(OpId).collect();
        let touched: Vec<Touched> = ops.iter().map(|op| touched(program, *op)).collect();
        let mut parts = Self((0..ops.len()).collect());
        for (a, of_a) in touched.iter().enumerate() {
            for (b, of_b) in touched.iter().enumerate().skip(a + 1) {
                if of_a.conflicts(*of_b) {
                    parts.join(a, b);
                }
            }
        }
        parts
    }

    fn join(&mut self, a: usize, b: usize) {
        let (from, to) = (self.0[a], self.0[b]);
        for part in self.0.iter_mut().filter(|part| **part == from) {
            *part = to;
        }
    }

    fn together(&self, a: OpId, b: OpId) -> bool {
        self.0[a.index()] == self.0[b.index()]
    }
}

/// What an operation touches; rather too much than too little.
fn touched(program: &Program, id: OpId) -> Touched {
    let owner = program.owner(id);
    // Where a body may suspend, its scope looks for requests, and it matters who polls it and when.
    let suspends = Touched { reads: of(owner, REQUESTS | SHIELDS | PHASE), changes: of(owner, PLACE) };
    let reads = |reads| Touched { reads, changes: 0 };
    let changes = |changes| Touched { reads: 0, changes };
    match program.op(id) {
        Op::Suspend | Op::Yield | Op::Checkpoint => suspends,
        // A lock that nobody else is after is free, and what is free does not suspend.
        Op::Await(Make::Lock(l)) if program.ops.iter().filter(|op| names(**op, l)).count() == 1 => reads(0),
        Op::Await(make) => Touched { changes: suspends.changes | made(make), ..suspends },
        // Nothing happens before it is polled; whoever polls it has `held`.
        Op::Let(Make::Lock(_)) => reads(0),
        Op::Let(make) => changes(made(make)),
        Op::PollLocal | Op::Resume => Touched { changes: suspends.changes | held(program), ..suspends },
        Op::Enter | Op::Exit => changes(of(owner, SHIELDS)),
        Op::TryLock(l) | Op::Unlock(l) => changes(lock(l.index())),
        Op::CancelOnDrop(fiber) => changes(of(fiber, REQUESTS)),
        Op::DropLocal => changes(held(program)),
        Op::Put(s) | Op::DropSlot(s) | Op::Take(s) => changes(slot(s.index()) | held(program)),
        Op::Cancel(fiber) | Op::Uncancel(fiber) => Touched { reads: of(fiber, PHASE), changes: of(fiber, REQUESTS) },
        Op::Notify(w) => changes(waiter(w.index())),
        Op::Poll(fiber, _) | Op::Run(fiber, _) => {
            Touched { reads: of(fiber, REQUESTS | SHIELDS), changes: of(fiber, PHASE | PLACE) }
        }
        Op::Drop(fiber) => Touched { reads: of(fiber, SHIELDS), changes: of(fiber, PHASE | PLACE) },
        Op::Deadline(fiber) => changes(of(fiber, REQUESTS)),
        Op::Panic => changes(of(owner, PHASE | PLACE)),
        Op::Cancelling(fiber) => reads(of(fiber, REQUESTS)),
        Op::IsFinished(fiber) => reads(of(fiber, PHASE)),
        Op::HandleIsShielded(fiber) => reads(of(fiber, PHASE | SHIELDS)),
        Op::WasTorn(fiber) => reads(of(fiber, PHASE | SHIELDS)),
        Op::IsShielded | Op::CancelPending => reads(of(owner, REQUESTS | SHIELDS)),
        Op::CurrentTask => reads(0),
        Op::IsLocked(l) | Op::IsHeld(l) => reads(lock(l.index())),
    }
}

fn names(op: Op, l: LockId) -> bool {
    match op {
        Op::Await(Make::Lock(lock)) | Op::Let(Make::Lock(lock)) => lock == l,
        Op::TryLock(lock) | Op::Unlock(lock) | Op::IsLocked(lock) | Op::IsHeld(lock) => lock == l,
        _ => false,
    }
}

fn made(make: Make) -> u64 {
    match make {
        Make::Lock(l) => lock(l.index()),
        Make::Wait(w) => waiter(w.index()),
        Make::Join(fiber) => of(fiber, PLACE),
        Make::Fiber(fiber) => of(fiber, PLACE),
    }
}

/// Whatever may be dropped or polled that some operation has made.
fn held(program: &Program) -> u64 {
    let of_op = |id: OpId| match program.op(id) {
        Op::Enter => of(program.owner(id), SHIELDS),
        Op::TryLock(l) => lock(l.index()),
        Op::CancelOnDrop(fiber) => of(fiber, REQUESTS),
        Op::Await(make @ Make::Lock(_)) => made(make),
        Op::Let(Make::Wait(_) | Make::Lock(_) | Make::Join(_)) => program.op(id).node().map_or(0, made),
        Op::Let(Make::Fiber(fiber)) => of(fiber, PLACE),
        _ => 0,
    };
    (0..program.len() as u8).map(|op| of_op(OpId(op))).fold(0, |all, of_op| all | of_op)
}

/// Which operations begin in some interleaving, and find what they act on.
struct Happenings {
    happened: u128,
    count: usize,
}

impl Happenings {
    fn of(program: &Program) -> Self {
        let model = Model::new(program);
        let mut this = Self { happened: 0, count: program.len() };
        let mut visited: HashSet<u64, BuildHasherDefault<Fold>> = HashSet::default();
        let mut todo = vec![model.start()];
        let mut trace = Trace::new();
        while let Some(mut state) = todo.pop() {
            let key = BuildHasherDefault::<Fold>::default().hash_one(state);
            if this.all() || !visited.insert(key) {
                continue;
            }
            for lane in program.lanes() {
                if state.is_idle(lane) && !model.is_enabled(&state, lane) {
                    continue;
                }
                let begins = model.begins(&mut state, lane);
                for choice in 0..model.choices(&mut state, lane) {
                    let mut after = state;
                    trace.clear();
                    let micro = model.micro(&mut after, lane, choice, &mut trace);
                    if let Some(op) = begins.filter(|op| !found_nothing(*op, micro)) {
                        this.happened |= 1 << op.0;
                    }
                    todo.push(after);
                }
            }
        }
        this
    }

    fn all(&self) -> bool {
        self.happened.count_ones() as usize == self.count
    }
}

fn found_nothing(op: OpId, micro: Micro) -> bool {
    let nothing = |ret| matches!(ret, Ret::Absent | Ret::Refused(Refusal::NoScope | Refusal::NoTask));
    matches!(micro, Micro::Returned(returned, ret) if returned == op && nothing(ret))
}
