//! One lane, an operation at a time.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Context;

use shieldable_model::{LaneId, OpId, Ret};

use super::acts::{Locals, act};
use super::fiber::said;
use super::world::World;
use crate::subject_sync;

/// What a thread outside holds.
pub struct Lane {
    world: Arc<World>,
    id: LaneId,
    locals: Locals,
}

impl Lane {
    /// Holds nothing yet.
    pub fn new(world: &Arc<World>, id: LaneId) -> Self {
        Self { world: world.clone(), id, locals: Locals::default() }
    }

    /// Does an operation of this lane, on this thread. `run` is one poll.
    pub fn step(&mut self, op: OpId) -> Ret {
        self.call(op);
        self.perform(op, None)
    }

    /// The beginning of an operation: from now on it may happen.
    pub fn call(&self, op: OpId) {
        self.world.record().called(self.id, op);
    }

    /// The operation that was called. A fiber is polled with `cx`, or else with the waker that the program names.
    pub fn perform(&mut self, op: OpId, cx: Option<&mut Context<'_>>) -> Ret {
        subject_sync::set_lane(self.id);
        let Self { world, locals, .. } = self;
        let act = || act(world, locals, world.program().op(op), cx);
        let ret = catch_unwind(AssertUnwindSafe(act)).unwrap_or_else(|panic| panicked(&*panic));
        self.world.returned(op, ret);
        ret
    }

    /// Drops what the lane still holds, the newest first. Whether something panics is nobody's business.
    pub fn end(&mut self) {
        subject_sync::set_lane(self.id);
        while let Some(local) = self.locals.pop() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(local)));
        }
    }
}

/// How the crate refuses what is not polled after its end: SHD-10, RLK-8.
const REFUSALS: [&str; 2] = ["there is no current cancel scope", "shieldable: a re-entrant lock needs a current task"];

fn panicked(panic: &(dyn Any + Send)) -> Ret {
    let refused = said(panic).is_some_and(|said| REFUSALS.iter().any(|refusal| said.starts_with(refusal)));
    // Of the program, or of a fiber that is over, there is no text.
    if refused || panic.is::<()>() { Ret::Panicked } else { Ret::Unforeseen }
}
