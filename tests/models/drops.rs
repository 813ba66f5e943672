//! Hard drops, and handles that outlive what they name.

use std::sync::Arc;

use crate::common::*;

pub const MODELS: &[Model] = &[
    model!(a_hard_drop_races_cancel: "accepted", "too late"),
    model!(a_hard_drop_races_a_guard_dropped_elsewhere: "torn out of its shield", "the shield was closed first"),
    model!(a_hard_drop_races_the_last_shield_and_a_request:
        "torn", "closed, requested, and then dropped", "requested too late"),
    model!(a_hard_drop_races_the_last_shield_and_a_request_taken_back:
        "torn", "closed, requested, taken back, and then dropped", "requested too late", "taken back too late"),
    model!(a_hard_drop_races_cancel_and_a_guard_dropped_elsewhere: "torn", "not torn").bounded(3),
    model!(a_task_dropped_hard_hands_its_lock_to_the_waiter: "had to wait", "came later"),
    model!(a_task_dropped_hard_while_it_waits_races_the_release: "it had been granted", "it had not"),
    model!(an_inner_scope_dropped_hard_races_its_guard_and_the_outer_request: "delivered").bounded(2),
    model!(handles_outlive_the_task: "true", "false"),
    model!(the_last_handle_races_the_end_of_the_task: "handles are gone"),
];

fn a_hard_drop_races_cancel() {
    let dropped = Arc::new(Payload::new(0));
    let task = ShieldableTask::new({
        let dropped = OnDrop({
            let dropped = dropped.clone();
            move || dropped.bump()
        });
        async move {
            let _dropped = dropped;
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let runner = Runner::new("the task", task).suspends();
    let canceller = spawn("canceller", move || {
        if call("cancel", || handle.cancel()) {
            saw("accepted");
        } else {
            assert_eq!(dropped.get(), 1);
            assert!(handle.is_finished());
            saw("too late");
        }
    });

    call("drop the task", || drop(runner));
    canceller.join().unwrap();
}

fn a_hard_drop_races_a_guard_dropped_elsewhere() {
    let (runner, handle, guard) = shielded_for_ever(());
    let closer = spawn("closer", move || call("drop the guard", || drop(guard)));

    call("drop the task", || drop(runner));
    assert!(handle.is_finished() && !handle.is_shielded());
    saw(if handle.was_torn() { "torn out of its shield" } else { "the shield was closed first" });
    closer.join().unwrap();
}

/// A request that counts comes before the end, and the shield was closed before that.
fn a_hard_drop_races_the_last_shield_and_a_request() {
    let (runner, handle, guard) = shielded_for_ever(());
    let other = spawn("other", {
        let handle = handle.clone();
        move || {
            call("drop the guard", || drop(guard));
            call("cancel", || handle.cancel());
        }
    });

    call("drop the task", || drop(runner));
    other.join().unwrap();
    saw(match (handle.cancelling(), handle.was_torn()) {
        (1, false) => "closed, requested, and then dropped",
        (0, true) => "torn",
        (0, false) => "requested too late",
        other => panic!("its last shield was closed while it was live: {other:?}"),
    });
}

/// The same where the word of the scope ends up as it was, with no waker in it from the beginning.
fn a_hard_drop_races_the_last_shield_and_a_request_taken_back() {
    let (runner, handle, guard) = shielded_for_ever(());
    handle.cancel();
    handle.uncancel();
    let other = spawn("other", {
        let handle = handle.clone();
        move || {
            call("drop the guard", || drop(guard));
            call("cancel", || handle.cancel());
            let counted = call("cancelling", || handle.cancelling()) == 1;
            call("uncancel", || handle.uncancel());
            counted
        }
    });

    call("drop the task", || drop(runner));
    let counted = other.join().unwrap();
    saw(match (counted, handle.cancelling(), handle.was_torn()) {
        (true, 0, false) => "closed, requested, taken back, and then dropped",
        (true, 1, false) => "taken back too late",
        (false, 0, true) => "torn",
        (false, 0, false) => "requested too late",
        other => panic!("its last shield was closed while it was live: {other:?}"),
    });
}

fn a_hard_drop_races_cancel_and_a_guard_dropped_elsewhere() {
    let (runner, handle, guard) = shielded_for_ever(());
    let canceller = spawn("canceller", {
        let handle = handle.clone();
        move || call("cancel", || handle.cancel())
    });
    let closer = spawn("closer", move || call("drop the guard", || drop(guard)));

    call("drop the task", || drop(runner));
    assert!(handle.is_finished() && !handle.cancel());
    saw(if handle.was_torn() { "torn" } else { "not torn" });
    canceller.join().unwrap();
    closer.join().unwrap();
}

fn a_task_dropped_hard_hands_its_lock_to_the_waiter() {
    let lock = Arc::new(Lock::new(Payload::new(0)));
    let task = ShieldableTask::new({
        let lock = lock.clone();
        async move {
            let value = lock.lock().await;
            value.bump();
            pending::<()>().await
        }
    });
    let holder = Runner::new("the holder", task).suspends();
    let waiter = spawn("waiter", {
        let lock = lock.clone();
        move || {
            let acquired = Runner::new("the waiter", lock.lock_owned()).finish_and_tell();
            acquired.output.bump();
            saw(if acquired.polls > 1 { "had to wait" } else { "came later" });
        }
    });

    call("drop the holder", || drop(holder));
    waiter.join().unwrap();
    assert_eq!(lock.try_lock().expect("everybody is gone").get(), 2);
}

fn a_task_dropped_hard_while_it_waits_races_the_release() {
    let lock = Arc::new(Lock::new(Payload::new(0)));
    let guard = lock.clone().try_lock_owned().unwrap();
    let task = ShieldableTask::new(lock.clone().lock_owned());
    let waiting = Runner::new("the first waiter", task).suspends();
    let next = Runner::new("the second waiter", lock.clone().lock_owned()).suspends();
    let holder = bump_and_release(guard);
    let dropper = spawn("dropper", move || {
        let granted = drop_and_tell("drop the first waiter", waiting);
        saw(if granted { "it had been granted" } else { "it had not" });
    });

    next.finish().bump();
    holder.join().unwrap();
    dropper.join().unwrap();
    assert_eq!(lock.try_lock().expect("everybody is gone").get(), 2);
}

fn an_inner_scope_dropped_hard_races_its_guard_and_the_outer_request() {
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let slot = slot.clone();
        async move {
            let mut inner = Box::pin(CancelScope::new(async move {
                slot.put(shield_scope());
                pending::<()>().await
            }));
            std::future::poll_fn(|cx| {
                assert!(inner.as_mut().poll(cx).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            yield_once().await;
            drop(inner);
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let runner = Runner::new("the task", task).suspends();
    let guard = slot.take();
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));
    let closer = spawn("closer", move || call("drop the guard", || drop(guard)));

    assert_eq!(runner.finish(), Err(Cancelled::new()));
    saw("delivered");
    canceller.join().unwrap();
    closer.join().unwrap();
}

fn handles_outlive_the_task() {
    let task = ShieldableTask::new(yield_once());
    let handle = task.handle();
    let other = spawn("other", move || {
        let accepted = call("cancel", || handle.cancel());
        saw(if accepted { "true" } else { "false" });
        let same = handle.clone();
        drop(handle);
        if !accepted {
            assert_eq!((same.is_finished(), same.cancelling(), same.uncancel()), (true, 0, 0));
            assert!(!same.is_shielded() && !same.cancel());
        }
    });

    let _ = run("the task", task);
    other.join().unwrap();
}

fn the_last_handle_races_the_end_of_the_task() {
    let task = ShieldableTask::named("with a name of its own", async {});
    let handle = task.handle();
    let other = spawn("other", move || call("drop the handle", || drop(handle)));

    assert_eq!(run("the task", task), Ok(()));
    saw("handles are gone");
    other.join().unwrap();
}
