//! What no shield can prevent on tokio, and what to use instead (SPEC.md section 8).

#![cfg(feature = "tokio")]

mod support;

use std::future::pending;
use std::time::Duration;

use shieldable::{CancelScope, TaskHandle, shield_scope, shielded, time::timeout};
use support::{Driven, Log, ended, suspend};
use tokio::task::yield_now;
use tokio::time::sleep;

const SHORT: Duration = Duration::from_secs(1);
const LONG: Duration = Duration::from_secs(60);

/// TSK-8, SCP-10
#[tokio::test(start_paused = true)]
async fn tokios_abort_tears_a_shield_and_says_so() {
    let join = shieldable::spawn(shielded(pending::<()>()));
    yield_now().await;
    let handle = join.handle().clone();
    join.abort();
    let error = ended(join).await.unwrap_err();
    assert!(error.is_aborted() && !error.is_cancelled() && !error.is_panic());
    assert!(handle.is_finished() && handle.was_torn());
}

/// TSK-8
#[tokio::test(start_paused = true)]
async fn a_panic_is_told_from_a_cancellation() {
    let join = shieldable::spawn(async {
        TaskHandle::current().cancel();
        panic!("the body's own");
    });
    let outcome: Result<(), _> = ended(join).await;
    let error = outcome.unwrap_err();
    assert!(error.is_panic() && !error.is_cancelled() && !error.is_aborted());
    assert_eq!(support::text_of(&*error.into_panic()), "the body's own");
}

/// TSK-8, SCP-4, SCP-10
#[test]
fn the_end_of_the_runtime_tears_a_shield_with_the_scope_current() {
    let log = Log::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let join = shieldable::spawn_on(runtime.handle(), {
        let log = log.clone();
        async move {
            let own = TaskHandle::current();
            let _local = support::OnDrop(move || {
                assert_eq!(TaskHandle::current(), own);
                drop(shield_scope());
                log.note("destructor");
            });
            shielded(pending::<()>()).await;
        }
    });
    runtime.block_on(yield_now());
    let handle = join.handle().clone();
    drop(runtime);
    log.assert(&["destructor"]);
    assert!(handle.is_finished() && handle.was_torn());
    assert!(Driven::new(join).finishes().unwrap_err().is_aborted());
}

/// SCP-9, SCP-10: tokio's own timeout drops; the crate's honours the shield.
#[tokio::test(start_paused = true)]
async fn tokios_timeout_tears_a_shield_and_this_one_does_not() {
    async fn work() {
        shielded(sleep(LONG)).await;
    }
    let scope = CancelScope::new(work());
    let handle = scope.handle();
    assert!(tokio::time::timeout(SHORT, scope).await.is_err());
    assert!(handle.was_torn());

    let scope = CancelScope::new(async { timeout(SHORT, work()).await });
    let handle = scope.handle();
    assert_eq!(scope.await, Ok(Ok(())));
    assert!(!handle.was_torn());
}

/// SHD-8: a guard that a timed block gives back protects what comes after it.
#[tokio::test(start_paused = true)]
async fn a_guard_given_back_by_a_timeout_protects_the_code_after_it() {
    let log = Log::new();
    let join = shieldable::spawn({
        let log = log.clone();
        async move {
            let guard = timeout(SHORT, async { shield_scope() }).await.unwrap();
            sleep(SHORT).await;
            log.note("protected");
            drop(guard);
            yield_now().await;
            log.note("resumed");
        }
    });
    yield_now().await;
    join.cancel();
    assert!(ended(join).await.unwrap_err().is_cancelled());
    log.assert(&["protected"]);
}

/// A body driven by hand does the same as on the runtime: nothing here rests on tokio.
#[test]
fn the_value_survives_without_a_runtime_too() {
    let task = shieldable::ShieldableTask::new(async {
        shielded(suspend()).await;
        7
    });
    let handle = task.handle();
    let mut task = Driven::new(task);
    task.suspends();
    handle.cancel();
    assert_eq!(task.finishes(), Ok(7));
}
