//! Situations that must really be reached: an exploration that never got there has shown nothing about them.

use crate::explore::world::{Explored, World};
use crate::program::{Kind, Make};
use crate::ret::Outcome;
use crate::state::{FiberState, Item, NodeStage, Phase, Stage, Timer};

/// A situation.
pub struct Situation {
    /// What it is, as a sentence.
    pub name: &'static str,
    pub(crate) check: fn(&Explored, &World) -> bool,
}

macro_rules! situations {
    ($($name:literal $check:expr;)+) => {
        /// All of them.
        pub const SITUATIONS: &[Situation] = &[$(Situation { name: $name, check: $check }),+];
    };
}

situations! {
    "a request waits behind a shield" |_, w| any(w, |it| live(it) && it.requests > 0 && it.open > 0);
    "two requests wait" |_, w| any(w, |it| live(it) && it.requests == 2);
    "a request is pending and the value is kept" |_, w| any(w, |it| it.requests > 0 && it.outcome == Some(Outcome::Value));
    "a task is cancelled" |_, w| any(w, |it| it.outcome == Some(Outcome::Cancelled));
    "a body is dropped hard out of a shield" |_, w| any(w, |it| it.torn);
    "a panicked scope waits for its wrapper" |_, w| any(w, |it| it.phase == Phase::Ending && it.outcome == Some(Outcome::Panicked) && !it.busy);
    "a suspended scope shields the one around it" |_, w| any(w, |it| live(it) && it.outer.is_some());
    "guards of a scope that is done shield the one around it" |_, w| any(w, |it| it.phase == Phase::Done && it.outer.is_some());
    "a guard lies in a slot" |_, w| w.state.slots.iter().any(|item| matches!(item, Item::Shield(_)));
    "three scopes are inside each other" |e, w| w.state.lanes.iter().any(|lane| {
        lane.calls.iter().filter(|call| call.stage != Stage::Lane && e.program().kind(call.fiber).is_scope()).count() >= 3
    });
    "a destructor runs" |_, w| w.state.lanes.iter().any(|lane| lane.calls.iter().any(|call| call.stage == Stage::Destructor));
    "a deadline has passed behind a shield" |_, w| any(w, |it| live(it) && it.open > 0 && it.timer == Timer::Spent);
    "two deadlines have passed" |_, w| count(w, |it| live(it) && matches!(it.timer, Timer::Passed | Timer::Spent)) >= 2;
    "a timeout has elapsed" |_, w| any(w, |it| it.outcome == Some(Outcome::Elapsed));
    "two acquisitions queue for a lock" |_, w| w.state.locks.iter().any(|lock| lock.queue.len() >= 2);
    "a lock is held twice by its owner" |_, w| w.state.locks.iter().any(|lock| lock.depth >= 2);
    "a granted acquisition has not been polled" |e, w| node(e, w, |make| matches!(make, Make::Lock(_)), NodeStage::Granted);
    "a wait is notified" |e, w| node(e, w, |make| matches!(make, Make::Wait(_)), NodeStage::Granted);
    "somebody waits for the end of a task" |e, w| node(e, w, |make| matches!(make, Make::Join(_)), NodeStage::Queued);
    "three tasks are suspended" |e, w| {
        let tasks = e.program().fibers().filter(|fiber| e.program().kind(*fiber) == Kind::Task);
        tasks.filter(|fiber| live(w.state.fiber(*fiber)) && w.state.fiber(*fiber).started).count() >= 3
    };
}

fn live(it: &FiberState) -> bool {
    it.phase == Phase::Live
}

fn any(world: &World, holds: impl Fn(&FiberState) -> bool) -> bool {
    world.state.fibers.iter().any(holds)
}

fn count(world: &World, holds: impl Fn(&FiberState) -> bool) -> usize {
    world.state.fibers.iter().filter(|it| holds(it)).count()
}

fn node(explored: &Explored, world: &World, of: impl Fn(Make) -> bool, stage: NodeStage) -> bool {
    let mut nodes = explored.program().nodes.iter().zip(&world.state.nodes);
    nodes.any(|(make, node)| of(*make) && node.stage == stage)
}
