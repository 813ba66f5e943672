//! A program run in lockstep, drawn.

use crate::history::{Event, Seen};
use crate::model::Model;
use crate::program::{LaneId, Program};
use crate::timeline::Timeline;
use crate::trace::Trace;

/// Lanes that go on for ever (a task that is woken by each of its polls) are cut off.
const MAX_STEPS: usize = 10_000;

/// Runs the program: first the lanes of the schedule, an operation each, those that cannot go on left out; then each
/// lane in turn until nobody can go on. The timeline has a column for each thread and each top fiber.
pub fn transcript(program: &Program, schedule: &[LaneId]) -> String {
    let model = Model::new(program);
    let mut state = model.start();
    let mut timeline = Timeline::of_tasks(program);
    let mut trace = Trace::new();
    let mut step = |lane: LaneId| {
        let Some(op) = model.next_op(&state, lane).filter(|_| model.is_enabled(&state, lane)) else {
            model.step_if_over(&mut state, lane, &mut trace);
            return false;
        };
        timeline.event(Event { lane, seen: Seen::Call(op) });
        trace.clear();
        model.step(&mut state, lane, &mut trace);
        for (op, ret) in &trace.returns {
            timeline.event(Event { lane, seen: Seen::Return(*op, *ret) });
        }
        for waker in &trace.wakes {
            timeline.wake(*waker);
        }
        true
    };
    for lane in schedule {
        step(*lane);
    }
    for _ in 0..MAX_STEPS {
        let moved = program.lanes().filter(|lane| step(*lane)).count();
        if moved == 0 {
            break;
        }
    }
    let stuck: Vec<String> = program
        .lanes()
        .filter(|lane| model.next_op(&state, *lane).is_some())
        .map(|lane| format!("thread {} waits for a wake\n", lane.0))
        .collect();
    format!("{timeline}{}", stuck.concat())
}
