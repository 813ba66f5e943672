//! Who sees a request, by whatever call, sees what was done before it.

use std::sync::Arc;

use crate::common::*;

pub const MODELS: &[Model] = &[
    model!(a_request_that_the_body_finds_pending_carries_what_was_done_before_it:
        "pending", "not pending yet", "delivered before"),
    model!(a_request_that_is_counted_carries_what_was_done_before_it: "counted", "not counted yet"),
    model!(a_request_that_is_taken_back_carries_what_was_done_before_it:
        "one of two", "the only one, or none"),
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
