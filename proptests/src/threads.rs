//! The lanes of a program on threads of their own, and the history of what they saw.

use std::sync::{Arc, Barrier, Condvar, Mutex, MutexGuard, PoisonError};

use shieldable_model::{History, LaneId, Op, Program, Ret};

use crate::driver::{Lane, World};
use crate::quiet;

/// Who is awake. When all that have not ended are asleep, nobody is left to wake them.
#[derive(Debug)]
struct Crowd {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    lanes: usize,
    asleep: usize,
}

impl Crowd {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leaves(&self) {
        self.lock().lanes -= 1;
        self.changed.notify_all();
    }
}

/// Where the lane that runs a fiber sleeps.
#[derive(Debug)]
pub(crate) struct Sleeper {
    crowd: Arc<Crowd>,
    /// Changed under the mutex of the crowd.
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    /// Woken since it slept last.
    woken: bool,
    /// It lies down, and counts among those asleep until somebody rouses it: a sleeper who has been roused is awake, even
    /// if the machine has not let it run yet.
    asleep: bool,
}

impl Sleeper {
    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn rouse(&self) {
        let mut state = self.crowd.lock();
        let mut rest = self.rest();
        rest.woken = true;
        if std::mem::take(&mut rest.asleep) {
            state.asleep -= 1;
            self.crowd.changed.notify_all();
        }
    }

    /// Until it is woken; false when nobody is left who could.
    fn sleep(&self) -> bool {
        let mut state = self.crowd.lock();
        if std::mem::take(&mut self.rest().woken) {
            return true;
        }
        self.rest().asleep = true;
        state.asleep += 1;
        self.crowd.changed.notify_all();
        loop {
            if std::mem::take(&mut self.rest().woken) {
                return true;
            }
            // Those who give up stay asleep, so that the others do too.
            if state.asleep >= state.lanes {
                return false;
            }
            state = self.crowd.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Runs a program once, as the machine happens to interleave it. What the lanes hold is dropped by each at its end.
pub fn run(program: &Arc<Program>) -> History {
    quiet::install();
    let lanes = program.lanes().len();
    let world = World::new(program.clone());
    let crowd = Arc::new(Crowd { state: Mutex::new(State { lanes, asleep: 0 }), changed: Condvar::new() });
    for lane in program.lanes() {
        for op in program.lane(lane) {
            if let Op::Run(fiber, version) = program.op(op) {
                world.signal(fiber, version).arm(Sleeper { crowd: crowd.clone(), rest: Mutex::default() });
            }
        }
    }
    let start = Barrier::new(lanes);
    let run_lane = |id: LaneId| {
        start.wait();
        quiet::during(|| run_lane(&world, id, &crowd))
    };
    let mut lanes: Vec<_> = std::thread::scope(|scope| {
        let run_lane = &run_lane;
        let threads: Vec<_> = program.lanes().map(|lane| scope.spawn(move || run_lane(lane))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a lane catches panics")).collect()
    });
    let history = world.history(lanes.iter().any(|(_, stuck)| *stuck));
    quiet::during(|| {
        for (lane, _) in &mut lanes {
            lane.end();
        }
        world.clear();
    });
    history
}

/// All operations of a lane, and whether it waits in vain. One that does keeps what it holds until all is over.
fn run_lane(world: &Arc<World>, id: LaneId, crowd: &Crowd) -> (Lane, bool) {
    let mut lane = Lane::new(world, id);
    for op in world.program().lane(id) {
        if let Op::Run(fiber, version) = world.program().op(op) {
            while lane.step(op) == Ret::Pending {
                if !world.signal(fiber, version).sleeper().sleep() {
                    return (lane, true);
                }
            }
        } else {
            lane.step(op);
        }
    }
    lane.end();
    crowd.leaves();
    (lane, false)
}
