//! Programs that a smaller one implies, and names in enumerated ones.

use shieldable_model::{Program, enumerate_if};

fn implied(text: &str) -> bool {
    text.parse::<Program>().expect("a program").is_implied()
}

#[test]
fn programs_are_implied_by_smaller_ones_that_show_as_much() {
    // Nothing to act on, in any interleaving.
    assert!(implied("task t0 { exit } thread { run t0 } thread { cancel t0 }"));
    assert!(implied("task t0 { } thread { run t0 } thread { cancel t0; enter }"));
    // It never happens: nobody wakes the task.
    assert!(implied("task t0 { suspend; cancel t0 } thread { run t0 } thread { is_finished t0 }"));
    // Nobody else is after it.
    assert!(implied("task t0 { lock l0; suspend } thread { run t0 } thread { cancel t0 }"));
    assert!(implied("task t0 { suspend } thread { run t0 } thread { cancel t0; try_lock l0; is_locked l0 }"));
    assert!(implied("task t0 { suspend } task t1 { suspend } thread { run t0 } thread { run t1 }"));
}

#[test]
fn programs_whose_operations_all_meet_are_not_implied() {
    assert!(!implied("task t0 { suspend } thread { run t0 } thread { cancel t0 }"));
    assert!(!implied("task t0 { lock l0; suspend } thread { run t0 } thread { try_lock l0; cancel t0 }"));
    assert!(!implied("task t0 { enter; put s0 } thread { run t0 } thread { cancel t0; drop s0 }"));
    assert!(!implied("task t0 { wait w0; is_finished t0 } thread { run t0 } thread { notify w0 }"));
    assert!(!implied("task t0 { panic } thread { run t0 } thread { cancel t0 }"));
    assert!(!implied("task t0 { panic } task t1 { join t0 } thread { run t0 } thread { run t1 }"));
}

#[test]
fn a_hole_gives_what_is_declared_in_it_a_name_of_its_own() {
    let all = enumerate_if("task t0 { <b> <b> } thread { run t0 }", &[("b", &["scope c# { }"])], |_| true);
    assert_eq!(all.expect("two scopes").len(), 1);
}
