//! Atomic objects, the versions of each that may still be read, and views: who may read which.

use crate::program::{FiberId, LockId, MAX_FIBERS, MAX_LOCKS, MAX_WAITERS, WaiterId};
use crate::state::Phase;

/// The versions of an object that may still be read, the present one last.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Line {
    /// The number of the oldest.
    pub(super) first: u8,
    pub(super) versions: Vec<Version>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Version {
    pub(super) value: Value,
    /// What is learned by reading it.
    pub(super) view: View,
}

/// What an atomic object tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Value {
    /// Phase, requests and whether it was torn: one word.
    Word(Phase, u8, bool),
    /// Shields of a scope that were opened, less those closed by who polls it; or that were closed elsewhere.
    Count(i8),
    /// Whether a lock is held, and which task owns it, if that matters.
    Held(bool, Option<FiberId>),
    /// A waiter was notified as often as the number of the version says.
    Notified,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Object(u8);

pub(super) const OBJECTS: usize = 3 * MAX_FIBERS + MAX_LOCKS + MAX_WAITERS;

impl Object {
    pub(super) fn word(fiber: FiberId) -> Self {
        Self(fiber.0)
    }

    pub(super) fn opened(fiber: FiberId) -> Self {
        Self(MAX_FIBERS as u8 + fiber.0)
    }

    pub(super) fn closed(fiber: FiberId) -> Self {
        Self(2 * MAX_FIBERS as u8 + fiber.0)
    }

    pub(super) fn held(lock: LockId) -> Self {
        Self(3 * MAX_FIBERS as u8 + lock.0)
    }

    pub(super) fn notified(waiter: WaiterId) -> Self {
        Self((3 * MAX_FIBERS + MAX_LOCKS) as u8 + waiter.0)
    }

    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// By object: the oldest version that may still be read by who knows so much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct View(pub(super) [u8; OBJECTS]);

impl View {
    pub(super) const NOTHING: Self = Self([0; OBJECTS]);

    pub(super) fn learn(&mut self, other: &Self) {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own = (*own).max(other);
        }
    }

    pub(super) fn oldest(&self, object: Object) -> u8 {
        self.0[object.index()]
    }

    pub(super) fn set(&mut self, object: Object, version: u8) {
        self.0[object.index()] = version;
    }
}

impl Line {
    pub(super) fn new(value: Value) -> Self {
        Self { first: 0, versions: vec![Version { value, view: View::NOTHING }] }
    }

    pub(super) fn newest(&self) -> u8 {
        self.first + (self.versions.len() - 1) as u8
    }

    pub(super) fn at(&self, version: u8) -> &Version {
        &self.versions[usize::from(version - self.first)]
    }

    pub(super) fn present(&self) -> &Version {
        self.at(self.newest())
    }

    pub(super) fn count(&self, version: u8) -> i8 {
        match self.at(version).value {
            Value::Count(count) => count,
            _ => unreachable!("a count"),
        }
    }
}
