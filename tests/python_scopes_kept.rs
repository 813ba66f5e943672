//! Where scopes, tasks and timeouts do what the Python package does, on purpose (SPEC.md section 7).

#![cfg(feature = "tokio")]

mod support;

use std::future::pending;
use std::time::Duration;

use shieldable::{TaskHandle, checkpoint, shield_scope, shielded};
use support::{Log, ended};
use tokio::task::yield_now;
use tokio::time::{Instant, sleep};

const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

/// DLV-3
#[tokio::test(start_paused = true)]
async fn a_request_before_the_first_step_means_the_body_never_runs() {
    let log = Log::new();
    let plain = shieldable::spawn({
        let log = log.clone();
        async move { log.note("plain") }
    });
    let shielded = shieldable::spawn(shielded({
        let log = log.clone();
        async move { log.note("shielded") }
    }));
    assert!(plain.cancel() && shielded.cancel());
    assert!(ended(plain).await.unwrap_err().is_cancelled());
    assert!(ended(shielded).await.unwrap_err().is_cancelled());
    log.assert(&[]);
}

/// DLV-10
#[tokio::test(start_paused = true)]
async fn a_request_while_suspended_without_a_shield_is_delivered_at_once() {
    let join = shieldable::spawn(pending::<()>());
    yield_now().await;
    join.cancel();
    yield_now().await;
    assert!(join.is_finished());
    assert!(ended(join).await.unwrap_err().is_cancelled());
}

/// SHD-2
#[tokio::test(start_paused = true)]
async fn a_request_while_suspended_in_a_shield_waits_until_it_is_gone() {
    let start = Instant::now();
    let log = Log::new();
    let join = shieldable::spawn({
        let log = log.clone();
        async move {
            {
                let _shield = shield_scope();
                sleep(SHORT).await;
                sleep(SHORT).await;
                log.note("the shielded part is whole");
            }
            sleep(LONG).await;
            log.note("resumed");
        }
    });
    yield_now().await;
    join.cancel();
    assert!(ended(join).await.unwrap_err().is_cancelled());
    assert_eq!(start.elapsed(), 2 * SHORT);
    log.assert(&["the shielded part is whole"]);
}

/// SHD-3
#[tokio::test(start_paused = true)]
async fn a_request_just_before_a_scope_is_entered_is_held_by_it() {
    let log = Log::new();
    let join = shieldable::spawn({
        let log = log.clone();
        async move {
            TaskHandle::current().cancel();
            {
                let _shield = shield_scope();
                sleep(SHORT).await;
                log.note("the shielded part is whole");
            }
            yield_now().await;
            log.note("resumed");
        }
    });
    assert!(ended(join).await.unwrap_err().is_cancelled());
    log.assert(&["the shielded part is whole"]);
}

/// SHD-1
#[tokio::test(start_paused = true)]
async fn only_the_exit_of_the_outermost_scope_counts() {
    let log = Log::new();
    let join = shieldable::spawn({
        let log = log.clone();
        async move {
            {
                let _outer = shield_scope();
                shielded(sleep(SHORT)).await;
                sleep(SHORT).await;
                log.note("still inside the outer");
            }
            yield_now().await;
            log.note("resumed");
        }
    });
    yield_now().await;
    join.cancel();
    assert!(ended(join).await.unwrap_err().is_cancelled());
    log.assert(&["still inside the outer"]);
}

/// DLV-9, CHK-2
#[tokio::test(start_paused = true)]
async fn a_loop_of_shielded_awaits_is_cancelled_at_its_checkpoints_only() {
    async fn steps(with_checkpoints: bool) -> u32 {
        for _ in 0..5 {
            shielded(sleep(SHORT)).await;
            if with_checkpoints {
                checkpoint().await;
            }
        }
        5
    }
    let start = Instant::now();
    let (without, with) = (shieldable::spawn(steps(false)), shieldable::spawn(steps(true)));
    yield_now().await;
    without.cancel();
    with.cancel();
    assert!(ended(with).await.unwrap_err().is_cancelled());
    assert_eq!(start.elapsed(), SHORT);
    assert_eq!(ended(without).await.unwrap(), 5);
    assert_eq!(start.elapsed(), 5 * SHORT);
}

/// DLV-6, HDL-7
#[tokio::test(start_paused = true)]
async fn several_cancels_are_one_delivery_and_are_counted() {
    let log = Log::new();
    let join = shieldable::spawn({
        let local = log.on_drop("delivered");
        async move {
            let _local = local;
            shielded(sleep(SHORT)).await;
            yield_now().await;
        }
    });
    yield_now().await;
    for n in 1..=3 {
        assert!(join.cancel());
        assert_eq!(join.handle().cancelling(), n);
    }
    let handle = join.handle().clone();
    assert!(ended(join).await.unwrap_err().is_cancelled());
    log.assert(&["delivered"]);
    assert_eq!(handle.cancelling(), 3);
}

/// DLV-2
#[tokio::test(start_paused = true)]
async fn a_request_that_races_with_the_wake_up_of_an_unshielded_task_wins() {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let join = shieldable::spawn(receiver);
    yield_now().await;
    sender.send(7).unwrap();
    join.cancel();
    assert!(ended(join).await.unwrap_err().is_cancelled());
}

/// HDL-1, HDL-8
#[tokio::test(start_paused = true)]
async fn a_request_after_the_end_is_false() {
    let join = shieldable::spawn(async { 7 });
    let handle = join.handle().clone();
    assert_eq!(ended(join).await.unwrap(), 7);
    assert!(handle.is_finished());
    assert!(!handle.cancel());
    assert_eq!(handle.cancelling(), 0);
}

/// TSK-4
#[tokio::test(start_paused = true)]
async fn a_child_inherits_neither_the_shields_nor_the_requests_of_its_parent() {
    let join = shieldable::spawn(async {
        TaskHandle::current().cancel();
        let _shield = shield_scope();
        let child = shieldable::spawn(async {
            assert!(!shieldable::is_shielded());
            assert_eq!(TaskHandle::current().cancelling(), 0);
            sleep(LONG).await;
        });
        yield_now().await;
        child.cancel();
        child.await.unwrap_err().is_cancelled()
    });
    assert!(ended(join).await.unwrap());
}

/// TSK-6
#[tokio::test(start_paused = true)]
async fn a_cancelled_task_is_a_value_for_whoever_awaits_it() {
    let inner = shieldable::spawn(pending::<()>());
    inner.cancel();
    let outer = shieldable::spawn(async move {
        let outcome = inner.await;
        yield_now().await;
        outcome.is_err()
    });
    assert!(ended(outer).await.unwrap(), "the awaiting task is not cancelled by it");
}
