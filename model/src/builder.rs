//! The only way to make a program: operation by operation, checked at the end.

use std::fmt;

use crate::program::{
    Fiber, FiberId, Kind, LockId, MAX_FIBERS, MAX_LANES, MAX_LOCALS, MAX_LOCKS, MAX_NODES, MAX_OPS, MAX_SLOTS,
    MAX_WAITERS, MAX_WAKERS, Make, NodeId, Op, OpId, Place, Program,
};

/// Why something is not a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// What is wrong, as a sentence without its full stop.
    pub reason: String,
    /// In which operation, if it is the fault of one.
    pub op: Option<OpId>,
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Invalid {}

/// How an inline fiber is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// Created and awaited on the spot.
    Await,
    /// Created and kept as a local.
    Let,
}

struct Draft {
    kind: Kind,
    number: u8,
    inline: bool,
    body: Vec<Op>,
    destructor: Vec<Op>,
}

/// Builds a program in the order of its text.
#[derive(Default)]
pub struct Builder {
    fibers: Vec<Draft>,
    lanes: Vec<Draft>,
    /// Bodies that are open, the innermost last, and whether their destructor is.
    open: Vec<(usize, bool)>,
    in_lane: bool,
}

impl Builder {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a fiber at the top. Its number is the one that follows.
    pub fn begin(&mut self, kind: Kind, number: u8) -> FiberId {
        self.begin_fiber(kind, number, false)
    }

    /// Begins a fiber as an operation of the body that is open.
    pub fn begin_inline(&mut self, how: Begin, kind: Kind, number: u8) -> FiberId {
        let id = FiberId(self.fibers.len() as u8);
        self.op(match how {
            Begin::Await => Op::Await(Make::Fiber(id)),
            Begin::Let => Op::Let(Make::Fiber(id)),
        });
        self.begin_fiber(kind, number, true)
    }

    /// Begins a lane.
    pub fn begin_lane(&mut self) {
        self.lanes.push(Draft::new(Kind::Lane, 0, false));
        self.in_lane = true;
    }

    /// What follows, up to `end`, is the destructor of the body that is open.
    pub fn begin_destructor(&mut self) {
        if let Some(open) = self.open.last_mut() {
            open.1 = true;
        }
    }

    /// How many bodies are open inside each other.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// Adds an operation to what is open.
    pub fn op(&mut self, op: Op) {
        if self.in_lane {
            if let Some(lane) = self.lanes.last_mut() {
                lane.body.push(op);
            }
        } else if let Some(&(fiber, in_destructor)) = self.open.last() {
            let fiber = &mut self.fibers[fiber];
            if in_destructor {
                fiber.destructor.push(op);
            } else {
                fiber.body.push(op);
            }
        }
    }

    /// Ends the fiber or the lane that was begun last.
    pub fn end(&mut self) {
        if self.in_lane {
            self.in_lane = false;
        } else {
            self.open.pop();
        }
    }

    /// Checks everything, after the fibers that operations name (those that they create aside) were given other
    /// numbers.
    pub(crate) fn finish_renumbered(mut self, renumber: impl Fn(FiberId) -> FiberId) -> Result<Program, Invalid> {
        let drafts = self.fibers.iter_mut().chain(&mut self.lanes);
        for op in drafts.flat_map(|draft| draft.body.iter_mut().chain(&mut draft.destructor)) {
            if op.creates().is_none() {
                op.rename_fiber(&renumber);
            }
        }
        self.finish()
    }

    /// Checks everything.
    pub fn finish(self) -> Result<Program, Invalid> {
        let limits = [("fibers", self.fibers.len(), MAX_FIBERS), ("threads", self.lanes.len(), MAX_LANES)];
        for (what, count, max) in limits {
            if count > max {
                return Err(too_many(what, max));
            }
        }
        let drafts = self.fibers.into_iter().chain(self.lanes);
        let mut program = Program {
            fibers: Vec::new(),
            lanes: limits[1].1 as u8,
            ops: Vec::new(),
            node_of: Vec::new(),
            nodes: Vec::new(),
        };
        let mut places = Vec::new();
        for draft in drafts {
            if program.ops.len() + draft.body.len() + draft.destructor.len() > MAX_OPS {
                return Err(too_many("operations", MAX_OPS));
            }
            for (ops, destructor) in [(&draft.body, false), (&draft.destructor, true)] {
                if ops.iter().filter(|op| op.adds_local()).count() > MAX_LOCALS {
                    return Err(too_many("guards and futures made in one body", MAX_LOCALS));
                }
                let place = match (draft.kind, destructor) {
                    (Kind::Lane, _) => Place::Lane,
                    (_, false) => Place::Body,
                    (_, true) => Place::Destructor,
                };
                places.extend(ops.iter().map(|_| place));
            }
            let body = program.ops.len() as u8;
            let destructor = body + draft.body.len() as u8;
            program.ops.extend(draft.body);
            program.ops.extend(draft.destructor);
            program.fibers.push(Fiber {
                kind: draft.kind,
                number: draft.number,
                inline: draft.inline,
                body,
                destructor,
                end: program.ops.len() as u8,
            });
        }
        number_nodes(&mut program);
        if program.nodes.len() > MAX_NODES {
            return Err(too_many("acquisitions, waits and joins", MAX_NODES));
        }
        check_names(&program)?;
        for (index, make) in program.nodes.iter().enumerate() {
            if matches!(make, Make::Join(_)) && program.nodes[..index].contains(make) {
                return Err(Invalid { reason: "a task is joined twice".into(), op: None });
            }
        }
        for (index, place) in places.into_iter().enumerate() {
            let op = OpId(index as u8);
            check_op(&program, program.op(op), place).map_err(|reason| Invalid { reason, op: Some(op) })?;
        }
        Ok(program)
    }

    fn begin_fiber(&mut self, kind: Kind, number: u8, inline: bool) -> FiberId {
        let id = FiberId(self.fibers.len() as u8);
        self.open.push((self.fibers.len(), false));
        let number = if kind == Kind::Shielded { 0 } else { number };
        self.fibers.push(Draft::new(kind, number, inline));
        id
    }
}

impl Draft {
    fn new(kind: Kind, number: u8, inline: bool) -> Self {
        Self { kind, number, inline, body: Vec::new(), destructor: Vec::new() }
    }
}

fn too_many(what: &str, max: usize) -> Invalid {
    Invalid { reason: format!("more than {max} {what}"), op: None }
}

/// Finds out anew which operations create nodes.
pub(crate) fn number_nodes(program: &mut Program) {
    program.node_of.clear();
    program.nodes.clear();
    for op in &program.ops {
        program.node_of.push(NodeId(program.nodes.len() as u8));
        program.nodes.extend(op.node());
    }
}

fn check_names(program: &Program) -> Result<(), Invalid> {
    for id in program.fibers() {
        let fiber = program.fiber(id);
        let name = program.name(id);
        let wrong = if matches!(fiber.kind, Kind::Timeout | Kind::Shielded) && !fiber.inline {
            Some(format!("{name} can only stand inside a body"))
        } else if fiber.kind != Kind::Shielded
            && program.fibers().any(|other| other < id && program.name(other) == name)
        {
            Some(format!("{name} is declared twice"))
        } else {
            None
        };
        if let Some(reason) = wrong {
            return Err(Invalid { reason, op: None });
        }
    }
    Ok(())
}

fn check_op(program: &Program, op: Op, place: Place) -> Result<(), String> {
    if !op.fits(place) {
        return Err(match place {
            Place::Body => "this can only stand in a thread".into(),
            Place::Destructor => "a destructor cannot do this".into(),
            Place::Lane => "a thread cannot do this".into(),
        });
    }
    if let Some(fiber) = op.fiber() {
        let Some(it) = program.fibers.get(fiber.index()).filter(|f| f.kind != Kind::Lane) else {
            return Err("a fiber that is not declared".into());
        };
        let name = program.name(fiber);
        match op {
            Op::Await(Make::Fiber(_)) | Op::Let(Make::Fiber(_)) => {}
            Op::Poll(..) | Op::Run(..) | Op::Drop(_) if it.inline => {
                return Err(format!(
                    "{name} is inline; only what is declared at the top can be polled or dropped by name"
                ));
            }
            Op::Poll(..) | Op::Run(..) | Op::Drop(_) => {}
            Op::Deadline(_) if it.kind != Kind::Timeout => {
                return Err(format!("{name} has no deadline"));
            }
            Op::Deadline(_) => {}
            Op::Await(Make::Join(_)) | Op::Let(Make::Join(_)) | Op::CancelOnDrop(_)
                if it.kind != Kind::Task || it.inline =>
            {
                return Err(format!("{name} is not a task declared at the top"));
            }
            _ if !matches!(it.kind, Kind::Task | Kind::Scope) => {
                return Err(format!("{name} has no handle"));
            }
            _ => {}
        }
    }
    let in_range = match op {
        Op::Await(Make::Lock(l)) | Op::Let(Make::Lock(l)) => l.index() < MAX_LOCKS,
        Op::TryLock(l) | Op::Unlock(l) | Op::IsLocked(l) => l.index() < MAX_LOCKS,
        Op::IsHeld(LockId(l)) => LockId(l).is_reentrant() && usize::from(l) < MAX_LOCKS,
        Op::Await(Make::Wait(w)) | Op::Let(Make::Wait(w)) | Op::Notify(w) => w.index() < MAX_WAITERS,
        Op::Put(s) | Op::Take(s) | Op::DropSlot(s) => s.index() < MAX_SLOTS,
        Op::Poll(_, waker) | Op::Run(_, waker) => waker < MAX_WAKERS,
        _ => true,
    };
    if in_range { Ok(()) } else { Err("a number out of range".into()) }
}
