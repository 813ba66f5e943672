//! The judge of concurrent histories: is there an order of micro steps of the lanes in which every operation returns
//! what the history says, each between its call and its return, the whole history consumed?
//!
//! A depth-first search over (events consumed, state), each pair visited once. Consuming an event never takes anything
//! away from the other lanes, so it is done as soon as it is possible; only micro steps branch. Where time is no
//! matter, a query may also be told what was true before (`past.rs`).

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault};

use crate::fault::Fault;
use crate::hash::Fold;
use crate::history::{End, History, Order, Seen};
use crate::machine::Micro;
use crate::model::Model;
use crate::past::{self, Past, Step};
use crate::program::{FiberId, LaneId, MAX_LANES, Op, OpId, Program};
use crate::ret::Ret;
use crate::state::{NodeStage, State};
use crate::trace::{Coverage, Trace};

/// A history that the spec does not allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    program: Program,
    history: History,
    /// The first event that could not be explained.
    pub explained: usize,
    /// What the lane of the first event that could not be explained might have seen instead.
    pub allowed: Vec<Seen>,
    /// How all might have been in the end, where every event could be explained.
    pub ends: Vec<End>,
    /// Whom the spec wakes, where every event could be explained and they sleep.
    pub asleep: Vec<FiberId>,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, history, explained, allowed, ends, asleep } = self;
        writeln!(f, "the spec does not allow this history of the program\n\n{program}")?;
        writeln!(f, "{}", history.timeline(program))?;
        match history.events.get(*explained) {
            Some(event) => {
                let seen = program.seen_text(event.seen);
                writeln!(f, "event {} cannot be: thread {} saw `{seen}`", explained + 1, event.lane.0)?;
                for seen in allowed {
                    let seen = program.seen_text(*seen);
                    writeln!(f, "    the spec allows `{seen}`")?;
                }
                if allowed.is_empty() {
                    writeln!(f, "    the spec allows nothing here")?;
                }
            }
            None if !ends.is_empty() => {
                let answers = |end: &End| end.answers(program).join("; ");
                writeln!(f, "in the end it cannot be that {}", history.end.as_ref().map(answers).unwrap_or_default())?;
                for end in ends {
                    writeln!(f, "    the spec allows that {}", answers(end))?;
                }
            }
            None if !history.stuck => writeln!(f, "the history ends before its threads do")?,
            None => {
                let asleep: Vec<_> = asleep.iter().map(|fiber| program.name(*fiber).to_string()).collect();
                if !asleep.is_empty() {
                    writeln!(f, "lost wake-up of task {}", asleep.join(" and of task "))?;
                }
                writeln!(f, "the run is stuck after its last event, and the spec goes on")?;
            }
        }
        Ok(())
    }
}

impl std::error::Error for Mismatch {}

/// Whether the spec allows the history, in real time.
pub fn allows(program: &Program, history: &History) -> Result<Coverage, Box<Mismatch>> {
    Judge::new(program, Order::RealTime).allows(history)
}

/// A judge of many histories of one program.
pub struct Judge<'p> {
    model: Model<'p>,
    order: Order,
    any_waker: bool,
    visited: HashSet<u64, BuildHasherDefault<Fold>>,
}

/// Where the search is.
#[derive(Clone)]
struct Node {
    state: State,
    /// The next event to be consumed, in real time; per lane the index into the lane's own events.
    next: [u16; MAX_LANES],
    /// The operation has returned what the history says, but the event is not consumed yet.
    returned: [bool; MAX_LANES],
    /// What lanes may be told, where that is not only the truth.
    past: Option<Past>,
    coverage: Coverage,
}

impl<'p> Judge<'p> {
    /// A judge by the spec.
    pub fn new(program: &'p Program, order: Order) -> Self {
        Self::broken(program, order, None)
    }

    /// A judge by a broken variant.
    pub fn broken(program: &'p Program, order: Order, fault: Option<Fault>) -> Self {
        Self { model: Model::broken(program, fault), order, any_waker: false, visited: HashSet::default() }
    }

    /// Whoever runs a fiber is woken by each of its wakers, not by the one alone that it polls with itself.
    #[must_use]
    pub fn roused_by_any_waker(self) -> Self {
        Self { any_waker: true, ..self }
    }

    /// The clauses that one explanation of the history goes through, or why there is none.
    pub fn allows(&mut self, history: &History) -> Result<Coverage, Box<Mismatch>> {
        self.visited.clear();
        let lanes = self.lanes_of(history);
        let mut furthest = Furthest::default();
        let state = self.model.start();
        let start = Node {
            next: [0; MAX_LANES],
            returned: [false; MAX_LANES],
            past: (self.order == Order::PerLane).then(|| Past::new(self.model.program(), &state)),
            coverage: Coverage::default(),
            state,
        };
        let mut todo = vec![start];
        let mut trace = Trace::new();
        while let Some(mut node) = todo.pop() {
            self.consume(history, &lanes, &mut node);
            let consumed: usize = node.next.iter().map(|next| usize::from(*next)).sum();
            let all_consumed = consumed == history.events.len();
            if all_consumed && self.may_end(history, &node, &mut furthest) {
                return Ok(node.coverage);
            }
            let key =
                BuildHasherDefault::<Fold>::default().hash_one((&node.state, node.next, node.returned, &node.past));
            if !self.visited.insert(key) {
                continue;
            }
            if consumed > furthest.consumed || furthest.next.is_none() {
                let (ends, asleep) = (std::mem::take(&mut furthest.ends), std::mem::take(&mut furthest.asleep));
                furthest = Furthest { consumed, next: Some(node.next), allowed: BTreeSet::new(), ends, asleep };
            }
            for lane in Self::likely_last(&lanes, &node) {
                let index = lane.index();
                if !self.may_move(&node, lane) {
                    continue;
                }
                let at = usize::from(node.next[index]);
                let expected = lanes[index].get(at).map(|at| history.events[*at].seen);
                let asks = node.past.is_some().then(|| self.asks(&mut node.state, lane)).flatten();
                if let Some(op) = asks {
                    self.told(&node, lane, op, expected, &mut todo);
                }
                self.overlooked(&node, lane, &mut todo);
                let only_asks = asks.is_some_and(|op| !past::changes(&node.state, self.model.program().op(op)));
                for choice in 0..self.model.choices(&mut node.state, lane) {
                    let mut after = node.clone();
                    trace.clear();
                    trace.coverage = node.coverage;
                    let micro = self.advance(&mut after, lane, choice, &mut trace);
                    after.coverage = trace.coverage;
                    if let Micro::Returned(op, ret) = micro {
                        if expected != Some(Seen::Return(op, ret)) {
                            if furthest.next == Some(node.next) {
                                furthest.allowed.insert((index, op, ret));
                            }
                            continue;
                        }
                        // The truth is among what it may be told.
                        if only_asks {
                            continue;
                        }
                        after.returned[index] = true;
                    }
                    if let Some(over) = asks.and_then(|op| self.over_at_once(&node, &after, lane, op)) {
                        todo.push(over);
                    }
                    todo.push(after);
                }
            }
        }
        Err(Box::new(self.mismatch(history, &lanes, furthest)))
    }

    /// The lanes, the one whose next event comes first at the end: the last that is pushed is tried first, and mostly
    /// explains the history.
    fn likely_last(lanes: &[Vec<usize>], node: &Node) -> impl Iterator<Item = LaneId> + use<> {
        let next = |lane: &LaneId| lanes[lane.index()].get(usize::from(node.next[lane.index()])).copied();
        let mut order: [LaneId; MAX_LANES] = std::array::from_fn(|index| LaneId(index as u8));
        let count = lanes.len();
        // A lane without a further event goes on at any time.
        order[..count].sort_by_key(|lane| Reverse(next(lane).unwrap_or(usize::MAX)));
        order.into_iter().take(count)
    }

    /// A step of the lane, as far as nobody could notice more; up to a query, or what is like one, which may be told
    /// something else.
    fn advance(&self, node: &mut Node, lane: LaneId, choice: u8, trace: &mut Trace) -> Micro {
        let Some(past) = &mut node.past else { return self.model.advance(&mut node.state, lane, choice, trace) };
        let program = self.model.program();
        let mut choice = choice;
        loop {
            let before = node.state;
            let begins = self.model.begins(&mut node.state, lane).map(|op| program.op(op));
            let micro = self.model.micro(&mut node.state, lane, choice, trace);
            choice = 0;
            past.stepped(program, lane, Step { before: &before, after: &node.state, begins, micro });
            let silent = micro == Micro::Silent && !self.model.is_over(&node.state, lane);
            let told = || !past.overlooks(program, &node.state, lane).is_empty();
            if !silent || told() || self.asks(&mut node.state, lane).is_some() {
                return micro;
            }
        }
    }

    /// The query that the lane begins with its next step, if that is one.
    fn asks(&self, state: &mut State, lane: LaneId) -> Option<OpId> {
        self.model.begins(state, lane).filter(|op| past::asks(self.model.program().op(*op)))
    }

    /// The lane asks, and is told what it is expected to have been told, if that was true lately.
    fn told(&self, node: &Node, lane: LaneId, op: OpId, expected: Option<Seen>, todo: &mut Vec<Node>) {
        let (Some(Seen::Return(answered, ret)), Some(past)) = (expected, &node.past) else { return };
        // Not in the middle of a walk over the frames.
        if answered != op || node.state.lanes[lane.index()].walk.is_some() {
            return;
        }
        let program = self.model.program();
        for past in past.told(program, &node.state, lane, program.op(op), ret) {
            let mut told = Node { past: Some(past), ..node.clone() };
            self.model.tell(&mut told.state, lane, ret, &mut Trace::new());
            told.returned[lane.index()] = true;
            todo.push(told);
        }
    }

    /// The lane's poll does not deliver what it could, since it has not seen all yet.
    fn overlooked(&self, node: &Node, lane: LaneId, todo: &mut Vec<Node>) {
        let Some(past) = &node.past else { return };
        for (past, shielded) in past.overlooks(self.model.program(), &node.state, lane) {
            let mut overlooked = Node { past: Some(past), ..node.clone() };
            self.model.tell(&mut overlooked.state, lane, Ret::Flag(shielded), &mut Trace::new());
            todo.push(overlooked);
        }
    }

    /// The lane has begun a wait, but with an old number of notifications, so that it is over.
    fn over_at_once(&self, before: &Node, begun: &Node, lane: LaneId, op: OpId) -> Option<Node> {
        let program = self.model.program();
        let (waiter, wait) = (past::begins_wait(program.op(op))?, program.node(op));
        let past = before.past.as_ref()?.began_before(lane, waiter, wait)?;
        let mut over = Node { past: Some(past), ..begun.clone() };
        over.state.nodes[wait.index()].stage = NodeStage::Granted;
        Some(over)
    }

    /// The events of each lane, as indices into the history.
    fn lanes_of(&self, history: &History) -> Vec<Vec<usize>> {
        let mut lanes = vec![Vec::new(); self.model.program().lanes().len()];
        for (index, event) in history.events.iter().enumerate() {
            if let Some(lane) = lanes.get_mut(event.lane.index()) {
                lane.push(index);
            }
        }
        lanes
    }

    /// A lane in the middle of a call may move; an idle one only to drop what it holds at its end.
    fn may_move(&self, node: &Node, lane: LaneId) -> bool {
        if node.returned[lane.index()] {
            return false;
        }
        let at_end = self.model.next_op(&node.state, lane).is_none();
        node.state.is_called(lane) || (at_end && !self.model.is_over(&node.state, lane))
    }

    /// Whether the history, all consumed, may end here.
    fn may_end(&self, history: &History, node: &Node, furthest: &mut Furthest) -> bool {
        let (program, model) = (self.model.program(), &self.model);
        let rests = |lane: &LaneId| {
            let between = node.state.is_idle(*lane) && !node.state.is_called(*lane);
            history.stuck && between && model.next_op(&node.state, *lane).is_some()
        };
        let is_woken = |lane: &LaneId| model.is_enabled(&node.state, *lane) || self.is_roused(node, *lane);
        let nobody_looked = history.end.is_none() && !history.stuck;
        let unfinished = || program.lanes().filter(|lane| !model.is_over(&node.state, *lane));
        if !nobody_looked && !unfinished().all(|lane| rests(&lane) && !is_woken(&lane)) {
            if unfinished().all(|lane| rests(&lane)) {
                furthest.asleep.extend(unfinished().filter(is_woken).filter_map(|lane| self.runs(node, lane)));
            }
            return false;
        }
        let Some(seen) = history.end else { return true };
        let end = node.state.end(program);
        if end != seen && !furthest.ends.contains(&end) {
            furthest.ends.push(end);
        }
        end == seen
    }

    fn is_roused(&self, node: &Node, lane: LaneId) -> bool {
        self.any_waker && self.runs(node, lane).is_some_and(|fiber| node.state.fiber(fiber).woken)
    }

    /// What the lane runs next, or goes on with.
    fn runs(&self, node: &Node, lane: LaneId) -> Option<FiberId> {
        match self.model.program().op(self.model.next_op(&node.state, lane)?) {
            Op::Run(fiber, _) => Some(fiber),
            _ => None,
        }
    }

    /// Consumes what can be consumed.
    fn consume(&self, history: &History, lanes: &[Vec<usize>], node: &mut Node) {
        loop {
            let mut progress = false;
            for (index, events) in lanes.iter().enumerate() {
                let lane = LaneId(index as u8);
                let at = usize::from(node.next[index]);
                let Some(&event) = events.get(at) else { continue };
                if self.order == Order::RealTime && !all_before(lanes, node, event) {
                    continue;
                }
                let consumable = match history.events[event].seen {
                    Seen::Call(op) => {
                        let expected = self.model.next_op(&node.state, lane) == Some(op);
                        let idle = node.state.is_idle(lane) && !node.state.is_called(lane);
                        expected && idle && node.state.set_called(lane)
                    }
                    Seen::Return(..) => std::mem::take(&mut node.returned[index]),
                };
                if consumable {
                    node.next[index] += 1;
                    progress = true;
                }
            }
            if !progress {
                return;
            }
        }
    }

    fn mismatch(&self, history: &History, lanes: &[Vec<usize>], furthest: Furthest) -> Mismatch {
        let next = furthest.next.unwrap_or_default();
        let unexplained = lanes.iter().zip(next).filter_map(|(events, next)| events.get(usize::from(next)));
        let explained = unexplained.min().copied().unwrap_or(history.events.len());
        let lane = history.events.get(explained).map(|event| event.lane.index());
        let allowed = furthest.allowed.into_iter().filter(|seen| Some(seen.0) == lane);
        Mismatch {
            program: self.model.program().clone(),
            history: history.clone(),
            explained,
            allowed: allowed.map(|(_, op, ret)| Seen::Return(op, ret)).collect(),
            ends: furthest.ends,
            asleep: furthest.asleep.into_iter().collect(),
        }
    }
}

/// The search that came furthest, for the report.
#[derive(Default)]
struct Furthest {
    consumed: usize,
    next: Option<[u16; MAX_LANES]>,
    allowed: BTreeSet<(usize, OpId, Ret)>,
    ends: Vec<End>,
    asleep: BTreeSet<FiberId>,
}

/// Whether everything that was seen before the event has been consumed.
fn all_before(lanes: &[Vec<usize>], node: &Node, event: usize) -> bool {
    lanes.iter().enumerate().all(|(lane, events)| {
        let next = events.get(usize::from(node.next[lane]));
        next.is_none_or(|next| *next >= event)
    })
}
