//! The decisions that shape the step function, one small program each, in lockstep on one lane.

use shieldable_model::{LaneId, Model, Program, Trace};

/// Runs the only lane to its end; one word for each of its operations, and what was returned inside, in brackets.
fn run(text: &str) -> String {
    let program: Program = text.parse().unwrap_or_else(|error| panic!("{error}"));
    let model = Model::new(&program);
    let mut state = model.start();
    let mut words = Vec::new();
    let mut trace = Trace::new();
    while let Some((_, ret)) = model.step(&mut state, LaneId(0), &mut trace) {
        let inner = &trace.returns[..trace.returns.len() - 1];
        let inner: Vec<String> = inner.iter().map(|(op, ret)| format!("{}={ret}", program.op_text(*op))).collect();
        let wakes: Vec<String> =
            trace.wakes.iter().map(|waker| format!(" !{}/{}", program.name(waker.fiber), waker.version)).collect();
        let inner = if inner.is_empty() { String::new() } else { format!(" [{}]", inner.join(", ")) };
        words.push(format!("{ret}{inner}{}", wakes.concat()));
        trace.clear();
    }
    words.join("; ")
}

#[test]
fn a_task_that_is_cancelled_before_its_first_poll_never_runs() {
    assert_eq!(
        run(
            "task t0 { enter } on_drop { is_finished t0; cancelling t0 } thread { cancel t0; poll t0; is_finished t0; cancel t0 }"
        ),
        "true; cancelled [is_finished t0=false, cancelling t0=1]; true; false"
    );
}

#[test]
fn a_shield_defers_a_request_to_the_first_pending_after_it() {
    assert_eq!(
        run("task t0 { enter; suspend; exit; yield; suspend } thread { poll t0; cancel t0; poll t0; is_finished t0 }"),
        "pending [enter=()]; true !t0/0; cancelled [suspend=(), exit=()] !t0/0; true"
    );
}

#[test]
fn a_value_is_never_thrown_away() {
    assert_eq!(run("task t0 { cancel t0 } thread { poll t0; cancelling t0 }"), "ok [cancel t0=true]; 1");
}

#[test]
fn a_request_taken_back_is_not_delivered() {
    assert_eq!(
        run("task t0 { suspend } thread { cancel t0; uncancel t0; uncancel t0; poll t0; poll t0; uncancel t0 }"),
        "true; 0; 0; pending; ok [suspend=()]; 0"
    );
}

#[test]
fn a_guard_dropped_elsewhere_wakes_the_last_waker_and_the_next_poll_delivers() {
    assert_eq!(
        run("task t0 { enter; put s0; wait w0 } thread { poll t0; cancel t0; poll t0/1; drop s0; poll t0 }"),
        "pending [enter=(), put s0=()]; true !t0/0; pending; () !t0/1; cancelled"
    );
}

#[test]
fn a_suspended_shielded_scope_shields_the_one_around_it() {
    assert_eq!(
        run(
            "task t0 { scope c0 { enter; suspend; exit; suspend }; suspend } thread { poll t0; cancel t0; is_shielded t0; poll t0 }"
        ),
        "pending [enter=()]; true !t0/0; true; cancelled [suspend=(), exit=()]"
    );
}

#[test]
fn after_pending_the_innermost_scope_is_delivered_first_and_the_code_around_it_runs_on() {
    assert_eq!(
        run("task t0 { scope c0 { cancel t0; cancel c0; suspend }; is_finished c0; suspend } thread { poll t0 }"),
        "cancelled [cancel t0=true, cancel c0=true, scope c0=cancelled, is_finished c0=true]"
    );
}

#[test]
fn a_request_inside_a_shield_fires() {
    assert_eq!(
        run("task t0 { enter; timeout d0 { suspend }; exit } thread { poll t0; deadline d0; poll t0 }"),
        "pending [enter=()]; () !t0/0; ok [suspend=(), timeout d0=ok, exit=()]"
    );
    assert_eq!(
        run("task t0 { enter; timeout d0 { wait w0 }; exit } thread { poll t0; deadline d0; poll t0 }"),
        "pending [enter=()]; () !t0/0; ok [timeout d0=elapsed, exit=()]"
    );
}

#[test]
fn guards_that_outlive_their_scope_shield_the_one_around_it() {
    assert_eq!(
        run(
            "task t0 { scope c0 { enter; put s0 }; wait w0 } thread { poll t0; cancel t0; poll t0; is_shielded t0; drop s0; poll t0 }"
        ),
        "pending [enter=(), put s0=(), scope c0=ok]; true !t0/0; pending; true; () !t0/0; cancelled"
    );
}

#[test]
fn a_hard_drop_out_of_a_shield_is_seen_on_the_handle() {
    assert_eq!(
        run("task t0 { enter; suspend } thread { poll t0; drop t0; was_torn t0; is_finished t0; drop t0 }"),
        "pending [enter=()]; (); true; true; absent"
    );
}

#[test]
fn a_panic_leaves_the_scope_ending_until_its_wrapper_is_dropped() {
    assert_eq!(
        run(
            "task t0 { panic } on_drop { is_finished t0 } thread { poll t0; is_finished t0; cancel t0; poll t0; drop t0; is_finished t0 }"
        ),
        "panicked; false; true; panicked; () [is_finished t0=false]; true"
    );
}

#[test]
fn a_destructor_that_panics_during_a_delivery_is_not_masked() {
    assert_eq!(
        run("task t0 { suspend } on_drop { panic; enter } thread { poll t0; cancel t0; poll t0; is_finished t0 }"),
        "pending; true !t0/0; panicked; true"
    );
    assert_eq!(
        run("task t0 { scope c0 { panic } on_drop { panic; current } } thread { poll t0; is_finished c0 }"),
        "panicked [panic=absent, current=fiber 0]; true"
    );
}

#[test]
fn the_lock_is_handed_to_the_first_waiter_and_passed_on_when_that_is_dropped() {
    assert_eq!(
        run("task t0 { lock l0; wait w0; unlock l0 } task t1 { lock l0 } task t2 { lock l0 } \
             thread { poll t0; poll t1; poll t2; notify w0; poll t0; drop t1; poll t2; is_locked l0 }"),
        "pending [lock l0=ok]; pending; pending; () !t0/0; ok [wait w0=ok, unlock l0=()] !t1/0; () !t2/0; \
         ok [lock l0=ok]; false"
    );
}

#[test]
fn the_owner_of_a_re_entrant_lock_enters_again_and_others_wait_for_its_last_level() {
    assert_eq!(
        run("task t0 { lock r0; lock r0; unlock r0; suspend } task t1 { is_held r0; lock r0; is_held r0 } \
             thread { poll t0; poll t1; poll t0; try_lock r0; poll t1; is_locked r0 }"),
        "pending [lock r0=ok, lock r0=ok, unlock r0=()]; pending [is_held r0=false]; ok [suspend=()] !t1/0; no task; \
         ok [lock r0=ok, is_held r0=true]; false"
    );
}

#[test]
fn an_acquisition_granted_to_one_task_and_polled_by_another_is_passed_on() {
    assert_eq!(
        run("task t0 { lock r0; suspend } task t1 { let lock r0; poll; put s0 } task t2 { take s0; await } \
             task t3 { lock r0 } thread { poll t0; poll t1; poll t3; poll t0; poll t2; poll t3; poll t2 }"),
        "pending [lock r0=ok]; ok [let lock r0=(), poll=pending, put s0=()]; pending; ok [suspend=()] !t1/0; \
         pending [take s0=()] !t3/0; ok [lock r0=ok] !t2/0; ok [await=ok]"
    );
}

#[test]
fn a_wait_counts_from_its_call() {
    assert_eq!(
        run(
            "task t0 { let wait w0; suspend; await; wait w0 } thread { poll t0; notify w0; poll t0; notify w0; notify w0; poll t0 }"
        ),
        "pending [let wait w0=()]; (); pending [suspend=(), await=ok]; () !t0/0; (); ok [wait w0=ok]"
    );
}

#[test]
fn a_checkpoint_suspends_once_and_only_where_nothing_shields() {
    assert_eq!(
        run("task t0 { cancel t0; enter; checkpoint; cancel_pending; exit; cancel_pending; uncancel t0; checkpoint; \
             scope c0 { cancel t0; checkpoint; suspend } } thread { poll t0 }"),
        "cancelled [cancel t0=true, enter=(), checkpoint=(), cancel_pending=false, exit=(), cancel_pending=true, \
         uncancel t0=0, checkpoint=(), cancel t0=true] !t0/0"
    );
}

#[test]
fn outside_every_scope_shields_are_refused_and_queries_are_false() {
    assert_eq!(
        run(
            "plain p0 { enter; is_shielded; cancel_pending; checkpoint; current; scope c0 { enter; is_shielded }; shielded { } } \
             thread { poll p0 }"
        ),
        "panicked [enter=no scope, is_shielded=false, cancel_pending=false, checkpoint=(), current=absent, enter=(), \
         is_shielded=true, scope c0=ok]"
    );
}

#[test]
fn a_cancel_on_drop_guard_makes_one_request_and_a_join_sees_the_outcome() {
    assert_eq!(
        run(
            "task t0 { wait w0 } task t1 { cancel_on_drop t0; drop; join t0 } thread { poll t0; poll t1; poll t0; poll t1 }"
        ),
        "pending; pending [cancel_on_drop t0=(), drop=()] !t0/0; cancelled !t1/0; ok [join t0=cancelled]"
    );
}
