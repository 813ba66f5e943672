//! What the fuzzers run: programs from bytes, one byte a decision, each target with a shape of its own.
//!
//! Here and not beside the fuzzers, so that the corpus they start from is checked without them.

use std::sync::OnceLock;

use shieldable_model::{Alphabet, Choices, Grammar, Program, Shape, Style};

/// A fuzz target that runs programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Requests, nested scopes, shields, hard drops, guards that move.
    CancelSequences,
    /// Locks and waiters, and whatever may happen to those who wait.
    LockSequences,
    /// All of it, timeouts too.
    Mixed,
    /// Each task and what happens outside on a thread of its own.
    Threads,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::CancelSequences, Self::LockSequences, Self::Mixed, Self::Threads];

    /// As on the command line, and the name of the folder of its inputs.
    pub fn name(self) -> &'static str {
        match self {
            Self::CancelSequences => "cancel_sequences",
            Self::LockSequences => "lock_sequences",
            Self::Mixed => "mixed",
            Self::Threads => "threads",
        }
    }

    /// The size and the make of its programs.
    pub fn shape(self) -> Shape {
        match self {
            Self::CancelSequences => Shape::CANCEL,
            Self::LockSequences => Shape { slots: 2, ..Shape::LOCKS },
            Self::Mixed => Shape { locks: 2, ..Shape::MIXED },
            Self::Threads => Shape {
                style: Style::Threads { outside: 2 },
                alphabet: Alphabet::ALL.without(Alphabet::PANICS | Alphabet::WAKERS),
                ..Shape::THREADS
            },
        }
    }

    /// The program that these decisions make.
    pub fn program(self, decisions: &mut impl Choices) -> Program {
        static GRAMMARS: [OnceLock<Grammar>; Target::ALL.len()] = [const { OnceLock::new() }; Target::ALL.len()];
        GRAMMARS[self as usize].get_or_init(|| Grammar::new(self.shape())).generate(decisions)
    }
}
