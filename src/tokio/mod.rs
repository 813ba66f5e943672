//! The tokio adapter: spawning, joining and time. On top of the core, which never sees a runtime.

mod join;
mod spawn;
pub mod time;

pub use join::{CancelOnDrop, JoinError, JoinHandle};
pub use spawn::{spawn, spawn_local, spawn_on};
