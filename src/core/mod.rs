//! The core: everything whose correctness rests on an ordering, a cell or a hand-over.
//!
//! These files are compiled over `sync`, which is std's primitives in the ordinary build, and once more over each
//! checker's. They therefore say `super::sync` and never `crate::sync`, name no runtime, and hold no tests.
//!
//! Dependencies point one way, but for the guard that a scope keeps of the one around it: `identity`, `panic`, `waker`
//! and `shield_count` know nothing of the others; `scope` is made of them; `frame` says which scopes are current on a
//! thread; `shield` opens guards on them; `region` polls a body inside a scope; `task`, `cancel_scope`, `timeout` and
//! `checkpoint` are thin on top. `queue` and `raw_lock` carry `lock`, `rlock` and `waiter`.

use super::sync;

mod cancel_scope;
mod checkpoint;
mod frame;
mod handle;
mod identity;
mod lock;
mod panic;
mod queue;
mod raw_lock;
mod region;
mod rlock;
mod scope;
mod shield;
mod shield_count;
mod task;
mod timeout;
mod waiter;
mod waker;

pub use cancel_scope::CancelScope;
pub use checkpoint::{Checkpoint, cancel_pending, checkpoint};
pub use handle::{CancelHandle, TaskHandle};
pub use identity::TaskId;
pub use lock::{Lock, LockGuard, OwnedLockGuard};
pub use rlock::{OwnedRLockGuard, RLock, RLockGuard};
pub use shield::{ShieldScope, Shielded, is_shielded, shield_scope, shielded, try_shield_scope};
pub use task::ShieldableTask;
pub use timeout::{Timeout, timeout_with};
pub use waiter::{Wait, Waiter};
