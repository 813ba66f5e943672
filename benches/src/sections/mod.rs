//! The sections of the table, one module each.

mod cancel;
mod contended;
mod growth;
mod lock;
mod memory;
mod scope;
mod spawn;
mod waiter;

pub use growth::{Axis, Curve};
pub use memory::idle_child;

use crate::measure::Plan;
use crate::report::Line;

/// What a section hands back.
#[derive(Debug, Default)]
pub struct Outcome {
    pub lines: Vec<Line>,
    pub curves: Vec<Curve>,
}

impl From<Vec<Line>> for Outcome {
    fn from(lines: Vec<Line>) -> Self {
        Self { lines, curves: Vec::new() }
    }
}

/// A part of the table that can be run by itself.
#[derive(Clone, Copy, Debug)]
pub struct Section {
    pub name: &'static str,
    pub title: &'static str,
    pub run: fn(&Plan) -> Outcome,
}

/// All sections, in the order of the table.
pub const ALL: [Section; 8] = [
    Section { name: "scope", title: "Shields, polls and scopes", run: scope::run },
    Section { name: "spawn", title: "Spawning and joining", run: spawn::run },
    Section { name: "lock", title: "Locks without contention", run: lock::run },
    Section { name: "contended", title: "Contended locks, 2 workers", run: contended::run },
    Section { name: "waiter", title: "Waiters", run: waiter::run },
    Section { name: "cancel", title: "Cancelling", run: cancel::run },
    Section { name: "memory", title: "Memory", run: memory::run },
    Section { name: "growth", title: "Growth", run: growth::run },
];

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime without I/O")
}

fn two_workers() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("two threads")
}
