//! The implementation and the model, an operation of a lane at a time, compared after each.
//!
//! Compared is everything that a caller can observe: what each operation returned, in lanes, bodies and destructors;
//! who was woken, in order; what the handle of every scope says; which locks are held; which fibers are there, and what
//! their join handles know; how many clones of each waker are kept; and that no scope is current between two
//! operations.

mod compare;
mod failure;
pub mod replay;

use std::sync::Arc;

use shieldable_model::{Choices, Coverage, LaneId, MAX_LANES, Model, OpId, Program, Ret, State, Trace};

use crate::driver::{Lane, World};
use crate::quiet;

pub use compare::{Difference, leaks};
pub use failure::Failure;
use replay::Schedule;

/// Runs programs on both sides. Kept between programs, so that little is allocated.
pub struct Lockstep {
    world: Option<Arc<World>>,
    trace: Trace,
    schedule: Vec<LaneId>,
    programs: u64,
    steps: u64,
    operations: u64,
}

/// What a step was, for those who count what happens.
#[derive(Clone, Copy)]
pub struct Step<'a> {
    /// Before it.
    pub before: &'a State,
    /// What the lane did; none at its end.
    pub op: Option<OpId>,
    /// What that returned.
    pub ret: Option<Ret>,
    /// All that returned, and who was woken.
    pub trace: &'a Trace,
    /// After it.
    pub after: &'a State,
}

impl Default for Lockstep {
    fn default() -> Self {
        Self::new()
    }
}

impl Lockstep {
    /// Nothing has been run.
    pub fn new() -> Self {
        quiet::install();
        Self { world: None, trace: Trace::new(), schedule: Vec::new(), programs: 0, steps: 0, operations: 0 }
    }

    /// How many programs were run.
    pub fn programs(&self) -> u64 {
        self.programs
    }

    /// How many operations of lanes.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How many operations of lanes, bodies and destructors.
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// The clauses that decided something in any step.
    pub fn coverage(&self) -> Coverage {
        self.trace.coverage
    }

    /// The same, and forgets them.
    pub fn take_coverage(&mut self) -> Coverage {
        std::mem::take(&mut self.trace.coverage)
    }

    /// Runs a program to its end. `schedule` chooses among the lanes that may go on.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn run(&mut self, program: &Arc<Program>, schedule: &mut impl Choices) -> Result<(), Box<Failure>> {
        self.run_watched(program, schedule, |_, _| ())
    }

    /// As [`run`](Self::run), in a stored order.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn run_scheduled(&mut self, program: &Arc<Program>, schedule: &Schedule) -> Result<(), Box<Failure>> {
        let mut lanes = schedule.0.iter().map(|lane| LaneId(*lane));
        self.run_steps(program, |enabled| lanes.find(|lane| enabled.contains(lane)), |_, _| ())
    }

    /// As [`run`](Self::run), and shows each step.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn run_watched(
        &mut self,
        program: &Arc<Program>,
        schedule: &mut impl Choices,
        watch: impl FnMut(&Program, Step<'_>),
    ) -> Result<(), Box<Failure>> {
        self.run_steps(program, |enabled| Some(enabled[schedule.pick(enabled.len())]), watch)
    }

    /// `choose` is asked only where there are several lanes; without an answer the first of them goes on.
    fn run_steps(
        &mut self,
        program: &Arc<Program>,
        mut choose: impl FnMut(&[LaneId]) -> Option<LaneId>,
        mut watch: impl FnMut(&Program, Step<'_>),
    ) -> Result<(), Box<Failure>> {
        let model = Model::new(program);
        let mut state = model.start();
        let world = match self.world.take() {
            Some(mut world) => {
                World::begin(&mut world, program.clone());
                world
            }
            None => World::new(program.clone()),
        };
        let mut lanes: Vec<Lane> = program.lanes().map(|lane| Lane::new(&world, lane)).collect();
        self.schedule.clear();
        self.programs += 1;

        quiet::during(|| {
            while let Some(lane) = next_lane(&model, &state, &mut choose) {
                self.schedule.push(lane);
                self.trace.clear();
                world.log(lane).clear();
                world.wakes().clear();
                self.steps += 1;

                let before = state;
                let op = model.next_op(&state, lane);
                let returned = model.step(&mut state, lane, &mut self.trace);
                match op {
                    Some(op) => _ = lanes[lane.index()].step(op),
                    None => lanes[lane.index()].end(),
                }
                self.operations += self.trace.returns.len() as u64;
                watch(
                    program,
                    Step { before: &before, op, ret: returned.map(|r| r.1), trace: &self.trace, after: &state },
                );
                if !compare::agree(&world, &state, lane, &self.trace) {
                    let differences = compare::differences(&world, &state, lane, &self.trace);
                    return Err(self.failure(program, differences));
                }
            }
            lanes.clear();
            world.clear();
            let leaks = compare::leaks(&world);
            if leaks.is_empty() { Ok(()) } else { Err(self.failure(program, leaks)) }
        })?;
        self.world = Some(world);
        Ok(())
    }

    fn failure(&self, program: &Arc<Program>, differences: Vec<compare::Difference>) -> Box<Failure> {
        Box::new(Failure::new(program.clone(), self.schedule.clone(), differences, self.programs))
    }
}

/// A lane that may go on.
fn next_lane(model: &Model<'_>, state: &State, choose: &mut impl FnMut(&[LaneId]) -> Option<LaneId>) -> Option<LaneId> {
    let mut enabled = [LaneId(0); MAX_LANES];
    let mut count = 0;
    for lane in model.program().lanes().filter(|lane| model.is_enabled(state, *lane)) {
        enabled[count] = lane;
        count += 1;
    }
    match &enabled[..count] {
        [] => None,
        [lane] => Some(*lane),
        several => choose(several).or(Some(several[0])),
    }
}
