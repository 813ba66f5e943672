//! CHK: checkpoints and queries, across nested scopes.

#[path = "support/stage.rs"]
mod stage;
mod support;

use std::pin::pin;

use shieldable::{
    CancelHandle, CancelScope, ShieldScope, ShieldableTask, TaskHandle, cancel_pending, checkpoint, is_shielded,
    shield_scope, shielded,
};
use stage::{Moving, Stage, poll_once};
use support::{Driven, Log, OnDrop, Slot, suspend};

/// Whether a checkpoint here suspends; it is then dropped.
async fn would_suspend() -> bool {
    poll_once(pin!(checkpoint())).await.is_pending()
}

/// CHK-1, CHK-2: every placing of one request and one shield over two nested scopes.
#[test]
fn a_checkpoint_suspends_exactly_if_no_shield_is_between_it_and_the_request() {
    for (request_outside, shield_outside, suspends) in
        [(true, true, false), (true, false, false), (false, true, true), (false, false, false)]
    {
        let task = ShieldableTask::new(async move {
            let _outer_shield = shield_outside.then(shield_scope);
            if request_outside {
                TaskHandle::current().cancel();
            }
            let own = Slot::<CancelHandle>::new();
            let inner = CancelScope::new({
                let own = own.clone();
                async move {
                    let own = own.take();
                    let _inner_shield = (!shield_outside).then(shield_scope);
                    if !request_outside {
                        own.cancel();
                    }
                    (cancel_pending(), would_suspend().await)
                }
            });
            own.put(inner.handle());
            inner.await.unwrap()
        });
        let found = Driven::new(task).finishes().unwrap();
        assert_eq!(found, (suspends, suspends), "request outside: {request_outside}, shield outside: {shield_outside}");
    }
}

/// CHK-1
#[test]
fn a_request_of_a_scope_around_is_pending_inside_if_nothing_shields_it() {
    let task = ShieldableTask::new(async {
        TaskHandle::current().cancel();
        CancelScope::new(CancelScope::new(async { cancel_pending() && would_suspend().await })).await
    });
    assert_eq!(Driven::new(task).finishes(), Ok(Ok(Ok(true))));
}

/// CHK-1: a suspended sibling scope with a shield counts for the scope around it.
#[test]
fn a_shield_in_a_suspended_sibling_stands_between() {
    let task = ShieldableTask::new(async {
        let mut sibling = Box::pin(CancelScope::new(shielded(suspend())));
        assert!(poll_once(sibling.as_mut()).await.is_pending());
        TaskHandle::current().cancel();
        let held_back = !cancel_pending() && !would_suspend().await;
        sibling.await.unwrap();
        held_back && cancel_pending()
    });
    assert_eq!(Driven::new(task).finishes(), Ok(true));
}

/// CHK-2: what it lets in is up to the combinators in between.
#[test]
fn a_checkpoint_in_one_branch_delivers_when_the_whole_task_suspends() {
    let log = Log::new();
    let task = ShieldableTask::new({
        let log = log.clone();
        async move {
            TaskHandle::current().cancel();
            let first = async {
                checkpoint().await;
                log.note("went on after the checkpoint");
            };
            tokio::join!(first, async { log.note("the other branch still ran") });
        }
    });
    assert!(Driven::new(task).finishes().is_err());
    log.assert(&["the other branch still ran"]);

    // In a `select!` the ready branch wins, and nothing is delivered.
    let task = ShieldableTask::new(async {
        TaskHandle::current().cancel();
        tokio::select! {
            biased;
            () = checkpoint() => "checkpoint",
            () = async {} => "other",
        }
    });
    assert_eq!(Driven::new(task).finishes(), Ok("other"));
}

/// CHK-2
#[test]
fn a_checkpoint_suspends_once_and_stays_ready_then() {
    let task = ShieldableTask::new(async {
        TaskHandle::current().cancel();
        let mut checkpoint = pin!(checkpoint());
        assert!(poll_once(checkpoint.as_mut()).await.is_pending());
        assert!(poll_once(checkpoint.as_mut()).await.is_ready());
        assert!(poll_once(checkpoint.as_mut()).await.is_ready());
    });
    let mut task = Driven::new(task);
    assert!(task.finishes().is_ok());
    assert_eq!(task.take_wakes(), 1, "by the checkpoint; cancel() had no waker yet");
}

/// CHK-2, HDL-5: suspended in a `select!`, the request may be taken back before the next poll.
#[test]
fn a_suspended_checkpoint_whose_request_is_taken_back_is_ready_at_the_next_poll() {
    let mut stage = Stage::new();
    let point = Moving::new(checkpoint());
    let handle = stage.handle().clone();
    let polled = stage.run_with(move |cx| {
        handle.cancel();
        let first = point.poll(cx).is_pending();
        handle.uncancel();
        (first, point.poll(cx).is_ready())
    });
    assert_eq!(polled, (true, true));
    assert!(stage.poll_idle().is_pending(), "nothing is delivered");
}

/// CHK-1: an ending scope has nothing to deliver.
#[test]
fn a_destructor_of_a_delivery_finds_no_cancellation_pending() {
    let found = Slot::new();
    let task = ShieldableTask::new({
        let found = found.clone();
        async move {
            let _local = OnDrop(|| found.put((cancel_pending(), is_shielded())));
            suspend().await;
        }
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    handle.cancel();
    assert!(task.finishes().is_err());
    assert_eq!(found.take(), (false, false));
}

/// CHK-5
#[test]
fn is_shielded_speaks_of_the_task_however_deep_it_is_asked() {
    let task = ShieldableTask::new(async {
        let nothing = CancelScope::new(async { is_shielded() }).await.unwrap();
        let shield = shield_scope();
        let outside = CancelScope::new(CancelScope::new(async { is_shielded() })).await.unwrap().unwrap();
        let other_task = ShieldableTask::new(async { is_shielded() }).await.unwrap();
        drop(shield);
        let inside = CancelScope::new(CancelScope::new(async {
            let _shield = shield_scope();
            is_shielded()
        }));
        (nothing, outside, other_task, inside.await.unwrap().unwrap(), is_shielded())
    });
    assert_eq!(Driven::new(task).finishes(), Ok((false, true, false, true, false)));
}

/// CHK-5: without a task, it is the outermost scope that is spoken of.
#[test]
fn is_shielded_outside_a_task_speaks_of_the_outermost_scope() {
    let scope = CancelScope::new(async {
        let _shield = shield_scope();
        CancelScope::new(async { is_shielded() }).await.unwrap()
    });
    assert_eq!(Driven::new(scope).finishes(), Ok(true));
}

/// HDL-9
#[test]
fn is_shielded_of_a_handle_follows_the_guards_from_outside() {
    let guards = Slot::<Vec<ShieldScope>>::new();
    let task = ShieldableTask::new({
        let guards = guards.clone();
        async move {
            guards.put(vec![shield_scope(), shield_scope()]);
            suspend().await;
        }
    });
    let handle = task.handle();
    assert!(!handle.is_shielded());
    let mut task = Driven::new(task);
    task.suspends();
    let mut open = guards.take();
    assert!(handle.is_shielded());
    std::thread::scope(|threads| threads.spawn(|| drop(open.pop())).join().unwrap());
    assert!(handle.is_shielded());
    drop(open);
    assert!(!handle.is_shielded());
    assert!(task.finishes().is_ok());
    assert!(!handle.is_shielded());
}
