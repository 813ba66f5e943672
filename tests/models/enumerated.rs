//! All programs of two threads over an alphabet, up to symmetry: each alphabet is about one part of the crate.

use shieldable_model::{Program, enumerate};

use crate::harness::Model;

pub const MODELS: &[Model] = &[
    Model::programs("all_programs_of_requests_and_shields", requests_and_shields),
    Model::programs("all_programs_of_a_guard_given_away", a_guard_given_away),
    Model::programs("all_programs_of_a_scope_in_a_task", a_scope_in_a_task),
    Model::programs("all_programs_of_a_deadline", a_deadline),
    Model::programs("all_programs_of_a_task_polled_and_dropped_by_hand", polled_and_dropped),
    Model::programs("all_programs_of_two_tasks_and_a_lock", two_tasks_and_a_lock),
    Model::programs("all_programs_of_two_tasks_and_a_re_entrant_lock", two_tasks_and_a_re_entrant_lock),
    Model::programs("all_programs_of_a_queued_task_and_a_holder", a_queued_task_and_a_holder),
    Model::programs("all_programs_of_an_acquisition_that_changes_tasks", an_acquisition_that_changes_tasks),
    Model::programs("all_programs_of_waits_and_notifications", waits_and_notifications),
    Model::programs("all_programs_of_one_operation_against_one", one_against_one),
];

/// `<b>` is filled with operations of a body, `<o>` with those from outside.
fn all(skeleton: &str, body: &[&str], outside: &[&str]) -> Vec<Program> {
    enumerate(skeleton, &[("b", body), ("o", outside)]).unwrap_or_else(|error| panic!("{skeleton}: {error}"))
}

fn requests_and_shields() -> Vec<Program> {
    let body = ["yield", "checkpoint", "enter", "exit", "cancel t0"];
    let outside = ["cancel t0", "uncancel t0", "is_finished t0"];
    all("task t0 { <b> <b> } thread { run t0 } thread { <o> <o> }", &body, &outside)
}

fn a_guard_given_away() -> Vec<Program> {
    let body = ["suspend", "yield", "exit", "enter", "take s0"];
    let outside = ["drop s0", "cancel t0", "take s0", "uncancel t0"];
    all("task t0 { enter put s0 <b> <b> } thread { run t0 } thread { <o> <o> }", &body, &outside)
}

fn a_scope_in_a_task() -> Vec<Program> {
    let body = ["suspend", "yield", "enter", "cancel t0"];
    let outside = ["cancel t0", "cancel c0", "is_finished t0", "is_shielded t0", "uncancel t0"];
    let mut programs = all("task t0 { scope c0 { <b> <b> } } thread { run t0 } thread { <o> <o> }", &body, &outside);
    let outside = ["drop s0", "cancel t0", "cancel c0", "is_shielded t0"];
    let skeleton = "task t0 { scope c0 { enter put s0 <b> } } thread { run t0 } thread { <o> <o> }";
    programs.extend(all(skeleton, &body, &outside));
    programs
}

fn a_deadline() -> Vec<Program> {
    let body = ["suspend", "yield", "enter", "exit"];
    let outside = ["deadline d0", "cancel t0", "uncancel t0"];
    all("task t0 { timeout d0 { <b> <b> } } thread { run t0 } thread { <o> <o> }", &body, &outside)
}

fn polled_and_dropped() -> Vec<Program> {
    let body = ["suspend", "enter", "lock l0"];
    let outside = ["cancel t0", "try_lock l0", "is_finished t0", "was_torn t0"];
    let mut programs = all("task t0 { <b> <b> } thread { poll t0 drop t0 } thread { <o> <o> }", &body, &outside);
    let outside = ["drop s0", "cancel t0", "was_torn t0"];
    let skeleton = "task t0 { enter put s0 <b> suspend } thread { poll t0 drop t0 } thread { <o> <o> }";
    programs.extend(all(skeleton, &body, &outside));
    programs
}

fn two_tasks_and_a_lock() -> Vec<Program> {
    let body = ["lock l0", "try_lock l0", "unlock l0", "yield"];
    all("task t0 { <b> <b> } task t1 { <b> <b> } thread { run t0 } thread { run t1 }", &body, &[])
}

fn two_tasks_and_a_re_entrant_lock() -> Vec<Program> {
    let body = ["lock r0", "try_lock r0", "unlock r0", "yield"];
    all("task t0 { lock r0 <b> <b> } task t1 { lock r0 <b> } thread { run t0 } thread { run t1 }", &body, &[])
}

fn a_queued_task_and_a_holder() -> Vec<Program> {
    let body = ["suspend", "unlock l0", "lock l0", "try_lock l0"];
    let outside = ["unlock l0", "cancel t0", "try_lock l0", "uncancel t0"];
    let skeleton = "task t0 { lock l0 <b> } thread { run t0 } thread { try_lock l0 <o> <o> }";
    all(skeleton, &body, &outside)
}

fn an_acquisition_that_changes_tasks() -> Vec<Program> {
    let body = ["drop", "unlock r0", "try_lock r0"];
    let outside = ["unlock r0", "try_lock r0", "lock r0"];
    let skeleton = "task t0 { let lock r0 poll put s0 } task t1 { take s0 await <b> } task t2 { lock r0 <o> <o> } \
                    thread { run t0 run t1 } thread { run t2 }";
    all(skeleton, &body, &outside)
}

fn waits_and_notifications() -> Vec<Program> {
    let body = ["wait w0", "let wait w0", "poll", "await", "drop", "notify w0"];
    let outside = ["notify w0", "cancel t0"];
    all("task t0 { <b> <b> } thread { run t0 } thread { <o> <o> }", &body, &outside)
}

fn one_against_one() -> Vec<Program> {
    let body = [
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
        "wait w0",
        "let wait w0",
        "notify w0",
        "take s0",
        "drop s0",
        "cancel t0",
        "uncancel t0",
        "cancelling t0",
        "is_finished t0",
        "is_shielded t0",
        "was_torn t0",
        "is_shielded",
        "cancel_pending",
        "current",
        "is_locked l0",
        "is_held r0",
        "scope c0 { suspend }",
        "task t1 { suspend }",
        "shielded { suspend }",
        "timeout d0 { suspend }",
        "plain p0 { suspend }",
    ];
    let outside = [
        "cancel t0",
        "uncancel t0",
        "notify w0",
        "try_lock l0",
        "take s0",
        "drop s0",
        "cancelling t0",
        "is_finished t0",
        "is_shielded t0",
        "was_torn t0",
        "is_locked l0",
    ];
    all("task t0 { <b> } thread { run t0 } thread { <o> }", &body, &outside)
}
