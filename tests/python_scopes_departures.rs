//! Where scopes, tasks and timeouts depart from the Python package whose ideas they are, case by case on a real runtime
//! (SPEC.md section 6).

#![cfg(feature = "tokio")]

mod support;

use std::future::pending;
use std::time::Duration;

use shieldable::{CancelScope, TaskHandle, shield_scope, shielded, time::timeout, try_shield_scope};
use support::{Log, Slot, ended, panic_text};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

/// DLV-5, DLV-9. Python: cancelled, and the value lost.
#[tokio::test(start_paused = true)]
async fn a_shield_that_closes_with_a_request_pending_before_a_return_keeps_the_value() {
    let join = shieldable::spawn(async {
        let _shield = shield_scope();
        sleep(SHORT).await;
        "connection"
    });
    yield_now().await;
    assert!(join.cancel());
    assert_eq!(ended(join).await.unwrap(), "connection");
}

/// DLV-5. Python: cancelled.
#[tokio::test(start_paused = true)]
async fn a_task_that_cancels_itself_and_returns_gives_its_value() {
    let join = shieldable::spawn(async {
        TaskHandle::current().cancel();
        7
    });
    assert_eq!(ended(join).await.unwrap(), 7);
}

/// DLV-4. Python: one turn of the loop later, and others run in between.
#[tokio::test(start_paused = true)]
async fn a_request_pending_when_a_step_suspends_is_delivered_before_anybody_else_runs() {
    let log = Log::new();
    let join = shieldable::spawn({
        let log = log.clone();
        async move {
            let _local = log.on_drop("dropped");
            TaskHandle::current().cancel();
            tokio::spawn({
                let log = log.clone();
                async move { log.note("somebody else") }
            });
            yield_now().await;
            log.note("resumed");
        }
    });
    assert!(ended(join).await.unwrap_err().is_cancelled());
    yield_now().await;
    log.assert(&["dropped", "somebody else"]);
}

/// DLV-6, NST-1. Python: the exception is caught and the same code goes on.
#[tokio::test(start_paused = true)]
async fn code_that_wants_to_survive_a_cancellation_puts_the_part_in_a_scope_of_its_own() {
    let part = Slot::new();
    let join = shieldable::spawn({
        let part = part.clone();
        async move {
            let scope = CancelScope::new(pending::<()>());
            part.put(scope.handle());
            let outcome = scope.await;
            yield_now().await;
            outcome.is_err()
        }
    });
    yield_now().await;
    part.take().cancel();
    assert!(ended(join).await.unwrap());
}

/// HDL-5. Python: cancelled with `cancelling() == 0`.
#[tokio::test(start_paused = true)]
async fn uncancel_before_the_delivery_revokes_the_request() {
    let join = shieldable::spawn(async {
        sleep(SHORT).await;
        sleep(SHORT).await;
        7
    });
    yield_now().await;
    assert!(join.cancel());
    assert_eq!(join.handle().uncancel(), 0);
    assert_eq!(ended(join).await.unwrap(), 7);
}

/// NST-3, NST-1. Python: the timeout does nothing inside, and a stray cancellation comes later.
#[tokio::test(start_paused = true)]
async fn a_timeout_inside_a_shield_fires_inside_and_leaks_nothing() {
    let start = Instant::now();
    let join = shieldable::spawn(async {
        let shield = shield_scope();
        let inner = timeout(SHORT, pending::<()>()).await;
        drop(shield);
        sleep(SHORT).await;
        sleep(SHORT).await;
        (inner.is_err(), TaskHandle::current().cancelling())
    });
    assert_eq!(ended(join).await.unwrap(), (true, 0));
    assert_eq!(start.elapsed(), 3 * SHORT);
}

/// NST-3: a shield around a timeout holds its own task's cancellation back, and the timeout bounds the work.
#[tokio::test(start_paused = true)]
async fn a_timeout_inside_a_shield_fires_also_while_the_task_is_being_cancelled() {
    let log = Log::new();
    let join = shieldable::spawn({
        let log = log.clone();
        async move {
            let shield = shield_scope();
            assert!(timeout(SHORT, pending::<()>()).await.is_err());
            log.note("timed out inside the shield");
            drop(shield);
            yield_now().await;
            log.note("resumed");
        }
    });
    yield_now().await;
    join.cancel();
    assert!(ended(join).await.unwrap_err().is_cancelled());
    log.assert(&["timed out inside the shield"]);
}

/// TMO-6, NST-1. Python: a stray cancellation at an unrelated await.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_in_a_shield_which_ends_the_block_gives_the_value() {
    let join = shieldable::spawn(async {
        let value = timeout(SHORT, async {
            let _shield = shield_scope();
            sleep(LONG).await;
            7
        })
        .await;
        sleep(SHORT).await;
        sleep(SHORT).await;
        (value, TaskHandle::current().cancelling())
    });
    assert_eq!(ended(join).await.unwrap(), (Ok(7), 0));
}

/// TMO-5: and one that does not end the block is looked at as soon as the shield is gone.
#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_in_a_shield_takes_effect_at_the_first_suspension_after_it() {
    let start = Instant::now();
    let log = Log::new();
    let value = timeout(SHORT, {
        let log = log.clone();
        async move {
            shielded(sleep(LONG)).await;
            log.note("shielded part done");
            sleep(LONG).await;
            log.note("resumed");
        }
    })
    .await;
    assert!(value.is_err());
    assert_eq!(start.elapsed(), LONG);
    log.assert(&["shielded part done"]);
}

/// TSK-5. Python: the request is passed on to the inner task, and can be lost.
#[tokio::test(start_paused = true)]
async fn cancelling_a_task_that_awaits_another_leaves_the_other_alone() {
    let inner = shieldable::spawn(async {
        sleep(SHORT).await;
        7
    });
    let inner_handle = inner.handle().clone();
    let outer = shieldable::spawn(inner);
    yield_now().await;
    outer.cancel();
    assert!(ended(outer).await.unwrap_err().is_cancelled());
    assert_eq!(inner_handle.cancelling(), 0);
    assert!(!inner_handle.is_finished());
    sleep(2 * SHORT).await;
    assert!(inner_handle.is_finished(), "detached, it went on to its end");
}

/// TSK-7: what Python does is there for those who ask for it.
#[tokio::test(start_paused = true)]
async fn cancel_on_drop_requests_what_awaiting_does_not() {
    let inner = shieldable::spawn(async {
        shielded(sleep(SHORT)).await;
        pending::<()>().await;
    });
    let inner_handle = inner.handle().clone();
    let outer = shieldable::spawn(inner.cancel_on_drop());
    yield_now().await;
    outer.cancel();
    assert!(ended(outer).await.unwrap_err().is_cancelled());
    assert_eq!(inner_handle.cancelling(), 1);
    assert!(!inner_handle.is_finished(), "its shield holds");
    sleep(2 * SHORT).await;
    assert!(inner_handle.is_finished() && !inner_handle.was_torn());
}

/// SHD-1. Python: RuntimeError, after the wrong token was popped.
#[tokio::test(start_paused = true)]
async fn scopes_closed_out_of_order_close_each_their_own() {
    let join = shieldable::spawn(async {
        let first = shield_scope();
        let second = shield_scope();
        drop(first);
        sleep(SHORT).await;
        drop(second);
        sleep(SHORT).await;
        support::unreachable("unshielded and cancelled");
    });
    yield_now().await;
    join.cancel();
    let outcome: Result<(), _> = ended(join).await;
    assert!(outcome.unwrap_err().is_cancelled());
}

/// SHD-6. Python: the owner is not woken and hangs.
#[tokio::test(start_paused = true)]
async fn a_scope_closed_from_another_task_wakes_its_owner() {
    let guard = Slot::new();
    let owner = shieldable::spawn({
        let guard = guard.clone();
        async move {
            guard.put(shield_scope());
            pending::<()>().await;
        }
    });
    yield_now().await;
    owner.cancel();
    yield_now().await;
    assert!(!owner.is_finished());
    shieldable::spawn(async move { drop(guard.take()) }).await.unwrap();
    assert!(ended(owner).await.unwrap_err().is_cancelled());
}

/// SHD-10. Python: silently a no-op.
#[tokio::test(start_paused = true)]
async fn a_shield_in_a_plain_task_is_refused() {
    tokio::spawn(async {
        assert!(try_shield_scope().is_err());
        panic_text(|| drop(shield_scope()));
    })
    .await
    .unwrap();
}
