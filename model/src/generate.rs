//! Programs from choices: the one generator behind every random checker.
//!
//! Whatever the choices, the result is a program; the first choice of each kind is the simplest, so that shrinking the
//! choices shrinks the program. What a body holds is followed roughly, so that most operations have something to act
//! on.

use crate::builder::{Begin, Builder};
use crate::grammar::{Entry, Grammar, Style};
use crate::program::{
    FiberId, Kind, LockId, MAX_FIBERS, MAX_LOCALS, MAX_LOCKS_OF_A_SORT, MAX_NODES, MAX_OPS, Make, Op, Program, SlotId,
    WaiterId,
};

/// A source of decisions.
pub trait Choices {
    /// A number below `n`, 0 if there is nothing left to decide with. `n` is at least 1.
    fn pick(&mut self, n: usize) -> usize;
}

/// Decisions from bytes, one each.
#[derive(Clone, Debug)]
pub struct Bytes<'b>(pub &'b [u8]);

impl Choices for Bytes<'_> {
    fn pick(&mut self, n: usize) -> usize {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                usize::from(*first) % n
            }
            None => 0,
        }
    }
}

/// Decisions from a seed, for ever (splitmix64).
#[derive(Clone, Debug)]
pub struct Seed(pub u64);

impl Choices for Seed {
    fn pick(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
}

impl Grammar {
    /// A program of this grammar. One that would be too long is drawn again, from the choices that are left: once there
    /// are none, the shortest is.
    pub fn generate(&self, choices: &mut impl Choices) -> Program {
        loop {
            if let Some(program) = self.draw(choices) {
                return program;
            }
        }
    }

    /// `None`: it has too many operations.
    fn draw(&self, choices: &mut impl Choices) -> Option<Program> {
        let mut generation = Generation {
            grammar: self,
            choices,
            builder: Builder::new(),
            tops: Vec::new(),
            handles: Vec::new(),
            deadlines: Vec::new(),
            numbers: [0; 5],
            fibers: 0,
            nodes: 0,
            ops: 0,
            joined: 0,
        };
        generation.program();
        let Generation { tops, builder, ops, .. } = generation;
        let real = |fiber: FiberId| match fiber.0.checked_sub(TOP) {
            Some(top) => tops[usize::from(top)].1.unwrap_or(FiberId(0)),
            None => fiber,
        };
        (ops <= MAX_OPS).then(|| builder.finish_renumbered(real).expect("generated programs are valid"))
    }
}

/// Top fibers are named before they are begun: by this and their index.
const TOP: u8 = 200;

/// What is roughly known of what a body holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    Shield,
    Guard(LockId),
    Future,
    Other,
}

#[derive(Default)]
struct Holding {
    held: Vec<Held>,
    made: usize,
}

struct Generation<'g, C> {
    grammar: &'g Grammar,
    choices: &'g mut C,
    builder: Builder,
    tops: Vec<(Kind, Option<FiberId>)>,
    handles: Vec<FiberId>,
    deadlines: Vec<FiberId>,
    numbers: [u8; 5],
    fibers: usize,
    nodes: usize,
    ops: usize,
    joined: u16,
}

impl<C: Choices> Generation<'_, C> {
    fn program(&mut self) {
        let shape = self.grammar.shape;
        // The larger of two: alone, a task meets nobody.
        let tasks = usize::from(shape.tasks);
        let tasks = 1 + self.choices.pick(tasks).max(self.choices.pick(tasks));
        for index in 0..tasks {
            let kinds = &self.grammar.tops;
            let kind = kinds[self.choices.pick(kinds.len())];
            if kind != Kind::Plain {
                self.handles.push(FiberId(TOP + index as u8));
            }
            self.tops.push((kind, None));
        }
        self.fibers = tasks;
        for index in 0..tasks {
            let kind = self.tops[index].0;
            let number = self.number(kind);
            self.tops[index].1 = Some(self.builder.begin(kind, number));
            self.body(0);
            self.builder.end();
        }
        match shape.style {
            Style::Lockstep => {
                self.builder.begin_lane();
                self.lane(usize::from(shape.lane_ops), &mut Holding::default());
                self.builder.end();
            }
            Style::Threads { outside } | Style::Executor { outside } => {
                for index in 0..tasks {
                    self.builder.begin_lane();
                    self.push(Op::Run(FiberId(TOP + index as u8), 0));
                    self.builder.end();
                }
                for _ in 0..outside {
                    self.builder.begin_lane();
                    self.lane(usize::from(shape.lane_ops), &mut Holding::default());
                    self.builder.end();
                }
            }
        }
    }

    fn number(&mut self, kind: Kind) -> u8 {
        let number = &mut self.numbers[kind as usize];
        *number += 1;
        *number - 1
    }

    fn push(&mut self, op: Op) {
        self.builder.op(op);
        self.ops += 1;
    }

    /// How many more operations, at most `max`: long ones are the likelier, as most things take a few.
    fn length(&mut self, max: usize) -> usize {
        let room = (MAX_OPS - 16).saturating_sub(self.ops).min(max);
        self.choices.pick(room + 1).max(self.choices.pick(room + 1))
    }

    fn body(&mut self, depth: usize) {
        let mut holding = Holding::default();
        for _ in 0..self.length(usize::from(self.grammar.shape.ops)) {
            let menu = &self.grammar.body;
            let entry = menu[self.choices.pick(menu.len())];
            self.body_op(entry, depth, &mut holding);
        }
        if !self.grammar.destructor.is_empty() && self.choices.pick(4) == 3 {
            self.builder.begin_destructor();
            let mut holding = Holding::default();
            for _ in 0..1 + self.choices.pick(3) {
                let menu = &self.grammar.destructor;
                let entry = menu[self.choices.pick(menu.len())];
                let op = self.op(entry, &mut holding).unwrap_or(Op::Enter);
                self.push_op(op, &mut holding);
            }
        }
    }

    fn body_op(&mut self, entry: Entry, depth: usize, holding: &mut Holding) {
        let how = if holding.made < MAX_LOCALS - 1 && self.grammar.moves && self.choices.pick(4) == 3 {
            Begin::Let
        } else {
            Begin::Await
        };
        match entry {
            Entry::HandOff if holding.made < MAX_LOCALS => {
                let handed = &self.grammar.handed;
                let sort = handed[self.choices.pick(handed.len())];
                if sort == Entry::Suspend {
                    return self.push(Op::Suspend);
                }
                if sort == Entry::Enter {
                    self.push_op(Op::Enter, holding);
                    holding.held.pop();
                    let slot = self.slot();
                    return self.push(Op::Put(slot));
                }
                if let Some(future) = self.future(sort, Begin::Let, holding) {
                    self.push_op(future, holding);
                    self.push(Op::PollLocal);
                    // Now and then the second of two branches that wait for one lock, the first of which is awaited.
                    let branches = matches!(future, Op::Let(Make::Lock(_))) && holding.made < MAX_LOCALS;
                    let branches = branches && self.nodes < MAX_NODES && self.choices.pick(4) == 3;
                    if branches {
                        self.nodes += 1;
                        self.push_op(future, holding);
                        self.push(Op::PollLocal);
                    }
                    holding.held.pop();
                    let slot = self.slot();
                    self.push(Op::Put(slot));
                    if branches {
                        holding.forget(Held::Future);
                        self.push(Op::Resume);
                    }
                    return;
                }
            }
            Entry::PickUp if holding.made < MAX_LOCALS => {
                let slot = self.slot();
                self.push_op(Op::Take(slot), holding);
                let ask = [Op::Resume, Op::PollLocal][self.choices.pick(2)];
                return self.push(ask);
            }
            _ => {}
        }
        if let Entry::Fiber(kind) = entry {
            let deep = depth >= usize::from(self.grammar.shape.depth);
            if deep || self.fibers >= MAX_FIBERS {
                return self.push(self.grammar.filler);
            }
            self.fibers += 1;
            self.ops += 1;
            let number = self.number(kind);
            let fiber = self.builder.begin_inline(how, kind, number);
            match kind {
                Kind::Task | Kind::Scope => self.handles.push(fiber),
                Kind::Timeout => self.deadlines.push(fiber),
                _ => {}
            }
            self.body(depth + 1);
            self.builder.end();
            if how == Begin::Let {
                holding.add(Held::Future);
            }
            return;
        }
        let op = match entry {
            Entry::Suspend => Some(Op::Suspend),
            Entry::Yield => Some(Op::Yield),
            Entry::Checkpoint => Some(Op::Checkpoint),
            Entry::PollLocal if holding.held.contains(&Held::Future) => Some(Op::PollLocal),
            Entry::Resume if holding.held.contains(&Held::Future) => {
                holding.forget(Held::Future);
                Some(Op::Resume)
            }
            Entry::Lock | Entry::Wait | Entry::Join => self.future(entry, how, holding),
            entry => self.op(entry, holding),
        };
        self.push_op(op.unwrap_or(self.grammar.filler), holding);
    }

    fn future(&mut self, entry: Entry, how: Begin, holding: &Holding) -> Option<Op> {
        if self.nodes == MAX_NODES || holding.made == MAX_LOCALS {
            return None;
        }
        let make = match entry {
            Entry::Lock => Make::Lock(self.lock()),
            Entry::Wait => Make::Wait(self.waiter()),
            _ => {
                let top = self.choices.pick(self.tops.len());
                if self.tops[top].0 != Kind::Task || self.joined & (1 << top) != 0 {
                    return None;
                }
                self.joined |= 1 << top;
                Make::Join(FiberId(TOP + top as u8))
            }
        };
        self.nodes += 1;
        Some(if how == Begin::Let { Op::Let(make) } else { Op::Await(make) })
    }

    fn lane(&mut self, max: usize, holding: &mut Holding) {
        for _ in 0..self.length(max) {
            let menu = &self.grammar.lane;
            let entry = menu[self.choices.pick(menu.len())];
            let op = self.op(entry, holding);
            let op = op.unwrap_or_else(|| match self.grammar.shape.style {
                Style::Executor { .. } => self.handle().map_or(Op::IsShielded, Op::Cancel),
                _ => self.poll(),
            });
            self.push_op(op, holding);
        }
    }

    fn poll(&mut self) -> Op {
        let top = self.top();
        let wakers = if self.grammar.wakers { 4 } else { 1 };
        // Waker 0 three times out of four.
        let waker = self.choices.pick(wakers) / 3;
        Op::Poll(top, waker as u8)
    }

    /// What may stand anywhere, if there is something to act on.
    fn op(&mut self, entry: Entry, holding: &mut Holding) -> Option<Op> {
        let room = holding.made < MAX_LOCALS;
        Some(match entry {
            Entry::Poll => self.poll(),
            Entry::Enter if room => Op::Enter,
            Entry::Exit if holding.held.contains(&Held::Shield) => {
                holding.forget(Held::Shield);
                Op::Exit
            }
            Entry::TryLock if room => Op::TryLock(self.lock()),
            Entry::Unlock => {
                let guard = holding.held.iter().rev().find_map(|held| match held {
                    Held::Guard(lock) => Some(*lock),
                    _ => None,
                })?;
                holding.forget(Held::Guard(guard));
                Op::Unlock(guard)
            }
            Entry::CancelOnDrop if room => {
                let top = self.choices.pick(self.tops.len());
                if self.tops[top].0 != Kind::Task {
                    return None;
                }
                Op::CancelOnDrop(FiberId(TOP + top as u8))
            }
            Entry::DropLocal | Entry::Put => {
                holding.held.pop()?;
                if entry == Entry::Put { Op::Put(self.slot()) } else { Op::DropLocal }
            }
            Entry::Take if room => Op::Take(self.slot()),
            Entry::DropSlot => Op::DropSlot(self.slot()),
            Entry::Cancel => Op::Cancel(self.handle()?),
            Entry::Uncancel => Op::Uncancel(self.handle()?),
            Entry::Notify => Op::Notify(self.waiter()),
            Entry::DropTop => Op::Drop(self.top()),
            Entry::Deadline => match self.deadlines.len() {
                0 => return None,
                n => Op::Deadline(self.deadlines[self.choices.pick(n)]),
            },
            Entry::Panic => Op::Panic,
            Entry::Query => self.query()?,
            _ => return None,
        })
    }

    fn query(&mut self) -> Option<Op> {
        Some(match self.choices.pick(9) {
            0 => Op::IsShielded,
            1 => Op::CancelPending,
            2 => Op::CurrentTask,
            3 => Op::Cancelling(self.handle()?),
            4 => Op::IsFinished(self.handle()?),
            5 => Op::HandleIsShielded(self.handle()?),
            6 => Op::WasTorn(self.handle()?),
            7 => Op::IsLocked(self.lock()),
            _ => Op::IsHeld(LockId((MAX_LOCKS_OF_A_SORT + self.choices.pick(MAX_LOCKS_OF_A_SORT)) as u8)),
        })
    }

    fn push_op(&mut self, op: Op, holding: &mut Holding) {
        if op.adds_local() {
            holding.add(match op {
                Op::Enter => Held::Shield,
                Op::TryLock(lock) | Op::Await(Make::Lock(lock)) => Held::Guard(lock),
                Op::Let(_) | Op::Take(_) => Held::Future,
                _ => Held::Other,
            });
        }
        self.push(op);
    }

    // Names.

    fn top(&mut self) -> FiberId {
        FiberId(TOP + self.choices.pick(self.tops.len()) as u8)
    }

    fn handle(&mut self) -> Option<FiberId> {
        let count = self.handles.len();
        (count > 0).then(|| self.handles[self.choices.pick(count)])
    }

    fn lock(&mut self) -> LockId {
        let locks = &self.grammar.locks;
        locks[self.choices.pick(locks.len())]
    }

    fn waiter(&mut self) -> WaiterId {
        WaiterId(self.choices.pick(usize::from(self.grammar.shape.waiters)) as u8)
    }

    fn slot(&mut self) -> SlotId {
        SlotId(self.choices.pick(usize::from(self.grammar.shape.slots)) as u8)
    }
}

impl Holding {
    fn add(&mut self, held: Held) {
        self.held.push(held);
        self.made += 1;
    }

    fn forget(&mut self, held: Held) {
        if let Some(at) = self.held.iter().rposition(|other| *other == held) {
            self.held.remove(at);
        }
    }
}
