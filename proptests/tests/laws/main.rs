//! The laws of the crate: equations between programs that must hold whatever the programs are and whatever is done to
//! them from outside. Each is one property; its statement is the first line of its documentation. `README.md` lists
//! them.
//!
//! Where a law has a counterpart among cats-effect's `MonadCancel` and `GenSpawn` laws, it says so. There,
//! `uncancelable` is a shield, `poll` a cancel scope inside it, `onCancel` a destructor, `canceled` a request to
//! oneself.

mod destructors;
mod locks;
mod requests;
mod scopes;
mod shields;
mod support;
