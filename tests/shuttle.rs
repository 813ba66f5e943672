//! The races of `models/` and programs that are too large for loom, with shuttle: schedules in order, at random and by
//! PCT.
//!
//!     cargo test --features shuttle --test shuttle all models cargo test --features shuttle --test shuttle -- --model
//!     NAME one, in this process cargo test --features shuttle --test shuttle -- --replay NAME SCHEDULE what a failure
//!     printed, once more cargo test --features shuttle --test shuttle -- --replay NAME#7 SCHEDULE the same for program
//!     7 of a model cargo test --features shuttle --test shuttle -- --program TEXT one program of the spec's language
//!     cargo test --features shuttle --test shuttle -- --write-table all, and the table in docs/models.md anew

#[path = "models/aged.rs"]
mod aged;
#[path = "models/branches.rs"]
mod branches;
#[path = "models/carried.rs"]
mod carried;
#[path = "models/checker_shuttle.rs"]
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
#[path = "models/generated.rs"]
mod generated;
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
#[path = "../src/sync/shuttle.rs"]
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
#[allow(dead_code, reason = "loom runs more of it")]
mod whole;

// What the core takes from the root of its crate.
use shieldable::{Cancelled, Elapsed, NoCurrentScope, TryLockError};

mod subject {
    pub use shieldable::shuttle::*;
}

fn main() -> std::process::ExitCode {
    let models = [
        // The longest first, so that nothing is left to run alone.
        generated::MODELS,
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
        &whole::MODELS[..1],
    ]
    .concat();
    let mut others = planted::trials();
    others.push(consumer::trial("shuttle", 1));
    harness::main("shuttle", &models, planted::MODELS, others)
}
