//! What whoever runs the lanes of a program for real has in common: threads, and the executors of others.

use std::task::Waker;

use shieldable_model::{LaneId, MAX_WAKERS, Op};

use crate::driver::World;

/// If that lane runs a fiber, whatever wakes the fiber wakes the runner, with whichever of its wakers it was polled
/// last. To be called before the lane polls it.
pub(crate) fn rouses(world: &World, lane: LaneId, runner: &Waker) {
    for op in world.program().lane(lane) {
        if let Op::Run(fiber, _) = world.program().op(op) {
            for version in 0..MAX_WAKERS {
                world.signal(fiber, version).arm(runner.clone());
            }
        }
    }
}
