//! The interleavings of small programs over the public API, with loom.
//!
//!     cargo test --features loom --test loom                        all models
//!     cargo test --features loom --test loom -- guard               those with "guard" in their name
//!     cargo test --features loom --test loom -- --model NAME        one, in this process, with all that it prints
//!     cargo test --features loom --test loom -- --program TEXT      one program of the spec's language
//!     cargo test --features loom --test loom -- --write-table       all, and the table in docs/models.md anew
//!
//! `SHIELDABLE_DEEP=1` takes every program through all its interleavings, if they are not millions, and adds those of
//! four operations over the whole alphabet; `SHIELDABLE_DEEP=3/500` does so for the fourth of each 500 programs.
//!
//! What a model does and which outcomes it must have seen stands in `models/`, one file per subject. Races of two
//! threads run in all interleavings; those of three up to the number of preemptions stated at them; enumerated programs
//! of more than 500 executions to 2 preemptions.

#[path = "models/aged.rs"]
mod aged;
#[path = "models/branches.rs"]
mod branches;
#[path = "models/carried.rs"]
mod carried;
#[path = "models/checker_loom.rs"]
mod checker;
#[path = "models/common.rs"]
mod common;
#[path = "models/consumer.rs"]
mod consumer;
#[path = "models/crowd.rs"]
mod crowd;
#[path = "../proptests/src/driver/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the property tests use more of it")]
mod driver;
#[path = "models/drops.rs"]
mod drops;
#[path = "models/enumerated.rs"]
mod enumerated;
#[path = "models/executor.rs"]
mod executor;
#[path = "models/harness.rs"]
mod harness;
#[path = "models/inside.rs"]
mod inside;
#[path = "models/limits.rs"]
mod limits;
#[path = "models/listing.rs"]
mod listing;
#[path = "models/locks.rs"]
mod locks;
#[path = "models/lost.rs"]
mod lost;
#[path = "models/nested.rs"]
mod nested;
#[path = "models/owners.rs"]
mod owners;
#[path = "../src/sync/loom.rs"]
#[allow(dead_code, unused_imports, reason = "`aged` has counters of its own")]
mod plain_sync;
#[path = "models/planted.rs"]
mod planted;
#[path = "models/programs.rs"]
mod programs;
#[path = "models/races.rs"]
mod races;
#[path = "models/reentrant.rs"]
mod reentrant;
#[path = "models/references.rs"]
mod references;
#[path = "models/requests.rs"]
mod requests;
#[path = "models/shields.rs"]
mod shields;
#[path = "models/subject_sync.rs"]
mod subject_sync;
#[path = "models/timeline.rs"]
mod timeline;
#[path = "models/unwinding.rs"]
mod unwinding;
#[path = "models/waiter.rs"]
mod waiter;
#[path = "models/wakers.rs"]
mod wakers;
#[path = "models/whole.rs"]
mod whole;

// What the core takes from the root of its crate.
use shieldable::{Cancelled, Elapsed, NoCurrentScope, TryLockError};

mod subject {
    pub use shieldable::loom::*;
}

fn main() -> std::process::ExitCode {
    let models = [
        // The longest first, so that nothing is left to run alone.
        whole::MODELS,
        requests::MODELS,
        carried::MODELS,
        shields::MODELS,
        nested::MODELS,
        drops::MODELS,
        locks::MODELS,
        reentrant::MODELS,
        branches::MODELS,
        waiter::MODELS,
        lost::MODELS,
        limits::MODELS,
        owners::MODELS,
        references::MODELS,
        unwinding::MODELS,
        wakers::MODELS,
        inside::MODELS,
        races::MODELS,
        enumerated::MODELS,
    ]
    .concat();
    let models = if harness::is_deep() { [&models, whole::DEEP].concat() } else { models };
    let mut others = planted::trials();
    others.push(consumer::trial("loom", 2));
    harness::main("loom", &models, planted::MODELS, others)
}
