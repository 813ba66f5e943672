//! When a request is delivered, what happens to the body then, and what is never lost.

mod support;

use std::future::{Future, pending};
use std::pin::Pin;

use shieldable::{CancelScope, Cancelled, ShieldableTask, TaskHandle, shield_scope, shielded};
use support::{Driven, Log, OnDrop, Probe, Slot, panic_text, suspend};

type BoxedBody = Pin<Box<dyn Future<Output = ()>>>;

// Delivery means dropping the body, inside the wrapper's poll.

/// DLV-3
#[test]
fn a_request_before_the_first_poll_means_the_body_never_runs() {
    let log = Log::new();
    let task = ShieldableTask::new({
        let (log, argument) = (log.clone(), log.on_drop("dropped"));
        async move {
            let _argument = argument;
            log.note("ran");
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    assert!(handle.cancel());
    log.assert(&[]);
    assert_eq!(task.finishes(), Err(Cancelled::new()));
    log.assert(&["dropped"]);
    assert!(handle.is_finished());
}

/// DLV-3: a shield inside the body cannot help before the body has run.
#[test]
fn a_request_before_the_first_poll_means_a_shielded_body_never_runs_either() {
    let log = Log::new();
    let scope = CancelScope::new(shielded({
        let log = log.clone();
        async move { log.note("ran") }
    }));
    assert!(scope.handle().cancel());
    assert!(Driven::new(scope).finishes().is_err());
    log.assert(&[]);
}

/// DLV-1, DLV-2, HDL-2
#[test]
fn a_request_from_outside_drops_the_body_in_the_next_poll_and_not_before() {
    let log = Log::new();
    let task = ShieldableTask::new({
        let local = log.on_drop("dropped");
        async move {
            let _local = local;
            pending::<()>().await;
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    assert!(handle.cancel());
    log.assert(&[]);
    assert!(!handle.is_finished());
    assert_eq!(task.take_wakes(), 1);
    assert!(task.finishes().is_err());
    log.assert(&["dropped"]);
    assert!(handle.is_finished());
}

/// DLV-2: the value that woke the task does not save it.
#[test]
fn a_task_that_was_already_woken_is_still_cancelled_on_entry() {
    let log = Log::new();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let task = ShieldableTask::new({
        let log = log.clone();
        async move {
            receiver.await.unwrap();
            log.note("went on");
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    sender.send(()).unwrap();
    assert_eq!(task.take_wakes(), 1);
    handle.cancel();
    assert!(task.finishes().is_err());
    log.assert(&[]);
}

/// DLV-4
#[test]
fn a_request_made_during_a_poll_is_delivered_in_that_poll_when_the_body_suspends() {
    let log = Log::new();
    let mut task = Driven::new(ShieldableTask::new({
        let log = log.clone();
        async move {
            let _local = log.on_drop("dropped");
            TaskHandle::current().cancel();
            log.note("ran on");
            suspend().await;
            log.note("resumed");
        }
    }));
    assert!(task.finishes().is_err());
    log.assert(&["ran on", "dropped"]);
}

/// DLV-6
#[test]
fn several_requests_are_one_delivery() {
    let task = ShieldableTask::new(pending::<()>());
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    for _ in 0..3 {
        assert!(handle.cancel());
    }
    assert_eq!(handle.cancelling(), 3);
    assert!(task.finishes().is_err());
    assert_eq!(handle.cancelling(), 3);
}

/// SCP-1, SCP-5, DLV-7, HDL-1, HDL-6
#[test]
fn a_delivery_that_has_begun_cannot_be_revoked_or_added_to_by_the_destructors_it_runs() {
    let log = Log::new();
    let own = Slot::<TaskHandle>::new();
    let task = ShieldableTask::new({
        let (log, own) = (log.clone(), own.clone());
        async move {
            let _local = OnDrop(move || {
                let handle = own.take();
                assert!(!handle.is_finished(), "done only when the body has been dropped");
                assert_eq!(handle.uncancel(), 2, "the count is frozen");
                assert_eq!(handle.uncancel(), 2);
                assert!(handle.cancel(), "true, but without effect");
                assert_eq!(handle.cancelling(), 2);
                log.note("destructor");
            });
            pending::<()>().await;
        }
    });
    let handle = task.handle();
    own.put(handle.clone());
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    handle.cancel();
    assert_eq!(task.take_wakes(), 1);
    assert!(task.finishes().is_err());
    log.assert(&["destructor"]);
    assert_eq!(task.take_wakes(), 0, "a request to an ending scope wakes nobody");
    assert!(!handle.cancel());
    assert_eq!((handle.cancelling(), handle.uncancel()), (2, 2));
}

/// DLV-7: not even a shield that outlives the body.
#[test]
fn a_shield_opened_by_a_destructor_of_a_delivery_defers_nothing() {
    let kept = Slot::new();
    let task = ShieldableTask::new({
        let kept = kept.clone();
        async move {
            let _local = OnDrop(|| kept.put(shield_scope()));
            pending::<()>().await;
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert!(task.finishes().is_err());
    assert!(handle.is_finished());
    assert!(!handle.is_shielded());
    drop(kept.take());
}

/// SCP-5, SCP-6: with a value the body is dropped before the poll returns.
#[test]
fn a_value_ends_the_scope_before_the_body_is_dropped_and_finishes_it_after() {
    let own = Slot::<TaskHandle>::new();
    let task = ShieldableTask::new(Probe::new(async { 7 }, {
        let own = own.clone();
        move || {
            let handle = own.take();
            assert!(!handle.is_finished());
            assert!(handle.cancel());
            assert_eq!(handle.cancelling(), 0, "an ending scope takes no requests");
        }
    }));
    let handle = task.handle();
    own.put(handle.clone());
    assert_eq!(Driven::new(task).finishes(), Ok(7));
    assert!(own.is_empty(), "the body has been dropped");
    assert!(handle.is_finished());
    assert!(!handle.cancel());
}

/// SCP-7, SCP-8, HDL-1, HDL-6
#[test]
fn after_a_panic_the_scope_is_ending_until_its_wrapper_is_dropped() {
    let log = Log::new();
    let task = ShieldableTask::new(Probe::new(async { panic!("the body's own") }, {
        let log = log.clone();
        move || log.note("dropped")
    }));
    let handle = task.handle();
    let mut task: Driven<ShieldableTask<_>> = Driven::new(task);
    assert_eq!(task.panics(), "the body's own");
    log.assert(&[]);
    assert!(!handle.is_finished());
    assert!(handle.cancel());
    assert_eq!((handle.cancelling(), handle.uncancel()), (0, 0));
    task.panics();
    drop(task);
    log.assert(&["dropped"]);
    assert!(handle.is_finished());
    assert!(!handle.was_torn());
}

/// SCP-7
#[test]
fn a_panic_is_not_masked_by_a_request() {
    let task = ShieldableTask::new(async {
        TaskHandle::current().cancel();
        panic!("louder than a request");
    });
    assert_eq!(Driven::<ShieldableTask<_>>::new(task).panics(), "louder than a request");
}

/// DLV-8, SCP-3, SCP-5
#[test]
fn a_panicking_destructor_propagates_out_of_the_delivery() {
    let task = ShieldableTask::new(async {
        let _local = OnDrop(|| panic!("a destructor's"));
        pending::<()>().await;
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert_eq!(task.panics(), "a destructor's");
    assert!(TaskHandle::try_current().is_none(), "the frames are what they were");
    assert!(handle.is_finished());
    task.panics();
}

/// SCP-8
#[test]
fn a_wrapper_that_completed_panics_when_polled_again() {
    let mut valued = Driven::new(CancelScope::new(async {}));
    assert!(valued.finishes().is_ok());
    valued.panics();
    let scope = CancelScope::new(async {});
    scope.handle().cancel();
    let mut cancelled = Driven::new(scope);
    assert!(cancelled.finishes().is_err());
    cancelled.panics();
}

/// SCP-8, SHD-8: the misuse changes nothing for the shield that was left to the scope around.
#[test]
fn a_wrapper_polled_again_leaves_the_shield_of_its_escaped_guards_alone() {
    let task = ShieldableTask::new(async {
        let mut inner = Box::pin(CancelScope::new(async { shield_scope() }));
        let _escaped = inner.as_mut().await.unwrap();
        let polled_again = panic_text(|| drop(Driven::new(inner.as_mut()).poll()));
        assert!(!polled_again.is_empty());
        suspend().await;
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    assert!(handle.is_shielded());
    handle.cancel();
    assert_eq!(task.finishes(), Ok(()));
}

/// SCP-2, SCP-3
#[test]
fn the_current_task_is_restored_when_a_poll_unwinds_through_several_scopes() {
    let mut outer = Driven::new(ShieldableTask::new(async {
        let own = TaskHandle::current();
        let text = panic_text(|| {
            let body = async { panic!("from far inside") };
            let mut inner = Driven::new(ShieldableTask::new(CancelScope::<BoxedBody>::new(Box::pin(body))));
            let _ = inner.poll();
        });
        assert_eq!(text, "from far inside");
        assert_eq!(TaskHandle::current(), own);
    }));
    assert_eq!(outer.finishes(), Ok(()));
    assert!(TaskHandle::try_current().is_none());
}

// A value is never thrown away.

/// DLV-5
#[test]
fn a_body_that_cancels_itself_and_returns_gives_its_value() {
    let mut task = Driven::new(ShieldableTask::new(async {
        assert!(TaskHandle::current().cancel());
        7
    }));
    assert_eq!(task.finishes(), Ok(7));
}

/// DLV-5, SHD-2
#[test]
fn a_shielded_body_that_returns_with_a_request_pending_gives_its_value() {
    let task = ShieldableTask::new(async {
        let _shield = shield_scope();
        suspend().await;
        7
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert_eq!(task.finishes(), Ok(7));
    assert_eq!(handle.cancelling(), 1);
}

/// SPEC section 8: what is not promised. The promise is about the wrapper's own body.
#[test]
fn the_value_of_a_finished_branch_inside_join_is_lost_when_the_join_is_cancelled() {
    let log = Log::new();
    let task = ShieldableTask::new({
        let log = log.clone();
        async move { tokio::join!(async move { log.on_drop("a finished branch's value") }, pending::<()>()) }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    log.assert(&[]);
    handle.cancel();
    assert!(task.finishes().is_err());
    log.assert(&["a finished branch's value"]);
}
