//! What operations return, as their callers see it.

use std::fmt;

use crate::program::FiberId;

/// How a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// It returned its value: `Ok(..)`.
    Value,
    /// A request was delivered: `Err(Cancelled)`.
    Cancelled,
    /// A deadline was delivered: `Err(Elapsed)`.
    Elapsed,
    /// It panicked. Seen only through a join.
    Panicked,
    /// It was dropped hard. Seen only through a join.
    Dropped,
}

/// Why something was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// `NoCurrentScope`.
    NoScope,
    /// `NoCurrentTask`.
    NoTask,
    /// `WouldBlock`.
    WouldBlock,
}

/// What an operation returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ret {
    /// Done; there is nothing to say.
    #[default]
    Unit,
    /// What it acts on is not there, or is being polled elsewhere.
    Absent,
    /// A truth.
    Flag(bool),
    /// A number.
    Count(u8),
    /// The current task.
    Task(FiberId),
    /// Refused.
    Refused(Refusal),
    /// A poll was pending.
    Pending,
    /// A poll or an await ended.
    Ready(Outcome),
    /// It panicked.
    Panicked,
    /// It panicked, neither because the program does nor where the spec says so. No operation of the model returns
    /// this.
    Unforeseen,
}

/// How something is called in the text of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name {
    /// `t`, `c`, ..
    pub letter: char,
    /// The number after it.
    pub number: u8,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.letter {
            'h' => f.pad("shielded"),
            '#' => f.pad(&format!("thread {}", self.number)),
            letter => f.pad(&format!("{letter}{}", self.number)),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Outcome::Value => "ok",
            Outcome::Cancelled => "cancelled",
            Outcome::Elapsed => "elapsed",
            Outcome::Panicked => "panicked",
            Outcome::Dropped => "dropped",
        })
    }
}

impl fmt::Display for Ret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ret::Unit => f.pad("()"),
            Ret::Absent => f.pad("absent"),
            Ret::Flag(flag) => flag.fmt(f),
            Ret::Count(count) => count.fmt(f),
            Ret::Task(fiber) => f.pad(&format!("fiber {}", fiber.0)),
            Ret::Refused(Refusal::NoScope) => f.pad("no scope"),
            Ret::Refused(Refusal::NoTask) => f.pad("no task"),
            Ret::Refused(Refusal::WouldBlock) => f.pad("would block"),
            Ret::Pending => f.pad("pending"),
            Ret::Ready(outcome) => outcome.fmt(f),
            Ret::Panicked => f.pad("panicked"),
            Ret::Unforeseen => f.pad("panicked, and should not have"),
        }
    }
}
