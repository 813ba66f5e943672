//! The judge where "before" is not a matter of time, and programs that a smaller one implies.

use shieldable_model::{History, Judge, Order, Outcome, Program, Refusal, Ret, enumerate_if};

/// Calls and returns in this order; an operation is named by its lane and its number there.
fn history(program: &Program, seen: &[(usize, usize, Ret)]) -> History {
    let lanes: Vec<_> = program.lanes().collect();
    let mut history = History::new();
    for (lane, index, ret) in seen {
        let op = program.lane(lanes[*lane]).nth(*index).expect("an operation of the lane");
        history.call(lanes[*lane], op);
        history.returned(lanes[*lane], op, *ret);
    }
    history
}

fn allows(program: &Program, order: Order, seen: &[(usize, usize, Ret)]) -> bool {
    Judge::new(program, order).allows(&history(program, seen)).is_ok()
}

const BUFFERED: &str = "task t0 { } thread { cancel t0; is_locked l0 } thread { try_lock l0; cancelling t0 }";

#[test]
fn queries_that_order_nothing_may_both_be_told_what_was_true_before() {
    let program: Program = BUFFERED.parse().unwrap();
    let seen = [(0, 0, Ret::Flag(true)), (0, 1, Ret::Flag(false)), (1, 0, Ret::Unit), (1, 1, Ret::Count(0))];
    assert!(allows(&program, Order::PerLane, &seen));
    assert!(!allows(&program, Order::RealTime, &seen));
}

#[test]
fn a_query_is_told_nothing_that_was_never_true() {
    let program: Program = BUFFERED.parse().unwrap();
    let seen = [(0, 0, Ret::Flag(true)), (0, 1, Ret::Flag(false)), (1, 0, Ret::Unit), (1, 1, Ret::Count(2))];
    assert!(!allows(&program, Order::PerLane, &seen));
}

#[test]
fn a_lane_is_told_nothing_older_than_it_knows() {
    let program: Program = "task t0 { } thread { cancel t0 } thread { cancelling t0; cancelling t0 }".parse().unwrap();
    let told = |first, second| {
        allows(
            &program,
            Order::PerLane,
            &[(0, 0, Ret::Flag(true)), (1, 0, Ret::Count(first)), (1, 1, Ret::Count(second))],
        )
    };
    assert!(told(0, 0) && told(0, 1) && told(1, 1));
    assert!(!told(1, 0), "the second look finds less than the first");
    let program: Program = "task t0 { } thread { cancel t0; cancelling t0 } thread { }".parse().unwrap();
    assert!(!allows(&program, Order::PerLane, &[(0, 0, Ret::Flag(true)), (0, 1, Ret::Count(0))]), "its own request");
}

#[test]
fn what_changes_something_acts_on_the_present() {
    let program: Program = "task t0 { } thread { cancel t0; uncancel t0 } thread { uncancel t0 }".parse().unwrap();
    let twice = [(0, 0, Ret::Flag(true)), (0, 1, Ret::Count(0)), (1, 0, Ret::Count(0))];
    assert!(allows(&program, Order::PerLane, &twice), "the second finds no request, or came before it");
    let seen = [(0, 0, Ret::Flag(true)), (0, 1, Ret::Count(1)), (1, 0, Ret::Count(1))];
    assert!(!allows(&program, Order::PerLane, &seen), "a live scope with one request has none left");
}

/// Two tasks that run to their ends, of two operations each, which return that.
fn tasks_allow(bodies: [&str; 2], seen: [[Ret; 2]; 2]) -> bool {
    let [first, second] = bodies;
    let text = format!("task t0 {{ {first} }} task t1 {{ {second} }} thread {{ run t0 }} thread {{ run t1 }}");
    let program: Program = text.parse().unwrap();
    let mut history = History::new();
    for ((lane, task), rets) in program.lanes().zip(program.fibers()).zip(seen) {
        let run = program.lane(lane).next().expect("the lane runs its task");
        history.call(lane, run);
        for (op, ret) in program.body(task).zip(rets) {
            history.returned(lane, op, ret);
        }
        history.returned(lane, run, Ret::Ready(Outcome::Value));
    }
    Judge::new(&program, Order::PerLane).allows(&history).is_ok()
}

const OK: Ret = Ret::Ready(Outcome::Value);
const REFUSED: Ret = Ret::Refused(Refusal::WouldBlock);

#[test]
fn a_call_that_finds_nothing_to_do_may_be_told_what_was_true_before() {
    // The second knows that the lock is taken, which orders nothing, and not of the request before that.
    let taken = ["cancel t1; lock l0", "try_lock l0; checkpoint"];
    assert!(tasks_allow(taken, [[Ret::Flag(true), OK], [REFUSED, Ret::Unit]]));
    let asked = ["cancel t1; lock l0", "is_locked l0; cancel_pending"];
    assert!(tasks_allow(asked, [[Ret::Flag(true), OK], [Ret::Flag(true), Ret::Flag(false)]]));
    // A wait that takes an old number of notifications for the present one is over at once.
    let notified = ["notify w0; lock l0", "is_locked l0; wait w0"];
    assert!(tasks_allow(notified, [[Ret::Unit, OK], [Ret::Flag(true), OK]]));
}

#[test]
fn a_call_that_finds_nothing_to_do_is_told_nothing_that_was_never_true() {
    assert!(!tasks_allow(
        ["lock r0; try_lock r0", "is_locked r0; yield"],
        [[OK, REFUSED], [Ret::Flag(false), Ret::Unit]]
    ));
    assert!(!tasks_allow(
        ["cancel t0; cancel_pending", "yield; yield"],
        [[Ret::Flag(true), Ret::Flag(false)], [Ret::Unit, Ret::Unit]]
    ));
    assert!(!tasks_allow(
        ["enter; is_shielded", "yield; yield"],
        [[Ret::Unit, Ret::Flag(false)], [Ret::Unit, Ret::Unit]]
    ));
    assert!(!tasks_allow(["notify w0; wait w0", "yield; yield"], [[Ret::Unit, OK], [Ret::Unit, Ret::Unit]]));
    assert!(!tasks_allow(["yield; yield", "try_lock l0; wait w0"], [[Ret::Unit, Ret::Unit], [Ret::Unit, OK]]));
}

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
