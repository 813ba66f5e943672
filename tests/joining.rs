//! TSK and HDL-8: join handles, their errors, and one outcome for each task.

#![cfg(feature = "tokio")]

mod support;

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use shieldable::{Cancelled, JoinError, ShieldableTask, TaskHandle, shield_scope, shielded, spawn, spawn_local};
use support::{Driven, Log, OnDrop, panic_text, text_of};
use tokio::sync::oneshot;
use tokio::task::{LocalSet, yield_now};
use tokio::time::{Instant, sleep};

const SHORT: Duration = Duration::from_millis(10);

fn assert_is<E: std::error::Error + Send + Sync + 'static>(_: &E) {}

/// TSK-5
#[tokio::test]
async fn cancelling_one_who_awaits_a_handle_leaves_the_awaited_task_alone() {
    let (sender, receiver) = oneshot::channel();
    let (done, outcome) = oneshot::channel();
    let inner = spawn(async move {
        let value: u32 = receiver.await.unwrap();
        done.send(value).unwrap();
    });
    let inner_handle = inner.handle().clone();
    let outer = spawn(inner);
    yield_now().await;
    outer.cancel();
    assert!(outer.await.unwrap_err().is_cancelled());
    assert_eq!((inner_handle.cancelling(), inner_handle.is_finished()), (0, false));
    sender.send(7).unwrap();
    assert_eq!(outcome.await, Ok(7));
}

/// TSK-6
#[tokio::test]
async fn awaiting_a_cancelled_task_is_an_error_and_no_cancellation() {
    let outer = spawn(async {
        let inner = spawn(pending::<()>());
        inner.cancel();
        let error = inner.await.unwrap_err();
        yield_now().await;
        (error.is_cancelled(), TaskHandle::current().cancelling())
    });
    assert_eq!(outer.await.unwrap(), (true, 0));
}

/// TSK-5: awaiting by reference may be given up and taken up again.
#[tokio::test(start_paused = true)]
async fn an_await_of_a_handle_that_timed_out_may_be_taken_up_again() {
    let mut join = spawn(async {
        sleep(2 * SHORT).await;
        7
    });
    assert!(shieldable::time::timeout(SHORT, &mut join).await.is_err());
    assert_eq!(join.handle().cancelling(), 0);
    assert_eq!(join.await.unwrap(), 7);
}

/// TSK-7
#[tokio::test]
async fn dropping_a_join_handle_detaches_the_task() {
    let (done, outcome) = oneshot::channel();
    let join = spawn(async move {
        yield_now().await;
        done.send(TaskHandle::current().cancelling()).unwrap();
    });
    drop(join);
    assert_eq!(outcome.await, Ok(0));
}

/// TSK-7
#[tokio::test(start_paused = true)]
async fn cancel_on_drop_makes_one_request_that_an_open_shield_outlasts() {
    let log = Log::new();
    let join = spawn({
        let log = log.clone();
        async move {
            shielded(sleep(SHORT)).await;
            log.note("the shielded part is whole");
            pending::<()>().await;
        }
    })
    .cancel_on_drop();
    let handle = join.handle().clone();
    yield_now().await;
    drop(join);
    assert_eq!((handle.cancelling(), handle.is_finished()), (1, false));
    sleep(2 * SHORT).await;
    assert!(handle.is_finished() && !handle.was_torn());
    log.assert(&["the shielded part is whole"]);
}

/// TSK-7: while it is unwound past, too.
#[tokio::test]
async fn cancel_on_drop_cancels_when_a_panic_drops_it() {
    let join = spawn(pending::<()>()).cancel_on_drop();
    let handle = join.handle().clone();
    catch_unwind(AssertUnwindSafe(move || {
        let _join = join;
        panic!("on the way");
    }))
    .unwrap_err();
    assert_eq!(handle.cancelling(), 1);
}

/// TSK-6, TSK-7
#[tokio::test]
async fn awaiting_a_cancel_on_drop_gives_the_outcome_and_requests_nothing() {
    let join = spawn(async {
        yield_now().await;
        7
    })
    .cancel_on_drop();
    let handle = join.handle().clone();
    assert_eq!(join.await.unwrap(), 7);
    assert_eq!(handle.cancelling(), 0);

    let join = spawn(pending::<()>()).cancel_on_drop();
    assert!(join.cancel() && !join.is_finished());
    assert!(join.await.unwrap_err().is_cancelled());
}

/// TSK-6
#[tokio::test(start_paused = true)]
async fn cancel_and_join_waits_for_shields_and_destructors() {
    let start = Instant::now();
    let log = Log::new();
    let join = spawn({
        let log = log.clone();
        async move {
            let _local = log.on_drop("destructor");
            shielded(sleep(SHORT)).await;
            log.note("shielded");
            yield_now().await;
            log.note("went on");
        }
    });
    yield_now().await;
    assert!(join.cancel_and_join().await.unwrap_err().is_cancelled());
    assert_eq!(start.elapsed(), SHORT);
    log.assert(&["shielded", "destructor"]);
}

/// DLV-5
#[tokio::test(start_paused = true)]
async fn cancel_and_join_gives_the_value_of_a_task_that_returned_all_the_same() {
    let join = spawn(shielded(async {
        sleep(SHORT).await;
        7
    }));
    yield_now().await;
    assert_eq!(join.cancel_and_join().await.unwrap(), 7);
}

/// TSK-7: cancelled itself after its first poll, it detaches; the request stays.
#[tokio::test]
async fn a_cancel_and_join_that_is_dropped_detaches_the_task_with_its_request() {
    let join = spawn(shielded(pending::<()>()));
    yield_now().await;
    let handle = join.handle().clone();
    let mut joining = Driven::new(join.cancel_and_join());
    assert_eq!(handle.cancelling(), 0, "requested at the first poll");
    joining.suspends();
    drop(joining);
    assert_eq!((handle.cancelling(), handle.is_finished()), (1, false));
}

/// TSK-8
#[tokio::test]
async fn an_abort_is_told_from_a_cancellation() {
    let join = spawn(pending::<()>());
    yield_now().await;
    let handle = join.handle().clone();
    join.abort();
    let error = join.await.unwrap_err();
    assert!(error.is_aborted() && !error.is_cancelled() && !error.is_panic());
    assert!(handle.is_finished() && !handle.was_torn(), "no shield was open");
    assert_eq!((error.to_string(), format!("{error:?}")), ("task was aborted".into(), "JoinError::Aborted".into()));
    assert_is(&error);
    panic_text(|| drop(error.into_panic()));
}

/// TSK-8
#[tokio::test]
async fn a_cancellation_is_told_from_an_abort_and_has_no_panic_to_give() {
    let join = spawn(pending::<()>());
    join.cancel();
    let error = join.await.unwrap_err();
    assert!(error.is_cancelled() && !error.is_aborted() && !error.is_panic());
    assert_eq!((error.to_string(), format!("{error:?}")), ("task was cancelled".into(), "JoinError::Cancelled".into()));
    let error = error.try_into_panic().unwrap_err();
    assert!(error.is_cancelled());
    let text = panic_text(|| drop(error.into_panic()));
    assert!(text.contains("did not panic"), "{text}");
    assert!(JoinError::from(Cancelled::new()).is_cancelled());
}

/// TSK-8
#[tokio::test]
async fn the_error_of_a_panic_shows_the_panic() {
    let outcome: Result<(), _> = spawn(async { panic!("the ledger is gone") }).await;
    let error = outcome.unwrap_err();
    assert!(error.is_panic() && error.to_string().contains("panicked with message \"the ledger is gone\""), "{error}");
}

/// TSK-8, SCP-7
#[tokio::test]
async fn a_panic_is_given_back_as_it_was_thrown() {
    let join = spawn(async {
        yield_now().await;
        std::panic::panic_any(7_u32);
    });
    let handle = join.handle().clone();
    let outcome: Result<(), _> = join.await;
    let error = outcome.unwrap_err();
    assert!(error.is_panic() && !error.is_cancelled() && !error.is_aborted());
    assert_eq!(error.into_panic().downcast_ref::<u32>(), Some(&7));
    assert!(handle.is_finished() && !handle.cancel());
}

/// DLV-8, TSK-8
#[tokio::test]
async fn a_destructor_that_panics_during_a_delivery_is_a_panic_of_the_task() {
    let join = spawn(async {
        let _local = OnDrop(|| panic!("a destructor's"));
        pending::<()>().await;
    });
    yield_now().await;
    let handle = join.handle().clone();
    join.cancel();
    let error = join.await.unwrap_err();
    assert!(error.is_panic());
    assert_eq!(text_of(&*error.into_panic()), "a destructor's");
    assert!(handle.is_finished());
}

/// SCP-5: what the body owned is gone when the outcome is there.
#[tokio::test]
async fn a_handle_that_is_kept_keeps_nothing_of_the_task_alive() {
    let owned = Arc::new(());
    let handles: Vec<TaskHandle> = {
        let returns = spawn({
            let owned = owned.clone();
            async move { drop(owned) }
        });
        let cancelled = spawn({
            let owned = owned.clone();
            async move {
                let _owned = owned;
                pending::<()>().await
            }
        });
        yield_now().await;
        cancelled.cancel();
        let handles = vec![returns.handle().clone(), cancelled.handle().clone()];
        returns.await.unwrap();
        cancelled.await.unwrap_err();
        handles
    };
    assert_eq!(Arc::strong_count(&owned), 1);
    for handle in handles {
        assert!(handle.is_finished() && !handle.cancel());
        assert!(!handle.is_shielded());
        assert_eq!(handle.uncancel(), handle.cancelling());
    }
}

/// SCP-6, HDL-8: exactly one of value and `Cancelled`, and `cancel() == false` only after the end.
#[test]
fn cancel_racing_completion_on_threads_has_one_outcome_and_false_means_finished() {
    const ROUNDS: usize = 2_000;
    for _ in 0..ROUNDS {
        let log = Log::new();
        let task = ShieldableTask::new({
            let local = log.on_drop("dropped");
            async move {
                let _local = local;
                7
            }
        });
        let handle = task.handle();
        let start = Barrier::new(2);
        let (outcome, was_alive) = std::thread::scope(|threads| {
            let canceller = threads.spawn(|| {
                start.wait();
                let was_alive = handle.cancel();
                assert!(was_alive || handle.is_finished());
                was_alive
            });
            start.wait();
            let outcome = Driven::new(task).finishes();
            (outcome, canceller.join().unwrap())
        });
        assert!(handle.is_finished());
        log.assert(&["dropped"]);
        match outcome {
            Ok(value) => assert_eq!(value, 7),
            Err(_) => assert!(was_alive && handle.cancelling() == 1),
        }
    }
}

/// HDL-8: the scope's own word answers, also before the executor's join handle does.
#[tokio::test]
async fn a_task_is_finished_before_its_join_handle_says_so() {
    let join = spawn(async {});
    let handle = join.handle().clone();
    assert!(!join.is_finished());
    yield_now().await;
    assert!(handle.is_finished() && join.is_finished() && !join.cancel());
    join.await.unwrap();
}

#[tokio::test]
async fn spawn_local_runs_what_may_not_cross_threads() {
    let local = LocalSet::new();
    let value = Rc::new(7);
    let outcome = local.run_until(async {
        let value = value.clone();
        let task = spawn_local(async move {
            let _shield = shield_scope();
            yield_now().await;
            value
        });
        yield_now().await;
        task.cancel();
        task.await
    });
    assert_eq!(*outcome.await.unwrap(), 7);
}

#[test]
fn spawn_on_spawns_from_outside_the_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let join = shieldable::spawn_on(runtime.handle(), async { TaskHandle::current().id() });
    let id = join.handle().id();
    assert_eq!(runtime.block_on(join).unwrap(), id);
}

#[tokio::test]
async fn a_named_task_keeps_its_name_when_it_is_spawned() {
    let task = ShieldableTask::named("mailer", async { TaskHandle::current().name().map(String::from) });
    let join = task.spawn();
    assert_eq!(join.handle().name(), Some("mailer"));
    assert_eq!(join.await.unwrap().as_deref(), Some("mailer"));
}

/// Bad use: tokio's own message, and the body is not lost silently.
#[test]
fn spawning_outside_a_runtime_panics_with_tokios_own_message() {
    let log = Log::new();
    let local = log.on_drop("body dropped");
    let text = panic_text(|| {
        drop(spawn(async move {
            let _local = local;
        }));
    });
    assert!(text.contains("runtime"), "{text}");
    log.assert(&["body dropped"]);
    let text = panic_text(|| drop(spawn_local(async {})));
    assert!(text.contains("LocalSet") || text.contains("spawn_local"), "{text}");
}

/// TSK-8: the runtime is gone; the handle still answers.
#[test]
fn a_task_of_a_runtime_that_is_gone_is_finished_and_aborted() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut join = shieldable::spawn_on(runtime.handle(), pending::<()>());
    let handle = join.handle().clone();
    drop(runtime);
    assert!(handle.is_finished() && !handle.cancel());
    let polled = Pin::new(&mut join).poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(polled, Poll::Ready(Err(error)) if error.is_aborted()));
}
