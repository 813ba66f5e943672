//! Nor may a task that holds such a guard at an await go to another thread.

use std::cell::Cell;
use std::sync::Arc;

use shieldable::RLock;

fn main() {
    let lock = Arc::new(RLock::new(Cell::new(0)));
    shieldable::spawn(async move {
        let guard = lock.lock().await;
        std::future::pending::<()>().await;
        guard.set(1);
    });
}
