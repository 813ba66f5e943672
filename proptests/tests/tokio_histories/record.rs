//! What the lanes saw. Each writes for itself; a clock puts it in order.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use shieldable_model::{Event, History, LaneId, OpId, Ret, Seen};

pub struct Record {
    clock: AtomicU32,
    lanes: Vec<Mutex<Vec<(u32, Seen)>>>,
}

impl Record {
    pub fn new(lanes: usize) -> Self {
        Self { clock: AtomicU32::new(0), lanes: (0..lanes).map(|_| Mutex::default()).collect() }
    }

    pub fn call(&self, lane: LaneId, op: OpId) {
        self.add(lane, Seen::Call(op));
    }

    pub fn returned(&self, lane: LaneId, op: OpId, ret: Ret) {
        self.add(lane, Seen::Return(op, ret));
    }

    fn add(&self, lane: LaneId, seen: Seen) {
        let at = self.clock.fetch_add(1, Ordering::SeqCst);
        self.lanes[lane.index()].lock().unwrap().push((at, seen));
    }

    pub fn history(&self) -> History {
        let mut all = Vec::new();
        for (index, lane) in self.lanes.iter().enumerate() {
            let lane_id = LaneId(index as u8);
            all.extend(lane.lock().unwrap().iter().map(|(at, seen)| (*at, Event { lane: lane_id, seen: *seen })));
        }
        all.sort_unstable_by_key(|(at, _)| *at);
        History { events: all.into_iter().map(|(_, event)| event).collect(), stuck: false }
    }
}
