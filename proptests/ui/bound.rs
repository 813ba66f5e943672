//! What the other programs here do not get away with, done right.

#![deny(unused_must_use, let_underscore_drop)]

use std::cell::Cell;
use std::sync::Arc;

use shieldable::{Lock, OwnedLockGuard, RLock, ShieldableTask};

fn send<T: Send>(value: T) -> T {
    value
}

fn owned() -> OwnedLockGuard<Cell<u8>> {
    send(Arc::new(Lock::new(Cell::new(0))).try_lock_owned().unwrap())
}

fn main() {
    let task = ShieldableTask::new(async {
        let _shield = shieldable::shield_scope();
        let shared = Arc::new(RLock::new(7));
        let guard = send(shared.clone().lock_owned().await);
        drop(shared);
        *guard
    });
    drop(task);
    drop(owned());
}
