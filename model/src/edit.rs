//! Programs made from programs: smaller ones to shrink to, and the one that stands for all that differ in names only.

use crate::builder::{Begin, Builder, number_nodes};
use crate::program::{FiberId, Kind, LaneId, LockId, MAX_LOCKS_OF_A_SORT, Make, Op, OpId, Program, SlotId, WaiterId};

/// What to leave out or replace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Nothing,
    /// An operation, with the inline fiber that it creates.
    Op(OpId),
    /// An inline fiber, but not what its body does.
    Wrapper(OpId),
    /// A fiber declared at the top.
    Top(FiberId),
    Lane(LaneId),
    /// A destructor.
    Destructor(FiberId),
    /// The number of a waker.
    Waker(OpId),
}

impl Program {
    /// Programs that are a little smaller, the boldest cuts first.
    pub fn smaller(&self) -> impl Iterator<Item = Program> + '_ {
        // The last lane stays: a program without one has nothing to show.
        let lanes = self.lanes().filter(|_| self.lanes().len() > 1).map(Cut::Lane);
        let tops = self.fibers().filter(|f| !self.fiber(*f).inline).map(Cut::Top);
        let destructors = self.fibers().filter(|f| self.destructor(*f).next().is_some()).map(Cut::Destructor);
        let ops = || (0..self.len() as u8).map(OpId);
        let wrappers = ops().filter(|op| self.op(*op).creates().is_some()).map(Cut::Wrapper);
        let wakers = ops().filter(|op| matches!(self.op(*op), Op::Poll(_, 1..) | Op::Run(_, 1..))).map(Cut::Waker);
        let cuts = lanes.chain(tops).chain(destructors).chain(ops().map(Cut::Op)).chain(wrappers).chain(wakers);
        cuts.filter_map(|cut| self.rebuilt(cut, None))
    }

    /// The same up to the names of fibers, locks, waiters and slots and the order of lanes and top fibers: equal for
    /// all programs that differ in nothing else.
    pub fn canonical(&self) -> Program {
        let tops: Vec<FiberId> = self.fibers().filter(|f| !self.fiber(*f).inline).collect();
        let lanes: Vec<LaneId> = self.lanes().collect();
        let mut best: Option<(String, Program)> = None;
        for tops in permutations(&tops) {
            for lanes in permutations(&lanes) {
                let order = Order { tops: tops.clone(), lanes };
                let renamed = self.rebuilt(Cut::Nothing, Some(&order)).map(Program::renamed);
                // A permutation cannot make a program invalid.
                let Some(renamed) = renamed else { continue };
                let text = renamed.to_string();
                if best.as_ref().is_none_or(|best| text < best.0) {
                    best = Some((text, renamed));
                }
            }
        }
        best.map_or_else(|| self.clone(), |best| best.1)
    }

    /// Numbers fibers, locks, waiters and slots in the order in which the text mentions them.
    fn renamed(mut self) -> Program {
        let (mut locks, mut rlocks) = (Names::default(), Names::default());
        let (mut waiters, mut slots) = (Names::default(), Names::default());
        let mut lock = |lock: LockId| {
            if lock.is_reentrant() {
                LockId(MAX_LOCKS_OF_A_SORT as u8 + rlocks.number(lock.0))
            } else {
                LockId(locks.number(lock.0))
            }
        };
        for index in self.text_order() {
            let op = &mut self.ops[index.index()];
            *op = match *op {
                Op::Await(Make::Lock(l)) => Op::Await(Make::Lock(lock(l))),
                Op::Let(Make::Lock(l)) => Op::Let(Make::Lock(lock(l))),
                Op::TryLock(l) => Op::TryLock(lock(l)),
                Op::Unlock(l) => Op::Unlock(lock(l)),
                Op::IsLocked(l) => Op::IsLocked(lock(l)),
                Op::IsHeld(l) => Op::IsHeld(lock(l)),
                Op::Await(Make::Wait(w)) => Op::Await(Make::Wait(WaiterId(waiters.number(w.0)))),
                Op::Let(Make::Wait(w)) => Op::Let(Make::Wait(WaiterId(waiters.number(w.0)))),
                Op::Notify(w) => Op::Notify(WaiterId(waiters.number(w.0))),
                Op::Put(s) => Op::Put(SlotId(slots.number(s.0))),
                Op::Take(s) => Op::Take(SlotId(slots.number(s.0))),
                Op::DropSlot(s) => Op::DropSlot(SlotId(slots.number(s.0))),
                op => op,
            };
        }
        number_nodes(&mut self);
        let mut counts = [0; 256];
        for fiber in self.fibers.iter_mut().filter(|fiber| fiber.kind != Kind::Shielded && fiber.kind != Kind::Lane) {
            let count: &mut u8 = &mut counts[fiber.kind as usize];
            fiber.number = *count;
            *count += 1;
        }
        self
    }

    /// All operations, those of an inline body after the one that creates it.
    fn text_order(&self) -> Vec<OpId> {
        fn visit(program: &Program, fiber: FiberId, order: &mut Vec<OpId>) {
            for op in program.body(fiber).chain(program.destructor(fiber)) {
                order.push(op);
                if let Some(inner) = program.op(op).creates() {
                    visit(program, inner, order);
                }
            }
        }
        let mut order = Vec::with_capacity(self.len());
        for fiber in self.fibers().filter(|f| !self.fiber(*f).inline) {
            visit(self, fiber, &mut order);
        }
        for lane in self.lanes() {
            visit(self, self.lane_fiber(lane), &mut order);
        }
        order
    }

    fn rebuilt(&self, cut: Cut, order: Option<&Order>) -> Option<Program> {
        let mut rebuild = Rebuild {
            from: self,
            cut,
            gone: vec![false; self.fibers.len()],
            new_ids: vec![FiberId(0); self.fibers.len()],
            builder: Builder::new(),
        };
        rebuild.find_gone();
        let tops: Vec<FiberId> = match order {
            Some(order) => order.tops.clone(),
            None => self.fibers().filter(|f| !self.fiber(*f).inline).collect(),
        };
        for fiber in tops.into_iter().filter(|f| cut != Cut::Top(*f)) {
            let it = self.fiber(fiber);
            rebuild.new_ids[fiber.index()] = rebuild.builder.begin(it.kind, it.number);
            rebuild.blocks(fiber);
            rebuild.builder.end();
        }
        let lanes: Vec<LaneId> = match order {
            Some(order) => order.lanes.clone(),
            None => self.lanes().collect(),
        };
        for lane in lanes.into_iter().filter(|lane| cut != Cut::Lane(*lane)) {
            rebuild.builder.begin_lane();
            rebuild.ops(self.lane(lane));
            rebuild.builder.end();
        }
        let new_ids = rebuild.new_ids;
        rebuild.builder.finish_renumbered(|old| new_ids[old.index()]).ok()
    }
}

struct Order {
    tops: Vec<FiberId>,
    lanes: Vec<LaneId>,
}

/// Numbers names as they come.
#[derive(Default)]
struct Names(Vec<u8>);

impl Names {
    fn number(&mut self, name: u8) -> u8 {
        let known = self.0.iter().position(|other| *other == name);
        let number = known.unwrap_or_else(|| {
            self.0.push(name);
            self.0.len() - 1
        });
        number as u8
    }
}

struct Rebuild<'p> {
    from: &'p Program,
    cut: Cut,
    gone: Vec<bool>,
    new_ids: Vec<FiberId>,
    builder: Builder,
}

impl Rebuild<'_> {
    /// Marks the fibers that the cut takes away, with all that is inside them.
    fn find_gone(&mut self) {
        match self.cut {
            Cut::Op(op) => {
                if let Some(fiber) = self.from.op(op).creates() {
                    self.remove(fiber);
                }
            }
            Cut::Wrapper(op) => {
                if let Some(fiber) = self.from.op(op).creates() {
                    self.gone[fiber.index()] = true;
                }
            }
            Cut::Top(fiber) => self.remove(fiber),
            _ => {}
        }
    }

    fn remove(&mut self, fiber: FiberId) {
        self.gone[fiber.index()] = true;
        for op in self.from.body(fiber) {
            if let Some(inner) = self.from.op(op).creates() {
                self.remove(inner);
            }
        }
    }

    fn blocks(&mut self, fiber: FiberId) {
        self.ops(self.from.body(fiber));
        if self.cut != Cut::Destructor(fiber) && self.from.destructor(fiber).next().is_some() {
            self.builder.begin_destructor();
            self.ops(self.from.destructor(fiber));
        }
    }

    fn ops(&mut self, ops: impl Iterator<Item = OpId>) {
        for id in ops {
            let op = self.from.op(id);
            if self.cut == Cut::Op(id) {
                continue;
            }
            if let Some(inner) = op.creates() {
                if self.cut == Cut::Wrapper(id) {
                    self.ops(self.from.body(inner));
                    continue;
                }
                let it = self.from.fiber(inner);
                let how = if matches!(op, Op::Let(_)) { Begin::Let } else { Begin::Await };
                self.new_ids[inner.index()] = self.builder.begin_inline(how, it.kind, it.number);
                self.blocks(inner);
                self.builder.end();
                continue;
            }
            if op.fiber().is_some_and(|fiber| self.gone[fiber.index()]) {
                continue;
            }
            self.builder.op(match op {
                Op::Poll(fiber, _) if self.cut == Cut::Waker(id) => Op::Poll(fiber, 0),
                Op::Run(fiber, _) if self.cut == Cut::Waker(id) => Op::Run(fiber, 0),
                op => op,
            });
        }
    }
}

fn permutations<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let Some((first, rest)) = items.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for shorter in permutations(rest) {
        for at in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(at, first.clone());
            all.push(longer);
        }
    }
    all
}
