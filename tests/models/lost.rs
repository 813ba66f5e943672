//! What must not get lost between two steps: a request that was counted, a wait that came later, work under a guard
//! that outlived its scope. Each of these is the one model that notices some bug of the kill matrix.

use std::sync::Arc;

use crate::common::*;

pub const MODELS: &[Model] = &[
    model!(two_cancels_are_two_requests: "both counted"),
    model!(a_request_that_was_counted_stays_counted_when_the_body_returns: "counted", "too late"),
    model!(a_wait_dropped_while_it_is_notified_leaves_those_who_came_later: "the later one was notified"),
    model!(work_under_a_guard_that_outlives_its_scope_is_visible_to_the_delivery_around_it:
        "delivered in the poll that it raced with", "delivered afterwards"),
    model!(a_shield_of_a_destructor_is_never_found_on_a_live_task: "asked"),
    model!(a_handle_finds_the_task_shielded_while_one_guard_takes_over_from_another: "shielded all the time"),
];

fn two_cancels_are_two_requests() {
    let task = ShieldableTask::new(pending::<()>());
    let (one, two) = (task.handle(), task.handle());
    let one = spawn("one", move || assert!(call("cancel", || one.cancel())));
    assert!(call("cancel", || two.cancel()));
    one.join().unwrap();
    assert_eq!(two.cancelling(), 2);
    saw("both counted");
}

fn a_request_that_was_counted_stays_counted_when_the_body_returns() {
    let task = ShieldableTask::new(yield_once());
    let (handle, after) = (task.handle(), task.handle());
    let runner = Runner::new("the task", task).suspends();
    let canceller = spawn("canceller", move || {
        let heard = call("cancel", || handle.cancel());
        (heard, call("cancelling", || handle.cancelling()))
    });

    let output = runner.finish();
    let (heard, counted) = canceller.join().unwrap();
    assert!(heard || counted == 0, "a request that was refused is not counted");
    assert!(after.is_finished());
    assert_eq!(after.cancelling(), counted, "the count is frozen");
    assert!(!after.cancel());
    assert_eq!(after.cancelling(), counted, "the count stays frozen");
    assert!(output.is_ok() || counted == 1);
    saw(if counted == 1 { "counted" } else { "too late" });
}

fn a_wait_dropped_while_it_is_notified_leaves_those_who_came_later() {
    let waiter = Arc::new(Waiter::new());
    let first = Runner::new("the first", waiter.wait()).suspends();
    let other = spawn("other", {
        let waiter = waiter.clone();
        move || {
            call("notify", || waiter.notify());
            let later = Runner::new("the later", waiter.wait()).suspends();
            call("notify", || waiter.notify());
            later.finish();
            saw("the later one was notified");
        }
    });

    drop_and_tell("drop the first", first);
    other.join().unwrap();
}

fn work_under_a_guard_that_outlives_its_scope_is_visible_to_the_delivery_around_it() {
    let work = Arc::new(Payload::new(0));
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let (work, slot) = (work.clone(), slot.clone());
        async move {
            let _sees = OnDrop(move || assert_eq!(work.get(), 1));
            let inner = CancelScope::new(async {
                slot.put(shield_scope());
                yield_once().await;
            });
            inner.await.expect("nobody has its handle");
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let mut runner = Runner::new("the task", task).suspends();
    let guard = slot.take();
    handle.cancel();
    let worker = spawn("worker", move || {
        work.bump();
        call("drop the guard", || drop(guard));
    });

    // Without waiting for a wake, which would make the work visible by itself.
    let delivered = runner.poll().is_ready();
    worker.join().unwrap();
    saw(if delivered { "delivered in the poll that it raced with" } else { "delivered afterwards" });
    assert!(delivered || runner.was_woken() && runner.poll().is_ready());
}

fn a_shield_of_a_destructor_is_never_found_on_a_live_task() {
    let task = ShieldableTask::new(async {
        let _on_drop = OnDrop(|| {
            let first = shield_scope();
            drop(shield_scope());
            drop(first);
        });
        pending::<()>().await
    });
    let (handle, asks) = (task.handle(), task.handle());
    let runner = Runner::new("the task", task).suspends();
    handle.cancel();
    let asker = spawn("asker", move || assert!(!call("is_shielded", || asks.is_shielded())));
    assert_eq!(runner.finish(), Err::<(), _>(Cancelled::new()));
    asker.join().unwrap();
    saw("asked");
}

fn a_handle_finds_the_task_shielded_while_one_guard_takes_over_from_another() {
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let slot = slot.clone();
        async move {
            slot.put(shield_scope());
            yield_once().await;
            let _second = shield_scope();
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let task = Runner::new("the task", task).suspends();
    let first = slot.take();
    let asker = spawn("asker", move || assert!(call("is_shielded", || handle.is_shielded())));

    let task = task.suspends();
    call("drop the first guard", || drop(first));
    asker.join().unwrap();
    saw("shielded all the time");
    drop(task);
}
