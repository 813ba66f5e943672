//! The core once more, from the same source files, over counters that need not begin at zero: what a limit does shows
//! without the sixteen million steps up to it, of which a checker would remember each one.
//!
//! Its references are those of the ordinary build. And its task ids come from a counter that the checker sees. In the
//! crate's own modules for checkers that is a static of std, which outlives executions, and between whose accesses no
//! other thread ever comes.

use std::collections::VecDeque;
use std::ops::Deref;
use std::sync::{Mutex, PoisonError};

use crate::checker;

#[path = "../../src/core/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the models use a part of it")]
mod core;

pub use self::core::*;

/// Where the atomics begin that are made next.
static BEGINNINGS: Mutex<Beginnings> = Mutex::new(Beginnings { words: VecDeque::new(), counts: VecDeque::new() });

struct Beginnings {
    words: VecDeque<u64>,
    counts: VecDeque<i64>,
}

fn beginnings<R>(act: impl FnOnce(&mut Beginnings) -> R) -> R {
    act(&mut BEGINNINGS.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Makes a task that has got so many requests already.
pub fn after_requests<R>(requests: u64, make: impl FnOnce() -> R) -> R {
    /// Where `src/core/scope.rs` has them in its word.
    const SHIFT: u32 = 4;
    // It is made after the count of the acquisitions that sleep for it.
    beginnings(|begin| begin.words.extend([0, requests << SHIFT]));
    let made = make();
    beginnings(|begin| assert!(begin.words.is_empty(), "a task has that count and one word"));
    made
}

/// Makes a scope with so many shields open, whose guards nobody has.
pub fn after_shields<R>(shields: i64, make: impl FnOnce() -> R) -> R {
    // Those counted in, and those counted out elsewhere: in the order of `src/core/shield_count.rs`.
    beginnings(|begin| begin.counts.extend([shields, 0]));
    let made = make();
    beginnings(|begin| assert!(begin.counts.is_empty(), "a scope has two counts"));
    made
}

/// Makes a re-entrant lock that a task has entered so many times, and of which nobody has the guards.
pub fn after_levels<R>(levels: u64, owner: TaskId, make: impl FnOnce() -> R) -> R {
    /// Where `src/core/raw_lock.rs` has both in its word.
    const SHIFTS: (u32, u32) = (1, 13);
    let owner: u64 = owner.to_string().parse().expect("a number");
    beginnings(|begin| begin.words.push_back(levels << SHIFTS.0 | owner << SHIFTS.1));
    let made = make();
    beginnings(|begin| assert!(begin.words.is_empty(), "a lock has one word"));
    made
}

/// As `src/sync/` has it for this checker, but for the counters and the references.
mod sync {
    pub(crate) use super::ids::GlobalCounter;
    pub(crate) use crate::plain_sync::{Mutex, UnsafeCell, constructor, thread_cell};
    pub(crate) use crate::references::watched::{Arc, one, two};

    pub(crate) mod atomic {
        pub(crate) use super::super::{AtomicI64, AtomicU64};
        pub(crate) use crate::checker::atomic::{AtomicPtr, AtomicU8, Ordering};
    }
}

macro_rules! counter {
    ($name:ident of $number:ty, $beginnings:ident) => {
        #[derive(Debug)]
        pub(crate) struct $name(checker::atomic::$name);

        impl $name {
            fn new(usually: $number) -> Self {
                let begin = beginnings(|begin| begin.$beginnings.pop_front());
                Self(checker::atomic::$name::new(begin.unwrap_or(usually)))
            }
        }

        impl Deref for $name {
            type Target = checker::atomic::$name;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }
    };
}

counter!(AtomicU64 of u64, words);
counter!(AtomicI64 of i64, counts);

/// The counter of task ids, anew in each execution. There is only the one.
mod ids {
    use std::ops::Deref;

    use crate::checker;

    checker::lazy_static! {
        static ref NEXT_BLOCK: checker::atomic::AtomicU64 = checker::atomic::AtomicU64::new(1);
    }

    pub(crate) struct GlobalCounter(());

    impl GlobalCounter {
        pub(crate) const fn new(first: u64) -> Self {
            assert!(first == 1);
            Self(())
        }
    }

    impl Deref for GlobalCounter {
        type Target = checker::atomic::AtomicU64;

        fn deref(&self) -> &Self::Target {
            &NEXT_BLOCK
        }
    }
}
