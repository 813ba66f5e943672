//! The errors of the crate, shared by the ordinary build and the checkers' copies of the core.

use std::error::Error;
use std::fmt;

macro_rules! plain_error {
    ($(#[$meta:meta])* $name:ident, $message:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub struct $name;

        impl $name {
            /// The error itself, to compare with or to pass on.
            #[must_use]
            #[allow(clippy::new_without_default)]
            pub const fn new() -> Self {
                Self
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($message)
            }
        }

        impl Error for $name {}
    };
}

plain_error! {
    /// The body was dropped, at a suspension or before it began, because somebody had cancelled it.
    Cancelled, "cancelled"
}

plain_error! {
    /// The body was dropped at a suspension because its deadline had passed.
    Elapsed, "deadline has elapsed"
}

plain_error! {
    /// There is nothing to shield here.
    NoCurrentScope,
    "there is no current cancel scope to shield; run this code inside a `ShieldableTask` (`shieldable::spawn`), \
     a `CancelScope` or a `shieldable` timeout"
}

impl From<Cancelled> for std::io::Error {
    /// As [`ErrorKind::Other`](std::io::ErrorKind::Other): what is `Interrupted` would be tried again.
    fn from(cancelled: Cancelled) -> Self {
        Self::other(cancelled)
    }
}

impl From<Elapsed> for std::io::Error {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}

/// Why a lock was not taken.
///
/// # Examples
///
/// ```
/// # use shieldable::{RLock, TryLockError};
/// match RLock::new(()).try_lock() {
///     Ok(_guard) => unreachable!("outside every task"),
///     Err(error) => assert_eq!(error, TryLockError::NoCurrentTask),
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TryLockError {
    /// It is held, or has been handed to somebody who waited.
    WouldBlock,
    /// A re-entrant lock needs a task to own it, and there is none here.
    NoCurrentTask,
    /// The task holds it 4095 times already. The lock is unchanged.
    TooDeep,
}

impl fmt::Display for TryLockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WouldBlock => "the lock is held",
            Self::NoCurrentTask => {
                "a re-entrant lock needs a current task to own it; run this code inside a `ShieldableTask` \
                 (`shieldable::spawn`), or use `Lock`"
            }
            Self::TooDeep => "the task already holds this lock 4095 times; is there an unbounded recursion?",
        })
    }
}

impl Error for TryLockError {}
