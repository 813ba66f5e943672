//! The lanes of a program on threads of their own, and the history of what they saw.

use std::sync::{Arc, Barrier, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use shieldable_model::{History, LaneId, Op, Program, Ret};

use crate::driver::{Lane, World};
use crate::{quiet, runner};

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
struct Sleeper {
    crowd: Arc<Crowd>,
    /// Changed under the mutex of the crowd.
    rest: Mutex<Rest>,
}

#[derive(Debug, Default)]
struct Rest {
    /// Woken since it slept last.
    woken: bool,
    /// It lies down, and counts among those asleep until somebody rouses it: a sleeper who has been roused is awake,
    /// even if the machine has not let it run yet.
    asleep: bool,
}

impl Sleeper {
    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        let mut state = self.crowd.lock();
        let mut rest = self.rest();
        rest.woken = true;
        if std::mem::take(&mut rest.asleep) {
            state.asleep -= 1;
            self.crowd.changed.notify_all();
        }
    }
}

/// Runs a program once, as the machine happens to interleave it. What the lanes hold is dropped by each at its end.
pub fn run(program: &Arc<Program>) -> History {
    quiet::install();
    let lanes = program.lanes().len();
    let world = World::new(program.clone());
    let crowd = Arc::new(Crowd { state: Mutex::new(State { lanes, asleep: 0 }), changed: Condvar::new() });
    let sleepers: Vec<_> = program
        .lanes()
        .map(|lane| {
            let sleeper = Arc::new(Sleeper { crowd: crowd.clone(), rest: Mutex::default() });
            runner::rouses(&world, lane, &Waker::from(sleeper.clone()));
            (lane, sleeper)
        })
        .collect();
    let start = Barrier::new(lanes);
    let mut lanes: Vec<_> = std::thread::scope(|scope| {
        let run_lane = |(lane, sleeper): &(LaneId, Arc<Sleeper>)| {
            start.wait();
            quiet::during(|| run_lane(&world, *lane, sleeper))
        };
        let threads: Vec<_> = sleepers.iter().map(|lane| scope.spawn(move || run_lane(lane))).collect();
        threads.into_iter().map(|thread| thread.join().expect("a lane catches panics")).collect()
    });
    let history = world.history(lanes.iter().any(|(_, stuck)| *stuck));
    quiet::during(|| {
        for (lane, _) in &mut lanes {
            lane.end();
        }
        world.clear();
    });
    drop(lanes);
    let leaks = world.leaks();
    assert!(leaks.is_empty(), "left in the end: {leaks:?}, after\n{}", history.timeline(program));
    history
}

/// All operations of a lane, and whether it waits in vain. One that does keeps what it holds until all is over.
fn run_lane(world: &Arc<World>, id: LaneId, sleeper: &Sleeper) -> (Lane, bool) {
    let mut lane = Lane::new(world, id);
    for op in world.program().lane(id) {
        let runs = matches!(world.program().op(op), Op::Run(..));
        while lane.step(op) == Ret::Pending && runs {
            if !sleeper.sleep() {
                return (lane, true);
            }
        }
    }
    lane.end();
    sleeper.crowd.leaves();
    (lane, false)
}
