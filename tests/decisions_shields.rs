//! A shield is a counted guard of one scope.

mod support;

use std::future::{Future, pending, poll_fn};
use std::task::Poll;
use std::thread;

use shieldable::{CancelScope, ShieldScope, ShieldableTask, TaskHandle, is_shielded, shield_scope, shielded};
use support::{Driven, Log, OnDrop, Slot, panic_text, suspend};

// Scopes are counted guards.

#[test]
fn guards_handles_and_tasks_may_cross_threads() {
    fn crosses<T: Send + Sync>(_: &T) {}
    crosses(&ShieldableTask::new(async {}));
    crosses(&ShieldableTask::new(async {}).handle());
    crosses(&CancelScope::new(async {}).handle());
    let guard = Slot::<ShieldScope>::new();
    crosses(&guard.is_empty());
    crosses::<Option<ShieldScope>>(&None);
}

/// SHD-1
#[test]
fn nested_shields_hold_until_the_last_one_closes() {
    let task = ShieldableTask::new(async {
        let outer = shield_scope();
        {
            let _inner = shield_scope();
            suspend().await;
        }
        suspend().await;
        drop(outer);
        suspend().await;
        support::unreachable("unshielded and cancelled");
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    task.suspends();
    assert!(task.finishes().is_err());
}

/// SHD-1
#[test]
fn shields_close_in_any_order() {
    let task = ShieldableTask::new(async {
        let (first, second, third) = (shield_scope(), shield_scope(), shield_scope());
        drop(second);
        suspend().await;
        drop(first);
        suspend().await;
        assert!(is_shielded());
        drop(third);
        assert!(!is_shielded());
        suspend().await;
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    task.suspends();
    assert!(task.finishes().is_err());
}

/// SHD-4, SHD-6
#[test]
fn a_shield_may_be_closed_on_another_thread() {
    let guard = Slot::new();
    let task = ShieldableTask::new({
        let guard = guard.clone();
        async move {
            guard.put(shield_scope());
            pending::<()>().await;
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    task.suspends();
    task.take_wakes();
    thread::spawn(move || drop(guard.take())).join().unwrap();
    assert_eq!(task.take_wakes(), 1);
    assert!(task.finishes().is_err());
}

/// SHD-4: a guard names the scope it was opened in, not the one that holds it.
#[test]
fn a_guard_moved_into_another_task_still_shields_its_own() {
    let guard = Slot::new();
    let owner = ShieldableTask::new({
        let guard = guard.clone();
        async move {
            guard.put(shield_scope());
            pending::<()>().await;
        }
    });
    let owner_handle = owner.handle();
    let mut owner = Driven::new(owner);
    owner.suspends();
    let holder = ShieldableTask::new(async move {
        let _foreign = guard.take();
        assert!(!is_shielded());
        pending::<()>().await;
    });
    let holder_handle = holder.handle();
    let mut holder = Driven::new(holder);
    holder.suspends();
    owner_handle.cancel();
    owner.suspends();
    owner.take_wakes();
    holder_handle.cancel();
    assert!(holder.finishes().is_err(), "the foreign guard does not shield the task that holds it");
    assert_eq!(owner.take_wakes(), 1, "its end dropped the guard, elsewhere");
    assert!(owner.finishes().is_err());
}

/// SHD-7
#[test]
fn unwinding_closes_the_shields_it_passes_and_no_others() {
    let task = ShieldableTask::new(async {
        let _kept = shield_scope();
        let text = panic_text(|| {
            let _passed = shield_scope();
            let _passed_too = shield_scope();
            panic!("through two shields");
        });
        assert_eq!(text, "through two shields");
        suspend().await;
        drop(_kept);
        assert!(!is_shielded());
        suspend().await;
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    assert!(handle.is_shielded());
    handle.cancel();
    assert!(task.finishes().is_err());
}

/// SHD-13
#[test]
fn a_forgotten_guard_shields_for_ever_but_loses_no_value() {
    let task = ShieldableTask::new(async {
        std::mem::forget(shield_scope());
        suspend().await;
        suspend().await;
        7
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    task.suspends();
    assert_eq!(task.finishes(), Ok(7));
    assert!(!handle.is_shielded(), "a scope that has ended is not shielded");
}

/// SHD-11
#[test]
fn shielded_holds_its_shield_from_its_first_poll_to_its_end() {
    let task = ShieldableTask::new(async {
        let mut work = Box::pin(shielded(suspend()));
        assert!(!is_shielded());
        poll_fn(|cx| {
            assert!(work.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        assert!(is_shielded(), "suspended, and kept by the body");
        work.await;
        assert!(!is_shielded());

        let mut dropped = Box::pin(shielded(pending::<()>()));
        poll_fn(|cx| {
            assert!(dropped.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        drop(dropped);
        assert!(!is_shielded());
    });
    assert_eq!(Driven::new(task).finishes(), Ok(()));
}

/// SHD-8
#[test]
fn a_guard_returned_out_of_an_inner_scope_goes_on_shielding_the_scope_around_it() {
    let task = ShieldableTask::new(async {
        let guard = CancelScope::new(async { shield_scope() }).await.unwrap();
        assert!(is_shielded());
        suspend().await;
        drop(guard);
        assert!(!is_shielded());
        suspend().await;
        support::unreachable("unshielded and cancelled");
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    assert!(handle.is_shielded());
    handle.cancel();
    assert!(task.finishes().is_err());
}

/// SHD-8: the last of them, in whatever order.
#[test]
fn several_guards_that_outlive_their_scope_are_one_shield_until_the_last_is_dropped() {
    let task = ShieldableTask::new(async {
        let scope = CancelScope::new(async { (shield_scope(), shield_scope(), shield_scope()) });
        let (first, second, third) = scope.await.unwrap();
        drop(second);
        assert!(is_shielded());
        drop(first);
        assert!(is_shielded());
        drop(third);
        assert!(!is_shielded());
    });
    assert_eq!(Driven::new(task).finishes(), Ok(()));
}

/// SHD-8, SHD-6
#[test]
fn an_escaped_guard_dropped_elsewhere_wakes_the_scope_around() {
    let guard = Slot::new();
    let task = ShieldableTask::new({
        let guard = guard.clone();
        async move {
            guard.put(CancelScope::new(async { shield_scope() }).await.unwrap());
            pending::<()>().await;
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    task.suspends();
    task.take_wakes();
    drop(guard.take());
    assert_eq!(task.take_wakes(), 1);
    assert!(task.finishes().is_err());
}

/// SHD-8: through two scopes that both end.
#[test]
fn a_guard_that_outlives_two_scopes_shields_the_third() {
    let task = ShieldableTask::new(async {
        let inner = CancelScope::new(async { shield_scope() });
        let guard = CancelScope::new(async { inner.await.unwrap() }).await.unwrap();
        assert!(is_shielded());
        suspend().await;
        drop(guard);
        assert!(!is_shielded());
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    assert!(handle.is_shielded());
    assert_eq!(task.finishes(), Ok(()));
}

/// SHD-9
#[test]
fn a_guard_that_outlives_a_scope_with_nothing_around_it_is_inert() {
    let mut task = Driven::new(ShieldableTask::new(async { shield_scope() }));
    let guard = task.finishes().unwrap();
    drop(task);
    let mut other = Driven::new(ShieldableTask::new(async move {
        assert!(!is_shielded());
        drop(guard);
        suspend().await;
    }));
    other.suspends();
    assert_eq!(other.take_wakes(), 0);
}

/// SHD-9: the guard is kept outside the body.
#[test]
fn a_guard_that_outlives_a_hard_drop_outside_every_poll_is_inert() {
    let guard = Slot::new();
    let task = ShieldableTask::new({
        let guard = guard.clone();
        async move {
            guard.put(shield_scope());
            pending::<()>().await;
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    drop(task);
    assert!(handle.is_finished() && !handle.is_shielded());
    thread::spawn(move || drop(guard.take())).join().unwrap();
}

/// NST-5: what a suspended scope holds of the scope around it, it holds until its body has been dropped.
#[test]
fn the_destructors_of_a_dropped_inner_scope_still_run_inside_its_shield() {
    let log = Log::new();
    let task = ShieldableTask::new({
        let log = log.clone();
        async move {
            let around = TaskHandle::current();
            let mut inner = Box::pin(CancelScope::new(async {
                let _local = OnDrop(|| log.note(if around.is_shielded() { "shielded" } else { "exposed" }));
                let _shield = shield_scope();
                pending::<()>().await;
            }));
            poll_fn(|cx| {
                assert!(inner.as_mut().poll(cx).is_pending());
                Poll::Ready(())
            })
            .await;
            assert!(around.is_shielded());
            drop(inner);
            assert!(!around.is_shielded());
        }
    });
    assert_eq!(Driven::new(task).finishes(), Ok(()));
    log.assert(&["shielded"]);
}
