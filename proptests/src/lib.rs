//! The implementation beside its executable spec.
//!
//! [`driver`] runs a program of the model on the real thing. [`lockstep`] compares the two after every step.
//! [`threads`] and [`lanes`] run its lanes at the same time, on threads and on an executor; the model judges what they saw.
//! [`inputs`] are the programs that the fuzzers make of bytes.

// The driver names the implementation and its primitives by these two names only, so that the same files also compile
// over a checker's copy.
mod subject {
    pub(crate) use shieldable::*;
}
mod subject_sync;

pub mod driver;
pub mod exhaustive;
pub mod families;
pub mod inputs;
pub mod jostle;
pub mod lanes;
pub mod lockstep;
mod quiet;
mod runner;
pub mod scale;
mod slow_waker;
pub mod threads;
