//! Notices that a program has come to its end, or to where nobody is left to wake those who sleep.
//!
//! Some programs rightly end asleep: a task that suspends and is never woken. So the last lane that leaves or lies down
//! rouses the sleepers, who find that it is over. That is bookkeeping in std's primitives: it tells the code under test
//! nothing, and what it finds depends on how the lanes end only, not on the order in which they do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::executor::Core;

pub struct Crowd(Mutex<State>);

struct State {
    awake: usize,
    asleep: Vec<Arc<Core>>,
    over: bool,
}

impl Crowd {
    pub fn new(lanes: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { awake: lanes, asleep: Vec::new(), over: false })))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lane has come to its end.
    pub fn leaves(&self) {
        for sleeper in self.one_less(None) {
            sleeper.unpark();
        }
    }

    /// A lane sleeps until it is woken or all is over; true if it was woken.
    pub fn lies_down(&self, core: &Arc<Core>) -> bool {
        let sleepers = self.one_less(Some(core));
        if sleepers.is_empty() {
            core.park();
        }
        for sleeper in sleepers.iter().filter(|sleeper| !Arc::ptr_eq(sleeper, core)) {
            sleeper.unpark();
        }
        !self.state().over
    }

    /// Those who sleep, if nobody is left awake.
    fn one_less(&self, sleeper: Option<&Arc<Core>>) -> Vec<Arc<Core>> {
        let mut state = self.state();
        state.awake -= 1;
        state.asleep.extend(sleeper.cloned());
        if state.awake > 0 {
            return Vec::new();
        }
        state.over = true;
        std::mem::take(&mut state.asleep)
    }

    /// A sleeper is woken.
    pub fn rises(&self, core: &Core) {
        let mut state = self.state();
        state.awake += 1;
        state.asleep.retain(|sleeper| !std::ptr::eq(&**sleeper, core));
    }
}
