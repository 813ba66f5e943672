//! What holds in every state, seen from outside the step function: recounts, and who must have been woken.

use crate::explore::properties::Law;
use crate::program::{FiberId, Kind, MAX_LOCKS, Make, Op, OpId, Program};
use crate::state::{At, Item, MAX_ALL, NodeStage, NodeState, Phase, State, Timer};

/// What is held, counted anew.
pub(crate) struct Held {
    pub(crate) shields: [u8; MAX_ALL],
    pub(crate) guards: [u8; MAX_LOCKS],
    pub(crate) grants: [u8; MAX_LOCKS],
}

impl Held {
    pub(crate) fn count(program: &Program, state: &State) -> Self {
        let mut held = Self { shields: [0; MAX_ALL], guards: [0; MAX_LOCKS], grants: [0; MAX_LOCKS] };
        for it in &state.fibers[..program.fibers.len()] {
            for item in it.locals.iter().chain([&it.current]) {
                held.item(*item);
            }
            for scope in [it.outer, it.guard].into_iter().flatten() {
                held.shields[scope.index()] += 1;
            }
        }
        for item in state.slots {
            held.item(item);
        }
        for lane in &state.lanes[..usize::from(program.lanes)] {
            for scope in lane.calls.iter().filter_map(|call| call.held) {
                held.shields[scope.index()] += 1;
            }
        }
        for (node, make) in state.nodes.iter().zip(&program.nodes) {
            if let (Make::Lock(lock), NodeStage::Granted) = (make, node.stage) {
                held.grants[lock.index()] += 1;
            }
        }
        held
    }

    fn item(&mut self, item: Item) {
        match item {
            Item::Shield(scope) => self.shields[scope.index()] += 1,
            Item::Guard(lock) => self.guards[lock.index()] += 1,
            _ => {}
        }
    }
}

/// Laws about single states that do not hold.
pub(crate) fn broken_laws(program: &Program, state: &State, held: &Held) -> u32 {
    let mut broken = 0;
    let mut require = |law: Law, holds: bool| {
        if !holds {
            broken |= law.bit();
        }
    };
    for fiber in program.fibers() {
        let it = state.fiber(fiber);
        if it.phase == Phase::Done {
            let gone = it.current == Item::None && it.locals.is_empty();
            require(Law::DoneIsGone, gone);
            require(Law::NoWaker, it.waker.waker().is_none());
        }
        require(Law::Counted, it.open == held.shields[fiber.index()]);
        // An operation runs once, so this is generous; what wraps around is far beyond.
        require(Law::NotNegative, usize::from(it.requests) <= program.ops.len());
        if !program.fiber(fiber).inline {
            for (law, holds) in [wake_law(program, state, held, fiber)].into_iter().flatten() {
                require(law, holds);
            }
        }
    }
    for lock in 0..MAX_LOCKS {
        let it = &state.locks[lock];
        let levels = held.guards[lock] + held.grants[lock];
        let several = lock < MAX_LOCKS / 2 && it.depth > 1;
        require(Law::Exclusion, it.depth == levels && !several);
        require(Law::NotFree, it.depth > 0 || it.queue.is_empty());
        let asleep = |node: &NodeState| node.task == it.owner && node.waker.waker().is_some();
        let queued = it.queue.iter().map(|node| &state.nodes[node.index()]);
        let own_branch_sleeps = it.owner.is_some() && held.grants[lock] == 0 && queued.into_iter().any(asleep);
        require(Law::BranchesWake, !own_branch_sleeps);
    }
    broken
}

/// Of a top fiber that is suspended: the law about what would make it go on, and whether it has been woken.
///
/// Only what the fiber would come to when it is polled counts: what it awaits, and what that awaits, and so on. A
/// future that it merely keeps is nobody's concern until somebody polls it.
fn wake_law(program: &Program, state: &State, held: &Held, top: FiberId) -> Option<(Law, bool)> {
    let woken = state.fiber(top).woken;
    let mut fiber = top;
    let suspended = |fiber: FiberId| {
        let it = state.fiber(fiber);
        it.phase == Phase::Live && !it.busy && it.at == At::Waiting
    };
    loop {
        if !suspended(fiber) {
            return None;
        }
        let it = state.fiber(fiber);
        let by_top = it.waker.waker().is_none_or(|waker| waker.fiber == top);
        if program.kind(fiber).is_scope() && by_top {
            let open = held.shields[fiber.index()];
            if it.requests > 0 && open == 0 && !woken {
                return Some((Law::RequestWakes, false));
            }
            if open == 0 && it.outer.is_some() && !woken {
                return Some((Law::CloseWakes, false));
            }
            if program.kind(fiber) == Kind::Timeout && it.timer == Timer::Passed && !woken {
                return Some((Law::DeadlineWakes, false));
            }
        }
        match it.current {
            Item::Fiber(inner) => fiber = inner,
            Item::Node(node) => {
                let granted = state.nodes[node.index()].stage == NodeStage::Granted;
                return match program.nodes[node.index()] {
                    Make::Lock(_) => Some((Law::GrantWakes, woken || !granted)),
                    Make::Wait(_) => Some((Law::NotifyWakes, woken || !granted)),
                    Make::Join(task) => Some((Law::EndWakes, woken || !state.fiber(task).joinable)),
                    Make::Fiber(_) => None,
                };
            }
            _ => {
                let op = program.op(OpId(it.pc));
                return matches!(op, Op::Checkpoint).then_some((Law::SelfWakes, woken));
            }
        }
    }
}

/// Whether a state in which nobody can go on leaves something undone.
pub(crate) fn left_undone(program: &Program, state: &State, held: &Held) -> bool {
    program.fibers().filter(|f| !program.fiber(*f).inline).any(|top| {
        let run = program.ops.iter().any(|op| matches!(*op, Op::Run(f, _) if f == top));
        run && wake_law(program, state, held, top).is_some_and(|(_, holds)| !holds)
    })
}

/// What the steps of threads use up: operations, things held, scopes that shield one that they are not in, wakes. Each
/// operation of a thread lowers it, in this order of importance.
pub(crate) fn measure(program: &Program, state: &State, spurious: u8) -> [u32; 4] {
    let mut ops = 0;
    let (mut things, mut displaced, mut wakes) = (0, 0, u32::from(spurious));
    for (index, it) in state.fibers[..program.fibers.len()].iter().enumerate() {
        let fiber = &program.fibers[index];
        let left = match it.phase {
            Phase::Done => 0,
            _ => u32::from(fiber.end - it.pc),
        };
        let begun = it.at != At::Fresh && fiber.kind != Kind::Lane;
        ops += 2 * left - u32::from(begun && left > 0);
        things += it.locals.len() as u32 + u32::from(it.phase != Phase::Done) + u32::from(it.present);
        let inside = program.fibers().find(|f| state.fiber(*f).current == Item::Fiber(FiberId(index as u8)));
        displaced += u32::from(it.phase != Phase::Done && it.outer.is_some() && inside.is_none());
        wakes += u32::from(it.woken && it.present);
    }
    things += state.slots.iter().filter(|item| **item != Item::None).count() as u32;
    [ops, things, displaced, wakes]
}
