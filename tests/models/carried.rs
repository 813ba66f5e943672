//! Who sees what another thread has done to a task, by whatever call, sees what that one did before.

use std::sync::Arc;

use crate::checker::atomic::{AtomicUsize, Ordering};
use crate::common::*;
use crate::reentrant::{free_after, in_a_task, queues, shared};

pub const MODELS: &[Model] = &[
    model!(a_request_that_the_body_finds_pending_carries_what_was_done_before_it:
        "pending", "not pending yet", "delivered before"),
    model!(a_request_that_is_counted_carries_what_was_done_before_it: "counted", "not counted yet"),
    model!(a_request_that_is_taken_back_carries_what_was_done_before_it:
        "one of two", "the only one, or none"),
    model!(a_request_taken_back_in_the_place_of_another_carries_what_was_done_before_it:
        "each took one", "one took none"),
    model!(a_request_that_an_uncancel_finds_frozen_carries_what_was_done_before_it: "frozen", "none, or taken back"),
    model!(who_finds_a_task_torn_sees_how_it_was_left: "torn", "not torn yet"),
    model!(a_task_that_finds_itself_the_owner_sees_what_the_former_holder_did: "the owner", "not yet the owner"),
    model!(a_request_that_the_end_freezes_carries_what_was_done_before_it:
        "delivered", "a value, and one request", "a value, and no request yet"),
];

/// Another thread writes, and then makes so many requests. Gives what waits for it.
fn write_and_cancel(written: &Arc<Payload>, handle: TaskHandle, requests: usize) -> impl FnOnce() {
    let written = written.clone();
    let canceller = spawn("canceller", move || {
        written.bump();
        for _ in 0..requests {
            call("cancel", || handle.cancel());
        }
    });
    move || canceller.join().unwrap()
}

fn a_request_that_the_body_finds_pending_carries_what_was_done_before_it() {
    let written = Arc::new(Payload::new(0));
    let task = ShieldableTask::new({
        let written = written.clone();
        async move {
            if call("cancel_pending", cancel_pending) {
                assert_eq!(written.get(), 1);
                "pending"
            } else {
                "not pending yet"
            }
        }
    });
    let join = write_and_cancel(&written, task.handle(), 1);

    saw(run("the task", task).unwrap_or("delivered before"));
    join();
}

fn a_request_that_is_counted_carries_what_was_done_before_it() {
    let written = Arc::new(Payload::new(0));
    let task = ShieldableTask::new(async {});
    let handle = task.handle();
    let join = write_and_cancel(&written, task.handle(), 1);

    if call("cancelling", || handle.cancelling()) == 1 {
        assert_eq!(written.get(), 1);
        saw("counted");
    } else {
        saw("not counted yet");
    }
    join();
}

fn a_request_that_is_taken_back_carries_what_was_done_before_it() {
    let written = Arc::new(Payload::new(0));
    let task = ShieldableTask::new(async {});
    let handle = task.handle();
    let join = write_and_cancel(&written, task.handle(), 2);

    if call("uncancel", || handle.uncancel()) == 1 {
        assert_eq!(written.get(), 1);
        saw("one of two");
    } else {
        saw("the only one, or none");
    }
    join();
}

/// Between the look and the step of one who takes a request back, that request is taken back by another, and made anew:
/// it is the new one that is taken. Which one it was is known only later, so that the data is atomic, and orders
/// nothing.
fn a_request_taken_back_in_the_place_of_another_carries_what_was_done_before_it() {
    let written = Arc::new(AtomicUsize::new(0));
    let task = ShieldableTask::new(async {});
    let (handle, other) = (task.handle(), task.handle());
    let canceller = spawn("canceller", {
        let written = written.clone();
        move || {
            call("cancel", || other.cancel());
            let left = call("uncancel", || other.uncancel());
            written.store(1, Ordering::Relaxed);
            call("cancel", || other.cancel());
            left
        }
    });

    let left = call("uncancel", || handle.uncancel());
    let read = written.load(Ordering::Relaxed);
    assert_eq!((left, canceller.join().unwrap()), (0, 0));
    if handle.cancelling() == 0 {
        // Two were made and each took one: the canceller the first, before it made the second.
        assert_eq!(read, 1, "what was done before the request that was taken back");
        saw("each took one");
    } else {
        saw("one took none");
    }
}

fn a_request_that_an_uncancel_finds_frozen_carries_what_was_done_before_it() {
    let written = Arc::new(Payload::new(0));
    let task = ShieldableTask::new(async {});
    let handle = task.handle();
    let other = spawn("other", {
        let written = written.clone();
        move || {
            written.bump();
            call("cancel", || task.handle().cancel());
            call("drop the task", || drop(task));
        }
    });

    if call("uncancel", || handle.uncancel()) == 1 {
        assert_eq!(written.get(), 1);
        saw("frozen");
    } else {
        saw("none, or taken back");
    }
    other.join().unwrap();
}

fn who_finds_a_task_torn_sees_how_it_was_left() {
    let written = Arc::new(Payload::new(0));
    let task = ShieldableTask::new({
        let written = written.clone();
        async move {
            let _shield = shield_scope();
            yield_once().await;
            written.bump();
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let other = spawn("other", move || {
        // The second poll writes, and changes nothing in the scope.
        let runner = Runner::new("the task", task).suspends().suspends();
        call("drop the task", || drop(runner));
    });

    if call("was_torn", || handle.was_torn()) {
        assert_eq!(written.get(), 1);
        saw("torn");
    } else {
        saw("not torn yet");
    }
    other.join().unwrap();
}

/// One branch of the task waits, and the release makes the task the owner; another branch asks.
fn a_task_that_finds_itself_the_owner_sees_what_the_former_holder_did() {
    let lock = shared();
    let guard = in_a_task(|| lock.clone().try_lock_owned().unwrap());
    let written = Arc::new(Payload::new(0));
    let task = ShieldableTask::new({
        let (lock, written) = (lock.clone(), written.clone());
        async move {
            let mut waits = Box::pin(lock.clone().lock_owned());
            queues(waits.as_mut()).await;
            yield_once().await;
            if call("is_held_by_current", || lock.is_held_by_current()) {
                assert_eq!(written.get(), 1);
                saw("the owner");
            } else {
                saw("not yet the owner");
            }
        }
    });
    let runner = Runner::new("the task", task).suspends();
    let holder = spawn("holder", move || {
        written.bump();
        call("release", || drop(guard));
    });

    runner.finish().expect("nobody has its handle");
    holder.join().unwrap();
    free_after(0, &lock);
}

/// The end looks at no request, and yet its word hands on what came with them.
fn a_request_that_the_end_freezes_carries_what_was_done_before_it() {
    let written = Arc::new(Payload::new(0));
    let task = ShieldableTask::new(async {});
    let handle = task.handle();
    let join = write_and_cancel(&written, task.handle(), 1);

    let output = run("the task", task);
    let frozen = call("cancelling", || handle.cancelling());
    if frozen == 1 {
        assert_eq!(written.get(), 1);
    }
    saw(match (output.is_ok(), frozen) {
        (false, _) => "delivered",
        (true, 1) => "a value, and one request",
        (true, _) => "a value, and no request yet",
    });
    join();
}
