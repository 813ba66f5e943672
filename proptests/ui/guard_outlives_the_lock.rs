//! A guard borrows its lock; one that is to outlive the borrow is an owned one.

use shieldable::{Lock, LockGuard, RLock, RLockGuard, Wait, Waiter};

fn lock<'a>() -> LockGuard<'a, u8> {
    let lock = Lock::new(0);
    lock.try_lock().unwrap()
}

async fn rlock<'a>() -> RLockGuard<'a, u8> {
    let lock = RLock::new(0);
    lock.lock().await
}

fn wait<'a>() -> Wait<'a> {
    let waiter = Waiter::new();
    waiter.wait()
}

fn moved() {
    let lock = Lock::new(0);
    let guard = lock.try_lock().unwrap();
    drop(lock);
    drop(guard);
}

fn spawned() {
    let lock = RLock::new(0);
    shieldable::spawn(async { drop(lock.lock().await) });
}

fn main() {
    (lock(), rlock(), wait(), moved(), spawned());
}
