//! NST: scopes inside scopes, their requests and their shields.

#[path = "support/stage.rs"]
mod stage;
mod support;

use std::future::{Future, pending};
use std::task::{Context, Poll};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use shieldable::{
    CancelHandle, CancelScope, Cancelled, ShieldScope, ShieldableTask, TaskHandle, is_shielded, shield_scope, shielded,
    timeout_with,
};
use stage::{Moving, Stage, poll_once};
use support::{Driven, Log, Slot, panic_text, suspend};

/// NST-1
#[test]
fn a_cancelled_inner_scope_leaves_the_task_around_it_without_a_request() {
    let inner = CancelScope::new(pending::<()>());
    let inner_handle = inner.handle();
    let task = ShieldableTask::new(async move {
        let outcome = inner.await;
        suspend().await;
        (outcome, TaskHandle::current().cancelling())
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    assert!(inner_handle.cancel());
    assert_eq!(task.take_wakes(), 1);
    assert_eq!(handle.cancelling(), 0);
    task.suspends();
    assert_eq!(task.finishes(), Ok((Err(Cancelled::new()), 0)));
    assert_eq!(inner_handle.cancelling(), 1);
}

/// NST-1: what an inner scope did not deliver ends with it.
#[test]
fn a_request_that_the_inner_body_outran_is_not_passed_on_to_the_task() {
    let inner = CancelScope::new(async {
        let _shield = shield_scope();
        suspend().await;
        8
    });
    let inner_handle = inner.handle();
    let task = ShieldableTask::new(async move {
        let value = inner.await;
        suspend().await;
        (value, TaskHandle::current().cancelling())
    });
    let mut task = Driven::new(task);
    task.suspends();
    inner_handle.cancel();
    task.suspends();
    assert_eq!(task.finishes(), Ok((Ok(8), 0)));
}

/// NST-2
#[test]
fn a_shield_in_the_innermost_scope_defers_the_requests_of_all_scopes_around_it() {
    let log = Log::new();
    let middle_handle = Slot::new();
    let task = ShieldableTask::new({
        let (log, middle_handle) = (log.clone(), middle_handle.clone());
        async move {
            let middle = CancelScope::new({
                let log = log.clone();
                async move {
                    CancelScope::new(async {
                        let _shield = shield_scope();
                        suspend().await;
                        suspend().await;
                        log.note("shielded work is whole");
                    })
                    .await
                    .unwrap();
                    log.note("after the innermost");
                    suspend().await;
                    log.note("the middle went on");
                }
            });
            middle_handle.put(middle.handle());
            assert!(middle.await.is_err());
            log.note("after the middle");
            suspend().await;
            log.note("the task went on");
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    let middle_handle = middle_handle.take();
    assert!(handle.is_shielded() && middle_handle.is_shielded());
    handle.cancel();
    middle_handle.cancel();
    task.suspends();
    log.assert(&[]);
    assert!(task.finishes().is_err());
    log.assert(&["shielded work is whole", "after the innermost", "after the middle"]);
}

/// NST-3
#[test]
fn a_request_to_a_scope_opened_inside_a_shield_fires() {
    let inner = CancelScope::new(pending::<()>());
    let inner_handle = inner.handle();
    let task = ShieldableTask::new(async move {
        let _shield = shield_scope();
        inner.await
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    task.suspends();
    inner_handle.cancel();
    assert_eq!(task.finishes(), Ok(Err(Cancelled::new())));
}

/// NST-3: an identity makes no difference.
#[test]
fn a_task_inline_inside_a_shield_can_be_cancelled_by_itself() {
    let inner = ShieldableTask::new(pending::<()>());
    let inner_handle = inner.handle();
    let mut task = Driven::new(ShieldableTask::new(shielded(inner)));
    task.suspends();
    assert!(!inner_handle.is_shielded());
    inner_handle.cancel();
    assert_eq!(task.finishes(), Ok(Err(Cancelled::new())));
}

/// NST-4
#[test]
fn an_outer_delivery_drops_the_scopes_inside_along_with_their_locals() {
    let log = Log::new();
    let inner = CancelScope::new({
        let local = log.on_drop("inner local");
        async move {
            let _local = local;
            pending::<()>().await
        }
    });
    let inner_handle = inner.handle();
    let task = ShieldableTask::new({
        let local = log.on_drop("outer local");
        async move {
            let _local = local;
            inner.await
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert!(task.finishes().is_err());
    log.assert(&["inner local", "outer local"]);
    assert!(inner_handle.is_finished() && !inner_handle.was_torn());
    assert!(!inner_handle.cancel());
}

/// NST-6
#[test]
fn with_requests_on_all_levels_the_outermost_wins_at_the_beginning_of_a_poll() {
    let log = Log::new();
    let inner = CancelScope::new(pending::<()>());
    let inner_handle = inner.handle();
    let task = ShieldableTask::new({
        let log = log.clone();
        async move {
            let _ = inner.await;
            log.note("code around the inner scope");
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    inner_handle.cancel();
    handle.cancel();
    assert!(task.finishes().is_err());
    log.assert(&[]);
}

/// NST-6
#[test]
fn with_requests_on_all_levels_the_innermost_wins_at_a_suspension_and_then_the_next() {
    let log = Log::new();
    let handles = Slot::<[CancelHandle; 3]>::new();
    let innermost = CancelScope::new({
        let (log, handles) = (log.clone(), handles.clone());
        async move {
            handles.take().iter().for_each(|handle| assert!(handle.cancel()));
            suspend().await;
            log.note("the innermost went on");
        }
    });
    let innermost_handle = innermost.handle();
    let middle = CancelScope::new({
        let log = log.clone();
        async move {
            assert!(innermost.await.is_err());
            log.note("around the innermost");
            suspend().await;
            log.note("the middle went on");
        }
    });
    let middle_handle = middle.handle();
    let task = ShieldableTask::new({
        let log = log.clone();
        async move {
            assert!(middle.await.is_err());
            log.note("around the middle");
            suspend().await;
            log.note("the task went on");
        }
    });
    handles.put([task.handle().into(), middle_handle, innermost_handle]);
    assert!(Driven::new(task).finishes().is_err());
    log.assert(&["around the innermost", "around the middle"]);
}

/// NST-5: one, however many the inner scope has, and only while it is suspended.
#[test]
fn a_suspended_inner_scope_shields_the_one_around_until_it_suspends_without_a_shield() {
    let task = ShieldableTask::new(async {
        let mut inner = Box::pin(CancelScope::new(async {
            let shields = (shield_scope(), shield_scope());
            suspend().await;
            assert!(is_shielded());
            drop(shields.0);
            suspend().await;
            drop(shields.1);
            assert!(!is_shielded());
            suspend().await;
        }));
        let own = TaskHandle::current();
        for shielded in [true, true, false] {
            assert!(poll_once(inner.as_mut()).await.is_pending());
            assert_eq!((is_shielded(), own.is_shielded()), (shielded, shielded));
            suspend().await;
        }
        assert!(poll_once(inner.as_mut()).await.is_ready());
    });
    let mut task = Driven::new(task);
    for _ in 0..3 {
        task.suspends();
        assert_eq!(task.take_wakes(), 0, "taking and giving back in the own poll wakes nobody");
    }
    assert_eq!(task.finishes(), Ok(()));
}

/// NST-7: only the scope around has a request, and the last guard inside is dropped elsewhere.
#[test]
fn the_last_guard_of_an_inner_scope_dropped_elsewhere_lets_the_outer_request_in() {
    let log = Log::new();
    let guard = Slot::new();
    let task = ShieldableTask::new({
        let (log, guard) = (log.clone(), guard.clone());
        async move {
            let _local = log.on_drop("delivered");
            let inner = CancelScope::new(async {
                guard.put(shield_scope());
                suspend().await;
                log.note("inner polled");
                suspend().await;
                log.note("inner polled too often");
            });
            inner.await
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert_eq!(task.take_wakes(), 1);
    drop(guard.take());
    assert_eq!(task.take_wakes(), 1);
    assert!(handle.is_shielded(), "outside it is noticed at the next poll of the inner scope");
    log.assert(&[]);
    assert!(task.finishes().is_err());
    log.assert(&["inner polled", "delivered"]);
}

/// NST-7: also if a combinator in between polls only what has been woken.
#[test]
fn the_wake_of_an_inner_guard_dropped_elsewhere_reaches_the_inner_scope() {
    let guard = Slot::new();
    let inner = |guard: Slot<ShieldScope>| {
        CancelScope::new(async move {
            guard.put(shield_scope());
            pending::<()>().await
        })
    };
    let other = Slot::new();
    let branches: FuturesUnordered<_> = [inner(guard.clone()), inner(other.clone())].into_iter().collect();
    let task = ShieldableTask::new(branches.collect::<Vec<_>>());
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    task.suspends();
    drop(guard.take());
    task.suspends();
    assert!(handle.is_shielded(), "the other branch still shields");
    task.take_wakes();
    drop(other.take());
    assert_eq!(task.take_wakes(), 1);
    assert!(task.finishes().is_err());
}

fn shielded_inner(release: Slot<ShieldScope>) -> Moving<CancelScope<impl Future<Output = ()>>> {
    Moving::new(CancelScope::new(async move {
        release.put(shield_scope());
        pending::<()>().await;
    }))
}

/// NST-8
#[test]
fn an_inner_scope_that_is_kept_and_not_polled_shields_until_it_is_dropped() {
    let mut task = Stage::new();
    let inner = shielded_inner(Slot::new());
    assert!(task.poll(&inner).is_pending());
    task.handle().cancel();
    assert_eq!(task.take_wakes(), 1);
    for _ in 0..3 {
        assert!(task.poll_idle().is_pending());
        assert!(task.handle().is_shielded());
    }
    assert_eq!(task.take_wakes(), 0);
    inner.cut();
    assert_eq!(task.take_wakes(), 1, "dropped elsewhere, so it wakes");
    assert!(task.poll_idle().is_ready());
}

/// NST-5: dropped in the task's own poll, so nobody is woken and the suspension after it delivers.
#[test]
fn an_inner_scope_dropped_by_the_task_itself_stops_shielding_it_at_once() {
    let mut task = Stage::new();
    let inner = shielded_inner(Slot::new());
    assert!(task.poll(&inner).is_pending());
    let still_shielded = task.run(move || {
        inner.cut();
        is_shielded()
    });
    assert!(!still_shielded);
    assert_eq!(task.take_wakes(), 0);
    task.handle().cancel();
    assert!(task.poll_idle().is_ready());
}

/// NST-8
#[test]
fn a_suspended_scope_that_moves_from_a_to_b_shields_a_until_b_polls_it() {
    let (mut a, mut b) = (Stage::new(), Stage::new());
    let inner = shielded_inner(Slot::new());
    assert!(a.poll(&inner).is_pending());
    a.handle().cancel();
    assert!(a.poll_idle().is_pending());
    assert!(!b.handle().is_shielded());
    a.take_wakes();

    assert!(b.poll(&inner).is_pending());
    assert!(!a.handle().is_shielded() && b.handle().is_shielded());
    assert_eq!(a.take_wakes(), 1, "its request is deliverable now");
    assert!(a.poll_idle().is_ready());
    b.handle().cancel();
    assert!(b.poll_idle().is_pending());
    inner.cut();
    assert!(b.poll_idle().is_ready());
}

/// NST-5: the scope around is where it is polled, not where it was made.
#[test]
fn an_inner_scope_first_polled_outside_everything_shields_whoever_polls_it_next() {
    let mut task = Stage::new();
    let inner = shielded_inner(Slot::new());
    assert!(inner.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
    assert!(!task.handle().is_shielded());
    assert!(task.poll(&inner).is_pending());
    assert!(task.handle().is_shielded());
    assert!(inner.poll(&mut Context::from_waker(std::task::Waker::noop())).is_pending());
    assert!(!task.handle().is_shielded(), "polled outside again");
}

/// NST-5: no way to end leaves the hold behind.
#[test]
fn an_inner_scope_that_ends_in_whatever_way_gives_its_hold_back() {
    let mut task = Stage::new();
    let guard = Slot::new();
    let inner = shielded_inner(guard.clone());
    assert!(task.poll(&inner).is_pending());
    drop(guard.take());
    inner.cut();
    assert!(!task.handle().is_shielded(), "dropped with its guard closed elsewhere");

    let panicking = Moving::new(CancelScope::new(async {
        let _shield = shield_scope();
        suspend().await;
        panic!("in the second poll");
    }));
    assert!(task.poll::<CancelScope<_>>(&panicking.clone()).is_pending());
    assert!(task.handle().is_shielded());
    let text = task.run_with(move |cx| {
        panic_text(|| {
            let _: Poll<Result<(), _>> = panicking.poll(cx);
        })
    });
    assert_eq!(text, "in the second poll");
    assert!(!task.handle().is_shielded());
    assert_eq!(task.run(TaskHandle::current), *task.handle());
}

/// NST-2, NST-5: a timeout is a scope like any other.
#[test]
fn a_timeout_with_a_shield_inside_shields_the_task_around_it() {
    let task = ShieldableTask::new(timeout_with(pending::<()>(), async {
        shielded(suspend()).await;
        suspend().await;
    }));
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert!(handle.is_shielded());
    assert!(task.finishes().is_err());
}
