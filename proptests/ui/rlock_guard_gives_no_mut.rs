//! A task may hold several guards of an `RLock`, so none of them gives `&mut T`.

use shieldable::{Lock, RLock};

fn main() {
    *Lock::new(0).try_lock().unwrap() += 1;
    *RLock::new(0).try_lock().unwrap() += 1;
}
