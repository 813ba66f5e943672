//! What a step did: returns, wakes, and the clauses it went through.

use std::fmt;

use crate::clause::Clause;
use crate::program::{FiberId, OpId};
use crate::ret::Ret;

/// A waker: the task (or other top fiber) it wakes, and which of its wakers it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Waker {
    /// The top fiber that is polled with it.
    pub fiber: FiberId,
    /// The number after the slash.
    pub version: u8,
}

/// A set of clauses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Coverage([u64; 2]);

impl Coverage {
    /// Adds a clause.
    pub fn mark(&mut self, clause: Clause) {
        let at = clause as usize;
        self.0[at / 64] |= 1 << (at % 64);
    }

    /// Whether the clause is in.
    pub fn contains(&self, clause: Clause) -> bool {
        let at = clause as usize;
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    /// Adds all of another set.
    pub fn merge(&mut self, other: Coverage) {
        self.0[0] |= other.0[0];
        self.0[1] |= other.0[1];
    }

    /// As bits.
    pub fn words(self) -> [u64; 2] {
        self.0
    }

    /// From bits.
    pub fn from_words(words: [u64; 2]) -> Self {
        Self(words)
    }

    /// The clauses, in the order of SPEC.md.
    pub fn iter(&self) -> impl Iterator<Item = Clause> + '_ {
        Clause::ALL.iter().copied().filter(|clause| self.contains(*clause))
    }

    /// The observable clauses that are missing.
    pub fn missing(&self) -> impl Iterator<Item = Clause> + '_ {
        Clause::ALL.iter().copied().filter(|clause| clause.is_observable() && !self.contains(*clause))
    }
}

/// What happened in a step, in order. Re-used between steps, so that nothing is allocated in the long run.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// Operations that returned. The last one is that of the lane, the others are of the bodies it ran.
    pub returns: Vec<(OpId, Ret)>,
    /// Wakers that were called.
    pub wakes: Vec<Waker>,
    /// Clauses that decided something. Not emptied by [`clear`](Self::clear).
    pub coverage: Coverage,
}

impl Trace {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets returns and wakes, keeps the coverage.
    pub fn clear(&mut self) {
        self.returns.clear();
        self.wakes.clear();
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, clause) in self.iter().enumerate() {
            let comma = if index > 0 { " " } else { "" };
            write!(f, "{comma}{clause}")?;
        }
        Ok(())
    }
}
