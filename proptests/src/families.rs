//! Families of programs: small enough to run all of, and, with longer schedules, good to draw from at random.

use crate::exhaustive::Family;

/// All of them.
pub const ALL: &[Family] = &[
    REQUESTS_AND_SHIELDS_OF_ONE_TASK,
    SCOPES_INSIDE_A_TASK,
    SCOPES_INSIDE_SCOPES,
    INNER_SCOPES_THAT_MOVE_BETWEEN_TASKS,
    DEADLINES,
    DESTRUCTORS_AND_PANICS,
    RE_ENTRANT_LOCKS,
    PLAIN_LOCKS,
    ACQUISITIONS_THAT_MOVE_BETWEEN_TASKS,
    WAITS,
    JOINS_AND_WAKERS,
    ACQUISITIONS_HANDED_ON,
    DEADLINES_INSIDE_DEADLINES,
    INNER_SCOPES_DROPPED_HARD,
    LOCKS_AND_PANICS,
];

/// Requests and shields of one task.
pub const REQUESTS_AND_SHIELDS_OF_ONE_TASK: Family = Family {
    bodies: "task t0 { <part> <part> <part> suspend }",
    holes: &[(
        "part",
        &["suspend", "yield", "enter", "exit", "checkpoint", "cancel t0", "uncancel t0", "enter put s0"],
    )],
    outside: &["poll t0", "cancel t0", "uncancel t0", "drop s0", "drop t0"],
    length: 5,
};

/// A scope inside a task.
pub const SCOPES_INSIDE_A_TASK: Family = Family {
    bodies: "task t0 { <around> scope c0 { <part> <part> suspend } <around> suspend }",
    holes: &[
        ("around", &["", "enter", "exit"]),
        ("part", &["suspend", "enter", "enter put s0", "cancel c0", "cancel t0"]),
    ],
    outside: &["poll t0", "cancel t0", "cancel c0", "drop s0", "drop t0"],
    length: 5,
};

/// A scope inside a scope inside a task.
pub const SCOPES_INSIDE_SCOPES: Family = Family {
    bodies: "task t0 { <part> scope c0 { <part> scope c1 { <part> suspend } suspend } suspend }",
    holes: &[("part", &["suspend", "enter suspend", "enter put s0", ""])],
    outside: &["poll t0", "cancel t0", "cancel c0", "cancel c1", "drop s0"],
    length: 6,
};

/// A suspended inner scope that moves from one task to another.
pub const INNER_SCOPES_THAT_MOVE_BETWEEN_TASKS: Family = Family {
    bodies: "task t0 { let scope c0 { <part> suspend } poll put s0 <end> } task t1 { take s0 <ask> suspend }",
    holes: &[
        ("part", &["suspend", "enter suspend", "enter put s1 suspend"]),
        ("end", &["suspend", "scope c1 { take s1 suspend }"]),
        ("ask", &["await", "poll"]),
    ],
    outside: &["poll t0", "poll t1", "cancel t0", "cancel t1", "cancel c0", "drop s0", "drop s1"],
    length: 5,
};

/// Timeouts, nested, shielded, around and inside shields.
pub const DEADLINES: Family = Family {
    bodies: "task t0 { <around> timeout d0 { <part> <last> } suspend }",
    holes: &[
        ("around", &["", "enter", "timeout d2 { suspend }"]),
        ("part", &["suspend", "enter", "exit", "enter put s0", "yield", "timeout d1 { enter suspend exit suspend }"]),
        ("last", &["suspend", ""]),
    ],
    outside: &["poll t0", "deadline d0", "cancel t0", "drop s0", "drop t0"],
    length: 6,
};

/// Panics of bodies, and destructors that cancel, shield, lock and panic.
pub const DESTRUCTORS_AND_PANICS: Family = Family {
    bodies: "task t0 { <part> <part> suspend } on_drop { <last> <last> } task t1 { poll t0 suspend }",
    holes: &[
        ("part", &["suspend", "enter", "panic", "shielded { suspend } on_drop { cancel t0 panic }"]),
        ("last", &["cancel t0", "uncancel t0", "panic", "enter put s0", "drop s0", "try_lock r0", "cancel t1"]),
    ],
    outside: &["poll t0", "poll t1", "cancel t0", "drop t0"],
    length: 4,
};

/// Three tasks and a re-entrant lock.
pub const RE_ENTRANT_LOCKS: Family = Family {
    bodies: "task t0 { lock r0 <part> suspend } task t1 { lock r0 <part> suspend } task t2 { lock r0 suspend }",
    holes: &[("part", &["", "suspend", "lock r0", "unlock r0", "put s0"])],
    outside: &["poll t0", "poll t1", "poll t2", "cancel t1", "drop t0", "drop t2", "drop s0"],
    length: 6,
};

/// Two tasks and a plain future, and a lock.
pub const PLAIN_LOCKS: Family = Family {
    bodies: "task t0 { lock l0 <part> } task t1 { <shield> lock l0 <part> } plain p0 { lock l0 suspend }",
    holes: &[
        ("part", &["suspend", "unlock l0 suspend", "put s0", "unlock l0 lock l0 suspend"]),
        ("shield", &["", "enter"]),
    ],
    outside: &["poll t0", "poll t1", "poll p0", "cancel t1", "drop t1", "drop s0", "try_lock l0"],
    length: 5,
};

/// Acquisitions of a re-entrant lock that are queued by one task and polled by others.
pub const ACQUISITIONS_THAT_MOVE_BETWEEN_TASKS: Family = Family {
    bodies: "task t0 { lock r0 <part> } task t1 { let lock r0 poll put s0 suspend <part> } \
                 task t2 { <part> take s0 <ask> suspend } plain p0 { take s0 poll }",
    holes: &[("part", &["suspend", "lock r0", "yield"]), ("ask", &["await", "poll suspend poll"])],
    outside: &["poll t0", "poll t1", "poll t2", "poll p0", "drop t0", "drop s0"],
    length: 6,
};

/// Waits, and notifications from inside and outside.
pub const WAITS: Family = Family {
    bodies: "task t0 { let wait w0 <part> <part> await wait w0 } task t1 { wait w0 <part> suspend }",
    holes: &[("part", &["", "poll", "suspend", "notify w0"])],
    outside: &["poll t0", "poll t0/1", "poll t1", "notify w0", "drop t0"],
    length: 6,
};

/// Joins, and tasks polled with another waker than before.
pub const JOINS_AND_WAKERS: Family = Family {
    bodies: "task t0 { <part> <part> } task t1 { <held> join t0 suspend }",
    holes: &[("part", &["suspend", "yield", "enter suspend", "panic"]), ("held", &["", "cancel_on_drop t0", "enter"])],
    outside: &["poll t0", "poll t0/1", "poll t1", "poll t1/1", "cancel t0", "cancel t1", "drop t0"],
    length: 5,
};

/// An acquisition that one task queues and another takes over, before or after its grant.
pub const ACQUISITIONS_HANDED_ON: Family = Family {
    bodies: "task t0 { lock r0 <held> suspend } task t1 { let lock r0 poll put s0 <held> suspend } \
             task t2 { take s0 <ask> suspend } task t3 { lock r0 suspend }",
    holes: &[
        ("held", &["", "suspend", "suspend take s0 poll"]),
        ("ask", &["await", "poll suspend poll", "put s1 suspend take s1 await"]),
    ],
    outside: &["poll t0", "poll t1", "poll t2", "poll t3", "drop t0"],
    length: 6,
};

/// A timeout inside a timeout, both of which may pass, in any order and before anything is polled.
pub const DEADLINES_INSIDE_DEADLINES: Family = Family {
    bodies: "task t0 { timeout d0 { <part> timeout d1 { <part> <part> } <part> } suspend }",
    holes: &[("part", &["suspend", "", "enter"])],
    outside: &["poll t0", "deadline d0", "deadline d1", "cancel t0"],
    length: 6,
};

/// A suspended inner scope that the body around it drops, and what its destructor finds.
pub const INNER_SCOPES_DROPPED_HARD: Family = Family {
    bodies: "task t0 { let scope c0 { <part> suspend } on_drop { <last> <last> } poll <around> drop suspend }",
    holes: &[
        ("part", &["enter", "enter put s0", "suspend", "enter suspend exit", "shielded { suspend }"]),
        ("around", &["", "suspend", "exit suspend", "cancel c0", "poll"]),
        ("last", &["is_shielded t0", "is_shielded", "cancel_pending", "cancel t0", "enter put s0", "panic"]),
    ],
    outside: &["poll t0", "cancel t0", "cancel c0", "drop s0", "drop t0"],
    length: 4,
};

/// Bodies that panic while they hold a lock, while they wait for it, or once they have got it.
pub const LOCKS_AND_PANICS: Family = Family {
    bodies: "task t0 { <lock> <part> suspend } task t1 { <lock> <part> suspend }",
    holes: &[
        ("lock", &["lock l0", "lock r0", "lock r0 lock r0"]),
        ("part", &["suspend", "panic", "suspend panic", "put s0 panic"]),
    ],
    outside: &["poll t0", "poll t1", "drop t0", "try_lock l0"],
    length: 5,
};
