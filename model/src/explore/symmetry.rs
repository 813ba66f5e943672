//! Symmetry: top fibers with equal bodies, run by equal lanes, may change places.
//!
//! A *group* is a top fiber with all that only it has: the fibers inside it, its operations and nodes, and the lanes
//! that name nothing but it. Groups are alike if their texts are equal once their own names are replaced by their
//! places.

use std::hash::{BuildHasher, BuildHasherDefault};

use crate::explore::monitor::Within;
use crate::hash::Fold;
use crate::program::{FiberId, LaneId, NodeId, Op, OpId, Program};
use crate::state::{Code, Item, State, Timer};

/// What belongs together: index ranges.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    /// The top fiber and those inside it.
    fibers: Vec<FiberId>,
    lanes: Vec<LaneId>,
    ops: Vec<OpId>,
    nodes: Vec<NodeId>,
}

/// One way to change places: where each thing goes.
#[derive(Clone, Debug)]
pub(crate) struct Permutation {
    fibers: Vec<FiberId>,
    lanes: Vec<LaneId>,
    ops: Vec<OpId>,
    nodes: Vec<NodeId>,
}

/// All ways for alike groups to change places, but for staying.
pub(crate) fn permutations(program: &Program) -> Vec<Permutation> {
    let tops: Vec<FiberId> = program.fibers().filter(|f| !program.fiber(*f).inline).collect();
    let groups: Vec<Group> = tops.iter().map(|top| group(program, *top)).collect();
    let texts: Vec<Option<String>> = groups.iter().map(|group| text(program, group)).collect();
    let same = |g: usize| (0..groups.len()).filter(|h| texts[*h].is_some() && texts[*h] == texts[g]).collect();
    let alike: Vec<usize> = (0..groups.len()).map(same).max_by_key(Vec::len).unwrap_or_default();
    let mut all = Vec::new();
    for order in orders(&alike) {
        if order != alike {
            all.push(permutation(program, &groups, &alike, &order));
        }
    }
    all
}

fn orders(items: &[usize]) -> Vec<Vec<usize>> {
    let Some((first, rest)) = items.split_first() else { return vec![Vec::new()] };
    let mut all = Vec::new();
    for shorter in orders(rest) {
        for at in 0..=shorter.len() {
            let mut longer = shorter.clone();
            longer.insert(at, *first);
            all.push(longer);
        }
    }
    all
}

fn group(program: &Program, top: FiberId) -> Group {
    let mut fibers = vec![top];
    let mut index = 0;
    while index < fibers.len() {
        let inner = program.body(fibers[index]).filter_map(|op| program.op(op).creates());
        fibers.extend(inner.collect::<Vec<_>>());
        index += 1;
    }
    let own = |op: &OpId| program.op(*op).fiber().is_some_and(|fiber| fibers.contains(&fiber));
    let lanes: Vec<LaneId> = program
        .lanes()
        .filter(|lane| program.lane(*lane).all(|op| own(&op)) && program.lane(*lane).count() > 0)
        .collect();
    let mut ops: Vec<OpId> =
        fibers.iter().flat_map(|fiber| program.body(*fiber).chain(program.destructor(*fiber))).collect();
    ops.extend(lanes.iter().flat_map(|lane| program.lane(*lane)));
    let nodes = ops.iter().filter(|op| program.op(**op).node().is_some()).map(|op| program.node(*op)).collect();
    Group { fibers, lanes, ops, nodes }
}

/// The group with its own fibers named by their places, none if it names foreign ones.
fn text(program: &Program, group: &Group) -> Option<String> {
    let mut text = String::new();
    for fiber in &group.fibers {
        let it = program.fiber(*fiber);
        text += &format!("{:?} {} {} ", it.kind, it.destructor - it.body, it.end - it.destructor);
    }
    for lane in &group.lanes {
        text += &format!("lane {} ", program.lane(*lane).count());
    }
    for op in &group.ops {
        let mut op = program.op(*op);
        if let Some(fiber) = op.fiber() {
            let place = group.fibers.iter().position(|own| *own == fiber)?;
            match &mut op {
                Op::Await(make) | Op::Let(make) => *make = crate::program::Make::Fiber(FiberId(place as u8)),
                op => op.rename_fiber(|_| FiberId(place as u8)),
            }
        }
        text += &format!("{op:?};");
    }
    // Somebody else who names it tells it from the others.
    let foreign = program.ops.iter().enumerate().any(|(id, op)| {
        let outside = !group.ops.contains(&OpId(id as u8));
        outside && op.fiber().is_some_and(|fiber| group.fibers.contains(&fiber))
    });
    (!foreign).then_some(text)
}

fn permutation(program: &Program, groups: &[Group], from: &[usize], to: &[usize]) -> Permutation {
    let mut map = Permutation {
        fibers: (0..program.fibers.len() as u8).map(FiberId).collect(),
        lanes: program.lanes().collect(),
        ops: (0..=program.len() as u8).map(OpId).collect(),
        nodes: (0..program.nodes.len() as u8).map(NodeId).collect(),
    };
    for (from, to) in from.iter().zip(to) {
        let (from, to) = (&groups[*from], &groups[*to]);
        for (a, b) in from.fibers.iter().zip(&to.fibers) {
            map.fibers[a.index()] = *b;
        }
        for (a, b) in from.lanes.iter().zip(&to.lanes) {
            map.lanes[a.index()] = *b;
            map.fibers[program.lane_fiber(*a).index()] = program.lane_fiber(*b);
        }
        for (a, b) in from.ops.iter().zip(&to.ops) {
            map.ops[a.index()] = *b;
        }
        for (a, b) in from.nodes.iter().zip(&to.nodes) {
            map.nodes[a.index()] = *b;
        }
    }
    map
}

impl Permutation {
    fn fiber(&self, fiber: FiberId) -> FiberId {
        self.fibers[fiber.index()]
    }

    fn some(&self, fiber: Option<FiberId>) -> Option<FiberId> {
        fiber.map(|fiber| self.fiber(fiber))
    }

    fn code(&self, code: Code) -> Code {
        code.waker().map_or(code, |waker| Code::new(self.fiber(waker.fiber), waker.version))
    }

    fn item(&self, item: Item) -> Item {
        match item {
            Item::Shield(fiber) => Item::Shield(self.fiber(fiber)),
            Item::CancelOnDrop(fiber) => Item::CancelOnDrop(self.fiber(fiber)),
            Item::Fiber(fiber) => Item::Fiber(self.fiber(fiber)),
            Item::Node(node) => Item::Node(self.nodes[node.index()]),
            item => item,
        }
    }

    /// The state with everybody in the new place.
    pub(crate) fn apply(&self, program: &Program, state: &State, within: &Within) -> (State, Within) {
        let mut to = *state;
        let mut to_within = *within;
        for (index, it) in state.fibers[..program.fibers.len()].iter().enumerate() {
            let place = self.fibers[index].index();
            let mut it = *it;
            // A program counter is relative to its body, so that the one past the end goes along.
            it.pc = it.pc - program.fibers[index].body + program.fibers[place].body;
            it.waker = self.code(it.waker);
            it.outer = self.some(it.outer);
            it.guard = self.some(it.guard);
            it.current = self.item(it.current);
            for local in it.locals.iter_mut() {
                *local = self.item(*local);
            }
            if let Timer::Armed(code) = it.timer {
                it.timer = Timer::Armed(self.code(code));
            }
            to.fibers[place] = it;
            if let Some(within) = within.get(index).filter(|_| index < program.fibers().len()) {
                to_within[place] = self.some(*within);
            }
        }
        for (index, lane) in state.lanes[..program.lanes().len()].iter().enumerate() {
            let mut lane = *lane;
            lane.waker = self.code(lane.waker);
            for call in lane.calls.iter_mut() {
                call.fiber = self.fiber(call.fiber);
                call.held = self.some(call.held);
            }
            to.lanes[self.lanes[index].index()] = lane;
        }
        for (index, node) in state.nodes[..program.nodes.len()].iter().enumerate() {
            let mut node = *node;
            node.waker = self.code(node.waker);
            node.task = self.some(node.task);
            to.nodes[self.nodes[index].index()] = node;
        }
        for lock in &mut to.locks {
            lock.owner = self.some(lock.owner);
            for node in lock.queue.iter_mut() {
                *node = self.nodes[node.index()];
            }
        }
        for node in to.waiters.iter_mut().flat_map(|linked| linked.iter_mut()) {
            *node = self.nodes[node.index()];
        }
        for item in &mut to.slots {
            *item = self.item(*item);
        }
        (to, to_within)
    }
}

/// The one of all states that differ in places only that has the least hash.
pub(crate) fn representative(
    program: &Program,
    permutations: &[Permutation],
    state: &State,
    within: &Within,
) -> (State, Within) {
    let hash = |it: &(State, Within)| BuildHasherDefault::<Fold>::default().hash_one(it);
    let same = (*state, *within);
    let others = permutations.iter().map(|permutation| permutation.apply(program, state, within));
    others
        .fold((hash(&same), same), |least, other| {
            let hash = hash(&other);
            if hash < least.0 { (hash, other) } else { least }
        })
        .1
}
