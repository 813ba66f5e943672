//! Scopes inside scopes: guards that outlive the inner one, and deadlines.

use std::future::Future;
use std::sync::Arc;

use crate::common::*;

pub const MODELS: &[Model] = &[
    model!(the_last_guard_of_an_inner_scope_is_dropped_elsewhere_while_the_outer_has_a_request: "delivered"),
    model!(cancel_of_the_outer_races_the_last_guard_of_the_inner_scope: "delivered").bounded(3),
    model!(the_last_guard_of_an_inner_scope_races_its_end: "delivered with its end", "delivered after its end"),
    model!(cancel_races_the_last_guard_that_outlived_its_scope: "at the first wake", "at the second wake").bounded(3),
    model!(two_guards_of_an_inner_scope_race_its_end: "delivered").bounded(3),
    model!(a_deadline_races_the_cancel_of_the_task_around_it: "elapsed", "cancelled"),
    model!(a_deadline_then_a_cancel_of_the_task_around_it: "elapsed", "cancelled"),
    model!(a_deadline_races_the_end_of_a_shield_elsewhere: "elapsed").bounded(4),
    model!(cancel_of_an_inner_scope_races_cancel_of_the_outer: "the inner one", "the outer one").bounded(3),
];

/// A task inside which a scope has given away `guards` guards and suspended; `rest` is what the scope still does.
fn inner_scope_with_guards_abroad<F: Future + 'static>(
    guards: usize,
    rest: impl FnOnce() -> F + 'static,
) -> (Runner<impl Future<Output = Result<(), Cancelled>>>, TaskHandle, Vec<ShieldScope>) {
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let slot = slot.clone();
        async move {
            let inner = CancelScope::new(async move {
                slot.put(std::iter::repeat_with(shield_scope).take(guards).collect::<Vec<_>>());
                rest().await
            });
            assert!(inner.await.is_ok());
            pending().await
        }
    });
    let handle = task.handle();
    let runner = Runner::new("the task", task).suspends();
    (runner, handle, slot.take())
}

fn the_last_guard_of_an_inner_scope_is_dropped_elsewhere_while_the_outer_has_a_request() {
    let (runner, handle, guards) = inner_scope_with_guards_abroad(1, pending::<()>);
    handle.cancel();
    let closer = spawn("closer", move || call("drop the guard", || drop(guards)));

    assert_eq!(runner.finish(), Err(Cancelled::new()));
    saw("delivered");
    closer.join().unwrap();
}

fn cancel_of_the_outer_races_the_last_guard_of_the_inner_scope() {
    let (runner, handle, guards) = inner_scope_with_guards_abroad(1, pending::<()>);
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));
    let closer = spawn("closer", move || call("drop the guard", || drop(guards)));

    assert_eq!(runner.finish(), Err(Cancelled::new()));
    saw("delivered");
    canceller.join().unwrap();
    closer.join().unwrap();
}

fn the_last_guard_of_an_inner_scope_races_its_end() {
    let (runner, handle, guards) = inner_scope_with_guards_abroad(1, yield_once);
    handle.cancel();
    let closer = spawn("closer", move || call("drop the guard", || drop(guards)));

    let Finished { output, polls, .. } = runner.finish_and_tell();
    assert_eq!(output, Err(Cancelled::new()));
    saw(if polls == 2 { "delivered with its end" } else { "delivered after its end" });
    closer.join().unwrap();
}

fn cancel_races_the_last_guard_that_outlived_its_scope() {
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let slot = slot.clone();
        async move {
            slot.put(CancelScope::new(async { shield_scope() }).await.expect("nobody has its handle"));
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let runner = Runner::new("the task", task).suspends();
    let guard = slot.take();
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));
    let closer = spawn("closer", move || call("drop the guard", || drop(guard)));

    let Finished { output, polls, .. } = runner.finish_and_tell();
    assert_eq!(output, Err(Cancelled::new()));
    saw(match polls {
        2 => "at the first wake",
        3 => "at the second wake",
        more => panic!("{more} polls for two wakes"),
    });
    canceller.join().unwrap();
    closer.join().unwrap();
}

fn two_guards_of_an_inner_scope_race_its_end() {
    let (runner, handle, mut guards) = inner_scope_with_guards_abroad(2, yield_once);
    handle.cancel();
    let (one, two) = (guards.pop(), guards.pop());
    let one = spawn("one", move || call("drop a guard", || drop(one)));
    let two = spawn("two", move || call("drop a guard", || drop(two)));

    assert_eq!(runner.finish(), Err(Cancelled::new()));
    saw("delivered");
    one.join().unwrap();
    two.join().unwrap();
}

type TimedOut = Result<Result<(), Elapsed>, Cancelled>;

/// A task in a timeout, suspended; the deadline is the next notification.
fn in_a_timeout<F: Future<Output = ()>>(body: F) -> (Runner<impl Future<Output = TimedOut>>, TaskHandle, Arc<Waiter>) {
    let deadline = Arc::new(Waiter::new());
    let task = ShieldableTask::new({
        let deadline = deadline.clone();
        async move { timeout_with(deadline.wait(), body).await }
    });
    let handle = task.handle();
    (Runner::new("the task", task).suspends(), handle, deadline)
}

fn which(output: TimedOut) -> &'static str {
    match output {
        Ok(Err(_)) => "elapsed",
        Err(_) => "cancelled",
        Ok(Ok(())) => "a value",
    }
}

fn a_deadline_races_the_cancel_of_the_task_around_it() {
    let (runner, handle, deadline) = in_a_timeout(pending());
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));
    let clock = spawn("clock", move || call("deadline", || deadline.notify()));

    saw(which(runner.finish()));
    canceller.join().unwrap();
    clock.join().unwrap();
}

fn a_deadline_then_a_cancel_of_the_task_around_it() {
    let (runner, handle, deadline) = in_a_timeout(pending());
    let other = spawn("other", move || {
        call("deadline", || deadline.notify());
        call("cancel", || handle.cancel());
    });

    saw(which(runner.finish()));
    other.join().unwrap();
}

fn a_deadline_races_the_end_of_a_shield_elsewhere() {
    let slot = Slot::new();
    let (runner, _, deadline) = in_a_timeout({
        let slot = slot.clone();
        async move {
            slot.put(shield_scope());
            pending().await
        }
    });
    let guard = slot.take();
    let closer = spawn("closer", move || call("drop the guard", || drop(guard)));
    let clock = spawn("clock", move || call("deadline", || deadline.notify()));

    saw(which(runner.finish()));
    closer.join().unwrap();
    clock.join().unwrap();
}

fn cancel_of_an_inner_scope_races_cancel_of_the_outer() {
    let inner = CancelScope::new(pending::<()>());
    let inner_handle = inner.handle();
    let outer = ShieldableTask::new(inner);
    let outer_handle = outer.handle();
    let one = spawn("one", {
        let inner_handle = inner_handle.clone();
        move || call("cancel the inner", || inner_handle.cancel())
    });
    let two = spawn("two", move || call("cancel the outer", || outer_handle.cancel()));

    let output = run("the task", outer);
    assert!(inner_handle.is_finished());
    saw(match output {
        Ok(Err(_)) => "the inner one",
        Err(_) => "the outer one",
        Ok(Ok(())) => unreachable!(),
    });
    one.join().unwrap();
    two.join().unwrap();
}
