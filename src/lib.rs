//! TODO front page

#[path = "sync/std.rs"]
mod sync;

mod core;
mod error;

pub use crate::core::*;
pub use crate::error::{Cancelled, Elapsed, NoCurrentScope, TryLockError};

#[cfg(feature = "tokio")]
mod tokio;

#[cfg(feature = "tokio")]
pub use crate::tokio::*;
