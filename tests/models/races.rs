//! The races that are written by hand elsewhere once more, as programs: there they assert, here the spec judges all
//! that their threads see.

use shieldable_model::Program;

use crate::harness::Model;

pub const MODELS: &[Model] = &[Model::programs("races_as_programs", programs)];

const RACES: &[&str] = &[
    // A request and a poll that suspends, one whose waker is another, or one that returns.
    "task t0 { suspend } thread { run t0 } thread { cancel t0 }",
    "task t0 { suspend } thread { poll t0/1 run t0 } thread { cancel t0 }",
    "task t0 { yield } thread { run t0 } thread { cancel t0 is_finished t0 }",
    "task t0 { yield yield } thread { run t0 } thread { cancel t0 } thread { uncancel t0 }",
    "task t0 { checkpoint } thread { cancel t0 run t0 } thread { uncancel t0 }",
    "task t0 { suspend } on_drop { cancel t0 } thread { run t0 } thread { cancel t0 cancelling t0 }",
    // A shield that is closed elsewhere.
    "task t0 { enter put s0 suspend } thread { run t0 } thread { drop s0 } thread { cancel t0 }",
    "task t0 { enter put s0 } thread { run t0 } thread { drop s0 is_shielded t0 }",
    "task t0 { scope c0 { enter put s0 } } thread { run t0 } thread { drop s0 is_shielded t0 } thread { cancel t0 }",
    // A scope in another.
    "task t0 { timeout d0 { suspend } suspend } thread { run t0 } thread { deadline d0 } thread { cancel t0 }",
    // Hard drops, and handles that outlive.
    "task t0 { lock l0 enter put s0 suspend } task t1 { lock l0 } \
     thread { poll t0 drop t0 } thread { cancel t0 drop s0 } thread { run t1 }",
    "task t0 { enter } thread { run t0 drop t0 } thread { cancel t0 cancelling t0 is_shielded t0 was_torn t0 }",
    // Hand-over.
    "plain p0 { lock l0 } thread { try_lock l0 poll p0 unlock l0 drop p0 } thread { try_lock l0 }",
    "task t0 { lock l0 } thread { try_lock l0 unlock l0 } thread { run t0 } thread { cancel t0 }",
    "task t0 { lock l0 } thread { try_lock l0 unlock l0 } thread { run t0 } thread { try_lock l0 is_locked l0 }",
    "task t0 { lock r0 put s0 lock r0 put s1 } task t1 { lock r0 } \
     thread { run t0 run t1 } thread { drop s0 } thread { drop s1 }",
    "task t0 { let lock r0 poll put s0 } task t1 { take s0 await } task t2 { lock r0 yield } \
     thread { run t0 run t1 } thread { run t2 }",
    // Notifications.
    "task t0 { wait w0 } thread { poll t0 drop t0 } thread { notify w0 }",
    "task t0 { wait w0 wait w0 } thread { run t0 } thread { notify w0 } thread { notify w0 }",
];

fn programs() -> Vec<Program> {
    let parsed = |text: &&str| text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    RACES.iter().map(parsed).collect()
}
