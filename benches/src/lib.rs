//! What `shieldable` costs, measured beside what people use today.
//!
//! Three programs share these modules. `shieldable-benches` measures time, memory and growth, ours and theirs in turns
//! within one run, and judges ratios. `bounds` counts instructions, atomic operations and allocations under callgrind,
//! which come out the same on a busy machine, and holds them to `bounds.txt`; the gate runs that one. `cargo bench`
//! times the same scenarios with criterion.

#![warn(unreachable_pub)]

pub mod alloc;
pub mod hand;
pub mod measure;
pub mod plot;
pub mod report;
pub mod scenarios;
pub mod sections;
