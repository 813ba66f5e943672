//! Histories: what the callers of a concurrent run saw, in the order in which they saw it.

use crate::program::{LaneId, LockId, MAX_FIBERS, MAX_LOCKS, OpId, Program};
use crate::ret::Ret;
use crate::timeline::Timeline;

/// Something that a caller saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Seen {
    /// The lane is about to do its next operation. For `run`, once for each poll.
    Call(OpId),
    /// An operation has returned: one of the lane itself, or one of a body or destructor that the lane is running.
    Return(OpId, Ret),
}

/// Something that a caller saw on a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Event {
    /// The thread.
    pub lane: LaneId,
    /// What.
    pub seen: Seen,
}

/// What is taken from the order of the events of different lanes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// What returned before something else was called took effect before it: linearizability.
    #[default]
    RealTime,
    /// Nothing, for checkers that explore weak memory, where "before" is not a matter of time: what changes something
    /// happens in some order of all lanes, and what only asks may be told what was true before, but nothing older than
    /// the lane knows, by itself or from those who made their work visible to it.
    PerLane,
}

/// All that was seen in a run, up to its end: every call has returned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct History {
    /// In the order in which they were recorded.
    pub events: Vec<Event>,
    /// The run ended with threads that wait for a wake in `run`. Allowed only if the spec, too, wakes them no more.
    pub stuck: bool,
    /// How everything was then, the other lanes having dropped what they held; if somebody looked.
    pub end: Option<End>,
}

/// What can be asked when nobody goes on any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct End {
    /// The handles of tasks and scopes, as far as there are any by then.
    pub handles: [Option<Observed>; MAX_FIBERS],
    /// `is_locked()` of each lock.
    pub locked: [bool; MAX_LOCKS],
}

/// What a handle tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Observed {
    /// `cancelling()`.
    pub cancelling: usize,
    /// `is_finished()`.
    pub is_finished: bool,
    /// `is_shielded()`.
    pub is_shielded: bool,
    /// `was_torn()`.
    pub was_torn: bool,
}

impl End {
    /// Each answer, as text.
    pub(crate) fn answers(&self, program: &Program) -> Vec<String> {
        let handles = program.fibers().filter_map(|fiber| {
            let it = self.handles[fiber.index()]?;
            let flags = [(it.is_finished, "finished"), (it.is_shielded, "shielded"), (it.was_torn, "torn")];
            let flags = flags.iter().filter(|(holds, _)| *holds).map(|(_, name)| format!(", {name}"));
            Some(format!("{}: {} requests{}", program.name(fiber), it.cancelling, flags.collect::<String>()))
        });
        let locks =
            (0..MAX_LOCKS).filter(|lock| self.locked[*lock]).map(|lock| format!("{}: held", LockId(lock as u8)));
        let mut answers: Vec<_> = handles.chain(locks).collect();
        if answers.is_empty() {
            answers.push("nobody has anything".to_owned());
        }
        answers
    }
}

impl History {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a call.
    pub fn call(&mut self, lane: LaneId, op: OpId) {
        self.events.push(Event { lane, seen: Seen::Call(op) });
    }

    /// Adds a return.
    pub fn returned(&mut self, lane: LaneId, op: OpId, ret: Ret) {
        self.events.push(Event { lane, seen: Seen::Return(op, ret) });
    }

    /// Drawn with one column a lane.
    pub fn timeline(&self, program: &Program) -> String {
        let mut timeline = Timeline::of_threads(program);
        for event in &self.events {
            timeline.event(*event);
        }
        timeline.to_string()
    }
}

impl Program {
    /// The text of what an event shows.
    pub(crate) fn seen_text(&self, seen: Seen) -> String {
        match seen {
            Seen::Call(op) => format!("{} ..", self.op_text(op)),
            Seen::Return(op, ret) => format!("{} = {}", self.op_text(op), self.ret_text(ret)),
        }
    }

    pub(crate) fn ret_text(&self, ret: Ret) -> String {
        match ret {
            Ret::Task(fiber) => self.name(fiber).to_string(),
            ret => ret.to_string(),
        }
    }
}
