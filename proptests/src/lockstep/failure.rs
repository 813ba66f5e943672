//! How a difference is told: the program, what happened, and what should have.

use std::fmt;
use std::sync::Arc;

use shieldable_model::{Event, LaneId, Model, Program, Seen, Timeline, Trace};

use super::compare::Difference;
use crate::quiet;

/// A program on which the implementation and the model part.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The program.
    pub program: Arc<Program>,
    /// Which lane moved, step by step; the last step is the one that differs.
    pub schedule: Vec<LaneId>,
    /// In what.
    pub differences: Vec<Difference>,
    /// So many programs had been run by then, this one included.
    pub programs: u64,
    last_panic: Option<String>,
}

impl Failure {
    pub(super) fn new(
        program: Arc<Program>,
        schedule: Vec<LaneId>,
        differences: Vec<Difference>,
        programs: u64,
    ) -> Self {
        Self { program, schedule, differences, programs, last_panic: quiet::last() }
    }

    /// The steps as the model does them.
    fn timeline(&self) -> String {
        let model = Model::new(&self.program);
        let mut state = model.start();
        let mut trace = Trace::new();
        let mut timeline = Timeline::of_tasks(&self.program);
        for lane in &self.schedule {
            trace.clear();
            let Some(op) = model.next_op(&state, *lane) else {
                timeline.note(*lane, "ends");
                model.step(&mut state, *lane, &mut trace);
                continue;
            };
            timeline.event(Event { lane: *lane, seen: Seen::Call(op) });
            model.step(&mut state, *lane, &mut trace);
            for (op, ret) in &trace.returns {
                timeline.event(Event { lane: *lane, seen: Seen::Return(*op, *ret) });
            }
            for waker in &trace.wakes {
                timeline.wake(*waker);
            }
        }
        timeline.to_string()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "the implementation differs from the model in this program:\n\n{}", self.text())?;
        writeln!(f, "as the model has it:\n\n{}\nin the last step", self.timeline())?;
        for Difference { what, expected, actual } in &self.differences {
            writeln!(f, "    {what}\n        expected {expected}\n        actual   {actual}")?;
        }
        if let Some(panic) = &self.last_panic {
            writeln!(f, "the last panic said: {panic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}
