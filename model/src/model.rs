//! Running programs: in lockstep, an operation of a lane at a time, or interleaved, a micro step at a time.

use crate::fault::Fault;
use crate::machine::{Machine, Micro};
use crate::program::{LaneId, Op, OpId, Program};
use crate::ret::Ret;
use crate::state::{At, State};
use crate::trace::Trace;

/// The spec of one program.
#[derive(Clone, Copy, Debug)]
pub struct Model<'p> {
    program: &'p Program,
    fault: Option<Fault>,
}

impl<'p> Model<'p> {
    /// The spec.
    pub fn new(program: &'p Program) -> Self {
        Self { program, fault: None }
    }

    /// Not the spec: a variant that does one thing wrong.
    pub fn broken(program: &'p Program, fault: Option<Fault>) -> Self {
        Self { program, fault }
    }

    /// The program.
    pub fn program(&self) -> &'p Program {
        self.program
    }

    /// Before anything has happened.
    pub fn start(&self) -> State {
        State::new(self.program)
    }

    /// The next operation of an idle lane, none when it has come to its end.
    pub fn next_op(&self, state: &State, lane: LaneId) -> Option<OpId> {
        let fiber = self.program.fiber(self.program.lane_fiber(lane));
        let pc = state.lane_fiber_state(lane).pc;
        (pc < fiber.destructor).then_some(OpId(pc))
    }

    /// Whether an idle lane may go on. `run` waits until the fiber is woken.
    pub fn is_enabled(&self, state: &State, lane: LaneId) -> bool {
        match self.next_op(state, lane).map(|op| self.program.op(op)) {
            Some(Op::Run(fiber, version)) => {
                let it = state.fiber(fiber);
                state.is_due(fiber, version) || !it.present || it.busy || it.outcome.is_some()
            }
            Some(_) => true,
            None => !self.is_over(state, lane),
        }
    }

    /// LOCKSTEP. The lane does its next operation to the end, a poll with all that it runs, and gives what it returned;
    /// `run` is one poll. None at the end of the lane, which drops what the lane still holds.
    pub fn step(&self, state: &mut State, lane: LaneId, trace: &mut Trace) -> Option<(OpId, Ret)> {
        let at_end = self.next_op(state, lane).is_none();
        while !at_end || !self.is_over(state, lane) {
            if let Micro::Returned(op, ret) = self.micro(state, lane, 0, trace) {
                if state.is_idle(lane) {
                    return Some((op, ret));
                }
            }
        }
        None
    }

    /// At its end a lane drops what it still holds, which nobody calls for.
    pub(crate) fn step_if_over(&self, state: &mut State, lane: LaneId, trace: &mut Trace) {
        if self.next_op(state, lane).is_none() {
            self.step(state, lane, trace);
        }
    }

    /// Whether the lane has done its last operation and holds nothing.
    pub fn is_over(&self, state: &State, lane: LaneId) -> bool {
        let it = state.lane_fiber_state(lane);
        self.next_op(state, lane).is_none()
            && it.at == At::Fresh
            && it.locals.is_empty()
            && state.lanes[lane.index()].calls.len() == 1
    }

    /// INTERLEAVED. The lane does the least that others can tell apart. `choice` is below [`choices`](Self::choices).
    pub fn micro(&self, state: &mut State, lane: LaneId, choice: u8, trace: &mut Trace) -> Micro {
        Machine { program: self.program, fault: self.fault, state, trace, lane, choice, told: None }.micro()
    }

    /// The lane is told that, in place of the next thing that it would do.
    pub(crate) fn tell(&self, state: &mut State, lane: LaneId, told: Ret, trace: &mut Trace) {
        let told = Some(told);
        Machine { program: self.program, fault: self.fault, state, trace, lane, choice: 0, told }.micro();
    }

    /// The operation of the lane, or of a body that it runs, that the next micro step begins.
    pub(crate) fn begins(&self, state: &mut State, lane: LaneId) -> Option<OpId> {
        let trace = &mut Trace::new();
        Machine { program: self.program, fault: self.fault, state, trace, lane, choice: 0, told: None }.next_op()
    }

    /// As [`micro`](Self::micro), but goes on while nobody could notice.
    pub fn advance(&self, state: &mut State, lane: LaneId, choice: u8, trace: &mut Trace) -> Micro {
        let mut micro = self.micro(state, lane, choice, trace);
        while micro == Micro::Silent && !self.is_over(state, lane) {
            micro = self.micro(state, lane, 0, trace);
        }
        micro
    }

    /// How many successors the spec allows for the next micro step of the lane.
    pub fn choices(&self, state: &mut State, lane: LaneId) -> u8 {
        let trace = &mut Trace::new();
        Machine { program: self.program, fault: self.fault, state, trace, lane, choice: 0, told: None }.choices()
    }
}
