//! What is compared: first whether, then what.

use std::fmt::Debug;

use shieldable_model::{
    FiberId, Kind, LaneId, LockId, MAX_FIBERS, MAX_LOCKS, MAX_WAKERS, OpId, Ret, Seen, State, Trace,
};

use crate::driver::{Logged, World};
use crate::subject::{TaskHandle, cancel_pending, is_shielded, try_shield_scope};

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What was asked.
    pub what: String,
    /// What the model says.
    pub expected: String,
    /// What the implementation did.
    pub actual: String,
}

/// How many clones of each waker are kept.
type Kept = [u8; MAX_FIBERS * MAX_WAKERS as usize];

pub(super) fn agree(world: &World, state: &State, lane: LaneId, trace: &Trace) -> bool {
    returns(&world.log(lane)).eq(trace.returns.iter().copied())
        && *world.wakes() == trace.wakes
        && world.program().fibers().all(|fiber| fiber_agrees(world, state, fiber))
        && locks().all(|lock| world.is_locked(lock) == state.is_locked(lock))
        && kept_on(world) == expected_kept(state)
        && nothing_is_current()
}

pub(super) fn differences(world: &World, state: &State, lane: LaneId, trace: &Trace) -> Vec<Difference> {
    let mut found = Vec::new();
    let mut compare = |what: String, expected: String, actual: String| {
        if expected != actual {
            found.push(Difference { what, expected, actual });
        }
    };
    let program = world.program();

    let actual: Vec<_> = returns(&world.log(lane)).collect();
    let say = |seen: Option<&(OpId, Ret)>| match seen {
        Some((op, ret)) => format!("{}: {} = {}", program.name(program.owner(*op)), program.op_text(*op), ret),
        None => "nothing".to_owned(),
    };
    for at in 0..actual.len().max(trace.returns.len()) {
        compare(format!("return {} of the step", at + 1), say(trace.returns.get(at)), say(actual.get(at)));
    }
    let wakes = |wakes: &[shieldable_model::Waker]| {
        let names = wakes.iter().map(|waker| format!("{}/{}", program.name(waker.fiber), waker.version));
        names.collect::<Vec<_>>().join(" ")
    };
    compare("wakes".to_owned(), wakes(&trace.wakes), wakes(&world.wakes()));
    for fiber in program.fibers() {
        let name = program.name(fiber);
        compare(format!("handle of {name}"), text(state.observed(fiber)), text(world.observe(fiber)));
        if !program.fiber(fiber).inline {
            let (expected, actual) = (state.is_present(fiber), world.is_present(fiber));
            compare(format!("{name} is there"), text(expected), text(actual));
            if program.kind(fiber) == Kind::Task {
                compare(format!("join of {name}"), text(expected_join(state, fiber)), text(world.joined(fiber)));
            }
        }
    }
    for lock in locks() {
        compare(format!("{lock} is locked"), text(state.is_locked(lock)), text(world.is_locked(lock)));
    }
    let (expected, actual) = (expected_kept(state), kept_on(world));
    for (index, (expected, actual)) in expected.into_iter().zip(actual).enumerate() {
        let (fiber, version) = (index as u8 / MAX_WAKERS, index as u8 % MAX_WAKERS);
        if expected != actual {
            let name = program.name(FiberId(fiber));
            compare(format!("clones kept of the waker {name}/{version}"), text(expected), text(actual));
        }
    }
    compare("no scope is current between two operations".to_owned(), text(true), text(nothing_is_current()));
    found
}

/// What is still there at the end, when everything has been dropped.
pub fn leaks(world: &std::sync::Arc<World>) -> Vec<Difference> {
    let difference =
        |actual| Difference { what: "what is left in the end".to_owned(), expected: "nothing".to_owned(), actual };
    world.leaks().into_iter().map(difference).collect()
}

fn returns(log: &[Logged]) -> impl Iterator<Item = (OpId, Ret)> + '_ {
    log.iter().filter_map(|logged| match logged.seen {
        Seen::Return(op, ret) => Some((op, ret)),
        Seen::Call(_) => None,
    })
}

fn fiber_agrees(world: &World, state: &State, fiber: FiberId) -> bool {
    let it = world.program().fiber(fiber);
    let handle = match it.kind {
        Kind::Task | Kind::Scope => world.observe(fiber) == state.observed(fiber),
        _ => true,
    };
    let place = it.inline || world.is_present(fiber) == state.is_present(fiber);
    let join = it.inline || it.kind != Kind::Task || world.joined(fiber) == expected_join(state, fiber);
    handle && place && join
}

fn expected_join(state: &State, fiber: FiberId) -> Option<shieldable_model::Outcome> {
    state.outcome(fiber).filter(|_| state.is_finished(fiber))
}

fn locks() -> impl Iterator<Item = LockId> {
    (0..MAX_LOCKS as u8).map(LockId)
}

fn expected_kept(state: &State) -> Kept {
    let mut kept = [0; _];
    for waker in state.kept_wakers() {
        kept[waker.fiber.index() * usize::from(MAX_WAKERS) + usize::from(waker.version)] += 1;
    }
    kept
}

fn kept_on(world: &World) -> Kept {
    let mut kept = [0; _];
    for fiber in world.program().fibers().filter(|fiber| !world.program().fiber(*fiber).inline) {
        for version in 0..MAX_WAKERS {
            let at = fiber.index() * usize::from(MAX_WAKERS) + usize::from(version);
            kept[at] = world.kept_wakers(fiber, version) as u8;
        }
    }
    kept
}

/// SCP-3.
fn nothing_is_current() -> bool {
    try_shield_scope().is_err() && TaskHandle::try_current().is_none() && !is_shielded() && !cancel_pending()
}

fn text(value: impl Debug) -> String {
    format!("{value:?}")
}
