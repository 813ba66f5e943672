//! What is drawn of the states: the phases of a scope and of a lock, and which transition carries which clause.
//!
//! Collected while the states are explored, by the threads of the checker: bits that are set and never cleared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::clause::Clause;
use crate::program::{FiberId, LaneId, LockId, MAX_LOCKS, MAX_OPS, Make, OpId, Program};
use crate::state::{LockState, NodeStage, Phase, Stage, State};
use crate::trace::Coverage;

/// The named phases of a scope.
pub const SCOPE_PHASES: [&str; 7] = ["new", "polled", "suspended", "suspended, shielded", "ending", "panicked", "done"];
/// The named phases of a lock.
pub const LOCK_PHASES: [&str; 5] = ["free", "held", "held, awaited", "granted", "granted, awaited"];

fn scope_phase(state: &State, fiber: FiberId) -> Option<usize> {
    let it = state.fiber(fiber);
    // Until a drop has begun in earnest the phase is the one before.
    let calls = || state.lanes.iter().flat_map(|lane| lane.calls.iter());
    let busy = it.busy && !calls().any(|call| call.fiber == fiber && matches!(call.stage, Stage::Drop | Stage::Leave));
    Some(match it.phase {
        Phase::Unborn => return None,
        Phase::Live if busy => 1,
        Phase::Live if !it.started => 0,
        Phase::Live if it.open > 0 => 3,
        Phase::Live => 2,
        Phase::Ending if busy => 4,
        Phase::Ending => 5,
        Phase::Done => 6,
    })
}

fn lock_phase(program: &Program, state: &State, lock: usize) -> usize {
    let it: &LockState = &state.locks[lock];
    if it.depth == 0 {
        return 0;
    }
    let mut nodes = program.nodes.iter().zip(&state.nodes);
    let granted = nodes.any(|(make, node)| *make == Make::Lock(LockId(lock as u8)) && node.stage == NodeStage::Granted);
    let awaited = !it.queue.is_empty();
    1 + usize::from(awaited) + 2 * usize::from(granted)
}

const STAGES: [&str; 16] = [
    "lane",
    "start",
    "check",
    "body",
    "timer",
    "register",
    "deliver",
    "park",
    "unwind",
    "end",
    "destructor",
    "done",
    "seal",
    "drop",
    "unpark",
    "leave",
];
const KEYS: usize = MAX_OPS + STAGES.len();

/// What was seen so far.
pub(crate) struct Collected {
    scope_edges: AtomicU64,
    lock_edges: AtomicU64,
    marks: Box<[[AtomicU64; 2]; KEYS]>,
}

fn set(word: &AtomicU64, bits: u64) {
    if word.load(Ordering::Relaxed) & bits != bits {
        word.fetch_or(bits, Ordering::Relaxed);
    }
}

impl Collected {
    pub(crate) fn new() -> Self {
        Self {
            scope_edges: AtomicU64::new(0),
            lock_edges: AtomicU64::new(0),
            marks: Box::new([const { [const { AtomicU64::new(0) }; 2] }; KEYS]),
        }
    }

    /// After a micro step of the lane.
    pub(crate) fn step(&self, program: &Program, before: &State, after: &State, lane: LaneId, marks: Coverage) {
        for fiber in program.fibers().filter(|fiber| program.kind(*fiber).is_scope()) {
            let (from, to) = (scope_phase(before, fiber), scope_phase(after, fiber));
            if let (Some(from), Some(to)) = (from, to) {
                if from != to {
                    set(&self.scope_edges, 1 << (from * 8 + to));
                }
            }
        }
        for lock in 0..MAX_LOCKS {
            if before.locks[lock] != after.locks[lock] || before.nodes != after.nodes {
                let (from, to) = (lock_phase(program, before, lock), lock_phase(program, after, lock));
                if from != to {
                    set(&self.lock_edges, 1 << (from * 8 + to));
                }
            }
        }
        let words = marks.words();
        if words != [0, 0] {
            let key = &self.marks[key(program, before, lane)];
            set(&key[0], words[0]);
            set(&key[1], words[1]);
        }
    }

    /// Every clause that was gone through.
    pub(crate) fn coverage(&self) -> Coverage {
        let mut all = Coverage::default();
        for words in self.marks.iter() {
            all.merge(Coverage::from_words([words[0].load(Ordering::Relaxed), words[1].load(Ordering::Relaxed)]));
        }
        all
    }

    pub(crate) fn projection(&self, program: &Program) -> Projection {
        let mut projection = Projection {
            scope_edges: edges(self.scope_edges.load(Ordering::Relaxed)),
            lock_edges: edges(self.lock_edges.load(Ordering::Relaxed)),
            transitions: BTreeMap::new(),
        };
        for (key, words) in self.marks.iter().enumerate() {
            let words = [words[0].load(Ordering::Relaxed), words[1].load(Ordering::Relaxed)];
            for clause in Coverage::from_words(words).iter() {
                let name = match key.checked_sub(MAX_OPS) {
                    Some(stage) => format!("*{}*", STAGES[stage]),
                    None => {
                        let text = program.op_text(OpId(key as u8));
                        let words = text.strip_prefix("let ").unwrap_or(&text);
                        format!("`{}`", words.split(' ').next().unwrap_or(words))
                    }
                };
                projection.transitions.entry(clause).or_default().insert(name);
            }
        }
        projection
    }
}

fn edges(bits: u64) -> BTreeSet<(usize, usize)> {
    (0..64).filter(|bit| bits & (1 << bit) != 0).map(|bit| (bit / 8, bit % 8)).collect()
}

/// The operation that a micro step is part of, or else its stage.
fn key(program: &Program, before: &State, lane: LaneId) -> usize {
    let calls = &before.lanes[lane.index()].calls;
    let call = calls[calls.len() - 1];
    let fiber = program.fiber(call.fiber);
    let pc = before.fiber(call.fiber).pc;
    let end = if call.stage == Stage::Destructor { fiber.end } else { fiber.destructor };
    match call.stage {
        Stage::Body | Stage::Destructor | Stage::Lane if pc < end => usize::from(pc),
        stage => MAX_OPS + stage as usize,
    }
}

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct Projection {
    /// From and to, indices into [`SCOPE_PHASES`].
    pub scope_edges: BTreeSet<(usize, usize)>,
    /// From and to, indices into [`LOCK_PHASES`].
    pub lock_edges: BTreeSet<(usize, usize)>,
    /// The transitions of the model that went through a clause: operations, and stages of a poll in italics.
    pub transitions: BTreeMap<Clause, BTreeSet<String>>,
}

impl Projection {
    /// Adds all of another one.
    pub fn merge(&mut self, other: &Projection) {
        self.scope_edges.extend(&other.scope_edges);
        self.lock_edges.extend(&other.lock_edges);
        for (clause, names) in &other.transitions {
            self.transitions.entry(*clause).or_default().extend(names.iter().cloned());
        }
    }
}
