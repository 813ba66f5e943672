//! Programs of the spec's language: run in all interleavings, each history judged by the spec.
//!
//! The driver is the one of the property tests, compiled over the checker's primitives. Histories are gathered while a
//! program is explored and judged after it, each different one once.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use shieldable_model::{
    Coverage, Fault, FiberId, History, Judge, LaneId, MAX_WAKERS, Make, Op, OpId, Order, Program, Ret,
};

use crate::checker;
use crate::crowd::Crowd;
use crate::driver::{Lane, World};
use crate::harness::{CLAUSES, Explored, Programs, is_deep};
use crate::timeline;

/// Of so many programs that fail, one history each is printed.
const MOST_TOLD: usize = 20;

/// How far to go, by `SHIELDABLE_DEEP`.
struct Depth {
    /// That program, and every so manieth after it.
    first: usize,
    every: usize,
    /// What has more executions is explored in part.
    most: usize,
}

impl Depth {
    /// Not set: all programs, each within bounds. `1`: all programs, within much larger ones. `3/64`: of these, the
    /// fourth and every 64th after it.
    fn set() -> Self {
        let Ok(part) = std::env::var("SHIELDABLE_DEEP") else {
            return Self { first: 0, every: 1, most: checker::MOST_OF_A_PROGRAM };
        };
        let number = |text: &str| text.parse().expect("SHIELDABLE_DEEP is 1, or a part such as 3/64");
        let (first, every) = part.split_once('/').map_or((0, 1), |(first, every)| (number(first), number(every)));
        Self { first, every, most: checker::MOST_IF_DEEP }
    }
}

/// Runs and judges them; none if the spec does not allow something that was seen.
pub fn explore_all(programs: Vec<Program>, of: Programs) -> Option<Explored> {
    timeline::lanes_catch();
    let depth = Depth::set();
    let (mut executions, mut ran, mut failed, mut histories) = (0, 0, 0, 0);
    let mut coverage = Coverage::default();
    let mut extents = BTreeMap::<String, usize>::new();
    let all = programs.len();
    for (index, program) in programs.into_iter().enumerate().skip(depth.first).step_by(depth.every) {
        ran += 1;
        if !checker::follows(&program) {
            *extents.entry("beyond it".to_owned()).or_default() += 1;
            continue;
        }
        let program = Arc::new(program);
        let seen = Seen::default();
        let explored = checker::explore_within(depth.most, run(index, &program, of.fault, &seen));
        executions += explored.executions;
        if is_deep() && explored.extent != "complete" {
            // For who would take these up by themselves.
            println!("    program {index}: {} executions, {}", explored.executions, explored.extent);
        }
        *extents.entry(explored.extent).or_default() += 1;
        let seen = seen.lock().unwrap();
        histories += seen.len();
        let mut judge = Judge::broken(&program, checker::ORDER, of.fault);
        for (history, Met { times, allowed }) in seen.iter() {
            match allowed.map_or_else(|| judge.allows(history), Ok) {
                Ok(clauses) => coverage.merge(clauses),
                Err(mismatch) => {
                    failed += 1;
                    if failed <= MOST_TOLD {
                        println!("program {index}, seen {times} times: {mismatch}");
                    }
                    break;
                }
            }
        }
    }
    let count = if ran == all { all.to_string() } else { format!("{ran} of {all}") };
    let extents: Vec<_> = extents.iter().map(|(extent, programs)| told(*programs, extent)).collect();
    let extent = format!("{count} programs: {}", extents.join(", "));
    println!("    {histories} different histories{CLAUSES}{coverage}");
    if failed > 0 {
        println!("    {executions} executions, {extent}");
        println!("the spec does not allow what {failed} of {ran} programs did");
        return None;
    }
    Some(Explored { executions, extent })
}

/// How many programs had this extent. One that begins with a number tells the executions of each of them.
fn told(programs: usize, extent: &str) -> String {
    match extent.starts_with(|c: char| c.is_ascii_digit()) {
        true => format!("{programs} with {extent} each"),
        false => format!("{programs} {extent}"),
    }
}

/// Runs one program once more as it was scheduled then.
pub fn replay(program: &Program, fault: Option<Fault>, index: usize, schedule: &str) {
    timeline::lanes_catch();
    checker::replay(schedule, run(index, &Arc::new(program.clone()), fault, &Seen::default()));
}

/// One execution after the other. Where the checker can replay one that fails, each is judged at once, so that it
/// fails.
fn run(
    index: usize,
    program: &Arc<Program>,
    fault: Option<Fault>,
    seen: &Seen,
) -> impl Fn() + Send + Sync + Clone + use<> {
    let (program, seen) = (program.clone(), seen.clone());
    move || {
        let history = execute(program.clone());
        let mut seen = seen.lock().unwrap();
        let met = seen.entry(history.clone()).or_default();
        met.times += 1;
        if checker::REPLAYS && met.times == 1 {
            match Judge::broken(&program, checker::ORDER, fault).allows(&history) {
                Ok(clauses) => met.allowed = Some(clauses),
                Err(mismatch) => panic!("program {index}: {mismatch}"),
            }
        }
    }
}

/// The histories that were seen.
type Seen = Arc<Mutex<HashMap<History, Met>>>;

#[derive(Clone, Copy, Debug, Default)]
struct Met {
    times: u64,
    /// By these clauses, where it has been judged.
    allowed: Option<Coverage>,
}

/// One execution: the lanes on threads of their own, the first of them on this one.
fn execute(program: Arc<Program>) -> History {
    let world = World::new(program.clone());
    let crowd = Crowd::new(program.lanes().len());
    for fiber in program.fibers().filter(|fiber| !program.fiber(*fiber).inline) {
        for version in (0..MAX_WAKERS).filter(|version| *version == 0 || is_run_with(&program, fiber, *version)) {
            world.signal(fiber, version).arm(&crowd);
        }
        if is_shared(&program, fiber) {
            world.turn(fiber).arm();
        }
    }
    let others: Vec<_> = program
        .lanes()
        .skip(1)
        .map(|lane| {
            let (world, crowd) = (world.clone(), crowd.clone());
            checker::spawn_lane(move || run_lane(&world, lane, &crowd))
        })
        .collect();
    let mut lanes = vec![run_lane(&world, LaneId(0), &crowd)];
    lanes.extend(others.into_iter().map(|other| other.join().expect("a lane catches what panics")));

    let stuck = lanes.iter().any(|(_, stuck)| *stuck);
    let mut history = world.history(stuck);
    drop(lanes);
    world.clear();
    let leaks = world.leaks();
    assert!(leaks.is_empty(), "left in the end: {leaks:?}, after\n{}", history.timeline(&program));
    if checker::ORDER == Order::PerLane {
        // What is left of the order, so that histories that differ in nothing else are the same.
        history.events.sort_by_key(|event| event.lane);
    }
    history
}

fn is_run_with(program: &Program, fiber: FiberId, version: u8) -> bool {
    (0..program.len() as u8).any(|op| program.op(OpId(op)) == Op::Run(fiber, version))
}

/// Whether more than one lane or body polls, drops or joins the fiber.
fn is_shared(program: &Program, fiber: FiberId) -> bool {
    let mut owners = (0..program.len() as u8).map(OpId).filter(|op| match program.op(*op) {
        Op::Run(it, _) | Op::Poll(it, _) | Op::Drop(it) => it == fiber,
        Op::Await(Make::Join(it)) | Op::Let(Make::Join(it)) => it == fiber,
        _ => false,
    });
    let first = owners.next().map(|op| program.owner(op));
    owners.any(|op| Some(program.owner(op)) != first)
}

/// All operations of a lane, and whether it waits in vain for the rest. What it then holds is dropped when all is over.
fn run_lane(world: &Arc<World>, id: LaneId, crowd: &Crowd) -> (Lane, bool) {
    let mut lane = Lane::new(world, id);
    let mut step = |op| {
        checker::call_begins();
        lane.step(op)
    };
    for op in world.program().lane(id) {
        match world.program().op(op) {
            Op::Run(fiber, waker) => {
                let core = world.signal(fiber, waker).core();
                core.owned_by_this_thread();
                while step(op) == Ret::Pending {
                    if !core.sleep() {
                        return (lane, true);
                    }
                }
            }
            Op::Drop(fiber) => {
                step(op);
                // Whoever runs it is to find its place empty.
                (0..MAX_WAKERS).for_each(|version| world.signal(fiber, version).woken());
            }
            _ => {
                step(op);
            }
        }
    }
    lane.end();
    crowd.leaves();
    (lane, false)
}
