//! Makes lanes meet: a runtime with little to do would run one after the other.

use std::hint::spin_loop;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::yield_now;

/// Nothing waits for anything here; there is only less hurry.
pub struct Jostle {
    arrived: AtomicU32,
    random: AtomicU32,
}

impl Jostle {
    /// The longest wait for company, in turns given to others.
    const PATIENCE: u32 = 100;

    pub fn new(seed: u32) -> Self {
        Self { arrived: AtomicU32::new(0), random: AtomicU32::new(seed) }
    }

    /// The first to come looks out for a second for a while.
    pub fn begin(&self) {
        if self.arrived.load(Ordering::Relaxed) < 2 && self.arrived.fetch_add(1, Ordering::Relaxed) == 0 {
            let mut left = Self::PATIENCE;
            while left > 0 && self.arrived.load(Ordering::Relaxed) < 2 {
                left -= 1;
                yield_now();
            }
        }
    }

    /// For a short time that is different every time.
    pub fn dawdle(&self) {
        let random = self.random.fetch_add(0x9e37_79b9, Ordering::Relaxed);
        let random = random.wrapping_mul(random | 1) >> 24;
        if random & 15 == 0 {
            yield_now();
        }
        for _ in 0..random {
            spin_loop();
        }
    }
}
