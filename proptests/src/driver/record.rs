//! What was seen, lane by lane.
//!
//! Std's primitives: a record orders nothing, and a checker does not explore it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use shieldable_model::{End, Event, History, LaneId, MAX_LANES, OpId, Ret, Seen};

use crate::subject_sync;

/// Something seen, and when: the number of things seen before on any lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logged {
    /// When.
    pub at: u32,
    /// What.
    pub seen: Seen,
}

#[derive(Debug, Default)]
pub(super) struct Record {
    clock: AtomicU32,
    lanes: [Mutex<Vec<Logged>>; MAX_LANES],
}

impl Record {
    pub(super) fn called(&self, lane: LaneId, op: OpId) {
        self.add(lane, Seen::Call(op));
    }

    /// On the lane that this thread acts for.
    pub(super) fn returned(&self, op: OpId, ret: Ret) {
        self.add(subject_sync::lane(), Seen::Return(op, ret));
    }

    fn add(&self, lane: LaneId, seen: Seen) {
        let at = self.clock.fetch_add(1, Ordering::SeqCst);
        self.of(lane).push(Logged { at, seen });
    }

    pub(super) fn of(&self, lane: LaneId) -> MutexGuard<'_, Vec<Logged>> {
        self.lanes[lane.index()].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything, in the order of time.
    pub(super) fn history(&self, stuck: bool, end: End) -> History {
        let mut all: Vec<(u32, Event)> = Vec::new();
        for lane in (0..MAX_LANES as u8).map(LaneId) {
            all.extend(self.of(lane).iter().map(|logged| (logged.at, Event { lane, seen: logged.seen })));
        }
        all.sort_unstable_by_key(|(at, _)| *at);
        History { events: all.into_iter().map(|(_, event)| event).collect(), stuck, end: Some(end) }
    }

    pub(super) fn clear(&mut self) {
        *self.clock.get_mut() = 0;
        for lane in &mut self.lanes {
            lane.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }
}
