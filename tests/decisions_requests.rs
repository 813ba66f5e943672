//! Making a request, taking it back, and who is woken.

mod support;

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use shieldable::{CancelHandle, CancelScope, ShieldableTask, TaskHandle, shield_scope, shielded};
use support::{Driven, OnDrop, Slot, ended, suspend};

// `cancel()`.

/// HDL-1, HDL-7
#[test]
fn cancel_adds_a_request_and_is_false_only_when_the_scope_is_done() {
    let scope = CancelScope::new(shielded(suspend()));
    let handle = scope.handle();
    let mut scope = Driven::new(scope);
    scope.suspends();
    assert!(handle.cancel() && handle.cancel());
    assert_eq!(handle.cancelling(), 2);
    assert_eq!(scope.finishes(), Ok(()));
    assert!(!handle.cancel());
    assert_eq!(handle.cancelling(), 2);
}

/// HDL-2: what has been woken is polled, and need not be woken again before that.
#[test]
fn the_first_cancel_after_each_suspension_wakes_once() {
    let task = ShieldableTask::new(shielded(pending::<()>()));
    let handle = task.handle();
    let mut task = Driven::new(task);
    for _ in 0..3 {
        task.suspends();
        assert_eq!(task.take_wakes(), 0);
        handle.cancel();
        assert_eq!(task.take_wakes(), 1);
        handle.cancel();
        handle.uncancel();
        handle.cancel();
        assert_eq!(task.take_wakes(), 0);
    }
}

/// HDL-2: the first poll will look by itself.
#[test]
fn cancelling_a_scope_that_was_never_polled_wakes_nobody_and_is_seen_by_its_first_poll() {
    let task = ShieldableTask::new(pending::<()>());
    let handle = task.handle();
    let mut task = Driven::new(task);
    handle.cancel();
    assert_eq!(task.take_wakes(), 0);
    assert!(task.finishes().is_err());
}

/// HDL-2: a scope that moved is woken where it was polled last.
#[test]
fn cancel_wakes_the_waker_of_the_last_poll() {
    let mut scope = Box::pin(CancelScope::new(pending::<()>()));
    let handle = scope.handle();
    let mut first = Driven::new(poll_fn(|cx| scope.as_mut().poll(cx)));
    first.suspends();
    handle.cancel();
    handle.uncancel();
    assert_eq!(first.take_wakes(), 1);
    drop(first);
    let mut second = Driven::new(poll_fn(|cx| scope.as_mut().poll(cx)));
    second.suspends();
    handle.cancel();
    assert_eq!(second.take_wakes(), 1);
}

/// HDL-2, HDL-11: and it keeps no other.
#[test]
fn a_scope_keeps_the_waker_of_its_last_poll_only_and_one_clone_of_it() {
    let mut scope = Box::pin(CancelScope::new(pending::<()>()));
    let (first, second) = (Driven::new(async {}), Driven::new(async {}));
    for _ in 0..3 {
        assert!(first.lend_waker(scope.as_mut()).is_pending());
        assert_eq!(first.wakers_held(), 1);
    }
    assert!(second.lend_waker(scope.as_mut()).is_pending());
    assert_eq!((first.wakers_held(), second.wakers_held()), (0, 1));
    assert!(scope.handle().cancel());
    assert_eq!((first.take_wakes(), second.take_wakes()), (0, 1));
    assert_eq!(second.wakers_held(), 0, "it has been called");
    scope.handle().uncancel();
    assert!(second.lend_waker(scope.as_mut()).is_pending());
    assert_eq!(second.wakers_held(), 1);
}

/// HDL-3
#[test]
fn cancel_may_be_called_from_another_thread() {
    let task = ShieldableTask::new(pending::<()>());
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    assert!(thread::spawn(move || handle.cancel()).join().unwrap());
    assert_eq!(task.take_wakes(), 1);
    assert!(task.finishes().is_err());
}

/// HDL-3
#[test]
fn a_destructor_that_runs_because_of_a_delivery_may_cancel_other_scopes_and_its_own() {
    let other = ShieldableTask::new(pending::<()>());
    let other_handle = other.handle();
    let mut other = Driven::new(other);
    other.suspends();
    let task = ShieldableTask::new(async move {
        let _local = OnDrop(move || {
            assert!(other_handle.cancel());
            assert!(TaskHandle::current().cancel());
        });
        pending::<()>().await;
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert!(task.finishes().is_err());
    assert_eq!(other.take_wakes(), 1);
    assert!(other.finishes().is_err());
}

/// NST-6: a destructor of an inner delivery cancels the task around it, which delivers in the same poll if it suspends.
#[test]
fn a_destructor_of_an_inner_delivery_may_cancel_the_task_around_it() {
    let inner = Slot::<CancelHandle>::new();
    let task = ShieldableTask::new({
        let inner = inner.clone();
        async move {
            let scope = CancelScope::new(async {
                let _local = OnDrop(|| {
                    TaskHandle::current().cancel();
                });
                pending::<()>().await;
            });
            inner.put(scope.handle());
            assert!(scope.await.is_err());
            suspend().await;
            support::unreachable("the task has been cancelled");
        }
    });
    let mut task = Driven::new(task);
    task.suspends();
    inner.take().cancel();
    assert!(task.finishes().is_err());
}

/// Counts its polls.
struct Polls<F> {
    future: Pin<Box<F>>,
    count: Arc<AtomicUsize>,
}

impl<F: Future> Future for Polls<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.future.as_mut().poll(cx)
    }
}

fn counting<F: Future>(future: F) -> (Polls<F>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let polls = Polls { future: Box::pin(future), count: count.clone() };
    (polls, count)
}

/// SHD-14: one poll to start, one per `cancel()`, one for the timer.
#[tokio::test(start_paused = true)]
async fn a_shielded_cancelled_sleeping_task_does_not_spin() {
    let task = ShieldableTask::new(async {
        let _shield = shield_scope();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        7
    });
    let handle = task.handle();
    let (polls, count) = counting(task);
    let join = tokio::spawn(polls);
    tokio::task::yield_now().await;
    for _ in 0..3 {
        handle.cancel();
        tokio::task::yield_now().await;
    }
    assert_eq!(count.load(Ordering::Relaxed), 4);
    assert_eq!(ended(join).await.unwrap(), Ok(7));
    assert_eq!(count.load(Ordering::Relaxed), 5);
}

/// SHD-14: a deadline that has passed is one poll, not a poll after the other.
#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn a_shielded_task_whose_deadline_has_passed_does_not_spin() {
    let (polls, count) = counting(shieldable::time::timeout(Duration::from_secs(1), async {
        let _shield = shield_scope();
        tokio::time::sleep(Duration::from_secs(3600)).await;
        7
    }));
    assert_eq!(tokio::spawn(polls).await.unwrap(), Ok(7));
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

/// SHD-14, NST-5: nor one that is shielded from inside a nested scope.
#[tokio::test(start_paused = true)]
async fn a_task_shielded_by_an_inner_scope_does_not_spin() {
    let task = ShieldableTask::new(CancelScope::new(shielded(tokio::time::sleep(Duration::from_secs(9)))));
    let handle = task.handle();
    let (polls, count) = counting(task);
    let join = tokio::spawn(polls);
    tokio::task::yield_now().await;
    handle.cancel();
    assert_eq!(ended(join).await.unwrap(), Ok(Ok(())));
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

/// DLV-10, on threads: a request reaches a task that is asleep on another worker.
#[cfg(feature = "tokio")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sleeping_task_of_a_multi_threaded_runtime_is_cancelled() {
    let join = shieldable::spawn(pending::<()>());
    assert!(join.cancel());
    // Time runs here; the bound only makes a hang a failure.
    let outcome = tokio::time::timeout(Duration::from_secs(60), join).await.expect("it should have ended");
    assert!(outcome.unwrap_err().is_cancelled());
}

// `uncancel()`.

/// HDL-4
#[test]
fn uncancel_counts_down_to_zero_and_not_below() {
    let task = ShieldableTask::new(pending::<()>());
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    assert_eq!(handle.uncancel(), 0);
    handle.cancel();
    handle.clone().cancel();
    task.take_wakes();
    assert_eq!(handle.uncancel(), 1);
    assert_eq!(handle.uncancel(), 0);
    assert_eq!(handle.uncancel(), 0);
    assert_eq!(task.take_wakes(), 0);
    assert_eq!(handle.cancelling(), 0);
    handle.cancel();
    assert_eq!(handle.cancelling(), 1, "what was not there could not be taken back in advance");
}

/// HDL-5
#[test]
fn a_request_taken_back_before_it_is_delivered_is_not_delivered() {
    let task = ShieldableTask::new(async {
        suspend().await;
        suspend().await;
        7
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert_eq!(handle.uncancel(), 0);
    task.suspends();
    assert_eq!(task.finishes(), Ok(7));
}

/// HDL-5: CPython since 3.13.
#[test]
fn a_request_made_and_taken_back_inside_a_shield_is_not_delivered_after_it() {
    let mut task = Driven::new(ShieldableTask::new(async {
        {
            let _shield = shield_scope();
            let handle = TaskHandle::current();
            handle.cancel();
            suspend().await;
            assert_eq!(handle.uncancel(), 0);
        }
        suspend().await;
        7
    }));
    task.suspends();
    task.suspends();
    assert_eq!(task.finishes(), Ok(7));
}

/// HDL-4, HDL-5
#[test]
fn with_two_requests_one_taken_back_leaves_one_to_deliver() {
    let task = ShieldableTask::new(pending::<()>());
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    handle.cancel();
    assert_eq!(handle.uncancel(), 1);
    assert!(task.finishes().is_err());
}

/// HDL-6
#[test]
fn uncancel_after_the_end_returns_the_frozen_count() {
    let mut task = Driven::new(ShieldableTask::new(async {
        let handle = TaskHandle::current();
        handle.cancel();
        handle.cancel();
        handle
    }));
    let handle = task.finishes().unwrap();
    assert_eq!(handle.uncancel(), 2);
    assert_eq!(handle.uncancel(), 2);
    assert_eq!(handle.cancelling(), 2);
}

// The one outcome of a scope, as far as one thread can show it.

/// HDL-8, HDL-11
#[test]
fn a_handle_that_outlives_its_scope_answers_and_keeps_no_waker() {
    let task = ShieldableTask::named("short", suspend());
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    assert!(task.wakers_held() > 0);
    assert_eq!(task.finishes(), Ok(()));
    assert_eq!(task.wakers_held(), 0);
    drop(task);
    assert!(handle.is_finished() && !handle.cancel() && !handle.is_shielded());
    assert_eq!(handle.name(), Some("short"));
}

/// HDL-11: in every way to end.
#[test]
fn no_way_to_end_keeps_a_waker() {
    let cancelled = ShieldableTask::new(pending::<()>());
    let handle = cancelled.handle();
    let mut cancelled = Driven::new(cancelled);
    cancelled.suspends();
    handle.cancel();
    assert!(cancelled.finishes().is_err());
    assert_eq!(cancelled.wakers_held(), 0);

    let holder = Driven::new(async {});
    let mut dropped = Box::pin(ShieldableTask::new(pending::<()>()));
    let _handle = dropped.handle();
    assert!(holder.lend_waker(dropped.as_mut()).is_pending());
    assert_eq!(holder.wakers_held(), 1);
    drop(dropped);
    assert_eq!(holder.wakers_held(), 0);
}

/// HDL-10
#[test]
// Equality and hash are those of an address; what changes behind it does not matter to them.
#[allow(clippy::mutable_key_type)]
fn handles_are_equal_when_they_name_the_same_scope() {
    use std::collections::HashSet;

    let (one, two) = (ShieldableTask::new(async {}), ShieldableTask::new(async {}));
    assert_eq!(one.handle(), one.handle());
    assert_ne!(one.handle(), two.handle());
    assert_ne!(one.handle().id(), two.handle().id());
    let handles = HashSet::from([one.handle(), one.handle(), two.handle()]);
    assert_eq!(handles.len(), 2);
}
