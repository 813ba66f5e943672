//! The numbers of SPEC.md section 5, each reached while another thread takes away from what is counted, or adds to it.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use crate::aged;
use crate::checker::call_begins;
use crate::common::*;
use crate::timeline::lanes_catch;

pub const MODELS: &[Model] = &[
    model!(requests_up_to_the_greatest_count_race_uncancel: "all are counted", "one more than can be counted"),
    model!(a_shield_too_many_races_one_that_is_closed_elsewhere: "refused", "opened in its place"),
    model!(a_level_too_deep_races_a_guard_dropped_elsewhere: "too deep", "entered in its place"),
    model!(a_long_run_of_checkpoints_races_cancel:
        "suspended for the request", "delivered where it suspended for fairness", "suspended for fairness"),
    model!(a_wait_comes_while_a_full_batch_is_notified: "notified with the others", "came after the notification"),
];

fn requests_up_to_the_greatest_count_race_uncancel() {
    const MOST: usize = (1 << 24) - 1;
    let task = aged::after_requests(MOST as u64 - 1, || aged::ShieldableTask::new(pending::<()>()));
    let (handle, cancels) = (task.handle(), task.handle());
    assert_eq!(handle.cancelling(), MOST - 1);
    let canceller = spawn("canceller", move || {
        for _ in 0..2 {
            assert!(call("cancel", || cancels.cancel()));
        }
    });

    call("uncancel", || handle.uncancel());
    canceller.join().unwrap();
    saw(match MOST - handle.cancelling() {
        0 => "all are counted",
        1 => "one more than can be counted",
        less => panic!("{less} less than the greatest count"),
    });
    for _ in 0..2 {
        assert!(handle.cancel());
        assert_eq!(handle.cancelling(), MOST);
    }
    assert_eq!(handle.uncancel(), MOST - 1);
    assert_eq!(run("the task", task), Err(Cancelled::new()));
}

fn a_shield_too_many_races_one_that_is_closed_elsewhere() {
    const MOST: i64 = 1 << 24;
    lanes_catch();
    let try_to_open = || catch_unwind(AssertUnwindSafe(aged::shield_scope)).ok();
    let slot = Slot::new();
    let body = {
        let slot = slot.clone();
        async move {
            slot.put(aged::shield_scope());
            assert!(try_to_open().is_none());
            yield_once().await;
            let early = try_to_open();
            saw(if early.is_some() { "opened in its place" } else { "refused" });
            yield_once().await;
            // The other one is closed by now. One place was free, and is taken.
            let late = try_to_open();
            assert_eq!(late.is_some(), early.is_none());
            assert!(try_to_open().is_none());
        }
    };
    let task = aged::after_shields(MOST - 1, || aged::ShieldableTask::new(body));
    let task = Runner::new("the task", task).suspends();
    let guard = slot.take();
    let other = spawn("other", move || call("drop the guard", || drop(guard)));

    let task = task.suspends();
    other.join().unwrap();
    assert_eq!(task.finish(), Ok(()));
}

fn a_level_too_deep_races_a_guard_dropped_elsewhere() {
    const DEEPEST: u64 = 4095;
    type Shared = Arc<aged::RLock>;
    let enter = |lock: &Shared| lock.try_lock().map(std::mem::forget);
    let (slot, guard) = (Slot::<Shared>::new(), Slot::new());
    let task = aged::ShieldableTask::new(async {
        let lock = slot.take();
        guard.put(lock.clone().try_lock_owned().unwrap());
        assert_eq!(enter(&lock), Err(TryLockError::TooDeep));
        yield_once().await;
        let early = call("try_lock", || enter(&lock));
        saw(if early.is_ok() { "entered in its place" } else { "too deep" });
        yield_once().await;
        // The other one is dropped by now. One level was free, and is taken.
        assert_eq!(enter(&lock), if early.is_ok() { Err(TryLockError::TooDeep) } else { Ok(()) });
        assert_eq!(enter(&lock), Err(TryLockError::TooDeep));
        assert!(lock.is_held_by_current());
    });
    let lock = Arc::new(aged::after_levels(DEEPEST - 1, task.handle().id(), || aged::RLock::new(())));
    slot.put(lock.clone());
    let task = Runner::new("the task", task).suspends();
    let guard = guard.take();
    let other = spawn("other", move || call("drop the guard", || drop(guard)));

    let task = task.suspends();
    other.join().unwrap();
    assert_eq!(task.finish(), Ok(()));
    let stranger = aged::ShieldableTask::new(async { enter(&lock) });
    assert_eq!(run("a stranger", stranger), Ok(Err(TryLockError::WouldBlock)));
}

/// The request comes at the last checkpoint that does not suspend for fairness, or at the first that does, or later;
/// then it is taken back. Meanwhile the canceller passes as many, outside every scope.
fn a_long_run_of_checkpoints_races_cancel() {
    const BUDGET: usize = 128;
    let passed = Arc::new(AtomicUsize::new(0));
    let pass = |passed: Arc<AtomicUsize>| async move {
        checkpoint().await;
        passed.fetch_add(1, Ordering::Relaxed) + 1
    };
    let has_passed = || passed.load(Ordering::Relaxed);
    let canceller = Slot::new();
    let task = ShieldableTask::new(async {
        while pass(passed.clone()).await < BUDGET - 1 {}
        let handle = TaskHandle::current();
        canceller.put(spawn("canceller", move || {
            let outside = Arc::new(AtomicUsize::new(0));
            let all = async { while pass(outside.clone()).await <= 2 * BUDGET {} };
            assert!(Runner::new("outside", all).poll().is_ready(), "nobody would begin the count afresh");
            assert!(call("cancel", || handle.cancel()));
        }));
        // The canceller may be done before this one looks.
        call_begins();
        while pass(passed.clone()).await <= 2 * BUDGET + 1 {}
    });
    let handle = task.handle();
    let mut task = Runner::new("the task", task);

    let polled = task.poll();
    canceller.take().join().unwrap();
    match polled {
        Poll::Pending => {
            assert_eq!(has_passed(), BUDGET);
            assert_eq!(handle.uncancel(), 0);
            assert!(task.poll().is_pending());
            assert_eq!(has_passed(), BUDGET + 1 + BUDGET, "the one that had suspended, and as many as before");
            assert_eq!(task.finish(), Ok(()));
            saw("suspended for fairness");
        }
        Poll::Ready(output) => {
            assert_eq!(output, Err(Cancelled::new()));
            saw(match BUDGET - has_passed() {
                1 => "suspended for the request",
                0 => "delivered where it suspended for fairness",
                early => panic!("{early} before it may suspend for fairness"),
            });
        }
    }
}

/// A notification takes so many out of the queue at a time, and then lets others at it while it wakes them.
fn a_wait_comes_while_a_full_batch_is_notified() {
    const BATCH: usize = 32;
    let waiter = Arc::new(Waiter::new());
    let woken = Arc::new(AtomicUsize::new(0));
    let waker = waker_that({
        let woken = woken.clone();
        move || _ = woken.fetch_add(1, Ordering::Relaxed)
    });
    let cx = &mut Context::from_waker(&waker);
    let mut early: Vec<_> = (0..BATCH).map(|_| Box::pin(waiter.wait())).collect();
    assert!(early.iter_mut().all(|wait| wait.as_mut().poll(cx).is_pending()));
    let notifier = spawn("notifier", {
        let waiter = waiter.clone();
        move || call("notify", || waiter.notify())
    });

    let mut later = Runner::new("the later", call("wait", || waiter.wait()));
    let at_once = later.poll().is_ready();
    notifier.join().unwrap();
    assert_eq!(woken.load(Ordering::Relaxed), BATCH);
    assert!(early.iter_mut().all(|wait| wait.as_mut().poll(cx).is_ready()));
    let over = later.poll().is_ready();
    assert!(at_once || later.was_woken() == over, "woken if and only if notified");
    saw(if over { "notified with the others" } else { "came after the notification" });
}
