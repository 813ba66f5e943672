//! Work that a cancellation must not tear apart: shield scopes, shieldable tasks and a re-entrant lock.
//!
//! Async Rust cancels by dropping a future at an await. Abort a task in the middle of a transfer, and the money is
//! gone:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # use std::sync::{Arc, atomic::{AtomicI64, Ordering::Relaxed}};
//! # let (from, to) = (Arc::new(AtomicI64::new(10)), Arc::new(AtomicI64::new(0)));
//! # let (a, b) = (from.clone(), to.clone());
//! let transfer = tokio::spawn(async move {
//!     a.fetch_sub(10, Relaxed);
//!     tokio::task::yield_now().await; // the other bank answers
//!     b.fetch_add(10, Relaxed);
//! });
//! tokio::task::yield_now().await;
//! transfer.abort(); // the client hung up
//! # let _ = transfer.await;
//! assert_eq!(from.load(Relaxed) + to.load(Relaxed), 0); // ten are lost
//! # }
//! ```
//!
//! The same with a shield. The cancellation waits until the scope ends, and lands at the next suspension after it:
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! # use std::sync::{Arc, atomic::{AtomicI64, Ordering::Relaxed}};
//! # let (from, to) = (Arc::new(AtomicI64::new(10)), Arc::new(AtomicI64::new(0)));
//! # let (a, b) = (from.clone(), to.clone());
//! let transfer = shieldable::spawn(async move {
//!     let _shield = shieldable::shield_scope();
//!     a.fetch_sub(10, Relaxed);
//!     tokio::task::yield_now().await;
//!     b.fetch_add(10, Relaxed);
//! });
//! tokio::task::yield_now().await;
//! transfer.cancel();
//! # let _ = transfer.await;
//! assert_eq!(from.load(Relaxed) + to.load(Relaxed), 10);
//! # }
//! ```
//!
//! Spawning the critical part instead, the usual answer, leaves it running when its caller is gone, costs a task, and
//! cuts the code into pieces.
//!
//! # What a shield cannot do
//!
//! **A shield defers requests, not drops.** Whoever drops the future itself drops it at once, shields or not:
//!
//! | dropped hard by | honours shields |
//! |---|---|
//! | tokio's `abort`, a `JoinSet` that is dropped | [`TaskHandle::cancel`], [`JoinHandle::cancel`] |
//! | `tokio::time::timeout` | [`time::timeout`], [`timeout_with`] |
//! | a client or caller that drops the future | [`spawn`] and [`cancel_on_drop`](JoinHandle::cancel_on_drop) |
//! | the losing arm of `select!` | a [`CancelScope`] in a [`spawn`]ed task, cancelled by the winner |
//! | a runtime that shuts down | cancel the tasks and join them first |
//!
//! When it happens to a task or a [`CancelScope`] all the same, [`TaskHandle::was_torn`] tells. A shielded part that is
//! dropped alone, by a `select!` in a task that goes on, leaves no mark.
//!
//! A body's own value is never thrown away: a body that returns is not cancelled. That is about the body as a whole: in
//! `join!(a, b)` inside it, the value of a finished `a` is lost when the body is cancelled while `b` is pending.
//! `select!` drops the loser with the guards that it holds. A guard in one branch of a `join!` shields the whole task
//! while its siblings run; two branches are one task, also for an [`RLock`].
//!
//! A shield does not interrupt itself: a loop of back-to-back shields is never cancelled. Put a [`checkpoint`] between
//! them. And a shield that is never closed is never cancelled; bound it with a [`time::timeout`] inside.
//!
//! What is polled inside a task is that task. An executor that is driven in one (a `LocalSet`, a `LocalPool`, a
//! stackful coroutine) makes everything it polls a part of it: drive it outside, or put each of its tasks into a
//! [`ShieldableTask`], which owns its locks itself; its shields still defer the task around it.
//!
//! # What is here
//!
//! * [`spawn`] and [`ShieldableTask`]: tasks that can be cancelled and honour shields; [`CancelScope`]: a cancellable
//!   part of one. [`TaskHandle`] and [`CancelHandle`] cancel them and report their state.
//! * [`shield_scope`], [`shielded`]: the shield, as a guard and around a future. [`checkpoint`], [`cancel_pending`],
//!   [`is_shielded`].
//! * [`time::timeout`], [`timeout_with`]: deadlines that honour shields.
//! * [`RLock`]: an async lock that lets its owner in again. [`Lock`], [`Waiter`]: the plain lock and a broadcast, fair
//!   and without allocation.
//!
//! # Features
//!
//! * `tokio` (default): spawning, joining and time. Without it the crate needs no runtime and runs on any.
//! * `loom`, `shuttle`: add the modules of these names, the same API (but for the tokio adapter) over the checkers'
//!   primitives, to model-check code that uses this crate. They change nothing else.
//!
//! The target needs 64-bit atomics.
//!
//! The contract, clause by clause, is `SPEC.md` in the repository; it is executable, and the code is checked against
//! it.

#![warn(missing_docs, missing_debug_implementations, unreachable_pub)]
#![warn(clippy::undocumented_unsafe_blocks)]
// Without tokio the front page names things that are not there.
#![cfg_attr(not(feature = "tokio"), allow(rustdoc::broken_intra_doc_links))]
// The core is compiled once over each checker's primitives.
#![allow(clippy::duplicate_mod)]

#[cfg(not(target_has_atomic = "64"))]
compile_error!("shieldable needs 64-bit atomics: a task id and a depth share one word");

#[path = "sync/std.rs"]
mod sync;

mod core;
mod error;
#[cfg(feature = "tokio")]
mod tokio;

pub use crate::core::*;
pub use crate::error::{Cancelled, Elapsed, NoCurrentScope, TryLockError};
#[cfg(feature = "tokio")]
pub use crate::tokio::*;

/// The API of this crate over [loom](https://docs.rs/loom)'s primitives, for models of code that uses it.
///
/// Everything but the tokio adapter, from the same source files. Use it inside `loom::model` only.
#[cfg(feature = "loom")]
// Its mutants are those of `core` above, once more. The compiler never gets to see it, this crate being no
// `proc_macro`; cargo-mutants takes any condition for true that is a single word.
#[cfg_attr(proc_macro, mutants::skip)]
#[path = "."]
pub mod loom {
    #[path = "sync/loom.rs"]
    mod sync;

    mod core;

    pub use self::core::*;
    pub use crate::error::{Cancelled, Elapsed, NoCurrentScope, TryLockError};
}

/// The API of this crate over [shuttle](https://docs.rs/shuttle)'s primitives, for tests of code that uses it.
///
/// Everything but the tokio adapter, from the same source files. Use it inside shuttle's runners only.
#[cfg(feature = "shuttle")]
// As above.
#[cfg_attr(proc_macro, mutants::skip)]
#[path = "."]
pub mod shuttle {
    #[path = "sync/shuttle.rs"]
    mod sync;

    mod core;

    pub use self::core::*;
    pub use crate::error::{Cancelled, Elapsed, NoCurrentScope, TryLockError};
}
