//! Requests: made, taken back and delivered.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Wake, Waker};

use crate::common::*;

pub const MODELS: &[Model] = &[
    model!(cancel_races_a_poll_that_returns_pending:
        "delivered before the body ran", "delivered in the poll that it raced with", "delivered after a wake"),
    model!(cancel_races_a_body_that_returns:
        "a value, and the cancel came too late", "a value, though the request was accepted", "cancelled"),
    model!(a_body_that_returns_is_visible_to_whoever_finds_it_finished: "finished", "not finished yet"),
    model!(writes_before_cancel_are_visible_to_the_destructors_it_causes: "delivered at once", "delivered later"),
    model!(a_request_that_remains_carries_what_was_done_before_it: "delivered").bounded(2),
    model!(uncancel_races_the_delivery:
        "revoked, and a value", "delivered, and the count is frozen", "the value came before the uncancel"),
    model!(cancel_and_uncancel_by_two_threads_race_the_poll: "cancelled", "revoked", "nothing to take back").bounded(3),
    model!(checkpoint_races_uncancel:
        "revoked before the checkpoint", "revoked while suspended", "delivered at the checkpoint"),
    model!(the_waker_is_replaced_while_cancel_wakes:
        "the former waker was called", "it was not", "seen by the poll", "woken by the new waker"),
    model!(a_canceller_that_looked_at_a_former_waker_does_not_take_it:
        "it called the new one", "the poll found its request"),
    model!(cancel_from_a_destructor_that_a_delivery_runs: "one request was frozen", "two requests were frozen"),
    model!(two_cancels_make_one_delivery: "one counted", "two counted").bounded(4),
];

fn cancel_races_a_poll_that_returns_pending() {
    let ran = Flag::default();
    let task = ShieldableTask::new({
        let ran = ran.clone();
        async move {
            ran.set();
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let canceller = spawn("canceller", move || assert!(call("cancel", || handle.cancel())));

    let Finished { output, polls, .. } = Runner::new("the task", task).finish_and_tell();
    assert_eq!(output, Err(Cancelled::new()));
    saw(match (ran.is_set(), polls) {
        (false, 1) => "delivered before the body ran",
        (true, 1) => "delivered in the poll that it raced with",
        (true, 2) => "delivered after a wake",
        other => panic!("polled without need: {other:?}"),
    });
    canceller.join().unwrap();
}

fn cancel_races_a_body_that_returns() {
    let done = Arc::new(Payload::new(0));
    let task = ShieldableTask::new({
        let done = done.clone();
        async move { done.bump() }
    });
    let handle = task.handle();
    let canceller = spawn("canceller", move || {
        let accepted = call("cancel", || handle.cancel());
        if !accepted {
            // Before `is_finished`, which would make it visible by itself.
            assert_eq!(done.get(), 1);
            assert!(handle.is_finished());
        }
        accepted
    });

    let output = run("the task", task);
    saw(match (output.is_ok(), canceller.join().unwrap()) {
        (true, false) => "a value, and the cancel came too late",
        (true, true) => "a value, though the request was accepted",
        (false, true) => "cancelled",
        (false, false) => panic!("cancelled by nobody"),
    });
}

fn a_body_that_returns_is_visible_to_whoever_finds_it_finished() {
    let done = Arc::new(Payload::new(0));
    let task = ShieldableTask::new({
        let done = OnDrop({
            let done = done.clone();
            move || done.bump()
        });
        async move { drop(done) }
    });
    let handle = task.handle();
    let observer = spawn("observer", move || {
        if call("is_finished", || handle.is_finished()) {
            assert_eq!(done.get(), 1);
            saw("finished");
        } else {
            saw("not finished yet");
        }
    });

    assert!(run("the task", task).is_ok());
    observer.join().unwrap();
}

fn writes_before_cancel_are_visible_to_the_destructors_it_causes() {
    let written = Arc::new(Payload::new(0));
    let task = ShieldableTask::new({
        let reads = OnDrop({
            let written = written.clone();
            move || assert_eq!(written.get(), 1)
        });
        async move {
            let _reads = reads;
            pending::<()>().await
        }
    });
    let handle = task.handle();
    let canceller = spawn("canceller", move || {
        written.bump();
        call("cancel", || handle.cancel())
    });

    let Finished { output, polls, .. } = Runner::new("the task", task).finish_and_tell();
    assert_eq!(output, Err(Cancelled::new()));
    saw(if polls == 1 { "delivered at once" } else { "delivered later" });
    canceller.join().unwrap();
}

fn a_request_that_remains_carries_what_was_done_before_it() {
    let written = Arc::new(Payload::new(0));
    let task = ShieldableTask::new({
        let reads = OnDrop({
            let written = written.clone();
            move || assert_eq!(written.get(), 1)
        });
        async move {
            let _reads = reads;
            pending::<()>().await
        }
    });
    let (handle, other) = (task.handle(), task.handle());
    // Two requests are there before anybody races, so that one remains whatever is taken back.
    handle.cancel();
    handle.cancel();
    handle.uncancel();
    handle.uncancel();
    let canceller = spawn("canceller", move || {
        written.bump();
        call("cancel", || handle.cancel());
        call("cancel", || handle.cancel());
    });
    let revoker = spawn("revoker", move || call("uncancel", || other.uncancel()));

    assert_eq!(run("the task", task), Err(Cancelled::new()));
    saw("delivered");
    canceller.join().unwrap();
    revoker.join().unwrap();
}

fn uncancel_races_the_delivery() {
    let task = ShieldableTask::new(yield_once());
    let handle = task.handle();
    let other = spawn("canceller", move || {
        call("cancel", || handle.cancel());
        call("uncancel", || handle.uncancel())
    });

    let output = run("the task", task);
    saw(match (output.is_ok(), other.join().unwrap()) {
        (true, 0) => "revoked, and a value",
        (true, 1) => "the value came before the uncancel",
        (false, 1) => "delivered, and the count is frozen",
        other => panic!("a request was both revoked and delivered: {other:?}"),
    });
}

fn cancel_and_uncancel_by_two_threads_race_the_poll() {
    let task = ShieldableTask::new(yield_once());
    let (handle, other, after) = (task.handle(), task.handle(), task.handle());
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));
    let revoker = spawn("revoker", move || call("uncancel", || other.uncancel()));

    let output = run("the task", task);
    let accepted = canceller.join().unwrap();
    let left = revoker.join().unwrap();
    saw(match (output.is_ok(), after.cancelling()) {
        (false, 1) => "cancelled",
        (true, 0) if accepted && left == 0 => "revoked",
        (true, 0 | 1) => "nothing to take back",
        other => panic!("a request was both revoked and delivered: {other:?}"),
    });
    // Frozen with the end.
    assert_eq!(after.uncancel(), after.cancelling());
}

fn checkpoint_races_uncancel() {
    let task = ShieldableTask::new(async {
        TaskHandle::current().cancel();
        checkpoint().await;
    });
    let handle = task.handle();
    let revoker = spawn("revoker", move || call("uncancel", || handle.uncancel()));

    let Finished { output, polls, .. } = Runner::new("the task", task).finish_and_tell();
    saw(match (output.is_ok(), polls) {
        (true, 1) => "revoked before the checkpoint",
        (true, 2) => "revoked while suspended",
        (false, 1) => "delivered at the checkpoint",
        other => panic!("unexpected: {other:?}"),
    });
    let left = revoker.join().unwrap();
    assert!(output.is_err() || left == 0, "a value with {left} requests left, none of them delivered");
}

fn the_waker_is_replaced_while_cancel_wakes() {
    let task = ShieldableTask::new(pending::<()>());
    let handle = task.handle();
    let runner = Runner::new("the task, at first,", task).suspends().move_to_another_waker("the task");
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));

    let Finished { output, polls, former_was_called } = runner.finish_and_tell();
    assert_eq!(output, Err(Cancelled::new()));
    saw(if former_was_called { "the former waker was called" } else { "it was not" });
    saw(if polls == 2 { "seen by the poll" } else { "woken by the new waker" });
    canceller.join().unwrap();
}

/// Between its look and its step the former waker is taken by another, the request of that one is taken back, and a new
/// waker is registered: the task is as it was but for that.
fn a_canceller_that_looked_at_a_former_waker_does_not_take_it() {
    let task = ShieldableTask::new(pending::<()>());
    let handle = task.handle();
    let mut task = pin!(task);
    let [former, new] = [Counting::new(), Counting::new()];
    assert!(former.poll(task.as_mut()).is_pending());
    let canceller = spawn("canceller", {
        let handle = handle.clone();
        move || call("cancel", || handle.cancel())
    });
    call("cancel", || handle.cancel());
    call("uncancel", || handle.uncancel());
    let polled = new.poll(task.as_mut());
    assert!(canceller.join().unwrap());
    let calls = [former.calls(), new.calls()];
    saw(match (calls, polled.is_ready()) {
        ([1, 0], true) => "the poll found its request",
        ([1, 1], _) => "it called the new one",
        _ => {
            // One that was called too often is dropped too often.
            std::mem::forget((former, new));
            panic!("called {calls:?} times");
        }
    });
}

/// Counts its calls.
#[derive(Default)]
struct Calls(AtomicUsize);

impl Wake for Calls {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

struct Counting(Arc<Calls>);

impl Counting {
    fn new() -> Self {
        Self(Arc::default())
    }

    fn poll<F: Future>(&self, future: Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(&Waker::from(self.0.clone())))
    }

    fn calls(&self) -> usize {
        self.0.0.load(Relaxed)
    }
}

fn cancel_from_a_destructor_that_a_delivery_runs() {
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let slot = slot.clone();
        async move {
            let handle: TaskHandle = slot.take();
            let _destructor = OnDrop(move || {
                let frozen = handle.cancelling();
                assert!(handle.cancel() && !handle.is_finished());
                assert!(try_shield_scope().is_ok());
                assert_eq!((handle.uncancel(), handle.cancelling()), (frozen, frozen));
                saw(if frozen == 1 { "one request was frozen" } else { "two requests were frozen" });
            });
            pending::<()>().await
        }
    });
    slot.put(task.handle());
    let handle = task.handle();
    let runner = Runner::new("the task", task).suspends();
    let canceller = spawn("canceller", move || {
        call("cancel", || handle.cancel());
        call("cancel", || handle.cancel());
    });

    assert_eq!(runner.finish(), Err(Cancelled::new()));
    canceller.join().unwrap();
}

fn two_cancels_make_one_delivery() {
    let task = ShieldableTask::new(pending::<()>());
    let (one, two, after) = (task.handle(), task.handle(), task.handle());
    let runner = Runner::new("the task", task).suspends();
    let one = spawn("one", move || call("cancel", || one.cancel()));
    let two = spawn("two", move || call("cancel", || two.cancel()));

    assert_eq!(runner.finish(), Err(Cancelled::new()));
    assert!(one.join().unwrap() | two.join().unwrap());
    saw(if after.cancelling() == 1 { "one counted" } else { "two counted" });
}
