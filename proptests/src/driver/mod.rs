//! Runs a program of the model on the implementation.
//!
//! Every fiber of the program becomes a real future: a `ShieldableTask`, a `CancelScope`, a timeout, a `shielded` or a
//! plain one around a `Body`, which interprets the operations and records what each returned. The top fibers
//! lie in places of a [`World`], where lanes and bodies poll and drop them.
//!
//! The implementation is named `crate::subject`, and what else differs between the ordinary build and a checker's is
//! named `crate::subject_sync`: these files are also compiled over a checker's primitives. What is only written down,
//! and must not order anything that the checker should find unordered, is std's on purpose.
//!
//! | file | what |
//! |---|---|
//! | `world` | what the lanes share: places, handles, locks, waiters, slots, clocks |
//! | `record` | what was seen, lane by lane |
//! | `wakes` | the wakers that top fibers are polled with, and who was woken |
//! | `held` | what a body or a lane holds, and what it waits for |
//! | `fiber` | a body in its wrapper |
//! | `body` | the interpreter of a body, its unwinding and its destructor |
//! | `acts` | the operations that never suspend, which lanes and destructors share with bodies |
//! | `lane` | one lane, an operation at a time |

mod acts;
mod body;
mod fiber;
mod held;
mod lane;
mod record;
mod wakes;
mod world;

pub use lane::Lane;
pub use record::Logged;
#[allow(unused_imports, reason = "a checker interleaves by itself")]
pub use world::{Pause, World};
