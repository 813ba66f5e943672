//! Which programs to generate: how large, and of which operations.

use crate::program::{Kind, LockId, MAX_LOCKS_OF_A_SORT, Op};

/// Groups of operations to draw from; combine with `|`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Alphabet(pub u32);

macro_rules! alphabet {
    ($($(#[$doc:meta])* $name:ident = $bit:expr,)+) => {
        impl Alphabet {
            $($(#[$doc])* pub const $name: Self = Self(1 << $bit);)+
            /// Everything.
            pub const ALL: Self = Self(u32::MAX);
        }
    };
}

alphabet! {
    /// `cancel`.
    CANCELS = 0,
    /// `uncancel`.
    UNCANCELS = 1,
    /// `enter`, `exit`, `shielded`.
    SHIELDS = 2,
    /// Cancel scopes and tasks inside tasks.
    SCOPES = 3,
    /// Timeouts and their deadlines.
    TIMEOUTS = 4,
    /// `Lock`.
    LOCKS = 5,
    /// `RLock`.
    RLOCKS = 6,
    /// `Waiter`.
    WAITERS = 7,
    /// `checkpoint`.
    CHECKPOINTS = 8,
    /// Guards and futures kept, moved to slots and to others, futures polled once.
    MOVES = 9,
    /// Top fibers dropped and polled by name, from inside too.
    DROPS = 10,
    /// Panics.
    PANICS = 11,
    /// Destructors.
    DESTRUCTORS = 12,
    /// Queries.
    QUERIES = 13,
    /// Plain futures and cancel scopes at the top.
    PLAIN = 14,
    /// Several wakers for a task.
    WAKERS = 15,
    /// Joins and `cancel_on_drop`.
    JOINS = 16,
}

impl std::ops::BitOr for Alphabet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Alphabet {
    /// Whether any group of the other is in.
    pub fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Without some groups.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

/// How the tasks are driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// One lane polls everything and does what comes from outside.
    Lockstep,
    /// A lane runs each top fiber, and so many more lanes act from outside.
    Threads {
        /// Lanes that run nothing.
        outside: u8,
    },
    /// The same, and as on an executor: nobody else polls, and so a task that suspends mostly wakes itself first.
    Executor {
        /// Lanes that run nothing.
        outside: u8,
    },
}

/// The size of programs. Each number is a maximum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    /// Fibers at the top, at least 1.
    pub tasks: u8,
    /// Operations of a body.
    pub ops: u8,
    /// Bodies inside bodies.
    pub depth: u8,
    /// Operations of a lane.
    pub lane_ops: u8,
    /// Locks of each sort, 1 or 2.
    pub locks: u8,
    /// Waiters, 1 or 2.
    pub waiters: u8,
    /// Slots, 1 to 4.
    pub slots: u8,
    /// How tasks are driven.
    pub style: Style,
    /// What they are made of.
    pub alphabet: Alphabet,
}

impl Shape {
    /// All of it in lockstep, about 16 steps of the lane.
    pub const MIXED: Self = Self {
        tasks: 3,
        ops: 6,
        depth: 3,
        lane_ops: 24,
        locks: 1,
        waiters: 1,
        slots: 2,
        style: Style::Lockstep,
        alphabet: Alphabet::ALL,
    };

    /// Requests, shields, nested scopes, drops; no locks.
    pub const CANCEL: Self = Self {
        alphabet: Alphabet(Alphabet::ALL.0 & !(Alphabet::LOCKS.0 | Alphabet::RLOCKS.0 | Alphabet::TIMEOUTS.0)),
        ..Self::MIXED
    };

    /// Locks and waiters, and whatever may happen to those who wait.
    pub const LOCKS: Self = Self {
        depth: 1,
        slots: 1,
        alphabet: Alphabet(
            Alphabet::CANCELS.0
                | Alphabet::LOCKS.0
                | Alphabet::RLOCKS.0
                | Alphabet::WAITERS.0
                | Alphabet::MOVES.0
                | Alphabet::DROPS.0
                | Alphabet::PANICS.0
                | Alphabet::DESTRUCTORS.0
                | Alphabet::QUERIES.0
                | Alphabet::WAKERS.0
                | Alphabet::SHIELDS.0
                | Alphabet::SCOPES.0,
        ),
        ..Self::MIXED
    };

    /// Acquisitions of one re-entrant lock that move between tasks.
    pub const MOVES: Self = Self {
        depth: 1,
        slots: 1,
        alphabet: Alphabet(Alphabet::RLOCKS.0 | Alphabet::MOVES.0 | Alphabet::CANCELS.0),
        ..Self::MIXED
    };

    /// A few threads.
    pub const THREADS: Self = Self {
        ops: 4,
        depth: 2,
        lane_ops: 4,
        style: Style::Threads { outside: 1 },
        alphabet: Alphabet(Alphabet::ALL.0 & !(Alphabet::DROPS.0 | Alphabet::PANICS.0 | Alphabet::WAKERS.0)),
        ..Self::MIXED
    };
}

/// An operation to be filled in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    Suspend,
    Yield,
    Checkpoint,
    Lock,
    Wait,
    Join,
    Fiber(Kind),
    PollLocal,
    Resume,
    Enter,
    Exit,
    TryLock,
    Unlock,
    CancelOnDrop,
    DropLocal,
    Put,
    Take,
    DropSlot,
    /// Opens a shield, or makes a future and polls it once, and puts it in a slot.
    HandOff,
    /// Takes what is in a slot and awaits it.
    PickUp,
    Cancel,
    Uncancel,
    Notify,
    Poll,
    DropTop,
    Deadline,
    Panic,
    Query,
}

impl Entry {
    /// Of the two that suspend the other.
    fn of_executor(self) -> Self {
        match self {
            Entry::Suspend => Entry::Yield,
            Entry::Yield => Entry::Suspend,
            entry => entry,
        }
    }
}

/// The menus of a shape, each entry as often as it has weight. Made once, used for many programs.
#[derive(Clone, Debug)]
pub struct Grammar {
    pub(crate) shape: Shape,
    pub(crate) body: Vec<Entry>,
    pub(crate) destructor: Vec<Entry>,
    pub(crate) lane: Vec<Entry>,
    pub(crate) tops: Vec<Kind>,
    pub(crate) locks: Vec<LockId>,
    pub(crate) moves: bool,
    /// Where there is nothing to act on.
    pub(crate) filler: Op,
    /// What may be handed off.
    pub(crate) handed: Vec<Entry>,
    pub(crate) wakers: bool,
}

type A = Alphabet;
/// Weight in a body, in a destructor, in a lane.
const MENU: &[(Entry, Alphabet, [usize; 3])] = &[
    (Entry::Suspend, A::ALL, [8, 0, 0]),
    (Entry::Poll, A::ALL, [0, 0, 30]),
    (Entry::Poll, A::DROPS, [1, 0, 0]),
    (Entry::Enter, A::SHIELDS, [8, 3, 1]),
    (Entry::Exit, A::SHIELDS, [6, 1, 0]),
    (Entry::Fiber(Kind::Shielded), A::SHIELDS, [2, 0, 0]),
    (Entry::Fiber(Kind::Scope), A::SCOPES, [5, 0, 0]),
    (Entry::Fiber(Kind::Task), A::SCOPES, [2, 0, 0]),
    (Entry::Fiber(Kind::Timeout), A::TIMEOUTS, [4, 0, 0]),
    (Entry::Deadline, A::TIMEOUTS, [0, 0, 5]),
    (Entry::Fiber(Kind::Plain), A::PLAIN, [1, 0, 0]),
    (Entry::Yield, A::ALL, [3, 0, 0]),
    (Entry::Cancel, A::CANCELS, [4, 4, 8]),
    (Entry::Uncancel, A::UNCANCELS, [2, 2, 2]),
    (Entry::Checkpoint, A::CHECKPOINTS, [3, 0, 0]),
    (Entry::Lock, Alphabet(A::LOCKS.0 | A::RLOCKS.0), [9, 0, 0]),
    (Entry::TryLock, Alphabet(A::LOCKS.0 | A::RLOCKS.0), [3, 2, 2]),
    (Entry::Unlock, Alphabet(A::LOCKS.0 | A::RLOCKS.0), [4, 1, 1]),
    (Entry::Wait, A::WAITERS, [4, 0, 0]),
    (Entry::Notify, A::WAITERS, [2, 1, 3]),
    (Entry::PollLocal, A::MOVES, [4, 0, 0]),
    (Entry::Resume, A::MOVES, [3, 0, 0]),
    (Entry::DropLocal, A::MOVES, [3, 1, 1]),
    (Entry::Put, A::MOVES, [4, 1, 1]),
    (Entry::Take, A::MOVES, [3, 1, 1]),
    (Entry::DropSlot, A::MOVES, [2, 1, 4]),
    (Entry::HandOff, A::MOVES, [6, 0, 0]),
    (Entry::PickUp, A::MOVES, [6, 0, 0]),
    (Entry::DropTop, A::DROPS, [1, 1, 3]),
    (Entry::Panic, A::PANICS, [1, 1, 0]),
    (Entry::Query, A::QUERIES, [3, 3, 3]),
    (Entry::Join, A::JOINS, [2, 0, 0]),
    (Entry::CancelOnDrop, A::JOINS, [1, 1, 1]),
];

/// The third of these columns.
const LANE: usize = 2;

impl Grammar {
    /// The menus of a shape.
    pub fn new(shape: Shape) -> Self {
        let alphabet = shape.alphabet;
        let on_executor = matches!(shape.style, Style::Executor { .. });
        let menu = |column: usize| {
            let entries = MENU.iter().filter(|(_, group, _)| alphabet.has(*group));
            let entries = entries.flat_map(|(entry, _, weights)| std::iter::repeat_n(*entry, weights[column]));
            match on_executor {
                false => entries.collect(),
                true if column == LANE => entries.filter(|entry| *entry != Entry::Poll).collect(),
                true => entries.map(|entry| entry.of_executor()).collect(),
            }
        };
        let sort = |group, first: usize| {
            let some = if alphabet.has(group) { usize::from(shape.locks) } else { 0 };
            (first..first + some).map(|lock| LockId(lock as u8))
        };
        let mut locks: Vec<LockId> = sort(A::LOCKS, 0).chain(sort(A::RLOCKS, MAX_LOCKS_OF_A_SORT)).collect();
        if locks.is_empty() {
            locks.push(LockId(0));
        }
        let mut tops = vec![Kind::Task; 6];
        if alphabet.has(A::PLAIN) {
            tops.extend([Kind::Plain, Kind::Scope]);
        }
        let handed = [
            (Entry::Lock, Alphabet(A::LOCKS.0 | A::RLOCKS.0)),
            (Entry::Enter, A::SHIELDS),
            (Entry::Wait, A::WAITERS),
            (Entry::Suspend, A::MOVES),
        ];
        Self {
            shape,
            body: menu(0),
            destructor: if alphabet.has(A::DESTRUCTORS) { menu(1) } else { Vec::new() },
            lane: menu(LANE),
            tops,
            locks,
            moves: alphabet.has(A::MOVES),
            filler: if on_executor { Op::Yield } else { Op::Suspend },
            handed: handed.iter().filter(|(_, group)| alphabet.has(*group)).map(|(entry, _)| *entry).collect(),
            wakers: alphabet.has(A::WAKERS),
        }
    }
}
