//! Several guards of an `RLock` may be alive, so a value that is not `Sync` must not be reached from two threads.

use std::cell::Cell;

use shieldable::{Lock, RLock};

fn send<T: Send>(_: T) {}

fn main() {
    let (lock, rlock) = (Lock::new(Cell::new(0)), RLock::new(Cell::new(0)));
    send(lock.try_lock().unwrap());
    send(rlock.try_lock().unwrap());
}
