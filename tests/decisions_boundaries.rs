//! Neither opening a shield nor closing one is a delivery point, and who is woken when one closes.

mod support;

use std::future::pending;

use shieldable::{CancelScope, ShieldableTask, TaskHandle, checkpoint, shield_scope, shielded};
use support::{Driven, Log, Slot, suspend};

/// DLV-9, DLV-4
#[test]
fn code_after_the_closing_brace_of_a_shield_runs_up_to_the_next_suspension() {
    let log = Log::new();
    let task = ShieldableTask::new({
        let log = log.clone();
        async move {
            {
                let _shield = shield_scope();
                suspend().await;
                log.note("shielded");
            }
            log.note("after the brace");
            async { log.note("an await that does not suspend") }.await;
            suspend().await;
            log.note("after the suspension");
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert!(task.finishes().is_err());
    log.assert(&["shielded", "after the brace", "an await that does not suspend"]);
}

/// DLV-9, SHD-3
#[test]
fn a_clean_up_shield_can_be_opened_in_a_task_that_has_been_cancelled() {
    let log = Log::new();
    let mut task = Driven::new(ShieldableTask::new({
        let log = log.clone();
        async move {
            TaskHandle::current().cancel();
            {
                let _shield = shield_scope();
                suspend().await;
                log.note("cleaned up");
            }
            suspend().await;
            log.note("went on");
        }
    }));
    task.suspends();
    log.assert(&[]);
    assert!(task.finishes().is_err());
    log.assert(&["cleaned up"]);
}

/// SHD-5: own poll means that the scope is anywhere among the frames.
#[test]
fn a_guard_dropped_inside_the_poll_of_a_nested_scope_wakes_nobody() {
    let task = ShieldableTask::new(async {
        let shield = shield_scope();
        suspend().await;
        let nested = ShieldableTask::new(CancelScope::new(async move { drop(shield) }));
        assert_eq!(nested.await, Ok(Ok(())));
        suspend().await;
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    task.suspends();
    assert_eq!(task.take_wakes(), 0);
    assert!(!handle.is_shielded());
}

/// SHD-5: a guard dropped in its own poll with a request pending: noticed at the next suspension, without a wake.
#[test]
fn a_guard_dropped_in_its_own_poll_wakes_nobody_and_delivers_in_that_poll() {
    let task = ShieldableTask::new(async {
        let shield = shield_scope();
        suspend().await;
        drop(shield);
        suspend().await;
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert_eq!(task.take_wakes(), 1);
    assert!(task.finishes().is_err());
    assert_eq!(task.take_wakes(), 0);
}

/// SHD-6
#[test]
fn a_guard_dropped_elsewhere_wakes_the_task_which_then_delivers() {
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
    drop(guard.take());
    assert_eq!(task.take_wakes(), 1);
    assert!(task.finishes().is_err());
}

/// SHD-6: always, also when it was not the last one and when nothing is requested.
#[test]
fn every_guard_dropped_elsewhere_wakes_once() {
    let guards = Slot::new();
    let task = ShieldableTask::new({
        let guards = guards.clone();
        async move {
            guards.put(vec![shield_scope(), shield_scope(), shield_scope()]);
            pending::<()>().await;
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    for guard in guards.take() {
        assert!(handle.is_shielded());
        drop(guard);
        assert_eq!(task.take_wakes(), 1);
        task.suspends();
    }
    assert!(!handle.is_shielded());
}

/// SHD-4, SHD-6: inside the poll of *another* task is elsewhere too.
#[test]
fn a_guard_dropped_inside_the_poll_of_another_task_wakes_its_own() {
    let guard = Slot::new();
    let mut owner = Driven::new(ShieldableTask::new({
        let guard = guard.clone();
        async move {
            guard.put(shield_scope());
            pending::<()>().await;
        }
    }));
    owner.suspends();
    let mut other = Driven::new(ShieldableTask::new(async move {
        drop(guard.take());
        suspend().await;
    }));
    other.suspends();
    assert_eq!(owner.take_wakes(), 1);
    assert_eq!(other.take_wakes(), 0);
}

/// DLV-9, CHK-2: what cancels a loop of shielded steps is a checkpoint between them.
#[test]
fn shielded_steps_back_to_back_are_never_cancelled_but_at_a_checkpoint() {
    let log = Log::new();
    let task = ShieldableTask::new({
        let log = log.clone();
        async move {
            for _ in 0..3 {
                shielded(suspend()).await;
            }
            log.note("three steps");
            checkpoint().await;
            log.note("past the checkpoint");
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    task.suspends();
    task.suspends();
    assert!(task.finishes().is_err());
    log.assert(&["three steps"]);
}
