//! The executable spec of `shieldable`: a small language of programs, and one step function that says what they may do.
//!
//! The core has no threads, no atomics, no `unsafe` and no dependencies, and knows nothing of the implementation. See
//! the README beside this crate for how to drive it.
//!
//! * [`Program`]: the language; its text form is parsed by [`str::parse`] and written by `Display`.
//! * [`Model`]: the step function, in lockstep ([`Model::step`]) or interleaved ([`Model::micro`]), over a [`State`].
//! * [`allows`], [`Judge`]: whether the spec allows a [`History`] of a concurrent run.
//! * [`Grammar::generate`], [`Program::smaller`], [`enumerate`]: programs at random, smaller ones, all of them.

mod builder;
mod clause;
mod edit;
mod ending;
mod enumerate;
mod exercised;
#[cfg(feature = "check")]
pub mod explore;
mod fault;
mod generate;
mod grammar;
mod hash;
mod history;
mod implied;
mod judge;
mod machine;
mod model;
mod node;
mod ops;
mod parse;
mod past;
mod program;
mod ret;
mod scope;
mod stack;
mod state;
mod text;
mod timeline;
mod trace;
mod transcript;
#[cfg(feature = "arbitrary")]
mod with_arbitrary;
#[cfg(feature = "proptest")]
mod with_proptest;

#[cfg(feature = "check")]
pub mod spec;

pub use builder::{Begin, Builder, Invalid};
pub use clause::{Clause, Kind as ClauseKind};
pub use enumerate::{enumerate, enumerate_if};
pub use exercised::exercised;
pub use fault::Fault;
pub use generate::{Bytes, Choices, Seed};
pub use grammar::{Alphabet, Grammar, Shape, Style};
pub use hash::Fold;
pub use history::{End, Event, History, Observed, Order, Seen};
pub use judge::{Judge, Mismatch, allows};
pub use machine::Micro;
pub use model::Model;
pub use parse::ParseError;
pub use program::*;
pub use ret::{Name, Outcome, Refusal, Ret};
pub use state::{Phase, State};
pub use timeline::Timeline;
pub use trace::{Coverage, Trace, Waker};
pub use transcript::transcript;
#[cfg(feature = "proptest")]
pub use with_proptest::{Programs, programs};

/// The examples of the README, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
