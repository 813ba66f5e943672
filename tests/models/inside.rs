//! What code finds inside a scope while others act on it from outside: who it is, what is requested, what is shielded,
//! and futures of the crate that are polled again.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::common::*;

pub const MODELS: &[Model] = &[
    model!(a_request_of_the_task_is_pending_in_a_scope_inside_once_it_was_seen:
        "pending", "not yet seen", "cancelled before it ran"),
    model!(a_checkpoint_polled_again_at_once_races_cancel:
        "suspended once", "did not suspend", "cancelled before it ran"),
    model!(a_deadline_that_passes_in_a_shield_is_not_looked_at_again: "before the shield was closed", "after it"),
    model!(cancel_races_the_destructors_of_shielded_futures:
        "requested before it suspended", "requested after it"),
    model!(a_task_inside_another_waits_for_the_lock_of_that_one_and_re_enters_in_a_scope:
        "the former waker was called", "it was not"),
    model!(a_canceller_that_looks_for_a_handle_finds_the_right_task: "cancelled", "returned before that"),
];

fn a_request_of_the_task_is_pending_in_a_scope_inside_once_it_was_seen() {
    let task = ShieldableTask::new(async {
        let around = TaskHandle::current();
        let inner = CancelScope::new(CancelScope::new(async {
            let seen = around.cancelling() > 0;
            let found = call("cancel_pending", cancel_pending);
            assert!(found || !seen, "a request of the task that was seen before");
            let shield = shield_scope();
            assert!(!cancel_pending(), "a shield stands between");
            drop(shield);
            saw(if seen { "pending" } else { "not yet seen" });
        }));
        assert_eq!(inner.await, Ok(Ok(())));
    });
    let handle = task.handle();
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));

    if Runner::new("the task", task).poll() == Poll::Ready(Err(Cancelled::new())) {
        saw("cancelled before it ran");
    }
    canceller.join().unwrap();
}

fn a_checkpoint_polled_again_at_once_races_cancel() {
    let task = ShieldableTask::new(async {
        let mut point = pin!(checkpoint());
        let suspended = call("poll", || poll_once(point.as_mut()).is_pending());
        let again = call("poll again", || poll_once(point.as_mut()).is_pending());
        assert!(!(suspended && again), "it suspends once");
        saw(if suspended { "suspended once" } else { "did not suspend" });
    });
    let handle = task.handle();
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));

    if Runner::new("the task", task).poll() == Poll::Ready(Err(Cancelled::new())) {
        saw("cancelled before it ran");
    }
    canceller.join().unwrap();
}

fn a_deadline_that_passes_in_a_shield_is_not_looked_at_again() {
    let deadline = Arc::new(Waiter::new());
    // One that must not be polled again after it was ready.
    let timer = {
        let deadline = deadline.clone();
        async move { deadline.wait().await }
    };
    let timeout = timeout_with(timer, async {
        let shield = shield_scope();
        yield_once().await;
        yield_once().await;
        drop(shield);
        pending::<()>().await
    });
    let mut timeout = Box::pin(timeout);
    assert!(poll_once(timeout.as_mut()).is_pending());
    let clock = spawn("clock", move || call("notify", || deadline.notify()));

    assert!(poll_once(timeout.as_mut()).is_pending());
    let polled = poll_once(timeout.as_mut());
    clock.join().unwrap();
    saw(if polled.is_ready() { "before the shield was closed" } else { "after it" });
    assert!(polled.is_ready() || poll_once(timeout.as_mut()).is_ready());
}

/// Suspends once. Its destructor is inside a shield.
struct InAShield {
    polled: bool,
    dropped: Flag,
}

impl InAShield {
    fn new() -> (Self, Flag) {
        let dropped = Flag::default();
        (Self { polled: false, dropped: dropped.clone() }, dropped)
    }
}

impl Future for InAShield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.polled, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for InAShield {
    fn drop(&mut self) {
        assert!(call("is_shielded", is_shielded), "its shield was closed before it was dropped");
        self.dropped.set();
    }
}

fn cancel_races_the_destructors_of_shielded_futures() {
    let task = ShieldableTask::new(async {
        let ((half, half_gone), (whole, whole_gone)) = (InAShield::new(), InAShield::new());
        let (mut half, mut whole) = (Box::pin(shielded(half)), Box::pin(shielded(whole)));
        assert!(poll_once(half.as_mut()).is_pending());
        drop(half);
        assert!(half_gone.is_set() && !is_shielded());
        assert!(poll_once(whole.as_mut()).is_pending());
        assert!(poll_once(whole.as_mut()).is_ready());
        assert!(whole_gone.is_set() && !is_shielded());
        pending::<()>().await
    });
    let handle = task.handle();
    let canceller = spawn("canceller", move || call("cancel", || handle.cancel()));

    let mut runner = Runner::new("the task", task);
    let polled = runner.poll();
    canceller.join().unwrap();
    saw(if polled.is_ready() { "requested before it suspended" } else { "requested after it" });
    assert!(polled.is_ready() || runner.poll().is_ready());
}

fn a_task_inside_another_waits_for_the_lock_of_that_one_and_re_enters_in_a_scope() {
    let lock = Arc::new(RLock::new(Payload::new(0)));
    let slot = Slot::new();
    let task = ShieldableTask::new({
        let (lock, slot) = (lock.clone(), slot.clone());
        async move {
            slot.put(lock.clone().lock_owned().await);
            let inner = ShieldableTask::new(async {
                let held = lock.lock().await;
                held.bump();
                CancelScope::new(async { lock.lock().await.bump() }).await
            });
            inner.await
        }
    });
    let task = Runner::new("the task, at first,", task).suspends().move_to_another_waker("the task");
    let guard = slot.take();
    let holder = bump_and_release(guard);

    let Finished { output, former_was_called, .. } = task.finish_and_tell();
    assert_eq!(output, Ok(Ok(Ok(()))));
    saw(if former_was_called { "the former waker was called" } else { "it was not" });
    holder.join().unwrap();
    let last = ShieldableTask::new(async { lock.try_lock().expect("everybody is gone").get() });
    assert_eq!(run("the last", last), Ok(3));
}

fn a_canceller_that_looks_for_a_handle_finds_the_right_task() {
    let [one, other] = [(); 2].map(|()| ShieldableTask::new(yield_once()));
    let (all, meant) = ([one.handle(), other.handle()], other.handle());
    let (mut one, mut other) = (Runner::new("the one", one).suspends(), Runner::new("the other", other).suspends());
    let canceller = spawn("canceller", move || {
        let found = all.iter().filter(|handle| **handle == meant).inspect(|handle| {
            call("cancel", || handle.cancel());
        });
        assert_eq!(found.count(), 1, "handles of one task");
    });

    assert_eq!(one.poll(), Poll::Ready(Ok(())), "nobody meant this one");
    saw(if other.poll() == Poll::Ready(Ok(())) { "returned before that" } else { "cancelled" });
    canceller.join().unwrap();
}
