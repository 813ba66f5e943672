//! The programs that are explored, and how finely.
//!
//! No program has everything at once; together they reach each bound (three tasks, two locks of which one is
//! re-entrant, scopes nested three deep, two requests and one taken back, one waiter) and each pair of concepts. Tests
//! say so.

use crate::program::{Kind, LockId, Make, Op, Program};

/// What one step of the exploration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Grain {
    /// A whole operation of a thread: a poll with all that it runs. Threads take turns between polls.
    Poll,
    /// A micro step: what is one atomic decision. Threads interleave inside polls.
    Step,
}

/// When a configuration is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Depth {
    /// Always, also by `cargo test`.
    Quick,
    /// Only when asked for.
    Deep,
}

/// A program to be explored exhaustively.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// What it is about.
    pub name: &'static str,
    /// How finely.
    pub grain: Grain,
    /// When.
    pub depth: Depth,
    /// Polls of tasks that were not woken.
    pub spurious: u8,
    /// Its text.
    pub text: &'static str,
}

impl Config {
    /// The program.
    pub fn program(&self) -> Program {
        self.text.parse().unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }
}

macro_rules! configs {
    ($($name:literal $grain:ident $depth:ident $spurious:literal $text:literal)+) => {
        /// All of them.
        pub const CONFIGS: &[Config] = &[$(Config {
            name: $name,
            grain: Grain::$grain,
            depth: Depth::$depth,
            spurious: $spurious,
            text: $text,
        }),+];
    };
}

configs! {
    "shield" Step Quick 1 "
        task t0 { enter; yield; exit; yield }
        thread { run t0 } thread { cancel t0; uncancel t0 } thread { cancel t0 }"
    "guard elsewhere" Step Quick 0 "
        task t0 { enter; enter; put s0; exit; wait w0 }
        thread { run t0 } thread { cancel t0; uncancel t0; cancel t0 } thread { drop s0 } thread { notify w0 }"
    "inner guard elsewhere" Step Quick 0 "
        task t0 { scope c0 { enter; put s0; wait w0 }; yield }
        thread { run t0 } thread { cancel t0; uncancel t0; cancel t0 } thread { drop s0 } thread { cancel c0 }"
    "three deep" Poll Quick 1 "
        task t0 { scope c0 { timeout d0 { enter; yield; exit; yield }; yield }; checkpoint }
        thread { run t0 } thread { cancel t0; uncancel t0; cancel t0 } thread { cancel c0 } thread { deadline d0 }
        thread { drop t0 }"
    "three deep, racing" Step Deep 0 "
        task t0 { scope c0 { timeout d0 { enter; yield; exit; yield } }; yield }
        thread { run t0 } thread { cancel t0; cancel t0; uncancel t0 } thread { cancel c0 } thread { deadline d0 }"
    "escaped guards" Step Quick 0 "
        task t0 { scope c0 { scope c1 { enter; put s0 }; yield }; wait w0 }
        thread { run t0 } thread { cancel t0 } thread { cancel c0; uncancel c0 } thread { drop s0 } thread { notify w0 }"
    "two deadlines" Poll Quick 1 "
        task t0 { timeout d0 { timeout d1 { wait w0 }; yield }; lock l0 } on_drop { notify w0 }
        task t1 { lock l0; yield; timeout d2 { lock l0 } } on_drop { try_lock l0 }
        thread { run t0 } thread { run t1 } thread { deadline d0 } thread { deadline d1 } thread { deadline d2 }
        thread { cancel t0; uncancel t0 } thread { notify w0 }"
    "three tasks, one lock" Poll Quick 1 "
        task t0 { lock l0; yield; unlock l0; yield } task t1 { lock l0; yield; unlock l0; yield }
        task t2 { lock l0; yield; unlock l0; yield }
        thread { run t0 } thread { run t1 } thread { run t2 }
        thread { cancel t0; cancel t0; uncancel t0 } thread { cancel t1; cancel t1; uncancel t1 }
        thread { cancel t2; cancel t2; uncancel t2 }"
    "three tasks, one lock, racing" Step Deep 0 "
        task t0 { lock l0; yield } task t1 { lock l0; yield } task t2 { lock l0; yield }
        thread { run t0 } thread { run t1 } thread { run t2 } thread { cancel t0 } thread { cancel t1 } thread { cancel t2 }"
    "three tasks, re-entrant" Poll Quick 0 "
        task t0 { lock r0; enter; lock r0; yield; exit; unlock r0; yield }
        task t1 { lock r0; enter; lock r0; yield; exit; unlock r0; yield }
        task t2 { lock r0; enter; lock r0; yield; exit; unlock r0; yield }
        thread { run t0 } thread { run t1 } thread { run t2 }
        thread { cancel t0 } thread { cancel t1 } thread { cancel t2 } thread { drop t0 } thread { drop t1 } thread { drop t2 }"
    "two locks" Poll Quick 0 "
        task t0 { lock l0; shielded { lock r0; yield }; checkpoint } on_drop { uncancel t0; try_lock l0 }
        task t1 { lock r0; yield; scope c0 { try_lock l0; yield; panic }; timeout d0 { lock l0 } }
        task t2 { join t1; lock r0; try_lock l0; let lock l0; poll; yield }
        thread { run t0 } thread { run t1; drop t1 } thread { run t2 } thread { cancel t0; uncancel t0 }
        thread { cancel c0; deadline d0 } thread { drop t2 }"
    "lock passed between threads" Step Quick 0 "
        task t0 { lock l0; put s0 } task t1 { lock l0; yield; unlock l0 }
        thread { run t0; try_lock l0 } thread { run t1 } thread { drop s0 } thread { drop t1 }"
    "lock passed between three threads" Step Deep 0 "
        task t0 { lock l0; put s0 } task t1 { lock l0; yield; unlock l0 } task t2 { lock l0 }
        thread { run t0; try_lock l0 } thread { run t1 } thread { run t2 } thread { drop s0 } thread { drop t1 }"
    "re-entrant levels dropped elsewhere" Step Quick 0 "
        task t0 { lock r0; put s0; try_lock r0; put s1; is_held r0 } task t1 { lock r0; lock r0; yield }
        thread { run t0 } thread { run t1 } thread { drop s0 } thread { drop s1 } thread { cancel t1 }"
    "moving acquisition" Poll Quick 1 "
        task t0 { lock r0; yield; wait w0 } task t1 { let lock r0; poll; put s0; wait w0 }
        task t2 { take s0; enter; await; exit; task t3 { lock r0; checkpoint } } on_drop { cancel_on_drop t1 }
        thread { run t0 } thread { run t1 } thread { run t2 } thread { cancel t2; uncancel t2 } thread { notify w0 }
        thread { drop t0 } thread { drop s0 }"
    "moving scope" Poll Quick 1 "
        task t0 { let scope c0 { enter; yield; exit; yield }; poll; put s0; wait w0; checkpoint }
        task t1 { take s0; lock l0; await; yield } on_drop { enter; drop s0 }
        thread { run t0 } thread { run t1 } thread { cancel t0; uncancel t0 } thread { cancel t1 } thread { cancel c0 }
        thread { notify w0 } thread { drop t1 }"
    "waiter" Step Quick 0 "
        task t0 { let wait w0; yield; await } task t1 { wait w0; yield }
        thread { run t0 } thread { run t1 } thread { notify w0 } thread { cancel t1; notify w0 }"
    "three waits" Poll Quick 0 "
        task t0 { shielded { wait w0 } } task t1 { shielded { wait w0 } } task t2 { shielded { wait w0 } }
        thread { run t0 } thread { run t1 } thread { run t2 } thread { notify w0 }
        thread { cancel t0 } thread { cancel t1 } thread { cancel t2 } thread { drop t0 } thread { drop t1 } thread { drop t2 }"
    "three tasks, two waits each" Poll Deep 1 "
        task t0 { shielded { wait w0 }; wait w0 } task t1 { shielded { wait w0 }; wait w0 }
        task t2 { shielded { wait w0 }; wait w0 }
        thread { run t0 } thread { run t1 } thread { run t2 } thread { notify w0; notify w0 }
        thread { cancel t0 } thread { cancel t1 } thread { cancel t2 } thread { drop t0 } thread { drop t1 } thread { drop t2 }"
    "destructors" Poll Quick 0 "
        task t0 { lock l0; scope c0 { wait w0 } on_drop { cancel t0; enter; put s0; uncancel t0 } } on_drop { cancel t1; try_lock l0 }
        task t1 { enter; lock l0; yield; exit; timeout d0 { wait w0 } on_drop { notify w0; is_finished t0; panic } } on_drop { uncancel t1; cancel t0 }
        thread { run t0; drop t0 } thread { run t1; drop t1 } thread { cancel c0 } thread { deadline d0 } thread { drop s0 }
        thread { cancel t0 }"
    "destructors, racing" Step Quick 0 "
        task t0 { lock l0; enter; yield; exit; yield } on_drop { cancel t1; uncancel t0; enter }
        task t1 { lock l0; wait w0 } on_drop { cancel t0; try_lock l0 }
        thread { run t0 } thread { run t1 } thread { cancel t0 } thread { drop t1 }"
    "panics" Poll Quick 1 "
        task t0 { enter; lock r0; scope c0 { enter; yield; panic } on_drop { try_lock r0; cancel t1 } }
        task t1 { lock r0; checkpoint; let wait w0; poll; put s0; timeout d0 { yield; panic } } on_drop { notify w0; panic }
        thread { run t0; drop t0 } thread { run t1; drop t1 } thread { cancel t0; uncancel t0 } thread { cancel c0 }
        thread { deadline d0 } thread { drop s0 }"
    "joins" Poll Quick 1 "
        task t0 { wait w0; shielded { yield }; checkpoint } task t1 { cancel_on_drop t0; lock l0; join t0 } on_drop { cancel t0 }
        task t2 { lock l0; timeout d0 { join t1 }; panic }
        thread { run t0 } thread { run t1 } thread { run t2; drop t2 } thread { notify w0 } thread { cancel t1; uncancel t1 }
        thread { deadline d0 } thread { drop t0 }"
    "checkpoints" Step Quick 0 "
        task t0 { scope c0 { shielded { checkpoint }; checkpoint; cancel_pending; yield }; is_shielded }
        thread { run t0 } thread { cancel t0; uncancel t0; cancel t0 } thread { cancel c0 }"
    "outside every scope" Poll Quick 0 "
        plain p0 { enter; current; is_shielded; cancel_pending; checkpoint; try_lock r0; scope c0 { enter; is_shielded; yield }; shielded { } }
        plain p1 { let lock r0; poll } task t0 { current; lock r0; is_shielded t0; cancelling t0; yield; put s0 }
        thread { run p0; poll p0; drop p0 } thread { run p1 } thread { run t0 } thread { cancel t0; cancel c0 }
        thread { take s0; is_shielded t0; was_torn t0; enter }"
    "value against a passed deadline" Step Quick 1 "
        task t0 { timeout d0 { enter; yield; checkpoint }; scope c0 { timeout d1 { enter; yield }; yield } }
        thread { run t0 } thread { deadline d0; deadline d1 } thread { cancel c0; uncancel c0; cancelling c0; is_shielded t0 }"
    "acquisition moved to the owner" Poll Quick 1 "
        task t0 { let lock r0; poll; put s0; yield } task t1 { lock r0; yield; take s0; await; yield }
        thread { run t0 } thread { run t1 } thread { cancel t0 } thread { cancel t1 } thread { drop s0 }"
    "branches of one task" Step Quick 0 "
        task t0 { let lock r0; poll; let lock r0; poll; put s0; await; yield }
        task t1 { lock r0; yield; unlock r0; lock r0 }
        thread { run t0 } thread { run t1 } thread { drop s0 } thread { cancel t0 }"
    "branches and a dropped grant" Step Quick 0 "
        task t0 { let lock r0; poll; put s0; let lock r0; poll; put s1; wait w0; try_lock r0; yield }
        task t1 { lock r0; yield }
        thread { run t0 } thread { run t1 } thread { notify w0 } thread { drop s0 }"
    "joined across a shield" Poll Quick 1 "
        task t0 { let lock r0; poll; put s0; enter; scope c0 { join t1 }; exit; yield }
        task t1 { lock r0; timeout d0 { wait w0 }; take s0; panic } on_drop { try_lock r0 }
        thread { run t0 } thread { run t1; drop t1 } thread { cancel c0; uncancel c0 } thread { cancel t0 }
        thread { deadline d0 } thread { notify w0 } thread { drop t0 }"
    "task inside a task" Poll Quick 0 "
        task t0 { lock r0; task t2 { enter; lock r0; yield; exit }; checkpoint; yield }
        task t1 { lock r0; yield; scope c0 { let wait w0; put s0; checkpoint } }
        thread { run t0 } thread { run t1 } thread { cancel t0 } thread { cancel t2; uncancel t2 } thread { drop s0 }
        thread { cancel c0; notify w0 } thread { drop t1 }"
    "everything at a distance" Poll Deep 1 "
        task t0 { scope c0 { enter; put s0; lock r0; yield }; checkpoint; lock l0; put s1; wait w0 } on_drop { cancel t1 }
        task t1 { lock r0; scope c1 { timeout d0 { shielded { yield; lock l0 } } }; put s1; yield } on_drop { uncancel t1 }
        task t2 { lock l0; enter; wait w0; exit; lock r0 }
        thread { run t0 } thread { run t1 } thread { run t2 } thread { cancel t0; cancel t0; uncancel t0 }
        thread { cancel c0 } thread { deadline d0 } thread { drop s0; drop s1 } thread { notify w0; cancel t2 }"
    "three tasks, re-entrant, racing" Step Deep 0 "
        task t0 { lock r0; lock r0; yield } task t1 { lock r0; lock r0; yield } task t2 { lock r0; lock r0; yield }
        thread { run t0 } thread { run t1 } thread { run t2 } thread { cancel t0 } thread { cancel t1 } thread { cancel t2 }"
    "moving scope, racing" Step Deep 0 "
        task t0 { let scope c0 { enter; yield; exit; yield }; poll; put s0; yield } task t1 { take s0; await; yield }
        thread { run t0 } thread { run t1 } thread { cancel t0 } thread { cancel t1 } thread { cancel c0 }"
}

/// Configurations that are too large to be interleaved within polls; smaller ones with the same concepts are.
pub const ONLY_POLLS: &[&str] = &[
    "three tasks, one lock",
    "three tasks, re-entrant",
    "two locks",
    "moving acquisition",
    "moving scope",
    "three waits",
    "joins",
];

/// What programs are made of, for the claim that each pair is explored together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Concept {
    Cancel,
    Uncancel,
    Shield,
    NestedScope,
    Timeout,
    Lock,
    RLock,
    Waiter,
    Checkpoint,
    Moved,
    HardDrop,
    Panic,
    Destructor,
    Join,
}

impl Concept {
    /// All of them.
    pub const ALL: [Concept; 14] = [
        Concept::Cancel,
        Concept::Uncancel,
        Concept::Shield,
        Concept::NestedScope,
        Concept::Timeout,
        Concept::Lock,
        Concept::RLock,
        Concept::Waiter,
        Concept::Checkpoint,
        Concept::Moved,
        Concept::HardDrop,
        Concept::Panic,
        Concept::Destructor,
        Concept::Join,
    ];

    /// Whether the program has it.
    pub fn is_in(self, program: &Program) -> bool {
        let has = |holds: &dyn Fn(Op) -> bool| program.ops.iter().any(|op| holds(*op));
        let lock = |lock: LockId, op: Op| matches!(op, Op::Await(Make::Lock(l)) | Op::Let(Make::Lock(l)) if l.is_reentrant() == lock.is_reentrant());
        let kind = |kind: Kind| program.fibers().any(|fiber| program.kind(fiber) == kind);
        match self {
            Concept::Cancel => has(&|op| matches!(op, Op::Cancel(_))),
            Concept::Uncancel => has(&|op| matches!(op, Op::Uncancel(_))),
            Concept::Shield => has(&|op| op == Op::Enter) || kind(Kind::Shielded),
            Concept::NestedScope => {
                program.fibers().any(|f| program.fiber(f).inline && matches!(program.kind(f), Kind::Scope | Kind::Task))
            }
            Concept::Timeout => kind(Kind::Timeout),
            Concept::Lock => has(&|op| lock(LockId(0), op)),
            Concept::RLock => has(&|op| lock(LockId(u8::MAX), op)),
            Concept::Waiter => has(&|op| matches!(op, Op::Await(Make::Wait(_)) | Op::Let(Make::Wait(_)))),
            Concept::Checkpoint => has(&|op| op == Op::Checkpoint),
            Concept::Moved => has(&|op| matches!(op, Op::Put(_))),
            Concept::HardDrop => has(&|op| matches!(op, Op::Drop(_))),
            Concept::Panic => has(&|op| op == Op::Panic),
            Concept::Destructor => program.fibers().any(|fiber| program.destructor(fiber).next().is_some()),
            Concept::Join => has(&|op| matches!(op, Op::Await(Make::Join(_)) | Op::Let(Make::Join(_)))),
        }
    }
}
