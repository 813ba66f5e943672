//! The departures from the Python package, by name, and how often each was met.

use std::fmt;

/// A row of the table of departures in SPEC.md, section 6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Departure {
    ScopeExitThenReturnKeepsTheValue,
    CancellingItselfThenReturnKeepsTheValue,
    DeliveredInTheSamePoll,
    NoCatchingAndGoingOn,
    UncancelRevokes,
    TimeoutInsideAShieldFires,
    DeadlineDuringAShieldLeaksNothing,
    AwaitingDoesNotDelegate,
    NoUnbalancedExit,
    ShieldClosedElsewhereWakes,
    ShieldWithoutAScopeIsAnError,
    RLockOfACallbackIsAnError,
    GuardDroppedElsewhereReleases,
    EndOfTheOwnerReleases,
    HandedOverStaysLocked,
    NotifyOfAnotherThreadWakes,
    /// DLV-5, TMO-2: the task was woken before the deadline passed. In Python the timeout wins.
    ValueBeatsTheDeadline,
    /// HDL-6: in Python `uncancel()` goes on counting down after the end.
    CountIsFrozenAtTheEnd,
}

use Departure::*;

/// Each with the least number of vectors that must show it: one that shows no more is dead, and its excuse must go.
pub const ALL: [(Departure, usize); 18] = [
    (ScopeExitThenReturnKeepsTheValue, 200),
    (CancellingItselfThenReturnKeepsTheValue, 100),
    (DeliveredInTheSamePoll, 150),
    (NoCatchingAndGoingOn, 10),
    (UncancelRevokes, 30),
    (TimeoutInsideAShieldFires, 15),
    (DeadlineDuringAShieldLeaksNothing, 5),
    (AwaitingDoesNotDelegate, 10),
    (NoUnbalancedExit, 20),
    (ShieldClosedElsewhereWakes, 10),
    (ShieldWithoutAScopeIsAnError, 40),
    (RLockOfACallbackIsAnError, 25),
    (GuardDroppedElsewhereReleases, 10),
    (EndOfTheOwnerReleases, 40),
    (HandedOverStaysLocked, 150),
    (NotifyOfAnotherThreadWakes, 30),
    (ValueBeatsTheDeadline, 8),
    (CountIsFrozenAtTheEnd, 3),
];

/// How many vectors showed what.
#[derive(Default)]
pub struct Counts {
    pub vectors: [usize; ALL.len()],
    /// Of these, compared no further because the two runs are no longer the same.
    pub ended: [usize; ALL.len()],
}

impl Counts {
    pub fn too_few(&self) -> Vec<String> {
        let shown = ALL.iter().zip(self.vectors);
        shown.filter(|((_, least), n)| n < least).map(|((it, least), n)| format!("{it:?}: {n} < {least}")).collect()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (((it, _), n), ended) in ALL.iter().zip(self.vectors).zip(self.ended) {
            writeln!(f, "  {:42} {n:5} vectors, {ended:5} compared no further", format!("{it:?}"))?;
        }
        Ok(())
    }
}
