//! All programs of two threads with up to two operations each, over the whole alphabet: every operation of the
//! language, each object once. What is done to an inner scope by name, or to its deadline, is in `enumerated.rs`.
//!
//! A thread runs a task, whose body does its operations, or is one outside that does them itself. Dropped are programs
//! that a smaller one implies, which is here too (`Program::is_implied` says when), and of those that differ in names
//! and order only all but one.

use shieldable_model::{Program, enumerate_if};

use crate::harness::Model;

pub const MODELS: &[Model] = &[
    Model::programs("whole_alphabet_one_operation_against_one", one_against_one),
    Model::programs("whole_alphabet_a_task_of_one_against_two_outside", one_against_two),
    Model::programs("whole_alphabet_a_task_of_two_against_one_outside", two_against_one),
    Model::programs("whole_alphabet_a_task_of_one_against_a_task_of_two", a_task_against_a_task),
];

/// Too many for every day: with `SHIELDABLE_DEEP` only, in parts that are chosen by it.
pub const DEEP: &[Model] = &[
    Model::programs("whole_alphabet_a_task_of_two_against_two_outside", two_against_two),
    Model::programs("whole_alphabet_a_task_of_two_against_a_task_of_two", two_tasks_of_two),
];

/// What a body may do.
const BODY: &[&str] = &[
    "suspend",
    "yield",
    "checkpoint",
    "enter",
    "exit",
    "lock l0",
    "try_lock l0",
    "unlock l0",
    "lock r0",
    "try_lock r0",
    "unlock r0",
    "wait w0",
    "notify w0",
    "let lock l0",
    "let lock r0",
    "let wait w0",
    "poll",
    "await",
    "drop",
    "put s0",
    "take s0",
    "drop s0",
    "cancel t0",
    "uncancel t0",
    "cancel_on_drop t0",
    "cancelling t0",
    "is_finished t0",
    "is_shielded t0",
    "was_torn t0",
    "is_shielded",
    "cancel_pending",
    "current",
    "is_locked l0",
    "is_locked r0",
    "is_held r0",
    "panic",
    "scope c# { suspend }",
    "timeout d# { suspend }",
    "task t2# { suspend }",
    "shielded { suspend }",
    "plain p# { suspend }",
];

/// What a destructor may do besides.
const DESTRUCTOR: &[&str] = &[
    "enter",
    "try_lock l0",
    "try_lock r0",
    "notify w0",
    "take s0",
    "drop s0",
    "cancel t0",
    "uncancel t0",
    "cancel_on_drop t0",
    "cancelling t0",
    "is_finished t0",
    "is_shielded t0",
    "was_torn t0",
    "is_shielded",
    "cancel_pending",
    "current",
    "is_locked l0",
    "is_locked r0",
    "is_held r0",
    "panic",
];

/// What a thread outside may do; that it is refused what needs a scope or a task is lockstep's.
const OUTSIDE: &[&str] = &[
    "cancel t0",
    "uncancel t0",
    "cancel_on_drop t0",
    "cancelling t0",
    "is_finished t0",
    "is_shielded t0",
    "was_torn t0",
    "poll t0",
    "poll t0/1",
    "drop t0",
    "try_lock l0",
    "unlock l0",
    "is_locked l0",
    "is_locked r0",
    "notify w0",
    "put s0",
    "take s0",
    "drop s0",
    "drop",
];

/// What one task may do to another, besides joining it, which a program does once at most.
const OTHERS: &[&str] = &[
    "cancel t0",
    "uncancel t0",
    "cancel_on_drop t0",
    "cancelling t0",
    "is_finished t0",
    "is_shielded t0",
    "was_torn t0",
    "poll t0",
    "drop t0",
];

/// All programs of these skeletons that no smaller one implies.
fn filled(skeletons: &[&str]) -> Vec<Program> {
    let other: Vec<&str> = BODY.iter().filter(|op| !op.ends_with("t0")).chain(OTHERS).copied().collect();
    let holes = [("b", BODY), ("d", DESTRUCTOR), ("o", OUTSIDE), ("a", &other[..])];
    let all = |skeleton: &&str| {
        enumerate_if(skeleton, &holes, |program| !program.is_implied())
            .unwrap_or_else(|error| panic!("{skeleton}: {error}"))
    };
    skeletons.iter().flat_map(all).collect()
}

fn one_against_one() -> Vec<Program> {
    filled(&[
        "task t0 { <b> } thread { run t0 } thread { <o> }",
        "task t0 { } on_drop { <d> } thread { run t0 } thread { <o> }",
        "task t0 { <b> } task t1 { <a> } thread { run t0 } thread { run t1 }",
        "task t0 { <b> } task t1 { join t0 } thread { run t0 } thread { run t1 }",
        "task t0 { suspend } thread { <o> } thread { <o> }",
        "task t0 { enter suspend } thread { <o> } thread { <o> }",
    ])
}

fn two_against_one() -> Vec<Program> {
    filled(&[
        "task t0 { <b> <b> } thread { run t0 } thread { <o> }",
        "task t0 { <b> } on_drop { <d> } thread { run t0 } thread { <o> }",
    ])
}

fn one_against_two() -> Vec<Program> {
    filled(&[
        "task t0 { <b> } thread { run t0 } thread { <o> <o> }",
        "task t0 { } on_drop { <d> } thread { run t0 } thread { <o> <o> }",
        "task t0 { suspend } thread { <o> <o> } thread { <o> }",
        "task t0 { enter suspend } thread { <o> <o> } thread { <o> }",
    ])
}

fn two_against_two() -> Vec<Program> {
    filled(&[
        "task t0 { <b> <b> } thread { run t0 } thread { <o> <o> }",
        "task t0 { <b> } on_drop { <d> } thread { run t0 } thread { <o> <o> }",
        "task t0 { suspend } thread { <o> <o> } thread { <o> <o> }",
        "task t0 { enter suspend } thread { <o> <o> } thread { <o> <o> }",
    ])
}

fn two_tasks_of_two() -> Vec<Program> {
    filled(&[
        "task t0 { <b> <b> } task t1 { <a> <a> } thread { run t0 } thread { run t1 }",
        "task t0 { <b> <b> } task t1 { join t0 <a> } thread { run t0 } thread { run t1 }",
        "task t0 { <b> <b> } task t1 { <a> join t0 } thread { run t0 } thread { run t1 }",
    ])
}

fn a_task_against_a_task() -> Vec<Program> {
    filled(&[
        "task t0 { <b> <b> } task t1 { <a> } thread { run t0 } thread { run t1 }",
        "task t0 { <b> <b> } task t1 { join t0 } thread { run t0 } thread { run t1 }",
        "task t0 { <b> } task t1 { join t0 <a> } thread { run t0 } thread { run t1 }",
        "task t0 { <b> } task t1 { <a> join t0 } thread { run t0 } thread { run t1 }",
        "task t0 { <b> } task t1 { <a> <a> } thread { run t0 } thread { run t1 }",
    ])
}
