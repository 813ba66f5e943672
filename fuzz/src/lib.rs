//! What the fuzz targets have in common: an input is a program, and a run that differs from the spec is a crash.
//!
//! | file | what |
//! |---|---|
//! | `input` | programs of each target from the fuzzer's bytes, and how they are shown |
//! | `run` | one input against the spec, in lockstep, on threads, or through the parser |
//! | `tally` | what a run of the fuzzer amounted to, said when it ends |

mod input;
mod run;
mod tally;

pub use input::{CancelSequences, LockSequences, Mixed, ProgramText, Threads, mutate};
pub use run::{lockstep, round_trip, threads};
