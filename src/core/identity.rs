//! Task identities: numbers that are given out once.
//!
//! # Invariants
//! 1. No two tasks of a process ever have the same id (TSK-2): a re-used id would let a stranger re-enter a lock.
//! 2. An id fits in [`ID_BITS`] bits, so that a lock packs it beside a depth, and is above [`RESERVED`].

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;

use super::sync::GlobalCounter;
use super::sync::atomic::Ordering;
use super::sync::thread_cell;

/// The width of an id. At ten million tasks a second it lasts seven years; then [`TaskId::next`] panics.
pub(super) const ID_BITS: u32 = 51;

/// Ids up to this one are never given to a task.
pub(super) const RESERVED: u64 = BLOCK - 1;

/// A thread takes this many ids at a time, so that spawning does not contend on one counter.
const BLOCK: u64 = 1024;

/// The number of the next block; block 0 is reserved.
static NEXT_BLOCK: GlobalCounter = GlobalCounter::new(1);

thread_cell! {
    /// The id to give out next on this thread; a multiple of [`BLOCK`] when a new block is due.
    static NEXT: Cell<u64> = Cell::new(0);
}

/// The identity of a [`ShieldableTask`](super::ShieldableTask), never used again in the process.
///
/// It is this crate's own, so it exists on every executor and in places where tokio's is absent.
///
/// # Examples
///
/// ```
/// # use shieldable::ShieldableTask;
/// let task = ShieldableTask::new(async {});
/// println!("task {} begins", task.handle().id());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TaskId(NonZeroU64);

impl TaskId {
    pub(super) fn next() -> Self {
        let id = NEXT.with(|next| {
            let mut id = next.get();
            if id % BLOCK == 0 {
                id = take_block();
            }
            next.set(id + 1);
            id
        });
        Self(NonZeroU64::new(id).expect("block 0 is reserved"))
    }

    pub(super) fn get(self) -> u64 {
        self.0.get()
    }
}

#[cold]
fn take_block() -> u64 {
    // ORDERING: relaxed, the read-modify-write alone makes the blocks distinct; ids publish nothing.
    let block = NEXT_BLOCK.fetch_add(1, Ordering::Relaxed);
    assert!(
        block < (1 << ID_BITS) / BLOCK,
        "shieldable: all 2^{ID_BITS} task ids are used up; an id is never given out twice"
    );
    block * BLOCK
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
